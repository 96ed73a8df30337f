//! Where an order stands and where it may go. One table says which steps there are; each step writes its
//! event.

use chrono::NaiveDate;
use entity::{
    ApprovalReason, OrderEventKind, OrderId, OrderStatus, ProductId, order, order_event, order_line,
};
use sea_orm::ActiveEnum;
use sea_orm::ActiveValue::Set;

use super::terms::{self, Asked};
use super::{lines, open};
use crate::db::{LockedClient, Tx, Viewer, Visible, require_version};
use crate::domain::{clients, stock, text};
use crate::error::{Error, Result};
use crate::say;

/// The table of steps: where an order may go from `status`.
pub const fn next(status: OrderStatus) -> &'static [OrderStatus] {
    use OrderStatus::{
        Approved, Cancelled, Delivered, Draft, InProduction, Returned, Shipped, Submitted,
    };
    match status {
        Draft => &[Submitted, Cancelled],
        Submitted => &[Approved, Draft, Cancelled],
        Approved => &[InProduction, Shipped, Cancelled],
        InProduction => &[Shipped, Cancelled],
        Shipped => &[Delivered, Returned],
        Delivered => &[Returned],
        Cancelled | Returned => &[],
    }
}

/// Where `viewer` may take an order from `status`: approving and refusing is for managers.
pub fn next_for(viewer: &Viewer, status: OrderStatus) -> Vec<OrderStatus> {
    match status {
        OrderStatus::Submitted if !viewer.is_manager() => vec![OrderStatus::Cancelled],
        OrderStatus::Draft
        | OrderStatus::Submitted
        | OrderStatus::Approved
        | OrderStatus::InProduction
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Cancelled
        | OrderStatus::Returned => next(status).to_vec(),
    }
}

/// Whether an order counts: it is billed, and part of the client's statistics.
pub const fn is_booked(status: OrderStatus) -> bool {
    match status {
        OrderStatus::Draft | OrderStatus::Submitted | OrderStatus::Cancelled => false,
        OrderStatus::Approved
        | OrderStatus::InProduction
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Returned => true,
    }
}

/// Whether stock is promised to an order. One that came by import was never submitted here, and holds none.
pub(super) fn holds_stock(order: &order::Model) -> bool {
    order.submitted_at.is_some()
        && match order.status {
            OrderStatus::Submitted | OrderStatus::Approved | OrderStatus::InProduction => true,
            OrderStatus::Draft
            | OrderStatus::Shipped
            | OrderStatus::Delivered
            | OrderStatus::Cancelled
            | OrderStatus::Returned => false,
        }
}

/// Refuses a step that is not in the table.
pub(super) fn require_step(from: OrderStatus, to: OrderStatus) -> Result<()> {
    let legal = next(from);
    if legal.contains(&to) {
        return Ok(());
    }
    let names: Vec<String> = legal.iter().map(ActiveEnum::to_value).collect();
    let (from, to) = (from.to_value(), to.to_value());
    let message = if names.is_empty() {
        say!(
            "an order that is {from} cannot become {to}; nothing comes after that",
            from = &from,
            to = &to
        )
    } else {
        say!(
            "an order that is {from} cannot become {to}; from there it can become {possible}",
            from = &from,
            to = &to,
            possible = names.join(", ")
        )
    };
    Err(Error::rule("orders.illegal_transition", message)
        .detail("from", from)
        .detail("to", to))
}

/// One thing that happened, to be written down.
pub(super) struct Event {
    pub(super) kind: OrderEventKind,
    pub(super) step: Option<(OrderStatus, OrderStatus)>,
    pub(super) note: Option<String>,
}

impl Event {
    pub(super) fn step(
        kind: OrderEventKind,
        from: OrderStatus,
        to: OrderStatus,
        note: Option<String>,
    ) -> Self {
        Self {
            kind,
            step: Some((from, to)),
            note,
        }
    }

    pub(super) fn plain(kind: OrderEventKind, note: Option<String>) -> Self {
        Self {
            kind,
            step: None,
            note,
        }
    }
}

