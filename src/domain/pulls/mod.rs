//! What a phone fetches: page by page what it lacks of what its user sees, in one snapshot for each page.
//!
//! The line of changes says where to look; the rows as they are in that snapshot, read by the scope of the viewer,
//! decide what is sent. [`crate::sync`] holds the rules; here they meet the database. A [`Shelf`] reads documents of
//! all kinds; nothing here knows any of them.

mod walk;

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;

use chrono::{DateTime, Utc};
use entity::{DeviceId, SyncCollection};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::db::{KnownDevice, Opening, Session, Snapshot, SyncScope, number_of};
use crate::error::{Code, Error, Result};
use crate::say;
use crate::sync::checkpoint::{Binding, Opened, Restart};
use crate::sync::plan::{self, Emission, Outcome, Planner, Progress, ScopeEventKind, Surface};
use crate::sync::push::ECHO_AFTER;
use crate::sync::{Collection, CollectionSet, Protocol, Seq};

/// The most documents and tombstones of one page.
pub const MAX_LIMIT: usize = 5_000;

/// How many bytes of documents end a page before it is full, where a page may be short.
pub const MAX_BYTES: usize = 4 << 20;

/// Reads documents, and keeps them for the answer.
pub trait Shelf: Send {
    /// Reads those of these documents that the viewer sees now and that are in use. Answers which they are, and how many
    /// bytes each is about to take in the answer where `weighs` is set.
    fn fetch<'a>(
        &'a mut self,
        session: &'a Session,
        collection: SyncCollection,
        rows: &'a [Uuid],
        weighs: bool,
    ) -> BoxFuture<'a, Result<HashMap<Uuid, usize>>>;
}

/// What a device says of what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Nothing.
    Nothing,
    /// What a page came with.
    Token(String),
    /// A watermark.
    Watermark(u64),
}

/// What a device asks for.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Which device; that of the session when absent.
    pub device: Option<DeviceId>,
    /// The version of the documents that it understands, where it says so.
    pub schema_version: Option<i32>,
    /// How it takes pages.
    pub surface: Surface,
    /// The kinds of documents it holds.
    pub collections: BTreeSet<SyncCollection>,
    /// What it has.
    pub from: From,
    /// How many lines a page has at most.
    pub limit: i64,
}

/// One line of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What kind of document.
    pub collection: SyncCollection,
    /// The id of its row.
    pub row: Uuid,
    /// What the device is told of it.
    pub emission: Emission,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Whether the device removes, at the end of the pull, what none of its pages named.
    pub replaces: bool,
    /// Its lines, in order.
    pub lines: Vec<Line>,
    /// Scopes that came and went.
    pub events: Vec<(SyncScope, ScopeEventKind)>,
    /// What the device says next time.
    pub token: String,
    /// Whether the pull goes on.
    pub has_more: bool,
    /// Up to where the pull leads.
    pub watermark: i64,
    /// Whether the user sees more clients than a phone holds, so that none are sent.
    pub is_capped: bool,
}

/// The next page for a device. Its documents are on `shelf` then.
///
/// # Errors
/// `BAD_USER_INPUT` `SYNC_LIMIT_TOO_LARGE`, or for a token that is none, or without a device; `CONFLICT`
/// `SYNC_RESYNC_REQUIRED` on [`Surface::Rows`] when the device has to begin anew; `FORBIDDEN` `DEVICE_WIPE`,
/// `DEVICE_REVOKED`; from the database.
pub async fn page(session: &Session, pull: &Pull, shelf: &mut dyn Shelf) -> Result<Page> {
    let limit = limit(pull.limit)?;
    // What decides over a device must not lag behind.
    session.stay_current();
    let sealer = session.sealer();
    let (since, is_done) = match &pull.from {
        From::Nothing => (Seq::ZERO, true),
        From::Watermark(place) => (watermark(*place), true),
        From::Token(token) => match sealer.glance(token) {
            Some(glance) => (glance.since, glance.is_done),
            None => (Seq::ZERO, false),
        },
    };
    let opening = welcome(session, pull, since).await?;
    if is_done && opening.is_echo_due {
        stamp_echoes(session, pull, &opening, since).await?;
    } else if is_done && !opening.has_news && !opening.has_echoes {
        // Nothing to read: what was asked is the whole answer, if the device may go on at all.
        if let Ok(progress) = progress(session, pull, &opening)?
            && plan::start(
                &Protocol,
                &progress,
                seq(opening.position.seq)?,
                seq(opening.purged_seq)?,
            )
            .is_ok()
        {
            let done = plan::Page {
                entries: Vec::new(),
                events: Vec::new(),
                next: Progress::Done(seq(opening.position.seq)?),
                has_more: false,
                watermark: seq(opening.position.seq)?,
            };
            return told(session, pull, &opening, since == Seq::ZERO, &done);
        }
    }
    let snapshot = session.snapshot().await?;
    let outcome = within(&snapshot, pull, since, limit, shelf).await;
    let ended = snapshot.end().await;
    let page = outcome?;
    ended?;
    Ok(page)
}

