//! What a unit of work has touched, collected while it runs. Every write goes through one of the functions that
//! note something here; a test reads the sources for writes that do not.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ClientId, UserId};

use super::super::tx::Tx;
use super::super::visible::Visible;
use super::held::{Document, Held, Sight, Synced};

/// How much earlier than here a share may have been over to who looked: clocks of processes differ a little, and a
/// change is seen some time after the instant at which it was made.
const EARLY: TimeDelta = TimeDelta::minutes(1);

/// What is known of a document that was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// A part of it was.
    Part,
    /// It was itself; whether there is something to hold.
    Row(bool),
}

/// What a unit of work has touched.
#[derive(Clone, Debug, Default)]
pub(in crate::db) struct Changes {
    documents: BTreeMap<Document, Mark>,
    /// Clients that may have come in somebody's sight, or gone out of it.
    pub(super) clients: BTreeSet<ClientId>,
    /// Clients some of whose shares were over, perhaps without being stamped as such, and may let in again: a device
    /// that looked meanwhile has removed what it held.
    pub(super) renewed: BTreeSet<ClientId>,
    /// Users whose sight of clients may be another.
    pub(super) viewers: BTreeSet<UserId>,
    /// Users whose clients are kept from now on, and whether these are more than a phone holds.
    pub(super) opening: BTreeMap<UserId, bool>,
    /// Users whose clients are kept no longer, unless a device of theirs is in use.
    pub(super) closing: BTreeSet<UserId>,
    /// Whose devices fetch all clients anew, since other facts of them are shown.
    pub(super) anew: Anew,
}

/// Whose devices fetch all clients anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Anew {
    /// Those of these users.
    Users(BTreeSet<UserId>),
    /// Everybody's.
    Everybody,
}

impl Default for Anew {
    fn default() -> Self {
        Self::Users(BTreeSet::new())
    }
}

impl Anew {
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::Users(users) if users.is_empty())
    }

    fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Everybody, _) => {}
            (_, Self::Everybody) => *self = Self::Everybody,
            (Self::Users(users), Self::Users(others)) => users.extend(others),
        }
    }
}

impl Changes {
    pub(in crate::db) fn is_empty(&self) -> bool {
        let Self {
            documents,
            clients,
            renewed,
            viewers,
            opening,
            closing,
            anew,
        } = self;
        documents.is_empty()
            && clients.is_empty()
            && renewed.is_empty()
            && viewers.is_empty()
            && opening.is_empty()
            && closing.is_empty()
            && anew.is_nobody()
    }

    fn mark(&mut self, document: Document, mark: Mark) {
        let known = self.documents.entry(document).or_insert(mark);
        if mark != Mark::Part {
            *known = mark;
        }
    }

    /// The documents, and whether there is something to hold of each.
    pub(super) fn documents(&self) -> impl Iterator<Item = (Document, bool)> {
        self.documents
            .iter()
            .map(|(document, mark)| (*document, *mark != Mark::Row(false)))
    }

    fn row<E: Synced>(&mut self, row: &E::Model) {
        match E::HELD {
            Held::Document(read) => {
                let (document, live) = read(row);
                self.mark(document, Mark::Row(live));
            }
            Held::Part(read) => self.mark(read(row), Mark::Part),
            Held::No(_) => {}
        }
    }

    /// Notes a row that was made.
    pub(in crate::db) fn made<E: Synced>(&mut self, row: &E::Model) {
        self.row::<E>(row);
        // A new user sees nothing yet.
        if let Sight::Client(client, ..) = E::SIGHT {
            self.clients.insert(client(row));
        }
    }

    fn add(&mut self, other: Self) {
        let Self {
            documents,
            clients,
            renewed,
            viewers,
            opening,
            closing,
            anew,
        } = other;
        for (document, mark) in documents {
            self.mark(document, mark);
        }
        self.clients.extend(clients);
        self.renewed.extend(renewed);
        self.viewers.extend(viewers);
        self.opening.extend(opening);
        self.closing.extend(closing);
        self.anew.add(anew);
    }

    fn gone<E: Synced>(&mut self, row: &E::Model) {
        match E::HELD {
            Held::Document(read) => self.mark(read(row).0, Mark::Row(false)),
            Held::Part(read) => self.mark(read(row), Mark::Part),
            Held::No(_) => {}
        }
    }
}

impl Tx {
    fn touch(&self, note: impl FnOnce(&mut Changes)) {
        if let Some(unit) = &self.within {
            unit.note_change(note);
        }
    }

    /// Notes rows that were made.
    pub(in crate::db) fn note_made<E: Synced>(&self, rows: &[Visible<E::Model>])
    where
        E::Model: Send + Sync + 'static,
    {
        self.touch(|changes| {
            for row in rows {
                changes.made::<E>(row);
            }
        });
    }

