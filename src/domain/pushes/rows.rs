//! Rows as stock RxDB pushes them: their state before and after, and nothing to know the push by. What is answered is
//! a row that the device may not have as it pushed it.

use std::collections::BTreeMap;

use entity::SyncCollection;
use uuid::Uuid;

use super::issues::{self, Done, Issue};
use super::perform::{fixed, said};
use super::{Concept, Failure, Present, Sender, TRIES, contradicted, key, note_shown};
use crate::db::{OwnWrite, ParentKey, Tx};
use crate::error::{Code, Error, Result};
use crate::sync::Protocol;
use crate::sync::merge::{Fields, Value};
use crate::sync::push::{
    ConflictReason, OpKind, Parent, RequestHash, RowNow, RowPush, RowVerdict, judge_row,
    request_hash,
};

/// How many rows one push holds at most.
pub const MAX_ROWS: usize = 200;

/// A row that a device pushed.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// What the device takes it to be on the service; none for one that it made, or takes for gone.
    pub assumed: Option<Fields>,
    /// The version in that.
    pub assumed_version: Option<i64>,
    /// What it is to be; none: gone.
    pub new: Option<Fields>,
}

/// Rows of one kind that came in one request.
#[derive(Clone)]
pub struct Pushed {
    /// Whose.
    pub sender: Sender,
    /// The kind.
    pub concept: &'static dyn Concept,
    /// The rows, at most [`MAX_ROWS`].
    pub rows: Vec<Row>,
}

/// What the device is to take a row for, since it may not have it as it pushed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowAnswer {
    /// For what it is.
    Master(Uuid),
    /// For gone.
    Tombstone(Uuid),
}

impl RowAnswer {
    /// The row.
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Master(id) | Self::Tombstone(id) => *id,
        }
    }

    /// The row, if the device is to take it for what it is.
    pub const fn master(&self) -> Option<Uuid> {
        match self {
            Self::Master(id) => Some(*id),
            Self::Tombstone(_) => None,
        }
    }
}

/// Takes rows; answers those that the device may not have as it pushed them.
///
/// # Errors
/// `CONFLICT` when the device is somebody else's; what is not of one row alone, from the database.
pub async fn push_rows(tx: &Tx, pushed: &Pushed) -> Result<Vec<RowAnswer>> {
    let Pushed {
        sender,
        concept,
        rows,
    } = pushed;
    let device = tx.begin_push(sender.device).await?;
    let user = tx
        .viewer()
        .user_id()
        .ok_or_else(|| Error::bug("a push of nobody"))?;
    let mut answers = Vec::new();
    let (mut kept, mut done) = (Vec::<Issue>::new(), Vec::new());
    let collection = concept.collection();
    let ids = rows.iter().map(|row| row.id);
    let mut own = tx.own_writes(&device, collection, ids).await?;
    let mut pushed: BTreeMap<Uuid, Option<OwnWrite>> =
        rows.iter().map(|row| (row.id, None)).collect();
    let parents = rows.iter().filter(|row| row.assumed.is_none());
    let parents = parents.filter_map(|row| concept.parent(row.new.as_ref()?));
    let standing = tx.parents_standing(&parents.collect()).await?;
    for row in rows {
        let before = own.get(&row.id).copied();
        match one(tx, *concept, row, before, &standing).await? {
            Outcome::Done(what, version) => {
                let state = row.new.as_ref().map(|new| state_of(*concept, row, new));
                let made = version.zip(state);
                let made = made.map(|(version, state)| OwnWrite { version, state });
                if let Some(made) = made {
                    own.insert(row.id, made);
                }
                pushed.insert(row.id, made);
                for issue in kept.iter_mut().filter(|issue| what.has_settled(issue)) {
                    issue.is_settled = true;
                }
                done.push(what);
            }
            Outcome::AlreadySo => {}
            Outcome::Back(answer, issue) => {
                answers.push(answer);
                kept.extend(issue.map(|issue| *issue));
            }
        }
    }
    issues::keep(tx, user, *sender, kept, &done).await?;
    tx.note_pushed(&device, collection, &pushed).await?;
    Ok(answers)
}

/// What became of a row.
enum Outcome {
    /// It was written: what, and the version that came of it, where the device knew all that was there.
    Done(Done, Option<i64>),
    /// It was so already: perhaps the push was sent before.
    AlreadySo,
    /// It was not taken: what the device is to take it for, and what the person wanted of it.
    Back(RowAnswer, Option<Box<Issue>>),
}

