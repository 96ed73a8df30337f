//! The one source of time. Everything that needs "now" takes it from a [`Clock`], so tests can set it
//! and both databases see the same microseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Tells the present instant in UTC, cut to microseconds (what PostgreSQL keeps).
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The present instant, UTC, cut to microseconds.
    pub fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::microseconds(self.offset_micros.load(Ordering::Relaxed));
        let now = Utc::now() + offset;
        now.duration_trunc(TimeDelta::microseconds(1))
            .unwrap_or(now)
    }

    /// Moves this clock, and every clone of it, forward (or back) by `by`. For tests and simulations.
    pub fn advance(&self, by: TimeDelta) {
        self.offset_micros
            .fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::Relaxed);
    }
}
