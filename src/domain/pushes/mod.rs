//! What phones push: changes that were made offline, some long ago. They pass through the same functions of the
//! domain as changes made online, one after the other, each as a part of its own of one transaction; before it, the
//! rules of [`crate::sync`] say whether it was done already and how it meets what others changed meanwhile.
//!
//! What cannot be done is an answer, not an error: a device that met an error would send the same again, for ever.
//! What a person typed and nobody could keep stays with them as an issue (`issues`).
//!
//! A kind of document is a [`Concept`]; nothing else here knows any.

mod batch;
mod issues;
mod json;
mod parked;
mod perform;
mod rows;
mod run;

use entity::{ClientId, DeviceId, SyncCollection, order};
use futures_util::future::BoxFuture;
use uuid::Uuid;

pub use batch::{Answer, Atomicity, Batch, MAX_OPS, Op, Taken, push};
pub use json::{of_json, to_json};
pub use parked::{PARKED_STAYS, give_up};
pub use rows::{MAX_ROWS, Pushed, Row, RowAnswer, push_rows};

use crate::db::{ParentKey, Tx, number_of};
use crate::error::{Code, Error, Result};
use crate::messages::Locale;
use crate::sync::merge::{Field, Fields, Value};
use crate::sync::push::{ConflictReason, RowNow};
use crate::sync::{Collection, RowKey};

/// A row as it is, for a viewer who sees it.
#[derive(Clone, Debug)]
pub struct Present {
    /// Its version.
    pub version: i64,
    /// Whether it is in use: to a phone, what was put away is gone.
    pub is_live: bool,
    /// What it says, in all fields of its [`Concept`]; nothing in those that the viewer may not see.
    pub fields: Fields,
}

impl Present {
    fn now(present: Option<&Self>) -> RowNow<'_> {
        match present {
            None => RowNow::Absent,
            Some(present) if !present.is_live => RowNow::Deleted,
            Some(present) => RowNow::Visible {
                version: present.version,
                fields: &present.fields,
            },
        }
    }
}

/// A kind of document that phones write. Each method makes one call of the domain.
pub trait Concept: Send + Sync {
    /// Which kind.
    fn collection(&self) -> SyncCollection;

    /// The fields that a phone may change.
    fn fields(&self) -> &'static [Field];

    /// The fields that a phone says of a new row, and never changes.
    fn fixed(&self) -> &'static [&'static str];

    /// What its ids begin with.
    fn prefix(&self) -> &'static str;

    /// Brings fields in the form in which they are compared.
    fn tidy(&self, fields: &mut Fields);

    /// What a new row goes under, where it does.
    fn parent(&self, fields: &Fields) -> Option<ParentKey>;

    /// The row with this id, if the viewer sees it.
    fn find<'a>(&'a self, tx: &'a Tx, id: Uuid) -> BoxFuture<'a, Result<Option<Present>>>;

    /// Makes it; answers its version. If it is there already and was made just so, nothing is done.
    fn create<'a>(&'a self, tx: &'a Tx, id: Uuid, fields: &'a Fields)
    -> BoxFuture<'a, Result<i64>>;

    /// Changes these fields of it; answers its new version.
    fn change<'a>(
        &'a self,
        tx: &'a Tx,
        id: Uuid,
        version: i64,
        fields: &'a Fields,
    ) -> BoxFuture<'a, Result<i64>>;

    /// Puts it away; answers its new version.
    fn delete<'a>(&'a self, tx: &'a Tx, id: Uuid, version: i64) -> BoxFuture<'a, Result<i64>>;
}

/// Whom a push is of.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// The device.
    pub device: DeviceId,
    /// The language its person reads.
    pub locale: Locale,
}

/// The names of all fields that a phone says of a row.
pub fn names(concept: &dyn Concept) -> impl Iterator<Item = &'static str> {
    let fields = concept.fields().iter().map(|field| field.name);
    fields.chain(concept.fixed().iter().copied())
}

/// The client in whose subtree a row lies, if it is there.
async fn client_of(
    tx: &Tx,
    concept: &dyn Concept,
    id: Uuid,
    present: &Present,
) -> Result<Option<ClientId>> {
    Ok(match concept.parent(&present.fields) {
        Some(ParentKey::Client(client)) => Some(client),
        Some(ParentKey::Order(order)) => {
            let found = tx.select::<order::Entity>().id(order).find().await?;
            found.map(|order| order.client_id)
        }
        None if concept.collection() == SyncCollection::Clients => Some(ClientId(id)),
        None => None,
    })
}

/// Notes, of a request with a key, that its answer may show a row as it is: a document, its version, or that it is
/// there at all.
async fn note_shown(
    tx: &Tx,
    concept: &dyn Concept,
    id: Uuid,
    present: Option<&Present>,
) -> Result<()> {
    let Some(present) = present.filter(|_| tx.is_keyed()) else {
        return Ok(());
    };
    if let Some(client) = client_of(tx, concept, id, present).await? {
        tx.note_shown(client);
    }
    Ok(())
}

/// Names a row as the rules do.
pub fn key(collection: SyncCollection, id: Uuid) -> RowKey {
    RowKey {
        collection: number(collection),
        id,
    }
}

/// The number of a kind of document in the rules and in tokens.
fn number(collection: SyncCollection) -> Collection {
    let number = u8::try_from(number_of(collection)).ok();
    // Each is below 32: tokens rest on it.
    number
        .and_then(Collection::new)
        .unwrap_or(Collection::FIRST)
}

/// How a change failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Others changed the same, or the row is not there for the viewer.
    Conflict(ConflictReason, Vec<&'static str>),
    /// A rule refuses it, and always will.
    Refused(Error),
}

impl Failure {
    /// What became of a call of the domain that failed. `is_new`: it was to make a row.
    fn of(error: Error, is_new: bool) -> Self {
        let about = |names: &[&str]| {
            let fields = error.fields();
            fields.is_empty() || fields.iter().any(|field| names.contains(&field.as_str()))
        };
        match error.code() {
            Code::NotFound if about(&["clientId", "orderId", "id"]) => {
                Self::Conflict(ConflictReason::NotVisible, Vec::new())
            }
            Code::Conflict if is_new && about(&["id"]) => {
                Self::Conflict(ConflictReason::AlreadyExists, Vec::new())
            }
            Code::StaleVersion => Self::Conflict(ConflictReason::StaleFields, Vec::new()),
            Code::Internal => {
                tracing::error!(error = ?error.source(), "a change that a phone pushed could not be made");
                Self::Refused(error)
            }
            _ => Self::Refused(error),
        }
    }
}

/// How often a change is judged anew when its row changes in the middle of it.
const TRIES: usize = 3;

/// The fixed field of which `said` says something else than the row.
fn contradicted(concept: &dyn Concept, said: &Fields, present: &Present) -> Option<&'static str> {
    let fixed = concept.fixed().iter().copied();
    fixed.into_iter().find(|name| {
        let is = present.fields.get(name).unwrap_or(&Value::Null);
        said.get(name).is_some_and(|said| said != is)
    })
}

/// Only the fields of `fields` that a phone may change.
fn changeable(concept: &dyn Concept, fields: &Fields) -> Fields {
    let list = concept.fields().iter();
    list.filter_map(|field| Some((field.name, fields.get(field.name)?.clone())))
        .collect()
}
