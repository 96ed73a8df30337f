//! What a phone is told of its operations.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::{Enum, ID, SimpleObject};
use entity::{OpStatus, SyncCollection};
use uuid::Uuid;

use crate::db::{Confidential, Tx, status_of};
use crate::domain::pushes::Answer;
use crate::error::Result;
use crate::graphql::pace::Listed;
use crate::graphql::scalars::int;
use crate::graphql::sync::docs::SyncDoc;
use crate::graphql::sync::scalars::{OpId, SafeInt};
use crate::sync::push::ConflictReason as Reason;

/// Why an operation is a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "SyncConflictReason")]
enum ConflictReason {
    /// Somebody changed the same fields since the phone saw them.
    StaleFields,
    /// The row was put away.
    Deleted,
    /// You do not see the row, or the client it goes under. Said alike of rows that never were.
    NotVisible,
    /// The id is taken.
    AlreadyExists,
}

impl From<Reason> for ConflictReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::StaleFields => Self::StaleFields,
            Reason::Deleted => Self::Deleted,
            Reason::NotVisible => Self::NotVisible,
            Reason::AlreadyExists => Self::AlreadyExists,
        }
    }
}

/// What is in the way of an operation.
#[derive(Clone, SimpleObject)]
pub struct SyncConflict {
    /// Why.
    reason: ConflictReason,
    /// The fields that both sides changed; empty where it is about the whole row.
    fields: Vec<String>,
    /// The version of the row, if you see it.
    server_version: Option<i32>,
    /// The row as it is, if you see it.
    server: Option<SyncDoc>,
}

/// Why an operation was not done.
#[derive(Clone, SimpleObject)]
pub struct SyncOpError {
    /// The rule, the code of an error, or the reason of a conflict.
    code: String,
    /// In words.
    message: String,
    /// The fields that it is about.
    fields: Vec<String>,
}

/// What became of an operation.
#[derive(Clone, SimpleObject)]
pub struct SyncOpResult {
    /// The operation.
    op_id: OpId,
    /// What became of it.
    status: OpStatus,
    /// The row.
    id: ID,
    /// The version that the row came to have, or had when the same was sent before. Base later operations on it only after `APPLIED` and `DUPLICATE`: with `MERGED`, others' changes are in it that the phone has not shown.
    version: Option<i32>,
    /// Once you have pulled up to this watermark you hold what the operation did.
    seq: SafeInt,
    /// What is in the way; null unless it is a conflict.
    conflict: Option<SyncConflict>,
    /// Why it was not done; null when it was, or waits.
    error: Option<SyncOpError>,
}

/// What became of a push.
#[derive(SimpleObject)]
pub struct SyncPushPayload {
    /// What became of each operation, in the order in which they were sent.
    results: Listed<SyncOpResult>,
    /// The position up to which this speaks.
    watermark: SafeInt,
}

/// Documents, each under its kind and its row.
pub(super) type Docs = BTreeMap<(SyncCollection, Uuid), SyncDoc>;

/// Rows as they are now, of those that the viewer sees.
pub(super) async fn load(
    tx: &Tx,
    rows: impl Iterator<Item = (SyncCollection, Uuid)>,
) -> Result<Docs> {
    let mut wanted: BTreeMap<SyncCollection, BTreeSet<Uuid>> = BTreeMap::new();
    for (collection, id) in rows {
        wanted.entry(collection).or_default().insert(id);
    }
    let mut docs = Docs::new();
    for (collection, ids) in wanted {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let found = SyncDoc::load(tx, collection, &ids).await?;
        docs.extend(found.into_iter().map(|(id, doc)| ((collection, id), doc)));
    }
    Ok(docs)
}

impl SyncPushPayload {
    /// The groups of confidential facts that it may show.
    pub(super) fn shows(&self) -> impl Iterator<Item = Confidential> + '_ {
        let conflicts = self
            .results
            .0
            .iter()
            .filter_map(|one| one.conflict.as_ref());
        let docs = conflicts.filter_map(|conflict| conflict.server.as_ref());
        docs.flat_map(|doc| doc.shows().iter().copied())
    }

    /// The answers, with the rows that are in the way.
    pub(super) fn new(
        ids: Vec<ID>,
        answers: Vec<Answer>,
        watermark: i64,
        docs: &Docs,
    ) -> Result<Self> {
        let results: Result<Vec<SyncOpResult>> = ids
            .into_iter()
            .zip(answers)
            .map(|(id, answer)| {
                let Answer {
                    op,
                    status,
                    version,
                    seq,
                    conflict,
                    told,
                    master,
                } = answer;
                let server_version = master.map(|(_, _, version)| int(version)).transpose()?;
                Ok(SyncOpResult {
                    op_id: OpId(op),
                    status: status_of(status),
                    id,
                    version: version.map(int).transpose()?,
                    seq: SafeInt::place(seq),
                    conflict: conflict.map(|(reason, fields)| SyncConflict {
                        reason: reason.into(),
                        fields: fields.into_iter().map(str::to_owned).collect(),
                        server_version,
                        server: master
                            .and_then(|(collection, id, _)| docs.get(&(collection, id)).cloned()),
                    }),
                    error: told.map(|told| SyncOpError {
                        code: told.code,
                        message: told.message,
                        fields: told.fields,
                    }),
                })
            })
            .collect();
        Ok(Self {
            results: results?.into_iter().collect(),
            watermark: SafeInt::place(watermark),
        })
    }
}
