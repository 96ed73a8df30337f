//! The tier a client was in for a time, and why.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::AssignmentKind;
use crate::ids::{ClientId, TierAssignmentId, TierId, TierSchemeId, UserId};

/// The tier a client was in for a time, and why.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "tier_assignments")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierAssignmentId,
    /// The client.
    pub client_id: ClientId,
    /// The scheme.
    pub scheme_id: TierSchemeId,
    /// The tier.
    pub tier_id: TierId,
    /// How the client came to it.
    pub kind: AssignmentKind,
    /// Why, in words.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    /// Who assigned it. Null: the system.
    pub assigned_by_id: Option<UserId>,
    /// From when it held, UTC.
    pub assigned_at: DateTimeUtc,
    /// When it ends by itself, UTC. Null: never.
    pub expires_at: Option<DateTimeUtc>,
    /// When it ended, UTC. Null while it holds.
    pub ended_at: Option<DateTimeUtc>,
    /// Why it ended.
    #[sea_orm(column_type = "Text", nullable)]
    pub ended_reason: Option<String>,
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
