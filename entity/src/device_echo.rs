//! A document that a device has pushed, to be sent to that device once more: it may have dropped a change that
//! came meanwhile.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::DeviceId;
use crate::sync_item::SyncCollection;

/// A document that a device has pushed, to be sent to that device once more: it may have dropped a change that
/// came meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "device_echoes")]
pub struct Model {
    /// The device.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: DeviceId,
    /// What kind of document.
    #[sea_orm(primary_key, auto_increment = false)]
    pub collection: SyncCollection,
    /// The document: the id of its row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub row_id: Uuid,
    /// When it was pushed last, UTC.
    pub pushed_at: DateTimeUtc,
    /// The position at which it is sent to the device once more. Null until the push is answered or given up for sure.
    pub stamped_seq: Option<i64>,
    /// The version that a push of the device made of the document, beside which nobody else had written anything that
    /// the device did not know. Null where there was none.
    pub own_version: Option<i64>,
    /// What tells the state that the device pushed then from another.
    pub own_hash: Option<Vec<u8>>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
