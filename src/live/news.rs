//! What commits have changed, of one of them or of several together, and its form on the wire between processes.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ClientId, EntityId, OrderId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::poke::{Kinds, Poke, Touch};

/// How many clients, orders or users one piece of news names. Beyond that it says that everything may have
/// changed.
const MAX_NAMED: usize = 1_000;

/// Bytes of a message between processes: PostgreSQL takes less than 8,000.
const MAX_BYTES: usize = 7_900;

/// Hexadecimal digits of a UUID.
const DIGITS: usize = 32;

/// Hexadecimal digits of what changed for somebody: a sign for clients that came or went, and the kinds.
const TOUCH_DIGITS: usize = 9;

/// An order that was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// The client that buys.
    pub client: ClientId,
    /// The order.
    pub order: OrderId,
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
        clients.is_empty()
            && placed.is_empty()
            && poke.is_empty()
            && seq.is_none()
            && !is_everything
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
        self.poke.absorb(poke);
        self.seq = self.seq.max(seq);
        self.is_everything |= is_everything;
        let named = [self.clients.len(), self.placed.len(), self.poke.users.len()];
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
    /// two, and so on.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn encode(self, from: Uuid) -> serde_json::Result<Vec<String>> {
        let text = serde_json::to_string(&Wire::of(&self, from))?;
        if text.len() <= MAX_BYTES {
            return Ok(vec![text]);
        }
        // What names one of each is short.
        let (first, second) = self.halves();
        let mut texts = first.encode(from)?;
        texts.extend(second.encode(from)?);
        Ok(texts)
    }

    /// Two pieces of news that say together what it says.
    fn halves(mut self) -> (Self, Self) {
        let mut second = self.clone();
        let middle_client = middle(self.clients.iter().copied());
        second.clients = middle_client.map_or_else(BTreeSet::new, |it| self.clients.split_off(&it));
        let middle_order = middle(self.placed.iter().copied());
        second.placed = middle_order.map_or_else(BTreeSet::new, |it| self.placed.split_off(&it));
        let middle_user = middle(self.poke.users.keys().copied());
        second.poke.users =
            middle_user.map_or_else(BTreeMap::new, |it| self.poke.users.split_off(&it));
        (self, second)
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
    /// A user and what changed for them in turn.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    users: String,
    /// What changed for everybody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    everyone: String,
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
            users: (poke.users.iter())
                .map(|(user, touch)| format!("{}{}", user.0.simple(), touch_digits(*touch)))
                .collect(),
            everyone: match poke.everyone {
                Touch::NOTHING => String::new(),
                touch => touch_digits(touch),
            },
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
                users: users(&self.users)?,
                everyone: match self.everyone.as_str() {
                    "" => Touch::NOTHING,
                    digits => touch(digits)?,
                },
            },
            seq: self.seq,
            is_everything: self.everything,
        })
    }
}

/// The first of the second half of `names`; nothing of one alone.
fn middle<T>(mut names: impl ExactSizeIterator<Item = T>) -> Option<T> {
    let half = names.len().div_ceil(2);
    names.nth(half)
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

fn touch_digits(touch: Touch) -> String {
    let Touch {
        kinds,
        other_clients,
    } = touch;
    format!("{}{:08x}", u8::from(other_clients), kinds.bits())
}

/// Nothing when these say nothing of what changed.
fn touch(digits: &str) -> Option<Touch> {
    let (sign, kinds) = digits.split_at_checked(1)?;
    let other_clients = match sign {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    let kinds = Kinds::from_bits(u32::from_str_radix(kinds, 16).ok()?);
    Some(Touch {
        kinds,
        other_clients,
    })
}

/// Nothing when these are no users, each with what changed for them.
fn users(digits: &str) -> Option<BTreeMap<UserId, Touch>> {
    let mut found = BTreeMap::new();
    let mut rest = digits;
    while !rest.is_empty() {
        let (id, more) = rest.split_at_checked(DIGITS)?;
        let (what, more) = more.split_at_checked(TOUCH_DIGITS)?;
        found.insert(UserId(Uuid::try_parse(id).ok()?), touch(what)?);
        rest = more;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seed = (
        Vec<u128>,
        Vec<(u128, u128)>,
        Vec<(u128, u32, bool)>,
        u32,
        Option<i64>,
    );

    fn touch_of(bits: u32, other_clients: bool) -> Touch {
        Touch {
            kinds: Kinds::from_bits(bits),
            other_clients,
        }
    }

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
                    .map(|(id, bits, others)| (UserId(Uuid::from_u128(id)), touch_of(bits, others)))
                    .collect(),
                everyone: touch_of(everyone, false),
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
            users in prop::collection::vec(any::<(u128, u32, bool)>(), 0..300),
            everyone in any::<u32>(),
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
                merged.absorb(some((part.clone(), Vec::new(), Vec::new(), 0, None)));
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
        let users = all.iter().map(|id| (*id, 1, false)).collect();
        let news = some((all, placed, users, 0, None));
        assert!(!news.is_everything);
        assert!(news.encode(Uuid::from_u128(7)).unwrap().len() <= 32);
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
            "users\":\"00000000000000000000000000000007",
            "users\":\"000000000000000000000000000000072000000ff",
            "everyone\":\"1",
        ] {
            let text = format!("{{\"from\":\"{from}\",\"{wrong}\"}}");
            assert_eq!(News::decode(&text), (Some(from), News::everything()));
        }
    }

    #[test]
    fn nothing_is_empty_that_says_something() {
        assert!(News::default().is_empty());
        assert!(!News::everything().is_empty());
        assert!(!some((vec![1], vec![], vec![], 0, None)).is_empty());
        assert!(!some((vec![], vec![(1, 2)], vec![], 0, None)).is_empty());
        assert!(!some((vec![], vec![], vec![(1, 1, false)], 0, None)).is_empty());
        assert!(!some((vec![], vec![], vec![], 1, None)).is_empty());
        assert!(!some((vec![], vec![], vec![], 0, Some(1))).is_empty());
    }
}
