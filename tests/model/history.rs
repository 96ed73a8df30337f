//! Histories: what users, managers, phones and networks do to each other, made up from a seed. Each step brings
//! its own chance, so that a step can be left out without changing the others: that is how a failing history
//! is shrunk.

use std::collections::{BTreeMap, BTreeSet};

use clientele::sync::{RowKey, ScopeKey};
use uuid::Uuid;

use crate::book;
use crate::hand::{Fate, Hand, Told};
use crate::log::Change;
use crate::mutant::{Bench, Mutant};
use crate::random::Random;
use crate::remote::{Document, Session};
use crate::rx::Rx;
use crate::service::{Service, difference};

const USERS: u64 = 3;
const SCOPES: u64 = 4;
/// A request is answered or given up within so many ticks: less than what the echo waits for.
const LONGEST_REQUEST: u64 = 11;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub kind: Kind,
    /// What its chances are made of.
    pub chance: u64,
}

/// What kinds of things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Insert,
    Edit,
    Delete,
    Move,
    HandOver,
    Grant,
    Pull,
    Write,
    Push,
    Crash,
    Purge,
    PurgeCarefully,
    Forget,
    Reinstall,
    Rewind,
    BackUp,
    Restore,
    SendChanged,
    Expire,
}

/// How often each happens, of all together.
const WEIGHTS: &[(Kind, u64)] = &[
    (Kind::Insert, 80),
    (Kind::Edit, 70),
    (Kind::Delete, 35),
    (Kind::Move, 45),
    (Kind::HandOver, 45),
    (Kind::Grant, 30),
    (Kind::Pull, 330),
    (Kind::Write, 130),
    (Kind::Push, 140),
    (Kind::Crash, 15),
    (Kind::Purge, 12),
    (Kind::PurgeCarefully, 12),
    (Kind::Forget, 12),
    (Kind::Reinstall, 5),
    (Kind::Rewind, 10),
    (Kind::BackUp, 5),
    (Kind::Restore, 4),
    (Kind::SendChanged, 8),
    (Kind::Expire, 4),
];

/// The steps of a seed.
pub fn steps(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let all: u64 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    let before = (0..SCOPES).map(|_| Kind::Grant);
    let before = before.chain((0..2 + random.below(9)).map(|_| Kind::Insert));
    let mut kinds: Vec<Kind> = before.collect();
    for _ in 0..40 + random.below(100) {
        let mut at = random.below(all);
        for (kind, weight) in WEIGHTS {
            if at < *weight {
                kinds.push(*kind);
                break;
            }
            at -= weight;
        }
    }
    kinds
        .into_iter()
        .map(|kind| Step {
            kind,
            chance: random.next(),
        })
        .collect()
}

enum Device {
    Hand(Box<Hand>),
    Rx(Box<Rx>),
}

impl Device {
    fn session(&self) -> Session {
        match self {
            Self::Hand(hand) => hand.session,
            Self::Rx(rx) => rx.session,
        }
    }

    fn book(&self) -> &BTreeMap<RowKey, Document> {
        match self {
            Self::Hand(hand) => &hand.base,
            Self::Rx(rx) => &rx.local,
        }
    }

    fn is_idle(&self) -> bool {
        match self {
            Self::Hand(hand) => hand.is_idle(),
            Self::Rx(rx) => rx.is_idle(),
        }
    }
}

struct World {
    bench: Bench,
    service: Service,
    devices: Vec<Device>,
    installed: u64,
    mark: u64,
}

impl World {
    fn new(bench: Bench) -> Self {
        let mut world = Self {
            bench,
            service: Service::new(bench),
            devices: Vec::new(),
            installed: 0,
            mark: 0,
        };
        for (user, is_rx) in [(0, false), (0, true), (1, false), (2, true)] {
            let device = world.install(book::user(user), is_rx);
            world.devices.push(device);
        }
        world
    }

