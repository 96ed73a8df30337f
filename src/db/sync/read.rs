//! What a pull reads of the line of changes. All of one page belongs in one snapshot.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ScopeKind, SyncCollection};
use sea_orm::{DbBackend, FromQueryResult, QueryResult, Statement};
use uuid::Uuid;

use super::super::session::Session;
use super::held::SyncScope;
use super::text::Text;
use crate::error::Result;

/// Where the line of changes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Names the line; another one after a restore.
    pub epoch: Uuid,
    /// How far it has come. All changes up to here are in this snapshot.
    pub seq: i64,
}

/// What is kept for a user with phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Stream {
    /// From where on it is known which clients the user lost: a device whose position is below begins anew.
    pub opened_seq: i64,
    /// Whether the user sees more clients than a phone holds; then it holds none.
    pub is_capped: bool,
}

/// A scope in which something changed for the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which scope.
    pub scope: SyncScope,
    /// Since when the viewer holds it; 0 for what they always hold.
    pub entered_seq: i64,
    /// Up to when they held it before that, if they did.
    pub before_seq: Option<i64>,
    /// When the viewer lost it; none while they hold it.
    pub left_seq: Option<i64>,
    /// Its last change, or when it came or went.
    pub head_seq: i64,
}

/// A part of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Which scope.
    pub scope: SyncScope,
    /// What is after this place,
    pub after: Place,
    /// up to and with this position, or without end.
    pub until: Option<i64>,
}

/// A place in a scope, after which to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The position of the change.
    pub seq: i64,
    /// The number of the kind of document, since all changes of one transaction have one position.
    pub collection: i16,
    /// The row.
    pub row: Uuid,
}

/// A document of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct SyncItem {
    /// What kind of document.
    pub collection: SyncCollection,
    /// The id of its row.
    pub row_id: Uuid,
    /// The position of its last change.
    pub seq: i64,
    /// The position at which it came into the scope first.
    pub added_seq: i64,
    /// Whether there is something to hold: else a tombstone.
    pub live: bool,
}

impl SyncItem {
    /// Where it stands in its scope.
    pub fn place(&self) -> Place {
        Place {
            seq: self.seq,
            collection: number_of(self.collection),
            row: self.row_id,
        }
    }
}

/// The number of a kind of document, as rows and tokens hold it.
pub fn number_of(collection: SyncCollection) -> i16 {
    sea_orm::ActiveEnum::to_value(&collection)
}

/// The kind of document with that number.
pub fn collection_of(number: i16) -> Option<SyncCollection> {
    sea_orm::ActiveEnum::try_from_value(&number).ok()
}

impl Session {
    /// Where the line of changes is.
    ///
    /// # Errors
    /// From the database.
    pub async fn sync_position(&self) -> Result<Position> {
        let statement = Statement::from_string(self.backend(), "SELECT epoch, seq FROM sync_clock");
        match self.query_one_raw(statement).await? {
            Some(row) => Ok(Position {
                epoch: row.try_get("", "epoch")?,
                seq: row.try_get("", "seq")?,
            }),
            None => Err(crate::Error::bug("there is no clock")),
        }
    }

