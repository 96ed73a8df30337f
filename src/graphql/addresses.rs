//! Addresses on the wire.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{AddressId, AddressKind, ClientId, address, client};
use sea_orm::sea_query::Order;

use super::clients::{Archived, Client};
use super::connection::Node;
use super::context::{nullable, session, write};
use super::direct::ready;
use super::input::{optional, required};
use super::scalars::{DateTime, int};
use crate::db::{Children, Visible};
use crate::domain::addresses::{self, AddressPatch, NewAddress};
use crate::error::Result;

/// Where a client is found, supplied or billed.
#[derive(Clone)]
pub struct Address(pub Visible<address::Model>);

impl From<Visible<address::Model>> for Address {
    fn from(row: Visible<address::Model>) -> Self {
        Self(row)
    }
}

impl Node for Address {
    type Entity = address::Entity;
}

ready!(
    Address: "id" | "kind" | "label" | "recipient" | "street" | "city" | "region" | "postalCode" |
        "country" | "coordinates" | "isPrimary" | "version" | "createdAt" | "updatedAt" |
        "archivedAt";
);

/// Where a client is found, supplied or billed.
#[Object]
impl Address {
    /// The id.
    pub async fn id(&self) -> AddressId {
        self.0.id
    }

    /// The client it belongs to.
    async fn client(&self, ctx: &Context<'_>) -> Option<Result<Client>> {
        nullable(
            async {
                let client = session(ctx)?
                    .one_of::<client::Entity, _, _>(&self.0, "client", |row| Some(row.client_id))
                    .await?;
                Ok(client.map(Client))
            }
            .await,
        )
    }

    /// What it is used for.
    async fn kind(&self) -> AddressKind {
        self.0.kind
    }

    /// What the client calls it.
    async fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// Who receives there.
    async fn recipient(&self) -> Option<&str> {
        self.0.recipient.as_deref()
    }

    /// Street and number, or several such lines.
    async fn street(&self) -> Option<&str> {
        self.0.street.as_deref()
    }

    /// The city.
    async fn city(&self) -> Option<&str> {
        self.0.city.as_deref()
    }

    /// The province, state or county.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }

    /// The postal code.
    async fn postal_code(&self) -> Option<&str> {
        self.0.postal_code.as_deref()
    }

    /// The country by its code of ISO 3166-1 of two letters, such as `CN`.
    async fn country(&self) -> Option<&str> {
        self.0.country.as_deref()
    }

    /// Where it is on the map; null when nobody has said.
    async fn coordinates(&self) -> Option<Coordinates> {
        let point = addresses::Coordinates::of(&self.0)?;
        Some(Coordinates {
            latitude: point.latitude(),
            longitude: point.longitude(),
        })
    }

    /// Whether it is the one of its kind to use when nothing else is said.
    async fn is_primary(&self) -> bool {
        self.0.is_primary
    }

    /// The number of writes to this address; send it back with an update.
    async fn version(&self) -> Result<i32> {
        int(self.0.version)
    }

    /// When it was recorded.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it was archived; null while it is in use.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// A point on the earth (WGS 84).
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Coordinates {
    /// Degrees north, -90 to 90.
    latitude: f64,
    /// Degrees east, -180 to 180.
    longitude: f64,
}

/// The addresses of a client: primary ones first, then in the order they were recorded.
///
/// # Errors
/// From the database.
pub async fn of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    archived: Archived,
) -> Result<Vec<Address>> {
    let session = session(ctx)?;
    let children = || Children {
        parent: address::Column::ClientId,
        select: session
            .select::<address::Entity>()
            .filter(archived.condition(address::Column::ArchivedAt))
            .order_by(address::Column::IsPrimary, Order::Desc)
            .order_by(address::Column::CreatedAt, Order::Asc)
            .order_by(address::Column::Id, Order::Asc),
    };
    let edge = format!("addresses/{archived:?}");
    let own = |client: &client::Model| client.id.0;
    let rows = session
        .all_of(client, &edge, own, children, |row| row.client_id.0)
        .await?;
    Ok(rows.into_iter().map(Address).collect())
}

/// Reading addresses.
#[derive(Default)]
pub struct AddressQuery;

#[Object]
impl AddressQuery {
    /// The address with this id; null when there is none, or it is not of a client of yours.
    async fn address(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the address.")] id: AddressId,
    ) -> Option<Result<Address>> {
        nullable(
            async {
                let address = session(ctx)?
                    .select::<address::Entity>()
                    .id(id)
                    .find()
                    .await?;
                Ok(address.map(Address))
            }
            .await,
        )
    }
}

/// A point on the earth (WGS 84).
#[derive(Clone, Copy, Debug, InputObject)]
pub struct CoordinatesInput {
    /// Degrees north, -90 to 90; seven decimals are kept.
    latitude: f64,
    /// Degrees east, -180 to 180; seven decimals are kept.
    longitude: f64,
}

