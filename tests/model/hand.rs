//! A client written for the protocol: two copies of the book. `base` is what the service said, written by
//! pulls alone; over it lie the operations that are queued, waiting, or answered but not yet pulled back.

use std::collections::{BTreeMap, BTreeSet};

use clientele::sync::merge::{Fields, Policy};
use clientele::sync::plan::Surface;
use clientele::sync::push::{OpKind, Status};
use clientele::sync::{RowKey, ScopeKey};
use uuid::Uuid;

use crate::book;
use crate::mutant::{Bench, Mutant};
use crate::random::Random;
use crate::remote::{
    Document, Op, OpResult, PullAnswer, PullRequest, PulledPage, PushRequest, Remote, Session,
};

/// An operation that was answered as done.
#[derive(Clone, Debug)]
struct Acked {
    op: Op,
    /// The change that did it.
    seq: u64,
    /// The version that it gave the row.
    version: Option<i64>,
    /// The version that stands for what the device sees, if the answer says that nothing else is in it.
    rebased: Option<i64>,
}

#[derive(Debug)]
pub struct Hand {
    bench: Bench,
    pub session: Session,
    token: Option<String>,
    /// Tokens held before.
    earlier: Vec<String>,
    pub base: BTreeMap<RowKey, Document>,
    queue: Vec<Op>,
    waiting: Vec<Op>,
    acked: Vec<Acked>,
    /// Rows that the service has not named since it said that the book is to be replaced.
    sweep: Option<BTreeSet<RowKey>>,
    /// Operations that a request carried, answered or not.
    sent: BTreeSet<Uuid>,
    next_seq: u64,
    pushed: Option<Vec<OpResult>>,
    pulled: Option<PullAnswer>,
    /// What became of each operation, as far as the device was told.
    pub told: BTreeMap<Uuid, Told>,
    pub faults: Vec<&'static str>,
}

/// What a device was told of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Done,
    Failed,
    /// It was taken back before anything was sent.
    TakenBack,
}

