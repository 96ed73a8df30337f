//! Which orders, and how they are sorted.

use async_graphql::{Enum, InputObject};
use entity::{OrderStatus, order, order_line};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, IntoSimpleExpr, Iterable};

use crate::db::{KeyKind, Session, Sort, SortKey};
use crate::domain::orders;
use crate::error::{Error, Result};
use crate::graphql::filters::{
    ClientIdFilter, DateFilter, FilterTree, MoneyFilter, ProductIdFilter, StringFilter,
    UserIdFilter, choice_filter, filter_tree,
};
use crate::say;

choice_filter!(
    /// A filter on where an order stands. All parts that are given must hold.
    OrderStatusFilter, OrderStatus
);
choice_filter!(
    /// A filter on the id of an order. All parts that are given must hold.
    OrderIdFilter, entity::OrderId
);

/// Which orders. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct OrderFilter {
    /// By id.
    id: Option<OrderIdFilter>,
    /// By where they stand.
    status: Option<OrderStatusFilter>,
    /// By the client.
    client_id: Option<ClientIdFilter>,
    /// By who placed them.
    placed_by_id: Option<UserIdFilter>,
    /// By the day they were placed.
    placed_on: Option<DateFilter>,
    /// By the day they are due.
    due_on: Option<DateFilter>,
    /// By what they come to.
    total: Option<MoneyFilter>,
    /// Whose number starts with this; case and hyphen do not matter, `O` is read as 0, `I` and `L` as 1.
    number: Option<String>,
    /// By the id in another system.
    external_id: Option<StringFilter>,
    /// With a line of one of these products.
    product_id: Option<ProductIdFilter>,
    /// Whether they wait for a manager's approval.
    awaiting_approval: Option<bool>,
    /// Whether they count, were due before today, and are not paid in full.
    overdue: Option<bool>,
    /// All of these must hold.
    and: Option<Vec<OrderFilter>>,
    /// One of these must hold.
    or: Option<Vec<OrderFilter>>,
    /// This must not hold.
    not: Option<Box<OrderFilter>>,
}

filter_tree!(OrderFilter);

impl OrderFilter {
    pub(super) fn condition(&self, session: &Session) -> Result<Condition> {
        self.check_size()?;
        let Self {
            id,
            status,
            client_id,
            placed_by_id,
            placed_on,
            due_on,
            total,
            number,
            external_id,
            product_id,
            awaiting_approval,
            overdue,
            and: _,
            or: _,
            not: _,
        } = self;
        use order::Column;
        let mut all = Condition::all();
        if let Some(filter) = id {
            all = all.add(filter.condition("id", Column::Id)?);
        }
        if let Some(filter) = status {
            all = all.add(filter.condition("status", Column::Status)?);
        }
        if let Some(filter) = client_id {
            all = all.add(filter.condition("clientId", Column::ClientId)?);
        }
        if let Some(filter) = placed_by_id {
            all = all.add(filter.condition("placedById", Column::PlacedById)?);
        }
        if let Some(filter) = placed_on {
            let column = Column::PlacedOn.into_simple_expr();
            all = all.add(filter.condition("placedOn", &column)?);
        }
        if let Some(filter) = due_on {
            let column = Column::DueOn.into_simple_expr();
            all = all.add(filter.condition("dueOn", &column)?);
        }
        if let Some(filter) = total {
            let amount = Column::TotalMinor.into_simple_expr();
            let currency = Column::Currency.into_simple_expr();
            all = all.add(filter.condition("total", &amount, &currency)?);
        }
        if let Some(typed) = number {
            let start = orders::number_start(typed).ok_or_else(|| {
                Error::bad_input(
                    "number",
                    say!("not the start of an order number: expected up to ten letters and digits"),
                )
            })?;
            all = all.add(starts_with(&start));
        }
        if let Some(filter) = external_id {
            all = all.add(filter.code_condition("externalId", Column::ExternalId)?);
        }
        if let Some(filter) = product_id {
            let product = filter.condition("productId", order_line::Column::ProductId)?;
            all = all.add(has_line(product));
        }
        if let Some(awaiting) = awaiting_approval {
            all = all.add(truth(Column::Status.eq(OrderStatus::Submitted), *awaiting));
        }
        if let Some(overdue) = overdue {
            all = all.add(truth(is_overdue(session), *overdue));
        }
        self.and_branches(all, |part| part.condition(session))
    }
}

fn truth(condition: Expr, wanted: bool) -> Condition {
    let condition = Condition::all().add(condition);
    if wanted { condition } else { condition.not() }
}

/// Numbers are ASCII and sorted by their bytes, so those with a start lie between it and its successor.
fn starts_with(start: &str) -> Condition {
    // Greater than every digit, letter and hyphen.
    const END: char = '~';
    Condition::all()
        .add(order::Column::Number.gte(start))
        .add(order::Column::Number.lt(format!("{start}{END}")))
}

/// A day after all that orders have.
fn last_day() -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or_default()
}

fn is_overdue(session: &Session) -> Expr {
    use order::Column;
    let booked = OrderStatus::iter().filter(|status| orders::is_booked(*status));
    let settled = Column::PaidMinor
        .into_simple_expr()
        .add(Column::ReturnedMinor.into_simple_expr());
    // A day that is missing is never past; NULL would make neither this nor its opposite true.
    let due_on = Column::DueOn.if_null(last_day());
    Column::Status
        .is_in(booked)
        .and(due_on.lt(session.today()))
        .and(Column::TotalMinor.into_simple_expr().gt(settled))
}

/// That the order has a line that meets `condition`.
fn has_line(condition: Condition) -> Expr {
    let mut rows = Query::select();
    rows.expr(Expr::val(1))
        .from(order_line::Entity)
        .and_where(
            Expr::col((order_line::Entity, order_line::Column::OrderId))
                .equals((order::Entity, order::Column::Id)),
        )
        .cond_where(condition);
    Expr::exists(rows)
}

/// How orders are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum OrderOrder {
    /// Latest first, by the day they were placed.
    #[default]
    PlacedOnDesc,
    /// Earliest first, by the day they were placed.
    PlacedOnAsc,
    /// Largest amount first, whatever the currency.
    TotalDesc,
    /// By number.
    NumberAsc,
    /// Due first; those without a due day last.
    DueOnAsc,
}

impl OrderOrder {
    pub(super) fn sort(self) -> Sort {
        use order::Column;
        let by = |column: Column, kind| vec![SortKey::column(column, kind)];
        match self {
            Self::PlacedOnDesc => Sort::descending(by(Column::PlacedOn, KeyKind::Day)),
            Self::PlacedOnAsc => Sort::ascending(by(Column::PlacedOn, KeyKind::Day)),
            Self::TotalDesc => Sort::descending(by(Column::TotalMinor, KeyKind::Number)),
            Self::NumberAsc => Sort::ascending(by(Column::Number, KeyKind::Text)),
            Self::DueOnAsc => Sort::ascending(vec![SortKey {
                expr: Column::DueOn.if_null(last_day()),
                kind: KeyKind::Day,
            }]),
        }
    }
}
