//! Days of the year whatever the year: birthdays and anniversaries.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbBackend, IntoSimpleExpr};

use super::session::Session;

impl Session {
    /// The condition that `column`, a day, falls on or between two days of the year, given as (month, day).
    /// A span whose end is before its start crosses the turn of the year.
    pub fn month_day_between(
        &self,
        column: impl ColumnTrait,
        from: (u32, u32),
        to: (u32, u32),
    ) -> Condition {
        let number = |(month, day): (u32, u32)| i64::from(month * 100 + day);
        let (from, to) = (number(from), number(to));
        let column = column.into_simple_expr();
        let day = match self.backend() {
            DbBackend::Postgres => {
                Expr::cust_with_exprs("CAST(to_char($1, 'MMDD') AS BIGINT)", [column])
            }
            _ => Expr::cust_with_exprs("CAST(strftime('%m%d', ?) AS INTEGER)", [column]),
        };
        let after = day.clone().gte(from);
        let before = day.lte(to);
        if from <= to {
            Condition::all().add(after).add(before)
        } else {
            Condition::any().add(after).add(before)
        }
    }
}