    /// Notes what was noted apart, once it is written.
    pub(in crate::db) fn note_parts(&self, parts: impl IntoIterator<Item = Changes>) {
        self.touch(|changes| {
            for part in parts {
                changes.add(part);
            }
        });
    }

    /// Notes that a row was changed: as it was, and as it is.
    pub(in crate::db) fn note_changed<E: Synced>(&self, was: &E::Model, is: &E::Model) {
        let over = self.over();
        self.touch(|changes| {
            // In another scope there is nothing left of it.
            if let Held::Document(read) = E::HELD
                && read(was).0 != read(is).0
            {
                changes.gone::<E>(was);
            }
            changes.row::<E>(is);
            match E::SIGHT {
                Sight::Client(client, counts, ended) if counts(was, is) => {
                    changes.clients.insert(client(was));
                    changes.clients.insert(client(is));
                    if ended(was, over) {
                        changes.renewed.insert(client(was));
                    }
                }
                Sight::User(user, counts, shows) => {
                    if counts(was, is) {
                        changes.viewers.insert(user(is));
                    }
                    if shows(was, is) {
                        changes.anew.add(Anew::Users(BTreeSet::from([user(is)])));
                    }
                }
                Sight::Nothing | Sight::Client(..) => {}
            }
        });
    }

    /// Notes rows that were deleted.
    pub(in crate::db) fn note_deleted<E: Synced>(&self, rows: &[E::Model]) {
        let over = self.over();
        self.touch(|changes| {
            for row in rows {
                changes.gone::<E>(row);
                if let Sight::Client(client, _, ended) = E::SIGHT {
                    changes.clients.insert(client(row));
                    if ended(row, over) {
                        changes.renewed.insert(client(row));
                    }
                }
            }
        });
    }

    /// What ends up to then may have been over to somebody who looked.
    pub(in crate::db) fn over(&self) -> DateTime<Utc> {
        self.now() + EARLY
    }

    /// Whether anything depends on the rows of `E` that are deleted.
    pub(in crate::db) fn must_note<E: Synced>() -> bool {
        !matches!((E::HELD, E::SIGHT), (Held::No(_), Sight::Nothing))
    }

    /// Notes that clients, or parts of their documents, were written by a statement of its own.
    pub(in crate::db) fn note_clients(&self, clients: impl IntoIterator<Item = ClientId>) {
        self.touch(|changes| {
            for id in clients {
                changes.mark(Document::of_client(id), Mark::Part);
            }
        });
    }

    /// Notes that other people may see these clients now.
    pub(in crate::db) fn note_sight_of(&self, clients: impl IntoIterator<Item = ClientId>) {
        self.touch(|changes| changes.clients.extend(clients));
    }

    /// Notes that shares of these clients were over and may let in again.
    pub(in crate::db) fn note_renewed(&self, clients: impl IntoIterator<Item = ClientId>) {
        self.touch(|changes| changes.renewed.extend(clients));
    }

    /// Notes that these users may see other clients now.
    pub(in crate::db) fn note_viewers(&self, viewers: impl IntoIterator<Item = UserId>) {
        self.touch(|changes| changes.viewers.extend(viewers));
    }

    /// Notes that everybody may be shown other facts of the clients they see: all devices fetch these anew.
    pub(in crate::db) fn note_other_facts(&self) {
        self.touch(|changes| changes.anew.add(Anew::Everybody));
    }

    /// Notes that what a user sees is kept from now on: all of it, or that it is more than a phone holds.
    pub(super) fn note_opening(&self, user: UserId, is_capped: bool) {
        self.touch(|changes| {
            changes.opening.insert(user, is_capped);
            if !is_capped {
                changes.viewers.insert(user);
            }
        });
    }

    pub(super) fn note_closing(&self, users: impl IntoIterator<Item = UserId>) {
        self.touch(|changes| changes.closing.extend(users));
    }
}

#[cfg(test)]
mod tests {
    use entity::SyncCollection;
    use uuid::Uuid;

    use super::super::held::SyncScope;
    use super::*;

    #[test]
    fn what_is_said_of_a_row_outweighs_what_is_said_of_its_parts() {
        let document = Document {
            scope: SyncScope::Client(ClientId(Uuid::nil())),
            collection: SyncCollection::Notes,
            row: Uuid::nil(),
        };
        for (marks, live) in [
            (&[Mark::Part][..], true),
            (&[Mark::Row(false), Mark::Part], false),
            (&[Mark::Part, Mark::Row(false)], false),
            (&[Mark::Row(false), Mark::Row(true)], true),
            (&[Mark::Row(true), Mark::Row(false)], false),
        ] {
            let mut changes = Changes::default();
            assert!(changes.is_empty());
            for mark in marks {
                changes.mark(document, *mark);
            }
            assert!(!changes.is_empty());
            let found: Vec<(Document, bool)> = changes.documents().collect();
            assert_eq!(found, [(document, live)], "{marks:?}");
        }
    }
}
