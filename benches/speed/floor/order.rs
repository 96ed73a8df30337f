//! An order, as far as no database is needed: what is asked, and what it comes to.

use chrono::{DateTime, Days, NaiveDate, Utc};
use clientele::domain::{money, orders};
use entity::{ClientId, OrderId, ProductId};
use serde::Deserialize;
use uuid::Uuid;

use super::answers::{Created, Money, Order, Payload};
use crate::Result;

#[derive(Deserialize)]
pub(super) struct OrderAsk {
    pub(super) input: OrderInput,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderInput {
    pub(super) client_id: ClientId,
    pub(super) lines: Vec<LineInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineInput {
    pub(super) product_id: ProductId,
    pub(super) quantity: i64,
}

/// What is known of the client, which is held.
pub(super) struct Terms {
    pub(super) currency: String,
    pub(super) is_archived: bool,
    pub(super) term_days: Option<i32>,
    pub(super) limit_minor: Option<i64>,
    pub(super) discount_bp: Option<i32>,
    pub(super) owed_minor: i64,
    pub(super) street: Option<String>,
    pub(super) city: Option<String>,
}

/// A product that is ordered.
pub(super) struct Product {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) sku: String,
    pub(super) unit: String,
    pub(super) price_minor: i64,
    pub(super) currency: String,
    pub(super) is_sold: bool,
}

pub(super) struct NewLine<'a> {
    pub(super) id: Uuid,
    pub(super) product: &'a Product,
    pub(super) quantity: i64,
    pub(super) net_minor: i64,
}

/// An order, worked out.
pub(super) struct NewOrder<'a> {
    pub(super) id: Uuid,
    pub(super) number: String,
    pub(super) status: &'static str,
    pub(super) discount_bp: i32,
    pub(super) term_days: i32,
    pub(super) placed_on: NaiveDate,
    pub(super) due_on: NaiveDate,
    pub(super) now: DateTime<Utc>,
    pub(super) lines_minor: i64,
    pub(super) total_minor: i64,
    pub(super) lines: Vec<NewLine<'a>>,
    pub(super) terms: &'a Terms,
}

impl<'a> NewOrder<'a> {
    pub(super) fn work_out(
        asked: &[LineInput],
        terms: &'a Terms,
        products: &'a [Product],
    ) -> Result<Self> {
        if terms.is_archived || asked.is_empty() {
            return Err("nothing can be ordered here".into());
        }
        let discount_bp = terms.discount_bp.unwrap_or(0);
        let mut lines = Vec::with_capacity(asked.len());
        for line in asked {
            let product = products
                .iter()
                .find(|product| product.id == line.product_id.0)
                .filter(|product| product.is_sold && product.currency == terms.currency)
                .filter(|_| (1..=1_000_000).contains(&line.quantity))
                .ok_or("a line cannot be ordered")?;
            lines.push(NewLine {
                id: Uuid::now_v7(),
                product,
                quantity: line.quantity,
                net_minor: money::line_net(line.quantity, product.price_minor, discount_bp)?,
            });
        }
        let totals = orders::totals(lines.iter().map(|line| line.net_minor), 0, 0)?;
        let is_over = terms
            .limit_minor
            .is_some_and(|limit| terms.owed_minor + totals.total_minor > limit);
        let now = Utc::now();
        let term_days = terms.term_days.unwrap_or(0);
        let id = Uuid::now_v7();
        Ok(Self {
            id,
            number: orders::number(OrderId(id)),
            status: if is_over { "SUBMITTED" } else { "APPROVED" },
            discount_bp,
            term_days,
            placed_on: now.date_naive(),
            due_on: now.date_naive() + Days::new(u64::try_from(term_days)?),
            now,
            lines_minor: totals.lines_minor,
            total_minor: totals.total_minor,
            lines,
            terms,
        })
    }

    pub(super) fn answer(&self) -> Result<Created> {
        Ok(Created {
            order_create: Payload {
                order: Order {
                    id: OrderId(self.id),
                    number: self.number.clone(),
                    status: self.status.to_owned(),
                    placed_on: self.placed_on,
                    due_on: Some(self.due_on),
                    total: Money::of(self.total_minor, &self.terms.currency)?,
                    lines: None,
                    currency: String::new(),
                },
            },
        })
    }
}
