//! Where a client is found, supplied or billed.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::enums::AddressKind;
use crate::ids::{AddressId, ClientId};

/// Where a client is found, supplied or billed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "addresses")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AddressId,
    /// The client.
    pub client_id: ClientId,
    /// What it is used for.
    pub kind: AddressKind,
    /// What the client calls it.
    #[sea_orm(column_type = "Text", nullable)]
    pub label: Option<String>,
    /// Who receives there.
    #[sea_orm(column_type = "Text", nullable)]
    pub recipient: Option<String>,
    /// Street and number, or several such lines.
    #[sea_orm(column_type = "Text", nullable)]
    pub street: Option<String>,
    /// The city.
    #[sea_orm(column_type = "Text", nullable)]
    pub city: Option<String>,
    /// The province, state or county.
    #[sea_orm(column_type = "Text", nullable)]
    pub region: Option<String>,
    /// The postal code.
    #[sea_orm(column_type = "Text", nullable)]
    pub postal_code: Option<String>,
    /// The ISO 3166-1 alpha-2 code of the country.
    #[sea_orm(column_type = "Text", nullable)]
    pub country: Option<String>,
    /// Degrees north, WGS 84, times ten million.
    pub latitude_e7: Option<i32>,
    /// Degrees east, WGS 84, times ten million.
    pub longitude_e7: Option<i32>,
    /// Whether it is the one to use when nothing else is said.
    pub is_primary: bool,
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
