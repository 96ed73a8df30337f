//! What a device sent and the service refused, kept so that nothing typed is lost.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, DeviceId, SyncIssueId, UserId};
use crate::sync_item::SyncCollection;

/// What a device sent and the service refused, kept so that nothing typed is lost.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_issues")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncIssueId,
    /// Who typed it.
    pub user_id: UserId,
    /// On which device.
    pub device_id: Option<DeviceId>,
    /// The operation, by the id the device gave it.
    pub op_id: Option<Uuid>,
    /// What kind of document it was for.
    pub collection: SyncCollection,
    /// The document.
    pub row_id: Uuid,
    /// The client it was for, where the device said so.
    pub client_id: Option<ClientId>,
    /// The rule or code that refused it.
    #[sea_orm(column_type = "Text")]
    pub code: String,
    /// Why, in words.
    #[sea_orm(column_type = "Text")]
    pub message: String,
    /// What was sent.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// Counts writes of this row, from 1. An update names the version it saw.
    pub version: i64,
    /// When the row was made, UTC.
    pub created_at: DateTimeUtc,
    /// When the row was last written, UTC.
    pub updated_at: DateTimeUtc,
    /// When somebody put it aside, UTC. Null while it waits.
    pub archived_at: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
