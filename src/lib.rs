//! Clientele: the book of clients of a field sales team, served as GraphQL.

pub mod auth;
pub mod clock;
pub mod db;
pub mod domain;
pub mod error;
pub mod graphql;
pub mod jobs;

pub use error::{Code, Error, Result};
