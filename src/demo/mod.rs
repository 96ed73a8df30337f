//! A sales team made up, to try the service with: people, clients, products and two years of orders up to
//! today. The same day gives the same team. Everything is worked out first, without a database, and then
//! written in one transaction.

mod book;
mod names;
mod random;
mod team;
mod trade;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use entity::{
    address, client, client_member, client_tag, contact, note, order, order_event, order_line,
    order_return, order_return_line, payment, product, product_category, stock_level,
    stock_movement, tier, tier_assignment, tier_scheme, user,
};
use sea_orm::IntoActiveModel;

use self::random::Random;
use crate::auth::passwords::Passwords;
use crate::db::{Database, Scoped, Tx, UnderClient};
use crate::error::Result;

pub use self::team::{ADMIN, DIRECTOR, LEAD, REP};

/// The password of everybody in the team.
pub const PASSWORD: &str = "clientele-demo";

/// What everything is billed in.
const CURRENCY: &str = "CNY";

/// How far back orders go, in days.
const HISTORY_DAYS: u64 = 730;

/// Any number does; another gives another team.
const SEED: u64 = 20_240_229;

/// All rows of the demonstration.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    users: Vec<user::Model>,
    categories: Vec<product_category::Model>,
    products: Vec<product::Model>,
    stock_levels: Vec<stock_level::Model>,
    stock_movements: Vec<stock_movement::Model>,
    tier_schemes: Vec<tier_scheme::Model>,
    tiers: Vec<tier::Model>,
    clients: Vec<client::Model>,
    tags: Vec<client_tag::Model>,
    members: Vec<client_member::Model>,
    addresses: Vec<address::Model>,
    notes: Vec<note::Model>,
    contacts: Vec<contact::Model>,
    orders: Vec<order::Model>,
    lines: Vec<order_line::Model>,
    events: Vec<order_event::Model>,
    returns: Vec<order_return::Model>,
    return_lines: Vec<order_return_line::Model>,
    payments: Vec<payment::Model>,
    tier_assignments: Vec<tier_assignment::Model>,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Users.
    pub users: usize,
    /// Clients.
    pub clients: usize,
    /// Products.
    pub products: usize,
    /// Orders.
    pub orders: usize,
}

/// Fills an empty, migrated database with the team as it is on `today`.
///
/// # Errors
/// `CONFLICT` when the database is not empty; from the database.
pub async fn fill(database: &Database, today: NaiveDate) -> Result<Summary> {
    let rows = rows(today);
    let summary = Summary {
        users: rows.users.len(),
        clients: rows.clients.len(),
        products: rows.products.len(),
        orders: rows.orders.len(),
    };
    // Everybody has the same password, so one hash will do.
    let hash = Passwords::new()?.hash(PASSWORD).await?;
    let rows = std::sync::Arc::new(rows);
    database
        .as_system("demo")
        .write(move |tx| {
            let (rows, hash) = (std::sync::Arc::clone(&rows), hash.clone());
            async move { write(&tx, Rows::clone(&rows), &hash).await }
        })
        .await?;
    Ok(summary)
}

/// Whether a team is there already.
///
/// # Errors
/// From the database.
pub async fn is_filled(database: &Database) -> Result<bool> {
    let session = database.as_system("demo");
    session.select::<user::Entity>().exists().await
}

fn rows(today: NaiveDate) -> Rows {
    let mut rows = Rows::default();
    let mut random = Random::new(SEED);
    let calendar = Calendar { today };
    team::make(&mut rows, &mut random, calendar);
    trade::make_products(&mut rows, &mut random, calendar);
    let buyers = book::make(&mut rows, &mut random, calendar);
    trade::make_orders(&mut rows, &mut random, calendar, &buyers);
    trade::make_tiers(&mut rows, &mut random, calendar, &buyers);
    rows
}

