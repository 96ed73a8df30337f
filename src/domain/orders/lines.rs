//! The lines of an order: what each costs, and what all come to. Exact, and each amount rounded once.

use std::collections::HashMap;

use entity::{OrderId, ProductId, order, order_line, product};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition, Order};

use super::terms::Terms;
use crate::db::{LockedClient, Tx, Visible};
use crate::domain::money::{self, CurrencyCode, WHOLE_BP};
use crate::domain::{clients, products};
use crate::error::{Error, Result};
use crate::say;

/// The most lines an order has.
pub const MAX_LINES: usize = 200;

/// The most units one line has.
pub const MAX_QUANTITY: i64 = 1_000_000;

/// A line to be.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// The product.
    pub product_id: ProductId,
    /// Units, 1 to 1,000,000.
    pub quantity: i64,
    /// The price of one unit in minor units; the list price when absent. Another price only managers of the
    /// client set.
    pub unit_price: Option<(i64, CurrencyCode)>,
    /// The discount in basis points, 0 to 10,000; that of the client's tier when absent.
    pub discount_bp: Option<i32>,
}

/// A line with its product, its price and what it comes to.
#[derive(Clone, Debug)]
pub(super) struct PricedLine {
    pub(super) product: Visible<product::Model>,
    pub(super) quantity: i64,
    pub(super) unit_price_minor: i64,
    pub(super) discount_bp: i32,
    pub(super) net_minor: i64,
}

/// What an order comes to, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// All lines after their discounts.
    pub lines_minor: i64,
    /// The discount on the order as a whole.
    pub discount_minor: i64,
    /// Lines less discount plus freight.
    pub total_minor: i64,
}

/// The most an order may come to, in minor units: sums over all orders stay exact.
const MAX_TOTAL_MINOR: i64 = 100_000_000_000_000;

/// What an order with these line nets comes to.
///
/// # Errors
/// `BAD_USER_INPUT` when an amount is too large.
pub fn totals(
    nets: impl IntoIterator<Item = i64>,
    discount_bp: i32,
    freight_minor: i64,
) -> Result<Totals> {
    let lines_minor = money::sum(nets)?;
    let discount_minor = money::share_bp(lines_minor, discount_bp)?;
    let total_minor = money::add(money::subtract(lines_minor, discount_minor)?, freight_minor)?;
    if lines_minor > MAX_TOTAL_MINOR || total_minor > MAX_TOTAL_MINOR {
        return Err(Error::bad_input(
            "lines",
            say!("this order comes to too much"),
        ));
    }
    Ok(Totals {
        lines_minor,
        discount_minor,
        total_minor,
    })
}

/// Checks lines and finds what each costs `client` today.
pub(super) async fn price(
    tx: &Tx,
    client: &LockedClient,
    terms: &Terms,
    lines: &[NewLine],
) -> Result<Vec<PricedLine>> {
    if lines.len() > MAX_LINES {
        return Err(Error::bad_input(
            "lines",
            say!(
                "an order has at most {most} lines, not {count}",
                most = MAX_LINES,
                count = lines.len()
            ),
        ));
    }
    let found = products(tx, lines.iter().map(|line| line.product_id)).await?;
    let sets_prices = lines.iter().any(|line| line.unit_price.is_some());
    let may_set_price = sets_prices && clients::is_managed(tx, client).await?;
    lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let product = found
                .get(&line.product_id)
                .ok_or_else(|| Error::not_found("product").field("productId"));
            product
                .and_then(|product| price_line(product, line, client, terms, may_set_price))
                .map_err(|error| error.under(&format!("lines.{at}")))
        })
        .collect()
}

fn price_line(
    product: &Visible<product::Model>,
    line: &NewLine,
    client: &LockedClient,
    terms: &Terms,
    may_set_price: bool,
) -> Result<PricedLine> {
    let NewLine {
        product_id: _,
        quantity,
        unit_price,
        discount_bp,
    } = line;
    require_sold(product)?;
    if product.currency != client.currency {
        return Err(Error::bad_input(
            "productId",
            say!(
                "{sku} is priced in {priced}, but this client is billed in {billed}",
                sku = &product.sku,
                priced = &product.currency,
                billed = &client.currency
            ),
        ));
    }
    if !(1..=MAX_QUANTITY).contains(quantity) {
        return Err(Error::bad_input(
            "quantity",
            say!(
                "the quantity is 1 to {most}, not {quantity}",
                most = MAX_QUANTITY,
                quantity
            ),
        ));
    }
    let unit_price_minor = match unit_price {
        None => product.list_price_minor,
        Some((minor, currency)) => {
            super::require_amount("unitPrice", &client.currency, *minor, *currency)?;
            if *minor != product.list_price_minor && !may_set_price {
                return Err(Error::forbidden(
                    say!("only managers of the client may set a price other than the list price; give a discount instead"))
                .field("unitPrice"));
            }
            *minor
        }
    };
    let discount_bp = discount_bp.unwrap_or(terms.discount_bp);
    require_discount("discountBp", discount_bp)?;
    Ok(PricedLine {
        product: product.clone(),
        quantity: *quantity,
        unit_price_minor,
        discount_bp,
        net_minor: money::line_net(*quantity, unit_price_minor, discount_bp)?,
    })
}

