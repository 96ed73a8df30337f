//! The way of a page through the scopes of a user, in their order, some scopes at a time: a page of many small scopes
//! takes few statements.

use std::collections::{BTreeMap, HashMap};

use entity::SyncCollection;
use uuid::Uuid;

use super::{MAX_BYTES, Pull, Shelf, key_of, place, seq};
use crate::db::{
    Head, KnownDevice, Place, Snapshot, Stretch, SyncItem, SyncScope, collection_of, number_of,
};
use crate::error::{Error, Result};
use crate::sync::plan::{
    Appetite, Item, Membership, Planner, ScopeCase, Standing, Surface, Window,
};
use crate::sync::{Collection, Protocol, RowKey, ScopeKey, Seq};

/// How many scopes one statement reads at most, and at least where there are so many: some have nothing to tell.
const CHUNK: usize = 100;
const FEW: usize = 20;

/// How many items one statement reads at most.
const ITEMS: usize = 1_000;

/// Rows that the viewer sees, by kind, each with the bytes that it takes.
type Visible = HashMap<SyncCollection, HashMap<Uuid, usize>>;

/// What a page is filled from.
pub(super) struct Walk<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) pull: &'a Pull,
    pub(super) window: &'a Window,
    pub(super) limit: usize,
    /// The device, if there is something that it pushed and is sent once more.
    pub(super) echoing: Option<&'a KnownDevice>,
}

/// A scope to go through.
#[derive(Clone, Copy)]
struct Target {
    key: ScopeKey,
    case: ScopeCase,
    stretch: Stretch,
    /// Whether the planner knows of it.
    is_begun: bool,
}

