//! Orders of another system, written as history: no stock moves, nobody approves, and the same import can
//! be repeated.

use chrono::NaiveDate;
use entity::{OrderEventKind, OrderStatus, UserId, order, order_line, product};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, IntoActiveModel};

use super::lines::{self, MAX_LINES, MAX_QUANTITY, PricedLine};
use super::states::{self, Event};
use super::{ShipTo, number, require_after, totals};
use crate::db::{LockedClient, Tx, Visible};
use crate::domain::{dates, money, text};
use crate::error::{Code, Error, Result};
use crate::messages::Message;
use crate::say;

/// An order of another system. Its currency is the client's.
#[derive(Clone, Debug)]
pub struct ImportedOrder {
    /// Its id there, by which it is found again.
    pub external_id: String,
    /// Who placed it.
    pub placed_by: UserId,
    /// The day it was placed.
    pub placed_on: NaiveDate,
    /// The day the client needed it.
    pub required_on: Option<NaiveDate>,
    /// The day it was shipped; nothing when it has not been.
    pub shipped_on: Option<NaiveDate>,
    /// What shipping costs the client, in minor units.
    pub freight_minor: i64,
    /// Where it goes.
    pub ship_to: ShipTo,
    /// What it is of: 1 to 200 lines.
    pub lines: Vec<ImportedLine>,
}

/// A line of an order of another system.
#[derive(Clone, Debug)]
pub struct ImportedLine {
    /// The product, sold still or not.
    pub product: Visible<product::Model>,
    /// Units, 1 to 1,000,000.
    pub quantity: i64,
    /// The price of one unit, in minor units of the client's currency.
    pub unit_price_minor: i64,
    /// The discount in basis points, 0 to 10,000.
    pub discount_bp: i32,
}

/// Writes an order of another system, or brings the one with the same external id up to date: SHIPPED when it
/// was shipped, else APPROVED. Rows that say the same already are left alone, and so is how far the order has
/// come here since. The statistics of the client are for the caller to refresh, once for all its orders.
///
/// # Errors
/// `BAD_USER_INPUT`; `CONFLICT` when the external id belongs to an order of another client or to one that was
/// placed here, or when lines of which goods came back would change.
pub async fn import(
    tx: &Tx,
    client: &LockedClient,
    imported: ImportedOrder,
) -> Result<Visible<order::Model>> {
    let ImportedOrder {
        external_id,
        placed_by,
        placed_on,
        required_on,
        shipped_on,
        freight_minor,
        ship_to,
        lines,
    } = imported;
    let external_id = text::text("externalId", &external_id, 100)?;
    dates::day("placedOn", placed_on)?;
    require_after("requiredOn", required_on, placed_on)?;
    require_after("shippedOn", shipped_on, placed_on)?;
    if freight_minor < 0 {
        return Err(Error::bad_input("freight", say!("the amount is 0 or more")));
    }
    let priced = price(lines)?;
    let totals = totals(priced.iter().map(|line| line.net_minor), 0, freight_minor)?;
    let term = client.payment_term_days.unwrap_or(0);
    let mut row = order::ActiveModel {
        external_id: Set(Some(external_id.clone())),
        placed_by_id: Set(placed_by),
        placed_on: Set(placed_on),
        required_on: Set(required_on),
        shipped_on: Set(shipped_on),
        lines_minor: Set(totals.lines_minor),
        discount_bp: Set(0),
        discount_minor: Set(totals.discount_minor),
        freight_minor: Set(freight_minor),
        total_minor: Set(totals.total_minor),
        ..Default::default()
    };
    ship_to
        .parse()
        .map_err(|error| error.under("shipTo"))?
        .write(&mut row);
    let existing = tx
        .select::<order::Entity>()
        .filter(order::Column::ExternalId.eq(external_id))
        .find()
        .await?;
    if let Some(existing) = existing {
        return renew(tx, client, &existing, row, &priced).await;
    }
    let id = tx.new_id();
    let now = tx.now();
    let status = status(shipped_on);
    row.id = Set(id);
    row.number = Set(number(id));
    row.status = Set(status);
    row.currency = Set(client.currency.clone());
    // The terms of that time are not known; those of today stand in for them.
    row.payment_term_days = Set(Some(term));
    row.due_on = Set(Some(dates::add_days(placed_on, i64::from(term))?));
    row.paid_minor = Set(0);
    row.returned_minor = Set(0);
    row.version = Set(1);
    row.created_at = Set(now);
    row.updated_at = Set(now);
    let mut events = vec![Event::plain(OrderEventKind::Created, None)];
    events.extend(shipment(status));
    super::insert(tx, client, row, &priced, events).await
}

fn status(shipped_on: Option<NaiveDate>) -> OrderStatus {
    match shipped_on {
        Some(_) => OrderStatus::Shipped,
        None => OrderStatus::Approved,
    }
}

