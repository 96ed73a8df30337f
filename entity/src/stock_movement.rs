//! One change of what is on hand of a product. Never changed, never deleted.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::MovementKind;
use crate::ids::{OrderId, ProductId, StockMovementId, UserId};

/// One change of what is on hand of a product. Never changed, never deleted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "stock_movements")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StockMovementId,
    /// The product.
    pub product_id: ProductId,
    /// Why stock changed.
    pub kind: MovementKind,
    /// Units by which the stock in the warehouse changed.
    pub on_hand_delta: i64,
    /// Units by which the promised quantity changed at once, as when promised goods went out.
    pub reserved_delta: i64,
    /// The order that caused it.
    pub order_id: Option<OrderId>,
    /// The user who caused it.
    pub user_id: Option<UserId>,
    /// Anything else.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// When it happened, UTC.
    pub occurred_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
