//! News between the processes that serve one PostgreSQL, by LISTEN and NOTIFY. On connections of their own, beside
//! those of requests and never inside a transaction: PostgreSQL commits transactions that notify one after the
//! other. What is said while a connection is away is lost; whoever was away hears that anything may have changed.

use std::time::Duration;

use sea_orm::DbBackend;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions};
use uuid::Uuid;

use super::connect::Database;
use crate::error::{Error, Result};
use crate::live::{Bus, News};

/// Where the processes of this program speak. Each database has channels of its own.
const CHANNEL: &str = "clientele_news";

/// How long to wait for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing may be heard before it is asked whether the connection is there.
const SILENCE: Duration = Duration::from_secs(10);

/// How long to wait before the first try to connect again, and before the later ones.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The way to the other processes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Wire {
    options: PgConnectOptions,
    /// Marks what this process says, which it need not hear.
    process: Uuid,
}

impl Database {
    /// The way to the other processes on this database; none on SQLite, which has one.
    pub fn wire(&self) -> Option<Wire> {
        if self.backend() != DbBackend::Postgres {
            return None;
        }
        let pool = self.inner.write.get_postgres_connection_pool();
        let options = pool.connect_options().as_ref().clone();
        Some(Wire {
            options: options.application_name("clientele news"),
            process: Uuid::now_v7(),
        })
    }
}

impl Wire {
    /// Hears what other processes say, and hands it to `hear`, until it is dropped. Each time that it begins to
    /// hear it hands over that anything may have changed: what was said before is not known.
    pub async fn listen<F, Fut>(self, hear: F)
    where
        F: Fn(News) -> Fut + Send,
        Fut: Future<Output = ()> + Send,
    {
        let mut pauses = Pauses::default();
        loop {
            let opened = tokio::time::timeout(PATIENCE, self.open()).await;
            match opened.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(listener) => {
                    pauses = Pauses::default();
                    tracing::info!("other processes are heard");
                    hear(News::everything()).await;
                    let lost = self.hear_all(listener, &hear).await;
                    tracing::warn!(
                        error = ?lost,
                        "the connection on which other processes are heard is lost"
                    );
                }
                Err(error) => tracing::warn!(?error, "other processes cannot be heard"),
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }

    async fn open(&self) -> Result<PgListener, sqlx::Error> {
        // A pool for this connection alone: one that was cut on the way keeps its place for long.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    /// Hears until the connection is lost, and says how.
    async fn hear_all<F, Fut>(&self, mut listener: PgListener, hear: &F) -> Option<sqlx::Error>
    where
        F: Fn(News) -> Fut + Send,
        Fut: Future<Output = ()> + Send,
    {
        loop {
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(said))) => {
                    let (from, news) = News::decode(said.payload());
                    if from != Some(self.process) {
                        hear(news).await;
                    }
                }
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => return Some(error),
                // A connection that was cut on the way says nothing of that by itself.
                Err(_) => {
                    let asked = sqlx::query("SELECT 1").execute(&mut listener);
                    match tokio::time::timeout(PATIENCE, asked).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => return Some(error),
                        Err(_) => return Some(sqlx::Error::PoolTimedOut),
                    }
                }
            }
        }
    }

    /// Says what comes on `news` to the other processes, until that is closed and all is said. What cannot be
    /// said now is said when it can, merged with what came meanwhile.
    pub async fn speak(self, news: Bus) {
        let mut connection = None;
        let mut pauses = Pauses::default();
        while let Some(next) = news.next(Duration::ZERO).await {
            let saying = self.say(&mut connection, &next);
            let said = tokio::time::timeout(PATIENCE, saying).await;
            let too_long = || Err(Error::bug("the database took too long to pass news on"));
            match said.unwrap_or_else(|_| too_long()) {
                Ok(()) => pauses = Pauses::default(),
                Err(error) => {
                    tracing::warn!(?error, "other processes cannot be told");
                    // It may be cut, or in the middle of something.
                    connection = None;
                    news.publish(next);
                    tokio::time::sleep(pauses.next()).await;
                }
            }
        }
    }

    async fn say(&self, connection: &mut Option<PgConnection>, news: &News) -> Result<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.options.connect().await.map_err(Error::internal)?),
        };
        let texts = news.clone().encode(self.process).map_err(Error::internal)?;
        let said = sqlx::query("SELECT pg_notify($1, said) FROM unnest($2) AS said")
            .bind(CHANNEL)
            .bind(texts)
            .execute(connection);
        said.await.map(drop).map_err(Error::internal)
    }
}

/// Waits before tries, each twice as long as the last.
#[derive(Default)]
struct Pauses(Option<Duration>);

impl Pauses {
    fn next(&mut self) -> Duration {
        let (first, longest) = PAUSES;
        let next = self.0.map_or(first, |last| last.saturating_mul(2));
        *self.0.insert(next.min(longest))
    }
}