    fn install(&mut self, user: Uuid, is_rx: bool) -> Device {
        self.installed += 1;
        let session = Session {
            user,
            device: Uuid::from_u128(u128::from(self.installed) + (1 << 72)),
        };
        for collections in [1, 2, 3_u32] {
            if is_rx != (collections == 3) {
                self.service.acked.insert((session.device, collections), 0);
            }
        }
        if is_rx {
            Device::Rx(Box::new(Rx::new(session)))
        } else {
            Device::Hand(Box::new(Hand::new(self.bench, session)))
        }
    }

    /// A number that no other write has, and that validation does not refuse.
    fn mark(&mut self) -> u64 {
        self.mark += 1;
        if self.mark.is_multiple_of(13) {
            self.mark += 1;
        }
        self.mark
    }

    /// A number that no other write has; validation refuses some.
    fn phone_mark(&mut self) -> u64 {
        self.mark += 1;
        self.mark
    }

    fn live_row(&self, random: &mut Random) -> Option<RowKey> {
        let rows = &self.service.log.rows;
        let live: Vec<RowKey> = rows
            .iter()
            .filter(|(_, row)| row.is_alive)
            .map(|(key, _)| *key)
            .collect();
        random.of(&live).copied()
    }

    fn commit(&mut self, change: Change, random: &mut Random) {
        if self.bench.breaks(Mutant::SeqBeforeCommit) && random.chance(50) {
            let seq = self.service.log.tick();
            self.service.under_way.push((seq, change));
        } else {
            self.service.commit(&change);
        }
        if random.chance(30) && !self.service.under_way.is_empty() {
            let at = random.below(self.service.under_way.len() as u64) as usize;
            let (seq, change) = self.service.under_way.remove(at);
            self.service.carry_out(&change, seq);
        }
    }

    fn run(&mut self, step: Step) {
        let mut random = Random::new(step.chance);
        self.service.now += 1;
        self.answers_arrive(&mut random);
        let user = book::user(random.below(USERS));
        let scope = book::scope(random.below(SCOPES));
        match step.kind {
            Kind::Insert => {
                let mark = self.mark();
                let row = book::row(mark);
                let fields = book::blank(row.collection, mark as i64);
                self.commit(Change::Insert(row, scope, fields), &mut random);
            }
            Kind::Edit => {
                let Some(row) = self.live_row(&mut random) else {
                    return;
                };
                let mark = self.mark() as i64;
                let view = self.service.log.rows[&row].fields.clone();
                let patch = book::edit(row.collection, &view, mark, &mut random);
                self.commit(Change::Edit(row, patch), &mut random);
            }
            Kind::Delete => {
                if let Some(row) = self.live_row(&mut random) {
                    self.commit(Change::Delete(row), &mut random);
                }
            }
            Kind::Move => {
                if let Some(row) = self.live_row(&mut random) {
                    self.commit(Change::Move(row, scope), &mut random);
                }
            }
            Kind::HandOver => {
                let log = &self.service.log;
                let owners: Vec<Uuid> = (0..USERS)
                    .map(book::user)
                    .filter(|user| log.is_member(*user, scope))
                    .collect();
                let change = match random.of(&owners) {
                    Some(owner) => Change::HandOver(scope, *owner, user),
                    None => Change::Grant(user, scope),
                };
                self.commit(change, &mut random);
            }
            Kind::Grant => {
                let change = if self.service.log.is_member(user, scope) {
                    Change::Revoke(user, scope)
                } else {
                    Change::Grant(user, scope)
                };
                self.commit(change, &mut random);
            }
            Kind::Purge => {
                self.service.may_resync = true;
                let upto = random.below(self.service.log.clock + 1);
                self.service.log.purge(upto.saturating_sub(3));
                // So long after that digests were compared meanwhile.
                for device in &mut self.devices {
                    if let Device::Rx(rx) = device {
                        rx.compare_digests();
                    }
                }
            }
            Kind::PurgeCarefully => {
                let upto = self.service.acked.values().min().copied().unwrap_or(0);
                self.service.log.purge(upto);
            }
            Kind::Forget => {
                let at = random.below(self.devices.len() as u64) as usize;
                let device = self.devices[at].session().device;
                let upto = random.below(self.service.log.clock + 1);
                self.service.log.forget(device, upto);
            }
            Kind::BackUp => self.service.back_up(),
            Kind::Restore => {
                self.service.restore();
                for device in &mut self.devices {
                    match device {
                        Device::Hand(hand) => hand.compare_digests(),
                        Device::Rx(rx) => rx.compare_digests(),
                    }
                }
            }
            Kind::Expire => self.service.expire_parked(),
            Kind::Pull
            | Kind::Write
            | Kind::Push
            | Kind::Crash
            | Kind::Reinstall
            | Kind::Rewind
            | Kind::SendChanged => self.device_does(step.kind, &mut random),
        }
    }

