//! A client like stock RxDB: one copy of the book, one replication for each collection. A row with a write
//! under way is left alone by downloads; a page is last when it is short; the checkpoint of an empty page is
//! ignored; pushes carry the state before and after, and no id.

use std::collections::{BTreeMap, BTreeSet};

use clientele::sync::merge::Fields;
use clientele::sync::plan::Surface;
use clientele::sync::{RowKey, ScopeKey};

use crate::book;
use crate::hand::Fate;
use crate::random::Random;
use crate::remote::{
    Document, Master, PullAnswer, PullRequest, PulledPage, PushedRow, Remote, Session,
};
use crate::service::one;

/// A local write that the service has not accepted yet.
#[derive(Clone, Debug)]
struct Dirty {
    assumed: Option<(i64, Fields)>,
    edits: Vec<(u64, &'static str)>,
    scope: ScopeKey,
}

/// The replication of one collection.
#[derive(Debug, Default)]
struct Replication {
    token: Option<String>,
    earlier: Vec<String>,
    /// Whether a pull that began with nothing came to its end.
    is_whole: bool,
    sweep: Option<BTreeSet<RowKey>>,
    pulled: Option<(PullAnswer, usize)>,
}

#[derive(Debug)]
pub struct Rx {
    pub session: Session,
    replications: [Replication; 2],
    pub local: BTreeMap<RowKey, Document>,
    dirty: BTreeMap<RowKey, Dirty>,
    /// The rows sent last, until they are answered: sent again as they were.
    batch: Option<Vec<PushedRow>>,
    answer: Option<Vec<Master>>,
    /// When the request under way was answered.
    pub answered_at: u64,
    pub faults: Vec<&'static str>,
}

impl Rx {
    pub fn new(session: Session) -> Self {
        Self {
            session,
            replications: [Replication::default(), Replication::default()],
            local: BTreeMap::new(),
            dirty: BTreeMap::new(),
            batch: None,
            answer: None,
            answered_at: 0,
            faults: Vec::new(),
        }
    }

    /// The person creates, changes or deletes something. `mark` names the edit and what it writes.
    pub fn write(&mut self, mark: u64, scopes: &[ScopeKey], random: &mut Random) {
        let rows: Vec<RowKey> = self.local.keys().copied().collect();
        let kind = random.below(100);
        let Some(row) = random.of(&rows).copied().filter(|_| kind >= 30) else {
            let row = book::row(1_000_000 + mark);
            let scope = *random.of(scopes).unwrap();
            let document = Document {
                row,
                version: 0,
                scope,
                fields: book::blank(row.collection, mark as i64),
            };
            self.local.insert(row, document);
            let dirty = Dirty {
                assumed: None,
                edits: Vec::new(),
                scope,
            };
            self.dirty.insert(row, dirty);
            return;
        };
        let document = &self.local[&row];
        let patch = book::edit(row.collection, &document.fields, mark as i64, random);
        let dirty = self.dirty.entry(row).or_insert_with(|| Dirty {
            assumed: Some((document.version, document.fields.clone())),
            edits: Vec::new(),
            scope: document.scope,
        });
        if kind < 85 {
            // What is added to a list is known by itself, and is sent again with what is added next. A status may
            // have gone back to what the phone saw: without an id, nothing tells a repetition then.
            let edits = patch.keys();
            let edits = edits.filter(|name| !["tags", "state"].contains(*name));
            dirty.edits.extend(edits.map(|name| (mark, *name)));
            self.local.get_mut(&row).unwrap().fields.extend(patch);
        } else {
            self.local.remove(&row);
        }
    }

    /// Sends some rows, or those again that got no answer.
    pub fn push(&mut self, remote: &mut impl Remote, most: usize, fate: Fate, now: u64) {
        if self.answer.is_some() || self.dirty.is_empty() {
            return;
        }
        if self.batch.is_none() {
            let rows = self.dirty.iter().take(most);
            let rows = rows.map(|(row, dirty)| PushedRow {
                row: *row,
                scope: dirty.scope,
                assumed: dirty.assumed.clone(),
                new: self.local.get(row).map(|document| document.fields.clone()),
                edits: dirty.edits.clone(),
            });
            self.batch = Some(rows.collect());
        }
        let batch = self.batch.as_ref().unwrap();
        let mut answer = remote.push_rows(self.session, batch);
        if fate.twice {
            answer = remote.push_rows(self.session, batch);
        }
        if !fate.lost {
            self.answer = Some(answer);
            self.answered_at = now;
        }
    }

