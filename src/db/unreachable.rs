//! Why a database cannot be opened, in words for whoever keeps the service: which file, which server. Never the
//! password.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions};
use sea_orm::{DbErr, RuntimeErr};

use crate::error::{Code, Error, Result};

/// What the errors name.
const SETTING: &str = "DATABASE_URL";

/// Refuses a SQLite URL that names no file, or a file in a directory that is not there.
pub(super) fn require_file(url: &str) -> Result<()> {
    let (path, parameters) = url.split_once('?').unwrap_or((url, ""));
    let path = path.trim_start_matches("sqlite:").trim_start_matches('/');
    if path.is_empty() || path == ":memory:" || parameters.contains("mode=memory") {
        return Err(Error::bad_input(
            SETTING,
            "a SQLite database is a file: readers and writer would each have a memory of their own",
        ));
    }
    let file = path_of(url);
    let shown = file.display();
    if file.is_dir() {
        let message = format!("the database file {shown} is a directory");
        return Err(Error::bad_input(SETTING, message));
    }
    let directory = file.parent().filter(|parent| *parent != Path::new(""));
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        let directory = directory.display();
        let message = format!("there is no directory {directory} for the database file {shown}");
        return Err(Error::bad_input(SETTING, message));
    }
    Ok(())
}

/// The file that a SQLite URL names, as the driver reads it.
fn path_of(url: &str) -> PathBuf {
    let file = url.split('?').next().unwrap_or_default();
    match SqliteConnectOptions::from_str(file) {
        Ok(options) => options.get_filename().to_owned(),
        Err(_) => file.into(),
    }
}

/// Where the database of a URL is, in words: a file, or a name at a server. Never with a password.
pub fn place(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return path_of(url).display().to_string();
    }
    match require_server(url) {
        Ok(options) => place_of(&options),
        Err(_) => "the database".to_owned(),
    }
}

fn place_of(options: &PgConnectOptions) -> String {
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let name = options.get_database().unwrap_or(options.get_username());
    format!("{name} at {server}")
}

/// Reads a PostgreSQL URL. One whose password holds a `/`, `?` or `#` would be taken for another, of a server that is
/// named by a part of the password.
pub(super) fn require_server(url: &str) -> Result<PgConnectOptions> {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let is_cut = rest.get(end..).is_some_and(|rest| rest.contains('@'));
    let options = PgConnectOptions::from_str(url).ok();
    options.filter(|_| !is_cut && !rest.is_empty()).ok_or_else(|| {
        let message = "the database URL cannot be read: expected postgres://user:password@host:port/name, with \
             what is not a letter or digit of the password percent-encoded (%2F for /, %40 for @)";
        Error::bad_input(SETTING, message)
    })
}

/// Why the file of a SQLite URL cannot be opened.
pub(super) fn file(url: &str, error: DbErr) -> Error {
    let file = path_of(url);
    let file = file.display();
    let Some((code, reason)) = reason_of(&error) else {
        return error.into();
    };
    let message = match code.as_deref() {
        // SQLITE_NOTADB.
        Some("26") => format!("{file} is not a SQLite database"),
        // SQLITE_READONLY and its kin.
        Some("8" | "264" | "520" | "776" | "1032" | "1544") => {
            format!("the database file {file} cannot be written: {reason}")
        }
        _ => format!("the database file {file} cannot be opened: {reason}"),
    };
    Error::bad_input(SETTING, message)
}

/// Why the server of a PostgreSQL URL cannot be reached. The pool waits for a server that does not listen yet and
/// then only knows that time is up, so the reason is asked for once more without it.
pub(super) async fn server(url: &str, error: DbErr) -> Error {
    let options = match require_server(url) {
        Ok(options) => options,
        Err(error) => return error,
    };
    let error = match options.clone().disable_statement_logging().connect().await {
        Ok(connection) => {
            close(connection).await;
            error
        }
        Err(error) => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    };
    let place = place_of(&options);
    let reason = reason_of(&error).map_or_else(|| "no answer".to_owned(), |(_, reason)| reason);
    Error::new(
        Code::Unavailable,
        format!("the database {place} cannot be opened: {reason}"),
    )
    .field(SETTING)
}

async fn close(connection: PgConnection) {
    // It served only to see whether it could be made.
    let _ = sqlx::Connection::close(connection).await;
}

/// The code and the sentence of the driver. They name users and databases, never passwords.
fn reason_of(error: &DbErr) -> Option<(Option<String>, String)> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    Some(match &**error {
        sqlx::Error::Database(error) => (
            error.code().map(std::borrow::Cow::into_owned),
            error.message().to_owned(),
        ),
        sqlx::Error::Io(error) => (None, error.to_string()),
        sqlx::Error::PoolTimedOut => (None, "no answer in time".to_owned()),
        error => (None, error.to_string()),
    })
}
