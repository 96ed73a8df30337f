//! All rows of all tables, out of one moment and back in, whatever the tables are: what is to be kept is
//! read off the database itself, so that a new table cannot be forgotten. The form of the rows is the same
//! for SQLite and PostgreSQL, which lets a book move from one to the other.

mod load;
mod shape;
mod turn;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use futures_util::TryStreamExt;
use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, IsolationLevel, QueryResult, SqliteTransactionMode,
    Statement, StreamTrait, TransactionOptions,
};
use serde_json::Value;
use uuid::Uuid;

pub use load::Restore;
pub use shape::{ColumnShape, Kind, TableShape};

use super::session::Session;
use super::steps;
use super::unit::{self, Unit};
use super::viewer::Actor;
use crate::error::{Error, Result};

impl Session {
    /// Runs `work` on the database as it is at one moment, whatever is written meanwhile. It cannot write. It waits
    /// for whoever changes tables or puts a backup back, and they for it.
    ///
    /// # Errors
    /// What `work` fails with; from the database.
    pub async fn at_one_moment<T>(&self, work: impl AsyncFnOnce(Self) -> Result<T>) -> Result<T> {
        let is_postgres = self.backend() == DbBackend::Postgres;
        let turn = if is_postgres {
            Some(turn::Shared::wait(&self.database().inner.read).await?)
        } else {
            None
        };
        let options = TransactionOptions {
            isolation_level: is_postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: is_postgres.then_some(AccessMode::ReadOnly),
            sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
        };
        let transaction = unit::begin_with(&self.database().inner.read, options).await?;
        if is_postgres {
            // This is no request: it may take its time.
            for statement in [
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL idle_in_transaction_session_timeout = 0",
            ] {
                transaction.execute_unprepared(statement).await?;
            }
        }
        let now = self.now();
        let unit = Arc::new(Unit::new(transaction, &self.database().inner, now));
        let outcome = work(self.inside(Arc::clone(&unit), now)).await;
        let end = async {
            // Nothing was written.
            unit.undo().await?;
            match turn {
                Some(turn) => turn.give_back().await,
                None => Ok(()),
            }
        };
        // The first error is the one that counts.
        match (outcome, end.await) {
            (Ok(done), Ok(())) => Ok(done),
            (Ok(_), Err(error)) | (Err(error), _) => Err(error),
        }
    }

    /// The names of the steps that made the tables, in order; also those of a later version.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn steps_run(&self) -> Result<Vec<String>> {
        self.require_service()?;
        let unit = self.require_unit()?;
        steps::run(&*unit.transaction().await?).await
    }

    /// The tables that these steps made, without those that somebody else put beside them; all tables, when a
    /// step is unknown.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; `CONFLICT` when a table is not as the steps make it; from the database.
    pub async fn table_shapes(&self, steps: &[String]) -> Result<Vec<TableShape>> {
        self.require_service()?;
        let unit = self.require_unit()?;
        let present = shape::read(&*unit.transaction().await?, self.backend()).await?;
        shape::kept(&present, steps).await
    }

    /// Hands every row of a table to `each`, in the order of its key; says how many there were.
    ///
    /// # Errors
    /// What `each` fails with; `INTERNAL` when a person asks; from the database.
    pub async fn each_row(
        &self,
        table: &TableShape,
        mut each: impl FnMut(Vec<Value>) -> Result<()>,
    ) -> Result<u64> {
        self.require_service()?;
        let unit = self.require_unit()?;
        let transaction = unit.transaction().await?;
        let statement = Statement::from_string(self.backend(), table.query(self.backend()));
        let mut rows = std::pin::pin!(transaction.stream_raw(statement).await?);
        let mut count = 0_u64;
        while let Some(row) = rows.try_next().await? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (at, column) in table.columns.iter().enumerate() {
                values.push(written(&row, at, column.kind)?);
            }
            each(values)?;
            count += 1;
        }
        Ok(count)
    }

    fn require_service(&self) -> Result<()> {
        match self.viewer().actor() {
            Actor::System { .. } => Ok(()),
            Actor::User { .. } => Err(Error::bug("somebody reached for all rows there are")),
        }
    }

    fn require_unit(&self) -> Result<&Arc<Unit>> {
        self.within
            .as_ref()
            .ok_or_else(|| Error::bug("all rows are read at one moment"))
    }
}

/// The first of these steps that this program does not know: a later version made it.
pub fn later_step(steps: &[String]) -> Option<&str> {
    steps::unknown(steps)
}

/// Demands that among `tables` are all those that `steps` make, as they make them.
///
/// # Errors
/// `BAD_USER_INPUT` when they are not, or when a step is unknown or one before it missing.
pub async fn require_complete(tables: &[TableShape], steps: &[String]) -> Result<()> {
    load::require_known(steps)?;
    load::require_complete(tables, &shape::made_by(steps.len()).await?)
}

/// A value as a backup writes it.
fn written(row: &QueryResult, at: usize, kind: Kind) -> Result<Value> {
    Ok(match kind {
        Kind::Id => {
            let id: Option<Uuid> = row.try_get_by_index(at)?;
            id.map(|id| id.to_string()).into()
        }
        Kind::Instant => {
            let instant: Option<DateTime<Utc>> = row.try_get_by_index(at)?;
            instant
                .map(|instant| instant.to_rfc3339_opts(SecondsFormat::Micros, true))
                .into()
        }
        Kind::Day => {
            let day: Option<NaiveDate> = row.try_get_by_index(at)?;
            day.map(|day| day.to_string()).into()
        }
        Kind::Flag => row.try_get_by_index::<Option<bool>>(at)?.into(),
        Kind::Whole => row.try_get_by_index::<Option<i64>>(at)?.into(),
        Kind::Text => row.try_get_by_index::<Option<String>>(at)?.into(),
        Kind::Json => {
            // As text, so that a JSON null is not taken for none. Keys come out sorted on both databases.
            let json: Option<Value> = row.try_get_by_index(at)?;
            json.map(|json| json.to_string()).into()
        }
        Kind::Bytes => {
            let bytes: Option<Vec<u8>> = row.try_get_by_index(at)?;
            bytes.map(|bytes| STANDARD.encode(bytes)).into()
        }
    })
}

/// A value of a backup as the database takes it; nothing when it is not of that kind.
fn read(value: &Value, kind: Kind) -> Option<sea_orm::Value> {
    let text = value.as_str();
    let none = value.is_null();
    Some(match kind {
        Kind::Id if none => None::<Uuid>.into(),
        Kind::Id => Uuid::parse_str(text?).ok()?.into(),
        Kind::Instant if none => None::<DateTime<Utc>>.into(),
        Kind::Instant => DateTime::parse_from_rfc3339(text?).ok()?.to_utc().into(),
        Kind::Day if none => None::<NaiveDate>.into(),
        Kind::Day => text?.parse::<NaiveDate>().ok()?.into(),
        Kind::Flag if none => None::<bool>.into(),
        Kind::Flag => value.as_bool()?.into(),
        Kind::Whole if none => None::<i64>.into(),
        Kind::Whole => value.as_i64()?.into(),
        Kind::Text if none => None::<String>.into(),
        Kind::Text => text?.to_owned().into(),
        Kind::Json if none => None::<Value>.into(),
        Kind::Json => serde_json::from_str::<Value>(text?).ok()?.into(),
        Kind::Bytes if none => None::<Vec<u8>>.into(),
        Kind::Bytes => STANDARD.decode(text?).ok()?.into(),
    })
}
