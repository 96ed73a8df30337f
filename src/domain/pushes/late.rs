//! Operations that were made before their client was handed over, and arrive after it. Where that is allowed, what the
//! former owner wrote in time is done as if it had come in time; they are shown nothing of the client for it.

use entity::SyncCollection;

use super::Failure;
use super::batch::{self, Op, Outcome};
use crate::db::{ParentKey, Tx};
use crate::error::Result;
use crate::sync::push::{ConflictReason, OpKind, Status};

/// Judges an operation and does it; one that is late only because it was on its way, too.
pub(super) async fn perform(tx: &Tx, op: &Op, base_version: Option<i64>) -> Result<Outcome> {
    let outcome = batch::perform(tx, op, base_version).await?;
    let is_hidden = matches!(
        outcome.failure,
        Some(Failure::Conflict(ConflictReason::NotVisible, _))
    );
    let (Some(concept), Some(made_at)) = (op.concept, op.made_at) else {
        return Ok(outcome);
    };
    if !is_hidden || !tx.has_grace() {
        return Ok(outcome);
    }
    let (collection, row) = match (op.kind, concept.parent(&op.patch)) {
        (OpKind::Create, Some(ParentKey::Client(id))) => (SyncCollection::Clients, id.0),
        (OpKind::Create, Some(ParentKey::Order(id))) => (SyncCollection::Orders, id.0),
        (OpKind::Create, None) => return Ok(outcome),
        (OpKind::Update | OpKind::Delete, _) => (concept.collection(), op.row),
    };
    let mark = tx.mark().await?;
    if let Some(pass) = tx.let_in_late(collection, row, made_at).await? {
        let late = batch::perform(tx, op, base_version).await?;
        if matches!(late.status, Status::Applied | Status::Merged) {
            tx.let_out(pass).await?;
            tx.keep_since(mark).await?;
            return Ok(Outcome {
                master: None,
                ..late
            });
        }
    }
    // Whatever is in the way is not theirs to know any more.
    tx.undo_to(mark).await?;
    Ok(outcome)
}
