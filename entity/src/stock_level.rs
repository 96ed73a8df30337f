//! What there is of a product, and how much of it is promised. What is on hand is the sum of its movements.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::ProductId;

/// What there is of a product, and how much of it is promised. What is on hand is the sum of its movements.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "stock_levels")]
pub struct Model {
    /// The product.
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: ProductId,
    /// Units in the warehouse; never negative.
    pub on_hand: i64,
    /// Units promised to orders that have not shipped; never negative.
    pub reserved: i64,
    /// When either figure last changed, UTC.
    pub updated_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
