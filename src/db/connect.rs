//! Opening the database. SQLite: one writer connection and some readers on one file. PostgreSQL: one
//! pool. Migrations run under a lock.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tokio::sync::watch;

use super::figures::Waits;
use super::lag;
use super::readers::{Lent, Readers};
use super::replica::Replica;
use super::session::Session;
use super::steps;
use super::sync::{self, ChangeClock};
use super::unit;
use super::unreachable;
use super::viewer::Viewer;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::live::Bus;

/// How long to wait for a connection to the replica before the primary answers instead.
const REPLICA_PATIENCE: Duration = Duration::from_secs(1);

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `sqlite://path` or `postgres://user@host/name`.
    pub url: String,
    /// A copy of a PostgreSQL database that lags a little, for reads.
    pub read_url: Option<String>,
    /// Connections for reads on SQLite; all connections on PostgreSQL. 1 or more.
    pub max_connections: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement may run; on SQLite one that reads, outside a transaction.
    pub statement_timeout: Duration,
    /// Signs page cursors.
    pub cursor_key: [u8; 32],
    /// How many clients are kept for one user's phones at most.
    pub stream_cap: i64,
}

impl DatabaseConfig {
    /// The defaults for `url`: 4 connections per core, 5 seconds of patience.
    pub fn new(url: impl Into<String>, cursor_key: [u8; 32]) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            url: url.into(),
            read_url: None,
            max_connections: u32::try_from(cores.saturating_mul(4)).unwrap_or(8),
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            cursor_key,
            stream_cap: sync::STREAM_CAP,
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) write: DatabaseConnection,
    /// On SQLite for what reads in a transaction, and takes its time.
    pub(super) read: DatabaseConnection,
    /// On PostgreSQL for what must not wait until requests are done.
    pub(super) apart: Option<DatabaseConnection>,
    /// For all other reads on SQLite.
    pub(super) readers: Option<Arc<Readers>>,
    pub(super) clock: Clock,
    /// Where it is, in words.
    pub(super) place: String,
    pub(super) cursor_key: ring::hmac::Key,
    pub(super) replica: Option<Replica>,
    pub(super) read_waits: Waits,
    pub(super) write_waits: Waits,
    pub(super) replica_waits: Waits,
    /// Each unit of work that runs holds a receiver.
    pub(super) working: watch::Sender<()>,
    /// Where units of work say what they changed, once they are kept.
    pub(super) news: Bus,
    pub(super) change_clock: Arc<dyn ChangeClock>,
    pub(super) stream_cap: i64,
}

impl Database {
    /// Opens the database (a SQLite file is made when absent). Runs no migration.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a URL that is neither SQLite nor PostgreSQL, or a replica of SQLite; `UNAVAILABLE`
    /// when the database cannot be reached. A replica that cannot be reached is no error.
    pub async fn connect(config: &DatabaseConfig, clock: Clock) -> Result<Self> {
        Self::connect_by(config, clock, Arc::new(sync::Inline)).await
    }