/// Writes down what happened to an order, in one statement.
pub(super) async fn record(
    tx: &Tx,
    client: &LockedClient,
    order_id: OrderId,
    events: Vec<Event>,
) -> Result<()> {
    tx.insert_all_under::<order_event::Entity>(client, rows(tx, order_id, events))
        .await?;
    Ok(())
}

/// What happened to an order as rows.
pub(super) fn rows(
    tx: &Tx,
    order_id: OrderId,
    events: Vec<Event>,
) -> Vec<order_event::ActiveModel> {
    events
        .into_iter()
        .map(|event| order_event::ActiveModel {
            id: Set(tx.new_id()),
            order_id: Set(order_id),
            kind: Set(event.kind),
            from_status: Set(event.step.map(|(from, _)| from)),
            to_status: Set(event.step.map(|(_, to)| to)),
            user_id: Set(tx.viewer().user_id()),
            note: Set(event.note),
            occurred_at: Set(tx.now()),
            ..Default::default()
        })
        .collect()
}

/// The events of a submission that ends in `status`.
pub(super) fn submission(status: OrderStatus) -> Vec<Event> {
    use OrderStatus::{Approved, Draft, Submitted};
    let mut events = vec![Event::step(
        OrderEventKind::Submitted,
        Draft,
        Submitted,
        None,
    )];
    if status == Approved {
        events.push(Event::step(
            OrderEventKind::Approved,
            Submitted,
            Approved,
            None,
        ));
    }
    events
}

/// How much of which product the lines hold.
pub(super) fn quantities(lines: &[Visible<order_line::Model>]) -> Vec<(ProductId, i64)> {
    lines
        .iter()
        .map(|line| (line.product_id, line.quantity))
        .collect()
}

pub(super) fn no_lines() -> Error {
    Error::rule(
        "orders.no_lines",
        say!("an order without lines cannot be submitted"),
    )
}

/// Names an order in the version the caller saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The order.
    pub id: OrderId,
    /// The version.
    pub version: i64,
}

async fn open_seen(tx: &Tx, seen: Seen) -> Result<(LockedClient, Visible<order::Model>)> {
    let (client, order) = open(tx, seen.id).await?;
    require_version::<order::Entity>(&order, seen.version)?;
    Ok((client, order))
}

/// Submits a draft: stock is reserved, and the order goes on to APPROVED unless credit or discount ask for a
/// manager's approval; then it waits.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `orders.illegal_transition`, `orders.no_lines`,
/// `orders.inactive_product`, `clients.archived`, `stock.insufficient`.
pub async fn submit(tx: &Tx, seen: Seen) -> Result<Visible<order::Model>> {
    let (client, order) = open_seen(tx, seen).await?;
    require_step(order.status, OrderStatus::Submitted)?;
    clients::require_active(&client)?;
    let lines = lines::of(tx, &order).await?;
    if lines.is_empty() {
        return Err(no_lines());
    }
    let products = lines::products(tx, lines.iter().map(|line| line.product_id)).await?;
    for line in &lines {
        if let Some(product) = products.get(&line.product_id) {
            lines::require_sold(product)?;
        }
    }
    let terms = terms::of(tx, &client).await?;
    let discounts_bp: Vec<i32> = lines
        .iter()
        .map(|line| terms::together(line.discount_bp, order.discount_bp))
        .collect();
    let asked = Asked {
        total_minor: order.total_minor,
        discounts_bp: &discounts_bp,
    };
    let reasons = terms::reasons(tx, &client, &terms, &asked).await?;
    let status = if reasons.is_empty() {
        OrderStatus::Approved
    } else {
        OrderStatus::Submitted
    };
    let changes = order::ActiveModel {
        status: Set(status),
        approval_reason: Set(terms::write(&reasons)),
        submitted_at: Set(Some(tx.now())),
        ..Default::default()
    };
    let updated = tx
        .update::<order::Entity>(&order, Some(seen.version), changes)
        .await?;
    stock::reserve(tx, order.id, &quantities(&lines)).await?;
    record(tx, &client, order.id, submission(status)).await?;
    if is_booked(status) {
        tx.refresh_stats(&client).await?;
    }
    Ok(updated)
}

