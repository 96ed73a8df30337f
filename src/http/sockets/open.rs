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
                        let mut open = lock(&open);
                        for id in ended.into_iter().filter_map(|at| ids.get(at)) {
                            if let Some(socket) = open.sockets.remove(id) {
                                // It may just have ended by itself.
                                let _ = socket.end.send(());
                            }
                        }
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
const PATIENCE: Duration = Duration::from_secs(10);

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
    use chrono::Utc;

    use super::*;
    use crate::auth::pass::Grant;

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
