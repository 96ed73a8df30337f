//! A program that uses the API as one of the users does, within narrower bounds.

use sea_orm::entity::prelude::*;

use crate::ids::{ServiceAccountId, UserId};

/// A program that uses the API as one of the users does, within narrower bounds.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "service_accounts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ServiceAccountId,
    /// What it is called; unique.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// As whom it acts: it sees and owns what they do.
    pub user_id: UserId,
    /// What it may do, as names with commas between.
    #[sea_orm(column_type = "Text")]
    pub scopes: String,
    /// Who made it. Null: the command line.
    pub created_by_id: Option<UserId>,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it was closed, UTC. Null while it is in use.
    pub closed_at: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
