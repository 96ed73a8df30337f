//! Facts about a client that lists sort and filter by. Always what its orders, payments and
//! tiers say.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{ClientId, TierId};

/// Facts about a client that lists sort and filter by. Always what its orders, payments and
/// tiers say.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "client_stats")]
pub struct Model {
    /// The client.
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: ClientId,
    /// Orders that count, over all time.
    pub order_count: i64,
    /// The day of the first of them.
    pub first_order_on: Option<Date>,
    /// The day of the last of them.
    pub last_order_on: Option<Date>,
    /// Revenue over all time, in minor units of the client's currency.
    pub lifetime_revenue_minor: i64,
    /// Revenue of the last 365 days, in minor units of the client's currency.
    pub trailing_revenue_minor: i64,
    /// What the orders of the last 365 days earned, in minor units of the client's currency. Null: the cost of
    /// one of them is not known.
    pub trailing_margin_minor: Option<i64>,
    /// The day from which the trailing figures are out of date. Null: they never will be.
    pub trailing_until_on: Option<Date>,
    /// What the client owes, in minor units of its currency.
    pub receivable_minor: i64,
    /// The usual days between its orders. Null: too few to say.
    pub cycle_days: Option<i32>,
    /// Its tier in the default scheme.
    pub tier_id: Option<TierId>,
    /// When the facts were last worked out, UTC.
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