    /// The answer to the push under way arrives.
    pub fn take_push(&mut self) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        let batch = self.batch.take().unwrap_or_default();
        let mut masters: BTreeMap<RowKey, Master> = BTreeMap::new();
        for master in answer {
            let row = match &master {
                Master::Document(document) => document.row,
                Master::Tombstone(row) => *row,
            };
            masters.insert(row, master);
        }
        for sent in batch {
            match masters.remove(&sent.row) {
                Some(Master::Document(document)) => {
                    self.dirty.remove(&sent.row);
                    self.local.insert(sent.row, document);
                }
                Some(Master::Tombstone(row)) => {
                    self.dirty.remove(&row);
                    self.local.remove(&row);
                }
                None => {
                    let present = self.local.get(&sent.row).map(|document| &document.fields);
                    if present == sent.new.as_ref() {
                        self.dirty.remove(&sent.row);
                    } else if let Some(dirty) = self.dirty.get_mut(&sent.row) {
                        // The version in what it assumes stays the old one until the row comes back by pull.
                        let version = dirty.assumed.as_ref().map_or(0, |(version, _)| *version);
                        dirty.assumed = sent.new.map(|fields| (version, fields));
                        dirty.edits.retain(|edit| !sent.edits.contains(edit));
                    }
                }
            }
        }
    }

    /// Asks for a page of a collection, unless a request for it is under way.
    pub fn pull(&mut self, remote: &mut impl Remote, which: usize, limit: usize, fate: Fate) {
        let replication = &mut self.replications[which];
        if replication.pulled.is_some() {
            return;
        }
        let request = PullRequest {
            session: self.session,
            surface: Surface::Rows,
            collections: one(book::collections()[which]),
            token: replication.token.clone(),
            limit,
        };
        let answer = remote.pull(&request);
        if !fate.lost {
            replication.pulled = Some((answer, limit));
        }
    }

    /// The page under way arrives. With `twice` the app is killed before the checkpoint is stored. Says whether
    /// the pull goes on.
    pub fn take_pull(&mut self, which: usize, fate: Fate) -> bool {
        match self.replications[which].pulled.take() {
            None => true,
            Some((PullAnswer::ResyncRequired, _)) => {
                // The app ends the replication and clears the collection, except for what the person wrote and
                // nobody has. What was under way may be of the life before.
                self.batch = None;
                self.answer = None;
                self.begin_anew(which);
                true
            }
            Some((PullAnswer::Page(page), limit)) => self.store(which, &page, limit, fate),
        }
    }

    fn store(&mut self, which: usize, page: &PulledPage, limit: usize, fate: Fate) -> bool {
        let count = page.documents.len() + page.tombstones.len();
        let replication = &mut self.replications[which];
        for document in &page.documents {
            if let Some(sweep) = &mut replication.sweep {
                sweep.remove(&document.row);
            }
            if !self.dirty.contains_key(&document.row) {
                self.local.insert(document.row, document.clone());
            }
        }
        for row in &page.tombstones {
            if let Some(sweep) = &mut replication.sweep {
                sweep.remove(row);
            }
            if !self.dirty.contains_key(row) {
                self.local.remove(row);
            }
        }
        if fate.twice {
            return true;
        }
        if count > 0
            && let Some(token) = replication.token.replace(page.token.clone())
        {
            replication.earlier.push(token);
        }
        if count >= limit {
            return true;
        }
        replication.is_whole = true;
        for row in replication.sweep.take().unwrap_or_default() {
            if !self.dirty.contains_key(&row) {
                self.local.remove(&row);
            }
        }
        false
    }

    /// The app is killed: what was under way is not heard of, and what was sent is made up anew.
    pub fn crash(&mut self) {
        self.batch = None;
        self.answer = None;
        for replication in &mut self.replications {
            replication.pulled = None;
        }
    }

    /// An old page is stored late: the device holds an earlier checkpoint with a later book.
    pub fn rewind(&mut self, random: &mut Random) -> bool {
        let replication = &mut self.replications[random.below(2) as usize];
        let token = random.of(&replication.earlier).cloned();
        let has = token.is_some();
        replication.token = token.or(replication.token.take());
        replication.pulled = None;
        has
    }

    /// Fetches a collection from the beginning; what is not there any more goes at the end.
    fn begin_anew(&mut self, which: usize) {
        let collection = book::collections()[which];
        let rows = self.local.keys().copied();
        let rows = rows.filter(|row| row.collection == collection);
        self.replications[which] = Replication {
            sweep: Some(rows.collect()),
            ..Replication::default()
        };
    }

    /// The service went back to an earlier state, or forgot what is gone since long. A collection that was never pulled
    /// to the end has nothing by which it would be told so, and may hold rows: those that the service took and lost,
    /// those of a page whose checkpoint was not stored. Only the digests that it compares now and then tell it, and it
    /// goes through what is there.
    pub fn compare_digests(&mut self) {
        for which in 0..self.replications.len() {
            let Replication {
                token, is_whole, ..
            } = &self.replications[which];
            if token.is_none() || !is_whole {
                self.begin_anew(which);
            }
        }
    }

    pub fn is_idle(&self) -> bool {
        self.dirty.is_empty() && self.answer.is_none()
    }

    pub fn is_waiting(&self) -> bool {
        self.answer.is_some()
    }
}