/// What is known of an address. A field that is absent stays as it is; null clears it. It must say where: a street, a city, a region, a postal code, a country or coordinates.
#[derive(Clone, Debug, Default, InputObject)]
pub struct AddressPlaceInput {
    /// What the client calls it, at most 60 characters.
    label: MaybeUndefined<String>,
    /// Who receives there, at most 200 characters.
    recipient: MaybeUndefined<String>,
    /// Street and number, or several such lines, at most 500 characters.
    street: MaybeUndefined<String>,
    /// City, at most 100 characters.
    city: MaybeUndefined<String>,
    /// Province, state or county, at most 100 characters.
    region: MaybeUndefined<String>,
    /// Postal code, at most 20 characters.
    postal_code: MaybeUndefined<String>,
    /// Country by its code of ISO 3166-1 of two letters, such as `CN`.
    country: MaybeUndefined<String>,
    /// Where it is on the map.
    coordinates: MaybeUndefined<CoordinatesInput>,
    /// Whether it is the one of its kind to use when nothing else is said. The one that was it before is it no longer.
    is_primary: MaybeUndefined<bool>,
}

impl AddressPlaceInput {
    fn parse(self) -> Result<AddressPatch> {
        let Self {
            label,
            recipient,
            street,
            city,
            region,
            postal_code,
            country,
            coordinates,
            is_primary,
        } = self;
        let coordinates = match optional(coordinates) {
            Some(Some(point)) => Some(Some(addresses::Coordinates::new(
                point.latitude,
                point.longitude,
            )?)),
            Some(None) => Some(None),
            None => None,
        };
        Ok(AddressPatch {
            label: optional(label),
            recipient: optional(recipient),
            street: optional(street),
            city: optional(city),
            region: optional(region),
            postal_code: optional(postal_code),
            country: optional(country),
            coordinates,
            is_primary: required("isPrimary", is_primary)?,
        })
    }
}

/// An address to record.
#[derive(Clone, Debug, InputObject)]
pub struct AddressCreateInput {
    /// An id made by the caller (`address_` and a UUID, best of version 7). Sending the same create again with it answers the address that is there.
    id: Option<AddressId>,
    /// The client; it stays so. A client has at most 50 addresses in use.
    client_id: ClientId,
    /// What it is used for.
    kind: AddressKind,
    /// Where it is.
    #[graphql(flatten)]
    place: AddressPlaceInput,
}

impl AddressCreateInput {
    /// The address to be.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(super) fn parse(self) -> Result<NewAddress> {
        let Self {
            id,
            client_id,
            kind,
            place,
        } = self;
        Ok(NewAddress {
            id,
            client: client_id,
            kind,
            place: place.parse()?,
        })
    }
}

/// Changes to an address.
#[derive(Clone, Debug, InputObject)]
pub struct AddressUpdateInput {
    /// The address.
    id: AddressId,
    /// The version you saw.
    version: i32,
    /// What it is used for.
    kind: MaybeUndefined<AddressKind>,
    /// Where it is.
    #[graphql(flatten)]
    place: AddressPlaceInput,
}

impl AddressUpdateInput {
    /// Which address, in which version, what it is used for from now on, and its other changes.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(super) fn parse(self) -> Result<(AddressId, i64, Option<AddressKind>, AddressPatch)> {
        let Self {
            id,
            version,
            kind,
            place,
        } = self;
        let kind = required("kind", kind)?;
        Ok((id, i64::from(version), kind, place.parse()?))
    }
}

/// Names an address in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct AddressVersionInput {
    /// The address.
    id: AddressId,
    /// The version you saw.
    version: i32,
}

/// The address after the change.
#[derive(SimpleObject)]
pub struct AddressPayload {
    /// The address.
    address: Address,
}

impl From<Visible<address::Model>> for AddressPayload {
    fn from(row: Visible<address::Model>) -> Self {
        Self {
            address: Address(row),
        }
    }
}

/// Writing addresses.
#[derive(Default)]
pub struct AddressMutation;

#[Object]
impl AddressMutation {
    /// Records an address of a client.
    async fn address_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address to record.")] input: AddressCreateInput,
    ) -> Result<AddressPayload> {
        let new = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { addresses::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes an address.
    async fn address_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address and the changes.")] input: AddressUpdateInput,
    ) -> Result<AddressPayload> {
        let (id, version, kind, patch) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { addresses::update(&tx, id, version, kind, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides an address from lists; it is primary no longer. Nothing else is lost; it can be restored.
    async fn address_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address to hide.")] input: AddressVersionInput,
    ) -> Result<AddressPayload> {
        let AddressVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            addresses::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived address back.
    async fn address_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address to bring back.")] input: AddressVersionInput,
    ) -> Result<AddressPayload> {
        let AddressVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            addresses::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
