//! What a database error means to a caller. Nothing of its text leaves: it is kept as the source.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::error::{Code, Error};

/// Turns a database error into ours.
pub(crate) fn classify(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            return Error::new(
                Code::Conflict,
                "this clashes with something that exists already",
            )
            .with_source(error);
        }
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
            return Error::new(
                Code::Conflict,
                "something this refers to is missing, or something else still refers to it",
            )
            .with_source(error);
        }
        _ => {}
    }
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return Error::new(
            Code::Unavailable,
            "the service is busy; try again in a moment",
        )
        .with_source(error);
    }
    match state(&error).as_deref() {
        // SQLite: busy, busy snapshot, locked. PostgreSQL: serialization, deadlock, lock timeout.
        Some("5" | "261" | "517" | "6" | "262" | "40001" | "40P01" | "55P03") => Error::new(
            Code::Unavailable,
            "somebody else is writing the same data; try again in a moment",
        )
        .with_source(error),
        Some("57014") => Error::new(Code::Timeout, "the database took too long").with_source(error),
        // PostgreSQL: shutting down, starting up, too many connections.
        Some("57P01" | "57P02" | "57P03" | "53300") => Error::new(
            Code::Unavailable,
            "the database is not available; try again in a moment",
        )
        .with_source(error),
        Some("13" | "53100") => {
            Error::new(Code::Unavailable, "the storage is full; nothing was saved")
                .with_rule("STORAGE_FULL")
                .with_source(error)
        }
        _ => Error::internal(error),
    }
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

fn state(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}
