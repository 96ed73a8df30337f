//! Orders: what a client buys, at which price, on what terms, and how far it has come. An order keeps what
//! was agreed: prices, names and terms are copied when it is written. Knows stock and terms; knows no
//! payments.

mod import;
mod lines;
mod number;
mod repeat;
mod returns;
mod ship_to;
mod states;
mod terms;

pub use import::{ImportedLine, ImportedOrder, import};
pub use lines::{MAX_LINES, MAX_QUANTITY, NewLine, Totals, totals};
pub use number::{number, number_start};
pub use returns::{NewReturn, Restock, ReturnedLine, credit, take_back, worth_of_lines};
pub use ship_to::{Destination, ShipTo};
pub use states::{
    Seen, approve, cancel, deliver, is_booked, next, next_for, refuse, ship, start_production,
    submit, track,
};
pub use terms::REP_DISCOUNT_BP;

use chrono::NaiveDate;
use entity::{
    ApprovalReason, ClientId, OrderEventKind, OrderId, OrderStatus, UserId, order, order_event,
    order_line,
};
use sea_orm::ActiveValue::Set;

use self::lines::PricedLine;
use self::repeat::Content;
use self::ship_to::{Target, destination};
use self::states::Event;
use self::terms::{Asked, Terms};
use super::money::{self, CurrencyCode};
use super::{clients, dates, external_ids, stock, text};
use crate::db::{LockedClient, Tx, Visible, require_version};
use crate::error::{Code, Error, Result};
use crate::say;

/// An order to be.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// An id the caller chose, as a phone does offline.
    pub id: Option<OrderId>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// Who buys.
    pub client_id: ClientId,
    /// The day it was placed; today when absent.
    pub placed_on: Option<NaiveDate>,
    /// The day the client needs it.
    pub required_on: Option<NaiveDate>,
    /// Where it goes; to the client's primary shipping address when absent.
    pub ship_to: Option<Destination>,
    /// Anything else.
    pub note: Option<String>,
    /// The discount on the order as a whole, in basis points.
    pub discount_bp: i32,
    /// What shipping costs the client, in minor units; nothing when absent.
    pub freight: Option<(i64, CurrencyCode)>,
    /// What it is of.
    pub lines: Vec<NewLine>,
    /// Whether it is submitted at once.
    pub submit: bool,
}

/// Changes to a draft. An outer `None` keeps what is there; an inner `None` clears it.
#[derive(Clone, Debug, Default)]
pub struct OrderPatch {
    /// The day the client needs it.
    pub required_on: Option<Option<NaiveDate>>,
    /// Where it goes.
    pub ship_to: Option<Option<Destination>>,
    /// Anything else.
    pub note: Option<Option<String>>,
    /// The discount on the order as a whole, in basis points.
    pub discount_bp: Option<i32>,
    /// What shipping costs the client, in minor units.
    pub freight: Option<(i64, CurrencyCode)>,
    /// All lines; those it has are dropped.
    pub lines: Option<Vec<NewLine>>,
}

/// Why an order waits, or waited, for approval.
pub fn approval_reasons(order: &order::Model) -> Vec<ApprovalReason> {
    terms::read(order.approval_reason.as_deref())
}

/// What is still to be paid, in minor units: the total less payments and returns. Negative when the client
/// gets money back.
///
/// # Errors
/// `BAD_USER_INPUT` when an amount is too large.
pub fn balance_minor(order: &order::Model) -> Result<i64> {
    let open = money::subtract(order.total_minor, order.paid_minor)?;
    money::subtract(open, order.returned_minor)
}

