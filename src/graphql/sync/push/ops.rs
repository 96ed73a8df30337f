//! `syncPush`: operations with ids.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::TimeDelta;
use entity::{DeviceId, SyncCollection};
use uuid::Uuid;

use super::CONCEPTS;
use super::addresses::AddressDocPatch;
use super::answers::{SyncPushPayload, load};
use super::clients::ClientDocPatch;
use super::contacts::ContactDocPatch;
use super::notes::NoteDocPatch;
use super::orders::OrderDocPatch;
use super::payments::PaymentDocPatch;
use super::written::{Object, Said};
use crate::domain::pushes::{self, Batch, Concept, MAX_OPS, Op, Sender, names, of_json};
use crate::error::{Error, Result};
use crate::graphql::confidential::note_shown;
use crate::graphql::context::{locale, session, write};
use crate::graphql::scalars::DateTime;
use crate::graphql::sync::scalars::{OpId, SafeInt};
use crate::say;
use crate::sync::merge::Fields;
use crate::sync::push::OpKind;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "SyncOpKind")]
enum Kind {
    /// Makes a row.
    Create,
    /// Changes some fields of a row.
    Update,
    /// Puts a row away.
    Delete,
}

/// What becomes of the rest of a push when an operation is a conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
#[graphql(name = "SyncAtomicity")]
enum Atomicity {
    /// It is done; what depends on the one that failed is not.
    #[default]
    PerOp,
    /// Nothing is done. What a rule refuses is left out, and undoes nothing.
    AllOrNothing,
}

/// An operation that was made on a phone. Exactly one document is given, of the kind of `id`; none to delete.
#[derive(Clone, InputObject)]
pub struct SyncOpInput {
    /// Made by the phone, and the same whenever this operation is sent.
    op_id: OpId,
    /// Its place in the phone's own count of operations, from 1. They are done in this order.
    op_seq: SafeInt,
    /// What it does.
    kind: Kind,
    /// The row, by an id that the phone made if it is new.
    id: ID,
    /// The version of the row that the phone showed; absent when others' changes lay hidden under its own.
    base_version: Option<i32>,
    /// When it was made, by the phone's clock. It never decides on order.
    occurred_at: Option<DateTime>,
    /// Operations that must have been done before. When one failed, this fails; while one waits, this waits.
    #[graphql(default)]
    depends_on: Vec<OpId>,
    /// What it writes of a client.
    client: Option<Said<ClientDocPatch>>,
    /// What the phone showed in those fields of the client before.
    base_client: Option<Said<ClientDocPatch>>,
    /// What it writes of a contact.
    contact: Option<Said<ContactDocPatch>>,
    /// What the phone showed in those fields of the contact before.
    base_contact: Option<Said<ContactDocPatch>>,
    /// What it writes of an address.
    address: Option<Said<AddressDocPatch>>,
    /// What the phone showed in those fields of the address before.
    base_address: Option<Said<AddressDocPatch>>,
    /// What it writes of a note.
    note: Option<Said<NoteDocPatch>>,
    /// What the phone showed in those fields of the note before.
    base_note: Option<Said<NoteDocPatch>>,
    /// What it writes of an order.
    order: Option<Said<OrderDocPatch>>,
    /// What the phone showed of the order before: all of it, as any change of it by others is a conflict.
    base_order: Option<Said<OrderDocPatch>>,
    /// What it writes of a payment.
    payment: Option<Said<PaymentDocPatch>>,
    /// What the phone showed in those fields of the payment before.
    base_payment: Option<Said<PaymentDocPatch>>,
}

/// Operations of one phone.
#[derive(Clone, InputObject)]
pub struct SyncPushInput {
    /// The phone: an id that it made for this user, and keeps.
    device_id: DeviceId,
    /// When it sends this, by its clock: tells how far that is off.
    sent_at: Option<DateTime>,
    /// What becomes of the rest when an operation is a conflict.
    #[graphql(default)]
    atomicity: Atomicity,
    /// The watermark of the last pull that was completed, for clients that do not know the version of each row they write, such as one that WatermelonDB has deleted: a row that was not written since is as the phone showed it. Counts where an operation has no `baseVersion`; not for payments.
    basis: Option<SafeInt>,
    /// The operations, at most 200.
    ops: Vec<SyncOpInput>,
}

/// A document that an operation holds: its kind, what it writes, what was seen.
type Part<'a> = (SyncCollection, Option<&'a Object>, Option<&'a Object>);

