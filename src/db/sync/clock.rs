//! The clock, and what is written while it is held: the last statements of a writing transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::{ClientId, ScopeKind};
use futures_util::future::BoxFuture;
use sea_orm::{DbBackend, QueryResult, Statement};

use super::super::session::Session;
use super::changes::{Anew, Changes};
use super::held::{Document, SyncScope};
use super::sight;
use super::text::Text;
use crate::error::{Error, Result};
use crate::live::{Kinds, News, Poke, Touch};

/// How many documents one statement writes.
const CHUNK: usize = 2_000;

/// How positions are given to changes.
///
/// What it must hold: whoever saw a position in a snapshot never sees, later, a change at that position or below
/// that this snapshot lacked.
pub(in crate::db) trait ChangeClock: Send + Sync {
    /// Writes `changes` down at the next position; the last act of the transaction of `session`. Answers what to tell
    /// after it.
    fn keep<'a>(&'a self, session: &'a Session, changes: Changes) -> BoxFuture<'a, Result<News>>;
}

/// Positions in the order of commits: the one row of the clock is taken as the last act of every transaction
/// that writes, and held until it is committed, so that the next waits for that.
///
/// On PostgreSQL the clock is taken by a statement of its own: one that also wrote the rest would look at it as it
/// was before the wait, and miss who came in sight meanwhile. What is read and written after it is seen by no
/// waiting transaction, and held by none.
#[derive(Clone, Copy, Debug)]
pub(in crate::db) struct Inline;

impl ChangeClock for Inline {
    fn keep<'a>(&'a self, session: &'a Session, changes: Changes) -> BoxFuture<'a, Result<News>> {
        Box::pin(async move {
            let seq = match session.within.as_ref().and_then(|unit| unit.position()) {
                Some(taken) => taken,
                None => tick(session).await?,
            };
            write(session, seq, &changes).await
        })
    }
}

/// Takes the clock until the end of the transaction, and answers the next position.
pub(in crate::db) async fn tick(session: &Session) -> Result<i64> {
    let statement = Statement::from_string(
        session.backend(),
        "UPDATE sync_clock SET seq = seq + 1 RETURNING seq",
    );
    match session.query_one_raw(statement).await? {
        Some(row) => Ok(row.try_get("", "seq")?),
        None => Err(Error::bug("there is no clock")),
    }
}

/// Writes `changes` down at `seq`. Answers whose phones should look for them: a hint, since who misses it finds everything
/// by pulling.
pub(in crate::db) async fn write(session: &Session, seq: i64, changes: &Changes) -> Result<News> {
    let mut poke = Poke::default();
    streams(session, seq, changes).await?;
    let moved = sight::compare_all(
        session,
        seq,
        &changes.clients,
        &changes.renewed,
        &changes.viewers,
    );
    let sight::Moved {
        users: mut moved,
        children,
    } = moved.await?;
    match &changes.anew {
        Anew::Users(users) => moved.extend(users),
        Anew::Everybody => poke.everyone.absorb(Touch::of_other_clients()),
    }
    for user in moved {
        poke.touch(user, Touch::of_other_clients());
    }
    // What a client belongs to is shown to who sees that, so its document is another one to who does now, or no longer.
    let mut documents: BTreeMap<Document, bool> = children
        .into_iter()
        .map(|id| (Document::of_client(id), true))
        .collect();
    documents.extend(changes.documents());
    let documents: Vec<(Document, bool)> = documents.into_iter().collect();
    for chunk in documents.chunks(CHUNK) {
        documents_at(session, seq, chunk, &mut poke).await?;
    }
    for (document, _) in documents {
        let touch = Touch::of([document.collection].into_iter().collect());
        match document.scope {
            // Whoever holds it was just answered.
            SyncScope::Client(_) => {}
            SyncScope::User(user) => poke.touch(user, touch),
            SyncScope::Catalogue => poke.everyone.absorb(touch),
        }
    }
    Ok(News {
        seq: (!poke.is_empty()).then_some(seq),
        poke,
        ..News::default()
    })
}

/// Begins and ends to keep the clients of users.
async fn streams(session: &Session, seq: i64, changes: &Changes) -> Result<()> {
    if !changes.closing.is_empty() {
        let idle = "NOT EXISTS (SELECT 1 FROM sync_devices d WHERE d.user_id = sync_streams.user_id \
             AND d.expired_at IS NULL)";
        let mut text = Text::new(session.backend());
        let users = text.list(changes.closing.iter().copied());
        text.push(&format!(
            "DELETE FROM sync_streams WHERE user_id IN ({users}) AND {idle}"
        ));
        session.execute_raw(text.done()).await?;
        let mut text = Text::new(session.backend());
        let users = text.list(changes.closing.iter().copied());
        text.push(&format!(
            "DELETE FROM stream_scopes WHERE user_id IN ({users}) AND user_id NOT IN \
             (SELECT user_id FROM sync_streams)"
        ));
        session.execute_raw(text.done()).await?;
    }
    if !changes.opening.is_empty() {
        let now: DateTime<Utc> = session.now();
        let mut text = Text::new(session.backend());
        let (place, now) = (text.value(seq), text.value(now));
        let rows: Vec<String> = changes
            .opening
            .iter()
            .map(|(user, is_capped)| {
                format!("({}, {place}, {now}, {is_capped})", text.value(*user))
            })
            .collect();
        text.push(&format!(
            "INSERT INTO sync_streams (user_id, opened_seq, opened_at, is_capped) VALUES {} \
             ON CONFLICT (user_id) DO NOTHING",
            rows.join(", ")
        ));
        session.execute_raw(text.done()).await?;
    }
    if !changes.anew.is_nobody() {
        let mut text = Text::new(session.backend());
        let place = text.value(seq);
        text.push(&format!("UPDATE sync_streams SET opened_seq = {place}"));
        if let Anew::Users(users) = &changes.anew {
            let users = text.list(users.iter().copied());
            text.push(&format!(" WHERE user_id IN ({users})"));
        }
        session.execute_raw(text.done()).await?;
    }
    Ok(())
}

