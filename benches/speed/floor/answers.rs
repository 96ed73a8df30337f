//! What the floor answers: the JSON of the service, field for field.

use chrono::NaiveDate;
use clientele::domain::money::{self, CurrencyCode};
use entity::{ClientId, ContactId, OrderId, OrderLineId};
use serde::Serialize;
use uuid::Uuid;

use crate::Result;

#[derive(Serialize)]
pub(super) struct Answer<T> {
    pub(super) data: T,
}

#[derive(Serialize)]
pub(super) struct Nodes<T> {
    pub(super) nodes: Vec<T>,
}

impl<T> Default for Nodes<T> {
    fn default() -> Self {
        Self { nodes: Vec::new() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) nodes: Vec<T>,
    pub(super) page_info: PageInfo,
}

impl<T> Page<T> {
    /// Of rows of which one more than fits tells that there are more.
    pub(super) fn of(mut nodes: Vec<T>, size: usize) -> Self {
        let has_next_page = nodes.len() > size;
        nodes.truncate(size);
        Self {
            nodes,
            page_info: PageInfo { has_next_page },
        }
    }
}

#[derive(Serialize)]
pub(super) struct Clients<T> {
    pub(super) clients: Page<T>,
}

#[derive(Serialize)]
pub(super) struct Tier {
    pub(super) code: String,
    pub(super) name: String,
}

impl Tier {
    pub(super) fn of(code: Option<String>, name: Option<String>) -> Option<Self> {
        Some(Self {
            code: code?,
            name: name?,
        })
    }
}

#[derive(Serialize)]
pub(super) struct Money {
    amount: String,
    currency: String,
}

impl Money {
    pub(super) fn of(minor: i64, currency: &str) -> Result<Self> {
        let code = CurrencyCode::parse(currency)?;
        Ok(Self {
            amount: money::format_minor(minor, code),
            currency: code.as_str().to_owned(),
        })
    }
}

#[derive(Serialize)]
pub(super) struct HomeContact {
    pub(super) id: ContactId,
    pub(super) name: String,
    pub(super) title: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HomeOrder {
    pub(super) id: OrderId,
    pub(super) number: String,
    pub(super) status: String,
    pub(super) placed_on: NaiveDate,
    pub(super) total: Money,
}

#[derive(Serialize)]
pub(super) struct HomeClient {
    pub(super) id: ClientId,
    pub(super) name: String,
    pub(super) tier: Option<Tier>,
    pub(super) contacts: Nodes<HomeContact>,
    pub(super) orders: Nodes<HomeOrder>,
}

#[derive(Serialize)]
pub(super) struct OneClient {
    pub(super) client: Option<Client>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contact {
    pub(super) id: ContactId,
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) is_key: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) id: OrderLineId,
    pub(super) product_name: String,
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) unit_price: Money,
    pub(super) net: Money,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) id: OrderId,
    pub(super) number: String,
    pub(super) status: String,
    pub(super) placed_on: NaiveDate,
    pub(super) due_on: Option<NaiveDate>,
    pub(super) total: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lines: Option<Vec<Line>>,
    #[serde(skip)]
    pub(super) currency: String,
}

#[derive(Serialize)]
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) lifecycle: String,
    pub(super) phone: Option<String>,
    pub(super) email: Option<String>,
    pub(super) currency: String,
    pub(super) tier: Option<Tier>,
    pub(super) contacts: Nodes<Contact>,
    pub(super) orders: Nodes<Order>,
}

#[derive(Serialize)]
pub(super) struct Hit {
    pub(super) id: ClientId,
    pub(super) name: String,
    pub(super) lifecycle: String,
    pub(super) phone: Option<String>,
    pub(super) email: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    pub(super) order_create: Payload,
}

#[derive(Serialize)]
pub(super) struct Payload {
    pub(super) order: Order,
}

/// Puts `children` under the parents they name.
pub(super) fn nest<P, C>(
    parents: &mut [P],
    id: impl Fn(&P) -> Uuid,
    children: impl IntoIterator<Item = (Uuid, C)>,
    add: impl Fn(&mut P, C),
) {
    let places: std::collections::HashMap<Uuid, usize> = parents
        .iter()
        .enumerate()
        .map(|(at, parent)| (id(parent), at))
        .collect();
    for (parent, child) in children {
        if let Some(parent) = places.get(&parent).and_then(|at| parents.get_mut(*at)) {
            add(parent, child);
        }
    }
}
