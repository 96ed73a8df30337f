//! What proves a user's identity.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// What proves a user's identity.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "credentials")]
pub struct Model {
    /// The user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The password's Argon2id hash in PHC string form.
    #[sea_orm(column_type = "Text")]
    pub password_hash: String,
    /// When the password was last set, UTC.
    pub changed_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
