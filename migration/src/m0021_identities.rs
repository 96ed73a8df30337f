//! Who a user is elsewhere, when their tokens were ended, and codes to set a new password.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `user_identities`, `token_cutoffs`, `password_resets`.
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
                    .table("user_identities")
                    .col(uuid("id").primary_key())
                    .col(uuid("user_id"))
                    .col(text("issuer"))
                    .col(text("subject"))
                    .col(timestamp_with_time_zone("created_at"))
                    .index(&mut unique(
                        "user_identities_by_subject",
                        &["issuer", "subject"],
                    ))
                    .foreign_key(&mut dies_with("user_identities", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "user_identities_by_user",
            "user_identities",
            &["user_id"],
        )
        .await?;
        manager
            .create_table(
                Table::create()
                    .table("token_cutoffs")
                    .col(uuid("user_id").primary_key())
                    .col(timestamp_with_time_zone("revoked_before"))
                    .foreign_key(&mut dies_with("token_cutoffs", "user_id", "users"))
                    .take(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("password_resets")
                    .col(uuid("user_id").primary_key())
                    .col(blob("code_hash"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("expires_at"))
                    .index(&mut unique("password_resets_by_code", &["code_hash"]))
                    .foreign_key(&mut dies_with("password_resets", "user_id", "users"))
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &["password_resets", "token_cutoffs", "user_identities"],
        )
        .await
    }
}
