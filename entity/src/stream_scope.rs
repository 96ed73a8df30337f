//! Since when a user sees a client, or until when they did; kept for users of `sync_streams`.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, UserId};

/// Since when a user sees a client, or until when they did; kept for users of `sync_streams`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "stream_scopes")]
pub struct Model {
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The client.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope_id: ClientId,
    /// The position at which it came in sight.
    pub entered_seq: i64,
    /// The position up to which it was in sight before that, last: it had gone out of sight by then, or came anew without
    /// having gone. Null if it never was.
    pub before_seq: Option<i64>,
    /// The position at which it went out of sight. Null while it is seen.
    pub left_seq: Option<i64>,
    /// The position of the last change in its subtree while it was seen, or of its coming and going.
    pub head_seq: i64,
    /// Whether it is seen by shares alone: neither the user nor anybody below them answers for the client, so that
    /// what is confidential of it may be hidden from them.
    pub is_guest: bool,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
