//! Facts derived from a client's subtree that lists sort and filter by, worked out from the rows by one
//! statement, in the transaction that changes them.
//!
//! An order counts once it is approved. Revenue is what its lines come to after discounts, less returns;
//! freight is not revenue. The margin is revenue less the cost of the goods sold; it is not known where that is not
//! known of one of the orders. The receivable is what is billed, less payments and returns. The cycle is the
//! mean number of days between orders. The trailing year is the 365 days up to and including today (UTC).

use chrono::{Days, NaiveDate};
use entity::ClientId;
use sea_orm::{DbBackend, Statement, Value};

use super::dialect;
use super::session::Session;
use super::tx::{LockedClient, Tx};
use crate::error::Result;

/// Statuses of orders that count.
const BOOKED: &str = "('APPROVED', 'IN_PRODUCTION', 'SHIPPED', 'DELIVERED', 'RETURNED')";

/// Length of the trailing year in days.
const TRAILING_DAYS: u64 = 365;

impl Tx {
    /// Works out the statistics of `client` anew.
    ///
    /// # Errors
    /// From the database.
    pub async fn refresh_stats(&self, client: &LockedClient) -> Result<()> {
        self.refresh(&[client.id]).await
    }

    /// Works out the statistics of many clients anew. The caller holds them
    /// ([`Tx::lock_clients`]).
    ///
    /// # Errors
    /// From the database.
    pub async fn refresh_stats_of(&self, clients: &[LockedClient]) -> Result<()> {
        let ids: Vec<ClientId> = clients.iter().map(|client| client.id).collect();
        for chunk in ids.chunks(1_000) {
            self.refresh(chunk).await?;
        }
        Ok(())
    }

    pub(super) async fn refresh(&self, ids: &[ClientId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let today = self.now().date_naive();
        let mut values: Vec<Value> = vec![cut(today).into(), self.now().into()];
        let mut places = Vec::with_capacity(ids.len());
        for id in ids {
            values.push((*id).into());
            places.push(format!("${}", values.len()));
        }
        let sql = upsert(self.backend(), &places.join(", "));
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        self.execute_raw(statement).await?;
        self.tell_of_clients(ids.iter().copied());
        Ok(())
    }
}

impl Session {
    /// Clients whose statistics are out of date by the passing of time: an order left the trailing year,
    /// or a tier override expired. At most `limit`.
    ///
    /// # Errors
    /// From the database.
    pub async fn clients_with_stale_stats(&self, limit: u64) -> Result<Vec<ClientId>> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT client_id FROM client_stats WHERE trailing_until_on <= $1 UNION \
             SELECT client_id FROM tier_assignments WHERE expires_at <= $2 AND ended_at IS NULL \
             LIMIT $3",
            [
                self.now().date_naive().into(),
                self.now().into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        );
        self.query_all_raw(statement)
            .await?
            .iter()
            .map(|row| Ok(row.try_get("", "client_id")?))
            .collect()
    }
}

/// The last day before the trailing year that ends today.
fn cut(today: NaiveDate) -> NaiveDate {
    today
        .checked_sub_days(Days::new(TRAILING_DAYS))
        .unwrap_or(NaiveDate::MIN)
}

fn upsert(backend: DbBackend, ids: &str) -> String {
    let revenue = "o.lines_minor - o.discount_minor - o.returned_minor";
    let lifetime = dialect::sum(backend, revenue);
    let trailing = dialect::sum(
        backend,
        &format!("CASE WHEN o.placed_on > $1 THEN {revenue} END"),
    );
    let margin = dialect::sum(
        backend,
        &format!("CASE WHEN o.placed_on > $1 THEN {revenue} - o.cost_minor END"),
    );
    let unknown = "CASE WHEN o.placed_on > $1 AND o.cost_minor IS NULL THEN 1 END";
    let receivable = dialect::sum(backend, "o.total_minor - o.paid_minor - o.returned_minor");
    let until = dialect::add_days(
        backend,
        "MIN(CASE WHEN o.placed_on > $1 THEN o.placed_on END)",
        TRAILING_DAYS,
    );
    let span = dialect::days_between(backend, "MIN(o.placed_on)", "MAX(o.placed_on)");
    format!(
        "INSERT INTO client_stats (client_id, order_count, first_order_on, last_order_on, \
         lifetime_revenue_minor, trailing_revenue_minor, trailing_margin_minor, trailing_until_on, receivable_minor, \
         cycle_days, tier_id, updated_at) \
         SELECT c.id, COUNT(o.id), MIN(o.placed_on), MAX(o.placed_on), {lifetime}, {trailing}, \
         CASE WHEN COUNT({unknown}) = 0 THEN {margin} END, {until}, \
         {receivable}, CASE WHEN COUNT(o.id) > 1 THEN {span} / (COUNT(o.id) - 1) END, \
         (SELECT a.tier_id FROM tier_assignments a JOIN tier_schemes s ON s.id = a.scheme_id \
          WHERE a.client_id = c.id AND s.is_default AND s.archived_at IS NULL AND a.ended_at IS NULL \
          AND (a.expires_at IS NULL OR a.expires_at > $2) \
          ORDER BY CASE WHEN a.kind = 'OVERRIDE' THEN 0 ELSE 1 END, a.assigned_at DESC, a.id DESC LIMIT 1), $2 \
         FROM clients c LEFT JOIN orders o ON o.client_id = c.id AND o.status IN {BOOKED} \
         WHERE c.id IN ({ids}) GROUP BY c.id \
         ON CONFLICT (client_id) DO UPDATE SET order_count = excluded.order_count, \
         first_order_on = excluded.first_order_on, last_order_on = excluded.last_order_on, \
         lifetime_revenue_minor = excluded.lifetime_revenue_minor, \
         trailing_revenue_minor = excluded.trailing_revenue_minor, \
         trailing_margin_minor = excluded.trailing_margin_minor, \
         trailing_until_on = excluded.trailing_until_on, receivable_minor = excluded.receivable_minor, \
         cycle_days = excluded.cycle_days, tier_id = excluded.tier_id, updated_at = excluded.updated_at \
         WHERE (client_stats.order_count, client_stats.first_order_on, client_stats.last_order_on, \
         client_stats.lifetime_revenue_minor, client_stats.trailing_revenue_minor, \
         client_stats.trailing_margin_minor, client_stats.trailing_until_on, client_stats.receivable_minor, client_stats.cycle_days, \
         client_stats.tier_id) IS DISTINCT FROM (excluded.order_count, excluded.first_order_on, \
         excluded.last_order_on, excluded.lifetime_revenue_minor, excluded.trailing_revenue_minor, \
         excluded.trailing_margin_minor, excluded.trailing_until_on, excluded.receivable_minor, excluded.cycle_days, excluded.tier_id)"
    )
}