impl Hand {
    pub fn new(bench: Bench, session: Session) -> Self {
        Self {
            bench,
            session,
            token: None,
            earlier: Vec::new(),
            base: BTreeMap::new(),
            queue: Vec::new(),
            waiting: Vec::new(),
            acked: Vec::new(),
            sweep: None,
            sent: BTreeSet::new(),
            next_seq: 1,
            pushed: None,
            pulled: None,
            told: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    // --- What the person sees ------------------------------------------------------------------------------------

    fn overlay(&self, row: RowKey) -> Vec<&Op> {
        let acked = self.acked.iter().map(|acked| &acked.op);
        let mut ops: Vec<&Op> = acked
            .chain(&self.waiting)
            .chain(&self.queue)
            .filter(|op| op.row == row)
            .collect();
        ops.sort_by_key(|op| op.seq);
        ops
    }

    fn view(&self, row: RowKey) -> Option<(ScopeKey, Fields)> {
        let base = self.base.get(&row);
        let mut seen = base.map(|document| (document.scope, document.fields.clone()));
        for op in self.overlay(row) {
            match op.kind {
                OpKind::Create => seen = op.scope.map(|scope| (scope, op.patch.clone())),
                OpKind::Update => {
                    if let Some((_, fields)) = &mut seen {
                        fields.extend(op.patch.iter().map(|(k, v)| (*k, v.clone())));
                    }
                }
                OpKind::Delete => seen = None,
            }
        }
        seen
    }

    fn rows_in_view(&self) -> Vec<RowKey> {
        let acked = self.acked.iter().map(|acked| &acked.op);
        let overlaid = acked.chain(&self.waiting).chain(&self.queue);
        let rows: BTreeSet<RowKey> = overlaid
            .map(|op| op.row)
            .chain(self.base.keys().copied())
            .collect();
        rows.into_iter()
            .filter(|row| self.view(*row).is_some())
            .collect()
    }

    /// The version that stands for what the person sees of a row: that of `base` only while nothing lies over
    /// it, since an overlay hides what others changed.
    fn known_version(&self, row: RowKey) -> Option<i64> {
        let base = self.base.get(&row).map(|document| document.version);
        if self.bench.breaks(Mutant::NamesVersionItHides) {
            return base;
        }
        let queued = self.waiting.iter().chain(&self.queue);
        let queued = queued
            .filter(|op| op.row == row)
            .map(|op| (op.seq, op.base_version));
        let acked = self
            .acked
            .iter()
            .filter(|acked| acked.op.row == row)
            .map(|acked| (acked.op.seq, acked.rebased.or(acked.op.base_version)));
        match queued.chain(acked).max_by_key(|(seq, _)| *seq) {
            Some((_, version)) => version,
            None => base,
        }
    }

    // --- Writing -------------------------------------------------------------------------------------------------

    /// The person creates, changes or deletes something. `mark` names the operation and what it writes.
    pub fn write(&mut self, mark: u64, scopes: &[ScopeKey], random: &mut Random) {
        let rows = self.rows_in_view();
        let kind = random.below(100);
        let Some(row) = random.of(&rows).copied().filter(|_| kind >= 30) else {
            let row = book::row(1_000_000 + mark);
            let fields = book::blank(row.collection, mark as i64);
            let scope = random.of(scopes).copied();
            // A new order may need a contact that the device made and has not sent yet.
            let made = self.queue.iter().filter(|op| op.kind == OpKind::Create);
            let depends_on = made.map(|op| op.id).next_back();
            let depends_on = depends_on.filter(|_| random.chance(50));
            self.queue_op(
                mark,
                OpKind::Create,
                row,
                scope,
                fields,
                Fields::new(),
                depends_on,
            );
            return;
        };
        let (_, view) = self.view(row).unwrap();
        if kind < 85 {
            let patch = book::edit(row.collection, &view, mark as i64, random);
            if !patch.is_empty() {
                self.queue_op(mark, OpKind::Update, row, None, patch, view, None);
            }
            return;
        }
        let is_unsent =
            |op: &Op| self.bench.breaks(Mutant::ElidesWhatWasSent) || !self.sent.contains(&op.id);
        let made_here = self
            .queue
            .iter()
            .any(|op| op.row == row && op.kind == OpKind::Create && is_unsent(op));
        if made_here {
            // Never sent, so nobody else can know of it.
            let gone: Vec<Uuid> = self
                .queue
                .iter()
                .filter(|op| op.row == row)
                .map(|op| op.id)
                .collect();
            for id in gone {
                self.told.insert(id, Told::TakenBack);
                self.queue.retain(|op| op.id != id);
                for op in &mut self.queue {
                    op.depends_on.retain(|on| *on != id);
                }
            }
        } else {
            self.queue_op(mark, OpKind::Delete, row, None, Fields::new(), view, None);
        }
    }

    fn queue_op(
        &mut self,
        mark: u64,
        kind: OpKind,
        row: RowKey,
        scope: Option<ScopeKey>,
        patch: Fields,
        view: Fields,
        depends_on: Option<Uuid>,
    ) {
        let before = self.waiting.iter().chain(&self.queue);
        let same_row = before.filter(|op| op.row == row).max_by_key(|op| op.seq);
        let depends_on = same_row.map(|op| op.id).into_iter().chain(depends_on);
        // A step is taken on the whole that was seen, and shows it.
        let list = book::fields_of(row.collection);
        let is_step = list.iter().any(|field| {
            matches!(field.policy, Policy::Status(..)) && patch.contains_key(field.name)
        });
        let shown = list.iter().map(|field| (field.name, field.policy));
        let seen = shown
            .filter(|(name, policy)| {
                patch.contains_key(name) || is_step && *policy == Policy::Whole
            })
            .filter_map(|(name, _)| Some((name, view.get(name)?.clone())))
            .collect();
        let op = Op {
            id: Uuid::from_u128(u128::from(mark) + (1 << 80)),
            seq: self.next_seq,
            kind,
            row,
            scope,
            base_version: self.known_version(row),
            depends_on: depends_on.collect(),
            patch,
            seen,
            view,
        };
        self.next_seq += 1;
        self.queue.push(op);
    }

    // --- Pushing -------------------------------------------------------------------------------------------------

    /// Sends what waits and the first `most` of the queue, unless a request is under way. The answer is kept for
    /// [`Hand::take_push`], or lost.
    pub fn push(&mut self, remote: &mut impl Remote, most: usize, fate: Fate) {
        if self.pushed.is_some() || (self.queue.is_empty() && self.waiting.is_empty()) {
            return;
        }
        let mut ops = self.waiting.clone();
        ops.extend(self.queue.iter().take(most).cloned());
        self.sent.extend(ops.iter().map(|op| op.id));
        let request = PushRequest {
            session: self.session,
            all_or_nothing: fate.all_or_nothing,
            ops,
        };
        let mut answer = remote.push(&request);
        if fate.twice {
            answer = remote.push(&request);
        }
        if !fate.lost {
            self.pushed = Some(answer);
        }
    }

    /// The answer to the push under way arrives; it may arrive twice.
    pub fn take_push(&mut self) {
        let Some(results) = self.pushed.take() else {
            return;
        };
        for result in results.iter().chain(&results) {
            self.take_result(result);
        }
    }

    fn take_result(&mut self, result: &OpResult) {
        let find = |ops: &[Op]| ops.iter().position(|op| op.id == result.op);
        let (list, at) = if let Some(at) = find(&self.queue) {
            (&mut self.queue, at)
        } else if let Some(at) = find(&self.waiting) {
            (&mut self.waiting, at)
        } else {
            return;
        };
        match result.status {
            Status::Retry => {}
            Status::Deferred => {
                let op = list.remove(at);
                self.waiting.push(op);
                self.waiting.sort_by_key(|op| op.seq);
            }
            Status::Applied | Status::Merged | Status::Duplicate => {
                let op = list.remove(at);
                self.told.insert(op.id, Told::Done);
                let rebased = match result.status {
                    Status::Merged if !self.bench.breaks(Mutant::RebasesOnMerged) => None,
                    _ => result.version,
                };
                for queued in self.queue.iter_mut().chain(&mut self.waiting) {
                    queued.depends_on.retain(|id| *id != op.id);
                    if queued.row == op.row && queued.base_version == op.base_version {
                        queued.base_version = rebased.or(queued.base_version);
                    }
                }
                if self.bench.breaks(Mutant::AnswerWritesBase) {
                    self.adopt(&op, result.version);
                    return;
                }
                if self.bench.breaks(Mutant::OverlayDropsAtAnswer) {
                    self.drop_overlay(&op, result.version);
                    return;
                }
                self.acked.push(Acked {
                    op,
                    seq: result.seq,
                    version: result.version,
                    rebased,
                });
            }
            Status::Conflict | Status::Rejected => {
                let op = list.remove(at);
                self.fail(op.id);
            }
        }
    }

    /// What a client must not do: take the answer for the state of the row.
    fn adopt(&mut self, op: &Op, version: Option<i64>) {
        match (op.kind, self.base.get_mut(&op.row)) {
            (OpKind::Delete, _) => {
                self.base.remove(&op.row);
            }
            (OpKind::Update, Some(document)) => {
                let patch = op.patch.iter().map(|(k, v)| (*k, v.clone()));
                document.fields.extend(patch);
                document.version = version.unwrap_or(document.version);
            }
            (OpKind::Create, None) => {
                let document = Document {
                    row: op.row,
                    version: version.unwrap_or(1),
                    scope: op.scope.unwrap(),
                    fields: op.patch.clone(),
                };
                self.base.insert(op.row, document);
            }
            _ => {}
        }
    }

    /// An operation failed, and with it those that stand on it. The person finds them among the problems.
    fn fail(&mut self, id: Uuid) {
        self.told.insert(id, Told::Failed);
        // Those were sent in their own right and will be answered in theirs, unless they were not sent.
        let dependents: Vec<Uuid> = self
            .queue
            .iter()
            .filter(|op| op.depends_on.contains(&id) && !self.sent.contains(&op.id))
            .map(|op| op.id)
            .collect();
        for dependent in dependents {
            self.queue.retain(|op| op.id != dependent);
            self.fail(dependent);
        }
    }

    // --- Pulling -------------------------------------------------------------------------------------------------

    /// Asks for a page, unless a request is under way. The answer is kept for [`Hand::take_pull`], or lost.
    pub fn pull(&mut self, remote: &mut impl Remote, limit: usize, fate: Fate) {
        if self.pulled.is_some() {
            return;
        }
        let request = PullRequest {
            session: self.session,
            surface: Surface::Whole,
            collections: book::all_collections(),
            token: self.token.clone(),
            limit,
        };
        let answer = remote.pull(&request);
        if !fate.lost {
            self.pulled = Some(answer);
        }
    }

    /// The page under way arrives; it may arrive twice. Says whether the pull goes on.
    pub fn take_pull(&mut self, fate: Fate) -> bool {
        match self.pulled.take() {
            None => true,
            Some(PullAnswer::ResyncRequired) => {
                self.faults.push("no page on the whole-database surface");
                false
            }
            Some(PullAnswer::Page(page)) => {
                if fate.twice {
                    self.store(&page);
                }
                self.store(&page);
                page.has_more
            }
        }
    }

    /// Stores a page with its token, in one transaction.
    fn store(&mut self, page: &PulledPage) {
        if page.replaces {
            if !self.bench.breaks(Mutant::NeverSweeps) {
                self.sweep = Some(self.base.keys().copied().collect());
            }
            self.send_again();
        }
        let rows = page.documents.iter().map(|document| document.row);
        for row in rows.chain(page.tombstones.iter().copied()) {
            if let Some(sweep) = &mut self.sweep {
                sweep.remove(&row);
            }
        }
        for document in &page.documents {
            self.base.insert(document.row, document.clone());
        }
        for row in &page.tombstones {
            self.base.remove(row);
        }
        if let Some(token) = self.token.replace(page.token.clone()) {
            self.earlier.push(token);
        }
        if page.has_more {
            return;
        }
        for row in self.sweep.take().unwrap_or_default() {
            self.base.remove(&row);
        }
        let (echoed, acked): (Vec<Acked>, Vec<Acked>) = std::mem::take(&mut self.acked)
            .into_iter()
            .partition(|acked| acked.seq <= page.watermark && !self.is_behind(acked));
        self.acked = acked;
        for acked in echoed {
            self.drop_overlay(&acked.op, acked.version);
        }
    }

    /// Whether the base still lacks what was answered, at whatever position: a row that was written again while the
    /// pull was under way has left its window, and is told by the next one.
    fn is_behind(&self, acked: &Acked) -> bool {
        match (self.base.get(&acked.op.row), acked.version) {
            (Some(document), Some(version)) => document.version < version,
            (Some(_), None) | (None, _) => false,
        }
    }

    /// What lay over the base is dropped: the base must have it by now, or the row be gone.
    fn drop_overlay(&mut self, op: &Op, version: Option<i64>) {
        let is_behind = match (self.base.get(&op.row), version) {
            (Some(document), Some(version)) => document.version < version,
            (Some(_), None) => false,
            (None, _) => {
                self.bench.breaks(Mutant::OverlayDropsAtAnswer) && op.kind == OpKind::Create
            }
        };
        if is_behind {
            self.faults.push("a person's own edit went from sight");
        }
    }

    // --- Misfortunes ---------------------------------------------------------------------------------------------

    /// The service went back to an earlier state. Without a token there is nothing by which the device would be told so;
    /// the digests that it compares now and then tell it, and it sends again what was answered.
    pub fn compare_digests(&mut self) {
        if self.token.is_none() {
            self.send_again();
        }
    }

    /// The service may have lost what it had answered: it is told once more, and the ledger knows what it knows. An
    /// answer still under way may be of the life before.
    fn send_again(&mut self) {
        self.pushed = None;
        for acked in std::mem::take(&mut self.acked) {
            self.told.remove(&acked.op.id);
            self.queue.push(acked.op);
        }
        self.queue.sort_by_key(|op| op.seq);
    }

    /// The app is killed: what was under way is not heard of.
    pub fn crash(&mut self) {
        self.pushed = None;
        self.pulled = None;
    }

    /// An old page is stored late: the device holds an earlier token with a later book.
    pub fn rewind(&mut self, random: &mut Random) -> bool {
        let token = random.of(&self.earlier).cloned();
        let has = token.is_some();
        self.token = token.or(self.token.take());
        self.pulled = None;
        has
    }

    /// Sends an operation that was answered once more under its id, but with another content.
    pub fn send_changed(&mut self, remote: &mut impl Remote, mark: u64) {
        let Some(acked) = self.acked.last() else {
            return;
        };
        let mut op = acked.op.clone();
        op.patch = book::blank(op.row.collection, mark as i64);
        let request = PushRequest {
            session: self.session,
            all_or_nothing: false,
            ops: vec![op],
        };
        remote.push(&request);
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.waiting.is_empty() && self.pushed.is_none()
    }

    /// Whether something still lies over the base.
    pub fn is_overlaid(&self) -> bool {
        !self.acked.is_empty()
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// Its answer never arrives.
    pub lost: bool,
    /// The network delivers it twice.
    pub twice: bool,
    pub all_or_nothing: bool,
}
