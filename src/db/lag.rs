//! How far a replica lags. Once a second the place in the log of the primary is noted, and asked how far the
//! replica has come. What it has not caught up with for [`MAX_LAG`] is not read from it: who may see what is
//! decided by rows, too, and those of a replica are as old as the rest of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, ConnectOptions, Executor, Row};

use super::connect::Inner;

/// Rows that a replica answers with are those of this long ago, or newer: what was committed before is in them.
pub const MAX_LAG: Duration = Duration::from_secs(5);

/// How often to look.
const EVERY: Duration = Duration::from_secs(1);

/// How long a look may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Marks to keep: the oldest tells a lag of some minutes.
const MARKS: usize = 600;

/// Where a server is. A replica is as far as it has replayed; a server that is none is as far as it has written,
/// on a time line that begins anew whenever a replica becomes a primary.
const PLACE: &str = "SELECT system_identifier AS system_, \
     CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS line_, \
     (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END \
      - '0/0'::pg_lsn)::bigint AS at_ FROM pg_control_system()";

/// A place in the log of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Which server, and its copies.
    system: i64,
    /// Which of its histories; nothing where it follows another server.
    line: Option<String>,
    /// Bytes from the beginning.
    at: i64,
}

impl Place {
    /// Whether who is here has all that was written up to `mark`.
    fn has_reached(&self, mark: &Self) -> bool {
        let is_of_one_history = self.line.is_none() || self.line == mark.line;
        self.system == mark.system && is_of_one_history && self.at >= mark.at
    }

    fn is_comparable(&self, other: &Self) -> bool {
        self.system == other.system && self.line == other.line
    }
}

/// How far a replica is behind, as far as is known.
#[derive(Debug)]
pub(super) struct Lag(Mutex<Known>);

#[derive(Debug)]
struct Known {
    began: Instant,
    /// Places of the primary, each with an instant before it was asked for; oldest first.
    marks: VecDeque<(Instant, Place)>,
    /// All that was committed by then is on the replica.
    proven: Option<Instant>,
}

impl Default for Lag {
    fn default() -> Self {
        Self(Mutex::new(Known {
            began: Instant::now(),
            marks: VecDeque::new(),
            proven: None,
        }))
    }
}

impl Lag {
    /// Whether the replica may be read from now. It may not once looking at it fails for too long.
    pub(super) fn is_bearable(&self) -> bool {
        let proven = self.lock().proven;
        proven.is_some_and(|proven| proven.elapsed() <= MAX_LAG)
    }

    /// All that was committed so long ago is on the replica. Counted from when looking began, while nothing was
    /// ever seen there.
    pub(super) fn at_most(&self) -> Duration {
        let known = self.lock();
        known.proven.unwrap_or(known.began).elapsed()
    }

    fn mark(&self, asked: Instant, place: Place) {
        let mut known = self.lock();
        // Places of another server, or of another history of it, can no longer be reached.
        known.marks.retain(|(_, mark)| mark.is_comparable(&place));
        known.marks.push_back((asked, place));
        if known.marks.len() > MARKS {
            known.marks.pop_front();
        }
    }

    fn reached(&self, place: &Place) {
        let mut known = self.lock();
        while let Some((asked, mark)) = known.marks.front() {
            if !place.has_reached(mark) {
                return;
            }
            known.proven = Some(*asked);
            known.marks.pop_front();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks once, then every second for as long as the database is open.
pub(super) async fn watch(inner: &Arc<Inner>) {
    let mut watch = Watch::over(inner);
    watch.look(inner).await;
    let inner = Arc::downgrade(inner);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(inner) = inner.upgrade() else {
                return;
            };
            watch.look(&inner).await;
        }
    });
}

/// Connections of its own: those of the pools may all be in use.
struct Watch {
    primary: Server,
    replica: Option<Server>,
    was_bearable: bool,
}

impl Watch {
    fn over(inner: &Inner) -> Self {
        let primary = inner.write.get_postgres_connection_pool();
        let replica = inner.replica.as_ref();
        let replica = replica.map(|replica| replica.connection.get_postgres_connection_pool());
        Self {
            primary: Server::new(&primary.connect_options()),
            replica: replica.map(|pool| Server::new(&pool.connect_options())),
            was_bearable: true,
        }
    }

