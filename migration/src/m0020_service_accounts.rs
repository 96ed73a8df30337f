//! Programs that use the API: service accounts and their keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `service_accounts`, `service_keys`.
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
                    .table("service_accounts")
                    .col(uuid("id").primary_key())
                    .col(text("name"))
                    .col(uuid("user_id"))
                    .col(text("scopes"))
                    .col(uuid_null("created_by_id"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone_null("closed_at"))
                    .index(&mut unique("service_accounts_by_name", &["name"]))
                    .foreign_key(&mut dies_with("service_accounts", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "service_accounts_by_user",
            "service_accounts",
            &["user_id"],
        )
        .await?;
        manager
            .create_table(
                Table::create()
                    .table("service_keys")
                    .col(uuid("id").primary_key())
                    .col(uuid("account_id"))
                    .col(blob("secret_hash"))
                    .col(uuid_null("created_by_id"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("expires_at"))
                    .col(date_null("last_used_on"))
                    .col(timestamp_with_time_zone_null("revoked_at"))
                    .foreign_key(&mut dies_with(
                        "service_keys",
                        "account_id",
                        "service_accounts",
                    ))
                    .take(),
            )
            .await?;
        index(
            manager,
            "service_keys_by_account",
            "service_keys",
            &["account_id", "created_at"],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["service_keys", "service_accounts"]).await
    }
}
