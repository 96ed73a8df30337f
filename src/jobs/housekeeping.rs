//! What nobody needs any more goes: counted tries to sign in without effect, sessions that ended long ago,
//! answers kept for requests that will not come again.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::db::{Database, Guard, KEEP_ANSWERS};
use crate::domain::sign_in;
use crate::error::Result;

/// Forgets all that is due. Says how many rows went; none when another process is at it.
///
/// # Errors
/// From the database. What was done by then stays done.
pub async fn sweep(database: &Database) -> Result<u64> {
    sweep_unless(database, || false).await
}

/// As [`sweep`], as far as it comes before it `is_told` to stop.
async fn sweep_unless(database: &Database, is_told: impl Fn() -> bool) -> Result<u64> {
    let session = database.as_system("what nobody needs any more goes");
    let mut gone = session
        .write(|tx| async move {
            if !tx.lead(Guard::Housekeeping).await? {
                return Ok(0);
            }
            sign_in::clean_up(&tx).await
        })
        .await?;
    while !is_told() {
        let answers = session
            .write(|tx| async move {
                if !tx.lead(Guard::Housekeeping).await? {
                    return Ok(0);
                }
                tx.forget_answers(tx.now() - KEEP_ANSWERS).await
            })
            .await?;
        if answers == 0 {
            return Ok(gone);
        }
        gone = gone.saturating_add(answers);
    }
    Ok(gone)
}

/// Sweeps now and then every `every` (a second at least), until `shutdown` turns true or its sender is gone.
pub fn spawn(
    database: Database,
    every: Duration,
    shutdown: watch::Receiver<bool>,
) -> JoinHandle<()> {
    super::repeat(every, shutdown, move |stop| {
        let database = database.clone();
        async move {
            match sweep_unless(&database, || stop.is_told()).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "rows that nobody needs any more are gone"),
                Err(error) => tracing::warn!(?error, "housekeeping failed"),
            }
        }
    })
}
