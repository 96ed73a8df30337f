//! Clientele: the book of clients of a field sales team, served as GraphQL.

pub mod clock;
pub mod db;
pub mod error;
pub mod http;

pub use error::{Code, Error, Result};
