//! Which sockets are open, and whether those who opened them may still have them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_graphql::Executor;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::gateway::{Gateway, Identity};
use super::super::graphql::Endpoint;
use super::super::limits;
use super::super::metrics::Metrics;
use crate::auth::pass::Pass;

/// The sockets of a process whose clients have said who they are.
pub(in crate::http) struct Sockets {
    limits: limits::Sockets,
    metrics: Metrics,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    by_user: HashMap<Uuid, usize>,
    by_session: HashMap<Uuid, usize>,
    sockets: HashMap<u64, Socket>,
    next: u64,
    is_watched: bool,
}

struct Socket {
    pass: Arc<Pass>,
    /// Ends the socket.
    end: oneshot::Sender<()>,
}

/// The place of an open socket; dropping it makes room.
pub(super) struct Place {
    open: Arc<Mutex<Open>>,
    identity: Identity,
    id: u64,
}

impl Sockets {
    /// None open.
    pub(in crate::http) fn new(limits: &limits::Sockets, metrics: &Metrics) -> Self {
        Self {
            limits: limits.clone(),
            metrics: metrics.clone(),
            open: Arc::default(),
        }
    }

    /// A place for one more socket, and what says that it must end; nothing when there are as many as may be.
    pub(super) fn enter(
        &self,
        identity: Identity,
        pass: &Arc<Pass>,
    ) -> Option<(Place, oneshot::Receiver<()>)> {
        let limits = &self.limits;
        let mut open = lock(&self.open);
        let of = |counts: &HashMap<Uuid, usize>, id| counts.get(&id).copied().unwrap_or_default();
        let full = if open.sockets.len() >= limits.process {
            Some("process")
        } else if of(&open.by_user, identity.user) >= limits.per_user {
            Some("user")
        } else if of(&open.by_session, identity.session) >= limits.per_session {
            Some("session")
        } else {
            None
        };
        if let Some(full) = full {
            self.metrics.socket_refused(full);
            return None;
        }
        *open.by_user.entry(identity.user).or_default() += 1;
        *open.by_session.entry(identity.session).or_default() += 1;
        let id = open.next;
        open.next = id.wrapping_add(1);
        let (end, ended) = oneshot::channel();
        let pass = Arc::clone(pass);
        open.sockets.insert(id, Socket { pass, end });
        drop(open);
        let place = Place {
            open: Arc::clone(&self.open),
            identity,
            id,
        };
        Some((place, ended))
    }

    /// Sees to it that sockets end whose owners may not have them any more, as long as there are any.
    pub(super) fn watch<G: Gateway, E: Executor>(endpoint: &Arc<Endpoint<G, E>>) {
        let sockets = &endpoint.sockets;
        if std::mem::replace(&mut lock(&sockets.open).is_watched, true) {
            return;
        }
        let open = Arc::clone(&sockets.open);
        let every = sockets.limits.check_every;
        let endpoint = Arc::downgrade(endpoint);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(endpoint) = endpoint.upgrade() else {
                    return;
                };
                let (ids, passes): (Vec<u64>, Vec<Arc<Pass>>) = {
                    let mut open = lock(&open);
                    // These end whether or not anybody can be asked.
                    let sockets = open.sockets.iter();
                    let over = sockets.filter(|(_, socket)| endpoint.has_run_out(&socket.pass));
                    let over: Vec<u64> = over.map(|(id, _)| *id).collect();
                    open.end(over);
                    if open.sockets.is_empty() {
                        open.is_watched = false;
                        return;
                    }
                    let sockets = open.sockets.iter();
                    sockets
                        .map(|(id, socket)| (*id, Arc::clone(&socket.pass)))
                        .unzip()
                };
                match tokio::time::timeout(PATIENCE, endpoint.ended(&passes)).await {
                    Ok(Ok(ended)) => {
                        let ended = ended.into_iter().filter_map(|at| ids.get(at).copied());
                        lock(&open).end(ended);
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(?error, "who has sockets could not be asked about");
                    }
                    Err(_) => tracing::warn!("it took too long to ask about who has sockets"),
                }
            }
        });
    }
}

/// How long it may take to ask about all.
const PATIENCE: Duration = Duration::from_secs(1);

impl Open {
    /// Has these sockets end.
    fn end(&mut self, ids: impl IntoIterator<Item = u64>) {
        for id in ids {
            if let Some(socket) = self.sockets.remove(&id) {
                // It may just have ended by itself.
                let _ = socket.end.send(());
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.sockets.remove(&self.id);
        leave(&mut open.by_user, &self.identity.user);
        leave(&mut open.by_session, &self.identity.session);
    }
}

/// Counts one less; who has none is forgotten.
fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, of: &K) {
    if let Some(count) = counts.get_mut(of) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(of);
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_graphql::{Data, Request, Response};
    use chrono::{TimeDelta, Utc};
    use futures_util::stream::{self, BoxStream};

    use super::*;
    use crate::auth::pass::Grant;
    use crate::http::graphql::Options;
    use crate::http::{Caller, Limits};

    /// Runs nothing.
    #[derive(Clone)]
    struct Nothing;

    impl Executor for Nothing {
        async fn execute(&self, _: Request) -> Response {
            Response::default()
        }

        fn execute_stream(&self, _: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
            Box::pin(stream::empty())
        }
    }

    /// Knows by itself which passes have run out. Of others it says that they ended once it was asked so often, or
    /// nothing at all.
    struct Doorkeeper {
        asked: Arc<AtomicUsize>,
        ends_with: Option<usize>,
    }

    impl Gateway for Doorkeeper {
        async fn authenticate(&self, _: Option<&str>) -> crate::Result<Caller> {
            Ok(Caller::anonymous())
        }

        fn has_run_out(&self, pass: &Pass) -> bool {
            pass.expires_at <= Utc::now()
        }

        async fn ended(&self, passes: &[Arc<Pass>]) -> crate::Result<Vec<usize>> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            match self.ends_with {
                None => std::future::pending().await,
                Some(last) if asked < last => Ok(Vec::new()),
                Some(_) => Ok((0..passes.len()).collect()),
            }
        }
    }

