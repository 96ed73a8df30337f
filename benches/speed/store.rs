//! The databases, opened bare: connections as the service has them, and rows written by the thousand.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, AssertSqlSafe, PgPool, SqlitePool};
use uuid::Uuid;

use crate::Result;

/// Connections as the service makes them by default.
pub(crate) fn connections() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    u32::try_from(cores * 4).unwrap_or(8)
}

pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres")
}

/// A pool with the settings of the service.
pub(crate) async fn postgres(url: &str) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?
        .statement_cache_capacity(256)
        .options([("timezone", "UTC")]);
    Ok(PgPoolOptions::new()
        .max_connections(connections())
        .min_connections(1)
        .test_before_acquire(false)
        .connect_with(options)
        .await?)
}

/// Readers or the one writer, with the settings of the service.
pub(crate) async fn sqlite(url: &str, writes: bool) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("temp_store", "memory")
        .pragma("mmap_size", "268435456")
        .pragma("query_only", if writes { "OFF" } else { "ON" })
        .statement_cache_capacity(256)
        .row_buffer_size(1_024);
    Ok(SqlitePoolOptions::new()
        .max_connections(if writes { 1 } else { connections() })
        .min_connections(1)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .connect_with(options)
        .await?)
}

/// Takes an empty database to before the step that puts what is there in the line of changes that phones follow.
pub(crate) async fn migrate_to_sync(url: &str) -> Result<()> {
    let bare = sea_orm::Database::connect(url).await?;
    let all = Migrator::migrations();
    let before = all.iter().position(|step| step.name() == "m0040_sync");
    let steps = u32::try_from(before.ok_or("there is no step for phones")?)?;
    Migrator::up(&bare, Some(steps)).await?;
    bare.close().await?;
    Ok(())
}

/// One value of a row.
#[derive(Clone)]
pub(crate) enum Cell {
    Null,
    Id(Uuid),
    Text(String),
    Word(&'static str),
    Number(i64),
    Flag(bool),
    Day(NaiveDate),
    At(DateTime<Utc>),
    /// A JSON document, as text.
    Json(String),
    Bytes(Vec<u8>),
}

/// Takes rows, table by table. Nothing is checked: the caller says what is true.
pub(crate) enum Store {
    Postgres(sqlx::pool::PoolConnection<sqlx::Postgres>),
    Sqlite(sqlx::pool::PoolConnection<sqlx::Sqlite>),
}

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        if is_postgres(url) {
            let mut connection = postgres(url).await?.acquire().await?;
            // Rows come whole from one generator: checking each reference would double the time. Needs a
            // superuser; without one the references are checked.
            let _ = sqlx::query("SET session_replication_role = replica")
                .execute(&mut *connection)
                .await;
            sqlx::query("SET synchronous_commit = off")
                .execute(&mut *connection)
                .await?;
            return Ok(Self::Postgres(connection));
        }
        let mut connection = sqlite(url, true).await?.acquire().await?;
        for pragma in [
            "PRAGMA synchronous = OFF",
            "PRAGMA foreign_keys = OFF",
            "PRAGMA cache_size = -200000",
        ] {
            sqlx::query(pragma).execute(&mut *connection).await?;
        }
        Ok(Self::Sqlite(connection))
    }

    /// How many rows the database has read since it began, by its own count; none where it does not count.
    pub(crate) async fn rows_read(&mut self) -> Result<Option<i64>> {
        let Self::Postgres(connection) = self else {
            return Ok(None);
        };
        // Its processes tell now and then what they have counted.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let rows = "SELECT tup_returned + tup_fetched FROM pg_stat_database WHERE datname = current_database()";
        Ok(Some(
            sqlx::query_scalar(rows)
                .fetch_one(&mut **connection)
                .await?,
        ))
    }

    /// Runs a statement without parameters.
    pub(crate) async fn execute(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Self::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
            Self::Sqlite(connection) => {
                sqlx::raw_sql(sql).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// The one text that `sql` answers, if it answers.
    pub(crate) async fn text(&mut self, sql: &'static str) -> Result<Option<String>> {
        Ok(match self {
            Self::Postgres(connection) => {
                sqlx::query_scalar(sql)
                    .fetch_optional(&mut **connection)
                    .await?
            }
            Self::Sqlite(connection) => {
                sqlx::query_scalar(sql)
                    .fetch_optional(&mut **connection)
                    .await?
            }
        })
    }

    /// Adds rows to `table`; each has a cell for each of `columns`.
    pub(crate) async fn add(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: Vec<Vec<Cell>>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::Postgres(connection) => {
                let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
                let mut text = String::with_capacity(rows.len() * columns.len() * 16);
                for row in &rows {
                    for (at, cell) in row.iter().enumerate() {
                        if at > 0 {
                            text.push('\t');
                        }
                        copied(cell, &mut text);
                    }
                    text.push('\n');
                }
                let mut copy = connection.copy_in_raw(&sql).await?;
                copy.send(text.into_bytes()).await?;
                copy.finish().await?;
            }
            Self::Sqlite(connection) => {
                let per_statement = 16_000 / columns.len();
                let mut rows = rows.into_iter().peekable();
                while rows.peek().is_some() {
                    let chunk: Vec<Vec<Cell>> = rows.by_ref().take(per_statement).collect();
                    let places = vec!["?"; columns.len()].join(", ");
                    let tuples = vec![format!("({places})"); chunk.len()].join(", ");
                    let sql = format!(
                        "INSERT INTO {table} ({}) VALUES {tuples}",
                        columns.join(", ")
                    );
                    let mut query = sqlx::query(AssertSqlSafe(sql));
                    for cell in chunk.into_iter().flatten() {
                        query = match cell {
                            Cell::Null => query.bind(None::<String>),
                            Cell::Id(id) => query.bind(id),
                            Cell::Text(text) | Cell::Json(text) => query.bind(text),
                            Cell::Word(word) => query.bind(word),
                            Cell::Number(number) => query.bind(number),
                            Cell::Flag(flag) => query.bind(flag),
                            Cell::Day(day) => query.bind(day),
                            Cell::At(at) => query.bind(at),
                            Cell::Bytes(bytes) => query.bind(bytes),
                        };
                    }
                    query.execute(&mut **connection).await?;
                }
            }
        }
        Ok(())
    }
}

/// A cell in the text form of `COPY`.
fn copied(cell: &Cell, into: &mut String) {
    let plain = match cell {
        Cell::Null => "\\N".to_owned(),
        Cell::Id(id) => id.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Day(day) => day.to_string(),
        Cell::At(at) => at.to_rfc3339(),
        Cell::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\\\x{hex}")
        }
        Cell::Word(text) => return escaped(text, into),
        Cell::Text(text) | Cell::Json(text) => return escaped(text, into),
    };
    into.push_str(&plain);
}

fn escaped(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\t' => into.push_str("\\t"),
            '\r' => into.push_str("\\r"),
            other => into.push(other),
        }
    }
}