impl SyncOpInput {
    fn parts(&self) -> [Part<'_>; 6] {
        fn object<T>(said: Option<&Said<T>>) -> Option<&Object> {
            said.map(Said::object)
        }
        [
            (
                SyncCollection::Clients,
                object(self.client.as_ref()),
                object(self.base_client.as_ref()),
            ),
            (
                SyncCollection::Contacts,
                object(self.contact.as_ref()),
                object(self.base_contact.as_ref()),
            ),
            (
                SyncCollection::Addresses,
                object(self.address.as_ref()),
                object(self.base_address.as_ref()),
            ),
            (
                SyncCollection::Notes,
                object(self.note.as_ref()),
                object(self.base_note.as_ref()),
            ),
            (
                SyncCollection::Orders,
                object(self.order.as_ref()),
                object(self.base_order.as_ref()),
            ),
            (
                SyncCollection::Payments,
                object(self.payment.as_ref()),
                object(self.base_payment.as_ref()),
            ),
        ]
    }

    /// The operation as the domain takes it, of a phone whose clock lags by `lag`. What is wrong with it is kept with it.
    fn read(&self, lag: TimeDelta) -> Op {
        let named = entity::ids::split(&self.id);
        let concept = named.and_then(|(prefix, _)| {
            let mut concepts = CONCEPTS.iter().copied();
            concepts.find(|concept| concept.prefix() == prefix)
        });
        let mut op = Op {
            id: self.op_id.0,
            seq: self.op_seq.count(),
            kind: match self.kind {
                Kind::Create => OpKind::Create,
                Kind::Update => OpKind::Update,
                Kind::Delete => OpKind::Delete,
            },
            concept,
            row: named.map_or(Uuid::nil(), |(_, id)| id),
            base_version: self.base_version.map(i64::from),
            depends_on: self.depends_on.iter().map(|id| id.0).collect(),
            occurred_at: self.occurred_at.map(|at| at.0),
            made_at: self
                .occurred_at
                .map(|at| at.0.checked_add_signed(lag).unwrap_or(at.0)),
            patch: Fields::new(),
            seen: Fields::new(),
            fault: None,
        };
        if op.seq == 0 {
            op.fault = Some(Error::bad_input(
                "opSeq",
                say!("operations are counted from 1"),
            ));
        }
        let Some(concept) = concept else {
            return op;
        };
        for (collection, said, seen) in self.parts() {
            if said.is_none() && seen.is_none() {
                continue;
            }
            if collection != concept.collection() {
                op.fault = Some(Error::bad_input(
                    "id",
                    say!("this id is of another kind than the document"),
                ));
                continue;
            }
            op.patch = fields(concept, said);
            op.seen = fields(concept, seen);
        }
        if op.kind == OpKind::Delete {
            op.patch = Fields::new();
        }
        op
    }
}

/// What was said of a document, as the rules compare it.
pub(super) fn fields(concept: &dyn Concept, object: Option<&Object>) -> Fields {
    let Some(object) = object else {
        return Fields::new();
    };
    let mut fields = of_json(object, names(concept));
    concept.tidy(&mut fields);
    fields
}

/// Pushing operations.
#[derive(Default)]
pub struct OpMutation;

#[Object]
impl OpMutation {
    /// Takes what was changed on a phone, in the order in which it happened there. Each operation obeys the rules of the ordinary mutations and is answered by itself; one that was sent before is not done again. What is refused is kept among your sync issues. For people.
    async fn sync_push(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone and its operations.")] input: SyncPushInput,
    ) -> Result<SyncPushPayload> {
        let SyncPushInput {
            device_id,
            sent_at,
            atomicity,
            basis,
            ops,
        } = input;
        if ops.len() > MAX_OPS {
            return Err(Error::bad_input(
                "input.ops",
                say!(
                    "a push has at most {most} operations, not {count}",
                    most = MAX_OPS,
                    count = ops.len()
                ),
            ));
        }
        let now = session(ctx)?.now();
        let lag = sent_at.map_or(TimeDelta::zero(), |sent_at| now - sent_at.0);
        let batch = Batch {
            sender: Sender {
                device: device_id,
                locale: locale(ctx),
            },
            atomicity: match atomicity {
                Atomicity::PerOp => pushes::Atomicity::PerOp,
                Atomicity::AllOrNothing => pushes::Atomicity::AllOrNothing,
            },
            basis: basis.map(|basis| i64::try_from(basis.count()).unwrap_or(i64::MAX)),
            ops: ops.iter().map(|op| op.read(lag)).collect(),
            concepts: CONCEPTS,
        };
        let ids: Vec<ID> = ops.into_iter().map(|op| op.id).collect();
        let payload = write(ctx, move |tx| {
            let (batch, ids) = (batch.clone(), ids.clone());
            async move {
                let taken = pushes::push(&tx, &batch).await?;
                let docs = load(&tx, taken.in_the_way()).await?;
                let (answers, watermark) = taken.answer().await?;
                SyncPushPayload::new(ids, answers, watermark, &docs)
            }
        })
        .await
        .map_err(|error| error.under("input"))?;
        for group in payload.shows() {
            note_shown(ctx, group);
        }
        Ok(payload)
    }
}
