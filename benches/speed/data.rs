//! A company of any size, the same for the same size: users with everyone's reach, sessions, products with stock,
//! and clients with contacts, tiers, orders and statistics. What the service derives (sort keys, search texts,
//! order numbers, totals, statistics) is made by the service's own functions.
//!
//! Client `i` belongs to rep `i % reps`; every tenth client of a rep has 22 orders, the others two or three.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use clap::Args;
use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig};
use clientele::domain::{money, orders, text};
use entity::{ClientId, OrderId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::Result;
use crate::store::{self, Cell, Store, is_postgres};
use crate::words::{self, Chance};

/// Reps at most, unless said otherwise: each has 200 clients until there are so many.
const REPS: usize = 500;
const PRODUCTS: usize = 2_000;
/// Clients whose rows are made and written together.
const CHUNK: usize = 2_000;
/// Clients whose statistics are worked out in one transaction.
const STATS_CHUNK: usize = 5_000;
const CURRENCY: &str = "EUR";
const TIERS: [(&str, &str, i64); 4] = [
    ("A", "Gold", 1_000),
    ("B", "Silver", 500),
    ("C", "Bronze", 200),
    ("D", "Basic", 0),
];

#[derive(Clone, Debug, Args)]
pub(crate) struct Generate {
    /// The database to fill, which must be empty: sqlite://FILE or postgres://...
    #[arg(long, value_name = "URL")]
    pub(crate) database: String,
    /// How many clients
    #[arg(long, default_value_t = 10_000)]
    pub(crate) clients: usize,
    /// How many reps; one for 200 clients, at most 500, when absent
    #[arg(long)]
    pub(crate) reps: Option<usize>,
}

/// What a database holds; kept in it, so that a run finds its way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) clients: usize,
    pub(crate) reps: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Admin,
    Top,
    Manager,
    Rep,
    Session,
    Product,
    Scheme,
    Tier,
    Client,
}

/// When the company began: ids and instants count from here.
fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_735_689_600, 0).unwrap_or_default()
}

fn id(kind: Kind, number: usize) -> Uuid {
    let mut chance = Chance::new(((kind as u64) << 40) ^ number as u64);
    let since = beginning().timestamp_millis() as u64;
    chance.id(since + number as u64 * 50)
}

impl Company {
    pub(crate) fn rep(number: usize) -> Uuid {
        id(Kind::Rep, number)
    }

    pub(crate) fn session(number: usize) -> Uuid {
        id(Kind::Session, number)
    }

    pub(crate) fn product(number: usize) -> Uuid {
        id(Kind::Product, number % PRODUCTS)
    }

    /// The `nth` client of a rep.
    pub(crate) fn client(&self, rep: usize, nth: usize) -> Uuid {
        id(Kind::Client, nth * self.reps + rep)
    }

    /// How many clients each rep has at least.
    pub(crate) fn book(&self) -> usize {
        self.clients / self.reps
    }

    /// What is in the database, if it was made here.
    pub(crate) async fn of(url: &str) -> Result<Option<Self>> {
        drop(database(url).await?);
        let marker = "SELECT value FROM settings WHERE key = 'benchmark'";
        // One without tables holds nothing; what else is wrong shows when it is filled.
        let Ok(Some(text)) = Store::open(url).await?.text(marker).await else {
            return Ok(None);
        };
        database(url).await?.migrate().await?;
        Ok(Some(serde_json::from_str(&text)?))
    }
}

async fn database(url: &str) -> Result<Database> {
    let config = DatabaseConfig {
        statement_timeout: std::time::Duration::from_mins(10),
        ..DatabaseConfig::new(url, [0; 32])
    };
    Ok(Database::connect(&config, Clock::default()).await?)
}

