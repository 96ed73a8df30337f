//! What came back of one line of an order.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, OrderLineId, OrderReturnId, OrderReturnLineId};

/// What came back of one line of an order.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "order_return_lines")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderReturnLineId,
    /// The return.
    pub order_return_id: OrderReturnId,
    /// The line of the order.
    pub order_line_id: OrderLineId,
    /// The order's client.
    pub client_id: ClientId,
    /// Units that came back; above zero.
    pub quantity: i64,
    /// The credit for them, in minor units of the order's currency.
    pub amount_minor: i64,
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
