//! Units of work: a transaction from its beginning to its end, all of it kept, or nothing.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{RwLock, RwLockReadGuard, watch};

use super::classify::{is_clash, is_transient};
use super::connect::Inner;
use super::readers::Watch;
use super::session::Session;
use super::sync::{self, Changes};
use super::tx::{ATTEMPTS, Tx};
use crate::error::{Error, Result};
use crate::live::{Bus, News};

/// Begins a transaction.
///
/// In a task of its own: the driver loses track of a `BEGIN` that is on its way when its caller goes away,
/// and would lend the connection on with the transaction open.
pub(super) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        isolation_level: None,
        access_mode: None,
    };
    begin_with(connection, options).await
}

/// As [`begin`], of another kind.
pub(super) async fn begin_with(
    connection: &DatabaseConnection,
    options: TransactionOptions,
) -> Result<DatabaseTransaction> {
    let connection = connection.clone();
    let begun = tokio::spawn(async move { connection.begin_with_options(options).await })
        .await
        .map_err(|error| Error::bug(format!("a transaction did not begin: {error}")))?;
    Ok(begun?)
}

/// The transaction of one unit of work, for as long as that runs: whoever keeps a [`Tx`] beyond it holds
/// no connection.
pub(super) struct Unit {
    transaction: RwLock<Option<DatabaseTransaction>>,
    /// Whether a statement failed. PostgreSQL would take a commit for a rollback then, and not say so.
    has_failed: AtomicBool,
    /// What to tell once it is kept.
    news: Mutex<News>,
    bus: Bus,
    /// What was touched of what phones hold.
    changes: Mutex<Changes>,
    /// Its position in the line of changes, where that was taken before the end.
    position: Mutex<Option<i64>>,
    /// The instant at which it writes.
    at: DateTime<Utc>,
    /// What ends a statement that takes too long, where the database does not do so itself.
    watch: Option<Arc<Watch>>,
    /// Says, until it goes, that the process should not end.
    _working: watch::Receiver<()>,
}

impl Unit {
    pub(super) fn new(transaction: DatabaseTransaction, inner: &Inner, at: DateTime<Utc>) -> Self {
        Self {
            transaction: RwLock::new(Some(transaction)),
            has_failed: AtomicBool::new(false),
            news: Mutex::default(),
            bus: inner.news.clone(),
            changes: Mutex::default(),
            position: Mutex::default(),
            at,
            watch: None,
            _working: inner.working.subscribe(),
        }
    }

    /// The same, with each of its statements under that watch.
    pub(super) fn watched(self, watch: Option<Arc<Watch>>) -> Self {
        Self { watch, ..self }
    }