    /// As [`Self::connect`], with positions given to changes in another way.
    pub(super) async fn connect_by(
        config: &DatabaseConfig,
        clock: Clock,
        change_clock: Arc<dyn ChangeClock>,
    ) -> Result<Self> {
        let (write, read, apart, readers) = if config.url.starts_with("sqlite:") {
            unreachable::require_file(&config.url)?;
            let failed = |error| unreachable::file(&config.url, error);
            let write = sea_orm::Database::connect(sqlite(config, Access::Write));
            let write = write.await.map_err(failed)?;
            let mut options = sqlite(config, Access::Read);
            options.min_connections(0).connect_lazy(true);
            let read = sea_orm::Database::connect(options);
            let readers = Box::pin(Readers::open(
                config.max_connections,
                || sqlite(config, Access::Read),
                config.acquire_timeout,
                config.statement_timeout,
            ));
            let read = read.await.map_err(failed)?;
            let readers = Arc::new(readers.await.map_err(failed)?);
            (write, read, None, Some(readers))
        } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
            unreachable::require_server(&config.url)?;
            let pool = match sea_orm::Database::connect(postgres(config, &config.url)).await {
                Ok(pool) => pool,
                Err(error) => return Err(unreachable::server(&config.url, error).await),
            };
            let mut options = postgres(config, &config.url);
            options
                .max_connections(1)
                .min_connections(0)
                .connect_lazy(true);
            let apart = sea_orm::Database::connect(options).await?;
            (pool.clone(), pool, Some(apart), None)
        } else {
            return Err(Error::bad_input(
                "DATABASE_URL",
                "the database URL starts with sqlite:// or postgres://",
            ));
        };
        let replica = match &config.read_url {
            Some(url) => Some(Replica::new(replica(config, url, &write).await?)),
            None => None,
        };
        let database = Self {
            inner: Arc::new(Inner {
                write,
                read,
                apart,
                readers,
                clock,
                place: unreachable::place(&config.url),
                cursor_key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &config.cursor_key),
                replica,
                read_waits: Waits::default(),
                write_waits: Waits::default(),
                replica_waits: Waits::default(),
                working: watch::Sender::new(()),
                news: Bus::default(),
                change_clock,
                stream_cap: config.stream_cap,
            }),
        };
        if database.inner.replica.is_some() {
            lag::watch(&database.inner).await;
        }
        Ok(database)
    }

    /// Completes when no unit of work runs: those whose callers went away go on, and the process should not
    /// end before them.
    pub async fn settled(&self) {
        self.inner.working.closed().await;
    }

    /// Brings the tables up to date. Processes that start together take turns: all steps run in one
    /// transaction, on PostgreSQL under an advisory lock, on SQLite as the one writer. Tables of a later
    /// version, which has run all steps of this one, are left as they are.
    ///
    /// # Errors
    /// `INTERNAL` when a step fails; the step leaves nothing behind. `CONFLICT` when steps are missing and
    /// others have run that are unknown here. `BAD_USER_INPUT` when the user of the database may not.
    pub async fn migrate(&self) -> Result<()> {
        // Nobody waits for his turn to do nothing: a backup may hold it for long.
        let run = steps::run(&self.inner.write).await?;
        if steps::missing(&run).is_empty() {
            return Ok(());
        }
        let transaction = unit::begin(&self.inner.write).await?;
        if self.backend() == DbBackend::Postgres {
            // Neither the turn nor a step is held to the times of a request. The lock lives and dies with
            // this transaction, whatever happens to the process.
            for statement in [
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL lock_timeout = 0",
                steps::TAKE_TURN,
            ] {
                transaction.execute_unprepared(statement).await?;
            }
        }
        let run = steps::run(&transaction).await?;
        // Another process may have been faster.
        if steps::missing(&run).is_empty() {
            return Ok(transaction.rollback().await?);
        }
        if let Err(error) = steps::require_known(&run) {
            transaction.rollback().await?;
            return Err(error);
        }
        let outcome = Migrator::up(&transaction, None).await;
        // The steps before the one that failed are kept.
        transaction.commit().await?;
        outcome.map_err(steps::refused)
    }

    /// The names of the migration steps that have not run yet. Those of a later version count for nothing.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the database cannot be reached; `BAD_USER_INPUT` when its user may not look.
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        Ok(steps::missing(&steps::run(&self.inner.write).await?))
    }

    /// Whether any migration step has run: a database that was never used has none.
    ///
    /// # Errors
    /// As [`Self::pending_migrations`].
    pub async fn is_begun(&self) -> Result<bool> {
        Ok(!steps::run(&self.inner.write).await?.is_empty())
    }

    /// Answers when the database does; PostgreSQL must take writes, too: one that follows another takes none.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not.
    pub async fn ping(&self) -> Result<()> {
        if self.backend() != DbBackend::Postgres {
            let reader = self.reading().await?;
            reader.execute_unprepared("SELECT 1").await?;
            return Ok(());
        }
        let statement = Statement::from_string(
            self.backend(),
            "SELECT current_setting('transaction_read_only') = 'on' AS is_read_only",
        );
        let row = self.inner.write.query_one_raw(statement).await?;
        let is_read_only = row.map(|row| row.try_get::<bool>("", "is_read_only"));
        match is_read_only.transpose()? {
            Some(false) => Ok(()),
            _ => Err(Error::new(
                Code::Unavailable,
                "the database takes no writes: it is a standby, or was set to read only",
            )),
        }
    }

    /// Whether the tables are those of this program, or of a later one: while one version follows another
    /// both serve.
    ///
    /// # Errors
    /// `UNAVAILABLE` when steps are missing, or the database cannot be reached.
    pub async fn require_tables(&self) -> Result<()> {
        let run = steps::run(&*self.reading().await?).await?;
        if run.is_empty() {
            return Err(Error::new(Code::Unavailable, "no tables were made yet"));
        }
        match steps::missing(&run).len() {
            0 => Ok(()),
            missing => Err(Error::new(
                Code::Unavailable,
                format!("{missing} steps of the tables are missing"),
            )),
        }
    }

    /// Whether this is PostgreSQL or SQLite, in words.
    pub fn kind(&self) -> &'static str {
        match self.backend() {
            DbBackend::Postgres => "PostgreSQL",
            _ => "SQLite",
        }
    }

    /// The clock of this database.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// A session of `viewer`. `statements` counts what it sends to the database.
    pub fn session(&self, viewer: Viewer, statements: Arc<AtomicU32>) -> Session {
        Session::new(self.clone(), viewer, statements).lagging()
    }

    /// The unscoped door, for what no person asked for: sign-in, import, jobs, demo data. `reason` says
    /// why, and a test holds the list of its callers.
    pub fn as_system(&self, reason: &'static str) -> Session {
        Session::new(self.clone(), Viewer::system(reason), Arc::default())
    }

    /// A connection of the primary database, for one statement that reads.
    pub(super) async fn reading(&self) -> Result<Reading<'_>> {
        let inner = &self.inner;
        if let Some(readers) = &inner.readers {
            return Ok(Reading::One(readers.lend(&inner.read_waits).await?));
        }
        // One pool for both.
        inner.write_waits.notice(&inner.read);
        Ok(Reading::Pool(&inner.read))
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.inner.write.get_database_backend()
    }
}

