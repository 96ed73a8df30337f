//! The steps that made the tables: which have run, and which of them this program knows. A later version may
//! have run more, and goes on serving beside this one.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::classify::state;
use crate::error::{Code, Error, Result};

/// Waits for the turn of whoever changes tables (PostgreSQL), until the transaction ends.
pub(super) const TAKE_TURN: &str = "SELECT pg_advisory_xact_lock(7300517)";

/// Waits until nobody changes tables (PostgreSQL), and keeps it so until [`GIVE_BACK_TURN`].
pub(super) const SHARE_TURN: &str = "SELECT pg_advisory_lock_shared(7300517)";

/// Ends what [`SHARE_TURN`] began; says whether it held until now.
pub(super) const GIVE_BACK_TURN: &str = "SELECT pg_advisory_unlock_shared(7300517) AS held";

/// The names of the steps that have run, in order; none in a database that was never used.
pub(super) async fn run<C: ConnectionTrait>(connection: &C) -> Result<Vec<String>> {
    let backend = connection.get_database_backend();
    let table = Migrator::migration_table_name();
    let sql = match backend {
        DbBackend::Postgres => format!("SELECT 1 WHERE to_regclass('{table}') IS NOT NULL"),
        _ => format!("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{table}'"),
    };
    let is_there = Statement::from_string(backend, sql);
    if connection.query_one_raw(is_there).await?.is_none() {
        return Ok(Vec::new());
    }
    let names = Statement::from_string(backend, format!("SELECT version FROM {table}"));
    let rows = connection.query_all_raw(names).await.map_err(refused)?;
    let mut names = Vec::with_capacity(rows.len());
    for row in rows {
        names.push(row.try_get::<String>("", "version")?);
    }
    names.sort();
    Ok(names)
}

/// The names of the steps of this program that are not among those that have `run`, in order.
pub(super) fn missing(run: &[String]) -> Vec<String> {
    let known = Migrator::migrations();
    let known = known.iter().map(|step| step.name().to_owned());
    known.filter(|step| !run.contains(step)).collect()
}

/// The first step that this program does not know.
pub(super) fn unknown(run: &[String]) -> Option<&str> {
    let known = Migrator::migrations();
    let is_known = |name: &str| known.iter().any(|step| step.name() == name);
    run.iter().map(String::as_str).find(|step| !is_known(step))
}

/// Refuses to change tables that another version made: steps of its own have run there.
pub(super) fn require_known(run: &[String]) -> Result<()> {
    match unknown(run) {
        None => Ok(()),
        Some(step) => Err(Error::new(
            Code::Conflict,
            format!(
                "the tables were made by another version (this one does not know the step {step}), and \
                 only that version can change them"
            ),
        )),
    }
}

/// Says what to do where the user of the database lacks rights; other errors are what they are.
pub(super) fn refused(error: DbErr) -> Error {
    if state(&error).as_deref() != Some("42501") {
        return error.into();
    }
    let message = "the user of the database URL has not the right to make, change or read the tables; make it \
         the owner of the database (ALTER DATABASE name OWNER TO user) and of the tables in it";
    Error::bad_input("DATABASE_URL", message).with_source(error)
}
