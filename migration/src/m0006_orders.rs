//! Orders with their lines, history, returns and payments. What records money or goods (returns, payments)
//! keeps its order from being deleted; lines and history go with it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `orders`, `order_lines`, `order_events`, `order_returns`, `order_return_lines`, `payments`.
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
                    .table("orders")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(sort_key(manager, "number"))
                    .col(uuid("client_id"))
                    .col(uuid("placed_by_id"))
                    .col(choice("status"))
                    .col(string_len("currency", 3))
                    .col(date("placed_on"))
                    .col(date_null("required_on"))
                    .col(date_null("shipped_on"))
                    .col(date_null("delivered_on"))
                    .col(date_null("due_on"))
                    .col(integer_null("payment_term_days"))
                    .col(big_integer("lines_minor"))
                    .col(integer("discount_bp"))
                    .col(big_integer("discount_minor"))
                    .col(big_integer("freight_minor"))
                    .col(big_integer("total_minor"))
                    .col(big_integer("paid_minor"))
                    .col(big_integer("returned_minor"))
                    .col(text_null("ship_to_name"))
                    .col(text_null("ship_to_street"))
                    .col(text_null("ship_to_city"))
                    .col(text_null("ship_to_region"))
                    .col(text_null("ship_to_postal_code"))
                    .col(text_null("ship_to_country"))
                    .col(text_null("note"))
                    .col(uuid_null("reorder_of_id"))
                    .col(string_len_null("approval_reason", 64))
                    .col(uuid_null("decided_by_id"))
                    .col(timestamp_with_time_zone_null("decided_at"))
                    .col(text_null("decision_note"))
                    .col(timestamp_with_time_zone_null("submitted_at"))
                    .col(timestamp_with_time_zone_null("cancelled_at"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .index(&mut unique("orders_by_number", &["number"]))
                    .foreign_key(&mut keeps("orders", "client_id", "clients"))
                    .foreign_key(&mut keeps("orders", "placed_by_id", "users"))
                    .foreign_key(&mut keeps("orders", "reorder_of_id", "orders"))
                    .foreign_key(&mut keeps("orders", "decided_by_id", "users"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "orders").await?;
        index(
            manager,
            "orders_by_client_and_day",
            "orders",
            &["client_id", "placed_on", "id"],
        )
        .await?;
        index(
            manager,
            "orders_by_status_and_day",
            "orders",
            &["status", "placed_on", "id"],
        )
        .await?;
        index(manager, "orders_by_day", "orders", &["placed_on", "id"]).await?;
        index(
            manager,
            "orders_by_placer_and_day",
            "orders",
            &["placed_by_id", "placed_on", "id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("order_lines")
                    .col(uuid("id").primary_key())
                    .col(uuid("order_id"))
                    .col(uuid("client_id"))
                    .col(integer("line_number"))
                    .col(uuid("product_id"))
                    .col(text("product_name"))
                    .col(text("sku"))
                    .col(text("unit"))
                    .col(big_integer("quantity"))
                    .col(big_integer("unit_price_minor"))
                    .col(integer("discount_bp"))
                    .col(big_integer("net_minor"))
                    .col(big_integer("returned_quantity"))
                    .index(&mut unique(
                        "order_lines_by_order_and_number",
                        &["order_id", "line_number"],
                    ))
                    .foreign_key(&mut dies_with("order_lines", "order_id", "orders"))
                    .foreign_key(&mut keeps("order_lines", "client_id", "clients"))
                    .foreign_key(&mut keeps("order_lines", "product_id", "products"))
                    .check(("order_lines_quantity_positive", Expr::col("quantity").gt(0)))
                    .check((
                        "order_lines_returned_not_negative",
                        Expr::col("returned_quantity").gte(0),
                    ))
                    .check((
                        "order_lines_returned_within_quantity",
                        Expr::col("returned_quantity").lte(Expr::col("quantity")),
                    ))
                    .take(),
            )
            .await?;
        index(
            manager,
            "order_lines_by_product",
            "order_lines",
            &["product_id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("order_events")
                    .col(uuid("id").primary_key())
                    .col(uuid("order_id"))
                    .col(uuid("client_id"))
                    .col(choice("kind"))
                    .col(choice_null("from_status"))
                    .col(choice_null("to_status"))
                    .col(uuid_null("user_id"))
                    .col(text_null("note"))
                    .col(timestamp_with_time_zone("occurred_at"))
                    .foreign_key(&mut dies_with("order_events", "order_id", "orders"))
                    .foreign_key(&mut keeps("order_events", "client_id", "clients"))
                    .foreign_key(&mut keeps("order_events", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "order_events_by_order_and_time",
            "order_events",
            &["order_id", "occurred_at", "id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("order_returns")
                    .col(uuid("id").primary_key())
                    .col(uuid("order_id"))
                    .col(uuid("client_id"))
                    .col(text("reason"))
                    .col(big_integer("amount_minor"))
                    .col(uuid("created_by_id"))
                    .col(timestamp_with_time_zone("created_at"))
                    .foreign_key(&mut keeps("order_returns", "order_id", "orders"))
                    .foreign_key(&mut keeps("order_returns", "client_id", "clients"))
                    .foreign_key(&mut keeps("order_returns", "created_by_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "order_returns_by_order",
            "order_returns",
            &["order_id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("order_return_lines")
                    .col(uuid("id").primary_key())
                    .col(uuid("order_return_id"))
                    .col(uuid("order_line_id"))
                    .col(uuid("client_id"))
                    .col(big_integer("quantity"))
                    .col(big_integer("amount_minor"))
                    .foreign_key(&mut dies_with(
                        "order_return_lines",
                        "order_return_id",
                        "order_returns",
                    ))
                    .foreign_key(&mut keeps(
                        "order_return_lines",
                        "order_line_id",
                        "order_lines",
                    ))
                    .foreign_key(&mut keeps("order_return_lines", "client_id", "clients"))
                    .check((
                        "order_return_lines_quantity_positive",
                        Expr::col("quantity").gt(0),
                    ))
                    .take(),
            )
            .await?;
        index(
            manager,
            "order_return_lines_by_return",
            "order_return_lines",
            &["order_return_id"],
        )
        .await?;
        index(
            manager,
            "order_return_lines_by_order_line",
            "order_return_lines",
            &["order_line_id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("payments")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(uuid("client_id"))
                    .col(uuid("order_id"))
                    .col(big_integer("amount_minor"))
                    .col(string_len("currency", 3))
                    .col(choice("method"))
                    .col(date("paid_on"))
                    .col(text_null("reference"))
                    .col(text_null("note"))
                    .col(uuid("recorded_by_id"))
                    .col(timestamp_with_time_zone_null("voided_at"))
                    .col(uuid_null("voided_by_id"))
                    .col(text_null("void_reason"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .foreign_key(&mut keeps("payments", "client_id", "clients"))
                    .foreign_key(&mut keeps("payments", "order_id", "orders"))
                    .foreign_key(&mut keeps("payments", "recorded_by_id", "users"))
                    .foreign_key(&mut keeps("payments", "voided_by_id", "users"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "payments").await?;
        index(manager, "payments_by_order", "payments", &["order_id"]).await?;
        index(
            manager,
            "payments_by_client_and_day",
            "payments",
            &["client_id", "paid_on", "id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "payments",
                "order_return_lines",
                "order_returns",
                "order_events",
                "order_lines",
                "orders",
            ],
        )
        .await
    }
}
