//! Tier schemes, their tiers, and which client is in which.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `tier_schemes`, `tiers`, `tier_assignments`.
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
                    .table("tier_schemes")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(text("name"))
                    .col(text_null("description"))
                    .col(boolean("is_default"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "tier_schemes").await?;

        manager
            .create_table(
                Table::create()
                    .table("tiers")
                    .col(uuid("id").primary_key())
                    .col(uuid("scheme_id"))
                    .col(text("code"))
                    .col(text("name"))
                    .col(integer("rank"))
                    .col(integer_null("discount_bp"))
                    .col(integer_null("points_multiplier_bp"))
                    .col(integer_null("visit_cadence_days"))
                    .col(integer_null("payment_term_days"))
                    .col(big_integer_null("credit_limit_minor"))
                    .col(string_len_null("credit_limit_currency", 3))
                    .col(integer_null("response_hours"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .index(&mut unique(
                        "tiers_by_scheme_and_code",
                        &["scheme_id", "code"],
                    ))
                    .foreign_key(&mut keeps("tiers", "scheme_id", "tier_schemes"))
                    .check(("tiers_rank_positive", Expr::col("rank").gt(0)))
                    .take(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("tier_assignments")
                    .col(uuid("id").primary_key())
                    .col(uuid("client_id"))
                    .col(uuid("scheme_id"))
                    .col(uuid("tier_id"))
                    .col(choice("kind"))
                    .col(text("reason"))
                    .col(uuid_null("assigned_by_id"))
                    .col(timestamp_with_time_zone("assigned_at"))
                    .col(timestamp_with_time_zone_null("expires_at"))
                    .col(timestamp_with_time_zone_null("ended_at"))
                    .col(text_null("ended_reason"))
                    .foreign_key(&mut dies_with("tier_assignments", "client_id", "clients"))
                    .foreign_key(&mut keeps("tier_assignments", "scheme_id", "tier_schemes"))
                    .foreign_key(&mut keeps("tier_assignments", "tier_id", "tiers"))
                    .foreign_key(&mut keeps("tier_assignments", "assigned_by_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "tier_assignments_by_client_and_scheme",
            "tier_assignments",
            &["client_id", "scheme_id", "assigned_at"],
        )
        .await?;
        index(
            manager,
            "tier_assignments_by_expiry",
            "tier_assignments",
            &["expires_at"],
        )
        .await?;
        index(
            manager,
            "tier_assignments_by_tier",
            "tier_assignments",
            &["tier_id", "client_id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["tier_assignments", "tiers", "tier_schemes"]).await
    }
}