/// What a statement that reads is run on.
pub(super) enum Reading<'a> {
    One(Lent),
    Pool(&'a DatabaseConnection),
}

impl Reading<'_> {
    /// The connection, where it is one that was lent.
    pub(super) fn lent(self) -> Option<Lent> {
        match self {
            Self::One(lent) => Some(lent),
            Self::Pool(_) => None,
        }
    }
}

impl Deref for Reading<'_> {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        match self {
            Self::One(lent) => lent,
            Self::Pool(pool) => pool,
        }
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

fn sqlite(config: &DatabaseConfig, access: Access) -> ConnectOptions {
    let (max, query_only) = match access {
        Access::Read => (config.max_connections.max(1), "ON"),
        Access::Write => (1, "OFF"),
    };
    let url = config.url.split('?').next().unwrap_or_default().to_owned();
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max)
        .min_connections(1)
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                .pragma("temp_store", "memory")
                .pragma("mmap_size", "268435456")
                .pragma("query_only", query_only)
                .statement_cache_capacity(256)
                // A page whole, so that its rows cross from the database's thread in one go.
                .row_buffer_size(1_024)
        });
    if matches!(access, Access::Write) {
        // When a COMMIT fails, SQLite may have rolled back by itself. The driver's own ROLLBACK fails then, and
        // it goes on counting an open transaction: the next would be a mere savepoint, never committed. Such a
        // connection is closed. The ping waits until a rollback that is on its way is done.
        options.map_sqlx_sqlite_pool_opts(|pool| {
            pool.after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
        });
    }
    options
}

/// Opens the replica. It may be down: connections are made when they are wanted.
async fn replica(
    config: &DatabaseConfig,
    url: &str,
    primary: &DatabaseConnection,
) -> Result<DatabaseConnection> {
    let is_postgres = url.starts_with("postgres:") || url.starts_with("postgresql:");
    if !is_postgres || primary.get_database_backend() != DbBackend::Postgres {
        return Err(Error::bad_input(
            "DATABASE_READ_URL",
            "a replica to read from is one of PostgreSQL, beside a PostgreSQL database",
        ));
    }
    unreachable::require_server(url)
        .map_err(|error| Error::bad_input("DATABASE_READ_URL", error.into_message()))?;
    let mut options = postgres(config, url);
    options
        .connect_lazy(true)
        .min_connections(0)
        // After a rest all connections are looked at before they are used: those from before it are dead.
        .test_before_acquire_if_idle_for(Replica::REST / 2)
        .acquire_timeout(config.acquire_timeout.min(REPLICA_PATIENCE));
    Ok(sea_orm::Database::connect(options).await?)
}

fn postgres(config: &DatabaseConfig, url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(config.max_connections.max(1))
        .min_connections(1)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .set_application_name("clientele")
        .statement_timeout(config.statement_timeout)
        .map_sqlx_postgres_opts(|postgres| {
            postgres.statement_cache_capacity(256).options([
                ("lock_timeout", "2000"),
                ("idle_in_transaction_session_timeout", "15000"),
                ("timezone", "UTC"),
                // As on solid-state disks. By the default, made for others, a pull of twenty documents reads all
                // clients of the viewer to see whether theirs are among them, rather than looking these up.
                ("random_page_cost", "1.1"),
                // That a table is there already is no news.
                ("client_min_messages", "warning"),
                // Whoever has waited for a row or the clock looks at what is there then.
                ("default_transaction_isolation", "read committed"),
            ])
        });
    options
}