fn require_manager(tx: &Tx) -> Result<()> {
    if tx.viewer().is_manager() {
        return Ok(());
    }
    Err(Error::forbidden(say!(
        "only managers may approve or refuse an order"
    )))
}

/// Approves an order that waits for it, for `reasons`; for those on the order when absent.
///
/// # Errors
/// `FORBIDDEN` for reps; `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED` `orders.illegal_transition`,
/// `orders.reasons_changed` when it needs approval for others by now.
pub async fn approve(
    tx: &Tx,
    seen: Seen,
    note: Option<String>,
    reasons: Option<Vec<ApprovalReason>>,
) -> Result<Visible<order::Model>> {
    require_manager(tx)?;
    let note = parse_note(note.as_deref())?;
    let (client, order) = open_decision(tx, seen, OrderStatus::Approved).await?;
    let mut all = terms::read(order.approval_reason.as_deref());
    let agreed = reasons.unwrap_or_else(|| all.clone());
    // What the client owes has changed since it was submitted.
    let terms = terms::of(tx, &client).await?;
    let asked = Asked {
        total_minor: order.total_minor,
        discounts_bp: &[],
    };
    all.extend(terms::reasons(tx, &client, &terms, &asked).await?);
    all.sort_unstable_by_key(ActiveEnum::to_value);
    all.dedup();
    if all.iter().any(|reason| !agreed.contains(reason)) {
        let names: Vec<String> = all.iter().map(ActiveEnum::to_value).collect();
        return Err(Error::rule(
            "orders.reasons_changed",
            say!(
                "this order needs approval for other reasons by now: {reasons}; approve it for these",
                reasons = names.join(", ")
            ),
        )
        .field("reasons")
        .detail("reasons", names));
    }
    let changes = order::ActiveModel {
        approval_reason: Set(terms::write(&all)),
        ..Default::default()
    };
    let kind = OrderEventKind::Approved;
    decide(
        tx,
        (client, order),
        OrderStatus::Approved,
        kind,
        note,
        changes,
    )
    .await
}

/// Refuses an order that waits for approval: it is a draft again, and its stock is free.
///
/// # Errors
/// `FORBIDDEN` for reps; `BAD_USER_INPUT` without a note; `NOT_FOUND`, `STALE_VERSION`; `RULE_VIOLATED`
/// `orders.illegal_transition`.
pub async fn refuse(tx: &Tx, seen: Seen, note: String) -> Result<Visible<order::Model>> {
    require_manager(tx)?;
    let note = text::long_text("note", &note, MAX_NOTE)?;
    let to = OrderStatus::Draft;
    let opened = open_decision(tx, seen, to).await?;
    let changes = order::ActiveModel::default();
    decide(tx, opened, to, OrderEventKind::Refused, Some(note), changes).await
}

/// An order about which the viewer may decide, and its client.
async fn open_decision(
    tx: &Tx,
    seen: Seen,
    to: OrderStatus,
) -> Result<(LockedClient, Visible<order::Model>)> {
    let (client, order) = open_seen(tx, seen).await?;
    clients::require_steward(tx, &client).await?;
    require_step(order.status, to)?;
    Ok((client, order))
}

async fn decide(
    tx: &Tx,
    (client, order): (LockedClient, Visible<order::Model>),
    to: OrderStatus,
    kind: OrderEventKind,
    note: Option<String>,
    changes: order::ActiveModel,
) -> Result<Visible<order::Model>> {
    let changes = order::ActiveModel {
        status: Set(to),
        decided_by_id: Set(tx.viewer().user_id()),
        decided_at: Set(Some(tx.now())),
        decision_note: Set(note.clone()),
        ..changes
    };
    let event = Event::step(kind, order.status, to, note);
    step(tx, &client, &order, changes, event).await
}

