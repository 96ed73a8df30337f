//! A thing we sell.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{CategoryId, ProductId};

/// A thing we sell.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "products")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// Its article number; unique.
    #[sea_orm(column_type = "Text")]
    pub sku: String,
    /// The name as written on paper.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The name as lists order it, equal on both databases.
    #[sea_orm(column_type = "Text")]
    pub name_sort: String,
    /// What a search looks through: name and article number, folded.
    #[sea_orm(column_type = "Text")]
    pub search_text: String,
    /// The group it is in.
    pub category_id: Option<CategoryId>,
    /// What one of it is, as in `box` or `kg`.
    #[sea_orm(column_type = "Text")]
    pub unit: String,
    /// The price of one unit before any discount, in minor units of the currency.
    pub list_price_minor: i64,
    /// What one unit costs us, in minor units of the currency. Null: nobody knows.
    pub unit_cost_minor: Option<i64>,
    /// The ISO 4217 code of the price and the cost.
    #[sea_orm(column_type = "String(StringLen::N(3))")]
    pub currency: String,
    /// Whether it is for sale.
    pub is_active: bool,
    /// Whether it may be ordered beyond what is in stock.
    pub may_back_order: bool,
    /// The free quantity, in units, below which it should be bought again.
    pub reorder_level: i64,
    /// Counts writes of this row, from 1. An update names the version it saw.
    pub version: i64,
    /// When the row was made, UTC.
    pub created_at: DateTimeUtc,
    /// When the row was last written, UTC.
    pub updated_at: DateTimeUtc,
    /// When the row was hidden, UTC. Null while it is in use.
    pub archived_at: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
