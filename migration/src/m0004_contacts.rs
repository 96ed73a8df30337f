//! The people at clients.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `contacts`.
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
                    .table("contacts")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(uuid("client_id"))
                    .col(text("name"))
                    .col(sort_key(manager, "name_sort"))
                    .col(text("search_text"))
                    .col(text_null("title"))
                    .col(text_null("department"))
                    .col(boolean("is_key"))
                    .col(json_binary("roles"))
                    .col(choice_null("gender"))
                    .col(date_null("birthday"))
                    .col(json_binary("points"))
                    .col(text_null("likes"))
                    .col(text_null("social_status"))
                    .col(text_null("note"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .foreign_key(&mut dies_with("contacts", "client_id", "clients"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "contacts").await?;
        index(
            manager,
            "contacts_by_client_and_name",
            "contacts",
            &["client_id", "name_sort", "id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["contacts"]).await
    }
}
