//! One operation with an id: judged by how its row stands, and done.

use std::collections::BTreeMap;

use entity::{ClientId, SyncCollection};
use uuid::Uuid;

use super::batch::Op;
use super::{Concept, Failure, Present, TRIES, changeable, contradicted, note_shown};
use crate::db::{ParentKey, Tx};
use crate::error::{Code, Error, Result};
use crate::say;
use crate::sync::Protocol;
use crate::sync::merge::{Fields, Value};
use crate::sync::push::{ConflictReason, Deed, OpKind, Parent, Refusal, Status, Verdict, judge};

/// What came of one operation, before it is known at which position.
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) version: Option<i64>,
    pub(super) failure: Option<Failure>,
    pub(super) master: Option<Present>,
    /// Whether something was written.
    pub(super) is_written: bool,
}

impl Outcome {
    pub(super) fn done(status: Status, version: i64) -> Self {
        Self {
            status,
            version: Some(version),
            failure: None,
            master: None,
            is_written: true,
        }
    }

    /// All of it was so already.
    fn already(status: Status, version: i64) -> Self {
        Self {
            is_written: false,
            ..Self::done(status, version)
        }
    }

    pub(super) fn failed(failure: Failure, master: Option<Present>) -> Self {
        let status = match &failure {
            Failure::Conflict(..) => Status::Conflict,
            Failure::Refused(_) => Status::Rejected,
        };
        Self {
            status,
            version: None,
            failure: Some(failure),
            master,
            is_written: false,
        }
    }

    pub(super) fn deferred() -> Self {
        Self {
            status: Status::Deferred,
            version: None,
            failure: None,
            master: None,
            is_written: false,
        }
    }
}

/// Judges an operation and does it, as a part of its own. `standing`: how what new rows go under stands.
pub(super) async fn perform(
    tx: &Tx,
    op: &Op,
    base_version: Option<i64>,
    basis: Option<i64>,
    standing: &BTreeMap<ParentKey, Parent>,
) -> Result<Outcome> {
    if let Some(fault) = &op.fault {
        return Ok(Outcome::failed(Failure::Refused(fault.clone()), None));
    }
    let Some(concept) = op.concept else {
        return Ok(Outcome::failed(Failure::Refused(not_written()), None));
    };
    for _ in 0..TRIES {
        let present = concept.find(tx, op.row).await?;
        note_shown(tx, concept, op.row, present.as_ref()).await?;
        if let Some(row) = &present
            && op.kind == OpKind::Update
            && let Some(name) = contradicted(concept, &op.patch, row)
        {
            return Ok(Outcome::failed(Failure::Refused(fixed(name)), present));
        }
        let parent = match (op.kind, concept.parent(&op.patch)) {
            (OpKind::Create, Some(parent)) => standing.get(&parent).copied(),
            (OpKind::Create, None) => Some(Parent::Visible),
            (OpKind::Update | OpKind::Delete, _) => None,
        };
        let patch = match op.kind {
            OpKind::Create => op.patch.clone(),
            OpKind::Update | OpKind::Delete => changeable(concept, &op.patch),
        };
        let base_version = match (base_version, basis, &present) {
            (None, Some(basis), Some(row)) => seen_by(tx, concept, op.row, row, basis).await?,
            _ => base_version,
        };
        let deed = Deed {
            kind: op.kind,
            base_version,
            patch: &patch,
            seen: &op.seen,
            parent,
        };
        let now = Present::now(present.as_ref());
        let version = present.as_ref().map(|row| row.version).unwrap_or_default();
        let (result, status) = match judge(&Protocol, concept.fields(), &deed, now) {
            Verdict::Create => {
                let fields = said(&patch);
                let made = tx.attempt(concept.create(tx, op.row, &fields)).await?;
                (made, Status::Applied)
            }
            Verdict::Change(fields, status) => {
                let changed = tx.attempt(concept.change(tx, op.row, version, &fields));
                (changed.await?, status)
            }
            Verdict::Delete => {
                let gone = tx.attempt(concept.delete(tx, op.row, version)).await?;
                (gone, Status::Applied)
            }
            Verdict::AlreadySo(status) => return Ok(Outcome::already(status, version)),
            Verdict::Conflict(ConflictReason::AlreadyExists, names) => {
                // The domain knows better whether that row was made just so.
                let fields = said(&patch);
                let same = match &present {
                    Some(row) if row.is_live => {
                        tx.attempt(concept.create(tx, op.row, &fields)).await?.ok()
                    }
                    Some(_) | None => None,
                };
                return Ok(if let Some(version) = same {
                    Outcome::already(Status::Merged, version)
                } else {
                    let reason = ConflictReason::AlreadyExists;
                    Outcome::failed(Failure::Conflict(reason, names), present)
                });
            }
            Verdict::Conflict(reason, names) => {
                return Ok(Outcome::failed(Failure::Conflict(reason, names), present));
            }
            Verdict::Defer => return Ok(Outcome::deferred()),
        };
        match result {
            Ok(version) => return Ok(Outcome::done(status, version)),
            Err(error) if error.code() == Code::StaleVersion => {}
            Err(error) => {
                let failure = Failure::of(error, op.kind == OpKind::Create);
                return Ok(Outcome::failed(failure, present));
            }
        }
    }
    let failure = Failure::Conflict(ConflictReason::StaleFields, Vec::new());
    Ok(Outcome::failed(failure, concept.find(tx, op.row).await?))
}

/// The version of a row, if nobody wrote it after `basis`.
async fn seen_by(
    tx: &Tx,
    concept: &dyn Concept,
    id: Uuid,
    row: &Present,
    basis: i64,
) -> Result<Option<i64>> {
    let collection = concept.collection();
    let client = match concept.parent(&row.fields) {
        Some(ParentKey::Client(client)) => client,
        None if collection == SyncCollection::Clients => ClientId(id),
        Some(ParentKey::Order(_)) | None => return Ok(None),
    };
    let changed = tx.last_change(client, collection, id).await?;
    Ok(changed.filter(|at| *at <= basis).map(|_| row.version))
}

/// Of a new row: what is null is not said.
pub(super) fn said(fields: &Fields) -> Fields {
    let said = fields.iter().filter(|(_, value)| **value != Value::Null);
    said.map(|(name, value)| (*name, value.clone())).collect()
}

/// What refuses an operation before it is looked at.
pub(super) fn refused(refusal: Refusal) -> Error {
    let message = match refusal {
        Refusal::IdempotencyMismatch => say!("this operation was sent before with other content"),
        Refusal::DependencyFailed => say!("what this depends on was not done"),
        Refusal::DependencyAfter => say!("what this depends on comes after it"),
    };
    Error::rule(refusal.rule(), message)
}

/// A field that says something else than the row, and cannot change it.
pub(super) fn fixed(name: &str) -> Error {
    Error::rule(
        "sync.fixed_field",
        say!("`{name}` is said when this is made, and stays", name),
    )
    .field(name)
}

fn not_written() -> Error {
    Error::rule(
        "sync.not_written",
        say!("phones do not write documents of this kind"),
    )
}
