//! A user's place on a client's team, or a plain share of the client with them.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::MemberRole;
use crate::ids::{ClientId, ClientMemberId, UserId};

/// A user's place on a client's team, or a plain share of the client with them.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "client_members")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClientMemberId,
    /// The client.
    pub client_id: ClientId,
    /// Who may see and serve it beside its owner.
    pub user_id: UserId,
    /// Their part on the team. Null: a plain share.
    pub role: Option<MemberRole>,
    /// When it ends by itself, UTC. Null: never.
    pub expires_at: Option<DateTimeUtc>,
    /// Why they are there.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// Who let them in.
    pub granted_by_id: UserId,
    /// Counts writes of this row, from 1. An update names the version it saw.
    pub version: i64,
    /// When the row was made, UTC.
    pub created_at: DateTimeUtc,
    /// When the row was last written, UTC.
    pub updated_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The client.
    #[sea_orm(
        belongs_to = "super::client::Entity",
        from = "Column::ClientId",
        to = "super::client::Column::Id"
    )]
    Client,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