/// The page, in one snapshot.
async fn within(
    snapshot: &Snapshot,
    pull: &Pull,
    since: Seq,
    limit: NonZeroUsize,
    shelf: &mut dyn Shelf,
) -> Result<Page> {
    let opening = snapshot
        .sync_opening(
            pull.device,
            place(since)?,
            &pull.collections,
            echoed(snapshot, pull),
        )
        .await?;
    let clock = seq(opening.position.seq)?;
    let purged = seq(opening.purged_seq)?;
    let mut restart = progress(snapshot, pull, &opening)?;
    loop {
        let window = match restart {
            Ok(progress) => plan::start(&Protocol, &progress, clock, purged),
            Err(why) => Err(why),
        };
        let window = match (window, pull.surface) {
            (Ok(window), _) => window,
            (Err(why), Surface::Rows) => return Err(resync(why)),
            (Err(_), Surface::Whole) => {
                restart = Ok(Progress::NEW);
                continue;
            }
        };
        let mut planner = Planner::new(&Protocol, pull.surface, window, limit);
        let walk = walk::Walk {
            snapshot,
            pull,
            window: &window,
            limit: limit.get(),
            echoing: opening.device.as_ref().filter(|_| opening.has_echoes),
        };
        walk.fill(&mut planner, shelf).await?;
        match planner.finish() {
            Outcome::Page(page) => {
                return told(snapshot, pull, &opening, window.since == Seq::ZERO, &page);
            }
            Outcome::GoOn(from) => restart = Ok(from),
        }
    }
}

/// What the device pushed before this instant is to be sent to it once more: by then it has heard what became of that,
/// or waits no longer. Only RxDB needs it.
fn echoed(session: &Session, pull: &Pull) -> Option<DateTime<Utc>> {
    match pull.surface {
        Surface::Rows => Some(session.now() - ECHO_AFTER),
        Surface::Whole => None,
    }
}

/// Puts what the device pushed in the line of changes, for it alone.
async fn stamp_echoes(session: &Session, pull: &Pull, opening: &Opening, since: Seq) -> Result<()> {
    let (Some(device), Some(before)) = (opening.device.clone(), echoed(session, pull)) else {
        return Ok(());
    };
    let Ok(progress) = progress(session, pull, opening)? else {
        // It begins anew, with everything.
        return Ok(());
    };
    if progress.since() != since {
        return Ok(());
    }
    let (collections, has) = (pull.collections.clone(), place(since)?);
    session
        .write(move |tx| {
            let (device, collections) = (device.clone(), collections.clone());
            async move { tx.stamp_echoes(&device, &collections, has, before).await }
        })
        .await
}

/// What is known of the device, which is noted when it comes for the first time or after some time.
async fn welcome(session: &Session, pull: &Pull, since: Seq) -> Result<Opening> {
    let now = session.now();
    let mut device = pull.device;
    for _ in 0..2 {
        let opening = session
            .sync_opening(
                device,
                place(since)?,
                &pull.collections,
                echoed(session, pull),
            )
            .await?;
        if let Some(known) = &opening.device {
            known.require_welcome()?;
            if opening.stream.is_some() && known.is_noted(pull.schema_version, now) {
                return Ok(opening);
            }
        }
        let id = device_of(session, pull, opening.device.as_ref())?;
        let version = pull.schema_version;
        let has = acknowledged(session, pull, &opening)?;
        session
            .write(move |tx| async move {
                tx.check_in(id, version).await?;
                if let Some(has) = has {
                    tx.acknowledge(id, has).await?;
                }
                Ok(())
            })
            .await?;
        device = Some(id);
    }
    Err(Error::bug("a device that came is not there"))
}

/// What the device shows to have: all documents up to there, by a token or number that it may go on with. Nothing where it
/// asks for some kinds alone, since others may be behind.
fn acknowledged(session: &Session, pull: &Pull, opening: &Opening) -> Result<Option<i64>> {
    let all = <SyncCollection as sea_orm::Iterable>::iter().count();
    let Some(device) = &opening.device else {
        return Ok(None);
    };
    if pull.collections.len() < all {
        return Ok(None);
    }
    let Ok(progress) = progress(session, pull, opening)? else {
        return Ok(None);
    };
    let clock = seq(opening.position.seq)?;
    if plan::start(&Protocol, &progress, clock, seq(opening.purged_seq)?).is_err() {
        return Ok(None);
    }
    let has = place(progress.since())?;
    Ok(Some(has).filter(|has| *has > device.acked_seq()))
}

