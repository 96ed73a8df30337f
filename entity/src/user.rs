//! A person who signs in. Users form one tree: everyone but the top has a manager.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::{Locale, UserRole};
use crate::ids::UserId;

/// A person who signs in. Users form one tree: everyone but the top has a manager.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// The address they sign in with, in lower case; unique.
    #[sea_orm(column_type = "Text")]
    pub email: String,
    /// Their name as they write it.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The name as lists order it, equal on both databases.
    #[sea_orm(column_type = "Text")]
    pub name_sort: String,
    /// Their job title.
    #[sea_orm(column_type = "Text", nullable)]
    pub title: Option<String>,
    /// What they may do.
    pub role: UserRole,
    /// Whom they report to. Null at the top of the tree.
    pub manager_id: Option<UserId>,
    /// Whether they, as a manager, see clients that nobody owns.
    pub is_pool_keeper: bool,
    /// Their IANA time zone, as in `Asia/Shanghai`. Their days begin and end there.
    #[sea_orm(column_type = "Text")]
    pub time_zone: String,
    /// The language their messages are in.
    pub locale: Locale,
    /// The day they were hired.
    pub hired_on: Option<Date>,
    /// When they lost access, UTC. Null while they may sign in.
    pub deactivated_at: Option<DateTimeUtc>,
    /// Counts writes of this row, from 1. An update names the version it saw.
    pub version: i64,
    /// When the row was made, UTC.
    pub created_at: DateTimeUtc,
    /// When the row was last written, UTC.
    pub updated_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
