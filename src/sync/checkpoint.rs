//! The token that says how far a device has come, opaque to it.
//!
//! The service keeps nothing between pages: the token carries the whole [`Progress`], signed, bound to the user
//! (not to a sign-in, so it survives a new one) and to the epoch of the database. It grants nothing: a pull
//! shows what its user may see, whatever the token says. The signature keeps devices from making up places
//! that would leave them with holes.
//!
//! Layout, big-endian, 40 bytes between pulls and 80 inside one, then base64url without padding:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format |
//! | 5 | the end of the user's id |
//! | 6 | the end of the epoch |
//! | 6 | C: everything up to here is on the device |
//! | 6 | W: the target of the pull under way, or C again |
//! | 4 | the collections |
//! | 40 | inside a pull: rank and id of the scope, seq, collection and id of the row |
//! | 12 | HMAC-SHA-256 of all before it, cut |

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use uuid::Uuid;

use super::plan::{Position, Progress, Window};
use super::terms::{Collection, CollectionSet, RowKey, ScopeKey, Seq};

const FORMAT: u8 = 1;
const MAC_BYTES: usize = 12;
/// Longer texts are not looked at.
const MAX_TEXT: usize = 256;

/// Whom, and which life of the database, a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The user who pulls.
    pub user: Uuid,
    /// The life of the database: new after a restore or a failover that may have lost changes, since the
    /// numbers of changes are then given out again.
    pub epoch: Uuid,
}

/// What a token that the service made itself says here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Go on from there.
    Resume(Progress),
    /// Start over, and remove on the device what is not sent.
    Replace(Restart),
}

/// Why a device that holds a genuine token has to start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It is another user's: what is on the device was theirs.
    OtherUser,
    /// The database was restored since.
    OtherEpoch,
    /// It is of other collections. An app that gained collections asks for them with `backfill` instead.
    OtherCollections,
    /// An older service made it.
    OtherFormat,
    /// Traces of deletions that the device needs were removed.
    Purged,
    /// It is ahead of the database, which therefore lost changes.
    Ahead,
}

/// The token was not made by this service, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tampered;

/// Makes and reads tokens.
#[derive(Clone, Debug)]
pub struct Sealer {
    key: hmac::Key,
}

impl Sealer {
    /// With a secret of its own, derived from the service's (`Keyring::derive`). Under another secret every
    /// token is [`Tampered`].
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// The token for that progress.
    pub fn seal(
        &self,
        binding: &Binding,
        collections: CollectionSet,
        progress: &Progress,
    ) -> String {
        let position = match progress {
            Progress::Done(_) => None,
            Progress::Within(window) => window.position,
        };
        // A pull that has not told anything yet may as well begin again.
        let until = match position {
            None => progress.since(),
            Some(_) => progress.until(),
        };
        let mut bytes = Vec::with_capacity(80);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&tail::<5>(binding.user));
        bytes.extend_from_slice(&tail::<6>(binding.epoch));
        bytes.extend_from_slice(&progress.since().to_bytes());
        bytes.extend_from_slice(&until.to_bytes());
        bytes.extend_from_slice(&collections.bits().to_be_bytes());
        if let Some(at) = position {
            bytes.push(at.scope.rank);
            bytes.extend_from_slice(at.scope.id.as_bytes());
            bytes.extend_from_slice(&at.seq.to_bytes());
            bytes.push(at.row.collection.get());
            bytes.extend_from_slice(at.row.id.as_bytes());
        }
        let tag = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(tag.as_ref().get(..MAC_BYTES).unwrap_or_default());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says to this user, in this epoch, for these collections.
    ///
    /// # Errors
    /// [`Tampered`] for anything that this service did not make, which is refused: a device with such a
    /// token asks again without one.
    pub fn open(
        &self,
        binding: &Binding,
        collections: CollectionSet,
        token: &str,
    ) -> Result<Opened, Tampered> {
        let payload = self.payload(token)?;
        let (format, payload) = payload.split_first().ok_or(Tampered)?;
        if *format != FORMAT {
            return Ok(Opened::Replace(Restart::OtherFormat));
        }
        let sealed = Sealed::parse(payload).ok_or(Tampered)?;
        Ok(if sealed.user != tail::<5>(binding.user) {
            Opened::Replace(Restart::OtherUser)
        } else if sealed.epoch != tail::<6>(binding.epoch) {
            Opened::Replace(Restart::OtherEpoch)
        } else if sealed.collections != collections {
            Opened::Replace(Restart::OtherCollections)
        } else {
            Opened::Resume(sealed.progress)
        })
    }

