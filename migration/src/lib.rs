//! The steps that build the database, on SQLite and PostgreSQL alike. Append only: a step that has run
//! somewhere is never edited, a new one follows it. Each step runs in one transaction on both databases.

mod columns;
mod m0001_users;
mod m0002_sign_in;
mod m0003_clients;
mod m0004_contacts;
mod m0005_products;
mod m0006_orders;
mod m0007_stock;
mod m0008_tiers;
mod m0009_client_stats;
mod m0010_handovers;
mod m0011_settings;
mod m0012_idempotent_answers;
mod m0013_answered_clients;
mod m0020_service_accounts;
mod m0021_identities;
mod m0030_client_orders;
mod m0040_sync;
mod m0050_margin;

pub use sea_orm_migration::prelude::MigratorTrait;
use sea_orm_migration::prelude::*;

/// Runs the steps. PostgreSQL has no lock against two processes that migrate at once: the caller takes one.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_users::Migration),
            Box::new(m0002_sign_in::Migration),
            Box::new(m0003_clients::Migration),
            Box::new(m0004_contacts::Migration),
            Box::new(m0005_products::Migration),
            Box::new(m0006_orders::Migration),
            Box::new(m0007_stock::Migration),
            Box::new(m0008_tiers::Migration),
            Box::new(m0009_client_stats::Migration),
            Box::new(m0010_handovers::Migration),
            Box::new(m0011_settings::Migration),
            Box::new(m0012_idempotent_answers::Migration),
            Box::new(m0013_answered_clients::Migration),
            Box::new(m0020_service_accounts::Migration),
            Box::new(m0021_identities::Migration),
            Box::new(m0030_client_orders::Migration),
            Box::new(m0040_sync::Migration),
            Box::new(m0050_margin::Migration),
        ]
    }
}
