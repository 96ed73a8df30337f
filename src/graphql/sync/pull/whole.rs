//! `sync`: all collections at once. Beside it what repairs: digests, and manifests where these differ.

use std::collections::BTreeSet;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{ClientId, DeviceId, ScopeKind, SyncCollection};
use ring::digest;
use uuid::Uuid;

use super::super::scalars::SafeInt;
use super::collections::{Shelves, SyncPage, manifest, wire_id};
use super::{Pulled, SyncCheckpointInput, all_kinds};
use crate::db::Session;
use crate::domain::pulls::{self, From, MAX_LIMIT, Pull};
use crate::error::{Error, Result};
use crate::graphql::context::session;
use crate::graphql::pace::Listed;
use crate::graphql::scalars::{DateTime, int};
use crate::say;
use crate::sync::plan::{ScopeEventKind, Surface, TombstoneReason};

/// How many rows a digest reads at once.
const DIGESTED: u64 = 5_000;

/// What becomes of documents that a pull does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SyncStrategy {
    /// They stay.
    Incremental,
    /// They are removed after the last page: the phone held nothing, or has to begin anew. With another watermark than that of the page before, the pull itself begins anew: what its earlier pages named does not count.
    Replace,
}

/// Whether a client came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SyncScopeEventKind {
    /// You see it now, or see other facts of it; its documents follow.
    Entered,
    /// You no longer see it; tombstones of its documents follow.
    Left,
}

/// A client that came or went with all that hangs on it.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncScopeEvent {
    /// Which of the two.
    kind: SyncScopeEventKind,
    /// The client.
    client_id: ClientId,
}

impl SyncScopeEvent {
    pub(super) fn new(id: Uuid, kind: ScopeEventKind) -> Self {
        Self {
            kind: match kind {
                ScopeEventKind::Entered => SyncScopeEventKind::Entered,
                ScopeEventKind::Left => SyncScopeEventKind::Left,
            },
            client_id: ClientId(id),
        }
    }
}

/// Why a document is gone from a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SyncTombstoneReason {
    /// It was deleted or put away.
    Deleted,
    /// It is no longer yours to see.
    ScopeLeft,
}

/// A document that is gone.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncTombstone {
    /// What kind of document.
    collection: SyncCollection,
    /// Its id. Phones may never have held it.
    id: ID,
    /// Why.
    reason: SyncTombstoneReason,
}

impl SyncTombstone {
    pub(super) fn new(collection: SyncCollection, id: ID, reason: TombstoneReason) -> Self {
        Self {
            collection,
            id,
            reason: match reason {
                TombstoneReason::Deleted => SyncTombstoneReason::Deleted,
                TombstoneReason::ScopeLeft => SyncTombstoneReason::ScopeLeft,
            },
        }
    }
}

/// What a phone holds and asks for.
#[derive(Clone, Debug, InputObject)]
pub struct SyncPullInput {
    /// What the page before came with; absent when the phone holds nothing. Not together with `since`.
    checkpoint: Option<SyncCheckpointInput>,
    /// In place of a checkpoint, the watermark of the last pull that was completed, for clients that keep a number (WatermelonDB's `lastPulledAt`). Pages after the first go by `checkpoint`.
    since: Option<SafeInt>,
    /// The kinds of documents the phone holds; all when absent. Asked for others than before, a phone begins anew.
    collections: Option<Vec<SyncCollection>>,
    /// How many documents and tombstones the page has at most, 1 to 5,000; more is an error.
    #[graphql(default = 1000)]
    limit: i32,
    /// The version of the documents that the app was made for.
    schema_version: i32,
    /// The phone; the one of your session when absent.
    device_id: Option<DeviceId>,
}

/// What a phone should hold of a collection, in a few bytes.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncDigest {
    /// What kind of document.
    collection: SyncCollection,
    /// How many.
    count: i32,
    /// All of them: the exclusive or of the first 8 bytes of the SHA-256 of `<id>:<version>` of each, as 16 hexadecimal digits.
    xor: String,
    /// The position at which this holds.
    watermark: SafeInt,
}

/// A document that a phone should hold.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncManifestRow {
    /// Its id.
    id: ID,
    /// Its version.
    version: i32,
    #[graphql(skip)]
    row: Uuid,
}

/// What a phone should hold of a collection, row by row.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncManifest {
    /// Ids and versions, in the order of ids.
    rows: Listed<SyncManifestRow>,
    /// The last id of the page, to go on after it.
    end: Option<ID>,
    /// Whether there is more.
    has_more: bool,
}

