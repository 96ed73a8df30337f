//! Clients, their tags, teams, addresses and notes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `clients`, `client_tags`, `client_members`, `addresses`, `notes`.
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
                    .table("clients")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(choice("kind"))
                    .col(text("name"))
                    .col(sort_key(manager, "name_sort"))
                    .col(text("search_text"))
                    .col(uuid_null("owner_id"))
                    .col(uuid_null("parent_id"))
                    .col(choice("party_class"))
                    .col(choice("lifecycle"))
                    .col(choice_null("custom_kind"))
                    .col(choice_null("service_mode"))
                    .col(text_null("phone"))
                    .col(text_null("fax"))
                    .col(text_null("email"))
                    .col(text_null("website"))
                    .col(text_null("messaging_handle"))
                    .col(choice_null("gender"))
                    .col(date_null("birthday"))
                    .col(choice_null("nature"))
                    .col(text_null("industry"))
                    .col(integer_null("employee_count"))
                    .col(text_null("preferences"))
                    .col(text_null("buying_habits"))
                    .col(string_len("currency", 3))
                    .col(big_integer_null("credit_limit_minor"))
                    .col(integer_null("payment_term_days"))
                    .col(date_null("since_on"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .foreign_key(&mut keeps("clients", "owner_id", "users"))
                    .foreign_key(&mut keeps("clients", "parent_id", "clients"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "clients").await?;
        index(
            manager,
            "clients_by_owner_and_name",
            "clients",
            &["owner_id", "name_sort", "id"],
        )
        .await?;
        index(manager, "clients_by_name", "clients", &["name_sort", "id"]).await?;
        index(manager, "clients_by_parent", "clients", &["parent_id"]).await?;
        index(
            manager,
            "clients_by_owner_and_update",
            "clients",
            &["owner_id", "updated_at", "id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("client_tags")
                    .col(uuid("client_id"))
                    .col(sort_key(manager, "tag"))
                    .primary_key(Index::create().col("client_id").col("tag"))
                    .foreign_key(&mut dies_with("client_tags", "client_id", "clients"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "client_tags_by_tag",
            "client_tags",
            &["tag", "client_id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("client_members")
                    .col(uuid("id").primary_key())
                    .col(uuid("client_id"))
                    .col(uuid("user_id"))
                    .col(choice_null("role"))
                    .col(timestamp_with_time_zone_null("expires_at"))
                    .col(text_null("note"))
                    .col(uuid("granted_by_id"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .index(&mut unique(
                        "client_members_by_client_and_user",
                        &["client_id", "user_id"],
                    ))
                    .foreign_key(&mut dies_with("client_members", "client_id", "clients"))
                    .foreign_key(&mut keeps("client_members", "user_id", "users"))
                    .foreign_key(&mut keeps("client_members", "granted_by_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "client_members_by_user",
            "client_members",
            &["user_id", "client_id"],
        )
        .await?;

        manager
            .create_table(
                Table::create()
                    .table("addresses")
                    .col(uuid("id").primary_key())
                    .col(uuid("client_id"))
                    .col(choice("kind"))
                    .col(text_null("label"))
                    .col(text_null("recipient"))
                    .col(text_null("street"))
                    .col(text_null("city"))
                    .col(text_null("region"))
                    .col(text_null("postal_code"))
                    .col(text_null("country"))
                    .col(integer_null("latitude_e7"))
                    .col(integer_null("longitude_e7"))
                    .col(boolean("is_primary"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .foreign_key(&mut dies_with("addresses", "client_id", "clients"))
                    .take(),
            )
            .await?;
        index(manager, "addresses_by_client", "addresses", &["client_id"]).await?;

        manager
            .create_table(
                Table::create()
                    .table("notes")
                    .col(uuid("id").primary_key())
                    .col(uuid("client_id"))
                    .col(uuid("author_id"))
                    .col(text("body"))
                    .col(boolean("is_pinned"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .col(timestamp_with_time_zone_null("archived_at"))
                    .foreign_key(&mut dies_with("notes", "client_id", "clients"))
                    .foreign_key(&mut keeps("notes", "author_id", "users"))
                    .take(),
            )
            .await?;
        index(
            manager,
            "notes_by_client_and_time",
            "notes",
            &["client_id", "created_at", "id"],
        )
        .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "notes",
                "addresses",
                "client_members",
                "client_tags",
                "clients",
            ],
        )
        .await
    }
}