    /// What is kept for the viewer; nothing before a device of theirs came ([`super::super::Tx::check_in`]).
    ///
    /// # Errors
    /// From the database.
    pub async fn stream(&self) -> Result<Option<Stream>> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT opened_seq, is_capped FROM sync_streams WHERE user_id = $1",
            [self.viewer().user_id().into()],
        );
        let row = self.query_one_raw(statement).await?;
        row.map(|row| Ok(Stream::from_query_result(&row, "")?))
            .transpose()
    }

    /// The scopes of the viewer in which something happened to documents of these kinds after `seq`, in the order in
    /// which to fetch them: by their rank, which never changes ([`SyncScope::rank`]), then by id; those from `from`, a
    /// rank and an id, on. One index probe, and one per scope that is not a client's; where only some kinds of documents
    /// of clients are asked for, one more per scope in which anything happened.
    ///
    /// # Errors
    /// From the database.
    pub async fn sync_heads(
        &self,
        seq: i64,
        collections: &BTreeSet<SyncCollection>,
        from: Option<(u8, Uuid)>,
    ) -> Result<Vec<Head>> {
        let mut text = Text::new(self.backend());
        let seq = text.value(seq);
        let mut parts = Vec::new();
        let clients = SyncScope::of(ScopeKind::Client, Uuid::nil());
        if from.is_none_or(|(rank, _)| rank <= clients.rank())
            && let Some(any) = any_of(&mut text, ScopeKind::Client, collections, &seq)
        {
            let user = text.value(self.viewer().user_id());
            let (kind, rank) = (text.value(ScopeKind::Client), clients.rank());
            let first = match from.filter(|(at, _)| *at == rank) {
                Some((_, id)) => format!("n.scope_id >= {}", text.value(id)),
                None => "TRUE".to_owned(),
            };
            parts.push(format!(
                "SELECT CAST({kind} AS SMALLINT) AS kind, n.scope_id AS id, n.entered_seq, n.before_seq, n.left_seq, n.head_seq, \
                 {rank} AS place FROM stream_scopes n WHERE n.user_id = {user} AND n.head_seq > {seq} AND {first} \
                 AND {any}"
            ));
        }
        let own = self.viewer().user_id().map(SyncScope::User);
        for scope in own.into_iter().chain([SyncScope::Catalogue]) {
            if from.is_none_or(|from| from <= (scope.rank(), scope.id()))
                && let Some(any) = any_of(&mut text, scope.kind(), collections, &seq)
            {
                let (kind, id) = (text.value(scope.kind()), text.value(scope.id()));
                parts.push(format!(
                    "SELECT n.kind, n.id, CAST(0 AS BIGINT) AS entered_seq, CAST(NULL AS BIGINT) AS before_seq, \
                     CAST(NULL AS BIGINT) AS left_seq, \
                     n.head_seq, {} AS place FROM sync_scopes n WHERE n.kind = {kind} AND n.id = {id} \
                     AND n.head_seq > {seq} AND {any}",
                    scope.rank()
                ));
            }
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        text.push(&format!("{} ORDER BY place, id", parts.join(" UNION ALL ")));
        self.query_all_raw(text.done())
            .await?
            .iter()
            .map(head)
            .collect()
    }

    /// The documents of these kinds in scopes of the viewer, each scope from a place on, in the order in which the
    /// scopes are given by id and of the places in each; at most `limit`. Nothing where the viewer never held the
    /// scope. All scopes are of one kind.
    ///
    /// # Errors
    /// `INTERNAL` for scopes of several kinds; from the database.
    pub async fn sync_items(
        &self,
        stretches: &[Stretch],
        collections: &BTreeSet<SyncCollection>,
        limit: u64,
    ) -> Result<Vec<(SyncScope, SyncItem)>> {
        let user = self.viewer().user_id();
        let held = stretches.iter().filter(|stretch| match stretch.scope {
            SyncScope::User(other) => Some(other) == user,
            SyncScope::Client(_) | SyncScope::Catalogue => true,
        });
        let held: Vec<&Stretch> = held.collect();
        let Some(kind) = held.first().map(|stretch| stretch.scope.kind()) else {
            return Ok(Vec::new());
        };
        if held.iter().any(|stretch| stretch.scope.kind() != kind) {
            return Err(crate::Error::bug("scopes of several kinds at once"));
        }
        // Documents of a user whose id is that of a client are of another scope.
        let kinds = collections.iter().filter(|one| one.scope_kind() == kind);
        let kinds: Vec<SyncCollection> = kinds.copied().collect();
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let mut text = Text::new(self.backend());
        // Of each scope no more is read than the page takes: else each page would sort all that is left.
        if self.backend() != DbBackend::Postgres {
            let kinds = text.list(kinds);
            let user = text.value(user);
            let limit = text.value(i64::try_from(limit).unwrap_or(i64::MAX));
            let parts: Vec<String> = held
                .iter()
                .map(|stretch| {
                    let Place {
                        seq,
                        collection,
                        row,
                    } = stretch.after;
                    let scope = text.value(stretch.scope.id());
                    let seq = text.value(seq);
                    let until = text.value(stretch.until.unwrap_or(i64::MAX));
                    let (collection, row) = (text.value(collection), text.value(row));
                    let seen = if kind == ScopeKind::Client {
                        format!(
                            "AND EXISTS (SELECT 1 FROM stream_scopes s WHERE s.user_id = {user} AND s.scope_id = {scope})"
                        )
                    } else {
                        String::new()
                    };
                    format!(
                        "SELECT * FROM (SELECT {COLUMNS} FROM sync_items i WHERE i.scope_id = {scope} \
                         AND i.seq >= {seq} AND i.seq <= {until} \
                         AND (i.seq, i.collection, i.row_id) > ({seq}, {collection}, {row}) \
                         AND i.collection IN ({kinds}) {seen} \
                         ORDER BY i.seq, i.collection, i.row_id LIMIT {limit})"
                    )
                })
                .collect();
            text.push(&format!(
                "{} ORDER BY scope_id, seq, collection, row_id LIMIT {limit}",
                parts.join(" UNION ALL ")
            ));
            return items(kind, &self.query_all_raw(text.done()).await?);
        }
        let rows: Vec<String> = held
            .iter()
            .map(|stretch| {
                let Place {
                    seq,
                    collection,
                    row,
                } = stretch.after;
                let until = stretch.until.unwrap_or(i64::MAX);
                format!(
                    "(CAST({} AS uuid), CAST({} AS BIGINT), CAST({} AS SMALLINT), CAST({} AS uuid), \
                     CAST({} AS BIGINT))",
                    text.value(stretch.scope.id()),
                    text.value(seq),
                    text.value(collection),
                    text.value(row),
                    text.value(until),
                )
            })
            .collect();
        let kinds = text.list(kinds);
        let seen = if kind == ScopeKind::Client {
            let user = text.value(user);
            format!("JOIN stream_scopes s ON s.user_id = {user} AND s.scope_id = w.scope_id ")
        } else {
            String::new()
        };
        let limit = text.value(i64::try_from(limit).unwrap_or(i64::MAX));
        text.push(&format!(
            "WITH wanted(scope_id, seq, collection, row_id, until) AS (VALUES {}) \
             SELECT i.* FROM wanted w {seen}\
             CROSS JOIN LATERAL (SELECT {COLUMNS} FROM sync_items i WHERE i.scope_id = w.scope_id \
             AND i.seq >= w.seq AND i.seq <= w.until \
             AND (i.seq, i.collection, i.row_id) > (w.seq, w.collection, w.row_id) \
             AND i.collection IN ({kinds}) ORDER BY i.seq, i.collection, i.row_id LIMIT {limit}) i \
             ORDER BY i.scope_id, i.seq, i.collection, i.row_id LIMIT {limit}",
            rows.join(", ")
        ));
        items(kind, &self.query_all_raw(text.done()).await?)
    }

    /// Up to where traces of what is gone were cleared away: a device whose position is below that of a
    /// collection it holds begins anew.
    ///
    /// # Errors
    /// From the database.
    pub async fn sync_horizons(&self) -> Result<BTreeMap<SyncCollection, i64>> {
        let statement = Statement::from_string(
            self.backend(),
            "SELECT collection, purged_seq FROM sync_horizons",
        );
        self.query_all_raw(statement)
            .await?
            .iter()
            .map(|row| {
                Ok((
                    row.try_get("", "collection")?,
                    row.try_get("", "purged_seq")?,
                ))
            })
            .collect()
    }
}

