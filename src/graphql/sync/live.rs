//! Telling phones that there is something to pull: hints, which say in which collections and nothing of what. What a
//! phone may see, it is told when it pulls. Who misses a hint finds everything all the same, by pulling now and then.

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::{Context, SimpleObject, Subscription};
use entity::{DeviceId, SyncCollection};

use super::scalars::SafeInt;
use crate::db::{KnownDevice, Session};
use crate::error::{Error, Result};
use crate::graphql::live::{Heard, current, heard};
use crate::live::{Happening, Interest, Kinds};
use crate::say;

/// What stock RxDB takes for "fetch again what is new".
const RESYNC: &str = "RESYNC";

/// That there is something to pull, or to do.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncLive {
    /// Where that is: a phone whose last pull led this far has it already.
    watermark: SafeInt,
    /// The collections to pull; none where `wipe` is true.
    collections: Vec<SyncCollection>,
    /// Whether you may see other clients than before: some were handed over, shared, or taken back.
    scopes_changed: bool,
    /// Whether the phone is to forget everything it holds. It confirms with `deviceWiped`.
    wipe: bool,
    /// Whether anything may have changed: it is so in the first event, which says that the subscription has begun, and whenever events were missed.
    is_resync: bool,
}

/// Telling phones when to pull.
#[derive(Default)]
pub struct SyncSubscription;

/// Telling phones when to pull.
#[Subscription]
impl SyncSubscription {
    /// That a phone should pull, for stock RxDB as it is: each event is the text `RESYNC`. The first comes at once, so that nothing is missed after a connection was lost; later ones when something changed that you see, in one of these collections. Changes close together come as one event.
    async fn sync_poke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which collections; all when absent.")] collections: Option<
            Vec<SyncCollection>,
        >,
    ) -> Result<impl Stream<Item = Result<String>> + use<>> {
        let told = match heard(ctx)? {
            Heard::Opening(opening) => {
                opening.follow(Interest::Pokes(chosen(collections)?));
                None
            }
            Heard::Happening(Happening::Missed | Happening::Poke { .. }) => Some(RESYNC.to_owned()),
            Heard::Happening(Happening::Clients(_) | Happening::Placed(_)) => None,
        };
        Ok(stream::iter(told.map(Ok)))
    }

    /// That a phone should pull, in which collections and up to where, or forget what it holds. The first event comes at once and says that anything may have changed; later ones come when something changed that you see. Changes close together come as one event.
    async fn sync_live(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone; the one of your session when absent.")] device_id: Option<
            DeviceId,
        >,
    ) -> Result<impl Stream<Item = Result<SyncLive>> + use<>> {
        let session = current(ctx)?;
        // One that is not known yet is so with its first pull.
        let device = session.device_that_asks(device_id).await?;
        let wipe = device.as_ref().is_some_and(KnownDevice::must_forget);
        if let Some(device) = device.filter(|_| !wipe) {
            device.require_welcome()?;
        }
        let told = match heard(ctx)? {
            Heard::Opening(opening) => {
                opening.follow(Interest::Pokes(Kinds::ALL));
                None
            }
            Heard::Happening(Happening::Missed) => Some(SyncLive {
                watermark: watermark(session, None).await?,
                collections: collections_of(Kinds::ALL, wipe),
                scopes_changed: !wipe,
                wipe,
                is_resync: true,
            }),
            Heard::Happening(Happening::Poke { touch, seq }) => Some(SyncLive {
                watermark: watermark(session, seq).await?,
                collections: collections_of(touch.kinds, wipe),
                scopes_changed: touch.other_clients && !wipe,
                wipe,
                is_resync: false,
            }),
            Heard::Happening(Happening::Clients(_) | Happening::Placed(_)) => None,
        };
        Ok(stream::iter(told.map(Ok)))
    }
}

/// The kinds of these collections.
fn chosen(collections: Option<Vec<SyncCollection>>) -> Result<Kinds> {
    match collections {
        None => Ok(Kinds::ALL),
        Some(some) if some.is_empty() => Err(Error::bad_input(
            "collections",
            say!("name at least one collection"),
        )),
        Some(some) => Ok(some.into_iter().collect()),
    }
}

/// What to pull, by a phone that keeps what it holds.
fn collections_of(kinds: Kinds, wipe: bool) -> Vec<SyncCollection> {
    let kinds = if wipe { Kinds::NONE } else { kinds };
    kinds.iter().collect()
}

/// Where the change is, or else where all changes are that are known.
async fn watermark(session: &Session, seq: Option<i64>) -> Result<SafeInt> {
    let seq = match seq {
        Some(seq) => seq,
        None => session.sync_position().await?.seq,
    };
    Ok(SafeInt::place(seq))
}
