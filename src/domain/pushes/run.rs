//! The operations of one request, and those of their device that waited, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ClientId, OrderId, SyncCollection};
use uuid::Uuid;

use super::batch::{Answer, Batch, Op, Told};
use super::issues::{self, Done, Issue};
use super::json::unkept;
use super::perform::{Outcome, perform, refused};
use super::{Concept, Failure, parked};
use crate::db::{MAX_PARKED, Mark, OpRecord, ParentKey, PushingDevice, Tx};
use crate::error::{Code, Error, Result};
use crate::say;
use crate::sync::push::{
    self as rules, Admission, ConflictReason, Head, Memory, OpKind, Parent, Recorded, Refusal,
    Status, in_order, is_undone, undoes_batch,
};
use crate::sync::{Protocol, Seq};

/// An answer whose position may not be known yet.
struct Pending {
    answer: Answer,
    is_placed: bool,
    /// Whether it was refused for what it says, whatever the rows are.
    is_at_fault: bool,
}

fn is_at_fault(error: &Error) -> bool {
    error.code() == Code::BadUserInput
}

pub(super) struct Run<'a> {
    tx: &'a Tx,
    batch: &'a Batch,
    device: PushingDevice,
    /// Those that waited, then those of the request.
    ops: Vec<Op>,
    heads: Vec<Head>,
    /// Those that wait, by what has become of them so far.
    waiting: BTreeSet<Uuid>,
    records: BTreeMap<Uuid, OpRecord>,
    /// Those that were refused so long ago that they are on record no more.
    refused: BTreeSet<Uuid>,
    /// How what new rows go under stands.
    standing: BTreeMap<ParentKey, Parent>,
    /// Which of them are to be written down.
    fresh: BTreeSet<Uuid>,
    /// By place in `ops`: one may come twice, and what is told the second time is not what became of the first.
    pending: BTreeMap<usize, Pending>,
    /// Where those of the request begin in `ops`.
    sent: usize,
    issues: Vec<Issue>,
    done: Vec<Done>,
}

impl<'a> Run<'a> {
    pub(super) async fn begin(tx: &'a Tx, batch: &'a Batch) -> Result<Self> {
        let device = tx.begin_push(batch.sender.device).await?;
        let named = batch
            .ops
            .iter()
            .flat_map(|op| std::iter::once(op.id).chain(op.depends_on.iter().copied()));
        let named: BTreeSet<Uuid> = named.collect();
        let named: Vec<Uuid> = named.into_iter().collect();
        let mut records = tx.ops_on_record(&device, &named).await?;
        let forgotten = batch.ops.iter().filter(|op| op.seq <= device.forgotten());
        let forgotten: Vec<Uuid> = forgotten
            .map(|op| op.id)
            .filter(|id| !records.contains_key(id))
            .collect();
        let refused = issues::of_ops(tx, device.id(), &forgotten).await?;
        let refused = refused.into_keys().collect();
        let waited = tx.parked_ops(&device).await?;
        let waiting = waited.iter().map(|record| record.op).collect();
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
        let first = ops.len();
        ops.extend(batch.ops.iter().cloned());
        let heads = ops.iter().map(Op::head).collect();
        let standing = tx
            .parents_standing(&ops.iter().filter_map(parent_of).collect())
            .await?;
        Ok(Self {
            tx,
            batch,
            device,
            ops,
            heads,
            waiting,
            records,
            refused,
            standing,
            fresh: BTreeSet::new(),
            pending: BTreeMap::new(),
            sent: first,
            issues: Vec::new(),
            done: Vec::new(),
        })
    }

    pub(super) async fn all(&mut self) -> Result<()> {
        let heads = std::mem::take(&mut self.heads);
        let ops = std::mem::take(&mut self.ops);
        let mut batch = rules::Batch::new(&Protocol, &heads);
        for at in in_order(&heads) {
            if let (Some(op), Some(head)) = (ops.get(at), heads.get(at))
                && let Some((status, version)) = self.one(at, op, head, &batch).await?
            {
                batch.settle(head, status, version);
            }
        }
        self.ops = ops;
        self.heads = heads;
        Ok(())
    }

