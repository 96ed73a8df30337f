//! Goods of an order that came back, and the credit given for them.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, OrderId, OrderReturnId, UserId};

/// Goods of an order that came back, and the credit given for them.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "order_returns")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderReturnId,
    /// The order.
    pub order_id: OrderId,
    /// The order's client.
    pub client_id: ClientId,
    /// Why they came back.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    /// The credit, in minor units of the order's currency.
    pub amount_minor: i64,
    /// Who took them back.
    pub created_by_id: UserId,
    /// When, UTC.
    pub created_at: DateTimeUtc,
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
