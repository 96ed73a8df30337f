//! Users and who sees whom.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

use crate::columns::*;

/// The tables: `users`, `user_reach`.
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
                    .table("users")
                    .col(uuid("id").primary_key())
                    .col(text_null("external_id"))
                    .col(sort_key(manager, "email"))
                    .col(text("name"))
                    .col(sort_key(manager, "name_sort"))
                    .col(text_null("title"))
                    .col(choice("role"))
                    .col(uuid_null("manager_id"))
                    .col(boolean("is_pool_keeper"))
                    .col(text("time_zone"))
                    .col(choice("locale"))
                    .col(date_null("hired_on"))
                    .col(timestamp_with_time_zone_null("deactivated_at"))
                    .col(big_integer("version"))
                    .col(timestamp_with_time_zone("created_at"))
                    .col(timestamp_with_time_zone("updated_at"))
                    .index(&mut unique("users_by_email", &["email"]))
                    .foreign_key(&mut keeps("users", "manager_id", "users"))
                    .take(),
            )
            .await?;
        external_id_index(manager, "users").await?;
        index(manager, "users_by_manager", "users", &["manager_id"]).await?;
        index(manager, "users_by_name", "users", &["name_sort", "id"]).await?;

        manager
            .create_table(
                Table::create()
                    .table("user_reach")
                    .col(uuid("manager_id"))
                    .col(uuid("user_id"))
                    .col(integer("depth"))
                    .primary_key(Index::create().col("manager_id").col("user_id"))
                    .foreign_key(&mut dies_with("user_reach", "manager_id", "users"))
                    .foreign_key(&mut dies_with("user_reach", "user_id", "users"))
                    .take(),
            )
            .await?;
        index(manager, "user_reach_by_user", "user_reach", &["user_id"]).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["user_reach", "users"]).await
    }
}
