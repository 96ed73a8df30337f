//! Operations with ids: each is told from its repetitions by the ledger, done in the order in which its device
//! counted it, and answered.

use chrono::{DateTime, Utc};
use entity::SyncCollection;
use uuid::Uuid;

use super::run::Run;
use super::{Concept, Sender, key};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::sync::merge::Fields;
use crate::sync::push::{ConflictReason, Head, OpKind, Status, request_hash};
use crate::sync::{Collection, Protocol, RowKey};

/// How many operations one push holds at most.
pub const MAX_OPS: usize = 200;

/// What becomes of the rest when an operation of a batch is a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// It is done.
    PerOp,
    /// Nothing is.
    AllOrNothing,
}

/// An operation that a device made, perhaps long ago.
#[derive(Clone)]
pub struct Op {
    /// Its id, made by the device and kept for every repetition.
    pub id: Uuid,
    /// Its place in the device's own count, from 1.
    pub seq: u64,
    /// What it does.
    pub kind: OpKind,
    /// The kind of its document; none for one that no phone writes.
    pub concept: Option<&'static dyn Concept>,
    /// The row.
    pub row: Uuid,
    /// The version that the device had of it.
    pub base_version: Option<i64>,
    /// Operations that must have been done before.
    pub depends_on: Vec<Uuid>,
    /// When it was made, by the device's clock.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When that was by ours, as far as the device's clock was off when it sent this.
    pub made_at: Option<DateTime<Utc>>,
    /// What it writes.
    pub patch: Fields,
    /// What the device saw in the fields it writes.
    pub seen: Fields,
    /// Why it cannot be looked at at all.
    pub fault: Option<Error>,
}

impl Op {
    fn row_key(&self) -> RowKey {
        match self.concept {
            Some(concept) => key(concept.collection(), self.row),
            None => RowKey {
                collection: Collection::FIRST,
                id: self.row,
            },
        }
    }

    pub(super) fn head(&self) -> Head {
        let row = self.row_key();
        Head {
            id: self.id,
            seq: self.seq,
            row,
            base_version: self.base_version,
            depends_on: self.depends_on.clone(),
            hash: request_hash(&Protocol, self.kind, row, &self.patch, self.base_version),
        }
    }
}

/// Operations of one device that came in one request.
#[derive(Clone)]
pub struct Batch {
    /// Whose.
    pub sender: Sender,
    /// What becomes of the rest when one is a conflict.
    pub atomicity: Atomicity,
    /// Up to where the device had pulled: it has seen what was not written since. None where it does not say.
    pub basis: Option<i64>,
    /// The operations, at most [`MAX_OPS`].
    pub ops: Vec<Op>,
    /// The kinds of documents that phones write, to read those again that waited.
    pub concepts: &'static [&'static dyn Concept],
}

/// Why an operation was not done, as its device is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// A rule, a code of errors, or the reason of a conflict.
    pub code: String,
    /// In words.
    pub message: String,
    /// The fields that it is about.
    pub fields: Vec<String>,
}

/// What became of an operation.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its id.
    pub op: Uuid,
    /// What became of it.
    pub status: Status,
    /// The version that its row came to have, or has.
    pub version: Option<i64>,
    /// A position: a device that has pulled up to it holds what the operation did.
    pub seq: i64,
    /// Why it is a conflict, and about which fields.
    pub conflict: Option<(ConflictReason, Vec<&'static str>)>,
    /// Why it was not done.
    pub told: Option<Told>,
    /// The row as it is, if the viewer sees it and it is in the way.
    pub master: Option<(SyncCollection, Uuid, i64)>,
}

/// A batch that was taken, and has no place in the line yet.
pub struct Taken<'a>(Run<'a>);

impl Taken<'_> {
    /// The rows that are in the way of operations: what is to be told of them is to be read now. Once the batch has its
    /// place, others wait.
    pub fn in_the_way(&self) -> impl Iterator<Item = (SyncCollection, Uuid)> + '_ {
        self.0.masters()
    }

    /// Puts the batch in its place: answers in the order of its operations, and the position up to which they speak.
    ///
    /// # Errors
    /// From the database.
    pub async fn answer(self) -> Result<(Vec<Answer>, i64)> {
        self.0.finish().await
    }
}

/// Takes a batch.
///
/// # Errors
/// `CONFLICT` when the device is somebody else's; what is not of one operation alone, from the database.
pub async fn push<'a>(tx: &'a Tx, batch: &'a Batch) -> Result<Taken<'a>> {
    let mut run = Run::begin(tx, batch).await?;
    let whole = match batch.atomicity {
        Atomicity::AllOrNothing => Some(tx.mark().await?),
        Atomicity::PerOp => None,
    };
    run.all().await?;
    if let Some(mark) = whole {
        run.decide(mark).await?;
    }
    Ok(Taken(run))
}
