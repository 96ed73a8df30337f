//! How the service of the model takes pushes, and what each is held against: what the person who made an edit
//! saw, how often it was done, and what it meant the first time.

use std::collections::BTreeMap;

use clientele::sync::merge::{Field, Fields, Policy, Value, is_same_content};
use clientele::sync::push::{
    Admission, Batch, ConflictReason, Deed, Head, Memory, Parent, Recorded, Refusal, RowNow,
    RowPush, RowVerdict, Status, Verdict, in_order, is_undone, judge, judge_row, request_hash,
    undoes_batch,
};
use clientele::sync::{RowKey, ScopeKey, Seq};
use uuid::Uuid;

use crate::book;
use crate::log::{Change, Parked};
use crate::mutant::Bench;
use crate::remote::{Master, Op, OpResult, PushRequest, PushedRow, Session};
use crate::service::Service;

impl Service {
    /// Takes a request of a hand-written client.
    pub fn take_batch(&mut self, request: &PushRequest) -> Vec<OpResult> {
        let session = request.session;
        let heads: Vec<Head> = request
            .ops
            .iter()
            .map(|op| Head {
                id: op.id,
                seq: op.seq,
                row: op.row,
                base_version: op.base_version,
                depends_on: op.depends_on.clone(),
                hash: request_hash(&self.bench, op.kind, op.row, &op.patch, op.base_version),
            })
            .collect();
        let saved = request
            .all_or_nothing
            .then(|| (self.log.clone(), self.meant.clone(), self.last_done.clone()));
        let bench = self.bench;
        let mut batch = Batch::new(&bench, &heads);
        let fault_at = self.fault_at.take();
        let mut results = Vec::new();
        for (number, at) in in_order(&heads).into_iter().enumerate() {
            let (op, head) = (&request.ops[at], &heads[at]);
            let result = if fault_at == Some(number) {
                OpResult {
                    op: op.id,
                    status: Status::Retry,
                    version: None,
                    seq: self.log.clock,
                }
            } else {
                self.take(session, op, head, &batch)
            };
            batch.settle(head, result.status, result.version);
            results.push(result);
        }
        if let Some((log, meant, last_done)) = saved
            && results.iter().any(|result| undoes_batch(result.status))
        {
            self.log = log;
            self.meant = meant;
            self.last_done = last_done;
            for result in &mut results {
                let head = heads.iter().find(|head| head.id == result.op).unwrap();
                let recorded = self.log.ledger.get(&(session.device, result.op));
                let was_before = match recorded {
                    Some((_, recorded)) => recorded.status != Status::Deferred,
                    None => Some(&head.seq) <= self.log.forgotten.get(&session.device),
                };
                let mut ops = request.ops.iter().filter(|op| op.id == result.op);
                let is_at_fault = ops.any(|op| book::is_refused(&op.patch));
                if is_undone(result.status, was_before, is_at_fault) {
                    result.status = Status::Retry;
                    result.version = None;
                }
            }
        }
        if results.len() != request.ops.len() {
            self.violation("I11: an operation without an answer");
        }
        results
    }

    fn parent(&self, user: Uuid, scope: ScopeKey) -> Parent {
        match self.log.members.get(&(user, scope)) {
            Some(membership) if membership.left.is_none() => Parent::Visible,
            Some(_) => Parent::Lost,
            None => Parent::Unknown,
        }
    }

