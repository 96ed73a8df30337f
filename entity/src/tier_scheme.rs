//! A way to grade clients, as by revenue or by potential.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::TierSchemeId;

/// A way to grade clients, as by revenue or by potential.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "tier_schemes")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierSchemeId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// What it is called.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// What it is for.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// Whether it is the one shown where only one is.
    pub is_default: bool,
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
