//! One product on an order, as it was when the line was written.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, OrderId, OrderLineId, ProductId};

/// One product on an order, as it was when the line was written.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "order_lines")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderLineId,
    /// The order.
    pub order_id: OrderId,
    /// The order's client.
    pub client_id: ClientId,
    /// Its place on the order, from 1.
    pub line_number: i32,
    /// The product.
    pub product_id: ProductId,
    /// The product's name at that time.
    #[sea_orm(column_type = "Text")]
    pub product_name: String,
    /// The product's article number at that time.
    #[sea_orm(column_type = "Text")]
    pub sku: String,
    /// What one of it is.
    #[sea_orm(column_type = "Text")]
    pub unit: String,
    /// Units ordered; above zero.
    pub quantity: i64,
    /// The price of one unit before the discount, in minor units.
    pub unit_price_minor: i64,
    /// What one unit cost us at that time, in minor units. Null: nobody knew.
    pub unit_cost_minor: Option<i64>,
    /// The discount on the line, in basis points.
    pub discount_bp: i32,
    /// What the line costs after its discount, in minor units.
    pub net_minor: i64,
    /// Units that came back; at most those ordered.
    pub returned_quantity: i64,
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
