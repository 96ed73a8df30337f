//! What a database error means to a caller. Nothing of its text leaves: it is kept as the source.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

use crate::error::{Code, Error};
use crate::say;

/// Turns a database error into ours.
pub(crate) fn classify(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(text)) => return clash(&text).with_source(error),
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
            return Error::new(
                Code::Conflict,
                say!("something this refers to is missing, or something else still refers to it"),
            )
            .with_source(error);
        }
        _ => {}
    }
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return Error::new(
            Code::Unavailable,
            say!("the service is busy; try again in a moment"),
        )
        .with_source(error);
    }
    match state(&error).as_deref() {
        // SQLite: busy, busy snapshot, locked. PostgreSQL: serialization, deadlock, lock timeout.
        Some("5" | "261" | "517" | "6" | "262" | "40001" | "40P01" | "55P03") => Error::new(
            Code::Unavailable,
            say!("somebody else is writing the same data; try again in a moment"),
        )
        .with_source(error),
        Some("57014") => {
            Error::new(Code::Timeout, say!("the database took too long")).with_source(error)
        }
        // PostgreSQL: shutting down, starting up, too many connections, a connection lost or cut off.
        Some(
            "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" | "08000" | "08003" | "08006",
        ) => Error::new(
            Code::Unavailable,
            say!("the database is not available; try again in a moment"),
        )
        .with_source(error),
        // PostgreSQL: a standby, or a server that was set to read only.
        Some("25006") => Error::new(
            Code::Unavailable,
            say!("the database takes no writes at the moment; try again in a moment"),
        )
        .with_source(error),
        // SQLite: full, a write that failed (beyond a quota, say), no room for the index of the log.
        Some("13" | "778" | "4874" | "53100") => Error::new(
            Code::Unavailable,
            say!("the storage is full or cannot be written; nothing was saved"),
        )
        .with_rule("STORAGE_FULL")
        .with_source(error),
        // PostgreSQL keeps no NUL in a text.
        Some("22021") => Error::new(
            Code::BadUserInput,
            say!("the text holds a character that cannot be stored"),
        )
        .with_source(error),
        None if is_lost(&error) => Error::new(
            Code::Unavailable,
            say!("the database is not available; try again in a moment"),
        )
        .with_source(error),
        _ => Error::internal(error),
    }
}

/// The error of a value that is taken. The row that holds it may be out of the caller's sight: what is said
/// is what to do, and nothing of that row. The text of the database names the constraint.
fn clash(text: &str) -> Error {
    if text.contains("external_id") {
        return Error::new(
            Code::Conflict,
            say!("this external id is taken; choose another, or leave it out"),
        )
        .field("externalId");
    }
    // The number of an order is made of its id.
    let is_of_the_id = ["_pkey", "orders_by_number", "orders.number"]
        .iter()
        .any(|mark| text.contains(mark))
        || text.trim_end().rsplit('.').next() == Some("id");
    if is_of_the_id {
        return Error::new(
            Code::Conflict,
            say!("this id cannot be used; make a new one, or leave it out"),
        )
        .field("id");
    }
    Error::new(
        Code::Conflict,
        say!("this clashes with something that exists already"),
    )
}

/// Whether the connection broke under the statement.
fn is_lost(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    matches!(
        **error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    )
}

/// Whether it is a clash with a row that exists.
pub(super) fn is_clash(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    matches!(
        source.and_then(DbErr::sql_err),
        Some(SqlErr::UniqueConstraintViolation(_))
    )
}

/// Whether running the whole transaction again may succeed.
pub(super) fn is_transient(error: &Error) -> bool {
    let Some(source) = error.source() else {
        return false;
    };
    let Some(error) = source.downcast_ref::<DbErr>() else {
        return false;
    };
    matches!(
        state(error).as_deref(),
        Some("5" | "261" | "517" | "40001" | "40P01")
    )
}

pub(super) fn state(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}