    /// Judges an operation and carries it out: its status and version.
    fn perform(
        &mut self,
        session: Session,
        op: &Op,
        base_version: Option<i64>,
    ) -> (Status, Option<i64>) {
        let list = book::fields_of(op.row.collection);
        let now = self.log.row_now(session.user, op.row);
        let deed = Deed {
            kind: op.kind,
            base_version,
            patch: &op.patch,
            seen: &op.seen,
            parent: op.scope.map(|scope| self.parent(session.user, scope)),
        };
        let verdict = judge(&self.bench, list, &deed, now);
        let before = match now {
            RowNow::Visible { fields, .. } => Some(fields.clone()),
            RowNow::Absent | RowNow::Deleted | RowNow::Hidden => None,
        };
        let is_write = matches!(
            verdict,
            Verdict::Create | Verdict::Change(..) | Verdict::Delete
        );
        if is_write && book::is_refused(&op.patch) {
            self.log.issues.push(op.id);
            return (Status::Rejected, None);
        }
        match verdict {
            Verdict::Create => {
                self.done(session, op);
                if let Some(Value::Number(points)) = op.patch.get("points") {
                    self.log.points.insert(op.row, *points);
                }
                self.commit(&Change::Insert(op.row, op.scope.unwrap(), op.patch.clone()));
                (Status::Applied, Some(1))
            }
            Verdict::Change(fields, status) => {
                self.check_change(
                    op.row,
                    &before.unwrap(),
                    &fields,
                    &op.view,
                    &op.seen,
                    &op.patch,
                );
                self.done(session, op);
                self.commit_pushed(op.row, fields);
                (status, Some(self.log.rows[&op.row].version))
            }
            Verdict::Delete => {
                self.done(session, op);
                self.commit(&Change::Delete(op.row));
                (Status::Applied, Some(self.log.rows[&op.row].version))
            }
            Verdict::AlreadySo(status) => {
                *self.log.met.entry(op.id).or_default() += 1;
                (status, Some(self.log.rows[&op.row].version))
            }
            Verdict::Conflict(ConflictReason::AlreadyExists, _)
                if before
                    .as_ref()
                    .is_some_and(|fields| is_same_content(list, fields, &op.patch)) =>
            {
                *self.log.met.entry(op.id).or_default() += 1;
                (Status::Merged, Some(self.log.rows[&op.row].version))
            }
            Verdict::Conflict(reason, _) => {
                if reason == ConflictReason::NotVisible {
                    self.log.issues.push(op.id);
                }
                (Status::Conflict, None)
            }
            Verdict::Defer => (Status::Deferred, None),
        }
    }

    /// Commits an edit whose sums were already accounted for.
    fn commit_pushed(&mut self, row: RowKey, fields: Fields) {
        let version = self.log.rows[&row].version;
        let seq = self.log.tick();
        self.log.apply(self.bench, &Change::Edit(row, fields), seq);
        let present = &self.log.rows[&row];
        let is_one = present.version == version + 1;
        let sum = self.log.points.get(&row).copied().unwrap_or(0);
        let points = present.fields.get("points").map(number);
        if !is_one {
            self.violation("I4: a write that is not one version");
        }
        if let Some(points) = points.filter(|points| *points != sum) {
            // After a restore, an operation may name a version that came to be once more, with other content.
            if self.was_restored {
                self.log.points.insert(row, points);
            } else {
                self.violation("a sum is not what was added");
            }
        }
        self.unpark();
    }

    /// Holds a change of a row against what the person who made it saw.
    fn check_change(
        &mut self,
        row: RowKey,
        before: &Fields,
        changes: &Fields,
        view: &Fields,
        seen: &Fields,
        wanted: &Fields,
    ) {
        let list = book::fields_of(row.collection);
        let unseen = |name: &str| view.get(name) != before.get(name);
        let mut faults = Vec::new();
        for field in list.iter().filter(|field| changes.contains_key(field.name)) {
            let (old, new) = (&before[field.name], &changes[field.name]);
            match field.policy {
                Policy::ServerWins => {
                    if unseen(field.name) {
                        faults.push("what nobody had seen was overwritten");
                    }
                }
                Policy::Whole => {
                    let is_unseen =
                        |field: &Field| field.policy == Policy::Whole && unseen(field.name);
                    if list.iter().any(is_unseen) {
                        faults.push("a whole was mixed of two edits");
                    }
                }
                Policy::Additive => {
                    let difference = number(&wanted[field.name]) - number(&seen[field.name]);
                    *self.log.points.entry(row).or_default() += difference;
                }
                Policy::AppendOnly => {
                    if let (Value::List(old), Value::List(new)) = (old, new)
                        && old.iter().any(|entry| !new.contains(entry))
                    {
                        faults.push("an entry was taken from a list that only grows");
                    }
                }
                Policy::Status(steps, _) => {
                    // From what the person saw, they may have taken several before they were sent.
                    let own = seen.get(field.name) == Some(old);
                    if let (Value::Text(from), Value::Text(to)) = (old, new)
                        && !steps.contains(&(from.as_str(), to.as_str()))
                        && !(own && book::leads(steps, from, to))
                    {
                        faults.push("a status took a step that there is not");
                    }
                }
            }
        }
        for fault in faults {
            self.violation(fault);
        }
    }

