//! Who follows what in this process, and what waits for each of them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::{ClientId, UserId};
use tokio::sync::Notify;

use super::news::{News, Placed};
use super::poke::{Kinds, Touch, is_a_crowd};

/// How many things wait for one who does not take them. Beyond that they are forgotten, and the owner hears
/// that something was missed.
pub const MAX_WAITING: usize = 256;

/// How many clients are named at once.
pub const MAX_CLIENTS_AT_ONCE: usize = 20;

/// What somebody wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Clients that changed: these, or any.
    Clients(Option<BTreeSet<ClientId>>),
    /// Orders that were placed.
    Orders,
    /// That their phone should look for changes of documents of these kinds.
    Pokes(Kinds),
}

/// What somebody hears: hints. What of it they may see, they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Clients changed, [`MAX_CLIENTS_AT_ONCE`] at most.
    Clients(BTreeSet<ClientId>),
    /// An order was placed.
    Placed(Placed),
    /// Something changed that a phone holds.
    Poke {
        /// What.
        touch: Touch,
        /// Up to which position, where that is known.
        seq: Option<i64>,
    },
    /// Something was missed: all should be read again.
    Missed,
}

/// Where a subscription says what it wants to hear of, when it begins.
#[derive(Clone, Debug, Default)]
pub struct Opening(Arc<Mutex<Option<Interest>>>);

impl Opening {
    /// Notes what the subscription wants to hear of.
    pub fn follow(&self, interest: Interest) {
        *lock(&self.0) = Some(interest);
    }

    /// What was noted.
    pub fn take(&self) -> Option<Interest> {
        lock(&self.0).take()
    }
}

/// Everybody in this process who follows something. Cheap to clone; clones are the same hub.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<HashMap<UserId, Vec<Arc<Seat>>>>>);

#[derive(Debug)]
struct Seat {
    interest: Interest,
    waiting: Mutex<Waiting>,
    told: Notify,
}

/// What was not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    clients: BTreeSet<ClientId>,
    placed: VecDeque<Placed>,
    poke: Option<(Touch, Option<i64>)>,
    has_missed: bool,
    /// Whether many others were told the same.
    is_one_of_many: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        let Self {
            clients,
            placed,
            poke,
            has_missed,
            is_one_of_many: _,
        } = self;
        clients.is_empty() && placed.is_empty() && poke.is_none() && !has_missed
    }

    fn miss(&mut self) {
        *self = Self {
            has_missed: true,
            is_one_of_many: self.is_one_of_many,
            ..Self::default()
        };
    }

    fn put(&mut self, happening: Happening) {
        if self.has_missed {
            return;
        }
        match happening {
            Happening::Clients(clients) => self.clients.extend(clients),
            Happening::Placed(placed) if self.placed.contains(&placed) => {}
            Happening::Placed(placed) => self.placed.push_back(placed),
            Happening::Poke { touch, seq } => match &mut self.poke {
                None => self.poke = Some((touch, seq)),
                Some((known, latest)) => {
                    known.absorb(touch);
                    *latest = (*latest).max(seq);
                }
            },
            Happening::Missed => self.miss(),
        }
        if self.clients.len() > MAX_WAITING || self.placed.len() > MAX_WAITING {
            self.miss();
        }
    }

    fn take(&mut self) -> Option<Happening> {
        if self.has_missed {
            *self = Self::default();
            return Some(Happening::Missed);
        }
        if let Some(placed) = self.placed.pop_front() {
            return Some(Happening::Placed(placed));
        }
        if let Some((touch, seq)) = self.poke.take() {
            return Some(Happening::Poke { touch, seq });
        }
        let rest = match self.clients.iter().nth(MAX_CLIENTS_AT_ONCE).copied() {
            Some(next) => self.clients.split_off(&next),
            None => BTreeSet::new(),
        };
        let clients = std::mem::replace(&mut self.clients, rest);
        (!clients.is_empty()).then_some(Happening::Clients(clients))
    }
}

impl Seat {
    fn put(&self, happening: Happening) {
        lock(&self.waiting).put(happening);
        self.told.notify_one();
    }

