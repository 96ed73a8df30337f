//! Clientele: the book of clients of a field sales team, served as GraphQL.

pub mod auth;
pub mod clock;
pub mod db;
pub mod error;

pub use error::{Code, Error, Result};
