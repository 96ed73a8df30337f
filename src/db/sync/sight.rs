//! Which of the users with phones see which clients. Worked out from the business tables as a set, whenever
//! something changed that it depends on, and compared with what is kept: the difference is stamped.
//!
//! It says what [`scope`](super::super::scope) says of one viewer, for many at once; a test holds the two together.
//! As with every statement here, the clock is held already: what others committed before is seen, and what they
//! are about to commit will be compared by them, later.

use std::collections::BTreeSet;

use entity::{ClientId, UserId};
use sea_orm::{DbBackend, QueryResult, Value};

use super::super::session::Session;
use super::text::Text;
use crate::error::Result;

/// How many clients or users one statement is about.
const CHUNK: usize = 5_000;

/// How many users with a client each one statement is about.
const PAIRS: usize = 2_000;

/// What is compared.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// Everybody's sight of these clients.
    Clients(&'a [ClientId]),
    /// These users' sight of all clients.
    Viewers(&'a [UserId]),
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Whose sight of clients changed.
    pub(super) users: BTreeSet<UserId>,
    /// What belongs to these clients, to whom somebody who goes on seeing it is shown another parent now: none, or one.
    pub(super) children: BTreeSet<ClientId>,
}

impl Moved {
    fn extend(&mut self, other: Self) {
        self.users.extend(other.users);
        self.children.extend(other.children);
    }

    fn read(rows: &[QueryResult]) -> Result<Self> {
        let mut moved = Self::default();
        for row in rows {
            moved.users.insert(row.try_get("", "user_id")?);
            let child: Option<ClientId> = row.try_get("", "child_id")?;
            moved.children.extend(child);
        }
        Ok(moved)
    }
}

/// Who came to see a client, or lost it.
type Pair = (UserId, ClientId);

/// Compares everybody's sight of `clients` with what is kept. Whoever sees one of `renewed` by shares alone comes to see
/// it anew. Then compares the sight of `viewers`.
pub(super) async fn compare_all(
    session: &Session,
    seq: i64,
    clients: &BTreeSet<ClientId>,
    renewed: &BTreeSet<ClientId>,
    viewers: &BTreeSet<UserId>,
) -> Result<Moved> {
    let mut moved = Moved::default();
    let clients: Vec<ClientId> = clients.iter().copied().collect();
    for chunk in clients.chunks(CHUNK) {
        moved.extend(compare(session, seq, Part::Clients(chunk)).await?);
    }
    let renewed: Vec<ClientId> = renewed.iter().copied().collect();
    for chunk in renewed.chunks(CHUNK) {
        moved.extend(enter_again(session, seq, chunk).await?);
    }
    let viewers: Vec<UserId> = viewers.iter().copied().collect();
    for chunk in viewers.chunks(CHUNK) {
        moved.extend(compare(session, seq, Part::Viewers(chunk)).await?);
    }
    Ok(moved)
}

async fn compare(session: &Session, seq: i64, part: Part<'_>) -> Result<Moved> {
    if session.backend() == DbBackend::Postgres {
        return at_once(session, seq, part).await;
    }
    if let Part::Viewers(viewers) = part {
        cap(session, viewers).await?;
    }
    let mut pairs = leave(session, seq, part).await?;
    pairs.extend(enter(session, seq, part).await?);
    with_children(session, seq, pairs).await
}

/// Whoever sees `clients` by shares alone comes to see them anew, with all that they hold.
async fn enter_again(session: &Session, seq: i64, clients: &[ClientId]) -> Result<Moved> {
    let mut text = Text::new(session.backend());
    let place = text.value(seq);
    let list = text.list(clients.iter().copied());
    text.push(&format!(
        "UPDATE stream_scopes SET entered_seq = {place}, before_seq = {place}, head_seq = {place} \
         WHERE left_seq IS NULL AND is_guest = TRUE AND scope_id IN ({list}) RETURNING user_id, scope_id"
    ));
    let again = pairs(&session.query_all_raw(text.done()).await?)?;
    with_children(session, seq, again).await
}

/// What is left to tell of those who came to see a client or lost it: which clients that they go on seeing belong to it.
async fn with_children(session: &Session, seq: i64, pairs: Vec<Pair>) -> Result<Moved> {
    let mut moved = Moved::default();
    for chunk in pairs.chunks(PAIRS) {
        moved.users.extend(chunk.iter().map(|(user, _)| *user));
        let mut text = Text::new(session.backend());
        let place = text.value(seq);
        let id = if session.backend() == DbBackend::Postgres {
            "uuid"
        } else {
            "BLOB"
        };
        let rows: Vec<String> = chunk
            .iter()
            .map(|(user, client)| {
                let (user, client) = (text.value(*user), text.value(*client));
                format!("(CAST({user} AS {id}), CAST({client} AS {id}))")
            })
            .collect();
        let children = children(&place);
        // The order of the tables is the way: from those who moved, by the parent.
        text.push(&format!(
            "WITH moved(user_id, scope_id) AS (VALUES {}) \
             SELECT DISTINCT k.id AS child_id FROM moved m CROSS JOIN clients k CROSS JOIN stream_scopes s \
             WHERE {children}",
            rows.join(", ")
        ));
        for row in session.query_all_raw(text.done()).await? {
            moved.children.insert(row.try_get("", "child_id")?);
        }
    }
    Ok(moved)
}

/// That the client `k` belongs to one that `m` tells of, and that who came to see that, or lost it, sees `k` as before:
/// by `s`. Whoever comes to see both gets both.
fn children(place: &str) -> String {
    format!(
        "k.parent_id = m.scope_id AND s.user_id = m.user_id AND s.scope_id = k.id AND s.left_seq IS NULL \
         AND s.entered_seq < {place}"
    )
}

/// All of it in one statement: what it writes are different rows.
async fn at_once(session: &Session, seq: i64, part: Part<'_>) -> Result<Moved> {
    let mut text = Text::new(session.backend());
    let place = text.value(seq);
    let which = Which::of(&mut text, part);
    let open = which.open();
    match part {
        Part::Clients(_) => {
            let seen = seen(&mut text, session, &which, "NOT st.is_capped");
            text.push(&format!("WITH wanted AS ({seen}), "));
        }
        Part::Viewers(_) => {
            let seen = seen(&mut text, session, &which, "TRUE");
            let most = text.value(session.database().inner.stream_cap);
            let users = which.list;
            text.push(&format!(
                "WITH seen AS ({seen}), \
                 too_many AS (SELECT user_id FROM seen GROUP BY user_id HAVING COUNT(*) > {most}), \
                 capped AS (UPDATE sync_streams SET is_capped = user_id IN (SELECT user_id FROM too_many) \
                 WHERE user_id IN ({users})), \
                 wanted AS (SELECT user_id, scope_id, is_guest FROM seen \
                 WHERE user_id NOT IN (SELECT user_id FROM too_many)), "
            ));
        }
    }
    // What is kept is read here as it was before.
    let children = children(&place);
    text.push(&format!(
        "open AS ({open}), \
         gone AS (SELECT user_id, scope_id FROM open EXCEPT SELECT user_id, scope_id FROM wanted), \
         come AS (SELECT user_id, scope_id, is_guest FROM wanted \
         EXCEPT SELECT user_id, scope_id, is_guest FROM open), \
         leaving AS (UPDATE stream_scopes s SET left_seq = {place}, head_seq = {place} FROM gone \
         WHERE s.user_id = gone.user_id AND s.scope_id = gone.scope_id RETURNING s.user_id, s.scope_id), \
         entering AS (INSERT INTO stream_scopes (user_id, scope_id, entered_seq, left_seq, head_seq, is_guest) \
         SELECT user_id, scope_id, CAST({place} AS BIGINT), CAST(NULL AS BIGINT), CAST({place} AS BIGINT), is_guest \
         FROM come ON CONFLICT (user_id, scope_id) DO UPDATE SET entered_seq = excluded.entered_seq, \
         before_seq = COALESCE(stream_scopes.left_seq, excluded.entered_seq), \
         left_seq = NULL, head_seq = excluded.head_seq, is_guest = excluded.is_guest RETURNING user_id, scope_id), \
         moved AS (SELECT user_id, scope_id FROM leaving UNION ALL SELECT user_id, scope_id FROM entering) \
         SELECT DISTINCT m.user_id, c.child_id FROM moved m LEFT JOIN LATERAL \
         (SELECT k.id AS child_id FROM clients k JOIN stream_scopes s ON {children} OFFSET 0) c ON TRUE"
    ));
    Moved::read(&session.query_all_raw(text.done()).await?)
}

/// Marks those of `viewers` who see more than is kept.
async fn cap(session: &Session, viewers: &[UserId]) -> Result<()> {
    let mut text = Text::new(session.backend());
    let which = Which::of(&mut text, Part::Viewers(viewers));
    let seen = seen(&mut text, session, &which, "TRUE");
    let most = text.value(session.database().inner.stream_cap);
    let users = which.list;
    text.push(&format!(
        "UPDATE sync_streams SET is_capped = user_id IN \
         (SELECT user_id FROM ({seen}) AS seen GROUP BY user_id HAVING COUNT(*) > {most}) \
         WHERE user_id IN ({users})"
    ));
    session.execute_raw(text.done()).await?;
    Ok(())
}

async fn leave(session: &Session, seq: i64, part: Part<'_>) -> Result<Vec<Pair>> {
    let mut text = Text::new(session.backend());
    let place = text.value(seq);
    let which = Which::of(&mut text, part);
    let seen = seen(&mut text, session, &which, "NOT st.is_capped");
    let open = which.open();
    text.push(&format!(
        "UPDATE stream_scopes SET left_seq = {place}, head_seq = {place} \
         WHERE left_seq IS NULL AND (user_id, scope_id) IN \
         (SELECT user_id, scope_id FROM ({open}) AS open \
         EXCEPT SELECT user_id, scope_id FROM ({seen}) AS seen) RETURNING user_id, scope_id"
    ));
    pairs(&session.query_all_raw(text.done()).await?)
}

async fn enter(session: &Session, seq: i64, part: Part<'_>) -> Result<Vec<Pair>> {
    let mut text = Text::new(session.backend());
    let place = text.value(seq);
    let which = Which::of(&mut text, part);
    let seen = seen(&mut text, session, &which, "NOT st.is_capped");
    let open = which.open();
    text.push(&format!(
        "INSERT INTO stream_scopes (user_id, scope_id, entered_seq, left_seq, head_seq, is_guest) \
         SELECT user_id, scope_id, {place}, NULL, {place}, is_guest FROM ({seen} EXCEPT {open}) AS come WHERE TRUE \
         ON CONFLICT (user_id, scope_id) DO UPDATE SET entered_seq = excluded.entered_seq, \
         before_seq = COALESCE(stream_scopes.left_seq, excluded.entered_seq), left_seq = NULL, \
         head_seq = excluded.head_seq, is_guest = excluded.is_guest RETURNING user_id, scope_id"
    ));
    pairs(&session.query_all_raw(text.done()).await?)
}

/// What a statement is about, as conditions of its tables.
struct Which {
    /// The ids.
    list: String,
    /// Of the streams.
    streams: String,
    /// Of the clients.
    clients: String,
    /// Of their teams.
    members: String,
    /// Of what is kept.
    kept: String,
}

impl Which {
    fn of(text: &mut Text, part: Part<'_>) -> Self {
        let all = || "TRUE".to_owned();
        match part {
            Part::Clients(ids) => {
                let list = text.list(ids.iter().copied());
                Self {
                    streams: all(),
                    clients: format!("c.id IN ({list})"),
                    members: format!("m.client_id IN ({list})"),
                    kept: format!("scope_id IN ({list})"),
                    list,
                }
            }
            Part::Viewers(ids) => {
                let list = text.list(ids.iter().copied());
                Self {
                    streams: format!("st.user_id IN ({list})"),
                    clients: all(),
                    members: all(),
                    kept: format!("user_id IN ({list})"),
                    list,
                }
            }
        }
    }

    /// What is kept of it as seen.
    fn open(&self) -> String {
        let kept = &self.kept;
        format!(
            "SELECT user_id, scope_id, is_guest FROM stream_scopes WHERE left_seq IS NULL AND {kept}"
        )
    }
}

/// Who of those with a stream sees what. Their own clients and, for managers, those of everyone below them; what
/// any of these was let in to, for as long as that lasts; all for administrators, and what nobody owns for keepers
/// of the pool. Who sees a client only because somebody was let in is a guest: when that changes, they come to see
/// it anew, since other facts of it may be theirs to know.
fn seen(text: &mut Text, session: &Session, which: &Which, streams: &str) -> String {
    let now = text.value(Value::from(session.now()));
    let Which {
        streams: of_streams,
        clients,
        members,
        ..
    } = which;
    let viewers = format!(
        "sync_streams st JOIN users u ON u.id = st.user_id AND u.deactivated_at IS NULL \
         AND {streams} AND {of_streams}"
    );
    let reach =
        "JOIN user_reach r ON r.manager_id = st.user_id AND (r.depth = 0 OR u.role = 'MANAGER')";
    format!(
        "SELECT user_id, scope_id, MIN(guest) = 1 AS is_guest FROM (\
         SELECT st.user_id AS user_id, c.id AS scope_id, 0 AS guest FROM {viewers} {reach} \
         JOIN clients c ON c.owner_id = r.user_id WHERE {clients} \
         UNION ALL SELECT st.user_id, m.client_id, 1 FROM {viewers} {reach} \
         JOIN client_members m ON m.user_id = r.user_id \
         WHERE {members} AND (m.expires_at IS NULL OR m.expires_at > {now}) \
         UNION ALL SELECT st.user_id, c.id, 0 FROM {viewers} CROSS JOIN clients c \
         WHERE u.role = 'ADMIN' AND {clients} \
         UNION ALL SELECT st.user_id, c.id, 0 FROM {viewers} CROSS JOIN clients c \
         WHERE u.role = 'MANAGER' AND u.is_pool_keeper = TRUE AND c.owner_id IS NULL AND {clients}) AS ways \
         GROUP BY user_id, scope_id"
    )
}

fn pairs(rows: &[QueryResult]) -> Result<Vec<Pair>> {
    rows.iter()
        .map(|row| Ok((row.try_get("", "user_id")?, row.try_get("", "scope_id")?)))
        .collect()
}