/// What tells a state of the row from another.
fn state_of(concept: &dyn Concept, row: &Row, state: &Fields) -> RequestHash {
    let key = key(concept.collection(), row.id);
    request_hash(&Protocol, OpKind::Update, key, state, None)
}

/// Takes a row. `own`: what the last push of the device made of it; `standing`: how what new rows go under stands.
async fn one(
    tx: &Tx,
    concept: &dyn Concept,
    row: &Row,
    own: Option<OwnWrite>,
    standing: &BTreeMap<ParentKey, Parent>,
) -> Result<Outcome> {
    for _ in 0..TRIES {
        let present = concept.find(tx, row.id).await?;
        note_shown(tx, concept, row.id, present.as_ref()).await?;
        let now = Present::now(present.as_ref());
        let version = present.as_ref().map(|row| row.version).unwrap_or_default();
        let own = own.filter(|own| own.version == version && matches!(now, RowNow::Visible { .. }));
        if let (Some(own), Some(new)) = (own, &row.new)
            && own.state == state_of(concept, row, new)
        {
            // The same came before, and nobody has written since.
            return Ok(Outcome::AlreadySo);
        }
        let (assumed, new) = complete(concept, row, now, own);
        let back = |failure| {
            let new = new.as_ref();
            refused(
                concept,
                row,
                assumed.as_ref(),
                new,
                present.as_ref(),
                failure,
            )
        };
        let conflict = |reason| Failure::Conflict(reason, Vec::new());
        if let (Some(new), Some(present)) = (&new, &present)
            && present.is_live
        {
            if assumed.is_none() {
                // Perhaps the device made it, and did not hear so: the domain knows whether it was made just so.
                let fields = said(new);
                let same = tx.attempt(concept.create(tx, row.id, &fields)).await?;
                return Ok(match same {
                    Ok(_) => Outcome::AlreadySo,
                    Err(_) => back(conflict(ConflictReason::AlreadyExists)),
                });
            }
            if let Some(name) = contradicted(concept, new, present) {
                return Ok(back(Failure::Refused(fixed(name))));
            }
        }
        let parent = match (&assumed, new.as_ref().map(|new| concept.parent(new))) {
            (None, Some(Some(parent))) => standing.get(&parent).copied(),
            (None, Some(None)) => Some(Parent::Visible),
            _ => None,
        };
        let push = RowPush {
            assumed: assumed.as_ref(),
            assumed_version: row.assumed_version,
            new: new.as_ref(),
            parent,
        };
        let written = match judge_row(&Protocol, concept.fields(), &push, now) {
            RowVerdict::AlreadySo => return Ok(Outcome::AlreadySo),
            RowVerdict::Insert => {
                let fields = said(new.as_ref().unwrap_or(&Fields::new()));
                tx.attempt(concept.create(tx, row.id, &fields)).await?
            }
            RowVerdict::Write(fields) => {
                let change = concept.change(tx, row.id, version, &fields);
                tx.attempt(change).await?
            }
            RowVerdict::Delete => tx.attempt(concept.delete(tx, row.id, version)).await?,
            RowVerdict::Master => return Ok(back(conflict(ConflictReason::StaleFields))),
            RowVerdict::Tombstone { .. } => {
                let reason = match now {
                    RowNow::Deleted => ConflictReason::Deleted,
                    RowNow::Absent | RowNow::Visible { .. } | RowNow::Hidden => {
                        ConflictReason::NotVisible
                    }
                };
                return Ok(back(conflict(reason)));
            }
        };
        match written {
            Ok(version) => {
                let knew = match (&assumed, &present) {
                    (Some(assumed), Some(present)) => knows(concept, assumed, present),
                    (None, _) => true,
                    (Some(_), None) => false,
                };
                let done = done_of(concept, row, assumed.as_ref(), new.as_ref());
                return Ok(Outcome::Done(done, knew.then_some(version)));
            }
            Err(error) if error.code() == Code::StaleVersion => {}
            Err(error) => return Ok(back(Failure::of(error, assumed.is_none()))),
        }
    }
    // It changes faster than it can be judged.
    let present = concept.find(tx, row.id).await?;
    let (assumed, new) = complete(concept, row, Present::now(present.as_ref()), None);
    let failure = Failure::Conflict(ConflictReason::StaleFields, Vec::new());
    let (assumed, new) = (assumed.as_ref(), new.as_ref());
    Ok(refused(
        concept,
        row,
        assumed,
        new,
        present.as_ref(),
        failure,
    ))
}

