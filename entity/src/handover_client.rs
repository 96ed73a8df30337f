//! One client that changed hands in a hand-over.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, HandoverId, UserId};

/// One client that changed hands in a hand-over.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "handover_clients")]
pub struct Model {
    /// The hand-over.
    #[sea_orm(primary_key, auto_increment = false)]
    pub handover_id: HandoverId,
    /// The client.
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: ClientId,
    /// Who owned it before. Null: it lay in the pool.
    pub from_user_id: Option<UserId>,
    /// Who owned it after.
    pub to_user_id: UserId,
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
