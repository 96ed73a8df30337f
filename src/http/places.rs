//! How many requests run at the same time. A user, or an address without a token, has few places, taken
//! before the body is read; the process has more, taken before a document runs, some of them for mutations
//! only. Who finds no place waits a little, then is refused: a queue that only grows helps nobody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::OperationType;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::address;
use super::limits::Concurrency;
use super::refusal::Refusal;
use crate::{Code, Error, say};

/// The longest wait that an overloaded process asks for, in seconds; each caller is told another, so that
/// they do not all return together.
const LONGEST_WAIT_SECS: u8 = 5;

/// Whose places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Those of a user.
    User(Uuid),
    /// Those of everybody without a token from one network; `None` where the address is not known.
    Network(Option<IpAddr>),
}

impl Owner {
    /// Without a token from `address`.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self::Network(address.map(address::network))
    }
}

/// The places of a process.
pub struct Places {
    limits: Concurrency,
    all: Line,
    queries: Line,
    /// Those who are here now, and nobody else: as many entries as requests at most.
    owners: Arc<Mutex<HashMap<Owner, Present>>>,
}

/// The requests of one owner that run or wait.
struct Present {
    count: usize,
    places: Arc<Semaphore>,
}

/// A place of an owner; dropping it makes room.
pub struct OwnPlace {
    // Before the entry: the place is free before the entry can go.
    _place: OwnedSemaphorePermit,
    _entry: Entry,
}

/// A place of the process; dropping it makes room.
pub struct SharedPlace {
    _query: Option<OwnedSemaphorePermit>,
    _place: OwnedSemaphorePermit,
}

impl Places {
    /// All places free.
    pub fn new(limits: Concurrency) -> Self {
        Self {
            all: Line::new(limits.process),
            queries: Line::new(limits.queries.min(limits.process)),
            owners: Arc::default(),
            limits,
        }
    }

    /// A place of `owner`.
    ///
    /// # Errors
    /// `THROTTLED` with rule `CONCURRENCY` if none becomes free in time, or too many wait for one.
    pub async fn own(&self, owner: Owner) -> Result<OwnPlace, Refusal> {
        let limit = match owner {
            Owner::User(_) => self.limits.per_user,
            Owner::Network(_) => self.limits.per_address,
        };
        let full = || {
            let message = say!(
                "{limit} requests of yours are running, which is as many as may at the same time: send the next when one is answered",
                limit
            );
            Refusal::from(
                Error::new(Code::Throttled, message)
                    .with_rule("CONCURRENCY")
                    .detail("retryAfterSeconds", 1),
            )
        };
        let (entry, places) = self.enter(owner, limit).ok_or_else(full)?;
        let place = tokio::time::timeout(self.limits.patience, places.acquire_owned()).await;
        match place {
            Ok(Ok(place)) => Ok(OwnPlace {
                _place: place,
                _entry: entry,
            }),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// A place of the process for an operation of `kind`.
    ///
    /// # Errors
    /// `UNAVAILABLE` with rule `OVERLOADED` if none becomes free in time, or too many wait for one.
    pub async fn shared(&self, kind: OperationType) -> Result<SharedPlace, Refusal> {
        let take = async {
            let query = match kind {
                OperationType::Mutation => None,
                OperationType::Query | OperationType::Subscription => {
                    Some(self.queries.place().await?)
                }
            };
            let place = self.all.place().await?;
            Some(SharedPlace {
                _query: query,
                _place: place,
            })
        };
        let taken = tokio::time::timeout(self.limits.patience, take).await;
        taken.ok().flatten().ok_or_else(|| {
            Error::new(
                Code::Unavailable,
                say!("the service has more to do than it can: try again in some seconds"),
            )
            .with_rule("OVERLOADED")
            .detail("retryAfterSeconds", jittered_wait())
            .into()
        })
    }

    /// Counts a request of `owner`; `None` if as many wait as may run.
    fn enter(&self, owner: Owner, limit: usize) -> Option<(Entry, Arc<Semaphore>)> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let present = owners.entry(owner).or_insert_with(|| Present {
            count: 0,
            places: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
        });
        if present.count >= limit.saturating_mul(2).max(1) {
            return None;
        }
        present.count += 1;
        let places = Arc::clone(&present.places);
        drop(owners);
        let entry = Entry {
            owner,
            owners: Arc::clone(&self.owners),
        };
        Some((entry, places))
    }
}

/// One request in the list of those who are here.
struct Entry {
    owner: Owner,
    owners: Arc<Mutex<HashMap<Owner, Present>>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(present) = owners.get_mut(&self.owner) {
            present.count = present.count.saturating_sub(1);
            if present.count == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

/// Places with a queue of the same length.
struct Line {
    places: Arc<Semaphore>,
    limit: usize,
    waiting: AtomicUsize,
}

impl Line {
    fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(limit)),
            limit,
            waiting: AtomicUsize::new(0),
        }
    }

