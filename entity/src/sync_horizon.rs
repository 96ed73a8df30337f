//! From where on what phones have of documents can be gone on from.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::sync_item::SyncCollection;

/// From where on what phones have of documents can be gone on from.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_horizons")]
pub struct Model {
    /// Of which documents.
    #[sea_orm(primary_key, auto_increment = false)]
    pub collection: SyncCollection,
    /// A device whose position lies below this begins anew.
    pub purged_seq: i64,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
