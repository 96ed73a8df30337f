//! The floor on PostgreSQL.

use entity::{ClientId, ContactId, OrderId, OrderLineId};
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, PgPool, Postgres, Row};
use uuid::Uuid;

use super::answers::{
    Client, Clients, Contact, Created, Hit, HomeClient, HomeContact, HomeOrder, Line, Money, Nodes,
    OneClient, Order, Page, Tier, nest,
};
use super::order::{NewOrder, OrderInput, Product, Terms};
use super::reads::reads;
use crate::{Result, store};

const HOME: &str = "SELECT c.id, c.name, t.code, t.name FROM clients c \
    LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = s.tier_id \
    WHERE c.owner_id = $1 AND c.archived_at IS NULL ORDER BY c.name_sort, c.id LIMIT 21";

const HOME_CONTACTS: &str = "SELECT p.id, k.id, k.name, k.title FROM unnest($1::uuid[]) p(id) CROSS JOIN LATERAL \
    (SELECT id, name, title FROM contacts WHERE client_id = p.id AND archived_at IS NULL \
    ORDER BY name_sort, id LIMIT 2) k";

const HOME_ORDERS: &str = "SELECT p.id, o.id, o.number, o.status, o.placed_on, o.total_minor, o.currency \
    FROM unnest($1::uuid[]) p(id) CROSS JOIN LATERAL \
    (SELECT id, number, status, placed_on, total_minor, currency FROM orders WHERE client_id = p.id \
    ORDER BY placed_on DESC, id DESC LIMIT 3) o";

const CLIENT: &str = "SELECT c.name, c.kind, c.lifecycle, c.phone, c.email, c.currency, t.code, t.name \
    FROM clients c LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = s.tier_id \
    WHERE c.id = $1 AND c.owner_id = $2";

const CONTACTS: &str = "SELECT id, name, title, is_key FROM contacts \
    WHERE client_id = $1 AND archived_at IS NULL ORDER BY name_sort, id LIMIT 100";

const ORDERS: &str = "SELECT id, number, status, placed_on, due_on, total_minor, currency FROM orders \
    WHERE client_id = $1 ORDER BY placed_on DESC, id DESC LIMIT 20";

const LINES: &str = "SELECT order_id, id, product_name, sku, quantity, unit_price_minor, net_minor \
    FROM order_lines WHERE order_id = ANY($1::uuid[]) ORDER BY order_id, line_number";

const SEARCH: &str = "SELECT id, name, lifecycle, phone, email FROM clients \
    WHERE owner_id = $1 AND archived_at IS NULL AND search_text LIKE $2 ESCAPE '\\' \
    ORDER BY name_sort, id LIMIT 21";

const HOLD: &str = "SELECT c.currency, c.archived_at IS NOT NULL, COALESCE(c.payment_term_days, t.payment_term_days), \
    COALESCE(c.credit_limit_minor, CASE WHEN t.credit_limit_currency = c.currency THEN t.credit_limit_minor END), \
    t.discount_bp, COALESCE(s.receivable_minor, 0), a.street, a.city \
    FROM clients c LEFT JOIN client_stats s ON s.client_id = c.id LEFT JOIN tiers t ON t.id = s.tier_id \
    LEFT JOIN addresses a ON a.client_id = c.id AND a.kind = 'SHIPPING' AND a.is_primary AND a.archived_at IS NULL \
    WHERE c.id = $1 AND c.owner_id = $2 FOR UPDATE OF c";

const PRODUCTS: &str = "SELECT id, name, sku, unit, list_price_minor, currency, is_active AND archived_at IS NULL \
    FROM products WHERE id = ANY($1::uuid[])";

