//! The way from commits to those who pass news on. It holds one piece of news, merged from all that was said since
//! the last was taken: however much is written, it does not grow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::news::News;

/// What was published and not taken yet. Cheap to clone; clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct Bus(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<News>,
    told: Notify,
    is_closed: AtomicBool,
}

impl Bus {
    /// Says what a commit has changed, after it. Never waits.
    pub fn publish(&self, news: News) {
        if news.is_empty() {
            return;
        }
        self.with(|waiting| waiting.absorb(news));
        self.0.told.notify_one();
    }

    /// Says that this was all: what waits is taken at once, and nothing after it.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        self.0.told.notify_one();
    }

    /// Waits until there is news, then for `pause`, so that more can come, and takes all. Nothing once it is
    /// closed and all was taken. One task at a time may wait here.
    pub async fn next(&self, pause: Duration) -> Option<News> {
        loop {
            if self.0.is_closed.load(Ordering::SeqCst) {
                let last = self.with(std::mem::take);
                return (!last.is_empty()).then_some(last);
            }
            self.0.told.notified().await;
            if self.with(|waiting| waiting.is_empty()) {
                continue;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            return Some(self.with(std::mem::take));
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut News) -> T) -> T {
        look(
            &mut self
                .0
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

#[cfg(test)]
mod tests {
    use entity::ClientId;
    use uuid::Uuid;

    use super::*;

    fn of(client: u128) -> News {
        News {
            clients: [ClientId(Uuid::from_u128(client))].into(),
            ..News::default()
        }
    }

    #[tokio::test]
    async fn what_comes_close_together_is_taken_together() {
        let bus = Bus::default();
        bus.publish(of(1));
        bus.publish(News::default());
        let later = {
            let bus = bus.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                bus.publish(of(2));
            }
        };
        let (news, ()) = tokio::join!(bus.next(Duration::from_millis(50)), later);
        assert_eq!(news.unwrap().clients.len(), 2);
        bus.publish(of(3));
        assert_eq!(bus.next(Duration::ZERO).await, Some(of(3)));
        let silence = tokio::time::timeout(Duration::from_millis(50), bus.next(Duration::ZERO));
        assert!(silence.await.is_err());
    }
    #[tokio::test]
    async fn what_came_before_the_end_is_taken_and_nothing_after_it() {
        let bus = Bus::default();
        bus.publish(of(1));
        bus.close();
        // It waits for nothing more to come.
        let long = Duration::from_hours(1);
        assert_eq!(bus.next(long).await, Some(of(1)));
        assert_eq!(bus.next(long).await, None);
        assert_eq!(bus.next(long).await, None);
        // Who waits already hears of the end.
        let bus = Bus::default();
        let closing = async { bus.close() };
        assert_eq!(tokio::join!(bus.next(long), closing).0, None);
    }
}
