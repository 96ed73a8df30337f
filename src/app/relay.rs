//! Passes news on: from the commits of this process to those who follow something here, and to the other processes;
//! and from these to those who follow something here.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::db::Database;
use crate::live::{Bus, Hub, News};

/// How long to wait after a commit for others to tell of at once.
const GATHER: Duration = Duration::from_millis(50);

/// Passes news on until it is dropped.
pub(super) struct Relay(Vec<JoinHandle<()>>);

impl Relay {
    /// Begins to pass news of `database` on to `hub`.
    pub(super) fn begin(database: &Database, hub: &Hub) -> Self {
        let outbox = Bus::default();
        let mut tasks = Vec::new();
        let wire = database.wire();
        let to_others = wire.is_some().then(|| outbox.clone());
        tasks.push(tokio::spawn({
            let (database, hub) = (database.clone(), hub.clone());
            async move {
                loop {
                    let news = database.news().next(GATHER).await;
                    if let Some(outbox) = &to_others {
                        outbox.publish(news.clone());
                    }
                    deliver(&database, &hub, news).await;
                }
            }
        }));
        if let Some(wire) = wire {
            let (database, hub) = (database.clone(), hub.clone());
            tasks.push(tokio::spawn(wire.clone().listen(move |news| {
                let (database, hub) = (database.clone(), hub.clone());
                async move { deliver(&database, &hub, news).await }
            })));
            tasks.push(tokio::spawn(wire.speak(outbox)));
        }
        Self(tasks)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// Hands `news` to those who follow it here.
async fn deliver(database: &Database, hub: &Hub, news: News) {
    let clients = news.all_clients();
    if clients.is_empty() || !hub.follows_clients() {
        hub.deliver(&news, &[]);
        return;
    }
    match database.audience(&clients).await {
        Ok(seen_by) => hub.deliver(&news, &seen_by),
        Err(error) => {
            tracing::warn!(?error, "who should hear of a change could not be asked");
            hub.deliver(&News::everything(), &[]);
        }
    }
}