/// Calls an order off; stock that was promised to it is free again.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `orders.illegal_transition`,
/// `orders.paid` while payments stand against it.
pub async fn cancel(tx: &Tx, seen: Seen, reason: Option<String>) -> Result<Visible<order::Model>> {
    let reason = text::optional_long_text("reason", reason.as_deref(), MAX_NOTE)?;
    let (client, order) = open_seen(tx, seen).await?;
    let to = OrderStatus::Cancelled;
    require_step(order.status, to)?;
    if order.paid_minor != 0 {
        return Err(Error::rule(
            "orders.paid",
            say!("payments stand against this order; void them before you cancel it"),
        ));
    }
    let changes = order::ActiveModel {
        status: Set(to),
        cancelled_at: Set(Some(tx.now())),
        ..Default::default()
    };
    let event = Event::step(OrderEventKind::Cancelled, order.status, to, reason);
    step(tx, &client, &order, changes, event).await
}

/// Begins the production of an order.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `orders.illegal_transition`.
pub async fn start_production(
    tx: &Tx,
    seen: Seen,
    note: Option<String>,
) -> Result<Visible<order::Model>> {
    let note = parse_note(note.as_deref())?;
    let (client, order) = open_seen(tx, seen).await?;
    let to = OrderStatus::InProduction;
    require_step(order.status, to)?;
    let changes = order::ActiveModel {
        status: Set(to),
        ..Default::default()
    };
    let event = Event::step(OrderEventKind::InProduction, order.status, to, note);
    step(tx, &client, &order, changes, event).await
}

/// Sends an order off on `on` (today when absent); its goods leave stock.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `orders.illegal_transition`,
/// `stock.insufficient`.
pub async fn ship(
    tx: &Tx,
    seen: Seen,
    on: Option<NaiveDate>,
    note: Option<String>,
) -> Result<Visible<order::Model>> {
    let note = parse_note(note.as_deref())?;
    let (client, order) = open_seen(tx, seen).await?;
    let to = OrderStatus::Shipped;
    require_step(order.status, to)?;
    let on = day_of_step(tx, on, order.placed_on)?;
    let changes = order::ActiveModel {
        status: Set(to),
        shipped_on: Set(Some(on)),
        ..Default::default()
    };
    let event = Event::step(OrderEventKind::Shipped, order.status, to, note);
    step(tx, &client, &order, changes, event).await
}

/// Notes that an order arrived on `on` (today when absent).
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `orders.illegal_transition`.
pub async fn deliver(
    tx: &Tx,
    seen: Seen,
    on: Option<NaiveDate>,
    note: Option<String>,
) -> Result<Visible<order::Model>> {
    let note = parse_note(note.as_deref())?;
    let (client, order) = open_seen(tx, seen).await?;
    let to = OrderStatus::Delivered;
    require_step(order.status, to)?;
    let on = day_of_step(tx, on, order.shipped_on.unwrap_or(order.placed_on))?;
    let changes = order::ActiveModel {
        status: Set(to),
        delivered_on: Set(Some(on)),
        ..Default::default()
    };
    let event = Event::step(OrderEventKind::Delivered, order.status, to, note);
    step(tx, &client, &order, changes, event).await
}

/// Writes down news of an order on its way. The order itself stays as it is.
///
/// # Errors
/// `NOT_FOUND`, `BAD_USER_INPUT`; `RULE_VIOLATED` `orders.not_trackable` for a draft or a cancelled order.
pub async fn track(tx: &Tx, id: OrderId, note: String) -> Result<Visible<order::Model>> {
    let note = text::long_text("note", &note, MAX_NOTE)?;
    let (client, order) = open(tx, id).await?;
    match order.status {
        OrderStatus::Draft | OrderStatus::Cancelled => {
            return Err(Error::rule(
                "orders.not_trackable",
                say!("there is nothing to track of a draft or a cancelled order"),
            ));
        }
        OrderStatus::Submitted
        | OrderStatus::Approved
        | OrderStatus::InProduction
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Returned => {}
    }
    let event = Event::plain(OrderEventKind::Tracking, Some(note));
    record(tx, &client, order.id, vec![event]).await?;
    Ok(order)
}

