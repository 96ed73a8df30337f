//! Failed sign-ins in a window of time, counted per account and per network address.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

/// Failed sign-ins in a window of time, counted per account and per network address.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sign_in_failures")]
pub struct Model {
    /// `account:<email>` or `address:<ip>`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Failures since the window began.
    pub failures: i32,
    /// When the window began, UTC.
    pub window_started_at: DateTimeUtc,
    /// Until when sign-ins are refused, UTC.
    pub blocked_until: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
