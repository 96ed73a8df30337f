//! The API, tested through HTTP, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

#[macro_use]
mod support;

mod architecture;
mod categories;
mod clients;
mod edge;
mod graphql_contract;
mod ground;
mod isolation;
mod products;
mod schema;
mod small;
mod stock;
