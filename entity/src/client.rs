//! A person or organization that buys. What hangs on it is reached through it.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::{
    ClientKind, ClientNature, CustomKind, Gender, Lifecycle, PartyClass, ServiceMode,
};
use crate::ids::{ClientId, UserId};

/// A person or organization that buys. What hangs on it is reached through it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "clients")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClientId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// Whether it is a person or an organization.
    pub kind: ClientKind,
    /// The name as written on paper.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The name as lists order it, equal on both databases.
    #[sea_orm(column_type = "Text")]
    pub name_sort: String,
    /// What a search looks through: names and numbers, folded.
    #[sea_orm(column_type = "Text")]
    pub search_text: String,
    /// The rep who answers for it. Null while it lies in the pool.
    pub owner_id: Option<UserId>,
    /// The client it belongs to, as a branch belongs to its firm.
    pub parent_id: Option<ClientId>,
    /// The part it plays between the product and those who use it.
    pub party_class: PartyClass,
    /// How far the relationship has come.
    pub lifecycle: Lifecycle,
    /// How regular its custom is.
    pub custom_kind: Option<CustomKind>,
    /// How it wants to be served.
    pub service_mode: Option<ServiceMode>,
    /// Its telephone number.
    #[sea_orm(column_type = "Text", nullable)]
    pub phone: Option<String>,
    /// Its fax number.
    #[sea_orm(column_type = "Text", nullable)]
    pub fax: Option<String>,
    /// Its email address.
    #[sea_orm(column_type = "Text", nullable)]
    pub email: Option<String>,
    /// Its website.
    #[sea_orm(column_type = "Text", nullable)]
    pub website: Option<String>,
    /// Its name on a messaging service.
    #[sea_orm(column_type = "Text", nullable)]
    pub messaging_handle: Option<String>,
    /// Its gender, where it is a person.
    pub gender: Option<Gender>,
    /// Its day of birth or founding.
    pub birthday: Option<Date>,
    /// Who owns or runs it, where it is an organization.
    pub nature: Option<ClientNature>,
    /// The trade it is in.
    #[sea_orm(column_type = "Text", nullable)]
    pub industry: Option<String>,
    /// How many people work there.
    pub employee_count: Option<i32>,
    /// What it likes, in the reps' words.
    #[sea_orm(column_type = "Text", nullable)]
    pub preferences: Option<String>,
    /// How it buys, in the reps' words.
    #[sea_orm(column_type = "Text", nullable)]
    pub buying_habits: Option<String>,
    /// The ISO 4217 code its money is kept in.
    #[sea_orm(column_type = "String(StringLen::N(3))")]
    pub currency: String,
    /// How much it may owe, in minor units of its currency. Null: its tier says.
    pub credit_limit_minor: Option<i64>,
    /// Days from the order to the due day. Null: its tier says.
    pub payment_term_days: Option<i32>,
    /// The day the relationship began.
    pub since_on: Option<Date>,
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
