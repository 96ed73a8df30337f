//! What runs by time: nobody asked for it, so it sees everything, and on several processes one leads. It
//! knows the domain and no API.

pub mod housekeeping;
pub mod stats;
pub mod sync;

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Does `work` now and then every `every` (a second at least), until `shutdown` turns true or its sender is
/// gone. A run that has begun is ended.
fn repeat<F, Fut>(every: Duration, mut shutdown: watch::Receiver<bool>, work: F) -> JoinHandle<()>
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            work().await;
        }
    })
}
