//! Money that a client paid for an order. Voided, never deleted.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::PaymentMethod;
use crate::ids::{ClientId, OrderId, PaymentId, UserId};

/// Money that a client paid for an order. Voided, never deleted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "payments")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// The client that paid.
    pub client_id: ClientId,
    /// The order it pays.
    pub order_id: OrderId,
    /// The amount, in minor units of the currency.
    pub amount_minor: i64,
    /// The ISO 4217 code of the amount.
    #[sea_orm(column_type = "String(StringLen::N(3))")]
    pub currency: String,
    /// How it was paid.
    pub method: PaymentMethod,
    /// The day it was paid.
    pub paid_on: Date,
    /// The payer's or the bank's reference.
    #[sea_orm(column_type = "Text", nullable)]
    pub reference: Option<String>,
    /// Anything else.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// Who recorded it.
    pub recorded_by_id: UserId,
    /// When it was found void, UTC. Null while it counts.
    pub voided_at: Option<DateTimeUtc>,
    /// Who voided it.
    pub voided_by_id: Option<UserId>,
    /// Why it was voided.
    #[sea_orm(column_type = "Text", nullable)]
    pub void_reason: Option<String>,
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