fn shipment(status: OrderStatus) -> Option<Event> {
    (status == OrderStatus::Shipped).then(|| {
        Event::step(
            OrderEventKind::Shipped,
            OrderStatus::Approved,
            OrderStatus::Shipped,
            None,
        )
    })
}

fn price(lines: Vec<ImportedLine>) -> Result<Vec<PricedLine>> {
    if lines.is_empty() || lines.len() > MAX_LINES {
        return Err(Error::bad_input(
            "lines",
            say!(
                "an order has 1 to {most} lines, not {count}",
                most = MAX_LINES,
                count = lines.len()
            ),
        ));
    }
    lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let ImportedLine {
                product,
                quantity,
                unit_price_minor,
                discount_bp,
            } = line;
            let field = |name: &str| format!("lines.{at}.{name}");
            if !(1..=MAX_QUANTITY).contains(&quantity) {
                return Err(Error::bad_input(
                    field("quantity"),
                    say!(
                        "the quantity is 1 to {most}, not {quantity}",
                        most = MAX_QUANTITY,
                        quantity
                    ),
                ));
            }
            if unit_price_minor < 0 {
                return Err(Error::bad_input(
                    field("unitPrice"),
                    say!("the amount is 0 or more"),
                ));
            }
            lines::require_discount(&field("discountBp"), discount_bp)?;
            let net_minor = money::line_net(quantity, unit_price_minor, discount_bp)?;
            Ok(PricedLine {
                product,
                quantity,
                unit_price_minor,
                discount_bp,
                net_minor,
            })
        })
        .collect()
}

/// Brings an order that was imported before up to date.
async fn renew(
    tx: &Tx,
    client: &LockedClient,
    existing: &Visible<order::Model>,
    mut row: order::ActiveModel,
    priced: &[PricedLine],
) -> Result<Visible<order::Model>> {
    if existing.client_id != client.id {
        return Err(conflict(say!(
            "this external id belongs to an order of another client"
        )));
    }
    if !is_import(existing) {
        return Err(conflict(say!(
            "the order with this external id was placed here; an import does not overwrite it"
        )));
    }
    let present = lines::of(tx, existing).await?;
    let lines_differ = differ(&present, priced);
    if existing.status == OrderStatus::Cancelled && (lines_differ || changes(existing, &row)) {
        return Err(conflict(say!(
            "the order with this external id was cancelled here; an import does not overwrite it"
        )));
    }
    if lines_differ && present.iter().any(|line| line.returned_quantity > 0) {
        return Err(conflict(say!(
            "goods of this order came back here; its lines can no longer change"
        )));
    }
    let mut event = None;
    match existing.status {
        OrderStatus::Approved => {
            let shipped_on = row.shipped_on.try_as_ref().copied().flatten();
            event = shipment(status(shipped_on));
            row.status = Set(status(shipped_on));
        }
        OrderStatus::Draft
        | OrderStatus::Submitted
        | OrderStatus::InProduction
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Cancelled
        | OrderStatus::Returned => {
            // It was shipped here before the other system said so.
            if row.shipped_on.try_as_ref() == Some(&None) {
                row.shipped_on = Set(existing.shipped_on);
            }
        }
    }
    if let Some(placed_on) = row.placed_on.try_as_ref() {
        let term = i64::from(existing.payment_term_days.unwrap_or(0));
        row.due_on = Set(Some(dates::add_days(*placed_on, term)?));
    }
    let mut updated = existing.clone();
    if lines_differ || changes(existing, &row) {
        updated = tx.update::<order::Entity>(existing, None, row).await?;
    }
    if lines_differ {
        lines::replace(tx, client, existing.id, priced).await?;
    }
    if let Some(event) = event {
        states::record(tx, client, existing.id, vec![event]).await?;
    }
    Ok(updated)
}

/// An order that came by import was never submitted here.
fn is_import(order: &order::Model) -> bool {
    order.submitted_at.is_none() && order.status != OrderStatus::Draft
}

fn differ(present: &[Visible<order_line::Model>], priced: &[PricedLine]) -> bool {
    present.len() != priced.len()
        || present.iter().zip(priced).any(|(row, line)| {
            row.product_id != line.product.id
                || row.quantity != line.quantity
                || row.unit_price_minor != line.unit_price_minor
                || row.discount_bp != line.discount_bp
        })
}

/// Whether writing `row` would change anything.
fn changes(existing: &order::Model, row: &order::ActiveModel) -> bool {
    use sea_orm::{ActiveModelTrait, ActiveValue, Iterable};
    let present = existing.clone().into_active_model();
    order::Column::iter().any(|column| match row.get(column) {
        Set(value) => present.get(column).into_value() != Some(value),
        ActiveValue::Unchanged(_) | ActiveValue::NotSet => false,
    })
}

fn conflict(message: Message) -> Error {
    Error::new(Code::Conflict, message).field("externalId")
}