/// Writes an order, as a draft or submitted at once. With an id that exists and equal content it answers the
/// order that is there, as far as it has come.
///
/// # Errors
/// `NOT_FOUND`, `BAD_USER_INPUT`; `FORBIDDEN` for a price or an external id that only managers set; `CONFLICT`
/// for an id or external id that is taken; `RULE_VIOLATED` `clients.archived`, `orders.inactive_product`; when it is
/// submitted, `orders.no_lines` and `stock.insufficient`.
pub async fn create(tx: &Tx, new: NewOrder) -> Result<Visible<order::Model>> {
    let NewOrder {
        id,
        external_id,
        client_id,
        placed_on,
        required_on,
        ship_to,
        note,
        discount_bp,
        freight,
        lines,
        submit,
    } = new;
    let external_id = external_ids::parse(tx, external_id.as_deref())?;
    let client = tx
        .lock_client(client_id)
        .await
        .map_err(|error| error.field("clientId"))?;
    let asked = Content {
        external_id,
        note: text::optional_long_text("note", note.as_deref(), MAX_NOTE)?,
        freight_minor: parse_freight(&client, freight)?,
        placed_on,
        required_on,
        discount_bp,
        ship_to: destination(tx, &client, ship_to).await?,
        lines,
        submit,
    };
    if let Some(id) = id
        && let Some(existing) = tx.select::<order::Entity>().id(id).find().await?
    {
        if asked.is_that_of(tx, &client, &existing).await? {
            return Ok(existing);
        }
        return Err(taken());
    }
    clients::require_active(&client)?;
    lines::require_discount("discountBp", discount_bp)?;
    let placed_on = parse_placed_on(tx, asked.placed_on)?;
    require_after("requiredOn", asked.required_on, placed_on)?;
    let terms = terms::of(tx, &client).await?;
    let priced = lines::price(tx, &client, &terms, &asked.lines).await?;
    let ship_to = match asked.ship_to {
        Some(Target { ship_to, .. }) => Some(ship_to),
        None => terms.ship_to.clone(),
    };
    let draft = Draft {
        id: id.unwrap_or_else(|| tx.new_id()),
        external_id: asked.external_id,
        placed_on,
        required_on: asked.required_on,
        ship_to: ship_to.unwrap_or_default(),
        note: asked.note,
        discount_bp,
        freight_minor: asked.freight_minor,
        reorder_of_id: None,
        lines: priced,
    };
    let outcome = if submit {
        Outcome::Submit
    } else {
        Outcome::Keep
    };
    write(tx, &client, &terms, draft, outcome).await
}

/// The longest note on an order, in characters.
const MAX_NOTE: usize = 4_000;

/// What is done with a draft when it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Keep,
    Submit,
}

/// An order that was checked, to be written.
struct Draft {
    id: OrderId,
    external_id: Option<String>,
    placed_on: NaiveDate,
    required_on: Option<NaiveDate>,
    ship_to: ShipTo,
    note: Option<String>,
    discount_bp: i32,
    freight_minor: i64,
    reorder_of_id: Option<OrderId>,
    lines: Vec<PricedLine>,
}

