//! What was answered to mutations that were sent with an idempotency key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `idempotent_answers`.
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
                    .table("idempotent_answers")
                    .col(uuid("user_id"))
                    .col(blob("key_hash"))
                    .col(integer("field"))
                    .col(blob("request_hash"))
                    .col(text("answer"))
                    .col(timestamp_with_time_zone("created_at"))
                    .primary_key(Index::create().col("user_id").col("key_hash").col("field"))
                    .foreign_key(&mut dies_with("idempotent_answers", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "idempotent_answers_by_time",
            "idempotent_answers",
            &["created_at"],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["idempotent_answers"]).await
    }
}
