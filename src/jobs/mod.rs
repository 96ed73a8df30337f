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

/// Whether a job should go no further, to be asked between its transactions.
#[derive(Clone, Debug)]
struct Stop(watch::Receiver<bool>);

impl Stop {
    fn is_told(&self) -> bool {
        // A sender that is gone says the same.
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// Does `work` now and then every `every` (a second at least), until `shutdown` turns true or its sender is
/// gone. A run that has begun ends where it asks and is told so.
fn repeat<F, Fut>(every: Duration, mut shutdown: watch::Receiver<bool>, work: F) -> JoinHandle<()>
where
    F: Fn(Stop) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = Stop(shutdown.clone());
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            work(stop.clone()).await;
        }
    })
}
