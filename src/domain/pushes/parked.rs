//! Operations that wait for what they go under. They are tried again whenever their device pushes; after a while they
//! are given up.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::batch::Op;
use super::issues::{self, Issue};
use super::{Concept, Failure, Sender, names, of_json, to_json};
use crate::db::{OpRecord, ParkedOp, Tx};
use crate::error::{Error, Result};
use crate::messages::Locale;
use crate::say;
use crate::sync::Seq;
use crate::sync::merge::Fields;
use crate::sync::push::{OpKind, Recorded, Status};

/// How long an operation waits.
pub const PARKED_STAYS: TimeDelta = TimeDelta::days(7);

/// What is kept of an operation that waits.
pub(super) fn payload(op: &Op) -> Option<Json> {
    let concept = op.concept?;
    Some(json!({
        "collection": super::number(concept.collection()).get(),
        "row": op.row,
        "kind": kind_name(op.kind),
        "baseVersion": op.base_version,
        "dependsOn": op.depends_on,
        "occurredAt": op.occurred_at,
        (MADE_AT): op.made_at,
        "patch": to_json(&op.patch),
        "seen": to_json(&op.seen),
    }))
}

/// Whether two payloads are of the same operation: all but when it was made by our clock, which follows from when it was
/// sent.
pub(super) fn says_the_same(kept: &Json, payload: &Json) -> bool {
    let (Some(kept), Some(payload)) = (kept.as_object(), payload.as_object()) else {
        return false;
    };
    kept.len() == payload.len()
        && kept
            .iter()
            .all(|(name, value)| name == MADE_AT || payload.get(name) == Some(value))
}

/// When it was made, by our clock.
const MADE_AT: &str = "madeAt";

/// The operation again, if it is one of `concepts`.
pub(super) fn read(record: &OpRecord, concepts: &[&'static dyn Concept]) -> Option<Op> {
    let payload = record.payload.as_ref()?;
    let number = payload.get("collection")?.as_u64()?;
    let concept = concepts
        .iter()
        .copied()
        .find(|one| u64::from(super::number(one.collection()).get()) == number)?;
    let fields = |name: &str| -> Fields {
        let json = payload.get(name).and_then(Json::as_object);
        json.map_or_else(Fields::new, |json| of_json(json, names(concept)))
    };
    let depends_on = payload.get("dependsOn")?.as_array()?.iter();
    Some(Op {
        id: record.op,
        seq: u64::try_from(record.op_seq).ok()?,
        kind: kind(payload.get("kind")?.as_str()?)?,
        concept: Some(concept),
        row: id(payload.get("row")?)?,
        base_version: payload.get("baseVersion").and_then(Json::as_i64),
        depends_on: depends_on.filter_map(id).collect(),
        occurred_at: payload.get("occurredAt").and_then(instant),
        made_at: payload.get(MADE_AT).and_then(instant),
        patch: fields("patch"),
        seen: fields("seen"),
        fault: None,
    })
}

fn id(json: &Json) -> Option<Uuid> {
    json.as_str()?.parse().ok()
}

fn instant(json: &Json) -> Option<DateTime<Utc>> {
    json.as_str()?.parse().ok()
}

const KINDS: [(OpKind, &str); 3] = [
    (OpKind::Create, "CREATE"),
    (OpKind::Update, "UPDATE"),
    (OpKind::Delete, "DELETE"),
];

/// What a kind of operation is called.
pub(super) fn kind_name(kind: OpKind) -> &'static str {
    match kind {
        OpKind::Create => "CREATE",
        OpKind::Update => "UPDATE",
        OpKind::Delete => "DELETE",
    }
}

fn kind(name: &str) -> Option<OpKind> {
    let mut kinds = KINDS.into_iter();
    kinds
        .find(|(_, known)| *known == name)
        .map(|(kind, _)| kind)
}

/// Gives up operations that waited too long for what they go under: each becomes an issue. Says how many. For the
/// service itself.
///
/// # Errors
/// `INTERNAL` when a person asks; from the database.
pub async fn give_up(tx: &Tx, concepts: &[&'static dyn Concept]) -> Result<usize> {
    let overdue = tx.overdue_ops(tx.now() - PARKED_STAYS).await?;
    let count = overdue.len();
    if count == 0 {
        return Ok(0);
    }
    for parked in &overdue {
        if let Some(op) = read(&parked.record, concepts) {
            let failure = Failure::Refused(missing());
            let sender = Sender {
                device: parked.device,
                locale: Locale::En,
            };
            let issues = vec![Issue::of(&op, failure, None)].into_iter().flatten();
            issues::keep(tx, parked.user, sender, issues.collect(), &[]).await?;
        }
    }
    let seq = tx.take_position().await?;
    for ParkedOp { device, record, .. } in overdue {
        let settled = OpRecord {
            recorded: Recorded {
                status: Status::Rejected,
                version: None,
                seq: Seq::try_from(seq).unwrap_or(Seq::ZERO),
                ..record.recorded
            },
            payload: None,
            ..record
        };
        tx.record_ops(device, &[settled]).await?;
    }
    Ok(count)
}

fn missing() -> Error {
    Error::rule(
        "sync.parent_missing",
        say!("what this belongs to did not arrive within a week"),
    )
}