    /// A first look at a token, whomever it belongs to: enough to ask whether anything is new, not to answer by.
    /// Nothing for one that this service did not make.
    pub fn glance(&self, token: &str) -> Option<Glance> {
        let payload = self.payload(token).ok()?;
        let (format, payload) = payload.split_first()?;
        let sealed = (*format == FORMAT).then(|| Sealed::parse(payload))??;
        Some(Glance {
            since: sealed.progress.since(),
            is_done: matches!(sealed.progress, Progress::Done(_)),
        })
    }

    /// What was signed.
    fn payload(&self, token: &str) -> Result<Vec<u8>, Tampered> {
        if token.len() > MAX_TEXT {
            return Err(Tampered);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Tampered)?;
        let (payload, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(Tampered)?;
        if !is_same(hmac::sign(&self.key, payload).as_ref(), mac) {
            return Err(Tampered);
        }
        let length = payload.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// What a token says before it is known to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Up to where its device has everything, if it is good.
    pub since: Seq,
    /// Whether it is of a pull that is done.
    pub is_done: bool,
}

struct Sealed {
    user: [u8; 5],
    epoch: [u8; 6],
    collections: CollectionSet,
    progress: Progress,
}

impl Sealed {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (user, bytes) = bytes.split_first_chunk()?;
        let (epoch, bytes) = bytes.split_first_chunk()?;
        let (since, bytes) = bytes.split_first_chunk()?;
        let (until, bytes) = bytes.split_first_chunk()?;
        let (collections, bytes) = bytes.split_first_chunk()?;
        let (since, until) = (Seq::from_bytes(*since), Seq::from_bytes(*until));
        let progress = if bytes.is_empty() {
            (since == until).then_some(Progress::Done(since))?
        } else {
            Progress::Within(Window {
                since,
                until,
                position: Some(position(bytes)?),
            })
        };
        Some(Self {
            user: *user,
            epoch: *epoch,
            collections: CollectionSet::from_bits(u32::from_be_bytes(*collections)),
            progress,
        })
    }
}

fn position(bytes: &[u8]) -> Option<Position> {
    let (rank, bytes) = bytes.split_first()?;
    let (scope, bytes) = bytes.split_first_chunk()?;
    let (seq, bytes) = bytes.split_first_chunk()?;
    let (collection, bytes) = bytes.split_first()?;
    let (row, bytes) = bytes.split_first_chunk()?;
    bytes.is_empty().then_some(Position {
        scope: ScopeKey {
            rank: *rank,
            id: Uuid::from_bytes(*scope),
        },
        seq: Seq::from_bytes(*seq),
        row: RowKey {
            collection: Collection::new(*collection)?,
            id: Uuid::from_bytes(*row),
        },
    })
}

/// The last bytes of an id, which are the random ones in every version of UUID in use.
fn tail<const N: usize>(id: Uuid) -> [u8; N] {
    id.as_bytes().last_chunk().copied().unwrap_or([0; N])
}

/// Compares in the same time wherever they differ, so that a tag cannot be found byte by byte.
fn is_same(expected: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
    let pairs = expected.iter().zip(mac);
    pairs.fold(0_u8, |difference, (left, right)| {
        difference | (left ^ right)
    }) == 0
}

#[cfg(test)]
mod tests;