    async fn look(&mut self, inner: &Inner) {
        let (Some(server), Some(replica)) = (&mut self.replica, &inner.replica) else {
            return;
        };
        let lag = &replica.lag;
        let asked = Instant::now();
        match self.primary.place().await {
            Ok(Some(place)) if place.line.is_some() => lag.mark(asked, place),
            Ok(_) => {}
            Err(reason) => tracing::debug!(reason, "the place of the primary is not known"),
        }
        let reason = match server.place().await {
            Ok(Some(place)) => {
                lag.reached(&place);
                String::new()
            }
            Ok(None) => "it does not tell how far it has come".to_owned(),
            Err(reason) => reason,
        };
        let is_bearable = lag.is_bearable();
        if self.was_bearable && !is_bearable {
            let seconds = lag.at_most().as_secs();
            tracing::warn!(
                seconds,
                reason,
                "the read replica lags: the primary answers instead"
            );
        } else if is_bearable && !self.was_bearable {
            tracing::info!("the read replica has caught up");
        }
        self.was_bearable = is_bearable;
    }
}

/// A server with a connection to it, made when it is wanted.
struct Server {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Server {
    fn new(options: &PgConnectOptions) -> Self {
        Self {
            options: options.clone().disable_statement_logging(),
            connection: None,
        }
    }

    /// Where it is; nothing when it does not say.
    async fn place(&mut self) -> Result<Option<Place>, String> {
        // A connection on which something went wrong, or takes too long, is not used again.
        let kept = self.connection.take();
        let options = &self.options;
        let asking = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => options.connect().await?,
            };
            let row = connection.fetch_one(PLACE).await?;
            let place = match row.try_get::<Option<i64>, _>("at_")? {
                None => None,
                Some(at) => Some(Place {
                    system: row.try_get("system_")?,
                    line: row.try_get("line_")?,
                    at,
                }),
            };
            Ok::<_, sqlx::Error>((connection, place))
        };
        match tokio::time::timeout(WITHIN, asking).await {
            Ok(Ok((connection, place))) => {
                self.connection = Some(connection);
                Ok(place)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", WITHIN.as_secs())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn place(system: i64, line: Option<&str>, at: i64) -> Place {
        Place {
            system,
            line: line.map(str::to_owned),
            at,
        }
    }

    #[test]
    fn a_replica_is_read_only_while_it_is_known_to_follow() {
        let lag = Lag::default();
        assert!(!lag.is_bearable(), "nothing is known yet");
        let now = Instant::now();
        let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        for (seconds, at) in [(8, 100), (7, 200), (6, 300), (3, 400), (1, 500)] {
            lag.mark(ago(seconds), place(1, Some("1"), at));
        }
        // It has only what was there six seconds ago.
        lag.reached(&place(1, None, 399));
        assert!(!lag.is_bearable());
        assert!(lag.at_most() >= Duration::from_secs(6));
        lag.reached(&place(1, None, 400));
        assert!(lag.is_bearable());
        assert!(lag.at_most() >= Duration::from_secs(3));
        // Without a look that succeeds, time alone ends it.
        lag.0.lock().unwrap().proven = Some(ago(6));
        assert!(!lag.is_bearable());
    }

    #[test]
    fn another_server_or_another_history_has_reached_nothing() {
        let mark = place(1, Some("1"), 100);
        assert!(place(1, None, 100).has_reached(&mark));
        assert!(place(1, Some("1"), 100).has_reached(&mark));
        for other in [
            place(1, None, 99),
            place(2, None, 1_000),
            place(1, Some("2"), 1_000),
        ] {
            assert!(!other.has_reached(&mark), "{other:?}");
        }
        // After another server became the primary, its own places count.
        let lag = Lag::default();
        lag.mark(Instant::now(), place(1, Some("1"), 900));
        lag.mark(Instant::now(), place(1, Some("2"), 700));
        lag.reached(&place(1, None, 700));
        assert!(lag.is_bearable());
    }
}
