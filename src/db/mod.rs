//! The only owner of connections.

use sea_orm::DbErr;

use crate::error::Error;

/// Turns a database error into ours.
pub(crate) fn classify(error: DbErr) -> Error {
    Error::internal(error)
}
