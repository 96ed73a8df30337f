//! A user whose phones are told which clients they see.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// A user whose phones are told which clients they see.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_streams")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The position from which on this is kept: what a device has from before says nothing of clients that
    /// were lost since. It is raised when other facts of all clients are shown to the user, and when the database came
    /// back as it was before: whatever a device has from before, it has to fetch anew.
    pub opened_seq: i64,
    /// When that was, UTC.
    pub opened_at: DateTimeUtc,
    /// Whether they see more clients than a phone holds: then none of them is kept for them.
    pub is_capped: bool,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
