//! Orders that phones write: each with its lines as one document. While it is a draft all of it may change; what the
//! office changed meanwhile in any part of it is a conflict, since amounts of two sides do not add up.

use async_graphql::{InputObject, MaybeUndefined};
use entity::{AddressId, ClientId, OrderId, OrderStatus, SyncCollection};
use serde_json::Value as Json;

use super::written::{Object, Written, named, read, stays, whole};
use crate::db::Tx;
use crate::domain::orders::{self, Seen};
use crate::error::Result;
use crate::graphql::orders::{
    OrderCreateInput, OrderLineInput, OrderShipToInput, OrderUpdateInput,
};
use crate::graphql::scalars::{Date, MoneyInput};
use crate::graphql::sync::docs::OrderDoc;
use crate::sync::merge::{Field, Fields, Policy, Step, Value};

/// What a phone says of an order. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct OrderDocPatch {
    /// The client that buys: of a new order; it stays so.
    client_id: Option<ClientId>,
    /// The day it was placed: of a new order; today where you are when absent, and not in the future.
    placed_on: Option<Date>,
    /// Ships to this address of the client: of a new order; it is copied.
    address_id: Option<AddressId>,
    /// `SUBMITTED` submits it, which may approve it at once; `CANCELLED` calls it off. Nothing else is the phone's to say.
    status: Option<OrderStatus>,
    /// The day the client needs it; not before the day it was placed.
    required_on: MaybeUndefined<Date>,
    /// Ships to this place; not together with `addressId`.
    ship_to: MaybeUndefined<OrderShipToInput>,
    /// Anything else, at most 4,000 characters.
    note: MaybeUndefined<String>,
    /// The discount on the order as a whole, in basis points, 0 to 10,000.
    discount_bp: MaybeUndefined<i32>,
    /// What shipping costs the client.
    freight: MaybeUndefined<MoneyInput>,
    /// All its lines, at most 200. A price that is absent is today's list price.
    lines: MaybeUndefined<Vec<OrderLineInput>>,
}

/// Orders.
pub(super) struct Orders;

const DRAFT: &str = "DRAFT";
const SUBMITTED: &str = "SUBMITTED";
const CANCELLED: &str = "CANCELLED";

/// What a phone may make of an order that others took back to a draft. What they took further it has to show first:
/// goods may be in production.
const STEPS: &[Step] = &[(DRAFT, SUBMITTED), (DRAFT, CANCELLED)];

/// What has been submitted, however far the office has brought it.
const FURTHER: &[Step] = &[
    (SUBMITTED, "APPROVED"),
    (SUBMITTED, "IN_PRODUCTION"),
    (SUBMITTED, "SHIPPED"),
    (SUBMITTED, "DELIVERED"),
    (SUBMITTED, "RETURNED"),
];

/// What a phone says of a line.
const OF_A_LINE: [&str; 4] = ["productId", "quantity", "unitPrice", "discountBp"];

impl Written for Orders {
    const COLLECTION: SyncCollection = SyncCollection::Orders;
    const FIELDS: &'static [Field] = &[
        Field {
            name: "status",
            policy: Policy::Status(STEPS, FURTHER),
        },
        whole("requiredOn"),
        whole("shipTo"),
        whole("note"),
        whole("discountBp"),
        whole("freight"),
        whole("lines"),
    ];
    const FIXED: &'static [&'static str] = &["clientId", "placedOn", "addressId"];
    const REQUIRED: &'static [&'static str] = &["clientId"];
    type Id = OrderId;
    type Doc = OrderDoc;

    /// What the lines of an order come to is the service's to say.
    fn tidy(fields: &mut Fields) {
        if let Some(Value::List(lines)) = fields.get_mut("lines") {
            for line in lines {
                if let Value::Map(line) = line {
                    line.retain(|name, _| OF_A_LINE.contains(&name.as_str()));
                }
            }
        }
        if let Some(place) = fields.get_mut("shipTo")
            && *place == Value::Map(std::collections::BTreeMap::new())
        {
            *place = Value::Null;
        }
    }

    async fn create(tx: &Tx, id: OrderId, mut fields: Object) -> Result<i64> {
        let status = fields.remove("status");
        fields.insert("submit".to_owned(), Json::from(submits(status.as_ref())));
        fields
            .entry("lines")
            .or_insert_with(|| Json::Array(Vec::new()));
        let input: OrderCreateInput = read(named(fields, id, None))?;
        Ok(orders::create(tx, input.parse()?).await?.version)
    }

    async fn change(tx: &Tx, id: OrderId, mut version: i64, mut fields: Object) -> Result<i64> {
        let status = fields.remove("status");
        if !fields.is_empty() {
            let input: OrderUpdateInput = read(named(fields, id, Some(version)))?;
            let (seen, patch) = input.parse()?;
            version = orders::update(tx, seen, patch).await?.version;
        }
        let seen = Seen { id, version };
        if status.as_ref().and_then(Json::as_str) == Some(CANCELLED) {
            version = orders::cancel(tx, seen, None).await?.version;
        } else if submits(status.as_ref()) {
            version = orders::submit(tx, seen).await?.version;
        }
        Ok(version)
    }

    async fn delete(_tx: &Tx, _id: OrderId, _version: i64) -> Result<i64> {
        stays()
    }
}

/// Whether an order of this status has been submitted: how far it comes after that is the office's to say.
fn submits(status: Option<&Json>) -> bool {
    let status = status.and_then(Json::as_str);
    status.is_some_and(|status| status != DRAFT && status != CANCELLED)
}
