//! Payments on phones.

use std::collections::BTreeMap;

use async_graphql::{InputObject, SimpleObject};
use entity::{ClientId, OrderId, PaymentId, PaymentMethod, SyncCollection, UserId, payment};
use sea_orm::ColumnTrait;
use uuid::Uuid;

use super::{Doc, MoneyDoc, told_by_fields};
use crate::db::Session;
use crate::error::Result;
use crate::graphql::scalars::{Date, DateTime, int};

/// A payment as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PaymentDocInput")]
pub struct PaymentDoc {
    /// The id.
    id: PaymentId,
    /// The client who paid. The service says so.
    client_id: Option<ClientId>,
    /// The order it pays.
    order_id: Option<OrderId>,
    /// The id in another system. The service says so.
    external_id: Option<String>,
    /// How much.
    amount: Option<MoneyDoc>,
    /// How it was paid.
    method: Option<PaymentMethod>,
    /// The day it was paid.
    paid_on: Option<Date>,
    /// The number of the transfer, cheque or receipt.
    reference: Option<String>,
    /// Anything else.
    note: Option<String>,
    /// Who recorded it. The service says so.
    recorded_by_id: Option<UserId>,
    /// When it was voided. The service says so.
    voided_at: Option<DateTime>,
    /// Why it is void; null while it pays.
    void_reason: Option<String>,
    /// When it was recorded. The service says so.
    created_at: Option<DateTime>,
    /// When it was last changed. The service says so.
    updated_at: Option<DateTime>,
    /// The number of writes. The service says so; 0 or absent where a phone made it.
    #[graphql(default)]
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

impl Doc for PaymentDoc {
    const COLLECTION: SyncCollection = SyncCollection::Payments;

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        let rows = session
            .select::<payment::Entity>()
            .filter(payment::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        rows.iter()
            .map(|row| {
                let doc = Self {
                    id: row.id,
                    client_id: Some(row.client_id),
                    order_id: Some(row.order_id),
                    external_id: row.external_id.clone(),
                    amount: Some(MoneyDoc::new(row.amount_minor, &row.currency)?),
                    method: Some(row.method),
                    paid_on: Some(Date(row.paid_on)),
                    reference: row.reference.clone(),
                    note: row.note.clone(),
                    recorded_by_id: Some(row.recorded_by_id),
                    voided_at: row.voided_at.map(DateTime),
                    void_reason: row.void_reason.clone(),
                    created_at: Some(DateTime(row.created_at)),
                    updated_at: Some(DateTime(row.updated_at)),
                    version: int(row.version)?,
                    deleted: false,
                };
                Ok((row.id.0, doc))
            })
            .collect()
    }

    fn tombstone(id: Uuid) -> Self {
        Self {
            id: PaymentId(id),
            client_id: None,
            order_id: None,
            external_id: None,
            amount: None,
            method: None,
            paid_on: None,
            reference: None,
            note: None,
            recorded_by_id: None,
            voided_at: None,
            void_reason: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}