    fn hear_of_client(&self, client: ClientId) {
        match &self.interest {
            Interest::Clients(Some(chosen)) if !chosen.contains(&client) => {}
            Interest::Clients(_) => self.put(Happening::Clients([client].into())),
            Interest::Orders | Interest::Pokes(_) => {}
        }
    }

    fn hear_of_order(&self, placed: Placed) {
        if self.interest == Interest::Orders {
            self.put(Happening::Placed(placed));
        }
    }

    fn hear_of_poke(&self, touch: Touch, seq: Option<i64>, is_for_many: bool) {
        let Interest::Pokes(chosen) = &self.interest else {
            return;
        };
        if let Some(touch) = touch.among(*chosen) {
            self.mark(is_for_many);
            self.put(Happening::Poke { touch, seq });
        }
    }

    /// Notes that many others are told the same.
    fn mark(&self, is_for_many: bool) {
        if is_for_many {
            lock(&self.waiting).is_one_of_many = true;
        }
    }
}

impl Hub {
    /// Follows `interest` for `user` until the inbox goes. The first thing in it is [`Happening::Missed`].
    pub fn follow(&self, user: UserId, interest: Interest) -> Inbox {
        let seat = Arc::new(Seat {
            interest,
            // What happened before is not known: who reads now and goes on hearing misses nothing.
            waiting: Mutex::new(Waiting {
                has_missed: true,
                ..Waiting::default()
            }),
            told: Notify::new(),
        });
        let mut seats = lock(&self.0);
        seats.entry(user).or_default().push(Arc::clone(&seat));
        drop(seats);
        Inbox {
            hub: self.clone(),
            user,
            seat,
        }
    }

    /// Whether anybody follows clients or orders, so that it matters who may see them.
    pub fn follows_clients(&self) -> bool {
        let seats = lock(&self.0);
        let mut all = seats.values().flatten();
        all.any(|seat| !matches!(seat.interest, Interest::Pokes(_)))
    }

    /// How many inboxes there are.
    pub fn len(&self) -> usize {
        lock(&self.0).values().map(Vec::len).sum()
    }

    /// Whether nobody follows anything.
    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Hands `news` to those who follow it. `seen_by` says who may see its clients; who is not in it hears
    /// nothing of these.
    pub fn deliver(&self, news: &News, seen_by: &[(ClientId, UserId)]) {
        let seats = lock(&self.0);
        let are_many = is_a_crowd(seats.len());
        if news.is_everything {
            for seat in seats.values().flatten() {
                seat.mark(are_many);
                seat.put(Happening::Missed);
            }
            return;
        }
        for (client, user) in seen_by {
            let Some(seats) = seats.get(user) else {
                continue;
            };
            let least = Placed {
                client: *client,
                order: entity::OrderId(uuid::Uuid::nil()),
            };
            let placed = || {
                let from = news.placed.range(least..);
                from.take_while(|placed| placed.client == *client)
            };
            for seat in seats {
                if news.clients.contains(client) {
                    seat.hear_of_client(*client);
                }
                for placed in placed() {
                    seat.hear_of_order(*placed);
                }
            }
        }
        let poke = &news.poke;
        if poke.everyone != Touch::NOTHING {
            for seat in seats.values().flatten() {
                seat.hear_of_poke(poke.everyone, news.seq, are_many);
            }
        }
        let are_many = poke.is_for_a_crowd();
        for (user, touch) in &poke.users {
            for seat in seats.get(user).into_iter().flatten() {
                seat.hear_of_poke(*touch, news.seq, are_many);
            }
        }
    }
}

/// What waits for one who follows something.
#[derive(Debug)]
pub struct Inbox {
    hub: Hub,
    user: UserId,
    seat: Arc<Seat>,
}

impl Inbox {
    /// Waits until there is something to take.
    pub async fn wait(&self) {
        while lock(&self.seat.waiting).is_empty() {
            self.seat.told.notified().await;
        }
    }

    /// Takes the next thing, if there is one.
    pub fn take(&self) -> Option<Happening> {
        lock(&self.seat.waiting).take()
    }

