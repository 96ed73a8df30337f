//! Payments that phones write.

use async_graphql::{InputObject, MaybeUndefined};
use entity::{OrderId, PaymentId, PaymentMethod, SyncCollection};
use serde_json::Value as Json;

use super::written::{Object, Written, field, id_in, named, read, stays};
use crate::db::{ParentKey, Tx};
use crate::domain::payments;
use crate::error::Result;
use crate::graphql::payments::{PaymentRecordInput, PaymentVoidInput};
use crate::graphql::scalars::{Date, MoneyInput};
use crate::graphql::sync::docs::PaymentDoc;
use crate::sync::merge::{Field, Fields};

/// What a phone says of a payment. All of it is said when it is recorded and stays; afterwards it can be voided.
#[derive(Clone, Debug, InputObject)]
pub struct PaymentDocPatch {
    /// The order it pays: approved or further.
    order_id: Option<OrderId>,
    /// How much: more than 0, in the order's currency, at most what is still to be paid.
    amount: Option<MoneyInput>,
    /// How it was paid.
    method: Option<PaymentMethod>,
    /// The day it was paid; today where you are when absent, and not in the future.
    paid_on: Option<Date>,
    /// The number of the transfer, cheque or receipt; at most 100 characters.
    reference: Option<String>,
    /// Anything else, at most 1,000 characters.
    note: Option<String>,
    /// Why it is void, 1 to 1,000 characters. Saying so voids it.
    void_reason: MaybeUndefined<String>,
}

/// Payments.
pub(super) struct Payments;

impl Written for Payments {
    const COLLECTION: SyncCollection = SyncCollection::Payments;
    const FIELDS: &'static [Field] = &[field("voidReason")];
    const FIXED: &'static [&'static str] =
        &["orderId", "amount", "method", "paidOn", "reference", "note"];
    const REQUIRED: &'static [&'static str] = &["orderId", "amount", "method"];
    type Id = PaymentId;
    type Doc = PaymentDoc;

    fn parent(fields: &Fields) -> Option<ParentKey> {
        id_in::<OrderId>(fields, "orderId").map(ParentKey::Order)
    }

    async fn create(tx: &Tx, id: PaymentId, mut fields: Object) -> Result<i64> {
        // A new payment is not void.
        fields.remove("voidReason");
        let input: PaymentRecordInput = read(named(fields, id, None))?;
        Ok(payments::record(tx, input.parse()?).await?.version)
    }

    async fn change(tx: &Tx, id: PaymentId, version: i64, mut fields: Object) -> Result<i64> {
        let reason = fields.remove("voidReason").unwrap_or_default();
        let mut input = Object::new();
        let reason = match reason {
            // Nothing makes it valid again.
            Json::Null => Json::from(""),
            reason => reason,
        };
        input.insert("reason".to_owned(), reason);
        let input: PaymentVoidInput = read(named(input, id, Some(version)))?;
        let (id, version, reason) = input.parse();
        Ok(payments::void(tx, id, version, reason).await?.version)
    }

    async fn delete(_tx: &Tx, _id: PaymentId, _version: i64) -> Result<i64> {
        stays()
    }
}
