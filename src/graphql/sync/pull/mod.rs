//! What phones fetch, on the wire. Two ways in over the same rules: `pullContacts` and its like give one collection
//! at a time, as stock RxDB asks for it; `sync` gives all of them at once.
//!
//! # How a collection is declared
//!
//! 1. Its document: a file in [`docs`](super::docs) with a type that is a [`Doc`], which says how rows are read; one
//!    that phones only read is a table in `docs/read_only.rs`.
//! 2. A line in the table of `collections`: from that follow the field `pullX`, its list in `sync`, its digest and
//!    its manifest.
//! 3. Where phones write it, a file in [`push`](super::push) and a line in `push::CONCEPTS`.
//!
//! Which rows are documents at all, and in which scope, is said in `src/db/sync/held.rs`.

mod collections;
mod devices;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::{Context, InputObject, OutputType, SimpleObject, TypeName, Value};
use entity::{DeviceId, SyncCollection};
use sea_orm::Condition;
use uuid::Uuid;

pub use collections::{PullQuery, SyncPage, wire_id};
pub use devices::{DeviceMutation, DeviceQuery};
pub use whole::SyncQuery;

use super::docs::Doc;
use super::scalars::SafeInt;
use crate::db::{Session, Versioned};
use crate::domain::pulls::{self, From, Page, Pull};
use crate::error::{Error, Result};
use crate::graphql::confidential::note_shown;
use crate::graphql::context::session;
use crate::graphql::direct::{Direct, Ready};
use crate::graphql::pace::Listed;
use crate::sync::plan::{Emission, Surface};
use collections::Shelves;

/// A kind of document that phones fetch.
pub trait Pulled: Doc + Ready + OutputType {
    /// The name of a page of it.
    const PAGE: &'static str;
    /// Its table.
    type Table: Versioned;

    /// Which rows of the table phones hold, of those that their user sees.
    fn held(session: &Session) -> Condition;

    /// The documents of this kind among those that were read.
    fn of(shelves: &mut Shelves) -> &mut BTreeMap<Uuid, Self>;
}

/// How far a phone has come, opaque to it. Always an object with exactly this key, because RxDB merges checkpoints.
#[derive(Clone, Debug, SimpleObject)]
pub struct SyncCheckpoint {
    /// The token, at most 120 letters and digits.
    token: String,
}

/// How far a phone has come, as the page before said.
#[derive(Clone, Debug, InputObject)]
pub struct SyncCheckpointInput {
    /// The token, unchanged.
    pub(super) token: String,
}

/// A page of one collection. It holds exactly as many documents as were asked for, unless it is the last.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub struct PullPage<T: Pulled> {
    /// The documents. One that is gone, or no longer yours to see, has `deleted: true` and nothing else.
    documents: Listed<Direct<T>>,
    /// What to send with the next pull.
    checkpoint: SyncCheckpoint,
    /// Whether there is more now.
    has_more: bool,
    /// Up to where the pull leads; equal on all its pages.
    watermark: SafeInt,
    /// Whether you see more clients than a phone holds. Then none of them are sent, nor what hangs on them: read these online.
    is_capped: bool,
}

impl<T: Pulled> TypeName for PullPage<T> {
    fn type_name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed(T::PAGE)
    }
}

/// The next page of one collection.
async fn pull<T: Pulled>(
    ctx: &Context<'_>,
    checkpoint: Option<SyncCheckpointInput>,
    limit: i32,
    device: Option<DeviceId>,
) -> Result<PullPage<T>> {
    let session = session(ctx)?;
    let pull = Pull {
        device,
        schema_version: None,
        surface: Surface::Rows,
        collections: BTreeSet::from([T::COLLECTION]),
        from: checkpoint.map_or(From::Nothing, |checkpoint| From::Token(checkpoint.token)),
        limit: i64::from(limit),
    };
    let mut shelves = Shelves::default();
    let Page {
        replaces: _,
        lines,
        events: _,
        token,
        has_more,
        watermark,
        is_capped,
    } = pulls::page(session, &pull, &mut shelves).await?;
    let documents = lines
        .iter()
        .map(|line| match line.emission {
            Emission::Document => taken::<T>(&mut shelves, line.row),
            Emission::Tombstone(_) => Ok(T::tombstone(line.row)),
        })
        .collect::<Result<Vec<T>>>()?;
    if documents.iter().any(|document| !document.is_deleted()) {
        note::<T>(ctx);
    }
    Ok(PullPage {
        documents: documents.into_iter().map(Direct).collect(),
        checkpoint: SyncCheckpoint { token },
        has_more,
        watermark: SafeInt::place(watermark),
        is_capped,
    })
}

/// A document that was read.
fn taken<T: Pulled>(shelves: &mut Shelves, row: Uuid) -> Result<T> {
    T::of(shelves)
        .remove(&row)
        .ok_or_else(|| Error::bug("a page names a document that was not read"))
}

/// Notes which confidential facts may have gone out.
fn note<T: Pulled>(ctx: &Context<'_>) {
    for group in T::SHOWS {
        note_shown(ctx, *group);
    }
}

/// Reads documents of one kind, and keeps those in use. Answers which they are, weighed if that is asked.
async fn keep<T: Pulled>(
    kept: &mut BTreeMap<Uuid, T>,
    session: &Session,
    rows: &[Uuid],
    weighs: bool,
) -> Result<HashMap<Uuid, usize>> {
    let mut found = T::load(session, rows).await?;
    found.retain(|_, document| !document.is_deleted());
    let weigh = |document: &T| {
        if weighs {
            bytes(&document.to_value())
        } else {
            0
        }
    };
    let ids = found.iter().map(|(id, document)| (*id, weigh(document)));
    let ids = ids.collect();
    kept.append(&mut found);
    Ok(ids)
}

/// How many bytes a value takes as JSON, about: letters that are escaped count once.
fn bytes(value: &Value) -> usize {
    const QUOTES: usize = 2;
    const COMMA: usize = 1;
    match value {
        Value::Null => 4,
        Value::Boolean(_) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text.len() + QUOTES,
        Value::Enum(name) => name.len() + QUOTES,
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => {
            values
                .iter()
                .map(|value| bytes(value) + COMMA)
                .sum::<usize>()
                + QUOTES
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| name.len() + QUOTES + bytes(value) + 2 * COMMA);
            fields.sum::<usize>() + QUOTES
        }
    }
}

/// What stands for a kind where nothing was said: all of them.
fn all_kinds() -> BTreeSet<SyncCollection> {
    <SyncCollection as sea_orm::Iterable>::iter().collect()
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::bytes;

    #[test]
    fn values_weigh_what_they_take_as_json() {
        let value = value!({
            "id": "note_1", "body": "Grüße, 您好", "pinned": true, "none": null, "version": 12,
            "lines": [{ "quantity": 3 }, { "quantity": 4.5 }], "empty": [], "nothing": {},
        });
        let json = value.clone().into_json().unwrap().to_string();
        // A comma too many at the end of each list and object, and the shorter of two flags.
        assert!(
            bytes(&value) >= json.len() && bytes(&value) <= json.len() + 8,
            "{json}"
        );
    }
}
