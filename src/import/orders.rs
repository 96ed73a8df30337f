//! `orders.csv`, with the lines of `order_lines.csv`: orders as history. An order goes in whole or not at all.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use entity::{ClientId, OrderStatus, ProductId, UserId, order, order_line, product};

use super::clients::{know_clients, know_users};
use super::lines::{self, Line};
use super::read::{Columns, Problem, Row, Table, amount, day, wrong};
use super::{FileKind, KnownClient, Planned, Run, by_key, key_problem, look_up, values_of};
use crate::db::{Tx, Visible};
use crate::domain::money::CurrencyCode;
use crate::domain::orders::{self, ImportedLine, ImportedOrder, ShipTo};
use crate::domain::text;
use crate::error::{Error, Result};

pub(super) const COLUMNS: Columns = Columns {
    required: &["external_id", "client_external_id", "placed_on"],
    optional: &[
        "placed_by_external_id",
        "required_on",
        "shipped_on",
        "freight",
        "currency",
        "ship_to_name",
        "ship_to_street",
        "ship_to_city",
        "ship_to_region",
        "ship_to_postal_code",
        "ship_to_country",
    ],
};

const KIND: FileKind = FileKind::Orders;
const CLIENT: &str = "client_external_id";
const PLACED_BY: &str = "placed_by_external_id";

/// An order to write.
#[derive(Clone)]
struct Work {
    client_id: ClientId,
    head: Head,
    lines: Vec<Line>,
    is_new: bool,
    /// Whether `orders.csv` has a row for it.
    has_row: bool,
    /// How its lines in the file go in: created, updated, unchanged.
    counts: (usize, usize, usize),
}

/// An order without its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    placed_by: UserId,
    placed_on: NaiveDate,
    required_on: Option<NaiveDate>,
    shipped_on: Option<NaiveDate>,
    freight_minor: i64,
    ship_to: ShipTo,
}

impl Head {
    fn of(order: &order::Model) -> Self {
        Self {
            placed_by: order.placed_by_id,
            placed_on: order.placed_on,
            required_on: order.required_on,
            shipped_on: order.shipped_on,
            freight_minor: order.freight_minor,
            ship_to: ShipTo::of(order),
        }
    }
}

/// What is in the database of the orders that the files name.
struct Present {
    orders: HashMap<String, Visible<order::Model>>,
    lines: HashMap<entity::OrderId, Vec<Visible<order_line::Model>>>,
}

impl Present {
    fn lines_of(&self, order: &order::Model) -> Vec<Line> {
        let rows = self.lines.get(&order.id);
        rows.into_iter()
            .flatten()
            .map(|row| Line::of(row))
            .collect()
    }
}

pub(super) async fn import(run: &mut Run<'_>) -> Result<()> {
    let orders_table = run.take(KIND);
    let lines_table = run.take(lines::KIND);
    if orders_table.is_none() && lines_table.is_none() {
        return Ok(());
    }
    let session = run.session.clone();
    let mut keys = Vec::new();
    if let Some(table) = &orders_table {
        keys.extend(values_of(table, "external_id"));
        know_clients(&session, &mut run.known, values_of(table, CLIENT)).await?;
        know_users(&session, &mut run.known, values_of(table, PLACED_BY)).await?;
    }
    if let Some(table) = &lines_table {
        keys.extend(values_of(table, lines::ORDER));
        lines::know_products(&session, &mut run.known, table).await?;
    }
    let rows = look_up::<order::Entity>(&session, order::Column::ExternalId, keys).await?;
    let ids: Vec<_> = rows.iter().map(|order| order.id).collect();
    let present = Present {
        lines: lines::present(&session, &ids).await?,
        orders: by_key(rows, |order| order.external_id.clone()),
    };
    let mut planned = plan(run, orders_table.as_ref(), lines_table.as_ref(), &present);
    // One client after the other: few rows are held at a time, and statistics are worked out once.
    planned.sort_by_key(|one| (one.work.client_id, one.line));
    let all: Vec<Planned<Work>> = planned.clone();
    let written = run
        .write(KIND, planned, 100, |tx, chunk| async move {
            write(&tx, &chunk).await
        })
        .await?;
    let went_in: HashSet<&str> = written.iter().map(|one| one.external_id.as_str()).collect();
    for one in &all {
        let (created, updated, unchanged) = one.work.counts;
        let is_written = went_in.contains(one.external_id.as_str());
        run.report.count(lines::KIND, |counts| {
            if is_written {
                counts.created += created;
                counts.updated += updated;
                counts.unchanged += unchanged;
            } else {
                counts.refused += created + updated + unchanged;
            }
        });
        if is_written && one.work.has_row {
            run.report.count(KIND, |counts| {
                if one.work.is_new {
                    counts.created += 1;
                } else {
                    counts.updated += 1;
                }
            });
        }
    }
    Ok(())
}

