//! The floor on SQLite. A list of ids has 20 places; those left over hold the nil UUID, which no row has.

use entity::{ClientId, ContactId, OrderId, OrderLineId};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{self, AssertSqlSafe, Row, Sqlite, SqlitePool};
use uuid::Uuid;

use super::answers::{
    Client, Clients, Contact, Created, Hit, HomeClient, HomeContact, HomeOrder, Line, Money, Nodes,
    OneClient, Order, Page, Tier, nest,
};
use super::order::{NewOrder, OrderInput, Product, Terms};
use super::postgres::events;
use super::reads::reads;
use crate::{Result, store};

const PLACES: usize = 20;

macro_rules! twenty {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?),(?)",
            $after
        )
    };
}

const HOME: &str = "SELECT c.id, c.name, t.code, t.name FROM clients c \
    LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = s.tier_id \
    WHERE c.owner_id = ? AND c.archived_at IS NULL ORDER BY c.name_sort, c.id LIMIT 21";

const HOME_CONTACTS: &str = twenty!(
    "WITH p(id) AS (VALUES ",
    ") SELECT p.id, k.id, k.name, k.title FROM p CROSS JOIN contacts k ON k.rowid IN \
    (SELECT x.rowid FROM contacts x WHERE x.client_id = p.id AND x.archived_at IS NULL \
    ORDER BY x.name_sort, x.id LIMIT 2) ORDER BY k.name_sort, k.id"
);

const HOME_ORDERS: &str = twenty!(
    "WITH p(id) AS (VALUES ",
    ") SELECT p.id, o.id, o.number, o.status, o.placed_on, o.total_minor, o.currency FROM p CROSS JOIN orders o \
    ON o.rowid IN (SELECT x.rowid FROM orders x WHERE x.client_id = p.id \
    ORDER BY x.placed_on DESC, x.id DESC LIMIT 3) ORDER BY o.placed_on DESC, o.id DESC"
);

const CLIENT: &str = "SELECT c.name, c.kind, c.lifecycle, c.phone, c.email, c.currency, t.code, t.name \
    FROM clients c LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = s.tier_id \
    WHERE c.id = ? AND c.owner_id = ?";

const CONTACTS: &str = "SELECT id, name, title, is_key FROM contacts \
    WHERE client_id = ? AND archived_at IS NULL ORDER BY name_sort, id LIMIT 100";

const ORDERS: &str = "SELECT id, number, status, placed_on, due_on, total_minor, currency FROM orders \
    WHERE client_id = ? ORDER BY placed_on DESC, id DESC LIMIT 20";

const LINES: &str = twenty!(
    "WITH p(id) AS (VALUES ",
    ") SELECT l.order_id, l.id, l.product_name, l.sku, l.quantity, l.unit_price_minor, l.net_minor \
    FROM p CROSS JOIN order_lines l ON l.order_id = p.id ORDER BY l.order_id, l.line_number"
);

const SEARCH: &str = "SELECT id, name, lifecycle, phone, email FROM clients \
    WHERE owner_id = ? AND archived_at IS NULL AND search_text LIKE ? ESCAPE '\\' \
    ORDER BY name_sort, id LIMIT 21";

const HOLD: &str = "SELECT c.currency, c.archived_at IS NOT NULL, COALESCE(c.payment_term_days, t.payment_term_days), \
    COALESCE(c.credit_limit_minor, CASE WHEN t.credit_limit_currency = c.currency THEN t.credit_limit_minor END), \
    t.discount_bp, COALESCE(s.receivable_minor, 0), a.street, a.city \
    FROM clients c LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = s.tier_id \
    LEFT JOIN addresses a ON a.client_id = c.id AND a.kind = 'SHIPPING' AND a.is_primary AND a.archived_at IS NULL \
    WHERE c.id = ? AND c.owner_id = ?";

const PRODUCTS: &str = twenty!(
    "SELECT id, name, sku, unit, list_price_minor, currency, is_active AND archived_at IS NULL FROM products \
    WHERE id IN (VALUES ",
    ")"
);

const ORDER: &str = "INSERT INTO orders (id, number, client_id, placed_by_id, status, currency, placed_on, due_on, \
    payment_term_days, lines_minor, discount_bp, discount_minor, freight_minor, total_minor, paid_minor, \
    returned_minor, ship_to_street, ship_to_city, submitted_at, version, created_at, updated_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, ?11, 0, 0, ?12, ?13, ?14, 1, ?14, ?14)";

const COUNT: &str = "UPDATE client_stats SET order_count = order_count + 1, \
    first_order_on = COALESCE(first_order_on, ?2), last_order_on = MAX(COALESCE(last_order_on, ?2), ?2), \
    lifetime_revenue_minor = lifetime_revenue_minor + ?3, trailing_revenue_minor = trailing_revenue_minor + ?3, \
    trailing_until_on = COALESCE(trailing_until_on, date(?2, '+365 days')), receivable_minor = receivable_minor + ?4, \
    cycle_days = CASE WHEN order_count > 0 THEN \
    CAST(julianday(MAX(last_order_on, ?2)) - julianday(first_order_on) AS INTEGER) / order_count END, \
    updated_at = ?5 WHERE client_id = ?1";

