//! The rows of the model, and the log beside them as the service keeps it: one item for each row in a scope,
//! one membership for each user of a scope, one clock.

use std::collections::BTreeMap;

use clientele::sync::merge::Fields;
use clientele::sync::plan::{Item, Membership, Standing};
use clientele::sync::push::{Recorded, RowNow};
use clientele::sync::{CollectionSet, RowKey, ScopeKey, Seq};
use uuid::Uuid;

use crate::book;
use crate::mutant::{Bench, Mutant};
use crate::remote::{Document, Op, Session};

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    pub scope: ScopeKey,
    pub fields: Fields,
    pub version: i64,
    pub is_alive: bool,
}

/// Something that happens on the service, other than by a phone; also what a push comes down to.
#[derive(Clone, Debug)]
pub enum Change {
    Insert(RowKey, ScopeKey, Fields),
    Edit(RowKey, Fields),
    Delete(RowKey),
    Move(RowKey, ScopeKey),
    Grant(Uuid, ScopeKey),
    Revoke(Uuid, ScopeKey),
    HandOver(ScopeKey, Uuid, Uuid),
}

/// An operation that waits for what it goes under.
#[derive(Clone, Debug)]
pub struct Parked {
    pub session: Session,
    pub op: Op,
}

/// What is stored: the part that a backup holds.
#[derive(Clone, Debug)]
pub struct Log {
    pub clock: u64,
    pub epoch: Uuid,
    pub rows: BTreeMap<RowKey, Row>,
    pub items: BTreeMap<ScopeKey, BTreeMap<RowKey, Item>>,
    pub members: BTreeMap<(Uuid, ScopeKey), Membership>,
    /// Rows to be sent to a device once more, and when they were stamped for it.
    pub echoes: BTreeMap<Uuid, BTreeMap<RowKey, u64>>,
    /// When a device pushed a row through the RxDB surface, last.
    pub pushed: BTreeMap<(Uuid, RowKey), u64>,
    /// The last removed trace of each collection, and of each user's lost scopes.
    pub purged_rows: [u64; 2],
    pub purged_markers: BTreeMap<Uuid, u64>,
    pub ledger: BTreeMap<(Uuid, Uuid), (u64, Recorded)>,
    pub forgotten: BTreeMap<Uuid, u64>,
    pub parked: Vec<Parked>,
    pub issues: Vec<Uuid>,
    // What the model judges by.
    /// How often an operation was carried out.
    pub done: BTreeMap<Uuid, u32>,
    /// Operations that found the row as they wanted it.
    pub met: BTreeMap<Uuid, u32>,
    /// How often an edit of a person was carried out by way of RxDB.
    pub edits: BTreeMap<(u64, &'static str), u32>,
    /// What sums must be.
    pub points: BTreeMap<RowKey, i64>,
}

impl Log {
    pub fn new() -> Self {
        Self {
            clock: 0,
            epoch: Uuid::from_u128(1 << 100),
            rows: BTreeMap::new(),
            items: (0..4).map(|n| (book::scope(n), BTreeMap::new())).collect(),
            members: BTreeMap::new(),
            echoes: BTreeMap::new(),
            pushed: BTreeMap::new(),
            purged_rows: [0; 2],
            purged_markers: BTreeMap::new(),
            ledger: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            parked: Vec::new(),
            issues: Vec::new(),
            done: BTreeMap::new(),
            met: BTreeMap::new(),
            edits: BTreeMap::new(),
            points: BTreeMap::new(),
        }
    }

    pub fn clock(&self) -> Seq {
        Seq::new(self.clock).unwrap()
    }

    pub fn tick(&mut self) -> Seq {
        self.clock += 1;
        self.clock()
    }

    pub fn is_member(&self, user: Uuid, scope: ScopeKey) -> bool {
        self.members
            .get(&(user, scope))
            .is_some_and(|membership| membership.left.is_none())
    }

    pub fn sees(&self, user: Uuid, row: RowKey) -> bool {
        self.rows
            .get(&row)
            .is_some_and(|row| row.is_alive && self.is_member(user, row.scope))
    }

    pub fn standing(&self, user: Uuid, row: RowKey, scope: ScopeKey) -> Standing {
        match self.rows.get(&row) {
            Some(row) if row.is_alive && self.is_member(user, row.scope) => Standing::Visible,
            Some(row) if !row.is_alive && row.scope == scope => Standing::Deleted,
            _ => Standing::Elsewhere,
        }
    }

    pub fn row_now(&self, user: Uuid, row: RowKey) -> RowNow<'_> {
        match self.rows.get(&row) {
            None => RowNow::Absent,
            Some(row) if !self.is_member(user, row.scope) => RowNow::Hidden,
            Some(row) if !row.is_alive => RowNow::Deleted,
            Some(row) => RowNow::Visible {
                version: row.version,
                fields: &row.fields,
            },
        }
    }

    pub fn document(&self, key: RowKey) -> Document {
        let row = &self.rows[&key];
        Document {
            row: key,
            version: row.version,
            scope: row.scope,
            fields: row.fields.clone(),
        }
    }