/// The longest note on a step, in characters.
pub(super) const MAX_NOTE: usize = 1_000;

fn parse_note(note: Option<&str>) -> Result<Option<String>> {
    text::optional_long_text("note", note, MAX_NOTE)
}

fn day_of_step(tx: &Tx, on: Option<NaiveDate>, not_before: NaiveDate) -> Result<NaiveDate> {
    // An order placed today may be a day ahead of somebody west of whoever placed it.
    let today = tx.today().max(not_before);
    let on = on.unwrap_or(today);
    if on > today {
        return Err(Error::bad_input(
            "occurredOn",
            say!("this day is in the future"),
        ));
    }
    if on < not_before {
        return Err(Error::bad_input(
            "occurredOn",
            say!("this cannot have happened before {not_before}", not_before),
        ));
    }
    Ok(on)
}

/// Takes one step: the row, the stock that goes with it, the event, the statistics.
async fn step(
    tx: &Tx,
    client: &LockedClient,
    order: &Visible<order::Model>,
    changes: order::ActiveModel,
    event: Event,
) -> Result<Visible<order::Model>> {
    let updated = tx
        .update::<order::Entity>(order, Some(order.version), changes)
        .await?;
    let held = holds_stock(order);
    match updated.status {
        OrderStatus::Shipped => {
            let goods = quantities(&lines::of(tx, order).await?);
            if !held {
                stock::reserve(tx, order.id, &goods).await?;
            }
            stock::ship(tx, order.id, &goods).await?;
        }
        OrderStatus::Draft | OrderStatus::Cancelled if held => {
            let goods = quantities(&lines::of(tx, order).await?);
            stock::release(tx, order.id, &goods).await?;
        }
        OrderStatus::Draft
        | OrderStatus::Submitted
        | OrderStatus::Approved
        | OrderStatus::InProduction
        | OrderStatus::Delivered
        | OrderStatus::Cancelled
        | OrderStatus::Returned => {}
    }
    record(tx, client, order.id, vec![event]).await?;
    if is_booked(order.status) != is_booked(updated.status) {
        tx.refresh_stats(client).await?;
    }
    Ok(updated)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sea_orm::Iterable;

    use super::*;

    fn any_status() -> impl Strategy<Value = OrderStatus> {
        prop::sample::select(OrderStatus::iter().collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_step_is_taken_or_refused_with_the_legal_ones(from in any_status(), to in any_status()) {
            match require_step(from, to) {
                Ok(()) => prop_assert!(next(from).contains(&to)),
                Err(error) => {
                    prop_assert!(!next(from).contains(&to));
                    prop_assert_eq!(error.rule_name(), Some("orders.illegal_transition"));
                    for legal in next(from) {
                        prop_assert!(error.message().contains(&legal.to_value()));
                    }
                }
            }
        }

        #[test]
        fn whatever_the_steps_an_order_ends_and_never_ships_uncounted(
            choices in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut status = OrderStatus::Draft;
            let mut has_shipped = false;
            for choice in choices {
                let steps = next(status);
                if steps.is_empty() {
                    break;
                }
                let following = *choice.get(steps);
                prop_assert_ne!(following, status);
                if following == OrderStatus::Shipped {
                    prop_assert!(is_booked(status));
                    has_shipped = true;
                }
                // What left the house is never called off, and never goes back to being negotiable.
                if has_shipped {
                    prop_assert!(is_booked(following));
                }
                status = following;
            }
        }
    }

    #[test]
    fn the_table_holds_these_steps_and_no_others() {
        let steps: usize = OrderStatus::iter().map(|status| next(status).len()).sum();
        assert_eq!(steps, 2 + 3 + 3 + 2 + 2 + 1);
        for end in [OrderStatus::Cancelled, OrderStatus::Returned] {
            assert!(next(end).is_empty());
        }
    }
}