    fn done(&mut self, session: Session, op: &Op) {
        let count = self.log.done.entry(op.id).or_default();
        *count += 1;
        if *count > 1 {
            self.violation("I3: an operation was done twice");
        }
        let failed = op
            .depends_on
            .iter()
            .any(|id| !self.log.done.contains_key(id) && !self.log.met.contains_key(id));
        if failed {
            self.violation("an operation was done without what it depends on");
        }
        let meant = &self.meant[&(session.device, op.id)];
        if *meant != (op.kind, op.row, op.patch.clone()) {
            self.violation("I10: an operation changed its meaning");
        }
    }

    /// Tries once more what waited.
    pub fn unpark(&mut self) {
        let parked = std::mem::take(&mut self.log.parked);
        for Parked { session, op } in parked {
            let is_here = op
                .scope
                .is_none_or(|scope| self.parent(session.user, scope) != Parent::Unknown);
            let answered = |id: &Uuid| {
                let recorded = self.log.ledger.get(&(session.device, *id));
                recorded.is_some_and(|(_, recorded)| recorded.status != Status::Deferred)
            };
            if !is_here || !op.depends_on.iter().all(answered) {
                self.log.parked.push(Parked { session, op });
                continue;
            }
            let depends_failed = op.depends_on.iter().any(|id| {
                let (_, recorded) = &self.log.ledger[&(session.device, *id)];
                matches!(recorded.status, Status::Conflict | Status::Rejected)
            });
            let (status, version) = if depends_failed {
                self.log.issues.push(op.id);
                (Status::Rejected, None)
            } else {
                self.perform(session, &op, op.base_version)
            };
            self.settle_parked(session, &op, status, version);
        }
    }

    fn settle_parked(&mut self, session: Session, op: &Op, status: Status, version: Option<i64>) {
        let seq = self.log.clock();
        if let Some((_, recorded)) = self.log.ledger.get_mut(&(session.device, op.id)) {
            recorded.status = status;
            recorded.version = version;
            recorded.seq = seq;
        }
    }

    /// Gives up what has waited too long.
    pub fn expire_parked(&mut self) {
        for Parked { session, op } in std::mem::take(&mut self.log.parked) {
            self.log.issues.push(op.id);
            self.settle_parked(session, &op, Status::Rejected, None);
        }
    }

    fn take(
        &mut self,
        session: Session,
        op: &Op,
        head: &Head,
        batch: &Batch<'_, Bench>,
    ) -> OpResult {
        let result = |status, version, seq: Seq| OpResult {
            op: op.id,
            status,
            version,
            seq: seq.get(),
        };
        let key = (session.device, op.id);
        let mut answered = BTreeMap::new();
        for id in &op.depends_on {
            if let Some((_, recorded)) = self.log.ledger.get(&(session.device, *id)) {
                answered.insert(*id, recorded.status);
            }
        }
        let recorded = self.log.ledger.get(&key).map(|(_, recorded)| recorded);
        let memory = Memory {
            recorded,
            forgotten: self
                .log
                .forgotten
                .get(&session.device)
                .copied()
                .unwrap_or(0),
            answered: &answered,
        };
        let is_known = recorded.is_some();
        let content = (op.kind, op.row, op.patch.clone());
        let admission = batch.admit(head, memory);
        let is_as_meant = self.meant.get(&key).is_none_or(|meant| *meant == content);
        if is_known
            && !is_as_meant
            && matches!(admission, Admission::Answered { status, .. } if status != Status::Retry)
        {
            self.violation("I10: another operation passed for one on record");
        }
        if is_as_meant && admission == Admission::Refused(Refusal::IdempotencyMismatch) {
            self.violation("I10: a repetition passed for another operation");
        }
        let (status, version) = match admission {
            Admission::Answered {
                status,
                version,
                seq,
            } => {
                if status == Status::Deferred && !is_known {
                    self.meant.entry(key).or_insert(content);
                    self.park(session, op, head);
                }
                return result(status, version, seq.unwrap_or(self.log.clock()));
            }
            Admission::Refused(Refusal::IdempotencyMismatch) => {
                return result(Status::Rejected, None, self.log.clock());
            }
            Admission::Refused(Refusal::DependencyFailed | Refusal::DependencyAfter) => {
                self.log.issues.push(op.id);
                (Status::Rejected, None)
            }
            Admission::Do { base_version } => {
                self.meant.entry(key).or_insert(content);
                let before = self.log.done.get(&op.id).copied();
                let performed = self.perform(session, op, base_version);
                if before != self.log.done.get(&op.id).copied() {
                    let last = self.last_done.entry(session.device).or_default();
                    // After a restore, what was answered and lost is sent again after what came later, unless
                    // that depends on it: the device is told by its next pull.
                    if *last > op.seq && !self.was_restored {
                        self.violation("operations of a device out of their order");
                    } else {
                        *last = op.seq;
                    }
                }
                performed
            }
        };
        if status == Status::Deferred {
            self.park(session, op, head);
        } else {
            self.record(session, head, status, version);
        }
        result(status, version, self.log.clock())
    }

