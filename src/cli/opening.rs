//! Opening what commands work on: the keys and the database.

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::auth::keys::Keyring;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Database, DatabaseConfig};
use crate::error::{Code, Error, Result};

/// What the key of page cursors is derived for.
const CURSORS: &str = "page-cursors";

/// The keys of the service: from the secret in the environment, else from the file in the data directory,
/// which is made when absent.
pub(super) fn keyring(config: &Config) -> Result<Arc<Keyring>> {
    let keyring = if let Some(secret) = &config.secret {
        Keyring::from_secret_text(secret.reveal())
    } else {
        make_private(&config.data_dir)?;
        Keyring::open_or_create(&config.data_dir)
    };
    keyring
        .and_then(|keyring| keyring.watching(&config.data_dir, config.token_keys.paths().to_vec()))
        .map(Arc::new)
        .map_err(|error| Error::new(Code::BadUserInput, format!("no keys: {error}")))
}

/// Makes a directory that nobody else can look into, unless it is there.
pub(super) fn make_private(directory: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| {
        Error::new(
            Code::BadUserInput,
            format!("{} cannot be made: {error}", directory.display()),
        )
    })
}

/// How long what was written on a phone before a hand-over is still taken: a year at most.
fn late_grace(config: &Config) -> TimeDelta {
    const YEAR: u64 = 366 * 24;
    let hours = i64::try_from(config.sync_grace_hours.min(YEAR));
    TimeDelta::hours(hours.unwrap_or(0))
}

/// The database, as it is.
pub(super) async fn database(config: &Config, keyring: &Keyring) -> Result<Database> {
    let read_url = config.database_read_url.clone();
    let settings = DatabaseConfig {
        max_connections: config.max_connections.get(),
        read_url: (!read_url.is_empty()).then_some(read_url),
        late_grace: late_grace(config),
        ..DatabaseConfig::new(&config.database_url, keyring.derive(CURSORS))
    };
    Database::connect(&settings, Clock::default()).await
}

/// The database for a command that ends: it signs nothing, so that no secret is needed. It is made when absent, and
/// its tables are brought up to date.
pub(super) async fn made_database(config: &Config) -> Result<Database> {
    let database = unsigned_database(config).await?;
    database.migrate().await?;
    Ok(database)
}

/// As [`made_database`], for a command that is about what is there already.
pub(super) async fn kept_database(config: &Config) -> Result<Database> {
    let Some(database) = existing_database(config).await? else {
        return Err(no_database(config));
    };
    database.migrate().await?;
    Ok(database)
}

/// Refuses where there is no database: most likely another was meant.
pub(super) fn require_database(config: &Config) -> Result<()> {
    if is_absent(config) {
        return Err(no_database(config));
    }
    Ok(())
}

fn no_database(config: &Config) -> Error {
    let place = place(config);
    let message = format!(
        "there is no Clientele database {place}: name another with --database-url, DATABASE_URL or --config, or \
         make this one with `clientele migrate`"
    );
    Error::new(Code::BadUserInput, message)
}

/// Where the database is, without a password.
pub(super) fn place(config: &Config) -> String {
    crate::db::place(&config.database_url)
}

/// Whether the database is a file that is not there.
fn is_absent(config: &Config) -> bool {
    config.database_url.starts_with("sqlite:") && !Path::new(&place(config)).exists()
}

/// The database for a command that hands out no page cursors.
pub(super) async fn unsigned_database(config: &Config) -> Result<Database> {
    let key = crate::auth::random_bytes()?;
    let settings = DatabaseConfig {
        max_connections: config.max_connections.get(),
        ..DatabaseConfig::new(&config.database_url, key)
    };
    Database::connect(&settings, Clock::default()).await
}

/// The database as [`unsigned_database`], or nothing when it was never made: looking must not make it.
pub(super) async fn existing_database(config: &Config) -> Result<Option<Database>> {
    if is_absent(config) {
        return Ok(None);
    }
    let database = unsigned_database(config).await?;
    let is_empty = !database.is_begun().await?;
    Ok((!is_empty).then_some(database))
}

/// Refuses a database whose tables are not those of this program.
pub(super) async fn require_migrated(database: &Database) -> Result<()> {
    let pending = database.pending_migrations().await?;
    if pending.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Code::BadUserInput,
        format!(
            "the tables are not up to date ({} steps are missing); run `clientele migrate`",
            pending.len()
        ),
    ))
}