impl Walk<'_> {
    /// Fills the page.
    pub(super) async fn fill(
        &self,
        planner: &mut Planner<'_, Protocol>,
        shelf: &mut dyn Shelf,
    ) -> Result<()> {
        if self.echoes(planner, shelf).await? == Appetite::Full {
            return Ok(());
        }
        let mut targets = self.targets().await?;
        let batch = self.batch();
        let chunk = batch.clamp(FEW, CHUNK);
        let mut bytes = 0_usize;
        while let Some(first) = targets.first() {
            let kind = first.stretch.scope.kind();
            let together = targets
                .iter()
                .take(chunk)
                .take_while(|target| target.stretch.scope.kind() == kind)
                .count();
            let stretches: Vec<Stretch> = targets
                .iter()
                .take(together)
                .map(|target| target.stretch)
                .collect();
            let wanted = u64::try_from(batch).unwrap_or(u64::MAX);
            let items = self
                .snapshot
                .sync_items(&stretches, &self.pull.collections, wanted)
                .await?;
            let visible = self.visible(items.iter().map(|(_, item)| item), shelf);
            let visible = visible.await?;
            // Cut short, the last scope that was reached is gone on with; else all of them are done.
            let cut = items.last().filter(|_| items.len() >= batch).copied();
            let mut of_scope: BTreeMap<Uuid, Vec<SyncItem>> = BTreeMap::new();
            for (scope, item) in items {
                of_scope.entry(scope.id()).or_default().push(item);
            }
            let mut done = 0;
            for target in targets.iter_mut().take(together) {
                if !target.is_begun {
                    target.is_begun = true;
                    planner.scope(target.key, target.case);
                }
                let own = of_scope.remove(&target.stretch.scope.id());
                for item in own.unwrap_or_default() {
                    let standing = standing(&item, &visible);
                    if planner.item(&planned(&item)?, standing) == Appetite::Full {
                        return Ok(());
                    }
                    let taken = visible.get(&item.collection);
                    let taken = taken.and_then(|rows| rows.get(&item.row_id));
                    bytes = bytes.saturating_add(taken.copied().unwrap_or(0));
                    if bytes > MAX_BYTES && planner.cut() == Appetite::Full {
                        return Ok(());
                    }
                }
                if let Some((scope, last)) = cut
                    && scope == target.stretch.scope
                {
                    target.stretch.after = last.place();
                    break;
                }
                done += 1;
            }
            targets.drain(..done);
        }
        Ok(())
    }

    /// How many items one statement reads.
    fn batch(&self) -> usize {
        self.limit.saturating_add(1).min(ITEMS)
    }

    /// What the device pushed, as it is now: a scope of its own, before all others.
    async fn echoes(
        &self,
        planner: &mut Planner<'_, Protocol>,
        shelf: &mut dyn Shelf,
    ) -> Result<Appetite> {
        let Some(device) = self.echoing else {
            return Ok(Appetite::More);
        };
        let key = ScopeKey {
            rank: 0,
            id: device.id().0,
        };
        if self.window.position.is_some_and(|at| at.scope > key) {
            return Ok(Appetite::More);
        }
        let Some(bounds) = planner.scope(key, ScopeCase::Echo) else {
            return Ok(Appetite::More);
        };
        let mut after = self.after(key, bounds.after)?;
        let until = place(self.window.until)?;
        let batch = self.batch();
        let wanted = u64::try_from(batch).unwrap_or(u64::MAX);
        loop {
            let items = self
                .snapshot
                .sync_echoes(device, &self.pull.collections, after, until, wanted)
                .await?;
            let visible = self.visible(items.iter(), shelf).await?;
            for item in &items {
                let standing = standing(item, &visible);
                if planner.item(&planned(item)?, standing) == Appetite::Full {
                    return Ok(Appetite::Full);
                }
            }
            match items.last().filter(|_| items.len() >= batch) {
                Some(last) => after = last.place(),
                None => return Ok(Appetite::More),
            }
        }
    }

    /// The scopes in which there is something to tell, in their order.
    async fn targets(&self) -> Result<Vec<Target>> {
        let since = place(self.window.since)?;
        let mut targets = Vec::new();
        let from = self.window.position.map(|at| (at.scope.rank, at.scope.id));
        let heads = self
            .snapshot
            .sync_heads(since, &self.pull.collections, from);
        for head in heads.await? {
            let key = ScopeKey {
                rank: head.scope.rank(),
                id: head.scope.id(),
            };
            if self.window.position.is_some_and(|at| at.scope > key) {
                continue;
            }
            let membership = membership(&head)?;
            let case = ScopeCase::of(&Protocol, self.pull.surface, self.window, &membership);
            if case == ScopeCase::Quiet {
                continue;
            }
            targets.push(Target {
                key,
                case,
                stretch: self.stretch(head.scope, key, case)?,
                is_begun: false,
            });
        }
        targets.sort_by_key(|target| target.key);
        Ok(targets)
    }

    fn stretch(&self, scope: SyncScope, key: ScopeKey, case: ScopeCase) -> Result<Stretch> {
        let bounds = case.bounds(&Protocol, self.window);
        let after = self.after(key, bounds.after)?;
        Ok(Stretch {
            scope,
            after,
            until: bounds.until.map(place).transpose()?,
        })
    }

    /// The place in a scope after which to go on: where the page before ended, or after all places of that position.
    fn after(&self, key: ScopeKey, bound: Seq) -> Result<Place> {
        let after = Place {
            seq: place(bound)?,
            collection: i16::MAX,
            row: Uuid::max(),
        };
        match self.window.position.filter(|at| at.scope == key) {
            Some(at) => Ok(after.max(Place {
                seq: place(at.seq)?,
                collection: number_of(collection(at.row.collection)?),
                row: at.row.id,
            })),
            None => Ok(after),
        }
    }

    /// Which of the rows of these items the viewer sees now, by kind.
    async fn visible<'i>(
        &self,
        items: impl Iterator<Item = &'i SyncItem>,
        shelf: &mut dyn Shelf,
    ) -> Result<Visible> {
        let mut rows: BTreeMap<SyncCollection, Vec<Uuid>> = BTreeMap::new();
        for item in items {
            rows.entry(item.collection).or_default().push(item.row_id);
        }
        let mut visible = Visible::new();
        for (collection, rows) in rows {
            let weighs = self.pull.surface == Surface::Whole;
            let found = shelf.fetch(self.snapshot, collection, &rows, weighs);
            let found = found.await?;
            visible.insert(collection, found);
        }
        Ok(visible)
    }
}

/// How the row of an item stands for the viewer.
fn standing(item: &SyncItem, visible: &Visible) -> Standing {
    let rows = visible.get(&item.collection);
    match (
        rows.is_some_and(|rows| rows.contains_key(&item.row_id)),
        item.live,
    ) {
        (true, _) => Standing::Visible,
        (false, false) => Standing::Deleted,
        // It goes by the time of day, and will be stamped.
        (false, true) => Standing::Elsewhere,
    }
}

fn membership(head: &Head) -> Result<Membership> {
    Ok(Membership {
        entered: seq(head.entered_seq)?,
        before: head.before_seq.map(seq).transpose()?,
        left: head.left_seq.map(seq).transpose()?,
        head: seq(head.head_seq)?,
    })
}

fn planned(item: &SyncItem) -> Result<Item> {
    Ok(Item {
        seq: seq(item.seq)?,
        added: seq(item.added_seq)?,
        row: RowKey {
            collection: key_of(item.collection)?,
            id: item.row_id,
        },
        live: item.live,
    })
}

/// The kind of document that the rules name so.
pub(super) fn collection(key: Collection) -> Result<SyncCollection> {
    collection_of(i16::from(key.get()))
        .ok_or_else(|| Error::bug("a kind of document that there is not"))
}
