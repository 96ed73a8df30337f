//! Products and their categories.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `product_categories`, `products`.
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
                    .table("product_categories")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(text("name"))
                    .col(sort_key(manager, "name_sort"))
                    .col(uuid_null("parent_id"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .foreign_key(&mut keeps(
                        "product_categories",
                        "parent_id",
                        "product_categories",
                    ))
                    .take(),
            )
            .await?;
        external_id_index(manager, "product_categories").await?;
        index(
            manager,
            "product_categories_by_name",
            "product_categories",
            &["name_sort", "id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("products")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(sort_key(manager, "sku"))
                    .col(text("name"))
                    .col(sort_key(manager, "name_sort"))
                    .col(text("search_text"))
                    .col(uuid_null("category_id"))
                    .col(text("unit"))
                    .col(big_integer("list_price_minor"))
                    .col(string_len("currency", 3))
                    .col(boolean("is_active"))
                    .col(boolean("may_back_order"))
                    .col(big_integer("reorder_level"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .index(&mut unique("products_by_sku", &["sku"]))
                    .foreign_key(&mut keeps("products", "category_id", "product_categories"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "products").await?;
        index(
            manager,
            "products_by_name",
            "products",
            &["name_sort", "id"],
        )
        .await?;
        index(
            manager,
            "products_by_category_and_name",
            "products",
            &["category_id", "name_sort", "id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["products", "product_categories"]).await
    }
}
