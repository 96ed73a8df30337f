//! What there is of each product, and why it changed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `stock_levels`, `stock_movements`.
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
                    .table("stock_levels")
                    .col(uuid("product_id").primary_key())
                    .col(big_integer("on_hand"))
                    .col(big_integer("reserved"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .foreign_key(&mut dies_with("stock_levels", "product_id", "products"))
                    .check((
                        "stock_levels_on_hand_not_negative",
                        Expr::col("on_hand").gte(0),
                    ))
                    .check((
                        "stock_levels_reserved_not_negative",
                        Expr::col("reserved").gte(0),
                    ))
                    .take(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("stock_movements")
                    .col(uuid("id").primary_key())
                    .col(uuid("product_id"))
                    .col(choice("kind"))
                    .col(big_integer("on_hand_delta"))
                    .col(big_integer("reserved_delta"))
                    .col(uuid_null("order_id"))
                    .col(uuid_null("user_id"))
                    .col(text_null("note"))
                    .col(timestamp_with_time_zone("occurred_at"))
                    .foreign_key(&mut keeps("stock_movements", "product_id", "products"))
                    .foreign_key(&mut keeps("stock_movements", "order_id", "orders"))
                    .foreign_key(&mut keeps("stock_movements", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "stock_movements_by_product_and_time",
            "stock_movements",
            &["product_id", "occurred_at", "id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["stock_movements", "stock_levels"]).await
    }
}