/// What is read of an item.
const COLUMNS: &str = "i.scope_id, i.collection, i.row_id, i.seq, i.added_seq, i.live";

fn items(kind: ScopeKind, rows: &[QueryResult]) -> Result<Vec<(SyncScope, SyncItem)>> {
    rows.iter()
        .map(|row| {
            let scope = SyncScope::of(kind, row.try_get("", "scope_id")?);
            Ok((scope, SyncItem::from_query_result(row, "")?))
        })
        .collect()
}

/// What a scope `n` of a kind must have to be looked through, of which something happened after `since`: any document of
/// these kinds then; of a client that came or went since, any at all. Nothing to ask where all kinds of documents of
/// such scopes are looked for; none where none of them are.
pub(super) fn any_of(
    text: &mut Text,
    kind: ScopeKind,
    collections: &BTreeSet<SyncCollection>,
    since: &str,
) -> Option<String> {
    let in_such = |one: &SyncCollection| one.scope_kind() == kind;
    let wanted: Vec<SyncCollection> = collections.iter().copied().filter(in_such).collect();
    if wanted.is_empty() {
        return None;
    }
    if <SyncCollection as sea_orm::Iterable>::iter()
        .filter(in_such)
        .count()
        == wanted.len()
    {
        return Some("TRUE".to_owned());
    }
    let wanted = text.list(wanted);
    let (id, after) = match kind {
        ScopeKind::Client => (
            "n.scope_id",
            format!(
                "CASE WHEN n.entered_seq > {since} OR n.left_seq > {since} THEN 0 ELSE {since} END"
            ),
        ),
        ScopeKind::User | ScopeKind::Catalogue => ("n.id", since.to_owned()),
    };
    Some(format!(
        "EXISTS (SELECT 1 FROM sync_items i WHERE i.scope_id = {id} AND i.collection IN ({wanted}) \
         AND i.seq > {after})"
    ))
}

fn head(row: &QueryResult) -> Result<Head> {
    let kind: ScopeKind = row.try_get("", "kind")?;
    let id: Uuid = row.try_get("", "id")?;
    Ok(Head {
        scope: SyncScope::of(kind, id),
        entered_seq: row.try_get("", "entered_seq")?,
        before_seq: row.try_get("", "before_seq")?,
        left_seq: row.try_get("", "left_seq")?,
        head_seq: row.try_get("", "head_seq")?,
    })
}
