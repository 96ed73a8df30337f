//! Statistics go stale by the passing of time alone: orders leave the trailing year, overrides of tiers
//! expire. This job finds such clients and works them out anew.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::db::{Database, Guard};
use crate::domain::tiers;
use crate::error::Result;

/// How many clients are held in one transaction.
const CHUNK: u64 = 500;

/// Works out anew the statistics of every client for which time has passed, a few hundred per transaction.
/// Says how many; nothing when another process is at it.
///
/// # Errors
/// From the database. What was done by then stays done.
pub async fn sweep(database: &Database) -> Result<usize> {
    sweep_unless(database, || false).await
}

/// As [`sweep`], as far as it comes before it `is_told` to stop.
async fn sweep_unless(database: &Database, is_told: impl Fn() -> bool) -> Result<usize> {
    let session = database.as_system("statistics go stale by the passing of time");
    let mut refreshed = 0_usize;
    while !is_told() {
        let stale = session.clients_with_stale_stats(CHUNK).await?;
        if stale.is_empty() {
            return Ok(refreshed);
        }
        let done = session
            .write(move |tx| {
                let stale = stale.clone();
                async move {
                    if !tx.lead(Guard::StatsSweep).await? {
                        return Ok(0);
                    }
                    tiers::expire(&tx, &stale).await
                }
            })
            .await?;
        if done == 0 {
            return Ok(refreshed);
        }
        refreshed = refreshed.saturating_add(done);
    }
    Ok(refreshed)
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
                Ok(clients) => tracing::info!(clients, "statistics refreshed"),
                Err(error) => tracing::warn!(?error, "statistics could not be refreshed"),
            }
        }
    })
}
