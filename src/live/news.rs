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

    /// As other processes hear it from the process `from`: what does not fit is told as "everything".
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn encode(&self, from: Uuid) -> serde_json::Result<String> {
        let text = serde_json::to_string(&Wire::of(self, from))?;
        if text.len() <= MAX_BYTES {
            return Ok(text);
        }
        let short = Self {
            seq: self.seq,
            ..Self::everything()
        };
        serde_json::to_string(&Wire::of(&short, from))
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

        /// Other processes hear the same, or that it may be anything; and PostgreSQL takes it.
        #[test]
        fn news_comes_out_of_the_wire_as_it_went_in(
            clients in prop::collection::vec(any::<u128>(), 0..300),
            placed in prop::collection::vec(any::<(u128, u128)>(), 0..150),
            users in prop::collection::vec(any::<u128>(), 0..300),
            everyone in any::<bool>(),
            seq in any::<Option<i64>>(),
        ) {
            let named = clients.len() + 2 * placed.len() + users.len();
            let news = some((clients, placed, users, everyone, seq));
            let from = Uuid::from_u128(7);
            let text = news.encode(from).unwrap();
            prop_assert!(text.len() < 8_000);
            let (by, heard) = News::decode(&text);
            prop_assert_eq!(by, Some(from));
            if named <= 200 {
                prop_assert_eq!(heard, news);
            } else {
                prop_assert!(heard == news || heard.is_everything && heard.seq == news.seq);
            }
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