    fn device_does(&mut self, kind: Kind, random: &mut Random) {
        let at = random.below(self.devices.len() as u64) as usize;
        let session = self.devices[at].session();
        let fate = Fate {
            lost: random.chance(15),
            twice: random.chance(10),
            all_or_nothing: random.chance(8),
        };
        let limit = *random.of(&[1, 2, 3, 50]).unwrap();
        let most = 1 + random.below(3) as usize;
        let is_late = random.chance(25);
        let mark = match kind {
            Kind::Write | Kind::SendChanged => self.phone_mark(),
            _ => 0,
        };
        if kind == Kind::Reinstall {
            let is_rx = matches!(self.devices[at], Device::Rx(_));
            self.service
                .acked
                .retain(|(device, _), _| *device != session.device);
            self.devices[at] = self.install(session.user, is_rx);
            return;
        }
        let now = self.service.now;
        let mine = self.scopes_of(session.user, random);
        self.service.fault_at =
            (kind == Kind::Push && random.chance(10)).then(|| random.below(3) as usize);
        self.service.cut_after =
            (kind == Kind::Pull && random.chance(10)).then(|| random.below(3) as usize);
        let service = &mut self.service;
        match (kind, &mut self.devices[at]) {
            (Kind::Pull, Device::Hand(hand)) => {
                hand.pull(service, limit, fate);
                if !is_late {
                    hand.take_pull(fate);
                }
            }
            (Kind::Pull, Device::Rx(rx)) => {
                let which = random.below(2) as usize;
                rx.pull(service, which, limit, fate);
                if !is_late {
                    rx.take_pull(which, fate);
                }
            }
            (Kind::Write, Device::Hand(hand)) => hand.write(mark, &mine, random),
            (Kind::Write, Device::Rx(rx)) => rx.write(mark, &mine, random),
            (Kind::Push, Device::Hand(hand)) => hand.push(service, most, fate),
            (Kind::Push, Device::Rx(rx)) => rx.push(service, most, fate, now),
            (Kind::Crash, Device::Hand(hand)) => hand.crash(),
            (Kind::Crash, Device::Rx(rx)) => rx.crash(),
            (Kind::Rewind, Device::Hand(hand)) => service.may_resync |= hand.rewind(random),
            (Kind::Rewind, Device::Rx(rx)) => service.may_resync |= rx.rewind(random),
            // A restored ledger knows nothing of what was answered after the backup.
            (Kind::SendChanged, Device::Hand(hand)) if !service.was_restored => {
                hand.send_changed(service, mark);
            }
            _ => {}
        }
        self.service.fault_at = None;
        self.service.cut_after = None;
    }

    /// Where a person might put something new: mostly into what they see.
    fn scopes_of(&self, user: Uuid, random: &mut Random) -> Vec<ScopeKey> {
        let all: Vec<ScopeKey> = (0..SCOPES).map(book::scope).collect();
        let mine: Vec<ScopeKey> = all
            .iter()
            .copied()
            .filter(|scope| self.service.log.is_member(user, *scope))
            .collect();
        if mine.is_empty() || random.chance(8) {
            all
        } else {
            mine
        }
    }

    /// Answers on their way arrive, sooner or later.
    fn answers_arrive(&mut self, random: &mut Random) {
        for device in &mut self.devices {
            let arrives = random.chance(25);
            match device {
                Device::Hand(hand) => {
                    if arrives {
                        hand.take_push();
                    }
                    if random.chance(25) {
                        hand.take_pull(Fate::default());
                    }
                }
                Device::Rx(rx) => {
                    let is_late =
                        rx.is_waiting() && self.service.now - rx.answered_at > LONGEST_REQUEST;
                    if arrives || is_late {
                        rx.take_push();
                    }
                    let which = random.below(2) as usize;
                    if random.chance(25) {
                        rx.take_pull(which, Fate::default());
                    }
                }
            }
        }
    }