    /// Takes the operation at a place. Answers what others are to take it for; nothing where its id stands for another.
    async fn one(
        &mut self,
        at: usize,
        op: &Op,
        head: &Head,
        batch: &rules::Batch<'_, Protocol>,
    ) -> Result<Option<(Status, Option<i64>)>> {
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
            // It is known by its issue alone.
            Admission::Answered {
                status: Status::Duplicate,
                seq: None,
                ..
            } if self.refused.contains(&op.id) => {
                self.answer(at, op, Status::Rejected, None, None);
                return Ok(Some((Status::Rejected, None)));
            }
            Admission::Answered {
                status: Status::Deferred,
                ..
            } => self.defer(op),
            Admission::Answered {
                status,
                version,
                seq,
            } => {
                self.answer(at, op, status, version, seq);
                return Ok(Some((status, version)));
            }
            Admission::Refused(refusal) => {
                let failure = Failure::Refused(refused(refusal));
                if refusal == Refusal::IdempotencyMismatch {
                    // The id stands for another one, whose record stays; what this one says is kept beside it.
                    let issue = Issue::of(op, failure.clone(), None);
                    self.issues
                        .extend(issue.map(|issue| issue.beside(head.hash)));
                    self.tell(at, op, Outcome::failed(failure, None));
                    return Ok(None);
                }
                Outcome::failed(failure, None)
            }
            Admission::Do { base_version } => {
                if at < self.sent && self.waits_for_parent(op) {
                    self.defer(op)
                } else {
                    let basis = self.basis(at);
                    match perform(self.tx, op, base_version, basis, &self.standing).await? {
                        outcome if outcome.status == Status::Deferred => self.defer(op),
                        outcome => outcome,
                    }
                }
            }
        };
        let (status, version) = (outcome.status, outcome.version);
        self.record(op, head, status, version);
        if let Some(failure) = &outcome.failure {
            let theirs = outcome.master.as_ref().map(|row| row.fields.clone());
            self.issues.extend(Issue::of(op, failure.clone(), theirs));
        }
        if matches!(status, Status::Applied | Status::Merged) {
            self.settle(op, outcome.is_written);
        }
        self.tell(at, op, outcome);
        Ok(Some((status, version)))
    }

    /// What the device says that it had, of an operation that came with this request.
    fn basis(&self, at: usize) -> Option<i64> {
        self.batch.basis.filter(|_| at >= self.sent)
    }

    /// Whether what a new row goes under is still not there.
    fn waits_for_parent(&self, op: &Op) -> bool {
        let parent = parent_of(op).and_then(|parent| self.standing.get(&parent));
        parent == Some(&Parent::Unknown)
    }

    fn defer(&self, op: &Op) -> Outcome {
        if let Some(name) = unkept(&op.patch).or_else(|| unkept(&op.seen)) {
            let error = Error::bad_input(name, say!("must not hold control characters"));
            return Outcome::failed(Failure::Refused(error), None);
        }
        let is_new = !self.records.contains_key(&op.id);
        if is_new && self.waiting.len() >= MAX_PARKED {
            let failure = Failure::Refused(Error::rule(
                "sync.too_many_waiting",
                say!("too many changes of this device wait for others already"),
            ));
            return Outcome::failed(failure, None);
        }
        Outcome::deferred()
    }

    /// Notes that an operation was done, or was so already, and which of those before it that were not done this makes good.
    fn settle(&mut self, op: &Op, is_written: bool) {
        let Some(concept) = op.concept else {
            return;
        };
        let made = match concept.collection() {
            SyncCollection::Clients => Some(ParentKey::Client(ClientId(op.row))),
            SyncCollection::Orders => Some(ParentKey::Order(OrderId(op.row))),
            _ => None,
        };
        if let Some(made) = made.filter(|_| op.kind == OpKind::Create) {
            self.standing.insert(made, Parent::Visible);
        }
        let done = Done::of(concept.collection(), op.row, op.kind, &op.patch, is_written);
        for issue in &mut self.issues {
            issue.is_settled |= done.has_settled(issue);
        }
        self.done.push(done);
    }

    /// Puts what became of an operation on record, at a position that is filled in at the end. One that waits on is on
    /// record already.
    fn record(&mut self, op: &Op, head: &Head, status: Status, version: Option<i64>) {
        let payload = match status {
            Status::Deferred => parked::payload(op),
            _ => None,
        };
        if let (Some(payload), Some(record)) = (&payload, self.records.get(&op.id))
            && record.recorded.status == Status::Deferred
            && let Some(kept) = &record.payload
            && parked::says_the_same(kept, payload)
        {
            return;
        }
        let record = OpRecord {
            op: op.id,
            op_seq: i64::try_from(op.seq).unwrap_or(i64::MAX),
            recorded: Recorded {
                hash: head.hash,
                status,
                version,
                seq: Seq::ZERO,
            },
            payload,
        };
        match status {
            Status::Deferred => self.waiting.insert(op.id),
            _ => self.waiting.remove(&op.id),
        };
        self.records.insert(op.id, record);
        self.fresh.insert(op.id);
    }

    /// Answers what was answered before.
    fn answer(
        &mut self,
        at: usize,
        op: &Op,
        status: Status,
        version: Option<i64>,
        seq: Option<Seq>,
    ) {
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
        let pending = Pending {
            answer,
            is_placed: place.is_some(),
            is_at_fault: false,
        };
        self.pending.insert(at, pending);
    }

    fn tell(&mut self, at: usize, op: &Op, outcome: Outcome) {
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
        let is_fault = matches!(&failure, Some(Failure::Refused(error)) if is_at_fault(error));
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
            at,
            Pending {
                answer,
                is_placed: false,
                is_at_fault: is_fault,
            },
        );
    }

    /// Undoes everything if one operation asks for that; only what a person typed into those that failed for good
    /// is kept.
    pub(super) async fn decide(&mut self, mark: Mark) -> Result<()> {
        // What waited from before was not sent with this batch, and decides nothing over it.
        let mut answers = self.pending.range(self.sent..);
        if !answers.any(|(_, pending)| undoes_batch(pending.answer.status)) {
            return self.tx.keep_since(mark).await;
        }
        let sent: BTreeSet<Uuid> = self.batch.ops.iter().map(|op| op.id).collect();
        self.tx.undo_to(mark).await?;
        let undone = std::mem::take(&mut self.fresh);
        self.done.clear();
        // It waits on, as its record says: what became of it rests on what is undone.
        self.issues
            .retain(|issue| issue.op.is_some_and(|id| sent.contains(&id)));
        for issue in &mut self.issues {
            issue.is_settled = false;
        }
        self.issues.retain(|issue| match &issue.failure {
            Failure::Refused(error) => {
                is_at_fault(error) || issue.op.is_some_and(|id| !undone.contains(&id))
            }
            Failure::Conflict(ConflictReason::NotVisible, _) => true,
            Failure::Conflict(..) => false,
        });
        for pending in self.pending.values_mut() {
            let answer = &mut pending.answer;
            let was_before = !undone.contains(&answer.op);
            if is_undone(answer.status, was_before, pending.is_at_fault) {
                answer.status = Status::Retry;
                answer.version = None;
                answer.told = None;
            }
        }
        Ok(())
    }

    /// The rows that answers are to show.
    pub(super) fn masters(&self) -> impl Iterator<Item = (SyncCollection, Uuid)> + '_ {
        let masters = self.pending.values().filter_map(|one| one.answer.master);
        masters.map(|(collection, id, _)| (collection, id))
    }

    pub(super) async fn finish(mut self) -> Result<(Vec<Answer>, i64)> {
        let tx = self.tx;
        let user = tx
            .viewer()
            .user_id()
            .ok_or_else(|| Error::bug("a push of nobody"))?;
        let writes = !self.fresh.is_empty() || !self.issues.is_empty();
        let sender = self.batch.sender;
        let issues = std::mem::take(&mut self.issues);
        issues::keep(tx, user, sender, issues, &self.done).await?;
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
        let pending = std::mem::take(&mut self.pending).split_off(&self.sent);
        let answers = pending.into_values().map(|pending| {
            let mut answer = pending.answer;
            if !pending.is_placed {
                answer.seq = place;
            }
            if answer.told.is_none()
                && matches!(answer.status, Status::Conflict | Status::Rejected)
                && let Some((code, message)) = known.get(&answer.op)
            {
                answer.told = Some(Told {
                    code: code.clone(),
                    message: message.clone(),
                    fields: Vec::new(),
                });
                let mut reasons = ConflictReason::ALL.into_iter();
                answer.conflict = reasons
                    .find(|reason| answer.status == Status::Conflict && reason.code() == code)
                    .map(|reason| (reason, Vec::new()));
            }
            answer
        });
        Ok((answers.collect(), place))
    }
}

/// What the row that an operation makes goes under.
fn parent_of(op: &Op) -> Option<ParentKey> {
    let concept = op.concept.filter(|_| op.kind == OpKind::Create)?;
    concept.parent(&op.patch)
}
