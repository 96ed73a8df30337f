//! An order of a client. Prices, names and terms are what they were when it was placed.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::OrderStatus;
use crate::ids::{ClientId, OrderId, UserId};

/// An order of a client. Prices, names and terms are what they were when it was placed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// The number printed on paper; unique.
    #[sea_orm(column_type = "Text")]
    pub number: String,
    /// The client that buys.
    pub client_id: ClientId,
    /// The user who placed it; they keep the credit after a hand-over.
    pub placed_by_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// The ISO 4217 code of all its money.
    #[sea_orm(column_type = "String(StringLen::N(3))")]
    pub currency: String,
    /// The day it was placed.
    pub placed_on: Date,
    /// The day the client needs it.
    pub required_on: Option<Date>,
    /// The day it was shipped.
    pub shipped_on: Option<Date>,
    /// The day it was delivered.
    pub delivered_on: Option<Date>,
    /// The day payment is due.
    pub due_on: Option<Date>,
    /// Days from the order to the due day, as agreed.
    pub payment_term_days: Option<i32>,
    /// The sum of its lines after their discounts, in minor units.
    pub lines_minor: i64,
    /// The discount on that sum, in basis points.
    pub discount_bp: i32,
    /// The same discount in minor units.
    pub discount_minor: i64,
    /// What shipping costs the client, in minor units.
    pub freight_minor: i64,
    /// What the client owes for it: lines less discount plus freight, in minor units.
    pub total_minor: i64,
    /// What was paid so far, in minor units.
    pub paid_minor: i64,
    /// What was credited for returned goods, in minor units.
    pub returned_minor: i64,
    /// What its goods that did not come back cost us, in minor units. Null: it is not known of each line.
    pub cost_minor: Option<i64>,
    /// Who receives the goods.
    #[sea_orm(column_type = "Text", nullable)]
    pub ship_to_name: Option<String>,
    /// Street and number, or several such lines.
    #[sea_orm(column_type = "Text", nullable)]
    pub ship_to_street: Option<String>,
    /// The city.
    #[sea_orm(column_type = "Text", nullable)]
    pub ship_to_city: Option<String>,
    /// The province, state or county.
    #[sea_orm(column_type = "Text", nullable)]
    pub ship_to_region: Option<String>,
    /// The postal code.
    #[sea_orm(column_type = "Text", nullable)]
    pub ship_to_postal_code: Option<String>,
    /// The ISO 3166-1 alpha-2 code of the country.
    #[sea_orm(column_type = "Text", nullable)]
    pub ship_to_country: Option<String>,
    /// Anything else.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// The order it repeats.
    pub reorder_of_id: Option<OrderId>,
    /// Why it needs approval. Null where it needs none.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable)]
    pub approval_reason: Option<String>,
    /// Who approved or refused it.
    pub decided_by_id: Option<UserId>,
    /// When they did, UTC.
    pub decided_at: Option<DateTimeUtc>,
    /// What they said.
    #[sea_orm(column_type = "Text", nullable)]
    pub decision_note: Option<String>,
    /// When it was submitted, UTC.
    pub submitted_at: Option<DateTimeUtc>,
    /// When it was cancelled, UTC.
    pub cancelled_at: Option<DateTimeUtc>,
    /// Counts writes of this row, from 1. An update names the version it saw.
    pub version: i64,
    /// When the row was made, UTC.
    pub created_at: DateTimeUtc,
    /// When the row was last written, UTC.
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