    /// Nobody does anything more; every phone pushes and pulls until it is done.
    fn come_to_rest(&mut self) {
        for (seq, change) in std::mem::take(&mut self.service.under_way) {
            self.service.carry_out(&change, seq);
        }
        let quiet = Fate::default();
        for _ in 0..3 {
            self.service.expire_parked();
            for device in &mut self.devices {
                for _ in 0..200 {
                    let now = self.service.now;
                    match device {
                        Device::Hand(hand) => {
                            hand.push(&mut self.service, 50, quiet);
                            hand.take_push();
                        }
                        Device::Rx(rx) => {
                            rx.push(&mut self.service, 50, quiet, now);
                            rx.take_push();
                        }
                    }
                    if device.is_idle() {
                        break;
                    }
                    self.service.expire_parked();
                }
            }
            self.service.now += 100;
            for device in &mut self.devices {
                match device {
                    Device::Hand(hand) => {
                        for page in 0..2_000 {
                            hand.pull(&mut self.service, [1, 2, 7][page % 3], quiet);
                            if !hand.take_pull(quiet) {
                                break;
                            }
                        }
                    }
                    Device::Rx(rx) => {
                        for which in 0..2 {
                            for page in 0..2_000 {
                                rx.pull(&mut self.service, which, [2, 1, 7][page % 3], quiet);
                                if !rx.take_pull(which, quiet) {
                                    break;
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What is wrong once nothing moves any more.
    fn faults(&self) -> Option<String> {
        if let Some(violation) = self.service.violations.first() {
            return Some(violation.clone());
        }
        for (number, device) in self.devices.iter().enumerate() {
            let session = device.session();
            let faults = match device {
                Device::Hand(hand) => &hand.faults,
                Device::Rx(rx) => &rx.faults,
            };
            if let Some(fault) = faults.first() {
                return Some(format!("device {number}: {fault}"));
            }
            if !device.is_idle() {
                return Some(format!("device {number} does not come to rest"));
            }
            let want = self.service.log.book_of(session.user);
            if let Some(difference) = difference(&want, device.book()) {
                return Some(format!("I1: device {number} came apart: {difference}"));
            }
            if let Device::Hand(hand) = device
                && let Some(fault) = self.fate_of_operations(hand)
            {
                return Some(format!("I3: device {number}: {fault}"));
            }
        }
        None
    }

    /// Every operation came to what its device was told.
    fn fate_of_operations(&self, hand: &Hand) -> Option<String> {
        if hand.is_overlaid() {
            return Some("an overlay is left".to_owned());
        }
        if self.service.was_restored {
            return None;
        }
        let log = &self.service.log;
        let issues: BTreeSet<Uuid> = log.issues.iter().copied().collect();
        hand.told.iter().find_map(|(op, told)| {
            let done = log.done.get(op).copied().unwrap_or(0);
            let met = log.met.contains_key(op);
            match told {
                Told::Done if done == 0 && !met => Some(format!("{op} was told done and was not")),
                Told::Failed if done > 0 => Some(format!("{op} was told failed and was done")),
                Told::TakenBack if done > 0 || issues.contains(op) => {
                    Some(format!("{op} was taken back and was done"))
                }
                _ => None,
            }
        })
    }
}

/// What is wrong with a history, if anything.
pub fn fault_of(bench: Bench, steps: &[Step]) -> Option<String> {
    let mut world = World::new(bench);
    for step in steps {
        world.run(*step);
        if let Some(violation) = world.service.violations.first() {
            return Some(violation.clone());
        }
    }
    world.come_to_rest();
    world.faults()
}

/// The shortest history that is still wrong which leaving out steps leads to.
pub fn shrink(bench: Bench, mut steps: Vec<Step>) -> Vec<Step> {
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(fewer.len()));
            if fault_of(bench, &fewer).is_some() {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    steps
}