fn plan(
    run: &mut Run<'_>,
    orders_table: Option<&Table>,
    lines_table: Option<&Table>,
    present: &Present,
) -> Vec<Planned<Work>> {
    let mut line_rows = lines_table.map(lines::by_order).unwrap_or_default();
    let mut seen = HashMap::new();
    let mut planned = Vec::new();
    for row in orders_table.into_iter().flat_map(Table::rows) {
        let key = row.raw("external_id");
        if let Some(problem) = key_problem(row, key, &mut seen) {
            run.refuse(KIND, row.line, "", problem);
            continue;
        }
        let rows = line_rows.remove(key);
        match plan_row(run, row, rows.as_deref(), present) {
            Ok(Some(work)) => planned.push(Planned {
                line: row.line,
                external_id: key.to_owned(),
                work,
            }),
            Ok(None) => {
                run.report.count(KIND, |counts| counts.unchanged += 1);
                let count = rows.map_or(0, |rows| rows.len());
                run.report
                    .count(lines::KIND, |counts| counts.unchanged += count);
            }
            Err(mut problem) => {
                if problem.column.is_empty() {
                    problem = Problem::new("external_id", key, problem.reason);
                }
                run.refuse_row(KIND, row, key, problem);
            }
        }
    }
    // What is left are lines of orders that only the database knows, if anybody does.
    let mut rest: Vec<(&str, Vec<Row<'_>>)> = line_rows.into_iter().collect();
    rest.sort_by_key(|(_, rows)| rows.first().map(|row| row.line));
    for (key, rows) in rest {
        planned.extend(plan_lines_only(run, key, &rows, present));
    }
    planned
}

/// Reads an order with its lines. When it is refused, so are its lines.
fn plan_row(
    run: &mut Run<'_>,
    row: Row<'_>,
    line_rows: Option<&[Row<'_>]>,
    present: &Present,
) -> Result<Option<Work>, Problem> {
    let existing = present.orders.get(row.raw("external_id"));
    let read = read_head(run, row, existing);
    let (client, head) = match read {
        Ok(read) => read,
        Err(problem) => {
            let count = line_rows.map_or(0, <[Row<'_>]>::len);
            run.report
                .count(lines::KIND, |counts| counts.refused += count);
            return Err(problem);
        }
    };
    let lines = match (line_rows, existing) {
        (Some(rows), _) => {
            let currency = CurrencyCode::parse(&client.currency)
                .map_err(|error| row.problem("currency", error.message()))?;
            let before = existing.map(|existing| present.lines_of(existing));
            lines::read(run, rows, currency, &before.unwrap_or_default())?
        }
        (None, Some(existing)) => present.lines_of(existing),
        (None, None) => return Err(row.problem("external_id", "this order has no lines")),
    };
    Ok(work(
        client.id,
        head,
        lines,
        line_rows.map_or(0, <[Row<'_>]>::len),
        existing,
        present,
    ))
}

fn read_head(
    run: &Run<'_>,
    row: Row<'_>,
    existing: Option<&Visible<order::Model>>,
) -> Result<(KnownClient, Head), Problem> {
    let known = &run.known;
    let client_key = row.demand(CLIENT, |key| Ok(key.to_owned()))?;
    let client = known
        .clients
        .get(&client_key)
        .ok_or_else(|| row.problem(CLIENT, known.dangling(FileKind::Clients, &client_key)))?
        .clone();
    if let Some(existing) = existing {
        if existing.client_id != client.id {
            return Err(row.problem(CLIENT, "this order belongs to another client already"));
        }
        if existing.submitted_at.is_some() || existing.status == OrderStatus::Draft {
            let reason = "the order with this id was placed here; an import does not overwrite it";
            return Err(row.problem("external_id", reason));
        }
    }
    let noted = |problem: Problem| {
        row.note(&problem);
        problem
    };
    let billed = CurrencyCode::parse(&client.currency)
        .map_err(|error| row.problem("currency", error.message()))?;
    let currency = row.parse("currency", |text| match CurrencyCode::parse(text)? {
        currency if currency == billed => Ok(currency),
        _ => Err(wrong(&format!("this client is billed in {billed}"))),
    });
    let placed_by = match row.text(PLACED_BY) {
        Some(key) => row.demand(PLACED_BY, |_| {
            let found = known.users.get(key).copied();
            found.ok_or_else(|| wrong(&known.dangling(FileKind::Reps, key)))
        }),
        None => existing
            .map(|order| order.placed_by_id)
            .or(client.owner_id)
            .ok_or_else(|| {
                let reason = "must not be empty: nobody answers for this client";
                noted(row.problem(PLACED_BY, reason))
            }),
    };
    let placed_on = row.demand("placed_on", day);
    let later = |column: &str| {
        row.parse(column, |text| {
            let day = day(text)?;
            match &placed_on {
                Ok(placed_on) if day < *placed_on => {
                    Err(wrong(&format!("before the order was placed ({placed_on})")))
                }
                _ => Ok(day),
            }
        })
    };
    let required_on = if row.has("required_on") {
        later("required_on")
    } else {
        Ok(existing.and_then(|order| order.required_on))
    };
    let shipped_on = later("shipped_on");
    let freight = row.parse("freight", |freight| amount(freight, billed));
    let former = existing.map(|order| ShipTo::of(order)).unwrap_or_default();
    let part = |column: &str, former: Option<String>, max: usize| {
        if row.has(column) {
            row.parse(column, |part| text::text(column, part, max))
        } else {
            Ok(former)
        }
    };
    let name = part("ship_to_name", former.name, 200);
    let street = if row.has("ship_to_street") {
        row.parse("ship_to_street", |street| {
            text::long_text("street", street, 500)
        })
    } else {
        Ok(former.street)
    };
    let city = part("ship_to_city", former.city, 100);
    let region = part("ship_to_region", former.region, 100);
    let postal_code = part("ship_to_postal_code", former.postal_code, 20);
    let country = part("ship_to_country", former.country, 100);
    // Only now may the first that is wrong end it: all of them are told.
    currency?;
    let (placed_by, placed_on, required_on) = (placed_by?, placed_on?, required_on?);
    let mut shipped_on = shipped_on?;
    if let (None, Some(existing)) = (shipped_on, existing)
        && (existing.status != OrderStatus::Approved || !row.has("shipped_on"))
    {
        // It was shipped here before the other system said so.
        shipped_on = existing.shipped_on;
    }
    let freight_minor = match freight? {
        Some(freight) => freight,
        None if row.has("freight") => 0,
        None => existing.map_or(0, |order| order.freight_minor),
    };
    let ship_to = ShipTo {
        name: name?,
        street: street?,
        city: city?,
        region: region?,
        postal_code: postal_code?,
        country: country?,
    };
    let head = Head {
        placed_by,
        placed_on,
        required_on,
        shipped_on,
        freight_minor,
        ship_to,
    };
    Ok((client, head))
}

/// Lines without a row of their order: they change the order that is there.
fn plan_lines_only(
    run: &mut Run<'_>,
    key: &str,
    rows: &[Row<'_>],
    present: &Present,
) -> Option<Planned<Work>> {
    let Some(existing) = present.orders.get(key) else {
        for row in rows {
            let problem = row.problem(lines::ORDER, run.known.dangling(KIND, key));
            run.refuse(lines::KIND, row.line, "", problem);
        }
        return None;
    };
    let currency = CurrencyCode::parse(&existing.currency).ok()?;
    let before = present.lines_of(existing);
    let lines = lines::read(run, rows, currency, &before).ok()?;
    let head = Head::of(existing);
    let line = rows.first().map_or(0, |row| row.line);
    let work = work(
        existing.client_id,
        head,
        lines,
        rows.len(),
        Some(existing),
        present,
    );
    let Some(mut work) = work else {
        run.report
            .count(lines::KIND, |counts| counts.unchanged += rows.len());
        return None;
    };
    work.has_row = false;
    Some(Planned {
        line,
        external_id: key.to_owned(),
        work,
    })
}

/// What is to be done; nothing when everything is so already. `in_file` of the lines have a row.
fn work(
    client_id: ClientId,
    head: Head,
    lines: Vec<Line>,
    in_file: usize,
    existing: Option<&Visible<order::Model>>,
    present: &Present,
) -> Option<Work> {
    let Some(existing) = existing else {
        let counts = (lines.len(), 0, 0);
        return Some(Work {
            client_id,
            head,
            lines,
            is_new: true,
            has_row: true,
            counts,
        });
    };
    let before = present.lines_of(existing);
    let same = lines
        .iter()
        .zip(&before)
        .filter(|(line, before)| line.equals(before))
        .count();
    if head == Head::of(existing) && same == lines.len() && same == before.len() {
        return None;
    }
    let counts = if in_file == 0 {
        (0, 0, 0)
    } else {
        let kept = lines.len().min(before.len());
        (lines.len() - kept, kept - same, same)
    };
    Some(Work {
        client_id,
        head,
        lines,
        is_new: false,
        has_row: true,
        counts,
    })
}

async fn write(tx: &Tx, chunk: &[Planned<Work>]) -> Result<()> {
    let mut clients: Vec<ClientId> = chunk.iter().map(|one| one.work.client_id).collect();
    clients.sort_unstable();
    clients.dedup();
    let mut products: Vec<ProductId> = chunk
        .iter()
        .flat_map(|one| one.work.lines.iter().map(|line| line.product))
        .collect();
    products.sort_unstable();
    products.dedup();
    let locked = tx.lock_clients(&clients).await?;
    let products: HashMap<ProductId, Visible<product::Model>> = tx
        .select::<product::Entity>()
        .ids(products)
        .all()
        .await?
        .into_iter()
        .map(|product| (product.id, product))
        .collect();
    for planned in chunk {
        let Work {
            client_id,
            head,
            lines,
            is_new: _,
            has_row: _,
            counts: _,
        } = planned.work.clone();
        let client = locked
            .iter()
            .find(|client| client.id == client_id)
            .ok_or_else(|| Error::not_found("client"))?;
        let lines = lines
            .into_iter()
            .map(|line| {
                let product = products
                    .get(&line.product)
                    .ok_or_else(|| Error::not_found("product"))?;
                Ok(ImportedLine {
                    product: product.clone(),
                    quantity: line.quantity,
                    unit_price_minor: line.unit_price_minor,
                    unit_cost_minor: line.unit_cost_minor,
                    discount_bp: line.discount_bp,
                })
            })
            .collect::<Result<_>>()?;
        let Head {
            placed_by,
            placed_on,
            required_on,
            shipped_on,
            freight_minor,
            ship_to,
        } = head;
        let imported = ImportedOrder {
            external_id: planned.external_id.clone(),
            placed_by,
            placed_on,
            required_on,
            shipped_on,
            freight_minor,
            ship_to,
            lines,
        };
        orders::import(tx, client, imported).await?;
    }
    tx.refresh_stats_of(&locked).await
}