pub(super) struct Rows {
    read: SqlitePool,
    write: SqlitePool,
}

fn of_ids<'q>(sql: &'static str, ids: &'q [Uuid]) -> Query<'q, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(sql);
    for at in 0..PLACES {
        query = query.bind(ids.get(at).copied().unwrap_or(Uuid::nil()));
    }
    query
}

reads!();

/// `count` tuples of places, each of `width`.
fn tuples(count: usize, width: usize) -> String {
    let one = format!("({})", vec!["?"; width].join(", "));
    vec![one; count].join(", ")
}

impl Rows {
    pub(super) async fn open(url: &str) -> Result<Self> {
        Ok(Self {
            write: store::sqlite(url, true).await?,
            read: store::sqlite(url, false).await?,
        })
    }

    pub(super) async fn order(&self, user: Uuid, input: OrderInput) -> Result<Created> {
        let client = input.client_id.0;
        let mut tx = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query(HOLD)
            .bind(client)
            .bind(user)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or("no such client")?;
        let terms = Terms {
            currency: row.try_get(0)?,
            is_archived: row.try_get(1)?,
            term_days: row.try_get(2)?,
            limit_minor: row.try_get(3)?,
            discount_bp: row.try_get(4)?,
            owed_minor: row.try_get(5)?,
            street: row.try_get(6)?,
            city: row.try_get(7)?,
        };
        let ids: Vec<Uuid> = input.lines.iter().map(|line| line.product_id.0).collect();
        let mut products = Vec::with_capacity(ids.len());
        for row in of_ids(PRODUCTS, &ids).fetch_all(&mut *tx).await? {
            products.push(Product {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                sku: row.try_get(2)?,
                unit: row.try_get(3)?,
                price_minor: row.try_get(4)?,
                currency: row.try_get(5)?,
                is_sold: row.try_get(6)?,
            });
        }
        let order = NewOrder::work_out(&input.lines, &terms, &products)?;
        sqlx::query(ORDER)
            .bind(order.id)
            .bind(&order.number)
            .bind(client)
            .bind(user)
            .bind(order.status)
            .bind(&terms.currency)
            .bind(order.placed_on)
            .bind(order.due_on)
            .bind(order.term_days)
            .bind(order.lines_minor)
            .bind(order.total_minor)
            .bind(&terms.street)
            .bind(&terms.city)
            .bind(order.now)
            .execute(&mut *tx)
            .await?;
        let sql = format!(
            "INSERT INTO order_lines (id, order_id, client_id, line_number, product_id, product_name, sku, unit, \
            quantity, unit_price_minor, discount_bp, net_minor, returned_quantity) VALUES {}",
            tuples(order.lines.len(), 13)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (line_number, line) in (1_i64..).zip(&order.lines) {
            query = query
                .bind(line.id)
                .bind(order.id)
                .bind(client)
                .bind(line_number)
                .bind(line.product.id)
                .bind(&line.product.name)
                .bind(&line.product.sku)
                .bind(&line.product.unit)
                .bind(line.quantity)
                .bind(line.product.price_minor)
                .bind(order.discount_bp)
                .bind(line.net_minor)
                .bind(0_i64);
        }
        query.execute(&mut *tx).await?;
        let events = events(order.status);
        let sql = format!(
            "INSERT INTO order_events (id, order_id, client_id, kind, from_status, to_status, user_id, occurred_at) \
            VALUES {}",
            tuples(events.len(), 8)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (kind, before, after) in events {
            query = query
                .bind(Uuid::now_v7())
                .bind(order.id)
                .bind(client)
                .bind(kind)
                .bind(before)
                .bind(after)
                .bind(user)
                .bind(order.now);
        }
        query.execute(&mut *tx).await?;
        let sql = format!(
            "WITH l(id, quantity) AS (VALUES {}) UPDATE stock_levels SET reserved = reserved + l.quantity, \
            updated_at = ? FROM l WHERE product_id = l.id AND on_hand - reserved >= l.quantity",
            tuples(order.lines.len(), 2)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for line in &order.lines {
            query = query.bind(line.product.id).bind(line.quantity);
        }
        let promised = query.bind(order.now).execute(&mut *tx).await?;
        if usize::try_from(promised.rows_affected())? != order.lines.len() {
            return Err("there is not enough in stock".into());
        }
        if order.status == "APPROVED" {
            sqlx::query(COUNT)
                .bind(client)
                .bind(order.placed_on)
                .bind(order.lines_minor)
                .bind(order.total_minor)
                .bind(order.now)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        order.answer()
    }
}