    /// A place; `None` if the queue is full.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = Waiting::begin(self)?;
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

/// Somebody in a queue, also if they go away.
struct Waiting<'l>(&'l Line);

impl<'l> Waiting<'l> {
    fn begin(line: &'l Line) -> Option<Self> {
        let before = line.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(line);
        (before < line.limit).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Seconds to wait, another number each time; without randomness the longest.
fn jittered_wait() -> u64 {
    let spread = crate::auth::random_bytes::<1>()
        .map_or(LONGEST_WAIT_SECS - 1, |[byte]| byte % LONGEST_WAIT_SECS);
    u64::from(spread) + 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn places() -> Places {
        Places::new(Concurrency {
            per_user: 2,
            per_address: 1,
            process: 4,
            queries: 3,
            patience: Duration::ZERO,
        })
    }

    fn user(name: u128) -> Owner {
        Owner::User(Uuid::from_u128(name))
    }

    #[tokio::test]
    async fn an_owner_has_so_many_places_and_takes_none_of_others() {
        let places = places();
        let first = places.own(user(1)).await.ok().unwrap();
        let _second = places.own(user(1)).await.ok().unwrap();
        let refused = places.own(user(1)).await.err().unwrap();
        assert_eq!(refused.error.code(), Code::Throttled);
        assert!(places.own(user(2)).await.is_ok());
        drop(first);
        assert!(places.own(user(1)).await.is_ok());
    }

    #[tokio::test]
    async fn nobody_is_remembered_who_is_not_here() {
        let places = places();
        for name in 0..1_000 {
            assert!(places.own(user(name)).await.is_ok());
        }
        let here = places.own(Owner::anonymous(None)).await.ok().unwrap();
        assert!(places.own(Owner::anonymous(None)).await.is_err());
        assert_eq!(places.owners.lock().unwrap().len(), 1);
        drop(here);
        assert!(places.owners.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn queries_leave_room_for_mutations() {
        let places = places();
        let mut queries = Vec::new();
        for _ in 0..3 {
            queries.push(places.shared(OperationType::Query).await.ok().unwrap());
        }
        let refused = places.shared(OperationType::Query).await.err().unwrap();
        assert_eq!(refused.error.code(), Code::Unavailable);
        let writing = places.shared(OperationType::Mutation).await.ok().unwrap();
        assert!(places.shared(OperationType::Mutation).await.is_err());
        queries.pop();
        assert!(places.shared(OperationType::Mutation).await.is_ok());
        drop(writing);
        assert!(places.shared(OperationType::Query).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_becomes_free() {
        let places = Places::new(Concurrency {
            per_user: 1,
            process: 1,
            patience: Duration::from_mins(1),
            ..Concurrency::default()
        });
        let first = places.own(user(1)).await.ok().unwrap();
        let shared = places.shared(OperationType::Query).await.ok().unwrap();
        let leave = async {
            tokio::task::yield_now().await;
            drop((first, shared));
        };
        let (second, ()) = tokio::join!(places.own(user(1)), leave);
        assert!(second.is_ok());
        assert!(places.shared(OperationType::Query).await.is_ok());
        assert_eq!(places.all.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_wait_is_a_few_seconds() {
        for _ in 0..100 {
            assert!((1..=5).contains(&jittered_wait()));
        }
    }
}