const WRITE: &str = "WITH placed AS (\
    INSERT INTO orders (id, number, client_id, placed_by_id, status, currency, placed_on, due_on, \
    payment_term_days, lines_minor, discount_bp, discount_minor, freight_minor, total_minor, paid_minor, \
    returned_minor, ship_to_street, ship_to_city, submitted_at, version, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, $11, 0, 0, $12, $13, $14, 1, $14, $14)), \
    lined AS (\
    INSERT INTO order_lines (id, order_id, client_id, line_number, product_id, product_name, sku, unit, quantity, \
    unit_price_minor, discount_bp, net_minor, returned_quantity) \
    SELECT l.id, $1, $3, l.at, l.product_id, l.name, l.sku, l.unit, l.quantity, l.price, $15, l.net, 0 \
    FROM unnest($16::uuid[], $17::uuid[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::bigint[], \
    $23::bigint[]) WITH ORDINALITY AS l(id, product_id, name, sku, unit, quantity, price, net, at)), \
    noted AS (\
    INSERT INTO order_events (id, order_id, client_id, kind, from_status, to_status, user_id, occurred_at) \
    SELECT e.id, $1, $3, e.kind, e.before, e.after, $4, $14 \
    FROM unnest($24::uuid[], $25::text[], $26::text[], $27::text[]) AS e(id, kind, before, after)), \
    counted AS (\
    UPDATE client_stats SET order_count = order_count + 1, first_order_on = COALESCE(first_order_on, $7), \
    last_order_on = GREATEST(last_order_on, $7), lifetime_revenue_minor = lifetime_revenue_minor + $10, \
    trailing_revenue_minor = trailing_revenue_minor + $10, \
    trailing_until_on = COALESCE(trailing_until_on, $7 + 365), receivable_minor = receivable_minor + $11, \
    cycle_days = CASE WHEN order_count > 0 THEN (GREATEST(last_order_on, $7) - first_order_on) / order_count END, \
    updated_at = $14 WHERE client_id = $3 AND $5 = 'APPROVED'), \
    locked AS (SELECT product_id FROM stock_levels WHERE product_id = ANY($17::uuid[]) ORDER BY product_id FOR UPDATE), \
    promised AS (\
    UPDATE stock_levels k SET reserved = k.reserved + l.quantity, updated_at = $14 \
    FROM unnest($17::uuid[], $21::bigint[]) AS l(product_id, quantity), locked \
    WHERE k.product_id = l.product_id AND locked.product_id = k.product_id \
    AND k.on_hand - k.reserved >= l.quantity RETURNING k.product_id) \
    SELECT COUNT(*) FROM promised";

pub(super) struct Rows {
    read: PgPool,
}

fn of_ids<'q>(sql: &'static str, ids: &'q [Uuid]) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql).bind(ids)
}

reads!();

impl Rows {
    pub(super) async fn open(url: &str) -> Result<Self> {
        Ok(Self {
            read: store::postgres(url).await?,
        })
    }

    pub(super) async fn order(&self, user: Uuid, input: OrderInput) -> Result<Created> {
        let client = input.client_id.0;
        let mut tx = self.read.begin().await?;
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
        let lines = &order.lines;
        let words = |word: fn(&Product) -> &str| -> Vec<&str> {
            lines.iter().map(|line| word(line.product)).collect()
        };
        let events = events(order.status);
        let promised: i64 = sqlx::query_scalar(WRITE)
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
            .bind(order.discount_bp)
            .bind(lines.iter().map(|line| line.id).collect::<Vec<_>>())
            .bind(lines.iter().map(|line| line.product.id).collect::<Vec<_>>())
            .bind(words(|product| &product.name))
            .bind(words(|product| &product.sku))
            .bind(words(|product| &product.unit))
            .bind(lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
            .bind(
                lines
                    .iter()
                    .map(|line| line.product.price_minor)
                    .collect::<Vec<_>>(),
            )
            .bind(lines.iter().map(|line| line.net_minor).collect::<Vec<_>>())
            .bind(events.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.0).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.1).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.2).collect::<Vec<_>>())
            .fetch_one(&mut *tx)
            .await?;
        if usize::try_from(promised)? != lines.len() {
            return Err("there is not enough in stock".into());
        }
        tx.commit().await?;
        order.answer()
    }
}

/// What happens to a new order that ends in `status`: kind, before, after.
pub(super) fn events(
    status: &str,
) -> Vec<(&'static str, Option<&'static str>, Option<&'static str>)> {
    let mut events = vec![
        ("CREATED", None, None),
        ("SUBMITTED", Some("DRAFT"), Some("SUBMITTED")),
    ];
    if status == "APPROVED" {
        events.push(("APPROVED", Some("SUBMITTED"), Some("APPROVED")));
    }
    events
}
