//! The position of the line of changes that phones follow: one row.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

/// The position of the line of changes that phones follow: one row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_clock")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// Names the line. Another one after a restore: what a phone has may be newer than what there is.
    pub epoch: Uuid,
    /// How many writing transactions the line has seen, from 1. Goes up as the last act of each.
    pub seq: i64,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
