//! Putting all rows back, in one transaction: all of them are there at its end, or nothing has changed.

use chrono::{DateTime, Utc};
use migration::{Migrator, MigratorTrait};
use sea_orm::sea_query::{Alias, Expr, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use serde_json::Value;

use super::shape::{self, TableShape};
use crate::db::accounts::EndReason;
use crate::db::session::Session;
use crate::db::steps;
use crate::db::sync::begin_anew;
use crate::db::tx::CHUNK_PARAMETERS;
use crate::db::unit;
use crate::db::viewer::Actor;
use crate::error::{Code, Error, Result};

/// Tables whose rows somebody would miss. A database without any of these was made and not used; others may
/// hold rows from its making.
const TELLING: [&str; 3] = ["clients", "products", "users"];

/// A database that is being filled. What was put in is gone again when this is dropped before
/// [`Self::finish`].
pub struct Restore {
    transaction: DatabaseTransaction,
    backend: DbBackend,
    now: DateTime<Utc>,
    /// Those that are ours. Whatever lies beside them is left alone.
    tables: Vec<TableShape>,
    /// What makes the references between tables again, on PostgreSQL.
    references: Vec<String>,
}

impl Session {
    /// Begins to fill the database with `tables` as they were after `steps`. For the service itself.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when a step is unknown: the rows are those of a later version; `CONFLICT` when the
    /// database holds rows, unless they may be replaced, or is that of a later version; `INTERNAL` when a person
    /// asks; from the database.
    pub async fn begin_restore(
        &self,
        steps: &[String],
        tables: &[TableShape],
        may_replace: bool,
    ) -> Result<Restore> {
        if let Actor::User { .. } = self.viewer().actor() {
            return Err(Error::bug("somebody reached for all rows there are"));
        }
        super::require_complete(tables, steps).await?;
        let backend = self.backend();
        let transaction = unit::begin(&self.database().inner.write).await?;
        let before: &[&str] = match backend {
            DbBackend::Postgres => &[
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL lock_timeout = 0",
                "SET LOCAL idle_in_transaction_session_timeout = 0",
                // What it writes is the line of changes itself, whole: it is told from what people do.
                "SET LOCAL application_name = 'clientele restore'",
                // The turn of whoever changes tables, as in Database::migrate.
                steps::TAKE_TURN,
            ],
            _ => &["PRAGMA defer_foreign_keys = ON"],
        };
        for statement in before {
            transaction.execute_unprepared(statement).await?;
        }
        let mut restore = Restore {
            transaction,
            backend,
            now: self.now(),
            tables: Vec::new(),
            references: Vec::new(),
        };
        let run = steps::run(&restore.transaction).await?;
        steps::require_known(&run)?;
        restore.tables = shape::made_by(run.len()).await?;
        restore.clear(may_replace).await?;
        restore.migrate(run.len(), steps.len()).await?;
        restore.tables = shape::made_by(steps.len()).await?;
        let present = shape::read(&restore.transaction, backend).await?;
        shape::require_present(&present, &restore.tables)?;
        // Steps bring rows of their own, which are among those of the backup.
        restore.delete_all().await?;
        restore.drop_references().await?;
        Ok(restore)
    }
}

/// Refuses a backup whose tables are not those that its steps `made`. There may be others beside them.
pub(super) fn require_complete(tables: &[TableShape], made: &[TableShape]) -> Result<()> {
    if made.iter().all(|table| tables.contains(table)) {
        return Ok(());
    }
    Err(Error::new(
        Code::BadUserInput,
        "the tables of the backup are not those that its steps make",
    ))
}

/// Refuses steps that this program does not know.
pub(super) fn require_known(steps: &[String]) -> Result<()> {
    let known = Migrator::migrations();
    let mut known = known.iter().map(|step| step.name());
    match steps
        .iter()
        .find(|step| known.next() != Some(step.as_str()))
    {
        None => Ok(()),
        Some(step) => Err(Error::new(
            Code::BadUserInput,
            format!(
                "this backup was made by a later version (this one does not know the step {step}); \
                 restore it with that version"
            ),
        )),
    }
}

impl Restore {
    /// How many values rows may have that are put in at once.
    pub const CHUNK_VALUES: usize = CHUNK_PARAMETERS;

    /// Whether a table of the backup is ours. The rows of others are not wanted.
    pub fn wants(&self, table: &TableShape) -> bool {
        self.tables.contains(table)
    }

    /// Puts rows into a table; each row has its values in the order of the table's columns.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when a value is not what its column holds; from the database.
    pub async fn insert(&self, table: &TableShape, rows: &[Vec<Value>]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let wrong = || {
            Error::new(
                Code::BadUserInput,
                format!("a row of {} in the backup is not one", table.name),
            )
        };
        let mut statement = Query::insert();
        statement
            .into_table(Alias::new(&table.name))
            .columns(table.columns.iter().map(|column| Alias::new(&column.name)));
        for row in rows {
            if row.len() != table.columns.len() {
                return Err(wrong());
            }
            let mut values = Vec::with_capacity(row.len());
            for (value, column) in row.iter().zip(&table.columns) {
                let value = super::read(value, column.kind).ok_or_else(wrong)?;
                values.push(Expr::val(value));
            }
            statement.values(values).map_err(|_| wrong())?;
        }
        self.transaction.execute(&statement).await?;
        Ok(())
    }

    /// Checks the references, brings the tables up to this version, and keeps it all. Devices are told to
    /// begin anew, programs need new keys, and everybody signs in: a session may have ended since the backup was
    /// taken, because somebody lost a device, and must not come back to life.
    ///
    /// # Errors
    /// `CONFLICT` when a row refers to one that is not there; from the database. Nothing is kept then.
    pub async fn finish(self) -> Result<()> {
        for statement in &self.references {
            self.transaction.execute_unprepared(statement).await?;
        }
        if self.backend != DbBackend::Postgres {
            let check = Statement::from_string(self.backend, "PRAGMA foreign_key_check");
            if !self.transaction.query_all_raw(check).await?.is_empty() {
                return Err(Error::new(
                    Code::Conflict,
                    "a row of the backup refers to one that is not in it",
                ));
            }
        }
        Migrator::up(&self.transaction, None).await?;
        begin_anew(&self.transaction).await?;
        self.end_keys().await?;
        let end = Statement::from_sql_and_values(
            self.backend,
            "UPDATE sessions SET revoked_at = $1, revoked_reason = $2 WHERE revoked_at IS NULL",
            [self.now.into(), EndReason::Restored.as_str().into()],
        );
        self.transaction.execute_raw(end).await?;
        self.transaction.commit().await?;
        Ok(())
    }

    /// Ends the keys of programs, the tokens of identity providers, and codes for new passwords: what was
    /// revoked or used since the backup was made would be good again.
    async fn end_keys(&self) -> Result<()> {
        let now = self.now;
        for sql in [
            "UPDATE service_keys SET revoked_at = $1 WHERE revoked_at IS NULL",
            "DELETE FROM password_resets WHERE created_at <= $1",
            "INSERT INTO token_cutoffs (user_id, revoked_before) \
             SELECT user_id, $1 FROM user_identities WHERE true GROUP BY user_id \
             ON CONFLICT (user_id) DO UPDATE SET revoked_before = excluded.revoked_before",
        ] {
            let statement = Statement::from_sql_and_values(self.backend, sql, [now.into()]);
            self.transaction.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// Takes all rows away, if there are any that may be.
    async fn clear(&self, may_replace: bool) -> Result<()> {
        if !may_replace {
            for table in &self.tables {
                if TELLING.contains(&table.name.as_str()) && self.has_rows(table).await? {
                    return Err(Error::new(
                        Code::Conflict,
                        format!(
                            "the database is not empty (there are {}); --replace replaces all there is",
                            table.name
                        ),
                    ));
                }
            }
        }
        self.delete_all().await
    }

    async fn has_rows(&self, table: &TableShape) -> Result<bool> {
        let sql = format!("SELECT 1 FROM \"{}\" LIMIT 1", table.name);
        let statement = Statement::from_string(self.backend, sql);
        Ok(self.transaction.query_one_raw(statement).await?.is_some())
    }

    async fn delete_all(&self) -> Result<()> {
        let names: Vec<String> = self
            .tables
            .iter()
            .map(|table| format!("\"{}\"", table.name))
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        if self.backend == DbBackend::Postgres {
            let sql = format!("TRUNCATE {}", names.join(", "));
            self.transaction.execute_unprepared(&sql).await?;
            return Ok(());
        }
        for name in names {
            let sql = format!("DELETE FROM {name}");
            self.transaction.execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    /// Makes the tables, which are empty, what they are after so many `steps`, when `run` of them have run.
    async fn migrate(&self, run: usize, steps: usize) -> Result<()> {
        let count = |steps: usize| Some(u32::try_from(steps).unwrap_or(u32::MAX));
        if run > steps {
            Migrator::down(&self.transaction, count(run - steps)).await?;
        } else if steps > run {
            Migrator::up(&self.transaction, count(steps - run)).await?;
        }
        Ok(())
    }

    /// Takes the references between tables away, so that rows may come in any order; they are made again,
    /// and checked for all rows at once, at the end. SQLite checks them at the end by itself.
    async fn drop_references(&mut self) -> Result<()> {
        if self.backend != DbBackend::Postgres {
            return Ok(());
        }
        let sql = "SELECT quote_ident(t.relname) AS table_, quote_ident(c.conname) AS name_, \
             pg_get_constraintdef(c.oid) AS definition_ \
             FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
             WHERE c.contype = 'f' AND t.relnamespace = current_schema()::regnamespace ORDER BY 1, 2";
        let statement = Statement::from_string(self.backend, sql);
        for row in self.transaction.query_all_raw(statement).await? {
            let table: String = row.try_get("", "table_")?;
            let name: String = row.try_get("", "name_")?;
            let definition: String = row.try_get("", "definition_")?;
            let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
            self.transaction.execute_unprepared(&drop).await?;
            self.references.push(format!(
                "ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
            ));
        }
        Ok(())
    }
}