async fn write(tx: &Tx, rows: Rows, hash: &str) -> Result<()> {
    let Rows {
        users,
        categories,
        products,
        stock_levels,
        stock_movements,
        tier_schemes,
        tiers,
        clients,
        tags,
        members,
        addresses,
        notes,
        contacts,
        orders,
        lines,
        events,
        returns,
        return_lines,
        payments,
        tier_assignments,
    } = rows;
    tx.lock_tree().await?;
    for user in users {
        let (id, manager) = (user.id, user.manager_id);
        tx.insert::<user::Entity>(user.into_active_model()).await?;
        tx.tree_insert(id, manager).await?;
        tx.store_password(id, hash).await?;
    }
    insert::<product_category::Entity>(tx, categories).await?;
    insert::<product::Entity>(tx, products).await?;
    insert::<stock_level::Entity>(tx, stock_levels).await?;
    insert::<tier_scheme::Entity>(tx, tier_schemes).await?;
    insert::<tier::Entity>(tx, tiers).await?;
    let ids: Vec<_> = clients.iter().map(|client| client.id).collect();
    insert::<client::Entity>(tx, clients).await?;
    let held = tx.lock_clients(&ids).await?;
    insert_across::<client_tag::Entity>(tx, &held, tags).await?;
    insert_across::<client_member::Entity>(tx, &held, members).await?;
    insert_across::<address::Entity>(tx, &held, addresses).await?;
    insert_across::<note::Entity>(tx, &held, notes).await?;
    insert_across::<contact::Entity>(tx, &held, contacts).await?;
    insert_across::<order::Entity>(tx, &held, orders).await?;
    insert_across::<order_line::Entity>(tx, &held, lines).await?;
    insert_across::<order_event::Entity>(tx, &held, events).await?;
    insert_across::<order_return::Entity>(tx, &held, returns).await?;
    insert_across::<order_return_line::Entity>(tx, &held, return_lines).await?;
    insert_across::<payment::Entity>(tx, &held, payments).await?;
    insert_across::<tier_assignment::Entity>(tx, &held, tier_assignments).await?;
    // After the orders they name.
    insert::<stock_movement::Entity>(tx, stock_movements).await?;
    tx.refresh_stats_of(&held).await
}

async fn insert<E: Scoped>(tx: &Tx, rows: Vec<E::Model>) -> Result<()>
where
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    tx.insert_all::<E>(rows.collect()).await?;
    Ok(())
}

async fn insert_across<E: UnderClient>(
    tx: &Tx,
    held: &[crate::db::LockedClient],
    rows: Vec<E::Model>,
) -> Result<()>
where
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    tx.insert_across::<E>(held, rows.collect()).await?;
    Ok(())
}

/// The days of the demonstration.
#[derive(Clone, Copy)]
struct Calendar {
    today: NaiveDate,
}

impl Calendar {
    /// The day so many days ago.
    fn ago(self, days: i64) -> NaiveDate {
        let days = u64::try_from(days).unwrap_or_default();
        self.today
            .checked_sub_days(Days::new(days))
            .unwrap_or(self.today)
    }

    /// So many days after `day`.
    fn after(day: NaiveDate, days: i64) -> NaiveDate {
        let days = u64::try_from(days).unwrap_or_default();
        day.checked_add_days(Days::new(days)).unwrap_or(day)
    }

    /// How many days ago `day` was.
    fn age(self, day: NaiveDate) -> i64 {
        self.today.signed_duration_since(day).num_days()
    }

    /// An instant of that day in working hours in China; never one still to come.
    fn at(self, day: NaiveDate, minute: i64) -> DateTime<Utc> {
        let midnight = day.and_time(NaiveTime::MIN).and_utc();
        if day >= self.today {
            return self.today.and_time(NaiveTime::MIN).and_utc();
        }
        midnight + chrono::TimeDelta::minutes(60 + minute.rem_euclid(480))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap_or_default()
    }

    #[test]
    fn the_same_day_gives_the_same_team() {
        let today = day("2026-11-22");
        assert_eq!(rows(today), rows(today));
    }

    #[test]
    fn the_team_is_believable() {
        let rows = rows(day("2026-11-22"));
        assert_eq!(rows.users.len(), 12);
        assert_eq!(rows.clients.len(), 240);
        assert_eq!(rows.products.len(), 60);
        assert!(
            (1_000..4_000).contains(&rows.orders.len()),
            "{}",
            rows.orders.len()
        );
        assert!(
            rows.orders
                .iter()
                .all(|order| order.placed_on <= day("2026-11-22"))
        );
        assert!(
            rows.orders
                .iter()
                .any(|order| order.placed_on >= day("2026-11-15"))
        );
        assert!(!rows.returns.is_empty() && !rows.payments.is_empty());
    }

    #[test]
    fn amounts_add_up() {
        let rows = rows(day("2026-11-22"));
        for order in &rows.orders {
            let lines = rows.lines.iter().filter(|line| line.order_id == order.id);
            let sum: i64 = lines.map(|line| line.net_minor).sum();
            assert_eq!(order.lines_minor, sum);
            assert_eq!(
                order.total_minor,
                sum - order.discount_minor + order.freight_minor
            );
            assert!(order.paid_minor + order.returned_minor <= order.total_minor);
        }
        for payment in &rows.payments {
            assert!(payment.amount_minor > 0 && payment.paid_on <= day("2026-11-22"));
        }
    }

    #[test]
    fn stock_is_what_its_movements_say() {
        let rows = rows(day("2026-11-22"));
        for level in &rows.stock_levels {
            let movements = rows
                .stock_movements
                .iter()
                .filter(|movement| movement.product_id == level.product_id);
            let sum: i64 = movements.map(|movement| movement.on_hand_delta).sum();
            assert_eq!(level.on_hand, sum);
            assert!(level.reserved >= 0 && level.on_hand >= level.reserved);
        }
    }
}
