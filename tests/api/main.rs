//! The API, tested through HTTP, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "a test that panics has failed, which is what it is for"
)]

#[macro_use]
mod support;

mod addresses;
mod architecture;
mod backups;
mod bounds;
mod categories;
mod clients;
mod command_line;
mod confidential;
mod contacts;
mod cursors;
mod direct;
mod edge;
mod expiry;
mod exports;
mod external_ids;
mod graphql_contract;
mod ground;
mod handovers;
mod housekeeping;
mod idempotency;
mod import;
mod import_command;
mod input_faults;
mod isolation;
mod keys;
mod last_admin;
mod live;
mod margins;
mod members;
mod messages;
mod movements;
mod notes;
mod operations;
mod orders;
mod password_resets;
mod payments;
mod products;
mod provider;
mod proxies;
mod pulls;
mod pushes;
mod races;
mod refresh_schedules;
mod replica;
mod restores;
mod schema;
mod service_accounts;
mod sign_in;
mod small;
mod stale;
mod statements;
mod stats;
mod stewards;
mod stock;
mod tiers;
mod transactions;
mod unreachable;
mod users;
mod versions;