/// A page of the manifest of one kind.
pub(super) async fn manifest_of<T: Pulled>(
    session: &Session,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<SyncManifestRow>> {
    session
        .manifest::<T::Table>(T::held(session), after, limit)
        .await?
        .into_iter()
        .map(|(row, version)| {
            Ok(SyncManifestRow {
                id: wire_id(T::COLLECTION, row),
                version: int(version)?,
                row,
            })
        })
        .collect()
}

/// Whether phones of the viewer hold nothing of a kind, since they see too many clients.
async fn is_capped(session: &Session, collection: SyncCollection) -> Result<bool> {
    if collection.scope_kind() != ScopeKind::Client {
        return Ok(false);
    }
    match session.stream().await? {
        Some(stream) => Ok(stream.is_capped),
        // What would be found when a phone comes.
        None => Ok(!session.fits_a_phone().await?),
    }
}

async fn digest(session: &Session, collection: SyncCollection) -> Result<SyncDigest> {
    let mut count = 0_usize;
    let mut xor = 0_u64;
    let mut after = None;
    let mut is_over = is_capped(session, collection).await?;
    while !is_over {
        let rows = manifest(session, collection, after, DIGESTED).await?;
        for row in &rows {
            let line = format!("{}:{}", row.id.as_str(), row.version);
            let hash = digest::digest(&digest::SHA256, line.as_bytes());
            let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
            xor ^= u64::from_be_bytes(first);
        }
        count = count.saturating_add(rows.len());
        after = rows.last().map(|last| last.row).or(after);
        is_over = rows.is_empty();
    }
    Ok(SyncDigest {
        collection,
        count: int(i64::try_from(count).map_err(Error::internal)?)?,
        xor: format!("{xor:016x}"),
        watermark: SafeInt::place(session.sync_position().await?.seq),
    })
}

/// Pulling all collections at once.
#[derive(Default)]
pub struct SyncQuery;

#[Object]
impl SyncQuery {
    /// The next page of what a phone lacks of what you see, of all collections: documents as they are now, and tombstones of what is gone. Repeat it while `hasMore`. Store each page and its checkpoint together.
    async fn sync(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the phone holds and asks for.")] input: SyncPullInput,
    ) -> Result<SyncPage> {
        let SyncPullInput {
            checkpoint,
            since,
            collections,
            limit,
            schema_version,
            device_id,
        } = input;
        let session = session(ctx)?;
        let from = match (checkpoint, since) {
            (Some(_), Some(_)) => {
                return Err(Error::bad_input(
                    "input.since",
                    say!("say either `checkpoint` or `since`"),
                ));
            }
            (Some(checkpoint), None) => From::Token(checkpoint.token),
            (None, Some(since)) if since.count() > 0 => From::Watermark(since.count()),
            (None, _) => From::Nothing,
        };
        let collections = match collections {
            Some(some) if some.is_empty() => {
                return Err(Error::bad_input(
                    "input.collections",
                    say!("name at least one collection"),
                ));
            }
            Some(some) => some.into_iter().collect(),
            None => all_kinds(),
        };
        let pull = Pull {
            device: device_id,
            schema_version: Some(schema_version),
            surface: Surface::Whole,
            collections,
            from,
            limit: i64::from(limit),
        };
        let mut shelves = Shelves::default();
        let page = pulls::page(session, &pull, &mut shelves)
            .await
            .map_err(|error| error.under("input"))?;
        SyncPage::new(ctx, page, shelves, DateTime(session.now()))
    }

    /// What your phones should hold, collection by collection, in a few bytes: to be compared with the same made of what a phone holds. Where it differs, `syncManifest` says in what.
    async fn sync_digest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which collections; all when absent.")] collections: Option<
            Vec<SyncCollection>,
        >,
    ) -> Result<Listed<SyncDigest>> {
        let collections: BTreeSet<SyncCollection> = match collections {
            Some(some) => some.into_iter().collect(),
            None => all_kinds(),
        };
        let snapshot = session(ctx)?.snapshot().await?;
        let digests = async {
            snapshot.require_kept_session().await?;
            let mut digests = Vec::with_capacity(collections.len());
            for collection in collections {
                digests.push(digest(&snapshot, collection).await?);
            }
            Ok(Listed(digests))
        };
        let digests = digests.await;
        snapshot.end().await?;
        digests
    }

    /// Ids and versions of all documents of a collection that your phones should hold, page by page.
    async fn sync_manifest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The collection.")] collection: SyncCollection,
        #[graphql(desc = "Go on after this id: the `end` of the page before.")] after: Option<ID>,
        #[graphql(desc = "How many rows the page has at most, 1 to 5,000.")] limit: i32,
    ) -> Result<SyncManifest> {
        let most = usize::try_from(limit).ok().filter(|most| *most > 0);
        let Some(most) = most.filter(|most| *most <= MAX_LIMIT) else {
            return Err(Error::bad_input(
                "limit",
                say!("a page has 1 to {most} rows", most = MAX_LIMIT),
            ));
        };
        let after = after.map(|id| {
            let named = entity::ids::split(&id).filter(|(_, row)| wire_id(collection, *row) == id);
            named
                .map(|(_, row)| row)
                .ok_or_else(|| Error::bad_input("after", say!("this is no id of that collection")))
        });
        let after = after.transpose()?;
        let snapshot = session(ctx)?.snapshot().await?;
        let wanted = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        let rows = async {
            snapshot.require_kept_session().await?;
            if is_capped(&snapshot, collection).await? {
                return Ok(Vec::new());
            }
            manifest(&snapshot, collection, after, wanted).await
        };
        let rows: Result<Vec<SyncManifestRow>> = rows.await;
        snapshot.end().await?;
        let mut rows = rows?;
        let has_more = rows.len() > most;
        rows.truncate(most);
        Ok(SyncManifest {
            end: rows.last().map(|row| row.id.clone()),
            rows: Listed(rows),
            has_more,
        })
    }
}

#[cfg(test)]
mod tests {
    use entity::EntityId;

    use super::*;

    #[test]
    fn ids_on_the_wire_name_their_kind() {
        let row = Uuid::from_u128(7);
        assert_eq!(
            wire_id(SyncCollection::Clients, row).as_str(),
            ClientId::from_uuid(row).to_string()
        );
    }
}
