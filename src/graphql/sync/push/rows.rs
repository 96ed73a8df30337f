//! `pushX`: rows as stock RxDB sends them, with their state before and after. What is answered are the rows that the
//! phone may not have as it pushed them, as they are.

use std::collections::BTreeMap;

use async_graphql::{Context, InputObject, MergedObject, Object};
use entity::DeviceId;
use serde_json::Value as Json;
use uuid::Uuid;

use super::concept;
use super::ops::fields;
use super::written::Said;
use crate::db::Session;
use crate::domain::pushes::{self, Concept, MAX_ROWS, Pushed, Row, RowAnswer, Sender};
use crate::error::{Error, Result};
use crate::graphql::confidential::note_shown;
use crate::graphql::context::{locale, session, write};
use crate::graphql::pace::Listed;
use crate::graphql::sync::docs::{
    AddressDoc, ClientDoc, ContactDoc, Doc, NoteDoc, OrderDoc, PaymentDoc,
};
use crate::say;

/// One row of a push: what the phone took it for, and what it is to be.
struct Pair<'a, D> {
    assumed: Option<&'a Said<D>>,
    new: &'a Said<D>,
}

impl<D> Pair<'_, D> {
    fn read(&self, concept: &dyn Concept) -> Result<Row> {
        let said = |name: &str| self.new.object().get(name);
        let id = said("id").and_then(Json::as_str);
        let id = id.and_then(entity::ids::split).map(|(_, id)| id);
        let id = id.ok_or_else(|| Error::bug("a document without an id"))?;
        let is_deleted = |said: &Said<D>| {
            let deleted = said.object().get("deleted");
            deleted.and_then(Json::as_bool).unwrap_or_default()
        };
        // What the phone takes for gone, it makes anew.
        let assumed = self.assumed.filter(|assumed| !is_deleted(assumed));
        let version = assumed.and_then(|assumed| assumed.object().get("version"));
        Ok(Row {
            id,
            assumed: assumed.map(|assumed| fields(concept, Some(assumed.object()))),
            assumed_version: version.and_then(Json::as_i64),
            new: (!is_deleted(self.new)).then(|| fields(concept, Some(self.new.object()))),
        })
    }
}

/// The device of a push: where none is named, the one that pulls of the session are for.
///
/// # Errors
/// `FORBIDDEN` where there is no session to know it by; from the database.
pub async fn device_of(session: &Session, device: Option<DeviceId>) -> Result<DeviceId> {
    if let Some(device) = device {
        return Ok(device);
    }
    let known = session.device_that_asks(None).await?;
    let of_session = || session.viewer().session_id().map(|id| DeviceId(id.0));
    known
        .map(|known| known.id())
        .or_else(of_session)
        .ok_or_else(|| Error::forbidden(say!("only people may do this")))
}

async fn push<D: Doc>(
    ctx: &Context<'_>,
    device: Option<DeviceId>,
    rows: Result<Vec<Row>>,
) -> Result<Listed<D>> {
    let session = session(ctx)?;
    let concept = concept(D::COLLECTION)
        .ok_or_else(|| Error::bug("a kind of document that phones do not write"))?;
    let rows = rows?;
    if rows.len() > MAX_ROWS {
        return Err(Error::bad_input(
            "rows",
            say!(
                "a push has at most {most} rows, not {count}",
                most = MAX_ROWS,
                count = rows.len()
            ),
        ));
    }
    let pushed = Pushed {
        sender: Sender {
            device: device_of(session, device).await?,
            locale: locale(ctx),
        },
        concept,
        rows,
    };
    let docs = write(ctx, move |tx| {
        let pushed = pushed.clone();
        async move {
            let answers = pushes::push_rows(&tx, &pushed).await?;
            let masters: Vec<Uuid> = answers.iter().filter_map(RowAnswer::master).collect();
            let mut docs = if masters.is_empty() {
                BTreeMap::new()
            } else {
                D::load(&tx, &masters).await?
            };
            Ok(answers
                .into_iter()
                .map(|answer| {
                    let id = answer.id();
                    let doc = answer.master().and_then(|id| docs.remove(&id));
                    doc.filter(|doc| !doc.is_deleted())
                        .unwrap_or_else(|| D::tombstone(id))
                })
                .collect::<Vec<D>>())
        }
    })
    .await?;
    if docs.iter().any(|doc| !doc.is_deleted()) {
        for group in D::SHOWS {
            note_shown(ctx, *group);
        }
    }
    Ok(docs.into())
}

/// Makes the mutation of a kind: its row, its name in Rust, its document.
macro_rules! pushes {
    ($($mutation:ident, $row:ident, $push:ident, $doc:ident, $what:literal;)+) => {
        $(
            #[doc = concat!("One of ", $what, " as RxDB pushes it.")]
            #[derive(Clone, InputObject)]
            pub struct $row {
                /// What the phone takes it to be on the service; absent when the phone made it.
                assumed_master_state: Option<Said<$doc>>,
                /// What it is to be.
                new_document_state: Said<$doc>,
            }

            #[doc = concat!("Pushing ", $what, ".")]
            #[derive(Default)]
            pub struct $mutation;

            #[Object]
            impl $mutation {
                #[doc = concat!("Takes ", $what, " that were written on a phone with RxDB, by the rules of the ordinary mutations. Answers those that the phone may not have as it pushed them, as they are. What is refused is kept among your sync issues. For people.")]
                async fn $push(
                    &self,
                    ctx: &Context<'_>,
                    #[graphql(desc = "What was written, at most 200 rows.")] rows: Vec<$row>,
                    #[graphql(desc = "The phone; the one of your session when absent.")] device_id: Option<DeviceId>,
                ) -> Result<Listed<$doc>> {
                    let concept = concept(<$doc as Doc>::COLLECTION)
                        .ok_or_else(|| Error::bug("a kind of document that phones do not write"))?;
                    let rows = rows.iter().map(|row| {
                        let pair = Pair {
                            assumed: row.assumed_master_state.as_ref(),
                            new: &row.new_document_state,
                        };
                        pair.read(concept)
                    });
                    push::<$doc>(ctx, device_id, rows.collect()).await
                }
            }
        )+

        /// Pushing rows.
        #[derive(Default, MergedObject)]
        pub struct RowMutation($($mutation),+);
    };
}

pushes! {
    ClientPush, ClientPushRow, push_clients, ClientDoc, "clients";
    ContactPush, ContactPushRow, push_contacts, ContactDoc, "contacts";
    AddressPush, AddressPushRow, push_addresses, AddressDoc, "addresses";
    NotePush, NotePushRow, push_notes, NoteDoc, "notes";
    OrderPush, OrderPushRow, push_orders, OrderDoc, "orders";
    PaymentPush, PaymentPushRow, push_payments, PaymentDoc, "payments";
}
