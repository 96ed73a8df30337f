//! One grade of a scheme and the terms that come with it.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{TierId, TierSchemeId};

/// One grade of a scheme and the terms that come with it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "tiers")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierId,
    /// The scheme.
    pub scheme_id: TierSchemeId,
    /// Its short name, as in `A`; unique within the scheme.
    #[sea_orm(column_type = "Text")]
    pub code: String,
    /// Its name in full.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// Its place in the scheme; 1 is the highest.
    pub rank: i32,
    /// The discount its clients get, in basis points.
    pub discount_bp: Option<i32>,
    /// What its clients' points are multiplied by, in basis points: 10000 is once.
    pub points_multiplier_bp: Option<i32>,
    /// Days within which its clients should be visited again.
    pub visit_cadence_days: Option<i32>,
    /// Days from an order to its due day.
    pub payment_term_days: Option<i32>,
    /// How much its clients may owe, in minor units of the limit's currency.
    pub credit_limit_minor: Option<i64>,
    /// The ISO 4217 code of the limit.
    #[sea_orm(column_type = "String(StringLen::N(3))", nullable)]
    pub credit_limit_currency: Option<String>,
    /// Hours within which its clients are answered.
    pub response_hours: Option<i32>,
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
