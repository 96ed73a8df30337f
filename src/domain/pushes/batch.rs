//! Operations with ids: each is told from its repetitions by the ledger, done in the order in which its device
//! counted it, and answered.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{ClientId, SyncCollection};
use uuid::Uuid;

use super::issues::{self, Done, Issue};
use super::{Concept, Failure, Present, Sender, TRIES, changeable, contradicted, key, parked};
use crate::db::{Mark, OpRecord, ParentKey, PushingDevice, Tx};
use crate::error::{Code, Error, Result};
use crate::say;
use crate::sync::merge::{Fields, Value};
use crate::sync::push::{
    self as rules, Admission, ConflictReason, Deed, Head, Memory, OpKind, Parent, Recorded,
    Refusal, Status, Verdict, in_order, is_undone, judge, request_hash, undoes_batch,
};
use crate::sync::{Collection, Protocol, RowKey, Seq};

/// How many operations one push holds at most.
pub const MAX_OPS: usize = 200;

/// How many operations of a device wait at most.
const MAX_WAITING: usize = 500;

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

    fn head(&self) -> Head {
        let row = self.row_key();
        Head {
            id: self.id,
            seq: self.seq,
            row,
            base_version: self.base_version,
            depends_on: self.depends_on.clone(),
            hash: request_hash(
                &Protocol,
                self.kind,
                row,
                &self.patch,
                &self.seen,
                self.base_version,
            ),
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

/// Takes a batch: answers in the order of its operations, and the position up to which they speak.
///
/// # Errors
/// `CONFLICT` when the device is somebody else's; what is not of one operation alone, from the database.
pub async fn push(tx: &Tx, batch: &Batch) -> Result<(Vec<Answer>, i64)> {
    let mut run = Run::begin(tx, batch).await?;
    let whole = match batch.atomicity {
        Atomicity::AllOrNothing => Some(tx.mark().await?),
        Atomicity::PerOp => None,
    };
    run.all().await?;
    if let Some(mark) = whole {
        run.decide(mark).await?;
    }
    run.finish().await
}

/// What came of one operation, before it is known at which position.
struct Outcome {
    status: Status,
    version: Option<i64>,
    failure: Option<Failure>,
    master: Option<Present>,
    /// Whether something was written.
    is_written: bool,
}

impl Outcome {
    fn done(status: Status, version: i64) -> Self {
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

    fn failed(failure: Failure, master: Option<Present>) -> Self {
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

    fn deferred() -> Self {
        Self {
            status: Status::Deferred,
            version: None,
            failure: None,
            master: None,
            is_written: false,
        }
    }
}

/// An answer whose position may not be known yet.
struct Pending {
    answer: Answer,
    is_placed: bool,
}

struct Run<'a> {
    tx: &'a Tx,
    batch: &'a Batch,
    device: PushingDevice,
    /// Those that waited, then those of the request.
    ops: Vec<Op>,
    heads: Vec<Head>,
    waiting: usize,
    records: BTreeMap<Uuid, OpRecord>,
    /// Which of them are to be written down.
    fresh: BTreeSet<Uuid>,
    pending: BTreeMap<Uuid, Pending>,
    issues: Vec<Issue>,
    done: Vec<Done>,
}

impl<'a> Run<'a> {
    async fn begin(tx: &'a Tx, batch: &'a Batch) -> Result<Self> {
        let device = tx.begin_push(batch.sender.device).await?;
        let named = batch
            .ops
            .iter()
            .flat_map(|op| std::iter::once(op.id).chain(op.depends_on.iter().copied()));
        let named: BTreeSet<Uuid> = named.collect();
        let named: Vec<Uuid> = named.into_iter().collect();
        let mut records = tx.ops_on_record(&device, &named).await?;
        let waited = tx.parked_ops(&device).await?;
        let waiting = waited.len();
        let sent: BTreeSet<Uuid> = batch.ops.iter().map(|op| op.id).collect();
        let mut ops: Vec<Op> = waited
            .iter()
            .filter(|record| !sent.contains(&record.op))
            .filter_map(|record| parked::read(record, batch.concepts))
            .collect();
        // What those that waited depend on.
        let missing = ops.iter().flat_map(|op| op.depends_on.iter().copied());
        let missing: Vec<Uuid> = missing.filter(|id| !records.contains_key(id)).collect();
        if !missing.is_empty() {
            records.extend(tx.ops_on_record(&device, &missing).await?);
        }
        records.extend(waited.into_iter().map(|record| (record.op, record)));
        ops.extend(batch.ops.iter().cloned());
        let heads = ops.iter().map(Op::head).collect();
        Ok(Self {
            tx,
            batch,
            device,
            ops,
            heads,
            waiting,
            records,
            fresh: BTreeSet::new(),
            pending: BTreeMap::new(),
            issues: Vec::new(),
            done: Vec::new(),
        })
    }

    async fn all(&mut self) -> Result<()> {
        let heads = std::mem::take(&mut self.heads);
        let ops = std::mem::take(&mut self.ops);
        let mut batch = rules::Batch::new(&Protocol, &heads);
        for at in in_order(&heads) {
            if let (Some(op), Some(head)) = (ops.get(at), heads.get(at)) {
                let (status, version) = self.one(op, head, &batch).await?;
                batch.settle(head, status, version);
            }
        }
        self.ops = ops;
        self.heads = heads;
        Ok(())
    }

    async fn one(
        &mut self,
        op: &Op,
        head: &Head,
        batch: &rules::Batch<'_, Protocol>,
    ) -> Result<(Status, Option<i64>)> {
        let answered: BTreeMap<Uuid, Status> = op
            .depends_on
            .iter()
            .filter_map(|id| Some((*id, self.records.get(id)?.recorded.status)))
            .collect();
        // What waits is looked at anew.
        let recorded = self.records.get(&op.id).map(|record| &record.recorded);
        let waits = recorded.is_some_and(|recorded| {
            recorded.status == Status::Deferred && recorded.hash == head.hash
        });
        let memory = Memory {
            recorded: recorded.filter(|_| !waits),
            forgotten: if waits { 0 } else { self.device.forgotten() },
            answered: &answered,
        };
        let outcome = match batch.admit(head, memory) {
            Admission::Answered {
                status: Status::Deferred,
                ..
            } => self.defer(op),
            Admission::Answered {
                status,
                version,
                seq,
            } => {
                self.answer(op, status, version, seq);
                return Ok((status, version));
            }
            Admission::Refused(refusal) => {
                let failure = Failure::Refused(refused(refusal));
                if refusal == Refusal::IdempotencyMismatch {
                    // The id stands for another one, whose record stays.
                    self.tell(op, Outcome::failed(failure, None));
                    return Ok((Status::Rejected, None));
                }
                Outcome::failed(failure, None)
            }
            Admission::Do { base_version } => {
                match perform(self.tx, op, base_version, self.basis(op)).await? {
                    outcome if outcome.status == Status::Deferred => self.defer(op),
                    outcome => outcome,
                }
            }
        };
        let (status, version) = (outcome.status, outcome.version);
        self.record(op, head, status, version);
        if let Some(failure) = &outcome.failure {
            let theirs = outcome.master.as_ref().map(|row| row.fields.clone());
            self.issues.extend(Issue::of(op, failure.clone(), theirs));
        }
        if outcome.is_written {
            self.settle(op);
        }
        self.tell(op, outcome);
        Ok((status, version))
    }

    /// What the device says that it had, of an operation that came with this request.
    fn basis(&self, op: &Op) -> Option<i64> {
        let came_now = self.batch.ops.iter().any(|sent| sent.id == op.id);
        self.batch.basis.filter(|_| came_now)
    }

    fn defer(&self, op: &Op) -> Outcome {
        let is_new = !self.records.contains_key(&op.id);
        let more = self.fresh.iter().filter(|id| {
            let record = self.records.get(id);
            record.is_some_and(|record| record.recorded.status == Status::Deferred)
        });
        if is_new && self.waiting + more.count() >= MAX_WAITING {
            let failure = Failure::Refused(Error::rule(
                "sync.too_many_waiting",
                say!("too many changes of this device wait for others already"),
            ));
            return Outcome::failed(failure, None);
        }
        Outcome::deferred()
    }

    /// Notes that an operation was done, and which of those before it that were not done this makes good.
    fn settle(&mut self, op: &Op) {
        let Some(concept) = op.concept else {
            return;
        };
        let done = Done::of(concept.collection(), op.row, op.kind, op.patch.keys());
        for issue in &mut self.issues {
            issue.is_settled |= done.has_settled(issue);
        }
        self.done.push(done);
    }

    /// Puts what became of an operation on record, at a position that is filled in at the end.
    fn record(&mut self, op: &Op, head: &Head, status: Status, version: Option<i64>) {
        let record = OpRecord {
            op: op.id,
            op_seq: i64::try_from(op.seq).unwrap_or(i64::MAX),
            recorded: Recorded {
                hash: head.hash,
                status,
                version,
                seq: Seq::ZERO,
            },
            payload: match status {
                Status::Deferred => parked::payload(op),
                _ => None,
            },
        };
        self.records.insert(op.id, record);
        self.fresh.insert(op.id);
    }

    /// Answers what was answered before.
    fn answer(&mut self, op: &Op, status: Status, version: Option<i64>, seq: Option<Seq>) {
        let place = seq.filter(|_| !self.fresh.contains(&op.id));
        let answer = Answer {
            op: op.id,
            status,
            version,
            seq: place.map_or(0, |seq| i64::try_from(seq.get()).unwrap_or(i64::MAX)),
            conflict: None,
            told: None,
            master: None,
        };
        self.pending.entry(op.id).or_insert(Pending {
            answer,
            is_placed: place.is_some(),
        });
    }

    fn tell(&mut self, op: &Op, outcome: Outcome) {
        let Outcome {
            status,
            version,
            failure,
            master,
            is_written: _,
        } = outcome;
        let told = failure.as_ref().map(|failure| Told {
            code: issues::code(failure).to_owned(),
            message: issues::words(failure, self.batch.sender.locale),
            fields: match failure {
                Failure::Conflict(_, names) => {
                    names.iter().map(|name| (*name).to_owned()).collect()
                }
                Failure::Refused(error) => error.fields().to_vec(),
            },
        });
        let conflict = match failure {
            Some(Failure::Conflict(reason, names)) => Some((reason, names)),
            Some(Failure::Refused(_)) | None => None,
        };
        let collection = op.concept.map(Concept::collection);
        let master = master
            .filter(|row| row.is_live)
            .and_then(|row| Some((collection?, op.row, row.version)));
        let answer = Answer {
            op: op.id,
            status,
            version,
            seq: 0,
            conflict,
            told,
            master,
        };
        self.pending.insert(
            op.id,
            Pending {
                answer,
                is_placed: false,
            },
        );
    }

    /// Undoes everything if one operation asks for that; only what a person typed into those that failed for good
    /// is kept.
    async fn decide(&mut self, mark: Mark) -> Result<()> {
        let mut answers = self.pending.values();
        if !answers.any(|pending| undoes_batch(pending.answer.status)) {
            return self.tx.keep_since(mark).await;
        }
        self.tx.undo_to(mark).await?;
        let undone = std::mem::take(&mut self.fresh);
        self.done.clear();
        for issue in &mut self.issues {
            issue.is_settled = false;
        }
        self.issues.retain(|issue| match &issue.failure {
            Failure::Refused(_) | Failure::Conflict(ConflictReason::NotVisible, _) => true,
            Failure::Conflict(..) => false,
        });
        for pending in self.pending.values_mut() {
            let answer = &mut pending.answer;
            if is_undone(answer.status, !undone.contains(&answer.op)) {
                answer.status = Status::Retry;
                answer.version = None;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(Vec<Answer>, i64)> {
        let tx = self.tx;
        let user = tx
            .viewer()
            .user_id()
            .ok_or_else(|| Error::bug("a push of nobody"))?;
        let writes = !self.fresh.is_empty() || !self.issues.is_empty();
        let sender = self.batch.sender;
        let issues = std::mem::take(&mut self.issues);
        issues::keep(tx, user, sender, issues, &self.done).await?;
        let place = if writes {
            tx.take_position().await?
        } else {
            tx.sync_position().await?.seq
        };
        let seq = Seq::try_from(place).unwrap_or(Seq::ZERO);
        let records: Vec<OpRecord> = self
            .fresh
            .iter()
            .filter_map(|id| self.records.get(id))
            .map(|record| {
                let mut record = record.clone();
                record.recorded.seq = seq;
                record
            })
            .collect();
        tx.record_ops(self.device.id(), &records).await?;
        let replayed: Vec<Uuid> = self
            .pending
            .values()
            .map(|pending| &pending.answer)
            .filter(|answer| {
                answer.told.is_none()
                    && matches!(answer.status, Status::Conflict | Status::Rejected)
            })
            .map(|answer| answer.op)
            .collect();
        let known = issues::of_ops(tx, sender.device, &replayed).await?;
        let mut pending = std::mem::take(&mut self.pending);
        let answers = self.batch.ops.iter().filter_map(|op| {
            let Pending { answer, is_placed } = pending.get_mut(&op.id)?;
            if !*is_placed {
                answer.seq = place;
            }
            if let Some((code, message)) = known.get(&op.id) {
                answer.told = Some(Told {
                    code: code.clone(),
                    message: message.clone(),
                    fields: Vec::new(),
                });
                let mut reasons = ConflictReason::ALL.into_iter();
                answer.conflict = reasons
                    .find(|reason| reason.code() == code)
                    .map(|reason| (reason, Vec::new()));
            }
            Some(answer.clone())
        });
        Ok((answers.collect(), place))
    }
}

/// Judges an operation and does it, as a part of its own.
async fn perform(
    tx: &Tx,
    op: &Op,
    base_version: Option<i64>,
    basis: Option<i64>,
) -> Result<Outcome> {
    if let Some(fault) = &op.fault {
        return Ok(Outcome::failed(Failure::Refused(fault.clone()), None));
    }
    let Some(concept) = op.concept else {
        return Ok(Outcome::failed(Failure::Refused(not_written()), None));
    };
    for _ in 0..TRIES {
        let present = concept.find(tx, op.row).await?;
        if let Some(row) = &present
            && op.kind == OpKind::Update
            && let Some(name) = contradicted(concept, &op.patch, row)
        {
            return Ok(Outcome::failed(Failure::Refused(fixed(name)), present));
        }
        let parent = match (op.kind, concept.parent(&op.patch)) {
            (OpKind::Create, Some(parent)) => Some(tx.parent_standing(parent).await?),
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

fn refused(refusal: Refusal) -> Error {
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
