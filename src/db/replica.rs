//! A copy of the database that reads may go to. It may be gone, or lag more than is allowed: the primary answers
//! then, and the copy is tried again after some seconds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, DbErr, RuntimeErr};

use super::classify::{classify, state};
use super::lag::Lag;
use crate::error::Code;

/// A replica, and whether it answers.
pub(super) struct Replica {
    pub(super) connection: DatabaseConnection,
    pub(super) lag: Lag,
    is_down: AtomicBool,
    try_again_at: Mutex<Option<Instant>>,
    fallbacks: AtomicU64,
}

impl Replica {
    /// How long a replica that failed is left alone.
    pub(super) const REST: Duration = Duration::from_secs(5);

    pub(super) fn new(connection: DatabaseConnection) -> Self {
        Self {
            connection,
            lag: Lag::default(),
            is_down: AtomicBool::new(false),
            try_again_at: Mutex::new(None),
            fallbacks: AtomicU64::new(0),
        }
    }

    /// Whether to ask it now: not while it lags too much; always while it answers; once every few seconds while
    /// it does not.
    pub(super) fn is_worth_a_try(&self) -> bool {
        if !self.lag.is_bearable() {
            self.fallbacks.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if !self.is_down.load(Ordering::Relaxed) {
            return true;
        }
        let now = Instant::now();
        let mut at = self.lock();
        if at.is_some_and(|at| now < at) {
            drop(at);
            self.fallbacks.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        // One request tries; the others go on without it.
        *at = Some(now + Self::REST);
        true
    }

    /// Notes that it answered.
    pub(super) fn answered(&self) {
        if self.is_down.load(Ordering::Relaxed) {
            *self.lock() = None;
            self.is_down.store(false, Ordering::Relaxed);
            tracing::info!("the read replica answers again");
        }
    }

    /// Whether the primary should answer instead, because it is the replica that failed and not the
    /// statement.
    pub(super) fn is_to_blame(&self, error: &DbErr) -> bool {
        let is_gone = is_gone(error);
        if !is_gone && !is_behind(error) {
            return false;
        }
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
        if is_gone {
            *self.lock() = Some(Instant::now() + Self::REST);
            if !self.is_down.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "the read replica fails: the primary answers instead");
            }
        }
        true
    }

    /// How many reads the primary answered instead, since the start.
    pub(super) fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.try_again_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_gone(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
        || classify(copy(error)).code() == Code::Unavailable && !is_behind(error)
}

/// Whether it lacks what the primary has: a conflict with what it is just replaying, or a table or a column
/// of a migration that has not reached it.
fn is_behind(error: &DbErr) -> bool {
    matches!(
        state(error).as_deref(),
        Some("40001" | "40P01" | "42P01" | "42703")
    )
}

/// The error as far as its kind goes: it cannot be cloned.
fn copy(error: &DbErr) -> DbErr {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) => {
            DbErr::Exec(RuntimeErr::SqlxError(std::sync::Arc::clone(error)))
        }
        DbErr::Query(RuntimeErr::SqlxError(error)) => {
            DbErr::Query(RuntimeErr::SqlxError(std::sync::Arc::clone(error)))
        }
        other => DbErr::Custom(other.to_string()),
    }
}
