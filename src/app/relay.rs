//! Passes news on: from the commits of this process to those who follow something here, and to the other processes;
//! and from these to those who follow something here.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::db::Database;
use crate::live::{Bus, Hub, News};

/// How long to wait after a commit for others to tell of at once.
const GATHER: Duration = Duration::from_millis(50);

/// Passes news on until it is dropped.
pub(super) struct Relay {
    tasks: Vec<JoinHandle<()>>,
    /// What the commits of this process change.
    news: Bus,
    /// Each task that passes it on holds a receiver.
    passing: watch::Sender<()>,
}

impl Relay {
    /// Begins to pass news of `database` on to `hub`.
    pub(super) fn begin(database: &Database, hub: &Hub) -> Self {
        let passing = watch::Sender::new(());
        let outbox = Bus::default();
        let mut tasks = Vec::new();
        let wire = database.wire();
        let to_others = wire.is_some().then(|| outbox.clone());
        tasks.push(tokio::spawn({
            let (database, hub, passing) = (database.clone(), hub.clone(), passing.subscribe());
            async move {
                while let Some(news) = database.news().next(GATHER).await {
                    if let Some(outbox) = &to_others {
                        outbox.publish(news.clone());
                    }
                    deliver(&database, &hub, news).await;
                }
                if let Some(outbox) = &to_others {
                    outbox.close();
                }
                drop(passing);
            }
        }));
        if let Some(wire) = wire {
            let (database, hub) = (database.clone(), hub.clone());
            tasks.push(tokio::spawn(wire.clone().listen(move |news| {
                let (database, hub) = (database.clone(), hub.clone());
                async move { deliver(&database, &hub, news).await }
            })));
            let passing = passing.subscribe();
            tasks.push(tokio::spawn(async move {
                wire.speak(outbox).await;
                drop(passing);
            }));
        }
        Self {
            tasks,
            news: database.news().clone(),
            passing,
        }
    }

    /// Passes on what is left, and nothing that is written after that.
    pub(super) async fn end(&self) {
        self.news.close();
        self.passing.closed().await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
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
