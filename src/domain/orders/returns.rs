//! Goods that come back, and the credit for them: the line's share of what the order cost after all
//! discounts, to the last minor unit.

use std::collections::HashMap;

use entity::{
    OrderEventKind, OrderLineId, OrderReturnId, OrderStatus, ProductId, order, order_line,
    order_return, order_return_line,
};
use sea_orm::ActiveValue::Set;

use super::margin::cost_of_goods;
use super::states::{self, Event, Seen};
use super::{lines, open};
use crate::db::{Tx, Visible, require_version};
use crate::domain::{money, stock, text};
use crate::error::{Error, Result};
use crate::say;

/// What comes back of one line.
#[derive(Clone, Copy, Debug)]
pub struct ReturnedLine {
    /// The line.
    pub line_id: OrderLineId,
    /// Units, 1 up to what has not come back yet.
    pub quantity: i64,
}

/// Where goods that come back go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restock {
    /// Back into stock, to be sold again.
    Yes,
    /// Not into stock: broken, opened, expired.
    No,
}

/// Goods that come back.
#[derive(Clone, Debug)]
pub struct NewReturn {
    /// The order, in the version the caller saw.
    pub order: Seen,
    /// Why they come back.
    pub reason: String,
    /// Where they go.
    pub restock: Restock,
    /// What of which lines; everything that has not come back yet when absent.
    pub lines: Option<Vec<ReturnedLine>>,
}

/// What the whole of each line is worth after the discount on the order, in the order of the lines. The
/// parts come to exactly `lines - discount`: each is the difference of two rounded running sums.
///
/// # Errors
/// `BAD_USER_INPUT` when an amount is too large.
pub fn worth_of_lines(nets: &[i64], discount_minor: i64) -> Result<Vec<i64>> {
    let whole = money::sum(nets.iter().copied())?;
    let after = money::subtract(whole, discount_minor)?;
    let mut running = 0_i64;
    let mut before = 0_i64;
    nets.iter()
        .map(|net| {
            running = money::add(running, *net)?;
            let so_far = part(after, running, whole)?;
            let worth = money::subtract(so_far, before)?;
            before = so_far;
            Ok(worth)
        })
        .collect()
}

/// The credit for `quantity` units more of a line that is `worth` for `ordered` units, of which `returned`
/// came back before. All credits of a line come to exactly its worth, in whatever portions it comes back.
///
/// # Errors
/// `BAD_USER_INPUT` when an amount is too large.
pub fn credit(worth: i64, ordered: i64, returned: i64, quantity: i64) -> Result<i64> {
    let after = part(worth, money::add(returned, quantity)?, ordered)?;
    money::subtract(after, part(worth, returned, ordered)?)
}

/// `amount * numerator / denominator`, rounded once; nothing of nothing.
fn part(amount: i64, numerator: i64, denominator: i64) -> Result<i64> {
    if denominator == 0 {
        return Ok(0);
    }
    money::round_half_away(
        i128::from(amount) * i128::from(numerator),
        i128::from(denominator),
    )
}

/// Takes goods of an order back: credits them, puts them into stock when asked to, and closes the order as
/// RETURNED when nothing of it is left with the client.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `RULE_VIOLATED` `orders.illegal_transition` unless the
/// order was shipped, `orders.return_exceeds_line`.
pub async fn take_back(
    tx: &Tx,
    new: NewReturn,
) -> Result<(Visible<order::Model>, Visible<order_return::Model>)> {
    let NewReturn {
        order: seen,
        reason,
        restock,
        lines: wanted,
    } = new;
    let reason = text::long_text("reason", &reason, states::MAX_NOTE)?;
    let (client, order) = open(tx, seen.id).await?;
    require_version::<order::Entity>(&order, seen.version)?;
    states::require_step(order.status, OrderStatus::Returned)?;
    let lines = lines::of(tx, &order).await?;
    let wanted = parse(&lines, wanted)?;
    let nets: Vec<i64> = lines.iter().map(|line| line.net_minor).collect();
    let worths = worth_of_lines(&nets, order.discount_minor)?;

    let return_id: OrderReturnId = tx.new_id();
    let mut rows = Vec::new();
    let mut goods: Vec<(ProductId, i64)> = Vec::new();
    let mut kept: Vec<(i64, Option<i64>)> = Vec::new();
    let mut is_all = true;
    for (line, worth) in lines.iter().zip(worths) {
        let quantity = wanted.get(&line.id).copied().unwrap_or_default();
        let returned = money::add(line.returned_quantity, quantity)?;
        is_all &= returned == line.quantity;
        kept.push((line.quantity - returned, line.unit_cost_minor));
        if quantity == 0 {
            continue;
        }
        rows.push(order_return_line::ActiveModel {
            id: Set(tx.new_id()),
            order_return_id: Set(return_id),
            order_line_id: Set(line.id),
            quantity: Set(quantity),
            amount_minor: Set(credit(
                worth,
                line.quantity,
                line.returned_quantity,
                quantity,
            )?),
            ..Default::default()
        });
        goods.push((line.product_id, quantity));
        let change = order_line::ActiveModel {
            returned_quantity: Set(returned),
            ..Default::default()
        };
        tx.amend::<order_line::Entity>(line, change).await?;
    }
    let amounts = rows
        .iter()
        .filter_map(|row| row.amount_minor.try_as_ref().copied());
    let amount_minor = money::sum(amounts)?;
    let made = tx
        .insert_under::<order_return::Entity>(
            &client,
            order_return::ActiveModel {
                id: Set(return_id),
                order_id: Set(order.id),
                reason: Set(reason.clone()),
                amount_minor: Set(amount_minor),
                created_by_id: Set(super::author(tx)?),
                created_at: Set(tx.now()),
                ..Default::default()
            },
        )
        .await?;
    tx.insert_all_under::<order_return_line::Entity>(&client, rows)
        .await?;
    let mut changes = order::ActiveModel {
        returned_minor: Set(money::add(order.returned_minor, amount_minor)?),
        cost_minor: Set(cost_of_goods(kept)),
        ..Default::default()
    };
    let event = if is_all {
        changes.status = Set(OrderStatus::Returned);
        Event::step(
            OrderEventKind::Returned,
            order.status,
            OrderStatus::Returned,
            Some(reason),
        )
    } else {
        Event::plain(OrderEventKind::Returned, Some(reason))
    };
    let updated = tx
        .update::<order::Entity>(&order, Some(seen.version), changes)
        .await?;
    if restock == Restock::Yes {
        stock::take_back(tx, order.id, &goods, None).await?;
    }
    states::record(tx, &client, order.id, vec![event]).await?;
    tx.refresh_stats(&client).await?;
    Ok((updated, made))
}