/// The answer to a row that was not taken, and what the person wanted of it.
fn refused(
    concept: &dyn Concept,
    row: &Row,
    assumed: Option<&Fields>,
    new: Option<&Fields>,
    present: Option<&Present>,
    failure: Failure,
) -> Outcome {
    let answer = match Present::now(present) {
        RowNow::Visible { .. } => RowAnswer::Master(row.id),
        RowNow::Absent | RowNow::Deleted | RowNow::Hidden => RowAnswer::Tombstone(row.id),
    };
    let issue = new.map(|new| issue_of(concept, row, assumed, new, present, failure));
    Outcome::Back(answer, issue.map(Box::new))
}

/// What was written of a row: what the person changed, or all of it.
fn done_of(
    concept: &dyn Concept,
    row: &Row,
    assumed: Option<&Fields>,
    new: Option<&Fields>,
) -> Done {
    let (kind, mine) = match (assumed, new) {
        (_, None) => (OpKind::Delete, Fields::new()),
        (None, Some(new)) => (OpKind::Create, new.clone()),
        (Some(assumed), Some(new)) => (OpKind::Update, changed(assumed, new)),
    };
    Done::of(concept.collection(), row.id, kind, &mine, true)
}

/// What the person changed.
fn changed(base: &Fields, new: &Fields) -> Fields {
    new.iter()
        .filter(|(name, value)| base.get(*name).unwrap_or(&Value::Null) != *value)
        .map(|(name, value)| (*name, value.clone()))
        .collect()
}

/// Whether the device knew all that a phone says of the row as it was.
fn knows(concept: &dyn Concept, assumed: &Fields, present: &Present) -> bool {
    let value = |fields: &Fields, name| fields.get(name).cloned().unwrap_or(Value::Null);
    super::names(concept).all(|name| value(assumed, name) == value(&present.fields, name))
}

/// Both states with all fields that a phone says. What the device does not hold of the row, it neither saw nor
/// changed. Of a row that it made, or wrote last, and that nobody wrote since, it saw what it said, and the service has
/// filled in the rest: prices, the day, the place, a text without the spaces around it. `own`: what the last push of the
/// device made of the row, if that is how it is. Only who takes the row for what that push said goes on from it: a push
/// that was long under way does not.
fn complete(
    concept: &dyn Concept,
    row: &Row,
    now: RowNow<'_>,
    own: Option<OwnWrite>,
) -> (Option<Fields>, Option<Fields>) {
    let goes_on = own
        .zip(row.assumed.as_ref())
        .is_some_and(|(own, assumed)| own.state == state_of(concept, row, assumed));
    let (mut assumed, mut new) = (row.assumed.clone(), row.new.clone());
    for name in super::names(concept) {
        let is_held = [&assumed, &new]
            .into_iter()
            .flatten()
            .any(|fields| fields.contains_key(name));
        let unheld = match now {
            RowNow::Visible { fields, .. } if !is_held => fields.get(name).cloned(),
            _ => None,
        };
        for fields in [&mut assumed, &mut new].into_iter().flatten() {
            let missing = unheld.clone().unwrap_or(Value::Null);
            fields.entry(name).or_insert(missing);
        }
    }
    let was_made_here = row.assumed_version.unwrap_or(0) == 0;
    if let RowNow::Visible {
        version,
        fields: present,
    } = now
        && (goes_on || version == 1 && was_made_here)
        && let (Some(assumed), Some(new)) = (&mut assumed, &mut new)
    {
        for (name, value) in present {
            if new.get(name) == assumed.get(name) {
                new.insert(name, value.clone());
            }
            assumed.insert(name, value.clone());
        }
    }
    (assumed, new)
}

fn issue_of(
    concept: &dyn Concept,
    row: &Row,
    assumed: Option<&Fields>,
    new: &Fields,
    present: Option<&Present>,
    failure: Failure,
) -> Issue {
    let collection: SyncCollection = concept.collection();
    let nothing = Fields::new();
    let base = assumed.unwrap_or(&nothing);
    // What the person changed, and what it was.
    let mine = changed(base, new);
    let seen: Fields = base
        .iter()
        .filter(|(name, _)| mine.contains_key(*name))
        .map(|(name, value)| (*name, value.clone()))
        .collect();
    let kind = match assumed {
        Some(_) => OpKind::Update,
        None => OpKind::Create,
    };
    let mark = request_hash(&Protocol, kind, key(collection, row.id), &mine, None);
    let client = concept.parent(new);
    Issue {
        mark: mark.to_vec(),
        op: None,
        collection,
        row: row.id,
        client,
        kind,
        base: seen,
        mine,
        theirs: present.map(|row| row.fields.clone()),
        occurred_at: None,
        made_at: None,
        failure,
        is_settled: false,
    }
}
