//! Addresses on phones.

use std::collections::BTreeMap;

use async_graphql::{InputObject, SimpleObject};
use entity::{AddressId, AddressKind, ClientId, SyncCollection, address};
use sea_orm::ColumnTrait;
use uuid::Uuid;

use super::{Doc, told_by_fields};
use crate::db::Session;
use crate::domain::addresses::Coordinates;
use crate::error::Result;
use crate::graphql::scalars::{DateTime, int};

/// A point on the map.
#[derive(Clone, Copy, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "CoordinatesDocInput")]
pub struct CoordinatesDoc {
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
}

/// An address as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "AddressDocInput")]
pub struct AddressDoc {
    /// The id.
    id: AddressId,
    /// The client.
    client_id: Option<ClientId>,
    /// What it is used for.
    kind: Option<AddressKind>,
    /// What the client calls it.
    label: Option<String>,
    /// Who receives there.
    recipient: Option<String>,
    /// Street and number, or several such lines.
    street: Option<String>,
    /// City.
    city: Option<String>,
    /// Province, state or county.
    region: Option<String>,
    /// Postal code.
    postal_code: Option<String>,
    /// Country by its code of ISO 3166-1 of two letters.
    country: Option<String>,
    /// Where it is on the map.
    coordinates: Option<CoordinatesDoc>,
    /// Whether it is the one of its kind to use when nothing else is said.
    is_primary: Option<bool>,
    /// When it was recorded. The service says so.
    created_at: Option<DateTime>,
    /// When it was last changed. The service says so.
    updated_at: Option<DateTime>,
    /// The number of writes. The service says so; 0 or absent where a phone made it.
    #[graphql(default)]
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

impl Doc for AddressDoc {
    const COLLECTION: SyncCollection = SyncCollection::Addresses;

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        let rows = session
            .select::<address::Entity>()
            .filter(address::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        rows.iter()
            .map(|row| {
                let doc = Self {
                    id: row.id,
                    client_id: Some(row.client_id),
                    kind: Some(row.kind),
                    label: row.label.clone(),
                    recipient: row.recipient.clone(),
                    street: row.street.clone(),
                    city: row.city.clone(),
                    region: row.region.clone(),
                    postal_code: row.postal_code.clone(),
                    country: row.country.clone(),
                    coordinates: Coordinates::of(row).map(|point| CoordinatesDoc {
                        latitude: point.latitude(),
                        longitude: point.longitude(),
                    }),
                    is_primary: Some(row.is_primary),
                    created_at: Some(DateTime(row.created_at)),
                    updated_at: Some(DateTime(row.updated_at)),
                    version: int(row.version)?,
                    deleted: row.archived_at.is_some(),
                };
                Ok((row.id.0, doc))
            })
            .collect()
    }

    fn tombstone(id: Uuid) -> Self {
        Self {
            id: AddressId(id),
            client_id: None,
            kind: None,
            label: None,
            recipient: None,
            street: None,
            city: None,
            region: None,
            postal_code: None,
            country: None,
            coordinates: None,
            is_primary: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}
