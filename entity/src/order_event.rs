//! One thing that happened to an order. Never changed.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::{OrderEventKind, OrderStatus};
use crate::ids::{ClientId, OrderEventId, OrderId, UserId};

/// One thing that happened to an order. Never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "order_events")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderEventId,
    /// The order.
    pub order_id: OrderId,
    /// The order's client.
    pub client_id: ClientId,
    /// What happened.
    pub kind: OrderEventKind,
    /// The status before, where it changed.
    pub from_status: Option<OrderStatus>,
    /// The status after, where it changed.
    pub to_status: Option<OrderStatus>,
    /// Who did it. Null: the system.
    pub user_id: Option<UserId>,
    /// What they said.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// When it happened, UTC.
    pub occurred_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The order.
    #[sea_orm(
        belongs_to = "super::order::Entity",
        from = "Column::OrderId",
        to = "super::order::Column::Id"
    )]
    Order,
    /// The client.
    #[sea_orm(
        belongs_to = "super::client::Entity",
        from = "Column::ClientId",
        to = "super::client::Column::Id"
    )]
    Client,
}

impl Related<super::order::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Order.def()
    }
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