    /// What a user's devices must hold in the end.
    pub fn book_of(&self, user: Uuid) -> BTreeMap<RowKey, Document> {
        let seen = self.rows.keys().filter(|row| self.sees(user, **row));
        seen.map(|row| (*row, self.document(*row))).collect()
    }

    /// The last removed trace that could concern a pull.
    pub fn purged(&self, user: Uuid, collections: CollectionSet) -> Seq {
        let rows = book::collections()
            .into_iter()
            .filter(|collection| collections.contains(*collection))
            .map(|collection| self.purged_rows[usize::from(collection.get())]);
        let markers = self.purged_markers.get(&user).copied().unwrap_or(0);
        Seq::new(rows.max().unwrap_or(0).max(markers)).unwrap()
    }

    fn touch(&mut self, bench: Bench, scope: ScopeKey, row: RowKey, seq: Seq, live: bool) {
        let item = Item {
            seq,
            added: seq,
            row,
            live,
        };
        let kept = self
            .items
            .entry(scope)
            .or_default()
            .entry(row)
            .or_insert(item);
        if live && !kept.live && bench.breaks(Mutant::AddedForgotten) {
            kept.added = seq;
        }
        kept.seq = seq;
        kept.live = live;
        for ((_, member_of), membership) in &mut self.members {
            if *member_of == scope && membership.left.is_none() {
                membership.head = membership.head.max(seq);
            }
        }
    }

    /// Carries out a change that was given that place in the order.
    pub fn apply(&mut self, bench: Bench, change: &Change, seq: Seq) {
        match change {
            Change::Insert(key, scope, fields) => {
                let row = Row {
                    scope: *scope,
                    fields: fields.clone(),
                    version: 1,
                    is_alive: true,
                };
                self.rows.insert(*key, row);
                self.touch(bench, *scope, *key, seq, true);
            }
            Change::Edit(key, fields) => {
                let Some(row) = self.rows.get_mut(key).filter(|row| row.is_alive) else {
                    return;
                };
                row.fields
                    .extend(fields.iter().map(|(name, value)| (*name, value.clone())));
                row.version += 1;
                let scope = row.scope;
                self.touch(bench, scope, *key, seq, true);
            }
            Change::Delete(key) => {
                let Some(row) = self.rows.get_mut(key).filter(|row| row.is_alive) else {
                    return;
                };
                row.is_alive = false;
                row.version += 1;
                let scope = row.scope;
                self.touch(bench, scope, *key, seq, false);
            }
            Change::Move(key, to) => {
                let Some(row) = self.rows.get_mut(key).filter(|row| row.is_alive) else {
                    return;
                };
                row.version += 1;
                let from = std::mem::replace(&mut row.scope, *to);
                if from != *to {
                    self.touch(bench, from, *key, seq, false);
                }
                self.touch(bench, *to, *key, seq, true);
            }
            Change::Grant(user, scope) => self.grant(*user, *scope, seq),
            Change::Revoke(user, scope) => self.revoke(*user, *scope, seq),
            Change::HandOver(scope, from, to) => {
                self.revoke(*from, *scope, seq);
                if from != to {
                    self.grant(*to, *scope, seq);
                }
            }
        }
    }

    fn grant(&mut self, user: Uuid, scope: ScopeKey, seq: Seq) {
        if !self.is_member(user, scope) {
            let last = self.members.get(&(user, scope));
            let membership = Membership {
                entered: seq,
                before: last.and_then(|last| last.left),
                left: None,
                head: seq,
            };
            self.members.insert((user, scope), membership);
        }
    }

    fn revoke(&mut self, user: Uuid, scope: ScopeKey, seq: Seq) {
        if let Some(membership) = self.members.get_mut(&(user, scope)) {
            membership.left.get_or_insert(seq);
        }
    }

    /// Removes dead items and the marks of lost scopes up to `upto`, and raises the horizons to what went.
    pub fn purge(&mut self, upto: u64) {
        for items in self.items.values_mut() {
            items.retain(|row, item| {
                let goes = !item.live && item.seq.get() <= upto;
                if goes {
                    let horizon = &mut self.purged_rows[usize::from(row.collection.get())];
                    *horizon = (*horizon).max(item.seq.get());
                }
                !goes
            });
        }
        self.members.retain(|(user, _), membership| {
            let left = membership.left.filter(|left| left.get() <= upto);
            if let Some(left) = left {
                let horizon = self.purged_markers.entry(*user).or_default();
                *horizon = (*horizon).max(left.get());
            }
            left.is_none()
        });
    }

    /// Drops a device's ledger entries of what was done up to `upto`. What failed or waits is kept: nothing but
    /// the ledger could say so when it is asked about again.
    pub fn forget(&mut self, device: Uuid, upto: u64) {
        use clientele::sync::push::Status;
        let mut mark = self.forgotten.get(&device).copied().unwrap_or(0);
        self.ledger.retain(|(of, _), (op_seq, recorded)| {
            let goes = *of == device
                && recorded.seq.get() <= upto
                && matches!(recorded.status, Status::Applied | Status::Merged);
            if goes {
                mark = mark.max(*op_seq);
            }
            !goes
        });
        self.forgotten.insert(device, mark);
    }
}
