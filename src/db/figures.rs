//! What the database layer counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, Statement};

use super::connect::Database;
use super::session::Session;
use super::viewer::Actor;
use crate::error::{Error, Result};

/// One pool of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFigures {
    /// `read` and `write` on SQLite, `primary` on PostgreSQL, `replica` where there is one.
    pub name: &'static str,
    /// Connections open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// How many there may be.
    pub most: u32,
    /// How often one was wanted while all were in use, since the start.
    pub waits: u64,
}

/// Counts how often a connection was wanted while all were in use.
#[derive(Debug, Default)]
pub(super) struct Waits(AtomicU64);

impl Waits {
    /// To be called before a connection is taken from the pool.
    pub(super) fn notice(&self, connection: &DatabaseConnection) {
        let (open, idle, most) = state(connection);
        if idle == 0 && open >= most {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections open, idle, and at most.
fn state(connection: &DatabaseConnection) -> (u32, usize, u32) {
    if connection.get_database_backend() == DbBackend::Postgres {
        let pool = connection.get_postgres_connection_pool();
        let most = pool.options().get_max_connections();
        (pool.size(), pool.num_idle(), most)
    } else {
        let pool = connection.get_sqlite_connection_pool();
        let most = pool.options().get_max_connections();
        (pool.size(), pool.num_idle(), most)
    }
}

impl Database {
    /// The pools of connections, as they are now.
    pub fn pools(&self) -> Vec<PoolFigures> {
        let inner = &self.inner;
        let figures = |name, connection, waits: &Waits| {
            let (open, idle, most) = state(connection);
            PoolFigures {
                name,
                open,
                idle,
                most,
                waits: waits.count(),
            }
        };
        let mut pools = match self.backend() {
            DbBackend::Postgres => vec![figures("primary", &inner.write, &inner.write_waits)],
            _ => vec![
                figures("read", &inner.read, &inner.read_waits),
                figures("write", &inner.write, &inner.write_waits),
            ],
        };
        if let Some(replica) = &inner.replica {
            pools.push(figures(
                "replica",
                &replica.connection,
                &inner.replica_waits,
            ));
        }
        pools
    }

    /// All that was committed so long ago is on the replica; nothing where there is none.
    pub fn replica_lag(&self) -> Option<Duration> {
        let replica = self.inner.replica.as_ref();
        replica.map(|replica| replica.lag.at_most())
    }

    /// Reads that the primary answered because the replica failed or lagged, since the start.
    pub fn replica_fallbacks(&self) -> u64 {
        let replica = self.inner.replica.as_ref();
        replica.map_or(0, super::replica::Replica::fallbacks)
    }
}

impl Session {
    /// How many sessions are neither ended nor expired. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn count_active_sessions(&self) -> Result<u64> {
        match self.viewer().actor() {
            Actor::System { .. } => {}
            Actor::User { .. } => return Err(Error::bug("somebody counted the sessions of all")),
        }
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT COUNT(*) AS count_ FROM sessions \
             WHERE revoked_at IS NULL AND idle_expires_at > $1 AND expires_at > $1",
            [self.now().into()],
        );
        let row = self.query_one_raw(statement).await?;
        let count: i64 = match row {
            Some(row) => row.try_get("", "count_")?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