fn device_of(session: &Session, pull: &Pull, known: Option<&KnownDevice>) -> Result<DeviceId> {
    let own = || session.viewer().session_id().map(|id| DeviceId(id.0));
    pull.device
        .or(known.map(KnownDevice::id))
        .or_else(own)
        .ok_or_else(|| {
            Error::bad_input(
                "deviceId",
                say!("say which device asks: there is no session to know it by"),
            )
        })
}

/// How far the device is, or why it begins anew.
fn progress(
    session: &Session,
    pull: &Pull,
    opening: &Opening,
) -> Result<std::result::Result<Progress, Restart>> {
    let token = match &pull.from {
        From::Nothing => return Ok(Ok(Progress::NEW)),
        From::Watermark(place) => return Ok(Ok(Progress::Done(watermark(*place)))),
        From::Token(token) => token,
    };
    let set = set(&pull.collections)?;
    match session
        .sealer()
        .open(&binding(session, opening)?, set, token)
    {
        Ok(Opened::Resume(progress)) => Ok(Ok(progress)),
        Ok(Opened::Replace(why)) => Ok(Err(why)),
        Err(_) => Err(Error::bad_input(
            "checkpoint",
            say!("this checkpoint is none of ours; ask without one"),
        )
        .with_rule("SYNC_CHECKPOINT_INVALID")),
    }
}

fn binding(session: &Session, opening: &Opening) -> Result<Binding> {
    let user = session.viewer().user_id();
    Ok(Binding {
        user: user
            .ok_or_else(|| Error::bug("the service pulls from itself"))?
            .0,
        epoch: opening.position.epoch,
    })
}

fn told(
    session: &Session,
    pull: &Pull,
    opening: &Opening,
    replaces: bool,
    page: &plan::Page,
) -> Result<Page> {
    let token = session.sealer().seal(
        &binding(session, opening)?,
        set(&pull.collections)?,
        &page.next,
    );
    let lines: Result<Vec<Line>> = page
        .entries
        .iter()
        .map(|entry| {
            Ok(Line {
                collection: walk::collection(entry.row.collection)?,
                row: entry.row.id,
                emission: entry.emission,
            })
        })
        .collect();
    let events = page.events.iter().map(|event| {
        let client = SyncScope::Client(entity::ClientId(event.scope.id));
        (client, event.kind)
    });
    Ok(Page {
        replaces,
        lines: lines?,
        events: events.collect(),
        token,
        has_more: page.has_more,
        watermark: place(page.watermark)?,
        is_capped: opening.stream.is_some_and(|stream| stream.is_capped),
    })
}

/// What a device on the surface of RxDB hears that has to begin anew.
fn resync(why: Restart) -> Error {
    let why = match why {
        Restart::OtherUser => "OTHER_USER",
        Restart::OtherEpoch => "RESTORED",
        Restart::OtherCollections => "OTHER_COLLECTION",
        Restart::OtherFormat => "OTHER_VERSION",
        Restart::Purged => "TOO_OLD",
        Restart::Ahead => "AHEAD",
    };
    Error::new(
        Code::Conflict,
        say!("this device has to begin anew: remove what it holds of this collection, and pull without a checkpoint"),
    )
    .with_rule("SYNC_RESYNC_REQUIRED")
    .detail("reason", why)
}

fn limit(limit: i64) -> Result<NonZeroUsize> {
    let wanted = usize::try_from(limit).ok().and_then(NonZeroUsize::new);
    let Some(wanted) = wanted else {
        return Err(Error::bad_input(
            "limit",
            say!("a page has at least one document"),
        ));
    };
    if wanted.get() > MAX_LIMIT {
        return Err(Error::bad_input(
            "limit",
            say!("a page has at most {most} documents", most = MAX_LIMIT),
        )
        .with_rule("SYNC_LIMIT_TOO_LARGE")
        .detail("limit", MAX_LIMIT));
    }
    Ok(wanted)
}

fn watermark(place: u64) -> Seq {
    Seq::new(place).unwrap_or(Seq::MAX)
}

fn seq(place: i64) -> Result<Seq> {
    Seq::try_from(place).map_err(|_| Error::bug("a position beyond all that can be"))
}

fn place(seq: Seq) -> Result<i64> {
    i64::try_from(seq.get()).map_err(Error::internal)
}

/// The kind of document as the rules name it.
///
/// # Errors
/// `INTERNAL` for one whose number is too large.
pub fn key_of(collection: SyncCollection) -> Result<Collection> {
    u8::try_from(number_of(collection))
        .ok()
        .and_then(Collection::new)
        .ok_or_else(|| Error::bug("a kind of document whose number is too large"))
}

fn set(collections: &BTreeSet<SyncCollection>) -> Result<CollectionSet> {
    collections.iter().map(|one| key_of(*one)).collect()
}
