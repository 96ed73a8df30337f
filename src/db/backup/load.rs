//! Putting all rows back, in one transaction: all of them are there at its end, or nothing has changed.

use migration::{Migrator, MigratorTrait};
use sea_orm::sea_query::{Alias, Expr, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use serde_json::Value;
use uuid::Uuid;

use super::shape::{self, TableShape};
use crate::db::session::Session;
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
    tables: Vec<TableShape>,
    /// What makes the references between tables again, on PostgreSQL.
    references: Vec<String>,
}

impl Session {
    /// Begins to fill the database with `tables` as they were after `steps`. For the service itself.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when a step is unknown: the rows are those of a later version; `CONFLICT` when the
    /// database holds rows, unless they may be replaced; `INTERNAL` when a person asks; from the database.
    pub async fn begin_restore(
        &self,
        steps: &[String],
        tables: &[TableShape],
        may_replace: bool,
    ) -> Result<Restore> {
        if let Actor::User { .. } = self.viewer().actor() {
            return Err(Error::bug("somebody reached for all rows there are"));
        }
        require_known(steps)?;
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
                "SELECT pg_advisory_xact_lock(7300517)",
            ],
            _ => &["PRAGMA defer_foreign_keys = ON"],
        };
        for statement in before {
            transaction.execute_unprepared(statement).await?;
        }
        let mut restore = Restore {
            transaction,
            backend,
            tables: Vec::new(),
            references: Vec::new(),
        };
        restore.clear(may_replace).await?;
        restore.migrate_to(steps).await?;
        restore.tables = shape::read(&restore.transaction, backend).await?;
        // Steps bring rows of their own, which are among those of the backup.
        restore.delete_all().await?;
        if restore.tables != tables {
            return Err(Error::new(
                Code::BadUserInput,
                "the tables of the backup are not those that its steps make",
            ));
        }
        restore.drop_references().await?;
        Ok(restore)
    }
}

/// Refuses steps that this program does not know.
fn require_known(steps: &[String]) -> Result<()> {
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
    /// begin anew.
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
        // What a device has may be newer than what there is now.
        let epoch = Statement::from_sql_and_values(
            self.backend,
            "UPDATE sync_clock SET epoch = $1",
            [Uuid::now_v7().into()],
        );
        self.transaction.execute_raw(epoch).await?;
        self.transaction.commit().await?;
        Ok(())
    }

    /// Takes all rows away, if there are any that may be.
    async fn clear(&mut self, may_replace: bool) -> Result<()> {
        self.tables = shape::read(&self.transaction, self.backend).await?;
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

    /// Makes the tables what they were after `steps`. They are empty.
    async fn migrate_to(&self, steps: &[String]) -> Result<()> {
        let run = Migrator::get_applied_migrations_read_only(&self.transaction)
            .await?
            .len();
        let steps = steps.len();
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