/// Refuses a product that is no longer sold.
pub(super) fn require_sold(product: &product::Model) -> Result<()> {
    if is_sold(product) {
        return Ok(());
    }
    Err(Error::rule(
        "orders.inactive_product",
        say!(
            "{name} ({sku}) is no longer sold",
            sku = &product.sku,
            name = &product.name
        ),
    )
    .field("productId"))
}

pub(super) fn is_sold(product: &product::Model) -> bool {
    product.is_active && product.archived_at.is_none()
}

pub(super) fn require_discount(field: &str, discount_bp: i32) -> Result<()> {
    if (0..=WHOLE_BP).contains(&discount_bp) {
        return Ok(());
    }
    Err(Error::bad_input(
        field,
        say!(
            "a discount is 0 to {most} basis points, not {discount_bp}",
            most = WHOLE_BP,
            discount_bp
        ),
    ))
}

/// The products with these ids, all read by one statement. Those that are not there are missing.
pub(super) async fn products(
    tx: &Tx,
    ids: impl Iterator<Item = ProductId>,
) -> Result<HashMap<ProductId, Visible<product::Model>>> {
    let mut ids: Vec<ProductId> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    products::for_lines(tx, &ids).await
}

/// The lines of an order, in their order.
pub(super) async fn of(tx: &Tx, order: &order::Model) -> Result<Vec<Visible<order_line::Model>>> {
    tx.select::<order_line::Entity>()
        .filter(order_line::Column::OrderId.eq(order.id))
        .order_by(order_line::Column::LineNumber, Order::Asc)
        .all()
        .await
}

/// Writes the lines of an order, in place of those it has.
pub(super) async fn replace(
    tx: &Tx,
    client: &LockedClient,
    order_id: OrderId,
    lines: &[PricedLine],
) -> Result<()> {
    let present = Condition::all().add(order_line::Column::OrderId.eq(order_id));
    tx.delete_under::<order_line::Entity>(client, present)
        .await?;
    tx.insert_all_under::<order_line::Entity>(client, rows(tx, order_id, lines))
        .await?;
    Ok(())
}

/// The lines of a new order as rows.
pub(super) fn rows(
    tx: &Tx,
    order_id: OrderId,
    lines: &[PricedLine],
) -> Vec<order_line::ActiveModel> {
    (1_i32..)
        .zip(lines)
        .map(|(line_number, line)| order_line::ActiveModel {
            id: Set(tx.new_id()),
            order_id: Set(order_id),
            line_number: Set(line_number),
            product_id: Set(line.product.id),
            product_name: Set(line.product.name.clone()),
            sku: Set(line.product.sku.clone()),
            unit: Set(line.product.unit.clone()),
            quantity: Set(line.quantity),
            unit_price_minor: Set(line.unit_price_minor),
            discount_bp: Set(line.discount_bp),
            net_minor: Set(line.net_minor),
            returned_quantity: Set(0),
            ..Default::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    use super::*;

    /// Works the sum out with a library that shares no code with ours.
    fn oracle(nets: &[i64], discount_bp: i32, freight_minor: i64) -> Totals {
        let lines: Decimal = nets.iter().copied().map(Decimal::from).sum();
        let discount = (lines * Decimal::from(discount_bp) / Decimal::from(10_000))
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        let whole = |value: Decimal| i64::try_from(value).unwrap();
        Totals {
            lines_minor: whole(lines),
            discount_minor: whole(discount),
            total_minor: whole(lines - discount + Decimal::from(freight_minor)),
        }
    }

    proptest! {
        #[test]
        fn an_order_comes_to_what_an_exact_sum_says(
            lines in prop::collection::vec((1..=MAX_QUANTITY, 0..=1_000_000_i64, 0..=10_000_i32), 0..20),
            discount_bp in 0..=10_000_i32,
            freight_minor in 0..=1_000_000_000_i64,
        ) {
            let nets: Vec<i64> = lines
                .iter()
                .map(|(quantity, price, bp)| money::line_net(*quantity, *price, *bp).unwrap())
                .collect();
            for ((quantity, price, bp), net) in lines.iter().zip(&nets) {
                let exact = Decimal::from(*quantity) * Decimal::from(*price)
                    * Decimal::from(10_000 - *bp) / Decimal::from(10_000);
                let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
                prop_assert_eq!(Decimal::from(*net), rounded);
            }
            let expected = oracle(&nets, discount_bp, freight_minor);
            prop_assert_eq!(totals(nets, discount_bp, freight_minor).unwrap(), expected);
        }
    }

    #[test]
    fn a_sum_that_does_not_fit_is_refused() {
        let error = totals([i64::MAX, 1], 0, 0).unwrap_err();
        assert_eq!(error.code(), crate::Code::BadUserInput);
        assert!(totals([i64::MAX], 0, 1).is_err());
    }
}