async fn write(
    tx: &Tx,
    client: &LockedClient,
    terms: &Terms,
    draft: Draft,
    outcome: Outcome,
) -> Result<Visible<order::Model>> {
    let Draft {
        id,
        external_id,
        placed_on,
        required_on,
        ship_to,
        note,
        discount_bp,
        freight_minor,
        reorder_of_id,
        lines: priced,
    } = draft;
    let nets = priced.iter().map(|line| line.net_minor);
    let totals = totals(nets, discount_bp, freight_minor)?;
    let mut status = OrderStatus::Draft;
    let mut reasons = Vec::new();
    if outcome == Outcome::Submit {
        if priced.is_empty() {
            return Err(states::no_lines().field("lines"));
        }
        let discounts_bp: Vec<i32> = priced
            .iter()
            .map(|line| terms::together(line.discount_bp, discount_bp))
            .collect();
        let asked = Asked {
            total_minor: totals.total_minor,
            discounts_bp: &discounts_bp,
        };
        reasons = terms::reasons(tx, client, terms, &asked).await?;
        status = match reasons.as_slice() {
            [] => OrderStatus::Approved,
            _ => OrderStatus::Submitted,
        };
    }
    let now = tx.now();
    let mut row = order::ActiveModel {
        id: Set(id),
        external_id: Set(external_id),
        number: Set(number(id)),
        placed_by_id: Set(author(tx)?),
        status: Set(status),
        currency: Set(client.currency.clone()),
        placed_on: Set(placed_on),
        required_on: Set(required_on),
        due_on: Set(Some(dates::add_days(
            placed_on,
            i64::from(terms.payment_term_days),
        )?)),
        payment_term_days: Set(Some(terms.payment_term_days)),
        lines_minor: Set(totals.lines_minor),
        discount_bp: Set(discount_bp),
        discount_minor: Set(totals.discount_minor),
        freight_minor: Set(freight_minor),
        total_minor: Set(totals.total_minor),
        paid_minor: Set(0),
        returned_minor: Set(0),
        note: Set(note),
        reorder_of_id: Set(reorder_of_id),
        approval_reason: Set(terms::write(&reasons)),
        submitted_at: Set((outcome == Outcome::Submit).then_some(now)),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    ship_to.write(&mut row);
    let mut events = vec![Event::plain(OrderEventKind::Created, None)];
    if outcome == Outcome::Submit {
        events.extend(states::submission(status));
    }
    let created = insert(tx, client, row, &priced, events).await?;
    if outcome == Outcome::Submit {
        let goods: Vec<_> = priced
            .iter()
            .map(|line| (line.product.id, line.quantity))
            .collect();
        stock::reserve(tx, id, &goods).await?;
    }
    if is_booked(status) {
        tx.refresh_stats(client).await?;
    }
    Ok(created)
}

/// Writes a new order with its lines and what happened to it so far.
async fn insert(
    tx: &Tx,
    client: &LockedClient,
    row: order::ActiveModel,
    priced: &[PricedLine],
    events: Vec<Event>,
) -> Result<Visible<order::Model>> {
    let id = *row
        .id
        .try_as_ref()
        .ok_or_else(|| Error::bug("an order without an id"))?;
    let lines = tx.part_under::<order_line::Entity>(client, lines::rows(tx, id, priced))?;
    let events = tx.part_under::<order_event::Entity>(client, states::rows(tx, id, events))?;
    let parts = lines.into_iter().chain(events).collect();
    tx.insert_with_parts::<order::Entity>(client, row, parts)
        .await
}

/// Changes a draft.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `FORBIDDEN` for a price that only managers set;
/// `RULE_VIOLATED` `orders.not_draft`, `orders.inactive_product`.
pub async fn update(tx: &Tx, seen: Seen, patch: OrderPatch) -> Result<Visible<order::Model>> {
    let OrderPatch {
        required_on,
        ship_to,
        note,
        discount_bp,
        freight,
        lines: new_lines,
    } = patch;
    let (client, order) = open(tx, seen.id).await?;
    require_version::<order::Entity>(&order, seen.version)?;
    if order.status != OrderStatus::Draft {
        return Err(Error::rule(
            "orders.not_draft",
            say!("only a draft can be changed; this order was submitted"),
        ));
    }
    let mut row = order::ActiveModel::default();
    if let Some(required_on) = required_on {
        require_after("requiredOn", required_on, order.placed_on)?;
        row.required_on = Set(required_on);
    }
    if let Some(note) = note {
        row.note = Set(text::optional_long_text("note", note.as_deref(), MAX_NOTE)?);
    }
    if let Some(ship_to) = ship_to {
        let target = destination(tx, &client, ship_to).await?;
        target
            .map(|target| target.ship_to)
            .unwrap_or_default()
            .write(&mut row);
    }
    let discount_bp = discount_bp.unwrap_or(order.discount_bp);
    lines::require_discount("discountBp", discount_bp)?;
    let freight_minor = match freight {
        Some(freight) => parse_freight(&client, Some(freight))?,
        None => order.freight_minor,
    };
    let priced = match new_lines {
        Some(new_lines) => {
            let terms = terms::of(tx, &client).await?;
            Some(lines::price(tx, &client, &terms, &new_lines).await?)
        }
        None => None,
    };
    let totals = match &priced {
        Some(priced) => totals(
            priced.iter().map(|line| line.net_minor),
            discount_bp,
            freight_minor,
        )?,
        None => totals([order.lines_minor], discount_bp, freight_minor)?,
    };
    row.lines_minor = Set(totals.lines_minor);
    row.discount_bp = Set(discount_bp);
    row.discount_minor = Set(totals.discount_minor);
    row.freight_minor = Set(freight_minor);
    row.total_minor = Set(totals.total_minor);
    let updated = tx
        .update::<order::Entity>(&order, Some(seen.version), row)
        .await?;
    if let Some(priced) = priced {
        lines::replace(tx, &client, order.id, &priced).await?;
    }
    let event = Event::plain(OrderEventKind::Changed, None);
    states::record(tx, &client, order.id, vec![event]).await?;
    Ok(updated)
}

/// A draft made from an earlier order, and the lines of that order that are missing from it.
#[derive(Clone, Debug)]
pub struct Reorder {
    /// The draft.
    pub order: Visible<order::Model>,
    /// Lines of products that are no longer sold, or no longer in the client's currency.
    pub left_out: Vec<Visible<order_line::Model>>,
}

/// Makes a draft from an earlier order of the same client: the same products and quantities, to the same
/// place, at today's prices and on today's terms. With an id that exists already, and was made this way from
/// the same order, it answers that draft.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` for an id that is taken; `RULE_VIOLATED` `clients.archived`.
pub async fn reorder(tx: &Tx, source: OrderId, id: Option<OrderId>) -> Result<Reorder> {
    let (client, source) = open(tx, source)
        .await
        .map_err(|error| error.field("orderId"))?;
    let mut old = lines::of(tx, &source).await?;
    if let Some(id) = id
        && let Some(existing) = tx.select::<order::Entity>().id(id).find().await?
    {
        if existing.reorder_of_id != Some(source.id) {
            return Err(taken());
        }
        let present = lines::of(tx, &existing).await?;
        old.retain(|line| !present.iter().any(|new| new.product_id == line.product_id));
        return Ok(Reorder {
            order: existing,
            left_out: old,
        });
    }
    clients::require_active(&client)?;
    let products = lines::products(tx, old.iter().map(|line| line.product_id)).await?;
    let (again, left_out): (Vec<_>, Vec<_>) = old.into_iter().partition(|line| {
        products
            .get(&line.product_id)
            .is_some_and(|product| lines::is_sold(product) && product.currency == client.currency)
    });
    let again: Vec<NewLine> = again
        .iter()
        .map(|line| NewLine {
            product_id: line.product_id,
            quantity: line.quantity,
            unit_price: None,
            discount_bp: None,
        })
        .collect();
    let terms = terms::of(tx, &client).await?;
    let draft = Draft {
        id: id.unwrap_or_else(|| tx.new_id()),
        external_id: None,
        placed_on: tx.today(),
        required_on: None,
        ship_to: ShipTo::of(&source),
        note: None,
        discount_bp: 0,
        freight_minor: 0,
        reorder_of_id: Some(source.id),
        lines: lines::price(tx, &client, &terms, &again).await?,
    };
    let order = write(tx, &client, &terms, draft, Outcome::Keep).await?;
    Ok(Reorder { order, left_out })
}

/// The order with this id and its client, which is held from here on; the order is read again under that
/// lock.
pub(super) async fn open(tx: &Tx, id: OrderId) -> Result<(LockedClient, Visible<order::Model>)> {
    let order = tx.select::<order::Entity>().id(id).get().await?;
    let client = tx.lock_client(order.client_id).await?;
    let order = tx.select::<order::Entity>().id(id).get().await?;
    Ok((client, order))
}

/// Writes down that a payment was recorded or voided, and what is paid of the order now.
pub(super) async fn note_payment(
    tx: &Tx,
    client: &LockedClient,
    order: &Visible<order::Model>,
    paid_minor: i64,
    note: String,
) -> Result<Visible<order::Model>> {
    let changes = order::ActiveModel {
        paid_minor: Set(paid_minor),
        ..Default::default()
    };
    let updated = tx.update::<order::Entity>(order, None, changes).await?;
    let event = Event::plain(OrderEventKind::Payment, Some(note));
    states::record(tx, client, order.id, vec![event]).await?;
    tx.refresh_stats(client).await?;
    Ok(updated)
}

/// The person who does this. The service itself places no orders.
pub(super) fn author(tx: &Tx) -> Result<UserId> {
    tx.viewer()
        .user_id()
        .ok_or_else(|| Error::forbidden(say!("this is done by a person, in their name")))
}

fn require_amount(field: &str, expected: &str, minor: i64, currency: CurrencyCode) -> Result<()> {
    clients::require_currency(&format!("{field}.currency"), expected, currency)?;
    if minor >= 0 {
        return Ok(());
    }
    Err(Error::bad_input(
        format!("{field}.amount"),
        say!("the amount is 0 or more"),
    ))
}

fn parse_freight(client: &LockedClient, freight: Option<(i64, CurrencyCode)>) -> Result<i64> {
    let Some((minor, currency)) = freight else {
        return Ok(0);
    };
    require_amount("freight", &client.currency, minor, currency)?;
    Ok(minor)
}

fn parse_placed_on(tx: &Tx, placed_on: Option<NaiveDate>) -> Result<NaiveDate> {
    let today = tx.today();
    match placed_on {
        Some(day) if day > today => Err(Error::bad_input(
            "placedOn",
            say!("an order is not placed in the future"),
        )),
        Some(day) => dates::day("placedOn", day),
        None => Ok(today),
    }
}

fn require_after(field: &str, day: Option<NaiveDate>, placed_on: NaiveDate) -> Result<()> {
    match day {
        Some(day) if day < placed_on => Err(Error::bad_input(
            field,
            say!(
                "this is before the order was placed, on {placed_on}",
                placed_on
            ),
        )),
        Some(day) => dates::day(field, day).map(|_| ()),
        None => Ok(()),
    }
}

fn taken() -> Error {
    Error::new(
        Code::Conflict,
        say!("this id belongs to another order already"),
    )
    .field("id")
}
