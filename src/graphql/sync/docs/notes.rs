//! Notes on phones.

use std::collections::BTreeMap;

use async_graphql::{InputObject, SimpleObject};
use entity::{ClientId, NoteId, SyncCollection, UserId, note};
use sea_orm::ColumnTrait;
use uuid::Uuid;

use super::{Doc, told_by_fields};
use crate::db::Session;
use crate::error::Result;
use crate::graphql::scalars::{DateTime, int};

/// A note as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "NoteDocInput")]
pub struct NoteDoc {
    /// The id.
    id: NoteId,
    /// The client it is about.
    client_id: Option<ClientId>,
    /// Who wrote it. The service says so.
    author_id: Option<UserId>,
    /// The text.
    body: Option<String>,
    /// Whether it stays on top.
    is_pinned: Option<bool>,
    /// When it was written. The service says so.
    created_at: Option<DateTime>,
    /// When it was last changed. The service says so.
    updated_at: Option<DateTime>,
    /// The number of writes. The service says so; 0 or absent where a phone made it.
    #[graphql(default)]
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

impl Doc for NoteDoc {
    const COLLECTION: SyncCollection = SyncCollection::Notes;

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        let rows = session
            .select::<note::Entity>()
            .filter(note::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        rows.iter()
            .map(|row| {
                let doc = Self {
                    id: row.id,
                    client_id: Some(row.client_id),
                    author_id: Some(row.author_id),
                    body: Some(row.body.clone()),
                    is_pinned: Some(row.is_pinned),
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
            id: NoteId(id),
            client_id: None,
            author_id: None,
            body: None,
            is_pinned: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}
