//! What phones are told by, compared with what it must say: worked out from the bare business tables, with the
//! oracle of sight, in plain code that shares nothing with the service.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use clientele::db::SyncScope;
use entity::{
    ClientId, DeviceId, ScopeKind, SyncCollection, UserId, address, client, client_member,
    client_tag, contact, note, order, order_line, payment, product, product_category, stream_scope,
    sync_clock, sync_issue, sync_item, sync_scope, sync_stream, tier, tier_scheme, user,
};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};
use uuid::Uuid;

use super::oracle::{Holding, Member, Organisation};
use crate::support::{App, Person};

/// A document: its scope, its kind, its row.
type Key = (Uuid, SyncCollection, Uuid);

/// All of the business tables as phones see them, and the projection beside it, at one moment.
pub struct Line {
    /// Where the clock stands.
    seq: i64,
    /// Every document: whether there is something to hold, and all that its rows say.
    documents: BTreeMap<Key, (bool, String)>,
    /// What is kept of documents.
    items: BTreeMap<Key, (i64, bool)>,
    /// What is kept of who sees what.
    seen: BTreeMap<(UserId, ClientId), stream_scope::Model>,
    /// What is kept of the other scopes.
    heads: BTreeMap<(ScopeKind, Uuid), i64>,
    /// Since when it is kept without a gap what somebody sees; nothing where all their devices were given up.
    streams: BTreeMap<UserId, i64>,
    /// Who sees what of those with a stream.
    visible: BTreeSet<(UserId, ClientId)>,
}

impl Line {
    /// Reads both, at `now`.
    pub async fn read(db: &DatabaseConnection, now: DateTime<Utc>) -> Self {
        let clock = all::<sync_clock::Entity>(db).await;
        let items = all::<sync_item::Entity>(db).await;
        let seen = all::<stream_scope::Entity>(db).await;
        let heads = all::<sync_scope::Entity>(db).await;
        let streams = all::<sync_stream::Entity>(db).await;
        Self {
            seq: clock[0].seq,
            documents: documents(db).await,
            items: items
                .into_iter()
                .map(|row| {
                    (
                        (row.scope_id, row.collection, row.row_id),
                        (row.seq, row.live),
                    )
                })
                .collect(),
            seen: seen
                .into_iter()
                .map(|row| ((row.user_id, row.scope_id), row))
                .collect(),
            heads: heads
                .into_iter()
                .map(|row| ((row.kind, row.id), row.head_seq))
                .collect(),
            streams: streams
                .into_iter()
                .map(|row| (row.user_id, row.opened_seq))
                .collect(),
            visible: visible(db, now).await,
        }
    }

