//! What commits have changed, of one of them or of several together, and its form on the wire between processes.

use std::collections::BTreeSet;

use entity::{ClientId, EntityId, OrderId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many clients, orders or users one piece of news names. Beyond that it says that everything may have
/// changed.
const MAX_NAMED: usize = 1_000;

/// Bytes of a message between processes: PostgreSQL takes less than 8,000.
const MAX_BYTES: usize = 7_900;

/// Hexadecimal digits of a UUID.
const DIGITS: usize = 32;

/// An order that was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// The client that buys.
    pub client: ClientId,
    /// The order.
    pub order: OrderId,
}

/// Whose phones should look for changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poke {
    /// The users.
    pub users: BTreeSet<UserId>,
    /// Whether it is for everybody.
    pub everyone: bool,
    /// The names of the collections that changed; any, when there are none.
    pub collections: BTreeSet<String>,
}

/// What commits have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Clients of which something changed: themselves, or what belongs to them.
    pub clients: BTreeSet<ClientId>,
    /// Orders that were placed.
    pub placed: BTreeSet<Placed>,
    /// Whose phones should look for changes.
    pub poke: Poke,
    /// The position of the latest change in the order of commits, where there is one.
    pub seq: Option<i64>,
    /// Whether anything at all may have changed: there was more than can be named, or something was missed.
    pub is_everything: bool,
}

impl News {
    /// That anything may have changed.
    pub fn everything() -> Self {
        Self {
            is_everything: true,
            ..Self::default()
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Self {
            clients,
            placed,
            poke,
            seq,
            is_everything,
        } = self;
        let is_poke = !poke.users.is_empty() || poke.everyone;
        clients.is_empty() && placed.is_empty() && !is_poke && seq.is_none() && !is_everything
    }

    /// Takes `other` in.
    pub fn absorb(&mut self, other: Self) {
        let Self {
            clients,
            placed,
            poke,
            seq,
            is_everything,
        } = other;
        self.clients.extend(clients);
        self.placed.extend(placed);
        self.poke.users.extend(poke.users);
        self.poke.everyone |= poke.everyone;
        self.poke.collections.extend(poke.collections);
        self.seq = self.seq.max(seq);
        self.is_everything |= is_everything;
        let named = [
            self.clients.len(),
            self.placed.len(),
            self.poke.users.len(),
            self.poke.collections.len(),
        ];
        if self.is_everything || named.into_iter().any(|count| count > MAX_NAMED) {
            *self = Self {
                seq: self.seq,
                ..Self::everything()
            };
        }
    }

    /// The clients it is about.
    pub fn all_clients(&self) -> BTreeSet<ClientId> {
        let placed = self.placed.iter().map(|placed| placed.client);
        self.clients.iter().copied().chain(placed).collect()
    }

    /// As other processes hear it from the process `from`, in as many messages as it takes: half of it in each of
    /// two, and so on. What fits in none is told as "everything".
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn encode(self, from: Uuid) -> serde_json::Result<Vec<String>> {
        let text = serde_json::to_string(&Wire::of(&self, from))?;
        if text.len() <= MAX_BYTES {
            return Ok(vec![text]);
        }
        let seq = self.seq;
        if let Some((first, second)) = self.halves() {
            let mut texts = first.encode(from)?;
            texts.extend(second.encode(from)?);
            return Ok(texts);
        }
        let short = Self {
            seq,
            ..Self::everything()
        };
        Ok(vec![serde_json::to_string(&Wire::of(&short, from))?])
    }

    /// Two pieces of news that say together what it says; none where it names too little to be parted.
    fn halves(mut self) -> Option<(Self, Self)> {
        let mut second = self.clone();
        second.clients = second_half(&mut self.clients);
        second.placed = second_half(&mut self.placed);
        second.poke.users = second_half(&mut self.poke.users);
        let named = second.clients.len() + second.placed.len() + second.poke.users.len();
        (named > 0).then_some((self, second))
    }

    /// What another process said, and which. What cannot be read, as of another version, is told as
    /// "everything".
    pub fn decode(text: &str) -> (Option<Uuid>, Self) {
        let Ok(wire) = serde_json::from_str::<Wire>(text) else {
            return (None, Self::everything());
        };
        let from = wire.from;
        (Some(from), wire.news().unwrap_or_else(Self::everything))
    }
}

/// News as JSON; ids as digits, one after the other.
#[derive(Serialize, Deserialize)]
struct Wire {
    from: Uuid,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    clients: String,
    /// A client and an order in turn.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    placed: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    users: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    everyone: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    collections: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    everything: bool,
}

impl Wire {
    fn of(news: &News, from: Uuid) -> Self {
        let News {
            clients,
            placed,
            poke,
            seq,
            is_everything,
        } = news;
        let pairs = placed
            .iter()
            .flat_map(|placed| [placed.client.0, placed.order.0]);
        Self {
            from,
            clients: digits(clients.iter().map(|id| id.0)),
            placed: digits(pairs),
            users: digits(poke.users.iter().map(|id| id.0)),
            everyone: poke.everyone,
            collections: poke.collections.clone(),
            seq: *seq,
            everything: *is_everything,
        }
    }

