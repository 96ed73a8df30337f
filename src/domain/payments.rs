//! Payments against orders. What is paid of an order is kept on the order in the same transaction, so that
//! its balance is never out of step. A payment is voided, never deleted.

use chrono::NaiveDate;
use entity::{OrderId, PaymentId, PaymentMethod, payment};
use sea_orm::ActiveValue::{NotSet, Set};

use super::money::{self, CurrencyCode};
use super::{clients, dates, external_ids, orders, text};
use crate::db::{Tx, Visible, require_version};
use crate::error::{Error, Result};
use crate::say;

/// A payment to be.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// An id the caller chose, as a phone does offline.
    pub id: Option<PaymentId>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// What it pays.
    pub order_id: OrderId,
    /// How much, in minor units of the order's currency; above 0.
    pub amount: (i64, CurrencyCode),
    /// How it was paid.
    pub method: PaymentMethod,
    /// The day it was paid; today when absent.
    pub paid_on: Option<NaiveDate>,
    /// The number of the transfer, cheque or receipt.
    pub reference: Option<String>,
    /// Anything else.
    pub note: Option<String>,
}

/// Records a payment. With an id that exists and equal content it answers the payment that is there.
///
/// # Errors
/// `NOT_FOUND`, `BAD_USER_INPUT`; `FORBIDDEN` for an external id that only managers set; `CONFLICT` for an id
/// or external id that is taken; `RULE_VIOLATED` `payments.order_not_billed`, `payments.exceeds_balance`.
pub async fn record(tx: &Tx, new: NewPayment) -> Result<Visible<payment::Model>> {
    let NewPayment {
        id,
        external_id,
        order_id,
        amount: (amount_minor, currency),
        method,
        paid_on,
        reference,
        note,
    } = new;
    let external_id = external_ids::parse(tx, external_id.as_deref())?;
    let reference = text::optional_text("reference", reference.as_deref(), 100)?;
    let note = text::optional_long_text("note", note.as_deref(), 1_000)?;
    let (client, order) = orders::open(tx, order_id)
        .await
        .map_err(|error| error.field("orderId"))?;
    clients::require_currency("amount.currency", &order.currency, currency)?;
    if amount_minor <= 0 {
        return Err(Error::bad_input(
            "amount.amount",
            say!("the amount is more than 0"),
        ));
    }
    let now = tx.now();
    let mut row = payment::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        external_id: Set(external_id),
        client_id: Set(client.id),
        order_id: Set(order.id),
        amount_minor: Set(amount_minor),
        currency: Set(order.currency.clone()),
        method: Set(method),
        // A day that was left to the service is not compared with that of an earlier try.
        paid_on: paid_on.map_or(NotSet, Set),
        reference: Set(reference),
        note: Set(note),
        recorded_by_id: Set(orders::author(tx)?),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    if let Some(existing) = tx.existing::<payment::Entity>(id, &row).await? {
        return Ok(existing);
    }
    let today = tx.today();
    let paid_on = dates::day("paidOn", paid_on.unwrap_or(today))?;
    if paid_on > today {
        return Err(Error::bad_input(
            "paidOn",
            say!("this day is in the future"),
        ));
    }
    if !orders::is_booked(order.status) {
        return Err(Error::rule(
            "payments.order_not_billed",
            say!("this order is not approved yet, or was cancelled: there is nothing to pay"),
        )
        .field("orderId"));
    }
    let balance = orders::balance_minor(&order)?;
    if amount_minor > balance {
        return Err(Error::rule(
            "payments.exceeds_balance",
            say!(
                "{amount} is more than the {balance} that is still to be paid",
                amount = written(amount_minor, currency),
                balance = written(balance.max(0), currency)
            ),
        )
        .field("amount.amount"));
    }
    row.paid_on = Set(paid_on);
    let created = tx.insert_under::<payment::Entity>(&client, row).await?;
    let paid_minor = money::add(order.paid_minor, amount_minor)?;
    let note = written(amount_minor, currency);
    orders::note_payment(tx, &client, &order, paid_minor, note).await?;
    Ok(created)
}

/// Voids a payment: it stays on record, but no longer pays anything.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `payments.already_void`.
pub async fn void(
    tx: &Tx,
    id: PaymentId,
    version: i64,
    reason: String,
) -> Result<Visible<payment::Model>> {
    let reason = text::long_text("reason", &reason, 1_000)?;
    let seen = tx.select::<payment::Entity>().id(id).get().await?;
    let (client, order) = orders::open(tx, seen.order_id).await?;
    let payment = tx.select::<payment::Entity>().id(id).get().await?;
    require_version::<payment::Entity>(&payment, version)?;
    if payment.voided_at.is_some() {
        return Err(Error::rule(
            "payments.already_void",
            say!("this payment was voided already"),
        ));
    }
    let changes = payment::ActiveModel {
        voided_at: Set(Some(tx.now())),
        voided_by_id: Set(tx.viewer().user_id()),
        void_reason: Set(Some(reason.clone())),
        ..Default::default()
    };
    let updated = tx
        .update::<payment::Entity>(&payment, Some(version), changes)
        .await?;
    let paid_minor = money::subtract(order.paid_minor, payment.amount_minor)?;
    let currency = CurrencyCode::parse(&payment.currency)?;
    let back = money::subtract(0, payment.amount_minor)?;
    let note = format!("{}: {reason}", written(back, currency));
    orders::note_payment(tx, &client, &order, paid_minor, note).await?;
    Ok(updated)
}

fn written(minor: i64, currency: CurrencyCode) -> String {
    format!("{} {currency}", money::format_minor(minor, currency))
}
