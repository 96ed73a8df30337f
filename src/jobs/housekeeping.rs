//! What nobody needs any more goes: counted tries to sign in without effect, sessions that ended long ago.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::db::{Database, Guard};
use crate::domain::sign_in;
use crate::error::Result;

/// Forgets all that is due. Says how many rows went; none when another process is at it.
///
/// # Errors
/// From the database.
pub async fn sweep(database: &Database) -> Result<u64> {
    database
        .as_system("what nobody needs any more goes")
        .write(|tx| async move {
            if !tx.lead(Guard::Housekeeping).await? {
                return Ok(0);
            }
            sign_in::clean_up(&tx).await
        })
        .await
}

/// Sweeps now and then every `every` (a second at least), until `shutdown` turns true or its sender is gone.
pub fn spawn(
    database: Database,
    every: Duration,
    shutdown: watch::Receiver<bool>,
) -> JoinHandle<()> {
    super::repeat(every, shutdown, move || {
        let database = database.clone();
        async move {
            match sweep(&database).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "rows that nobody needs any more are gone"),
                Err(error) => tracing::warn!(?error, "housekeeping failed"),
            }
        }
    })
}
