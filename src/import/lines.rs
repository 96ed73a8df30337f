//! `order_lines.csv`: the lines of orders. An order goes in with all its lines or not at all.

use std::collections::HashMap;

use entity::{OrderId, ProductId, order_line, product};
use sea_orm::{ColumnTrait, Order};

use super::read::{Columns, Problem, Row, Table, amount, rate_bp, wrong};
use super::{FileKind, Known, Run, look_up, values_of};
use crate::db::{Session, Visible};
use crate::domain::money::CurrencyCode;
use crate::error::Result;

pub(super) const COLUMNS: Columns = Columns {
    required: &[
        "order_external_id",
        "line_number",
        "product_external_id",
        "quantity",
        "unit_price",
    ],
    optional: &["discount_rate", "unit_cost"],
};

pub(super) const KIND: FileKind = FileKind::OrderLines;
pub(super) const ORDER: &str = "order_external_id";
const PRODUCT: &str = "product_external_id";

/// The most of one line and the most lines of an order, as in `orders`.
const MAX_QUANTITY: i64 = 1_000_000;
const MAX_LINES: usize = 200;

/// A line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub number: i64,
    pub product: ProductId,
    pub quantity: i64,
    pub unit_price_minor: i64,
    pub unit_cost_minor: Option<i64>,
    pub discount_bp: i32,
}

impl Line {
    /// The line as it is in the database.
    pub fn of(row: &order_line::Model) -> Self {
        Self {
            number: row.line_number.into(),
            product: row.product_id,
            quantity: row.quantity,
            unit_price_minor: row.unit_price_minor,
            unit_cost_minor: row.unit_cost_minor,
            discount_bp: row.discount_bp,
        }
    }

    /// Whether both say the same; the number only orders lines.
    pub fn equals(&self, other: &Self) -> bool {
        Self {
            number: other.number,
            ..self.clone()
        } == *other
    }
}

/// The rows of the file by their order.
pub(super) fn by_order(table: &Table) -> HashMap<&str, Vec<Row<'_>>> {
    let mut orders: HashMap<&str, Vec<Row<'_>>> = HashMap::new();
    for row in table.rows() {
        orders.entry(row.raw(ORDER)).or_default().push(row);
    }
    orders
}

/// Finds the products that the file names and that are not known yet.
pub(super) async fn know_products(
    session: &Session,
    known: &mut Known,
    table: &Table,
) -> Result<()> {
    let unknown = values_of(table, PRODUCT)
        .into_iter()
        .filter(|key| !known.products.contains_key(key))
        .collect();
    let column = product::Column::ExternalId;
    for product in look_up::<product::Entity>(session, column, unknown).await? {
        if let Some(key) = &product.external_id {
            known.products.insert(key.clone(), product.id);
        }
    }
    Ok(())
}

/// The lines that orders have in the database, in order.
pub(super) async fn present(
    session: &Session,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Vec<Visible<order_line::Model>>>> {
    let mut lines: HashMap<OrderId, Vec<Visible<order_line::Model>>> = HashMap::new();
    for chunk in orders.chunks(5_000) {
        let rows = session
            .select::<order_line::Entity>()
            .filter(order_line::Column::OrderId.is_in(chunk.iter().copied()))
            .order_by(order_line::Column::LineNumber, Order::Asc)
            .all()
            .await?;
        for row in rows {
            lines.entry(row.order_id).or_default().push(row);
        }
    }
    Ok(lines)
}

/// Reads the rows of one order, in the order of their numbers; `before` are the lines it has. When one is wrong
/// they are refused, and the problem of the order says which.
pub(super) fn read(
    run: &mut Run<'_>,
    rows: &[Row<'_>],
    currency: CurrencyCode,
    before: &[Line],
) -> Result<Vec<Line>, Problem> {
    let mut lines = Vec::with_capacity(rows.len());
    let mut numbers: HashMap<i64, u64> = HashMap::new();
    let mut first_problem = None;
    for row in rows {
        match read_one(&run.known, *row, currency, &mut numbers) {
            Ok(line) => lines.push(line),
            Err(problem) => {
                let reason = format!("{} line {}: {}", KIND.name(), row.line, problem.reason);
                first_problem.get_or_insert(reason);
                run.refuse_row(KIND, *row, "", problem);
            }
        }
    }
    if rows.len() > MAX_LINES {
        first_problem.get_or_insert(format!("an order has at most {MAX_LINES} lines"));
    }
    if let Some(reason) = first_problem {
        run.report
            .count(KIND, |counts| counts.refused += lines.len());
        return Err(Problem::new("", "", reason));
    }
    lines.sort_by_key(|line| line.number);
    // A file that does not speak of costs leaves those that are known.
    if rows.iter().all(|row| !row.has("unit_cost")) {
        for (line, before) in lines.iter_mut().zip(before) {
            line.unit_cost_minor = before
                .unit_cost_minor
                .filter(|_| line.product == before.product);
        }
    }
    Ok(lines)
}

fn read_one(
    known: &Known,
    row: Row<'_>,
    currency: CurrencyCode,
    numbers: &mut HashMap<i64, u64>,
) -> Result<Line, Problem> {
    let number = row.demand("line_number", |text| {
        text.parse::<i64>()
            .ok()
            .filter(|number| *number >= 1)
            .ok_or_else(|| wrong("not a whole number of 1 or more"))
    });
    let number = number.and_then(|number| match numbers.insert(number, row.line) {
        None => Ok(number),
        Some(line) => {
            numbers.insert(number, line);
            let reason = format!("line {line} has this number of this order already");
            let problem = row.problem("line_number", reason);
            row.note(&problem);
            Err(problem)
        }
    });
    let product = row.demand(PRODUCT, |key| {
        let found = known.products.get(key).copied();
        found.ok_or_else(|| wrong(&known.dangling(FileKind::Products, key)))
    });
    let quantity = row.demand("quantity", |text| {
        text.parse::<i64>()
            .ok()
            .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity))
            .ok_or_else(|| wrong("not a whole number from 1 to 1000000"))
    });
    let unit_price_minor = row.demand("unit_price", |price| amount(price, currency));
    let unit_cost_minor = row.parse("unit_cost", |cost| amount(cost, currency));
    let discount_bp = row.parse("discount_rate", rate_bp);
    let (number, product, quantity) = (number?, product?, quantity?);
    let (unit_price_minor, unit_cost_minor) = (unit_price_minor?, unit_cost_minor?);
    let discount_bp = discount_bp?.unwrap_or_default();
    Ok(Line {
        number,
        product,
        quantity,
        unit_price_minor,
        unit_cost_minor,
        discount_bp,
    })
}
