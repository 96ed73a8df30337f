//! The two kinds of document of the model, with every policy a field can have.

use clientele::sync::merge::{Field, Fields, Policy, Value};
use clientele::sync::{Collection, CollectionSet, RowKey, ScopeKey};
use uuid::Uuid;

use crate::random::Random;

pub const STEPS: &[(&str, &str)] = &[
    ("draft", "submitted"),
    ("draft", "cancelled"),
    ("submitted", "approved"),
    ("submitted", "cancelled"),
    ("cancelled", "draft"),
];

const CONTACT: &[Field] = &[
    field("name", Policy::ServerWins),
    field("phone", Policy::ServerWins),
    field("points", Policy::Additive),
    field("tags", Policy::AppendOnly),
];

const ORDER: &[Field] = &[
    field("lines", Policy::Whole),
    field("total", Policy::Whole),
    field("state", Policy::Status(STEPS, &[])),
    field("memo", Policy::ServerWins),
];

const fn field(name: &'static str, policy: Policy) -> Field {
    Field { name, policy }
}

/// The fields of a kind of document.
pub fn fields_of(collection: Collection) -> &'static [Field] {
    if collection.get() == 0 {
        CONTACT
    } else {
        ORDER
    }
}

pub fn collections() -> [Collection; 2] {
    [0, 1].map(|number| Collection::new(number).unwrap())
}

pub fn all_collections() -> CollectionSet {
    collections().into_iter().collect()
}

pub fn row(number: u64) -> RowKey {
    RowKey {
        collection: collections()[(number % 2) as usize],
        id: Uuid::from_u128(u128::from(number) + (1 << 64)),
    }
}

pub fn scope(number: u64) -> ScopeKey {
    ScopeKey {
        rank: (1 + number % 2) as u8,
        id: Uuid::from_u128(100 + u128::from(number)),
    }
}

pub fn user(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

/// A document that nobody has written anything else into; `mark` is in no other.
pub fn blank(collection: Collection, mark: i64) -> Fields {
    let value = |field: &Field| match field.policy {
        Policy::ServerWins | Policy::Whole => Value::Number(mark),
        Policy::Additive => Value::Number(0),
        Policy::AppendOnly => Value::List(Vec::new()),
        Policy::Status(..) => Value::Text("draft".to_owned()),
    };
    fields_of(collection)
        .iter()
        .map(|field| (field.name, value(field)))
        .collect()
}

/// An edit of one or two fields that a person might make on seeing `view`; `mark` is in no other.
pub fn edit(collection: Collection, view: &Fields, mark: i64, random: &mut Random) -> Fields {
    let list = fields_of(collection);
    let mut patch = Fields::new();
    for _ in 0..=random.below(2) {
        let field = &list[random.below(list.len() as u64) as usize];
        let present = &view[field.name];
        let value = match (field.policy, present) {
            (Policy::ServerWins | Policy::Whole, _) => Value::Number(mark),
            (Policy::Additive, Value::Number(number)) => {
                Value::Number(number + 1 + random.below(3) as i64)
            }
            (Policy::AppendOnly, Value::List(entries)) => {
                let mut entries = entries.clone();
                entries.push(Value::Number(mark));
                Value::List(entries)
            }
            (Policy::Status(steps, _), Value::Text(from)) => {
                let next: Vec<&str> = steps
                    .iter()
                    .filter(|(a, _)| a == from)
                    .map(|(_, to)| *to)
                    .collect();
                if next.is_empty() {
                    continue;
                }
                Value::Text(next[random.below(next.len() as u64) as usize].to_owned())
            }
            (policy, value) => panic!("{policy:?} has {value:?}"),
        };
        patch.insert(field.name, value);
    }
    patch
}

/// Whether one step after the other leads there.
pub fn leads(steps: &[(&str, &str)], from: &str, to: &str) -> bool {
    let mut reached = vec![from];
    let mut at = 0;
    while let Some(here) = reached.get(at).copied() {
        let next = steps
            .iter()
            .filter(|(a, b)| *a == here && !reached.contains(b));
        let next: Vec<&str> = next.map(|(_, b)| *b).collect();
        reached.extend(next);
        at += 1;
    }
    reached.contains(&to)
}

/// Whether the service's validation would refuse these fields: one mark in thirteen.
pub fn is_refused(fields: &Fields) -> bool {
    ["name", "memo"]
        .iter()
        .any(|name| matches!(fields.get(name), Some(Value::Number(mark)) if mark % 13 == 0))
}