/// Puts documents at `seq`, and with them their scopes, for all who hold these. Notes who holds the clients.
async fn documents_at(
    session: &Session,
    seq: i64,
    documents: &[(Document, bool)],
    poke: &mut Poke,
) -> Result<()> {
    let scopes: BTreeSet<SyncScope> = documents.iter().map(|(one, _)| one.scope).collect();
    let mut kinds: BTreeMap<ClientId, Kinds> = BTreeMap::new();
    for (document, _) in documents {
        if let SyncScope::Client(id) = document.scope {
            let known = kinds.entry(id).or_default();
            *known = known.with([document.collection].into_iter().collect());
        }
    }
    let clients: Vec<ClientId> = kinds.keys().copied().collect();
    let others: Vec<SyncScope> = scopes
        .iter()
        .filter(|scope| scope.kind() != ScopeKind::Client)
        .copied()
        .collect();
    let parts = Parts {
        documents,
        others: &others,
        clients: &clients,
    };
    if session.backend() == DbBackend::Postgres {
        let mut text = Text::new(session.backend());
        let place = text.value(seq);
        let mut before = vec![format!("items AS ({})", parts.items(&mut text, &place))];
        if !others.is_empty() {
            before.push(format!("scopes AS ({})", parts.scopes(&mut text, &place)));
        }
        let heads = if clients.is_empty() {
            "SELECT user_id, user_id AS scope_id FROM sync_streams WHERE FALSE".to_owned()
        } else {
            parts.heads(&mut text, &place)
        };
        text.push(&format!("WITH {} {heads}", before.join(", ")));
        return holders(&session.query_all_raw(text.done()).await?, &kinds, poke);
    }
    let begin = || {
        let mut text = Text::new(session.backend());
        let place = text.value(seq);
        (text, place)
    };
    let (mut text, place) = begin();
    let items = parts.items(&mut text, &place);
    text.push(&items);
    session.execute_raw(text.done()).await?;
    if !others.is_empty() {
        let (mut text, place) = begin();
        let scopes = parts.scopes(&mut text, &place);
        text.push(&scopes);
        session.execute_raw(text.done()).await?;
    }
    if clients.is_empty() {
        return Ok(());
    }
    let (mut text, place) = begin();
    let heads = parts.heads(&mut text, &place);
    text.push(&heads);
    holders(&session.query_all_raw(text.done()).await?, &kinds, poke)
}

/// Notes who holds which client, with the kinds of documents that changed there.
fn holders(rows: &[QueryResult], kinds: &BTreeMap<ClientId, Kinds>, poke: &mut Poke) -> Result<()> {
    for row in rows {
        let client: ClientId = row.try_get("", "scope_id")?;
        let kinds = kinds.get(&client).copied().unwrap_or_default();
        poke.touch(row.try_get("", "user_id")?, Touch::of(kinds));
    }
    Ok(())
}

/// What is written of documents.
struct Parts<'a> {
    documents: &'a [(Document, bool)],
    others: &'a [SyncScope],
    clients: &'a [ClientId],
}

impl Parts<'_> {
    fn items(&self, text: &mut Text, place: &str) -> String {
        let rows: Vec<String> = self
            .documents
            .iter()
            .map(|(document, live)| {
                format!(
                    "({}, {}, {}, {place}, {place}, {live})",
                    text.value(document.scope.id()),
                    text.value(document.collection),
                    text.value(document.row),
                )
            })
            .collect();
        format!(
            "INSERT INTO sync_items (scope_id, collection, row_id, seq, added_seq, live) VALUES {} \
             ON CONFLICT (scope_id, collection, row_id) DO UPDATE SET seq = excluded.seq, live = excluded.live",
            rows.join(", ")
        )
    }

    fn scopes(&self, text: &mut Text, place: &str) -> String {
        let rows: Vec<String> = self
            .others
            .iter()
            .map(|scope| {
                let is_broadcast = *scope == SyncScope::Catalogue;
                let (kind, id) = (text.value(scope.kind()), text.value(scope.id()));
                format!("({kind}, {id}, {is_broadcast}, {place})")
            })
            .collect();
        format!(
            "INSERT INTO sync_scopes (kind, id, is_broadcast, head_seq) VALUES {} \
             ON CONFLICT (kind, id) DO UPDATE SET head_seq = excluded.head_seq",
            rows.join(", ")
        )
    }

    fn heads(&self, text: &mut Text, place: &str) -> String {
        let clients = text.list(self.clients.iter().copied());
        format!(
            "UPDATE stream_scopes SET head_seq = {place} WHERE left_seq IS NULL \
             AND scope_id IN ({clients}) RETURNING user_id, scope_id"
        )
    }
}
