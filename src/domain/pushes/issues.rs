//! What a phone pushed and nobody could keep: base, mine and theirs, with the reason, in a row of the person who
//! typed it. It comes down to all their devices, and is put aside once a later push has said the same fields of the
//! document anew and was done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{DeviceId, EntityId, SyncCollection, SyncIssueId, UserId, sync_issue};
use ring::digest::{SHA256, digest};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::batch::Op;
use super::json::{cleaned, to_kept_json};
use super::parked::kind_name;
use super::{Failure, Sender, to_json};
use crate::db::{ParentKey, Tx};
use crate::error::{Code, Result};
use crate::messages::Locale;
use crate::say;
use crate::sync::merge::Fields;
use crate::sync::push::{ConflictReason, OpKind, RequestHash};

/// What was pushed and not done.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    /// What makes it this issue: the same again is no second one.
    pub(super) mark: Vec<u8>,
    pub(super) op: Option<Uuid>,
    pub(super) collection: SyncCollection,
    pub(super) row: Uuid,
    pub(super) client: Option<ParentKey>,
    pub(super) kind: OpKind,
    /// What the device had seen.
    pub(super) base: Fields,
    /// What the person wanted it to be.
    pub(super) mine: Fields,
    /// What it is, where they see it; of it, what they wanted to write is kept.
    pub(super) theirs: Option<Fields>,
    /// When it was made, by the device's clock.
    pub(super) occurred_at: Option<DateTime<Utc>>,
    /// When that was by ours.
    pub(super) made_at: Option<DateTime<Utc>>,
    pub(super) failure: Failure,
    /// Whether a later push has settled it.
    pub(super) is_settled: bool,
}

/// What was pushed and done of a document.
#[derive(Clone, Debug)]
pub(super) struct Done {
    collection: SyncCollection,
    row: Uuid,
    /// What it said; none where it made the document, or put it away.
    said: Option<Fields>,
    is_written: bool,
}

impl Done {
    /// That a document was made or put away, or these fields of it said; `is_written`: unless it was so already.
    pub(super) fn of(
        collection: SyncCollection,
        row: Uuid,
        kind: OpKind,
        said: &Fields,
        is_written: bool,
    ) -> Self {
        let is_all = match kind {
            OpKind::Create => is_written,
            OpKind::Delete => true,
            OpKind::Update => false,
        };
        Self {
            collection,
            row,
            said: (!is_all).then(|| said.clone()),
            is_written,
        }
    }

    /// Whether it settles that `mine` of the document could not be written, which is empty where the document could not be
    /// put away: it has said all of it anew, or that it is so by now. Nothing that a person typed is put aside because
    /// something else went well.
    fn settles(&self, collection: SyncCollection, row: Uuid, mine: &Map<String, Json>) -> bool {
        if self.collection != collection || self.row != row {
            return false;
        }
        let Some(said) = &self.said else {
            return true;
        };
        if mine.is_empty() {
            return false;
        }
        if self.is_written {
            return mine.keys().all(|name| said.contains_key(name.as_str()));
        }
        let said = to_kept_json(said);
        mine.iter()
            .all(|(name, value)| said.get(name) == Some(value))
    }

    /// Whether it settles `issue`, which came before.
    pub(super) fn has_settled(&self, issue: &Issue) -> bool {
        self.settles(issue.collection, issue.row, &to_kept_json(&issue.mine))
    }
}

impl Issue {
    /// That `op` was not done; none for one that says nothing of any row.
    pub(super) fn of(op: &Op, failure: Failure, theirs: Option<Fields>) -> Option<Self> {
        let concept = op.concept?;
        Some(Self {
            mark: op.id.as_bytes().to_vec(),
            op: Some(op.id),
            collection: concept.collection(),
            row: op.row,
            client: concept.parent(&op.patch),
            kind: op.kind,
            base: op.seen.clone(),
            mine: op.patch.clone(),
            theirs,
            occurred_at: op.occurred_at,
            made_at: op.made_at,
            failure,
            is_settled: false,
        })
    }

    /// The same of an operation whose id another one has, by its content.
    pub(super) fn beside(mut self, hash: RequestHash) -> Self {
        self.mark.extend_from_slice(&hash);
        self
    }
}

/// An issue that is on record: its code and its words.
pub(super) type Known = (String, String);

/// What is on record of operations of the device that failed.
pub(super) async fn of_ops(
    tx: &Tx,
    device: DeviceId,
    ops: &[Uuid],
) -> Result<BTreeMap<Uuid, Known>> {
    if ops.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<SyncIssueId> = ops.iter().map(|op| id(device, op.as_bytes())).collect();
    let found = tx
        .select::<sync_issue::Entity>()
        .filter(sync_issue::Column::Id.is_in(ids))
        .all()
        .await?;
    Ok(found
        .iter()
        .filter_map(|issue| Some((issue.op_id?, (issue.code.clone(), issue.message.clone()))))
        .collect())
}

/// The code of a failure: a rule, a code of errors, or why it is a conflict.
pub fn code(failure: &Failure) -> &'static str {
    match failure {
        Failure::Conflict(reason, _) => reason.code(),
        Failure::Refused(error) => error.rule_name().unwrap_or(error.code().as_str()),
    }
}

/// A failure in words.
pub fn words(failure: &Failure, locale: Locale) -> String {
    let message = match failure {
        Failure::Refused(error) => return error.text(locale),
        Failure::Conflict(ConflictReason::StaleFields, _) => {
            say!("somebody changed the same meanwhile")
        }
        Failure::Conflict(ConflictReason::Deleted, _) => say!("this was put away meanwhile"),
        Failure::Conflict(ConflictReason::NotVisible, _) => {
            say!("this is not there, or no longer among your clients")
        }
        Failure::Conflict(ConflictReason::AlreadyExists, _) => {
            say!("this id cannot be used; make a new one, or leave it out")
        }
    };
    message.text(locale)
}

