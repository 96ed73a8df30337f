//! The service of the model: rows in memory, every decision by `clientele::sync`, and the truth beside it that
//! each answer is held against.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use clientele::sync::checkpoint::{Binding, Opened, Restart, Sealer};
use clientele::sync::merge::{Fields, Value};
use clientele::sync::plan::{
    Appetite, Emission, Item, Outcome, Page, Planner, Progress, ScopeCase, Surface, Window, start,
};
use clientele::sync::push::OpKind;
use clientele::sync::{CollectionSet, RowKey, Rules, ScopeKey, Seq};
use uuid::Uuid;

use crate::log::{Change, Log};
use crate::mutant::{Bench, Mutant};
use crate::remote::{
    Document, Master, OpResult, PullAnswer, PullRequest, PulledPage, PushRequest, PushedRow,
    Remote, Session,
};

/// How long a tick of a history lasts.
const TICK: Duration = Duration::from_secs(10);

pub struct Service {
    pub bench: Bench,
    sealer: Sealer,
    pub log: Log,
    backup: Option<Log>,
    /// Changes that have their place in the order but are not yet there to be seen.
    pub under_way: Vec<(Seq, Change)>,
    pub now: u64,
    /// The next push meets a passing fault at its operation of this number.
    pub fault_at: Option<usize>,
    /// The next page of the whole-database surface is cut after so many lines.
    pub cut_after: Option<usize>,
    /// What each device showed to have, for each set of collections.
    pub acked: BTreeMap<(Uuid, u32), u64>,
    /// Whether a device may meet the horizon: not while purges spare what active devices need.
    pub may_resync: bool,
    pub was_restored: bool,
    /// What each operation was the first time.
    pub meant: BTreeMap<(Uuid, Uuid), (OpKind, RowKey, Fields)>,
    /// The last operation of each device that was carried out.
    pub last_done: BTreeMap<Uuid, u64>,
    highest_told: u64,
    pub violations: Vec<String>,
}

impl Service {
    pub fn new(bench: Bench) -> Self {
        Self {
            bench,
            sealer: Sealer::new(&[7; 32]),
            log: Log::new(),
            backup: None,
            under_way: Vec::new(),
            now: 0,
            fault_at: None,
            cut_after: None,
            acked: BTreeMap::new(),
            may_resync: false,
            was_restored: false,
            meant: BTreeMap::new(),
            last_done: BTreeMap::new(),
            highest_told: 0,
            violations: Vec::new(),
        }
    }

    pub fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    // --- Changes -------------------------------------------------------------------------------------------------

    /// Commits a change.
    pub fn commit(&mut self, change: &Change) {
        let seq = self.log.tick();
        self.carry_out(change, seq);
    }

    /// Commits a change that got its place in the order earlier.
    pub fn carry_out(&mut self, change: &Change, seq: Seq) {
        if seq.get() <= self.highest_told {
            self.violation("I5: a change appeared behind what a reader was told of");
        }
        if let Change::Edit(row, fields) = change
            && let (Some(Value::Number(new)), Some(present)) =
                (fields.get("points"), self.log.rows.get(row))
            && let Value::Number(old) = present.fields["points"]
            && present.is_alive
        {
            *self.log.points.entry(*row).or_default() += new - old;
        }
        self.log.apply(self.bench, change, seq);
        self.unpark();
    }

    pub fn back_up(&mut self) {
        self.backup = Some(self.log.clone());
    }

    /// Goes back to the last backup, with an epoch of its own.
    pub fn restore(&mut self) {
        let Some(backup) = self.backup.clone() else {
            return;
        };
        let epoch = Uuid::from_u128(self.log.epoch.as_u128() + 1);
        self.log = backup;
        if !self.bench.breaks(Mutant::RestoreKeepsEpoch) {
            self.log.epoch = epoch;
        }
        self.under_way.clear();
        self.acked.clear();
        self.last_done.clear();
        self.highest_told = 0;
        self.may_resync = true;
        self.was_restored = true;
    }

    // --- Pull ----------------------------------------------------------------------------------------------------

    fn binding(&self, user: Uuid) -> Binding {
        Binding {
            user,
            epoch: self.log.epoch,
        }
    }

    /// Stamps what a device may have dropped while it pushed, so that it is sent once more.
    fn stamp_echoes(&mut self, device: Uuid) {
        let due: Vec<RowKey> = self
            .log
            .pushed
            .iter()
            .filter(|((of, _), at)| {
                let since = u32::try_from(self.now - **at).unwrap();
                *of == device && self.bench.is_echo_due(TICK * since)
            })
            .map(|((_, row), _)| *row)
            .collect();
        for row in due {
            self.log.pushed.remove(&(device, row));
            let seq = self.log.tick();
            self.log
                .echoes
                .entry(device)
                .or_default()
                .insert(row, seq.get());
        }
    }

    fn page(&mut self, request: &PullRequest, progress: Progress) -> Result<Outcome, Restart> {
        let PullRequest {
            session,
            surface,
            collections,
            ..
        } = request;
        if *surface == Surface::Rows && matches!(progress, Progress::Done(_)) {
            self.stamp_echoes(session.device);
        }
        let purged = self.log.purged(session.user, *collections);
        let window = start(&self.bench, &progress, self.log.clock(), purged)?;
        let limit = NonZeroUsize::new(request.limit).unwrap();
        let mut planner = Planner::new(&self.bench, *surface, window, limit);
        let cut_after = self.cut_after.take();
        let mut taken = 0;
        for (scope, case, items) in self.scopes(session, *surface, &window) {
            let Some(bounds) = planner.scope(scope, case) else {
                continue;
            };
            let mut appetite = Appetite::More;
            for item in items {
                if !collections.contains(item.row.collection) || !bounds.contain(item.seq) {
                    continue;
                }
                let standing = self.log.standing(session.user, item.row, scope);
                appetite = planner.item(&item, standing);
                taken += 1;
                if cut_after.is_some_and(|most| taken >= most) {
                    appetite = planner.cut();
                }
                if appetite == Appetite::Full {
                    break;
                }
            }
            if appetite == Appetite::Full {
                break;
            }
        }
        Ok(planner.finish())
    }