/// How many units of which line come back.
fn parse(
    lines: &[Visible<order_line::Model>],
    wanted: Option<Vec<ReturnedLine>>,
) -> Result<HashMap<OrderLineId, i64>> {
    let Some(wanted) = wanted else {
        return Ok(lines
            .iter()
            .map(|line| (line.id, line.quantity - line.returned_quantity))
            .collect());
    };
    if wanted.is_empty() {
        return Err(Error::bad_input(
            "lines",
            say!("name at least one line, or leave `lines` out to return everything"),
        ));
    }
    let mut quantities = HashMap::with_capacity(wanted.len());
    for (at, ReturnedLine { line_id, quantity }) in wanted.into_iter().enumerate() {
        let line = lines
            .iter()
            .find(|line| line.id == line_id)
            .ok_or_else(|| {
                Error::not_found("order line").field(format!("lines.{at}.orderLineId"))
            })?;
        if quantity < 1 {
            return Err(Error::bad_input(
                format!("lines.{at}.quantity"),
                say!("at least one unit comes back"),
            ));
        }
        let left = line.quantity - line.returned_quantity;
        if quantity > left {
            return Err(Error::rule(
                "orders.return_exceeds_line",
                say!("{quantity} of {sku} cannot come back: {left} of {total} are left with the client", quantity, sku = &line.sku, left, total = line.quantity))
            .field(format!("lines.{at}.quantity")));
        }
        if quantities.insert(line_id, quantity).is_some() {
            return Err(Error::bad_input(
                format!("lines.{at}.orderLineId"),
                say!("this line is named twice"),
            ));
        }
    }
    Ok(quantities)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_lines_are_worth_what_the_order_cost(
            nets in prop::collection::vec(0..=1_000_000_000_i64, 1..30),
            discount_bp in 0..=10_000_i32,
        ) {
            let whole: i64 = nets.iter().sum();
            let discount = money::share_bp(whole, discount_bp).unwrap();
            let worths = worth_of_lines(&nets, discount).unwrap();
            prop_assert_eq!(worths.iter().sum::<i64>(), whole - discount);
            for (worth, net) in worths.iter().zip(&nets) {
                prop_assert!(*worth >= 0);
                // Within one unit of the exact share.
                let exact = i128::from(*net) * i128::from(whole - discount);
                let difference = (i128::from(*worth) * i128::from(whole) - exact).abs();
                prop_assert!(difference <= i128::from(whole));
            }
        }

        #[test]
        fn a_line_is_credited_exactly_in_whatever_portions(
            worth in 0..=1_000_000_000_i64,
            portions in prop::collection::vec(1..=1_000_i64, 1..20),
        ) {
            let ordered: i64 = portions.iter().sum();
            let mut returned = 0;
            let mut credited = 0;
            for quantity in portions {
                let amount = credit(worth, ordered, returned, quantity).unwrap();
                prop_assert!(amount >= 0);
                returned += quantity;
                credited += amount;
            }
            prop_assert_eq!(credited, worth);
        }
    }

    #[test]
    fn nothing_is_worth_nothing() {
        assert_eq!(worth_of_lines(&[0, 0], 0).unwrap(), [0, 0]);
        assert_eq!(credit(0, 3, 1, 1).unwrap(), 0);
    }

    #[test]
    fn a_third_of_ten_is_shared_out_to_the_last_cent() {
        let credits: Vec<i64> = (0..3)
            .map(|back| credit(1_000, 3, back, 1).unwrap())
            .collect();
        assert_eq!(credits, [333, 334, 333]);
    }
}
