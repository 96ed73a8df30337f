//! Contacts that phones write.

use async_graphql::{InputObject, MaybeUndefined};
use entity::{ClientId, ContactId, SyncCollection};

use super::written::{Object, Written, field, named, read};
use crate::db::Tx;
use crate::domain::contacts;
use crate::error::Result;
use crate::graphql::contacts::{ContactCreateInput, ContactProfileInput, ContactUpdateInput};
use crate::graphql::sync::docs::ContactDoc;
use crate::sync::merge::Field;

/// What a phone says of a contact. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct ContactDocPatch {
    /// The client they are at: of a new contact; it stays so.
    client_id: Option<ClientId>,
    /// The name, 1 to 200 characters. A new contact has one.
    name: MaybeUndefined<String>,
    /// Everything else that is known.
    #[graphql(flatten)]
    profile: ContactProfileInput,
}

/// Contacts.
pub(super) struct Contacts;

impl Written for Contacts {
    const COLLECTION: SyncCollection = SyncCollection::Contacts;
    const FIELDS: &'static [Field] = &[
        field("name"),
        field("title"),
        field("department"),
        field("isKey"),
        field("roles"),
        field("gender"),
        field("birthday"),
        field("points"),
        field("likes"),
        field("socialStatus"),
        field("note"),
    ];
    const FIXED: &'static [&'static str] = &["clientId"];
    const REQUIRED: &'static [&'static str] = &["clientId", "name"];
    type Id = ContactId;
    type Doc = ContactDoc;

    async fn create(tx: &Tx, id: ContactId, fields: Object) -> Result<i64> {
        let input: ContactCreateInput = read(named(fields, id, None))?;
        Ok(contacts::create(tx, input.parse()?).await?.version)
    }

    async fn change(tx: &Tx, id: ContactId, version: i64, fields: Object) -> Result<i64> {
        let input: ContactUpdateInput = read(named(fields, id, Some(version)))?;
        let (id, version, name, patch) = input.parse()?;
        let row = contacts::update(tx, id, version, name, patch).await?;
        Ok(row.version)
    }

    async fn delete(tx: &Tx, id: ContactId, version: i64) -> Result<i64> {
        Ok(contacts::archive(tx, id, version).await?.version)
    }
}
