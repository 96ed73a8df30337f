//! The terms a client buys on: its own where they were agreed, else those of its tier in the default
//! scheme.

use entity::ApprovalReason;
use sea_orm::ActiveEnum;

use super::ship_to::ShipTo;
use crate::db::{Buying, LockedClient, Tx};
use crate::domain::clients;
use crate::domain::money::{self, WHOLE_BP};
use crate::error::Result;

/// The discount in basis points up to which a rep needs nobody's approval.
pub const REP_DISCOUNT_BP: i32 = 3_000;

/// On what terms a client buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// The discount on each line, in basis points.
    pub(super) discount_bp: i32,
    /// Days from the order to the day it is due.
    pub(super) payment_term_days: i32,
    /// How much the client may owe, in minor units of its currency; nothing when nothing limits it.
    pub(super) credit_limit_minor: Option<i64>,
    /// What it owes on approved orders, in minor units of its currency.
    pub(super) receivable_minor: i64,
    /// Its primary shipping address.
    pub(super) ship_to: Option<ShipTo>,
}

/// The terms of `client`.
pub(super) async fn of(tx: &Tx, client: &LockedClient) -> Result<Terms> {
    let Buying {
        discount_bp,
        payment_term_days,
        credit_limit_minor,
        credit_limit_currency,
        receivable_minor,
        has_address,
        recipient,
        street,
        city,
        region,
        postal_code,
        country,
    } = tx.buying(client).await?;
    let tier_limit =
        credit_limit_minor.filter(|_| credit_limit_currency.as_ref() == Some(&client.currency));
    Ok(Terms {
        discount_bp: discount_bp.unwrap_or(0),
        payment_term_days: client.payment_term_days.or(payment_term_days).unwrap_or(0),
        credit_limit_minor: client.credit_limit_minor.or(tier_limit),
        receivable_minor,
        ship_to: has_address.then_some(ShipTo {
            name: recipient,
            street,
            city,
            region,
            postal_code,
            country,
        }),
    })
}

/// What of an order, which does not count yet, decides whether somebody must approve it.
pub(super) struct Asked<'a> {
    /// What it comes to, in minor units.
    pub(super) total_minor: i64,
    /// The discount on each line, that on the order included, in basis points.
    pub(super) discounts_bp: &'a [i32],
}

/// What a discount on a line and one on the order come to together, in basis points, rounded up.
pub(super) fn together(line_bp: i32, order_bp: i32) -> i32 {
    let kept = (WHOLE_BP - line_bp) * (WHOLE_BP - order_bp) / WHOLE_BP;
    WHOLE_BP - kept
}

/// Why an order needs approval; nothing when it needs none.
pub(super) async fn reasons(
    tx: &Tx,
    client: &LockedClient,
    terms: &Terms,
    asked: &Asked<'_>,
) -> Result<Vec<ApprovalReason>> {
    let mut reasons = Vec::new();
    if let Some(limit) = terms.credit_limit_minor
        && money::add(terms.receivable_minor, asked.total_minor)? > limit
    {
        reasons.push(ApprovalReason::CreditLimit);
    }
    // What the tier grants was decided when the tier was made.
    let free = REP_DISCOUNT_BP.max(terms.discount_bp);
    let is_over = asked.discounts_bp.iter().any(|discount| *discount > free);
    if is_over && !clients::is_managed(tx, client).await? {
        reasons.push(ApprovalReason::Discount);
    }
    Ok(reasons)
}

/// The reasons as a row keeps them: their names with commas between; nothing for none.
pub(super) fn write(reasons: &[ApprovalReason]) -> Option<String> {
    if reasons.is_empty() {
        return None;
    }
    let names: Vec<String> = reasons.iter().map(ActiveEnum::to_value).collect();
    Some(names.join(","))
}

/// The reasons a row keeps.
pub(super) fn read(text: Option<&str>) -> Vec<ApprovalReason> {
    let names = text.into_iter().flat_map(|text| text.split(','));
    names
        .filter_map(|name| ApprovalReason::try_from_value(&name.to_owned()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_as_they_were_written() {
        for reasons in [
            vec![],
            vec![ApprovalReason::CreditLimit],
            vec![ApprovalReason::CreditLimit, ApprovalReason::Discount],
        ] {
            let text = write(&reasons);
            assert!(text.as_deref().is_none_or(|text| text.len() <= 64));
            assert_eq!(read(text.as_deref()), reasons);
        }
    }
}
