//! What could not be done, on phones: with what the person typed, and what they may see by now of what was there.

use std::collections::BTreeMap;

use async_graphql::{ID, InputObject, SimpleObject};
use entity::{ClientId, SyncCollection, SyncIssueId, sync_issue};
use sea_orm::ColumnTrait;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Doc, SyncDoc, told_by_fields};
use crate::db::Session;
use crate::error::Result;
use crate::graphql::scalars::{DateTime, int};
use crate::graphql::sync::pull::wire_id;

/// What a device sent and the service refused, kept so that nothing typed is lost. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "SyncIssueDocInput")]
pub struct SyncIssueDoc {
    /// The id.
    id: SyncIssueId,
    /// The operation, by the id that the device gave it.
    op_id: Option<String>,
    /// What kind of document it was for.
    kind: Option<SyncCollection>,
    /// The document it was for.
    document_id: Option<ID>,
    /// The client it was for, where the device said so.
    client_id: Option<ClientId>,
    /// The rule or code that refused it.
    code: Option<String>,
    /// Why, in words.
    message: Option<String>,
    /// What was sent, as a text of JSON.
    payload: Option<String>,
    /// When it was refused.
    created_at: Option<DateTime>,
    /// When it was last changed.
    updated_at: Option<DateTime>,
    /// The number of writes; 0 where it is gone.
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

/// What was there when the change was refused, in its payload.
const THEIRS: &str = "theirs";

impl Doc for SyncIssueDoc {
    const COLLECTION: SyncCollection = SyncCollection::SyncIssues;

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        // Those of others are read online.
        let rows = session
            .select::<sync_issue::Entity>()
            .filter(sync_issue::Column::UserId.eq(session.viewer().user_id()))
            .filter(sync_issue::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        let rows_seen = about(session, rows.iter().map(|row| &**row)).await?;
        let mut docs = BTreeMap::new();
        for row in &rows {
            let mut payload = row.payload.clone();
            if let Some(theirs) = payload.get_mut(THEIRS) {
                *theirs = seen_by_now(theirs.take(), rows_seen.get(&(row.collection, row.row_id)));
            }
            let doc = Self {
                id: row.id,
                op_id: row.op_id.map(|id| id.to_string()),
                kind: Some(row.collection),
                document_id: Some(wire_id(row.collection, row.row_id)),
                client_id: row.client_id,
                code: Some(row.code.clone()),
                message: Some(row.message.clone()),
                payload: Some(payload.to_string()),
                created_at: Some(DateTime(row.created_at)),
                updated_at: Some(DateTime(row.updated_at)),
                version: int(row.version)?,
                deleted: row.archived_at.is_some(),
            };
            docs.insert(row.id.0, doc);
        }
        Ok(docs)
    }

    fn tombstone(id: Uuid) -> Self {
        Self {
            id: SyncIssueId(id),
            op_id: None,
            kind: None,
            document_id: None,
            client_id: None,
            code: None,
            message: None,
            payload: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}

/// The documents that issues are about and show something of, as the viewer sees them now.
async fn about<'i>(
    session: &Session,
    issues: impl Iterator<Item = &'i sync_issue::Model>,
) -> Result<BTreeMap<(SyncCollection, Uuid), SyncDoc>> {
    let mut wanted: BTreeMap<SyncCollection, Vec<Uuid>> = BTreeMap::new();
    for issue in issues {
        if issue.payload.get(THEIRS).is_some_and(Json::is_object) {
            wanted
                .entry(issue.collection)
                .or_default()
                .push(issue.row_id);
        }
    }
    let mut docs = BTreeMap::new();
    for (collection, ids) in wanted {
        let found = SyncDoc::load(session, collection, &ids).await?;
        docs.extend(found.into_iter().map(|(id, doc)| ((collection, id), doc)));
    }
    Ok(docs)
}

/// Of what was there then, what the viewer may see now: nothing of a row that they do not see, and no fact that is
/// not told to them any more.
fn seen_by_now(theirs: Json, now: Option<&SyncDoc>) -> Json {
    let (Json::Object(mut theirs), Some(now)) = (theirs, now.and_then(SyncDoc::said)) else {
        return Json::Null;
    };
    for (name, value) in &mut theirs {
        if now.get(name).is_none_or(Json::is_null) {
            *value = Json::Null;
        }
    }
    Json::Object(theirs)
}
