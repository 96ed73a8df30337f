//! What orders earn: the gross margin, in the terms of 17 CFR 210.5-03(b) 1(a) and 2(a). It is net sales, which
//! are sales less discounts and returns, less the cost of the goods sold. Tax and freight are neither. The cost
//! is that of the moment a line was written. Goods that came back were not sold, whether they can be sold
//! again or not.

use entity::{order, order_line};

use super::lines::{MAX_TOTAL_MINOR, PricedLine};
use super::returns::credit;
use crate::domain::money;
use crate::error::Result;

/// What goods cost us, in minor units: of each line its units, and the cost of one. Nothing when that of a line is
/// not known, or all cost more than an order may come to: sums over all orders stay exact.
pub fn cost_of_goods(lines: impl IntoIterator<Item = (i64, Option<i64>)>) -> Option<i64> {
    let mut lines = lines.into_iter();
    let cost = lines.try_fold(0_i64, |sum, (units, unit_cost)| {
        sum.checked_add(units.checked_mul(unit_cost?)?)
    })?;
    (cost <= MAX_TOTAL_MINOR).then_some(cost)
}

/// What the goods of new lines cost us.
pub(super) fn cost(lines: &[PricedLine]) -> Option<i64> {
    cost_of_goods(
        lines
            .iter()
            .map(|line| (line.quantity, line.unit_cost_minor)),
    )
}

/// What an order earns, in minor units: its lines less the discount on it and what came back, less the cost of
/// its goods; nothing when that is not known. Negative when it costs more than it brings.
///
/// # Errors
/// `BAD_USER_INPUT` when an amount is too large.
pub fn margin_minor(order: &order::Model) -> Result<Option<i64>> {
    let Some(cost) = order.cost_minor else {
        return Ok(None);
    };
    let sold = money::subtract(order.lines_minor, order.discount_minor)?;
    let net_sales = money::subtract(sold, order.returned_minor)?;
    money::subtract(net_sales, cost).map(Some)
}

/// What a line earns, in minor units, before the discount on the order as a whole: its net less the share of what
/// came back, less the cost of the rest; nothing when that is not known.
///
/// # Errors
/// `BAD_USER_INPUT` when an amount is too large.
pub fn line_margin_minor(line: &order_line::Model) -> Result<Option<i64>> {
    let kept = money::subtract(line.quantity, line.returned_quantity)?;
    let Some(cost) = cost_of_goods([(kept, line.unit_cost_minor)]) else {
        return Ok(None);
    };
    let returned = credit(line.net_minor, line.quantity, 0, line.returned_quantity)?;
    let net_sales = money::subtract(line.net_minor, returned)?;
    money::subtract(net_sales, cost).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn goods_cost_what_an_exact_sum_says(
            lines in prop::collection::vec((0..=1_000_000_i64, prop::option::weighted(0.9, 0..=1_000_000_000_i64)), 0..20),
        ) {
            let exact = lines.iter().map(|(units, cost)| Some(i128::from(*units) * i128::from((*cost)?)));
            let exact: Option<i128> = exact.sum();
            let exact = exact.filter(|cost| *cost <= i128::from(MAX_TOTAL_MINOR));
            prop_assert_eq!(cost_of_goods(lines).map(i128::from), exact);
        }
    }

    #[test]
    fn a_cost_that_does_not_fit_is_not_known() {
        assert_eq!(cost_of_goods([(2, Some(i64::MAX))]), None);
        assert_eq!(cost_of_goods([(1, Some(i64::MAX)), (1, Some(1))]), None);
        assert_eq!(
            cost_of_goods([(1, Some(MAX_TOTAL_MINOR))]),
            Some(MAX_TOTAL_MINOR)
        );
        assert_eq!(
            cost_of_goods([(1, Some(MAX_TOTAL_MINOR)), (1, Some(1))]),
            None
        );
        assert_eq!(cost_of_goods([]), Some(0));
    }
}
