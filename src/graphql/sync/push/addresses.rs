//! Addresses that phones write.

use async_graphql::{InputObject, MaybeUndefined};
use entity::{AddressId, AddressKind, ClientId, SyncCollection};

use super::written::{Object, Written, field, named, read};
use crate::db::Tx;
use crate::domain::addresses;
use crate::error::Result;
use crate::graphql::addresses::{AddressCreateInput, AddressPlaceInput, AddressUpdateInput};
use crate::graphql::sync::docs::AddressDoc;
use crate::sync::merge::Field;

/// What a phone says of an address. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct AddressDocPatch {
    /// The client: of a new address; it stays so.
    client_id: Option<ClientId>,
    /// What it is used for. A new address says so.
    kind: MaybeUndefined<AddressKind>,
    /// Where it is.
    #[graphql(flatten)]
    place: AddressPlaceInput,
}

/// Addresses.
pub(super) struct Addresses;

impl Written for Addresses {
    const COLLECTION: SyncCollection = SyncCollection::Addresses;
    const FIELDS: &'static [Field] = &[
        field("kind"),
        field("label"),
        field("recipient"),
        field("street"),
        field("city"),
        field("region"),
        field("postalCode"),
        field("country"),
        field("coordinates"),
        field("isPrimary"),
    ];
    const FIXED: &'static [&'static str] = &["clientId"];
    const REQUIRED: &'static [&'static str] = &["clientId", "kind"];
    type Id = AddressId;
    type Doc = AddressDoc;

    async fn create(tx: &Tx, id: AddressId, fields: Object) -> Result<i64> {
        let input: AddressCreateInput = read(named(fields, id, None))?;
        Ok(addresses::create(tx, input.parse()?).await?.version)
    }

    async fn change(tx: &Tx, id: AddressId, version: i64, fields: Object) -> Result<i64> {
        let input: AddressUpdateInput = read(named(fields, id, Some(version)))?;
        let (id, version, kind, patch) = input.parse()?;
        let row = addresses::update(tx, id, version, kind, patch).await?;
        Ok(row.version)
    }

    async fn delete(tx: &Tx, id: AddressId, version: i64) -> Result<i64> {
        Ok(addresses::archive(tx, id, version).await?.version)
    }
}
