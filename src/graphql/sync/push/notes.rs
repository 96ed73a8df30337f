//! Notes that phones write.

use async_graphql::{InputObject, MaybeUndefined};
use entity::{ClientId, NoteId, SyncCollection};

use super::written::{Object, Written, field, named, read};
use crate::db::Tx;
use crate::domain::notes;
use crate::error::Result;
use crate::graphql::notes::{NoteCreateInput, NoteUpdateInput};
use crate::graphql::sync::docs::NoteDoc;
use crate::sync::merge::Field;

/// What a phone says of a note. A field that is absent stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct NoteDocPatch {
    /// The client it is about: of a new note; it stays so.
    client_id: Option<ClientId>,
    /// The text, 1 to 10,000 characters. A new note has one.
    body: MaybeUndefined<String>,
    /// Whether it is to stay on top.
    is_pinned: MaybeUndefined<bool>,
}

/// Notes.
pub(super) struct Notes;

impl Written for Notes {
    const COLLECTION: SyncCollection = SyncCollection::Notes;
    const FIELDS: &'static [Field] = &[field("body"), field("isPinned")];
    const FIXED: &'static [&'static str] = &["clientId"];
    const REQUIRED: &'static [&'static str] = &["clientId", "body"];
    type Id = NoteId;
    type Doc = NoteDoc;

    async fn create(tx: &Tx, id: NoteId, fields: Object) -> Result<i64> {
        let input: NoteCreateInput = read(named(fields, id, None))?;
        Ok(notes::create(tx, input.parse()).await?.version)
    }

    async fn change(tx: &Tx, id: NoteId, version: i64, fields: Object) -> Result<i64> {
        let input: NoteUpdateInput = read(named(fields, id, Some(version)))?;
        let (id, version, body, is_pinned) = input.parse()?;
        let row = notes::update(tx, id, version, body, is_pinned).await?;
        Ok(row.version)
    }

    async fn delete(tx: &Tx, id: NoteId, version: i64) -> Result<i64> {
        Ok(notes::archive(tx, id, version).await?.version)
    }
}