    /// The transaction, to run one statement on.
    pub(super) async fn transaction(&self) -> Result<RwLockReadGuard<'_, DatabaseTransaction>> {
        let transaction =
            RwLockReadGuard::try_map(self.transaction.read().await, Option::as_ref)
                .map_err(|_| Error::bug("a statement of a unit of work that has ended"))?;
        if let Some(watch) = &self.watch {
            watch.start();
        }
        Ok(transaction)
    }

    /// Notes how a statement went.
    pub(super) fn note<T>(&self, outcome: Result<T, DbErr>) -> Result<T, DbErr> {
        if outcome.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Notes what to tell once it is kept.
    pub(super) fn note_news(&self, note: impl FnOnce(&mut News)) {
        note(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The instant at which it writes.
    pub(super) fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Notes what was touched.
    pub(super) fn note_change(&self, note: impl FnOnce(&mut Changes)) {
        note(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was touched so far, to go back to.
    pub(super) fn changes_so_far(&self) -> Changes {
        let changes = self.changes.lock();
        changes.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is to be told so far, to go back to.
    pub(super) fn news_so_far(&self) -> News {
        let news = self.news.lock();
        news.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a statement failed.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Takes back what was noted since, as the database has taken it back.
    pub(super) fn go_back(
        &self,
        changes: Changes,
        news: News,
        position: Option<i64>,
        has_failed: bool,
    ) {
        self.note_news(|noted| *noted = news);
        self.set_position(position);
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = changes;
        self.has_failed.store(has_failed, Ordering::Relaxed);
    }

    /// Its position in the line of changes, where that is known already.
    pub(super) fn position(&self) -> Option<i64> {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes its position in the line of changes, or that it has none.
    pub(super) fn set_position(&self, seq: Option<i64>) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = seq;
    }

    /// What was touched.
    pub(super) fn take_changes(&self) -> Changes {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the transaction once no statement is on its way.
    async fn end(&self) -> Result<DatabaseTransaction> {
        self.transaction
            .write()
            .await
            .take()
            .ok_or_else(|| Error::bug("a unit of work ended twice"))
    }

    /// Ends it as `outcome` asks: keeps everything, and tells of it, or nothing. What phones should know of is written
    /// down last. What may be kept is told of.
    pub(super) async fn settle<T>(
        self: Arc<Self>,
        session: &Session,
        outcome: Result<T>,
    ) -> Result<T> {
        let outcome = match outcome {
            Ok(_) if self.has_failed.load(Ordering::Relaxed) => {
                Err(Error::bug("a unit of work passed over a failed statement"))
            }
            outcome => outcome,
        };
        let outcome = match outcome {
            Ok(value) => sync::keep(session, &self).await.map(|()| value),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(value) => {
                let ended = self.end().await?.commit().await;
                // A connection that breaks meanwhile does not say whether it was kept. Who is told reads again, and
                // sees what there is.
                self.note_news(|news| self.bus.publish(std::mem::take(news)));
                ended?;
                Ok(value)
            }
            Err(error) => {
                // The first error is the one that counts; a connection that cannot roll back is closed.
                if let Err(failed) = self.undo().await {
                    tracing::warn!(error = ?failed, "rollback failed");
                }
                Err(error)
            }
        }
    }

    /// Ends it, keeping nothing.
    pub(super) async fn undo(&self) -> Result<()> {
        Ok(self.end().await?.rollback().await?)
    }
}

/// What a unit of work gives.
type Outcome = Box<dyn Any + Send>;
/// A unit of work. Not generic, as there are many: all that is done around each of them is compiled once.
type Work = dyn Fn(Tx) -> Pin<Box<dyn Future<Output = Result<Outcome>> + Send>> + Send + Sync;

/// Runs a unit of work in a task of its own: a caller that goes away cannot cut it in half, which would
/// leave an open transaction on a pooled connection.
pub(super) async fn run<T, F, Fut>(session: Session, work: F) -> Result<T>
where
    F: Fn(Tx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let work: Box<Work> = Box::new(move |tx| {
        let working = work(tx);
        Box::pin(async move {
            let outcome: Outcome = Box::new(working.await?);
            Ok(outcome)
        })
    });
    let outcome = run_any(session, work).await?.downcast::<T>();
    outcome
        .map(|outcome| *outcome)
        .map_err(|_| Error::bug("a unit of work gave something else"))
}

async fn run_any(session: Session, work: Box<Work>) -> Result<Outcome> {
    let working = session.database().inner.working.subscribe();
    let task = tokio::spawn(async move {
        let _working = working;
        let mut attempt = 0;
        let mut clashed = false;
        loop {
            attempt += 1;
            match once(&session, &*work).await {
                // Perhaps with a twin of this very request, which the second run finds.
                Err(error) if !clashed && is_clash(&error) => clashed = true,
                Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                    let millis = u64::from(session.now().timestamp_subsec_micros() % 20);
                    tokio::time::sleep(Duration::from_millis(millis * u64::from(attempt))).await;
                }
                outcome => return outcome,
            }
        }
    });
    task.await
        .map_err(|error| Error::bug(format!("a unit of work did not end: {error}")))?
}

async fn once(session: &Session, work: &Work) -> Result<Outcome> {
    let inner = &session.database().inner;
    inner.write_waits.notice(&inner.write);
    let transaction = begin(&inner.write).await?;
    let now = session.now();
    let unit = Arc::new(Unit::new(transaction, inner, now));
    let tx = Tx::new(session.inside(Arc::clone(&unit), now));
    let outcome = match session.key() {
        Some(keyed) => match keyed.claim(&tx).await {
            Ok(()) => work(tx).await,
            Err(error) => {
                drop(tx);
                Err(error)
            }
        },
        None => work(tx).await,
    };
    // Somebody who keeps it may be in the middle of a write: half of that must not be kept.
    let outcome = match outcome {
        Ok(_) if Arc::strong_count(&unit) > 1 => {
            Err(Error::bug("a unit of work kept its transaction"))
        }
        outcome => outcome,
    };
    match (session.key(), outcome) {
        (Some(keyed), Ok(value)) => match keyed.keep_open(unit) {
            None => Ok(value),
            Some(unit) => {
                let given_up = Error::bug("an effect that nobody waits for any more");
                unit.settle(session, Err(given_up)).await
            }
        },
        (_, outcome) => unit.settle(session, outcome).await,
    }
}
