//! Facts about clients that lists sort and filter by. Every index ends in the client, so that a page
//! can begin after any row.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `client_stats`.
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
                    .table("client_stats")
                    .col(uuid("client_id").primary_key())
                    .col(big_integer("order_count"))
                    .col(date_null("first_order_on"))
                    .col(date_null("last_order_on"))
                    .col(big_integer("lifetime_revenue_minor"))
                    .col(big_integer("trailing_revenue_minor"))
                    .col(date_null("trailing_until_on"))
                    .col(big_integer("receivable_minor"))
                    .col(integer_null("cycle_days"))
                    .col(uuid_null("tier_id"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .foreign_key(&mut dies_with("client_stats", "client_id", "clients"))
                    .foreign_key(&mut keeps("client_stats", "tier_id", "tiers"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "client_stats_by_tier",
            "client_stats",
            &["tier_id", "client_id"],
        )
        .await?;
        index(
            manager,
            "client_stats_by_trailing_until",
            "client_stats",
            &["trailing_until_on", "client_id"],
        )
        .await?;
        index(
            manager,
            "client_stats_by_receivable",
            "client_stats",
            &["receivable_minor", "client_id"],
        )
        .await?;
        index(
            manager,
            "client_stats_by_trailing_revenue",
            "client_stats",
            &["trailing_revenue_minor", "client_id"],
        )
        .await?;
        index(
            manager,
            "client_stats_by_last_order",
            "client_stats",
            &["last_order_on", "client_id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["client_stats"]).await
    }
}