    /// What the projection says wrongly.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, (live, _)) in &self.documents {
            match self.items.get(key) {
                Some((_, is)) if is == live => {}
                found => faults.push(format!("{key:?}: live {live}, kept {found:?}")),
            }
        }
        for (key, (seq, live)) in &self.items {
            if *live && !self.documents.contains_key(key) {
                faults.push(format!("{key:?} is kept and not there"));
            }
            if *seq > self.seq {
                faults.push(format!("{key:?} is at {seq}, beyond the clock"));
            }
        }
        let mut last: BTreeMap<(ScopeKind, Uuid), i64> = BTreeMap::new();
        for ((scope, collection, _), (seq, _)) in &self.items {
            let head = last.entry((collection.scope_kind(), *scope)).or_default();
            *head = (*head).max(*seq);
        }
        for (scope, seq) in &last {
            let head = self.heads.get(scope);
            if scope.0 != ScopeKind::Client && head != Some(seq) {
                faults.push(format!("{scope:?}: {seq}, kept {head:?}"));
            }
        }
        let open: BTreeSet<(UserId, ClientId)> = self
            .seen
            .iter()
            .filter(|(_, row)| row.left_seq.is_none())
            .map(|(key, _)| *key)
            .collect();
        for (user, client) in open.difference(&self.visible) {
            faults.push(format!("{user} is told of {client} and does not see it"));
        }
        for (user, client) in self.visible.difference(&open) {
            faults.push(format!("{user} sees {client} and is not told"));
        }
        for ((user, client), row) in &self.seen {
            let expected = match row.left_seq {
                Some(left) => left,
                // Nothing was written there since, or it was seen by then.
                None => row.entered_seq.max(
                    last.get(&(ScopeKind::Client, client.0))
                        .copied()
                        .unwrap_or_default(),
                ),
            };
            if row.head_seq != expected || row.left_seq.is_some_and(|left| left < row.entered_seq) {
                faults.push(format!("{user} at {client}: {row:?}, not {expected}"));
            }
        }
        faults
    }

    /// What of the change from `before` the projection does not show.
    pub fn missed_since(&self, before: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, said) in &self.documents {
            let is_told = self
                .items
                .get(key)
                .is_some_and(|(seq, _)| *seq > before.seq);
            if before.documents.get(key) != Some(said) && !is_told {
                faults.push(format!(
                    "{key:?} changed and is not told:\n  {:?}\n  {said:?}",
                    before.documents.get(key)
                ));
            }
        }
        for key in before.items.keys() {
            match self.items.get(key) {
                None => faults.push(format!("{key:?} is forgotten")),
                Some((seq, _)) if *seq < before.items[key].0 => {
                    faults.push(format!("{key:?} went back"));
                }
                Some(_) => {}
            }
        }
        // Devices of others begin anew, and are told of nothing before.
        let goes_on = |user: &UserId| self.streams.get(user).is_some_and(|at| *at <= before.seq);
        for key in before.seen.keys() {
            if !self.seen.contains_key(key) && goes_on(&key.0) {
                faults.push(format!("{key:?} went without a trace"));
            }
        }
        for key in self.visible.symmetric_difference(&before.visible) {
            let told = self.seen.get(key).is_some_and(|row| {
                row.entered_seq > before.seq || row.left_seq.is_some_and(|left| left > before.seq)
            });
            if !told && goes_on(&key.0) {
                faults.push(format!("{key:?} changed hands and nobody was told"));
            }
        }
        faults
    }

    /// How many documents changed since `before`, and how many came in or out of sight.
    pub fn size_since(&self, before: &Self) -> (usize, usize) {
        let documents = self
            .documents
            .iter()
            .filter(|(key, said)| before.documents.get(key) != Some(said));
        let seen = self.visible.symmetric_difference(&before.visible);
        (documents.count(), seen.count())
    }
}

async fn all<E: EntityTrait>(db: &DatabaseConnection) -> Vec<E::Model> {
    E::find().all(db).await.unwrap()
}

/// Every document there is, from the rows.
async fn documents(db: &DatabaseConnection) -> BTreeMap<Key, (bool, String)> {
    use SyncCollection as Of;
    let mut found: BTreeMap<Key, (bool, String)> = BTreeMap::new();
    let mut put = |scope: Uuid, of: Of, row: Uuid, live: bool, said: String| {
        let twin = found.insert((scope, of, row), (live, said));
        assert!(twin.is_none());
    };
    let tags = all::<client_tag::Entity>(db).await;
    for row in all::<client::Entity>(db).await {
        let id = row.id;
        let mut said = format!("{row:?}");
        for tag in tags.iter().filter(|tag| tag.client_id == id) {
            said.push_str(&tag.tag);
        }
        put(id.0, Of::Clients, id.0, true, said);
    }
    let lines = all::<order_line::Entity>(db).await;
    for row in all::<order::Entity>(db).await {
        let mut said = format!("{row:?}");
        for line in lines.iter().filter(|line| line.order_id == row.id) {
            said.push_str(&format!("{line:?}"));
        }
        put(row.client_id.0, Of::Orders, row.id.0, true, said);
    }
    macro_rules! of_client {
        ($($table:ident in $of:ident;)+) => {$(
            for row in all::<$table::Entity>(db).await {
                let live = row.archived_at.is_none();
                put(row.client_id.0, Of::$of, row.id.0, live, format!("{row:?}"));
            }
        )+};
    }
    of_client! {
        contact in Contacts;
        address in Addresses;
        note in Notes;
    }
    for row in all::<payment::Entity>(db).await {
        put(
            row.client_id.0,
            Of::Payments,
            row.id.0,
            true,
            format!("{row:?}"),
        );
    }
    macro_rules! of_catalogue {
        ($($table:ident in $of:ident;)+) => {$(
            for row in all::<$table::Entity>(db).await {
                let live = row.archived_at.is_none();
                put(SyncScope::CATALOGUE, Of::$of, row.id.0, live, format!("{row:?}"));
            }
        )+};
    }
    of_catalogue! {
        product in Products;
        product_category in Categories;
        tier_scheme in TierSchemes;
        tier in Tiers;
    }
    for row in all::<user::Entity>(db).await {
        put(row.id.0, Of::Users, row.id.0, true, format!("{row:?}"));
    }
    for row in all::<sync_issue::Entity>(db).await {
        let live = row.archived_at.is_none();
        put(
            row.user_id.0,
            Of::SyncIssues,
            row.id.0,
            live,
            format!("{row:?}"),
        );
    }
    found
}