    /// What a user can have to do with, in order.
    fn scopes(
        &self,
        session: &Session,
        surface: Surface,
        window: &Window,
    ) -> Vec<(ScopeKey, ScopeCase, Vec<Item>)> {
        let mut scopes = Vec::new();
        if let Some(echoes) = self.log.echoes.get(&session.device) {
            let key = ScopeKey {
                rank: 0,
                id: session.device,
            };
            let items = echoes.iter().map(|(row, seq)| Item {
                seq: Seq::new(*seq).unwrap(),
                added: Seq::new(*seq).unwrap(),
                row: *row,
                live: true,
            });
            scopes.push((key, ScopeCase::Echo, items.collect::<Vec<_>>()));
        }
        for (scope, items) in &self.log.items {
            let Some(membership) = self.log.members.get(&(session.user, *scope)) else {
                continue;
            };
            let key = ScopeKey {
                rank: if self.bench.breaks(Mutant::RanksMove) {
                    1 + ((self.now / 5 + scope.id.as_u128() as u64) % 4) as u8
                } else {
                    scope.rank
                },
                id: scope.id,
            };
            let case = ScopeCase::of(&self.bench, surface, window, membership);
            scopes.push((key, case, items.values().copied().collect()));
        }
        scopes.sort_by_key(|(key, _, _)| *key);
        for (_, _, items) in &mut scopes {
            items.sort_by_key(|item: &Item| (item.seq, item.row));
        }
        scopes
    }

    fn answer(&mut self, request: &PullRequest, page: &Page, replaces: bool) -> PulledPage {
        let session = request.session;
        let mut documents = Vec::new();
        let mut tombstones = Vec::new();
        for entry in &page.entries {
            match entry.emission {
                Emission::Document => {
                    if !self.log.sees(session.user, entry.row) {
                        self.violation("I2: a document of a row that its user does not see");
                    }
                    documents.push(self.log.document(entry.row));
                }
                Emission::Tombstone(_) => tombstones.push(entry.row),
            }
        }
        if request.surface == Surface::Rows && page.has_more && page.entries.len() != request.limit
        {
            self.violation("I6: a page that is neither full nor last");
        }
        if page.entries.len() > request.limit {
            self.violation("I6: a page above its limit");
        }
        let mut rows: Vec<RowKey> = page.entries.iter().map(|entry| entry.row).collect();
        rows.sort_unstable();
        rows.dedup();
        if rows.len() != page.entries.len() {
            self.violation("I6: a row twice on a page");
        }
        self.highest_told = self.highest_told.max(page.watermark.get());
        let binding = self.binding(session.user);
        PulledPage {
            replaces,
            documents,
            tombstones,
            token: self.sealer.seal(&binding, request.collections, &page.next),
            has_more: page.has_more,
            watermark: page.watermark.get(),
        }
    }
}

impl Remote for Service {
    fn pull(&mut self, request: &PullRequest) -> PullAnswer {
        let session = request.session;
        let binding = self.binding(session.user);
        let mut replaces = false;
        let opened = match &request.token {
            None => Ok(Opened::Resume(Progress::NEW)),
            Some(token) => self.sealer.open(&binding, request.collections, token),
        };
        let mut progress = match opened {
            Ok(Opened::Resume(progress)) => Ok(progress),
            Ok(Opened::Replace(restart)) => Err(restart),
            Err(tampered) => panic!("{tampered:?}"),
        };
        // What the token says is on the device, however far this answer goes.
        let has = progress.map_or(0, |progress| progress.since().get());
        let key = (session.device, request.collections.bits());
        self.acked.insert(key, has);
        loop {
            let outcome = match progress {
                Ok(progress) => self.page(request, progress),
                Err(restart) => Err(restart),
            };
            match outcome {
                Ok(Outcome::Page(page)) => {
                    return PullAnswer::Page(self.answer(request, &page, replaces));
                }
                Ok(Outcome::GoOn(from)) => progress = Ok(from),
                Err(restart) => {
                    if restart == Restart::Purged && !self.may_resync {
                        self.violation("I8: an active device had to start over");
                    }
                    self.acked.insert(key, 0);
                    if request.surface == Surface::Rows {
                        return PullAnswer::ResyncRequired;
                    }
                    replaces = true;
                    progress = Ok(Progress::NEW);
                }
            }
        }
    }

    fn push(&mut self, request: &PushRequest) -> Vec<OpResult> {
        self.take_batch(request)
    }

    fn push_rows(&mut self, session: Session, rows: &[PushedRow]) -> Vec<Master> {
        rows.iter()
            .filter_map(|row| self.push_row(session, row))
            .collect()
    }
}

/// The collections of a set, for a device that takes them one by one.
pub fn one(collection: clientele::sync::Collection) -> CollectionSet {
    [collection].into_iter().collect()
}

/// For comparing what a device has with what it must have.
pub fn difference(
    want: &BTreeMap<RowKey, Document>,
    got: &BTreeMap<RowKey, Document>,
) -> Option<String> {
    let mut rows: Vec<&RowKey> = want.keys().chain(got.keys()).collect();
    rows.sort_unstable();
    let row = rows.into_iter().find(|row| want.get(row) != got.get(row))?;
    Some(format!(
        "{row:?}: service {:?}, device {:?}",
        want.get(row),
        got.get(row)
    ))
}
