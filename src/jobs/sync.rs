//! What phones see changes by the passing of time alone: shares end, devices stay away. This job stamps it, and settles
//! what they pushed: what waited in vain, what was done or refused long ago.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Stop;
use crate::db::{ACKED_OPS_STAY, DEVICE_STAYS, Database, Guard, ISSUES_STAY, OPS_STAY, Session};
use crate::domain::pushes;
use crate::error::Result;
use crate::graphql::sync::push::CONCEPTS;

/// Stamps every share that ended since the last time, and gives up devices that stayed away. Says how many
/// devices; nothing is done when another process is at it.
///
/// # Errors
/// From the database. What was done by then stays done.
pub async fn sweep(database: &Database) -> Result<u64> {
    let (_kept, shutdown) = watch::channel(false);
    sweep_until(database, &Stop(shutdown)).await
}

async fn sweep_until(database: &Database, stop: &Stop) -> Result<u64> {
    let session = database.as_system("shares end and devices stay away");
    let mut after = None;
    loop {
        let next = session
            .write(move |tx| async move {
                if !tx.lead(Guard::Streams).await? {
                    return Ok(None);
                }
                tx.end_shares(after).await
            })
            .await?;
        if stop.is_told() {
            return Ok(0);
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    settle_pushes(&session, stop).await?;
    let mut given_up = 0_u64;
    loop {
        let gone = session
            .write(|tx| async move {
                if !tx.lead(Guard::Streams).await? {
                    return Ok(0);
                }
                tx.expire_devices(tx.now() - DEVICE_STAYS).await
            })
            .await?;
        given_up = given_up.saturating_add(gone);
        if gone == 0 || stop.is_told() {
            break;
        }
    }
    session
        .write(|tx| async move {
            if tx.lead(Guard::Streams).await? {
                tx.forget_echoes().await?;
            }
            Ok(())
        })
        .await?;
    Ok(given_up)
}

/// Gives up operations that waited too long for what they go under, and forgets what was done, or refused and put aside,
/// long ago.
async fn settle_pushes(session: &Session, stop: &Stop) -> Result<()> {
    loop {
        let left = session
            .write(|tx| async move {
                if !tx.lead(Guard::Streams).await? {
                    return Ok(0);
                }
                let given_up = pushes::give_up(&tx, CONCEPTS).await?;
                let forgotten = tx
                    .forget_ops(tx.now() - OPS_STAY, tx.now() - ACKED_OPS_STAY)
                    .await?;
                let put_aside = tx.forget_issues(tx.now() - ISSUES_STAY).await?;
                let given_up = u64::try_from(given_up).unwrap_or(u64::MAX);
                Ok(forgotten.max(put_aside).max(given_up))
            })
            .await?;
        if left == 0 || stop.is_told() {
            return Ok(());
        }
    }
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
            match sweep_until(&database, &stop).await {
                Ok(0) => {}
                Ok(devices) => tracing::info!(devices, "devices that stayed away are given up"),
                Err(error) => tracing::warn!(?error, "what phones see could not be stamped"),
            }
        }
    })
}