/// Keeps issues, each once, and puts aside those from before that `done` settles.
pub(super) async fn keep(
    tx: &Tx,
    user: UserId,
    sender: Sender,
    issues: Vec<Issue>,
    done: &[Done],
) -> Result<()> {
    let mut issues: BTreeMap<SyncIssueId, Issue> = issues
        .into_iter()
        .map(|issue| (id(sender.device, &issue.mark), issue))
        .collect();
    let mut touched = settled(tx, user, done).await?;
    let mut known = BTreeSet::new();
    if !issues.is_empty() {
        let rows = tx
            .select::<sync_issue::Entity>()
            .filter(sync_issue::Column::Id.is_in(issues.keys().copied()))
            .all()
            .await?;
        for row in &rows {
            known.insert(row.id);
            if row.archived_at.is_some() {
                touched.insert(row.id);
            }
        }
    }
    // Held in the order of their ids: another device of the person may settle the same ones at this moment.
    for id in touched {
        let row = match tx.lock::<sync_issue::Entity>(id).await {
            Err(error) if error.code() == Code::NotFound => continue,
            row => row?,
        };
        let is_settled = row.archived_at.is_none() && is_settled_by(&row, done);
        let again = issues.get(&id).filter(|issue| !issue.is_settled);
        let changes = match again {
            // It was settled, and is there again.
            Some(issue) if is_settled || row.archived_at.is_some() => sync_issue::ActiveModel {
                code: Set(code(&issue.failure).to_owned()),
                message: Set(cleaned(&words(&issue.failure, sender.locale))),
                payload: Set(payload(issue)),
                archived_at: Set(None),
                ..Default::default()
            },
            _ if is_settled => sync_issue::ActiveModel {
                archived_at: Set(Some(tx.now())),
                ..Default::default()
            },
            _ => continue,
        };
        tx.update::<sync_issue::Entity>(&row, None, changes).await?;
    }
    issues.retain(|id, _| !known.contains(id));
    let now = tx.now();
    let rows: Vec<sync_issue::ActiveModel> = issues
        .into_iter()
        .map(|(id, issue)| {
            let client = match issue.client {
                Some(ParentKey::Client(id)) => Some(id),
                Some(ParentKey::Order(_)) | None => None,
            };
            sync_issue::ActiveModel {
                id: Set(id),
                user_id: Set(user),
                device_id: Set(Some(sender.device)),
                op_id: Set(issue.op),
                collection: Set(issue.collection),
                row_id: Set(issue.row),
                client_id: Set(client),
                code: Set(code(&issue.failure).to_owned()),
                message: Set(cleaned(&words(&issue.failure, sender.locale))),
                payload: Set(payload(&issue)),
                version: Set(1),
                created_at: Set(now),
                updated_at: Set(now),
                archived_at: Set(issue.is_settled.then_some(now)),
            }
        })
        .collect();
    if !rows.is_empty() {
        tx.insert_all::<sync_issue::Entity>(rows).await?;
    }
    Ok(())
}

/// The open issues of the person that `done` settles, whichever of their devices they come from.
async fn settled(tx: &Tx, user: UserId, done: &[Done]) -> Result<BTreeSet<SyncIssueId>> {
    if done.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows: BTreeSet<Uuid> = done.iter().map(|done| done.row).collect();
    let open = tx
        .select::<sync_issue::Entity>()
        .filter(sync_issue::Column::UserId.eq(user))
        .filter(sync_issue::Column::ArchivedAt.is_null())
        .filter(sync_issue::Column::RowId.is_in(rows))
        .all()
        .await?;
    let settled = open.iter().filter(|issue| is_settled_by(issue, done));
    Ok(settled.map(|issue| issue.id).collect())
}

fn is_settled_by(issue: &sync_issue::Model, done: &[Done]) -> bool {
    let nothing = Map::new();
    let mine = issue.payload.get("mine").and_then(Json::as_object);
    let mine = mine.unwrap_or(&nothing);
    done.iter()
        .any(|done| done.settles(issue.collection, issue.row_id, mine))
}

fn payload(issue: &Issue) -> Json {
    let fields: Vec<&str> = match &issue.failure {
        Failure::Conflict(_, names) => names.clone(),
        Failure::Refused(error) => error.fields().iter().map(String::as_str).collect(),
    };
    let fields: Vec<String> = fields.into_iter().map(cleaned).collect();
    json!({
        "kind": kind_name(issue.kind),
        "fields": fields,
        "base": to_kept_json(&issue.base),
        "mine": to_kept_json(&issue.mine),
        "theirs": issue.theirs.as_ref().map(|theirs| to_json(&of_same(theirs, &issue.mine))),
        "occurredAt": issue.occurred_at,
        "madeAt": issue.made_at,
    })
}

/// Those fields of `theirs` that are in `mine` as well: what else is there is no part of what failed.
fn of_same(theirs: &Fields, mine: &Fields) -> Fields {
    let same = theirs.iter().filter(|(name, _)| mine.contains_key(*name));
    same.map(|(name, value)| (*name, value.clone())).collect()
}

/// An id that follows from the device and what it pushed.
fn id(device: DeviceId, mark: &[u8]) -> SyncIssueId {
    let mut bytes = device.uuid().as_bytes().to_vec();
    bytes.extend_from_slice(mark);
    let digest = digest(&SHA256, &bytes);
    let bytes = digest.as_ref().first_chunk().copied().unwrap_or([0; 16]);
    SyncIssueId::from_uuid(
        uuid::Builder::from_bytes(bytes)
            .with_version(uuid::Version::Custom)
            .into_uuid(),
    )
}
