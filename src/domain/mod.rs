//! The rules of the business, one file per concept.
//!
//! The order of the `mod` lines below is the order of dependence: a module uses those above it, never
//! those below. Nothing here knows GraphQL, HTTP or a database connection.

pub mod money;

pub mod text;

pub mod dates;

pub mod external_ids;

pub mod users;

pub mod devices;
pub mod sessions;

pub mod identities;
pub mod password_resets;
pub mod service_accounts;
pub mod sign_in;

pub mod confidential;

pub mod categories;

pub mod products;
pub mod pulls;

pub mod stock;

pub mod clients;

pub mod contacts;

pub mod addresses;

pub mod notes;

pub mod tiers;

pub mod orders;

pub mod payments;

pub mod members;

pub mod handovers;

pub mod pushes;