    /// Whether many others were told the same since this was asked last: if all of them acted on it at once, that would be
    /// too much.
    pub fn is_one_of_many(&self) -> bool {
        std::mem::take(&mut lock(&self.seat.waiting).is_one_of_many)
    }

    /// Puts back what could not be told.
    pub fn put_back(&self, happening: Happening) {
        self.seat.put(happening);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut seats = lock(&self.hub.0);
        if let Some(own) = seats.get_mut(&self.user) {
            own.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            if own.is_empty() {
                seats.remove(&self.user);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use entity::OrderId;
    use entity::SyncCollection::{self, Notes, Orders};
    use uuid::Uuid;

    use super::*;
    use crate::live::Poke;

    fn user(id: u128) -> UserId {
        UserId(Uuid::from_u128(id))
    }

    fn client(id: u128) -> ClientId {
        ClientId(Uuid::from_u128(id))
    }

    fn placed(at: u128, order: u128) -> Placed {
        Placed {
            client: client(at),
            order: OrderId(Uuid::from_u128(order)),
        }
    }

    fn kinds(kinds: &[SyncCollection]) -> Kinds {
        kinds.iter().copied().collect()
    }

    /// Follows, and takes the first thing.
    fn begun(hub: &Hub, user: UserId, interest: Interest) -> Inbox {
        let inbox = hub.follow(user, interest);
        assert_eq!(inbox.take(), Some(Happening::Missed));
        inbox
    }

    fn of(ids: std::ops::Range<u128>) -> News {
        News {
            clients: ids.map(client).collect(),
            ..News::default()
        }
    }

    #[tokio::test]
    async fn who_may_not_see_a_client_hears_nothing_of_it() {
        let hub = Hub::default();
        let ann = begun(&hub, user(1), Interest::Clients(None));
        let ben = begun(&hub, user(2), Interest::Clients(None));
        let orders = begun(&hub, user(2), Interest::Orders);
        let news = News {
            placed: [placed(2, 7), placed(2, 8), placed(1, 9)].into(),
            ..of(1..3)
        };
        hub.deliver(&news, &[(client(1), user(1)), (client(2), user(2))]);
        ann.wait().await;
        assert_eq!(ann.take(), Some(Happening::Clients([client(1)].into())));
        assert_eq!(ben.take(), Some(Happening::Clients([client(2)].into())));
        assert_eq!(orders.take(), Some(Happening::Placed(placed(2, 7))));
        assert_eq!(orders.take(), Some(Happening::Placed(placed(2, 8))));
        assert_eq!(orders.take(), None);
        assert_eq!((ann.take(), ben.take()), (None, None));
    }

    #[test]
    fn each_thing_waits_once() {
        let hub = Hub::default();
        let chosen = Interest::Clients(Some([client(1)].into()));
        let clients = begun(&hub, user(1), chosen);
        let orders = begun(&hub, user(1), Interest::Orders);
        let news = News {
            placed: [placed(1, 7)].into(),
            ..of(1..3)
        };
        let seen_by = [(client(1), user(1)), (client(2), user(1))];
        hub.deliver(&news, &seen_by);
        hub.deliver(&news, &seen_by);
        let taken = clients.take().unwrap();
        assert_eq!(taken, Happening::Clients([client(1)].into()));
        assert_eq!(clients.take(), None);
        clients.put_back(taken.clone());
        assert_eq!(clients.take(), Some(taken));
        assert_eq!(orders.take(), Some(Happening::Placed(placed(1, 7))));
        assert_eq!(orders.take(), None);
    }

    #[test]
    fn what_waits_is_bounded_and_who_misses_something_is_told_so() {
        let hub = Hub::default();
        let inbox = begun(&hub, user(1), Interest::Clients(None));
        let seen_by: Vec<_> = (0..300).map(|id| (client(id), user(1))).collect();
        hub.deliver(&of(0..256), &seen_by);
        let mut all = BTreeSet::new();
        while let Some(Happening::Clients(clients)) = inbox.take() {
            assert!(clients.len() <= MAX_CLIENTS_AT_ONCE);
            all.extend(clients);
        }
        assert_eq!(all.len(), MAX_WAITING);
        hub.deliver(&of(0..257), &seen_by);
        hub.deliver(&of(0..1), &seen_by);
        assert_eq!(inbox.take(), Some(Happening::Missed));
        assert_eq!(inbox.take(), None);
        hub.deliver(&News::everything(), &[]);
        assert_eq!(inbox.take(), Some(Happening::Missed));
    }

    #[test]
    fn phones_are_poked_by_user_and_kind() {
        let hub = Hub::default();
        let all = begun(&hub, user(1), Interest::Pokes(Kinds::ALL));
        let notes = begun(&hub, user(1), Interest::Pokes(kinds(&[Notes])));
        let other = begun(&hub, user(2), Interest::Pokes(Kinds::ALL));
        assert!(!hub.follows_clients());
        let mut news = News {
            poke: Poke {
                users: [
                    (user(1), Touch::of(kinds(&[Orders]))),
                    (user(3), Touch::of(kinds(&[Notes]))),
                ]
                .into(),
                everyone: Touch::NOTHING,
            },
            seq: Some(4),
            ..News::default()
        };
        hub.deliver(&news, &[]);
        let heard = |touch: Touch, seq| {
            Some(Happening::Poke {
                touch,
                seq: Some(seq),
            })
        };
        // Neither those who were not meant, nor of what did not change.
        assert_eq!((notes.take(), other.take()), (None, None));
        news.seq = Some(5);
        news.poke.everyone = Touch::of(kinds(&[Notes]));
        hub.deliver(&news, &[]);
        assert_eq!(all.take(), heard(Touch::of(kinds(&[Notes, Orders])), 5));
        assert_eq!(notes.take(), heard(Touch::of(kinds(&[Notes])), 5));
        assert_eq!(other.take(), heard(Touch::of(kinds(&[Notes])), 5));
        news.poke = Poke::default();
        news.poke.touch(user(2), Touch::of_other_clients());
        hub.deliver(&news, &[]);
        assert_eq!(other.take(), heard(Touch::of_other_clients(), 5));
        for inbox in [all, notes, other] {
            assert!(inbox.take().is_none() && !inbox.is_one_of_many());
        }
    }

    #[test]
    fn a_crowd_is_told_so() {
        let hub = Hub::default();
        let pokes = begun(&hub, user(1), Interest::Pokes(Kinds::ALL));
        let clients = begun(&hub, user(1), Interest::Clients(None));
        let mut news = News::default();
        for id in 0..100 {
            news.poke.touch(user(id), Touch::of_other_clients());
        }
        for id in 100..200 {
            news.poke.touch(user(id), Touch::of(kinds(&[Notes])));
        }
        hub.deliver(&news, &[]);
        assert!(pokes.take().is_some() && !pokes.is_one_of_many());
        news.poke.touch(user(100), Touch::of_other_clients());
        hub.deliver(&news, &[]);
        // Once, and only who was told.
        assert!(pokes.take().is_some() && pokes.is_one_of_many() && !pokes.is_one_of_many());
        assert!(!clients.is_one_of_many());
        let _others: Vec<Inbox> = (2..102)
            .map(|id| hub.follow(user(id), Interest::Orders))
            .collect();
        news.poke = Poke {
            everyone: Touch::of(kinds(&[Notes])),
            ..Poke::default()
        };
        hub.deliver(&news, &[]);
        assert!(pokes.take().is_some() && pokes.is_one_of_many());
        assert!(!clients.is_one_of_many());
        // What was missed is read again by all of them.
        hub.deliver(&News::everything(), &[]);
        for inbox in [pokes, clients] {
            assert!(inbox.is_one_of_many());
            assert_eq!(inbox.take(), Some(Happening::Missed));
        }
    }

    #[test]
    fn nobody_is_remembered_who_went() {
        let hub = Hub::default();
        for id in 0..1_000 {
            hub.follow(user(id), Interest::Orders);
        }
        let stays = hub.follow(user(1), Interest::Orders);
        drop(hub.follow(user(1), Interest::Orders));
        assert_eq!(hub.len(), 1);
        assert!(hub.follows_clients());
        drop(stays);
        assert!(hub.is_empty());
    }
}
