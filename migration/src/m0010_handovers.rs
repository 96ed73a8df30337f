//! Hand-overs of clients between users.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `handovers`, `handover_clients`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("handovers")
                    .col(uuid("id").primary_key())
                    .col(text_null("note"))
                    .col(uuid("made_by_id"))
                    .col(uuid("to_user_id"))
                    .col(integer("client_count"))
                    .col(timestamp_with_time_zone("created_at"))
                    .foreign_key(&mut keeps("handovers", "made_by_id", "users"))
                    .foreign_key(&mut keeps("handovers", "to_user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "handovers_by_time",
            "handovers",
            &["created_at", "id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("handover_clients")
                    .col(uuid("handover_id"))
                    .col(uuid("client_id"))
                    .col(uuid_null("from_user_id"))
                    .col(uuid("to_user_id"))
                    .primary_key(Index::create().col("handover_id").col("client_id"))
                    .foreign_key(&mut dies_with(
                        "handover_clients",
                        "handover_id",
                        "handovers",
                    ))
                    .foreign_key(&mut keeps("handover_clients", "client_id", "clients"))
                    .foreign_key(&mut keeps("handover_clients", "from_user_id", "users"))
                    .foreign_key(&mut keeps("handover_clients", "to_user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "handover_clients_by_client",
            "handover_clients",
            &["client_id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["handover_clients", "handovers"]).await
    }
}
