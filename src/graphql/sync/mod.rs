//! Sync with phones, on the wire.

pub mod push;
pub mod scalars;
