//! Sync with phones, on the wire.

pub mod docs;
pub mod live;
pub mod pull;
pub mod push;
pub mod scalars;