/// Who of those with a stream sees what.
async fn visible(db: &DatabaseConnection, now: DateTime<Utc>) -> BTreeSet<(UserId, ClientId)> {
    let mut organisation = Organisation::default();
    let mut left = BTreeSet::new();
    for row in all::<user::Entity>(db).await {
        let member = Member {
            role: row.role,
            manager: row.manager_id,
            keeps_pool: row.is_pool_keeper,
        };
        organisation.users.insert(row.id, member);
        if row.deactivated_at.is_some() {
            left.insert(row.id);
        }
    }
    for row in all::<client::Entity>(db).await {
        let holding = Holding {
            owner: row.owner_id,
            ..Holding::default()
        };
        organisation.clients.insert(row.id, holding);
    }
    for row in all::<client_member::Entity>(db).await {
        let holding = organisation.clients.get_mut(&row.client_id).unwrap();
        holding.shares.insert(row.user_id, row.expires_at);
    }
    let mut visible = BTreeSet::new();
    for stream in all::<sync_stream::Entity>(db).await {
        assert!(!stream.is_capped, "{stream:?}");
        if left.contains(&stream.user_id) {
            continue;
        }
        let seen = organisation.visible(stream.user_id, now);
        visible.extend(seen.into_iter().map(|client| (stream.user_id, client)));
    }
    visible
}

/// A new device of a person comes; answers which.
pub async fn check_in(app: &App, person: &Person) -> Option<DeviceId> {
    let database = &app.server().database;
    // Somebody who has left, or was signed out, has no device that comes.
    let viewer = database.viewer(person.id, person.session).await.ok()?;
    let session = database.session(viewer, std::sync::Arc::default());
    let device = DeviceId(Uuid::now_v7());
    session
        .write(move |tx| async move { tx.check_in(device, Some(1)).await })
        .await
        .unwrap();
    Some(device)
}

/// Puts what was written past the service in the line, and lets the devices of `people` come anew.
pub async fn begin_anew(app: &App, db: &DatabaseConnection, people: &[&Person]) {
    put_in_line(app, db).await;
    for table in ["stream_scopes", "sync_streams"] {
        db.execute_unprepared(&format!("DELETE FROM {table}"))
            .await
            .unwrap();
    }
    for person in people {
        check_in(app, person).await;
    }
}

/// Puts what was written past the service in the line, as the step that makes the line does.
pub async fn put_in_line(app: &App, db: &DatabaseConnection) {
    let line = Line::read(db, app.server().clock.now()).await;
    let missing = |key: &&Key| !line.items.contains_key(*key);
    let missing: Vec<&Key> = line.documents.keys().filter(missing).collect();
    let items = missing.iter().map(|key| sync_item::ActiveModel {
        scope_id: Set(key.0),
        collection: Set(key.1),
        row_id: Set(key.2),
        seq: Set(1),
        added_seq: Set(1),
        live: Set(line.documents[*key].0),
    });
    for items in items.collect::<Vec<_>>().chunks(500) {
        sync_item::Entity::insert_many(items.to_vec())
            .exec_without_returning(db)
            .await
            .unwrap();
    }
    let owns: BTreeSet<(ScopeKind, Uuid)> = missing
        .iter()
        .map(|key| (key.1.scope_kind(), key.0))
        .filter(|scope| scope.0 == ScopeKind::User && !line.heads.contains_key(scope))
        .collect();
    for (_, id) in owns {
        let scope = sync_scope::ActiveModel {
            kind: Set(ScopeKind::User),
            id: Set(id),
            is_broadcast: Set(false),
            head_seq: Set(1),
        };
        sync_scope::Entity::insert(scope)
            .exec_without_returning(db)
            .await
            .unwrap();
    }
}
