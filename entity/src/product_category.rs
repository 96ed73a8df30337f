//! A group of products. Groups may lie within groups.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::CategoryId;

/// A group of products. Groups may lie within groups.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "product_categories")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CategoryId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// The name as written on paper.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The name as lists order it, equal on both databases.
    #[sea_orm(column_type = "Text")]
    pub name_sort: String,
    /// The group it lies in. Null at the top.
    pub parent_id: Option<CategoryId>,
    /// Counts writes of this row, from 1. An update names the version it saw.
    pub version: i64,
    /// When the row was made, UTC.
    pub created_at: DateTimeUtc,
    /// When the row was last written, UTC.
    pub updated_at: DateTimeUtc,
    /// When the row was hidden, UTC. Null while it is in use.
    pub archived_at: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
