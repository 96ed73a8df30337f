//! Orders on phones, each with its lines as one document.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{InputObject, SimpleObject};
use entity::{
    ClientId, OrderId, OrderLineId, OrderStatus, ProductId, SyncCollection, UserId, order,
    order_line,
};
use sea_orm::ColumnTrait;
use uuid::Uuid;

use super::{Doc, MoneyDoc, told_by_fields};
use crate::db::Session;
use crate::domain::orders;
use crate::error::Result;
use crate::graphql::pace::Listed;
use crate::graphql::scalars::{Date, DateTime, int};

/// A line of an order.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "OrderLineDocInput")]
pub struct OrderLineDoc {
    /// The id. The service says so.
    id: Option<OrderLineId>,
    /// The product.
    product_id: ProductId,
    /// Its name when it was ordered. The service says so.
    product_name: Option<String>,
    /// Its number when it was ordered. The service says so.
    sku: Option<String>,
    /// What one of it is. The service says so.
    unit: Option<String>,
    /// Units.
    quantity: i32,
    /// The price of one unit; the list price when a phone says nothing.
    unit_price: Option<MoneyDoc>,
    /// The discount in basis points; that of the client's tier when a phone says nothing.
    discount_bp: Option<i32>,
    /// What the line comes to. The service says so.
    net: Option<MoneyDoc>,
    /// Units that came back. The service says so.
    returned_quantity: Option<i32>,
}

/// Where goods go.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ShipToDocInput")]
pub struct ShipToDoc {
    /// Who receives them.
    name: Option<String>,
    /// Street and number, or several such lines.
    street: Option<String>,
    /// The city.
    city: Option<String>,
    /// The province, state or county.
    region: Option<String>,
    /// The postal code.
    postal_code: Option<String>,
    /// The country.
    country: Option<String>,
}

/// An order as a phone holds it. When it is gone, only `id`, `version` and `deleted` say something.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "OrderDocInput")]
pub struct OrderDoc {
    /// The id.
    id: OrderId,
    /// The client that buys.
    client_id: Option<ClientId>,
    /// Its number. The service says so.
    number: Option<String>,
    /// The id in another system. The service says so.
    external_id: Option<String>,
    /// How far it has come. A phone may submit a draft (`SUBMITTED`) and call off an order (`CANCELLED`).
    status: Option<OrderStatus>,
    /// Who placed it. The service says so.
    placed_by_id: Option<UserId>,
    /// The day it was placed.
    placed_on: Option<Date>,
    /// The day the client needs it.
    required_on: Option<Date>,
    /// The day it went out. The service says so.
    shipped_on: Option<Date>,
    /// The day it arrived. The service says so.
    delivered_on: Option<Date>,
    /// The day it is to be paid. The service says so.
    due_on: Option<Date>,
    /// Where the goods go.
    ship_to: Option<ShipToDoc>,
    /// Anything else.
    note: Option<String>,
    /// The discount on the order as a whole, in basis points.
    discount_bp: Option<i32>,
    /// What shipping costs the client.
    freight: Option<MoneyDoc>,
    /// Its lines, in order.
    lines: Option<Listed<OrderLineDoc>>,
    /// What the lines come to. The service says so.
    lines_total: Option<MoneyDoc>,
    /// What it comes to. The service says so.
    total: Option<MoneyDoc>,
    /// What was paid. The service says so.
    paid: Option<MoneyDoc>,
    /// What was credited for returns. The service says so.
    returned: Option<MoneyDoc>,
    /// When it was written. The service says so.
    created_at: Option<DateTime>,
    /// When it was last changed. The service says so.
    updated_at: Option<DateTime>,
    /// The number of writes. The service says so; 0 or absent where a phone made it.
    #[graphql(default)]
    version: i32,
    /// Whether it is gone.
    deleted: bool,
}

impl Doc for OrderDoc {
    const COLLECTION: SyncCollection = SyncCollection::Orders;

    async fn load(session: &Session, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Self>> {
        let rows = session
            .select::<order::Entity>()
            .filter(order::Column::Id.is_in(ids.iter().copied()))
            .all()
            .await?;
        let lines = session
            .select::<order_line::Entity>()
            .filter(order_line::Column::OrderId.is_in(rows.iter().map(|row| row.id)))
            .order_by(order_line::Column::LineNumber, sea_orm::Order::Asc)
            .all()
            .await?;
        let mut lines_of: HashMap<OrderId, Vec<&order_line::Model>> = HashMap::new();
        for line in &lines {
            lines_of.entry(line.order_id).or_default().push(line);
        }
        let none = Vec::new();
        rows.iter()
            .map(|row| {
                let lines = lines_of.get(&row.id).unwrap_or(&none);
                Ok((row.id.0, Self::of(row, lines)?))
            })
            .collect()
    }

    fn tombstone(id: Uuid) -> Self {
        Self {
            id: OrderId(id),
            client_id: None,
            number: None,
            external_id: None,
            status: None,
            placed_by_id: None,
            placed_on: None,
            required_on: None,
            shipped_on: None,
            delivered_on: None,
            due_on: None,
            ship_to: None,
            note: None,
            discount_bp: None,
            freight: None,
            lines: None,
            lines_total: None,
            total: None,
            paid: None,
            returned: None,
            created_at: None,
            updated_at: None,
            version: 0,
            deleted: true,
        }
    }

    told_by_fields!();
}

impl OrderDoc {
    fn of(row: &order::Model, lines: &[&order_line::Model]) -> Result<Self> {
        let money = |minor| MoneyDoc::new(minor, &row.currency).map(Some);
        let lines: Result<Vec<OrderLineDoc>> = lines
            .iter()
            .map(|line| {
                Ok(OrderLineDoc {
                    id: Some(line.id),
                    product_id: line.product_id,
                    product_name: Some(line.product_name.clone()),
                    sku: Some(line.sku.clone()),
                    unit: Some(line.unit.clone()),
                    quantity: int(line.quantity)?,
                    unit_price: money(line.unit_price_minor)?,
                    discount_bp: Some(line.discount_bp),
                    net: money(line.net_minor)?,
                    returned_quantity: Some(int(line.returned_quantity)?),
                })
            })
            .collect();
        let orders::ShipTo {
            name,
            street,
            city,
            region,
            postal_code,
            country,
        } = orders::ShipTo::of(row);
        Ok(Self {
            id: row.id,
            client_id: Some(row.client_id),
            number: Some(row.number.clone()),
            external_id: row.external_id.clone(),
            status: Some(row.status),
            placed_by_id: Some(row.placed_by_id),
            placed_on: Some(Date(row.placed_on)),
            required_on: row.required_on.map(Date),
            shipped_on: row.shipped_on.map(Date),
            delivered_on: row.delivered_on.map(Date),
            due_on: row.due_on.map(Date),
            ship_to: Some(ShipToDoc {
                name,
                street,
                city,
                region,
                postal_code,
                country,
            }),
            note: row.note.clone(),
            discount_bp: Some(row.discount_bp),
            freight: money(row.freight_minor)?,
            lines: Some(lines?.into()),
            lines_total: money(row.lines_minor)?,
            total: money(row.total_minor)?,
            paid: money(row.paid_minor)?,
            returned: money(row.returned_minor)?,
            created_at: Some(DateTime(row.created_at)),
            updated_at: Some(DateTime(row.updated_at)),
            version: int(row.version)?,
            deleted: false,
        })
    }
}
