//! Who a user is to an identity provider.

use sea_orm::entity::prelude::*;

use crate::ids::{UserId, UserIdentityId};

/// Who a user is to an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_identities")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserIdentityId,
    /// The user.
    pub user_id: UserId,
    /// The provider, as its tokens name it.
    #[sea_orm(column_type = "Text")]
    pub issuer: String,
    /// What the provider calls the user; unique for each provider.
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    /// When it was recorded, UTC.
    pub created_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
