//! A scope whose position is kept once for all who hold it: a user's own rows, the catalogue. Those of clients
//! are kept per user, in `stream_scopes`.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

/// What decides who holds a row on their phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum ScopeKind {
    /// A client with its subtree: whoever sees the client.
    #[sea_orm(num_value = 1)]
    Client,
    /// A user's own rows: that user.
    #[sea_orm(num_value = 2)]
    User,
    /// What the whole company shares: everybody.
    #[sea_orm(num_value = 3)]
    Catalogue,
}

/// A scope whose position is kept once for all who hold it: a user's own rows, the catalogue. Those of clients
/// are kept per user, in `stream_scopes`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_scopes")]
pub struct Model {
    /// What kind of scope.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: ScopeKind,
    /// Whose: the user's id, or the one id of the catalogue.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whether everybody holds it.
    pub is_broadcast: bool,
    /// The position of its last change.
    pub head_seq: i64,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
