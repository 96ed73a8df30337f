//! The API, tested through HTTP.

mod edge;
mod graphql_contract;
mod small;
