//! Passwords, sessions and failed sign-ins.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `credentials`, `sessions`, `sign_in_failures`.
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
                    .table("credentials")
                    .col(uuid("user_id").primary_key())
                    .col(text("password_hash"))
                    .col(timestamp_with_time_zone("changed_at"))
                    .foreign_key(&mut dies_with("credentials", "user_id", "users"))
                    .take(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("sessions")
                    .col(uuid("id").primary_key())
                    .col(uuid("user_id"))
                    .col(text("device_name"))
                    .col(text_null("user_agent"))
                    .col(blob("refresh_hash"))
                    .col(blob_null("previous_refresh_hash"))
                    .col(timestamp_with_time_zone("rotated_at"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("last_used_at"))
                    .col(timestamp_with_time_zone("idle_expires_at"))
                    .col(timestamp_with_time_zone("expires_at"))
                    .col(timestamp_with_time_zone_null("revoked_at"))
                    .col(string_len_null("revoked_reason", 32))
                    .index(&mut unique("sessions_by_refresh_hash", &["refresh_hash"]))
                    .foreign_key(&mut dies_with("sessions", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "sessions_by_previous_refresh_hash",
            "sessions",
            &["previous_refresh_hash"],
        )
        .await?;
        index(
            manager,
            "sessions_by_user",
            "sessions",
            &["user_id", "created_at"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("sign_in_failures")
                    .col(text("key").primary_key())
                    .col(integer("failures"))
                    .col(timestamp_with_time_zone("window_started_at"))
                    .col(timestamp_with_time_zone_null("blocked_until"))
                    .take(),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["sign_in_failures", "sessions", "credentials"]).await
    }
}
