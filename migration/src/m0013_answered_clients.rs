//! Which clients an answer is about that was given to a mutation with an idempotency key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// The column: `idempotent_answers.client_ids`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("idempotent_answers")
            .add_column(text("client_ids").default(""))
            .take();
        manager.alter_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("idempotent_answers")
            .drop_column("client_ids")
            .take();
        manager.alter_table(table).await
    }
}
