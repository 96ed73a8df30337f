//! A device of a user that holds documents. It outlives sessions: signing in again is no new device.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{DeviceId, SessionId, UserId};

/// A device of a user that holds documents. It outlives sessions: signing in again is no new device.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_devices")]
pub struct Model {
    /// The id, made by the device for this user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeviceId,
    /// Whose documents it holds.
    pub user_id: UserId,
    /// The session it came with last.
    pub session_id: Option<SessionId>,
    /// What the person calls it.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// When it came first, UTC.
    pub created_at: DateTimeUtc,
    /// When it came last, UTC.
    pub last_seen_at: DateTimeUtc,
    /// The position up to which it said that it has everything.
    pub acked_seq: i64,
    /// The position below which nothing that it has is of use to it: it had been given up by then, and begins anew. 0 while
    /// it never was.
    pub floor_seq: i64,
    /// The highest number of an operation of it that the ledger has forgotten.
    pub forgotten_op_seq: i64,
    /// The version of the documents that it understands.
    pub schema_version: i32,
    /// When it was given up because it stayed away, UTC. Null while it is in use.
    pub expired_at: Option<DateTimeUtc>,
    /// When it was shut out for good, UTC.
    pub revoked_at: Option<DateTimeUtc>,
    /// When it was told to forget everything it holds, UTC: from then on it is told so whenever it comes.
    pub wipe_asked_at: Option<DateTimeUtc>,
    /// When it said that it has, UTC.
    pub wiped_at: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