    /// A socket of each of two users, whose passes hold so long from now on, watched every `every`.
    fn watched(
        doorkeeper: Doorkeeper,
        every: Duration,
        holds: [TimeDelta; 2],
    ) -> (impl Sized, [(Place, oneshot::Receiver<()>); 2]) {
        let options = Options {
            limits: Limits {
                sockets: limits::Sockets {
                    check_every: every,
                    ..limits::Sockets::default()
                },
                ..Limits::default()
            },
            ..Options::default()
        };
        let endpoint = Arc::new(Endpoint::new(doorkeeper, Nothing, options));
        let mut of = 0;
        let places = holds.map(|hold| {
            of += 1;
            let id = Uuid::from_u128(of);
            let pass = Arc::new(Pass {
                grant: Grant::Key(id),
                expires_at: Utc::now() + hold,
            });
            let identity = Identity {
                user: id,
                session: id,
            };
            endpoint.sockets.enter(identity, &pass).unwrap()
        });
        Sockets::watch(&endpoint);
        (endpoint, places)
    }

    #[tokio::test]
    async fn what_has_run_out_ends_though_nobody_can_be_asked() {
        let doorkeeper = Doorkeeper {
            asked: Arc::default(),
            ends_with: None,
        };
        let every = Duration::from_millis(10);
        let holds = [TimeDelta::milliseconds(50), TimeDelta::days(1)];
        let (_endpoint, [(_first, ended), (_second, mut stays)]) =
            watched(doorkeeper, every, holds);
        let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
        ended.expect("it goes on for ever").unwrap();
        assert!(stays.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_is_over_ends_as_soon_as_that_is_said() {
        let asked = Arc::new(AtomicUsize::new(0));
        let doorkeeper = Doorkeeper {
            asked: Arc::clone(&asked),
            ends_with: Some(3),
        };
        let every = Duration::from_millis(10);
        let holds = [TimeDelta::days(1); 2];
        let (_endpoint, places) = watched(doorkeeper, every, holds);
        let [(_first, one), (_second, other)] = places;
        for ended in [one, other] {
            let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
            ended.expect("it goes on for ever").unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        // Nobody is told later than that: it is asked so often, and may take so long.
        assert!(limits::Sockets::default().check_every + PATIENCE <= Duration::from_secs(2));
    }

    #[tokio::test]
    async fn it_is_asked_no_more_often_than_it_should() {
        let asked = Arc::new(AtomicUsize::new(0));
        let doorkeeper = Doorkeeper {
            asked: Arc::clone(&asked),
            ends_with: Some(1),
        };
        let holds = [TimeDelta::days(1); 2];
        let (_endpoint, _places) = watched(doorkeeper, Duration::from_hours(1), holds);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    fn sockets() -> Sockets {
        let limits = limits::Sockets {
            per_session: 2,
            per_user: 3,
            process: 4,
            ..limits::Sockets::default()
        };
        Sockets::new(&limits, &Metrics::default())
    }

    fn enter(sockets: &Sockets, user: u128, session: u128) -> Option<Place> {
        let identity = Identity {
            user: Uuid::from_u128(user),
            session: Uuid::from_u128(session),
        };
        let pass = Arc::new(Pass {
            grant: Grant::Key(Uuid::nil()),
            expires_at: Utc::now(),
        });
        Some(sockets.enter(identity, &pass)?.0)
    }

    #[test]
    fn a_session_a_user_and_the_process_have_so_many() {
        let sockets = sockets();
        let first = enter(&sockets, 1, 1).unwrap();
        let _second = enter(&sockets, 1, 1).unwrap();
        assert!(enter(&sockets, 1, 1).is_none());
        let _third = enter(&sockets, 1, 2).unwrap();
        assert!(enter(&sockets, 1, 3).is_none());
        let fourth = enter(&sockets, 2, 4).unwrap();
        assert!(enter(&sockets, 3, 5).is_none());
        drop(fourth);
        let _fourth = enter(&sockets, 3, 5).unwrap();
        drop(first);
        assert!(enter(&sockets, 1, 1).is_some());
    }

    #[test]
    fn nobody_is_remembered_who_is_not_here() {
        let sockets = sockets();
        for id in 0..1_000 {
            drop(enter(&sockets, id, id).unwrap());
        }
        let open = lock(&sockets.open);
        assert!(open.by_user.is_empty() && open.by_session.is_empty() && open.sockets.is_empty());
    }
}
