//! What phones push, on the wire. Whatever a rule has against an operation or a row is part of the answer, never an
//! error of the request: a client that met one would send the same again, for ever.

mod addresses;
mod answers;
mod clients;
mod contacts;
mod notes;
mod ops;
mod orders;
mod payments;
mod rows;
mod written;

use entity::SyncCollection;

use self::written::Door;
use crate::domain::pushes::Concept;

pub use ops::OpMutation;
pub use rows::{RowMutation, device_of};

/// The kinds of documents that phones write.
pub const CONCEPTS: &[&dyn Concept] = &[
    &Door::<clients::Clients>::new(),
    &Door::<contacts::Contacts>::new(),
    &Door::<addresses::Addresses>::new(),
    &Door::<notes::Notes>::new(),
    &Door::<orders::Orders>::new(),
    &Door::<payments::Payments>::new(),
];

/// How phones write documents of `collection`; none where they do not.
pub fn concept(collection: SyncCollection) -> Option<&'static dyn Concept> {
    let mut concepts = CONCEPTS.iter().copied();
    concepts.find(|concept| concept.collection() == collection)
}
