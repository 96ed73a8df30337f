//! The connections that SQLite is read by. Nothing in SQLite ends a statement that takes too long, so each of these
//! has a watch, which SQLite asks now and then whether to go on: until the time of a statement is over, or nobody
//! waits for it any more. A pool does not say which of its connections it lends; here each is a pool of its own.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::error::ConnAcquireErr;
use sea_orm::{ConnectOptions, DatabaseConnection, DbErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::figures::Waits;
use crate::error::Result;

/// Steps of SQLite's machine from one look at the watch to the next: some tenths of a millisecond, in which a look
/// is not to be noticed.
const STEPS: i32 = 10_000;

/// The readers of one file.
pub(super) struct Readers {
    all: Vec<Reader>,
    /// Those that nobody uses, the one that rested longest first.
    free: Mutex<VecDeque<usize>>,
    places: Arc<Semaphore>,
    patience: Duration,
}

struct Reader {
    connection: DatabaseConnection,
    watch: Arc<Watch>,
}

/// Until when the statement of one connection may run.
pub(super) struct Watch {
    /// Milliseconds after `base`; 0 when it should have ended.
    until: AtomicU64,
    base: Instant,
    limit: Duration,
}

impl Watch {
    /// Another statement begins. What ran before is over.
    pub(super) fn start(&self) {
        self.until
            .store(millis(self.base.elapsed() + self.limit), Ordering::Relaxed);
    }

    fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    fn may_go_on(&self) -> bool {
        millis(self.base.elapsed()) < self.until.load(Ordering::Relaxed)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Readers {
    /// So many connections, each as `options` make it, opened when it is wanted. A caller waits for one for as long
    /// as `patience`; a statement may take as long as `limit`.
    pub(super) async fn open(
        count: u32,
        options: impl Fn() -> ConnectOptions,
        patience: Duration,
        limit: Duration,
    ) -> Result<Self, DbErr> {
        let mut all = Vec::new();
        for _ in 0..count.max(1) {
            let watch = Arc::new(Watch {
                until: AtomicU64::new(0),
                base: Instant::now(),
                limit,
            });
            let mut options = options();
            options
                .max_connections(1)
                .min_connections(0)
                .connect_lazy(true);
            let opened = Arc::clone(&watch);
            options.map_sqlx_sqlite_pool_opts(move |pool| {
                let watch = Arc::clone(&opened);
                pool.after_connect(move |connection, _| {
                    let watch = Arc::clone(&watch);
                    Box::pin(async move {
                        watch.start();
                        let mut handle = connection.lock_handle().await?;
                        handle.set_progress_handler(STEPS, move || watch.may_go_on());
                        Ok(())
                    })
                })
            });
            let taken = Arc::clone(&watch);
            options.map_sqlx_sqlite_before_acquire(move |_, _| {
                // What ran before is over: the connection has answered since.
                taken.start();
                Box::pin(std::future::ready(Ok(true)))
            });
            let connection = sea_orm::Database::connect(options).await?;
            all.push(Reader { connection, watch });
        }
        Ok(Self {
            free: Mutex::new((0..all.len()).collect()),
            places: Arc::new(Semaphore::new(all.len())),
            all,
            patience,
        })
    }

    /// A connection for one statement, or for the statements of one look. `waits` counts who has to wait for it.
    ///
    /// # Errors
    /// As of a pool, when none becomes free in time.
    pub(super) async fn lend(self: &Arc<Self>, waits: &Waits) -> Result<Lent, DbErr> {
        let timeout = || DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        let places = || Arc::clone(&self.places);
        let place = if let Ok(place) = places().try_acquire_owned() {
            place
        } else {
            waits.count_one();
            let waited = tokio::time::timeout(self.patience, places().acquire_owned());
            // Nobody closes the semaphore.
            waited
                .await
                .map_err(|_| timeout())?
                .map_err(|_| timeout())?
        };
        let at = self.take().ok_or_else(timeout)?;
        let reader = self.all.get(at).ok_or_else(timeout)?;
        Ok(Lent {
            readers: Arc::clone(self),
            connection: reader.connection.clone(),
            watch: Arc::clone(&reader.watch),
            at,
            _place: place,
        })
    }

    /// One that nobody uses: if there is one that is open and at rest, that; else one that is not open yet.
    fn take(&self) -> Option<usize> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |wanted: fn(u32, usize) -> bool| {
            free.iter().position(|at| {
                self.all.get(*at).is_some_and(|reader| {
                    let pool = reader.connection.get_sqlite_connection_pool();
                    wanted(pool.size(), pool.num_idle())
                })
            })
        };
        let at = find(|_, idle| idle > 0)
            .or_else(|| find(|open, _| open == 0))
            .unwrap_or_default();
        free.remove(at)
    }

    /// Connections open, those of them that nobody uses, and how many there may be.
    pub(super) fn state(&self) -> (u32, usize, u32) {
        let most = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let pools = self.all.iter();
        let pools = pools.map(|reader| reader.connection.get_sqlite_connection_pool());
        pools.fold((0, 0, most), |(open, idle, most), pool| {
            (open + pool.size(), idle + pool.num_idle(), most)
        })
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> impl Iterator<Item = &DatabaseConnection> {
        self.all.iter().map(|reader| &reader.connection)
    }
}

/// A connection while somebody uses it. What runs on it when this goes is ended.
pub(super) struct Lent {
    readers: Arc<Readers>,
    connection: DatabaseConnection,
    watch: Arc<Watch>,
    at: usize,
    // Dropped last: the connection is free before its place is.
    _place: OwnedSemaphorePermit,
}

impl Lent {
    /// The watch of the connection: whoever runs several statements on it in one transaction starts it for each.
    pub(super) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }
}

impl Deref for Lent {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.watch.end();
        let free = &self.readers.free;
        let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push_back(self.at);
    }
}