    fn record(&mut self, session: Session, head: &Head, status: Status, version: Option<i64>) {
        let recorded = Recorded {
            hash: head.hash,
            status,
            version,
            seq: self.log.clock(),
        };
        let key = (session.device, head.id);
        self.log.ledger.insert(key, (head.seq, recorded));
    }

    fn park(&mut self, session: Session, op: &Op, head: &Head) {
        self.record(session, head, Status::Deferred, None);
        self.log.parked.retain(|parked| parked.op.id != op.id);
        let op = op.clone();
        self.log.parked.push(Parked { session, op });
    }

    /// Takes a row from RxDB: none if the device may have it as it pushed it.
    pub fn push_row(&mut self, session: Session, pushed: &PushedRow) -> Option<Master> {
        let row = pushed.row;
        let list = book::fields_of(row.collection);
        let now = self.log.row_now(session.user, row);
        let push = RowPush {
            assumed: pushed.assumed.as_ref().map(|(_, fields)| fields),
            assumed_version: pushed.assumed.as_ref().map(|(version, _)| *version),
            new: pushed.new.as_ref(),
            parent: Some(self.parent(session.user, pushed.scope))
                .filter(|_| pushed.assumed.is_none()),
        };
        let verdict = judge_row(&self.bench, list, &push, now);
        let (before, is_false) = match now {
            RowNow::Visible { fields, .. } => (
                Some(fields.clone()),
                verdict == RowVerdict::Master
                    && push
                        .assumed
                        .is_some_and(|assumed| is_same_content(list, fields, assumed)),
            ),
            RowNow::Absent | RowNow::Deleted | RowNow::Hidden => (None, false),
        };
        if is_false {
            self.violation("a conflict where nobody changed anything");
        }
        self.log.pushed.insert((session.device, row), self.now);
        let is_refused = pushed.new.as_ref().is_some_and(book::is_refused);
        let master = |service: &Self| Some(Master::Document(service.log.document(row)));
        match verdict {
            RowVerdict::Insert | RowVerdict::Tombstone { .. } if is_refused => {
                Some(Master::Tombstone(row))
            }
            RowVerdict::Write(_) if is_refused => master(self),
            RowVerdict::Insert => {
                let fields = pushed.new.clone().unwrap();
                if let Some(Value::Number(points)) = fields.get("points") {
                    self.log.points.insert(row, *points);
                }
                self.commit(&Change::Insert(row, pushed.scope, fields));
                None
            }
            RowVerdict::Write(changes) => {
                let assumed = push.assumed.unwrap();
                let wanted = push.new.unwrap();
                self.check_change(row, &before.unwrap(), &changes, assumed, assumed, wanted);
                for (edit, name) in &pushed.edits {
                    if changes.contains_key(name) {
                        let count = self.log.edits.entry((*edit, name)).or_default();
                        *count += 1;
                        if *count > 1 {
                            self.violations
                                .push("I3: an edit was done twice".to_owned());
                        }
                    }
                }
                self.commit_pushed(row, changes);
                None
            }
            RowVerdict::Delete => {
                self.commit(&Change::Delete(row));
                None
            }
            RowVerdict::AlreadySo => None,
            RowVerdict::Master => master(self),
            RowVerdict::Tombstone { .. } => Some(Master::Tombstone(row)),
        }
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Number(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}