/// Fills an empty database.
pub(crate) async fn generate(asked: &Generate) -> Result<Company> {
    let begun = Instant::now();
    let url = &asked.database;
    let company = Company {
        clients: asked.clients.max(1),
        reps: asked
            .reps
            .unwrap_or_else(|| (asked.clients / 200).clamp(1, REPS))
            .max(1),
    };
    // Makes the file.
    drop(database(url).await?);
    store::migrate_to_sync(url).await?;
    let mut store = Store::open(url).await?;
    if store
        .text("SELECT name FROM users LIMIT 1")
        .await?
        .is_some()
    {
        return Err("this database holds something already".into());
    }
    store.execute("BEGIN").await?;
    people(&mut store, company).await?;
    catalogue(&mut store).await?;
    let (sender, mut made) = mpsc::channel(2);
    let maker = tokio::task::spawn_blocking(move || -> Result<()> {
        for first in (0..company.clients).step_by(CHUNK) {
            let last = (first + CHUNK).min(company.clients);
            let mut book = Book::default();
            for number in first..last {
                book.add(company, number)?;
            }
            if sender.blocking_send(book).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut written = 0;
    while let Some(book) = made.recv().await {
        written += book.clients.len();
        book.write(&mut store).await?;
        if written % (CHUNK * 25) == 0 {
            eprintln!("{written} clients, {:.0} s", begun.elapsed().as_secs_f32());
        }
    }
    maker.await??;
    store.execute("COMMIT").await?;
    database(url).await?.migrate().await?;
    refresh_stats(url, company).await?;
    let marker = vec![
        Cell::Word("benchmark"),
        Cell::Text(serde_json::to_string(&company)?),
    ];
    store
        .add("settings", &["key", "value"], vec![marker])
        .await?;
    store
        .execute(if is_postgres(url) {
            "VACUUM ANALYZE"
        } else {
            "PRAGMA wal_checkpoint(TRUNCATE)"
        })
        .await?;
    eprintln!(
        "{} clients of {} reps in {:.0} s",
        company.clients,
        company.reps,
        begun.elapsed().as_secs_f32()
    );
    Ok(company)
}

/// Has the service work out the statistics of all clients.
async fn refresh_stats(url: &str, company: Company) -> Result<()> {
    let system = database(url).await?.as_system("benchmark data");
    for first in (0..company.clients).step_by(STATS_CHUNK) {
        let last = (first + STATS_CHUNK).min(company.clients);
        let ids: Arc<[ClientId]> = (first..last)
            .map(|number| ClientId(id(Kind::Client, number)))
            .collect();
        system
            .write(move |tx| {
                let ids = Arc::clone(&ids);
                async move {
                    let clients = tx.lock_clients(&ids).await?;
                    tx.refresh_stats_of(&clients).await
                }
            })
            .await?;
    }
    Ok(())
}

async fn people(store: &mut Store, company: Company) -> Result<()> {
    let now = beginning();
    let mut users = Vec::new();
    let mut reach = Vec::new();
    let mut sessions = Vec::new();
    let mut chance = Chance::new(1);
    // Each with those above, nearest first.
    let mut all = vec![
        (id(Kind::Admin, 0), "ADMIN", "admin".to_owned(), vec![]),
        (id(Kind::Top, 0), "MANAGER", "top".to_owned(), vec![]),
    ];
    for number in 0..company.reps.div_ceil(10) {
        let manager = (
            id(Kind::Manager, number),
            "MANAGER",
            format!("manager{number}"),
            vec![id(Kind::Top, 0)],
        );
        all.push(manager);
    }
    for number in 0..company.reps {
        let above = vec![id(Kind::Manager, number / 10), id(Kind::Top, 0)];
        all.push((id(Kind::Rep, number), "REP", format!("rep{number}"), above));
    }
    for (user, role, login, above) in all {
        let name = words::person(&mut chance);
        users.push(vec![
            Cell::Id(user),
            Cell::Text(format!("{login}@example.com")),
            Cell::Text(name.clone()),
            Cell::Text(text::name_sort(&name)),
            Cell::Word(role),
            above
                .first()
                .map_or(Cell::Null, |manager| Cell::Id(*manager)),
            Cell::Flag(false),
            Cell::Word("Europe/Berlin"),
            Cell::Word("EN"),
            Cell::Number(1),
            Cell::At(now),
            Cell::At(now),
        ]);
        for (depth, manager) in [user].iter().chain(&above).enumerate() {
            let depth = Cell::Number(depth as i64);
            reach.push(vec![Cell::Id(*manager), Cell::Id(user), depth]);
        }
    }
    let reps = (0..company.reps).map(claims);
    for (user, session) in reps.chain([admin(company)]) {
        let end = Cell::At(now + TimeDelta::days(36_500));
        sessions.push(vec![
            Cell::Id(session),
            Cell::Id(user),
            Cell::Word("benchmark"),
            Cell::Bytes(session.as_bytes().repeat(2)),
            Cell::At(now),
            Cell::At(now),
            Cell::At(now),
            end.clone(),
            end,
        ]);
    }
    let columns = [
        "id",
        "email",
        "name",
        "name_sort",
        "role",
        "manager_id",
        "is_pool_keeper",
        "time_zone",
        "locale",
        "version",
        "created_at",
        "updated_at",
    ];
    store.add("users", &columns, users).await?;
    let columns = ["manager_id", "user_id", "depth"];
    store.add("user_reach", &columns, reach).await?;
    let columns = [
        "id",
        "user_id",
        "device_name",
        "refresh_hash",
        "rotated_at",
        "created_at",
        "last_used_at",
        "idle_expires_at",
        "expires_at",
    ];
    store.add("sessions", &columns, sessions).await
}

fn price_minor(product: usize) -> i64 {
    Chance::new(product as u64).between(100, 20_000)
}

fn product_name(product: usize) -> String {
    words::goods(&mut Chance::new(77 + product as u64), product)
}

async fn catalogue(store: &mut Store) -> Result<()> {
    let now = beginning();
    let mut products = Vec::with_capacity(PRODUCTS);
    let mut levels = Vec::with_capacity(PRODUCTS);
    for number in 0..PRODUCTS {
        let name = product_name(number);
        let sku = format!("SKU-{number:05}");
        products.push(vec![
            Cell::Id(Company::product(number)),
            Cell::Text(sku.clone()),
            Cell::Text(name.clone()),
            Cell::Text(text::name_sort(&name)),
            Cell::Text(text::search_text(&[&name, &sku])),
            Cell::Word("piece"),
            Cell::Number(price_minor(number)),
            Cell::Word(CURRENCY),
            Cell::Flag(true),
            Cell::Flag(false),
            Cell::Number(0),
            Cell::Number(1),
            Cell::At(now),
            Cell::At(now),
        ]);
        levels.push(vec![
            Cell::Id(Company::product(number)),
            Cell::Number(900_000_000),
            Cell::Number(0),
            Cell::At(now),
        ]);
    }
    let columns = [
        "id",
        "sku",
        "name",
        "name_sort",
        "search_text",
        "unit",
        "list_price_minor",
        "currency",
        "is_active",
        "may_back_order",
        "reorder_level",
        "version",
        "created_at",
        "updated_at",
    ];
    store.add("products", &columns, products).await?;
    let columns = ["product_id", "on_hand", "reserved", "updated_at"];
    store.add("stock_levels", &columns, levels).await?;
    let scheme = vec![
        Cell::Id(id(Kind::Scheme, 0)),
        Cell::Word("Value"),
        Cell::Flag(true),
        Cell::Number(1),
        Cell::At(now),
        Cell::At(now),
    ];
    let columns = [
        "id",
        "name",
        "is_default",
        "version",
        "created_at",
        "updated_at",
    ];
    store.add("tier_schemes", &columns, vec![scheme]).await?;
    let mut tiers = Vec::new();
    for (number, (code, name, discount_bp)) in TIERS.into_iter().enumerate() {
        tiers.push(vec![
            Cell::Id(id(Kind::Tier, number)),
            Cell::Id(id(Kind::Scheme, 0)),
            Cell::Word(code),
            Cell::Word(name),
            Cell::Number(number as i64 + 1),
            Cell::Number(discount_bp),
            Cell::Number(30),
            // So high that no order waits, and still looked at by each.
            Cell::Number(90_000_000_000_000),
            Cell::Word(CURRENCY),
            Cell::Number(1),
            Cell::At(now),
            Cell::At(now),
        ]);
    }
    let columns = [
        "id",
        "scheme_id",
        "code",
        "name",
        "rank",
        "discount_bp",
        "payment_term_days",
        "credit_limit_minor",
        "credit_limit_currency",
        "version",
        "created_at",
        "updated_at",
    ];
    store.add("tiers", &columns, tiers).await
}

/// Clients with everything under them, as rows.
#[derive(Default)]
struct Book {
    clients: Vec<Vec<Cell>>,
    contacts: Vec<Vec<Cell>>,
    tiers: Vec<Vec<Cell>>,
    orders: Vec<Vec<Cell>>,
    lines: Vec<Vec<Cell>>,
    events: Vec<Vec<Cell>>,
}

impl Book {
    fn add(&mut self, company: Company, number: usize) -> Result<()> {
        let mut chance = Chance::new(0x5eed ^ ((number as u64) << 20));
        let client = id(Kind::Client, number);
        let rep = Company::rep(number % company.reps);
        let at = beginning() + TimeDelta::seconds(number as i64);
        let millis = at.timestamp_millis() as u64;
        let name = words::firm(&mut chance, number);
        let phone = format!("+49 30 {:07}", chance.between(1_000_000, 9_999_999));
        let email = format!("office{number}@example.com");
        let external_id = format!("C{number:07}");
        let mut search = text::search_text(&[&name, &external_id, &phone, &email]);
        for nth in 0..2 + chance.below(2) {
            let person = words::person(&mut chance);
            let mobile = format!("+49 171 {:07}", chance.between(1_000_000, 9_999_999));
            let folded = text::search_text(&[&person, &mobile]);
            search.push_str(&folded);
            self.contacts.push(vec![
                Cell::Id(chance.id(millis)),
                Cell::Id(client),
                Cell::Text(person.clone()),
                Cell::Text(text::name_sort(&person)),
                Cell::Text(folded),
                Cell::Word(chance.pick(words::TITLES)),
                Cell::Flag(nth == 0),
                Cell::Json("[\"DECIDER\"]".into()),
                Cell::Json(format!(
                    "[{{\"kind\":\"MOBILE\",\"value\":\"{mobile}\",\"is_preferred\":true}}]"
                )),
                Cell::Number(1),
                Cell::At(at),
                Cell::At(at),
            ]);
        }
        self.clients.push(vec![
            Cell::Id(client),
            Cell::Text(external_id),
            Cell::Word("ORGANIZATION"),
            Cell::Text(name.clone()),
            Cell::Text(text::name_sort(&name)),
            Cell::Text(search),
            Cell::Id(rep),
            Cell::Word("END_CUSTOMER"),
            Cell::Word("CUSTOMER"),
            Cell::Text(phone),
            Cell::Text(email),
            Cell::Word("Deliver in the morning, ring twice, and ask for the storekeeper."),
            Cell::Word(CURRENCY),
            Cell::Number(1),
            Cell::At(at),
            Cell::At(at),
        ]);
        let tier = chance.below(TIERS.len());
        self.tiers.push(vec![
            Cell::Id(chance.id(millis)),
            Cell::Id(client),
            Cell::Id(id(Kind::Scheme, 0)),
            Cell::Id(id(Kind::Tier, tier)),
            Cell::Word("COMPUTED"),
            Cell::Word("by revenue"),
            Cell::At(at),
        ]);
        let count = match (number / company.reps) % 10 {
            0 => 22,
            _ => 2 + chance.below(2),
        };
        for nth in 0..count {
            self.order(&mut chance, client, rep, millis + nth as u64)?;
        }
        Ok(())
    }

    fn order(&mut self, chance: &mut Chance, client: Uuid, rep: Uuid, millis: u64) -> Result<()> {
        let order = chance.id(millis);
        let at = DateTime::from_timestamp_millis(millis as i64).unwrap_or_default();
        let placed_on = day(chance);
        let mut nets = Vec::new();
        for line_number in 1..=chance.between(2, 4) {
            let product = chance.below(PRODUCTS);
            let (quantity, discount_bp) = (chance.between(1, 50), chance.between(0, 4) * 100);
            let net = money::line_net(quantity, price_minor(product), discount_bp as i32)?;
            nets.push(net);
            self.lines.push(vec![
                Cell::Id(chance.id(millis)),
                Cell::Id(order),
                Cell::Id(client),
                Cell::Number(line_number),
                Cell::Id(Company::product(product)),
                Cell::Text(product_name(product)),
                Cell::Text(format!("SKU-{product:05}")),
                Cell::Word("piece"),
                Cell::Number(quantity),
                Cell::Number(price_minor(product)),
                Cell::Number(discount_bp),
                Cell::Number(net),
                Cell::Number(0),
            ]);
        }
        let totals = orders::totals(nets, 0, 0)?;
        self.orders.push(vec![
            Cell::Id(order),
            Cell::Text(orders::number(OrderId(order))),
            Cell::Id(client),
            Cell::Id(rep),
            Cell::Word("DELIVERED"),
            Cell::Word(CURRENCY),
            Cell::Day(placed_on),
            Cell::Day(placed_on + Days::new(30)),
            Cell::Number(30),
            Cell::Number(totals.lines_minor),
            Cell::Number(0),
            Cell::Number(0),
            Cell::Number(0),
            Cell::Number(totals.total_minor),
            Cell::Number(totals.total_minor),
            Cell::Number(0),
            Cell::Word("12 Mill Lane"),
            Cell::Word("Berlin"),
            Cell::Number(1),
            Cell::At(at),
            Cell::At(at),
        ]);
        self.events.push(vec![
            Cell::Id(chance.id(millis)),
            Cell::Id(order),
            Cell::Id(client),
            Cell::Word("CREATED"),
            Cell::Id(rep),
            Cell::At(at),
        ]);
        Ok(())
    }

    async fn write(self, store: &mut Store) -> Result<()> {
        let Self {
            clients,
            contacts,
            tiers,
            orders,
            lines,
            events,
        } = self;
        let columns = [
            "id",
            "external_id",
            "kind",
            "name",
            "name_sort",
            "search_text",
            "owner_id",
            "party_class",
            "lifecycle",
            "phone",
            "email",
            "preferences",
            "currency",
            "version",
            "created_at",
            "updated_at",
        ];
        store.add("clients", &columns, clients).await?;
        let columns = [
            "id",
            "client_id",
            "name",
            "name_sort",
            "search_text",
            "title",
            "is_key",
            "roles",
            "points",
            "version",
            "created_at",
            "updated_at",
        ];
        store.add("contacts", &columns, contacts).await?;
        let columns = [
            "id",
            "client_id",
            "scheme_id",
            "tier_id",
            "kind",
            "reason",
            "assigned_at",
        ];
        store.add("tier_assignments", &columns, tiers).await?;
        let columns = [
            "id",
            "number",
            "client_id",
            "placed_by_id",
            "status",
            "currency",
            "placed_on",
            "due_on",
            "payment_term_days",
            "lines_minor",
            "discount_bp",
            "discount_minor",
            "freight_minor",
            "total_minor",
            "paid_minor",
            "returned_minor",
            "ship_to_street",
            "ship_to_city",
            "version",
            "created_at",
            "updated_at",
        ];
        store.add("orders", &columns, orders).await?;
        let columns = [
            "id",
            "order_id",
            "client_id",
            "line_number",
            "product_id",
            "product_name",
            "sku",
            "unit",
            "quantity",
            "unit_price_minor",
            "discount_bp",
            "net_minor",
            "returned_quantity",
        ];
        store.add("order_lines", &columns, lines).await?;
        let columns = [
            "id",
            "order_id",
            "client_id",
            "kind",
            "user_id",
            "occurred_at",
        ];
        store.add("order_events", &columns, events).await
    }
}

/// A day of the two years before today.
fn day(chance: &mut Chance) -> NaiveDate {
    let today = Utc::now().date_naive();
    today
        .checked_sub_days(Days::new(chance.between(1, 730) as u64))
        .unwrap_or(today)
}

/// The rep's number `rep` and session as a token says them.
pub(crate) fn claims(rep: usize) -> (Uuid, Uuid) {
    (Company::rep(rep), Company::session(rep))
}

/// The administrator and their session.
pub(crate) fn admin(company: Company) -> (Uuid, Uuid) {
    (id(Kind::Admin, 0), Company::session(company.reps))
}