    fn news(self) -> Option<News> {
        let placed = ids(&self.placed)?;
        let pairs = placed.chunks(2).map(|pair| match pair {
            [client, order] => Some(Placed {
                client: ClientId::from_uuid(*client),
                order: OrderId::from_uuid(*order),
            }),
            _ => None,
        });
        Some(News {
            clients: ids(&self.clients)?.into_iter().map(ClientId).collect(),
            placed: pairs.collect::<Option<_>>()?,
            poke: Poke {
                users: ids(&self.users)?.into_iter().map(UserId).collect(),
                everyone: self.everyone,
                collections: self.collections,
            },
            seq: self.seq,
            is_everything: self.everything,
        })
    }
}

/// Takes the second half out of `set`; nothing of a set of one.
fn second_half<T: Ord + Copy>(set: &mut BTreeSet<T>) -> BTreeSet<T> {
    let middle = set.len().div_ceil(2);
    match set.iter().nth(middle).copied() {
        Some(middle) => set.split_off(&middle),
        None => BTreeSet::new(),
    }
}

fn digits(ids: impl Iterator<Item = Uuid>) -> String {
    ids.map(|id| id.simple().to_string()).collect()
}

/// Nothing when these are no ids.
fn ids(digits: &str) -> Option<Vec<Uuid>> {
    let mut found = Vec::with_capacity(digits.len() / DIGITS);
    let mut rest = digits;
    while !rest.is_empty() {
        let (id, more) = rest.split_at_checked(DIGITS)?;
        found.push(Uuid::try_parse(id).ok()?);
        rest = more;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seed = (Vec<u128>, Vec<(u128, u128)>, Vec<u128>, bool, Option<i64>);

    fn some(seed: Seed) -> News {
        let (clients, placed, users, everyone, seq) = seed;
        News {
            clients: clients
                .into_iter()
                .map(|id| ClientId(Uuid::from_u128(id)))
                .collect(),
            placed: placed
                .into_iter()
                .map(|(client, order)| Placed {
                    client: ClientId(Uuid::from_u128(client)),
                    order: OrderId(Uuid::from_u128(order)),
                })
                .collect(),
            poke: Poke {
                users: users
                    .into_iter()
                    .map(|id| UserId(Uuid::from_u128(id)))
                    .collect(),
                everyone,
                collections: BTreeSet::from(["NOTES".to_owned()]),
            },
            seq,
            is_everything: false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Other processes hear the same, in messages that PostgreSQL takes.
        #[test]
        fn news_comes_out_of_the_wire_as_it_went_in(
            clients in prop::collection::vec(any::<u128>(), 0..300),
            placed in prop::collection::vec(any::<(u128, u128)>(), 0..150),
            users in prop::collection::vec(any::<u128>(), 0..300),
            everyone in any::<bool>(),
            seq in any::<Option<i64>>(),
        ) {
            let news = some((clients, placed, users, everyone, seq));
            let from = Uuid::from_u128(7);
            let texts = news.clone().encode(from).unwrap();
            let mut heard = News::default();
            for text in texts {
                prop_assert!(text.len() < 8_000);
                let (by, part) = News::decode(&text);
                prop_assert_eq!(by, Some(from));
                heard.absorb(part);
            }
            prop_assert_eq!(heard, news);
        }

        /// What is merged names all that its parts name, or says that it may be anything.
        #[test]
        fn nothing_is_lost_by_merging(
            parts in prop::collection::vec(prop::collection::vec(0..2_000_u128, 0..400), 1..8)
        ) {
            let mut merged = News::default();
            for part in &parts {
                merged.absorb(some((part.clone(), Vec::new(), Vec::new(), false, None)));
            }
            prop_assert!(merged.clients.len() <= MAX_NAMED);
            for id in parts.into_iter().flatten() {
                let client = ClientId(Uuid::from_u128(id));
                prop_assert!(merged.is_everything || merged.clients.contains(&client));
            }
        }
    }

    #[test]
    fn as_much_as_can_be_named_takes_few_messages() {
        let all: Vec<u128> = (0..1_000).collect();
        let placed = all.iter().map(|id| (*id, *id)).collect();
        let news = some((all.clone(), placed, all, false, None));
        assert!(!news.is_everything);
        assert!(news.encode(Uuid::from_u128(7)).unwrap().len() <= 32);
    }

    #[test]
    fn what_fits_in_no_message_may_be_anything() {
        let mut news = some((vec![1, 2, 3], vec![(1, 2)], vec![1], true, Some(5)));
        news.poke.collections = (0..900).map(|at| format!("COLLECTION_{at}")).collect();
        let texts = news.encode(Uuid::from_u128(7)).unwrap();
        for text in &texts {
            let (_, heard) = News::decode(text);
            assert_eq!((heard.is_everything, heard.seq), (true, Some(5)));
        }
    }

    #[test]
    fn what_is_no_news_may_be_anything() {
        for text in ["", "{}", "null", "{\"from\":1}"] {
            assert_eq!(News::decode(text), (None, News::everything()), "{text}");
        }
        let from = Uuid::from_u128(7);
        for wrong in [
            "clients\":\"12",
            "placed\":\"00000000000000000000000000000007",
        ] {
            let text = format!("{{\"from\":\"{from}\",\"{wrong}\"}}");
            assert_eq!(News::decode(&text), (Some(from), News::everything()));
        }
    }

    #[test]
    fn nothing_is_empty_that_says_something() {
        assert!(News::default().is_empty());
        assert!(!News::everything().is_empty());
        assert!(!some((vec![1], vec![], vec![], false, None)).is_empty());
        assert!(!some((vec![], vec![(1, 2)], vec![], false, None)).is_empty());
        assert!(!some((vec![], vec![], vec![1], false, None)).is_empty());
        assert!(!some((vec![], vec![], vec![], true, None)).is_empty());
        assert!(!some((vec![], vec![], vec![], false, Some(1))).is_empty());
    }
}
