//! Indexes for the orders in which administrators look at all clients. Every client gets its facts: lists that
//! are sorted by them go through these.

use sea_orm_migration::prelude::*;

use crate::columns::*;

/// The indexes `clients_by_update` and `client_stats_by_last_day`, which takes the place of
/// `client_stats_by_last_order`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(
            manager,
            "clients_by_update",
            "clients",
            &["updated_at", "id"],
        )
        .await?;
        let connection = manager.get_connection();
        // Written out: the builder makes no such index for SQLite.
        for statement in [
            "DROP INDEX client_stats_by_last_order",
            "CREATE INDEX client_stats_by_last_day ON client_stats \
             ((COALESCE(last_order_on, '1970-01-01')), client_id)",
            "INSERT INTO client_stats (client_id, order_count, lifetime_revenue_minor, trailing_revenue_minor, \
             receivable_minor, updated_at) SELECT c.id, 0, 0, 0, 0, c.updated_at FROM clients c \
             WHERE NOT EXISTS (SELECT 1 FROM client_stats s WHERE s.client_id = c.id)",
        ] {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for statement in [
            "DROP INDEX client_stats_by_last_day",
            "DROP INDEX clients_by_update",
        ] {
            connection.execute_unprepared(statement).await?;
        }
        index(
            manager,
            "client_stats_by_last_order",
            "client_stats",
            &["last_order_on", "client_id"],
        )
        .await
    }
}
