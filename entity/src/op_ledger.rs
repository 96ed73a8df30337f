//! What became of an operation that a device sent, so that it is done once however often it comes.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::OpStatus;
use crate::ids::DeviceId;

/// What became of an operation that a device sent, so that it is done once however often it comes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "op_ledger")]
pub struct Model {
    /// The device.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: DeviceId,
    /// The operation, by the id the device gave it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub op_id: Uuid,
    /// Its number, counted by the device.
    pub op_seq: i64,
    /// The SHA-256 of what was asked.
    pub request_hash: Vec<u8>,
    /// What became of it.
    pub status: OpStatus,
    /// The version of the row after it. Null: it changed none.
    pub version: Option<i64>,
    /// A position by which a device that pulled has its effect.
    pub seq: i64,
    /// What it says, while it waits for what it goes under.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub payload: Option<Json>,
    /// When it was answered first, UTC.
    pub created_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
