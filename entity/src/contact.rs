//! A person at a client.

use entity_derive::Row;
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::enums::{ContactPointKind, ContactRole, Gender};
use crate::ids::{ClientId, ContactId};

/// The parts a contact plays in a purchase, kept as a JSON list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct ContactRoles(pub Vec<ContactRole>);

/// The ways to reach a contact, kept as a JSON list in the order they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(transparent)]
pub struct ContactPoints(pub Vec<ContactPoint>);

/// One way to reach a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactPoint {
    /// Which way it is.
    pub kind: ContactPointKind,
    /// The number, address or name to reach them by.
    pub value: String,
    /// What to call it, as in `office`. Null: its kind says enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether they want to be reached this way first.
    #[serde(default)]
    pub is_preferred: bool,
}

/// A person at a client.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "contacts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ContactId,
    /// Its id in the system it was imported from; unique where present.
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    /// The client.
    pub client_id: ClientId,
    /// Their name as they write it.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// The name as lists order it, equal on both databases.
    #[sea_orm(column_type = "Text")]
    pub name_sort: String,
    /// What a search looks through: names and numbers, folded.
    #[sea_orm(column_type = "Text")]
    pub search_text: String,
    /// Their job title.
    #[sea_orm(column_type = "Text", nullable)]
    pub title: Option<String>,
    /// Where in the client they work.
    #[sea_orm(column_type = "Text", nullable)]
    pub department: Option<String>,
    /// Whether the client is won or lost with them.
    pub is_key: bool,
    /// The parts they play in a purchase.
    #[sea_orm(column_type = "JsonBinary")]
    pub roles: ContactRoles,
    /// Their gender as they gave it.
    pub gender: Option<Gender>,
    /// Their day of birth.
    pub birthday: Option<Date>,
    /// The ways to reach them.
    #[sea_orm(column_type = "JsonBinary")]
    pub points: ContactPoints,
    /// What they like.
    #[sea_orm(column_type = "Text", nullable)]
    pub likes: Option<String>,
    /// Their standing among others.
    #[sea_orm(column_type = "Text", nullable)]
    pub social_status: Option<String>,
    /// Anything else.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
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
