//! What the data layer promises, tried from inside on both databases: units of work, locks, settings,
//! migrations, plans, stock and statistics. Every test has a database of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test that panics has failed, which is what it is for"
)]

mod faults;
mod locks;
mod migrations;
mod plans;
mod scope;
mod settings;
mod stats;
mod stock;
mod sync;
mod units;

use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use entity::{
    ClientId, ClientKind, Lifecycle, Locale, OrderId, OrderStatus, PartyClass, ProductId,
    SessionId, UserId, UserRole, client, order, product, session, stock_level, user,
};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use uuid::Uuid;

use super::{Database, DatabaseConfig, Session, Tx};
use crate::clock::Clock;
use crate::error::Result;

/// Makes two tests of one body: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($name:ident, $connections:expr, $body:expr $(,)?) => {
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing else")]
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::db::tests::run(sea_orm::DbBackend::Sqlite, $connections, $body).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::db::tests::run(sea_orm::DbBackend::Postgres, $connections, $body).await;
            }
        }
    };
}
pub(super) use on_both;

/// A migrated, empty database.
pub(super) struct Ground {
    pub(super) config: DatabaseConfig,
    pub(super) database: Database,
}

impl Ground {
    pub(super) fn system(&self) -> Session {
        self.database.as_system("a test")
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.database.backend() == DbBackend::Postgres
    }

    /// A connection that the service knows nothing of.
    pub(super) async fn outside(&self) -> DatabaseConnection {
        sea_orm::Database::connect(plain(&self.config.url))
            .await
            .unwrap()
    }

    /// A second process: a pool of its own on the same rows.
    pub(super) async fn again(&self, change: impl FnOnce(&mut DatabaseConfig)) -> Database {
        let mut config = self.config.clone();
        change(&mut config);
        Database::connect(&config, Clock::default()).await.unwrap()
    }

    /// What `sql` says about this database, in the column `answer`.
    pub(super) async fn ask(&self, sql: &str) -> i64 {
        ask(&self.outside().await, sql).await
    }

    /// That no connection is left inside a transaction, and that a read and a write work at once.
    pub(super) async fn assert_at_rest(&self) {
        if self.is_postgres() {
            let open = "SELECT count(*) AS answer FROM pg_stat_activity WHERE datname = \
                        current_database() AND state LIKE 'idle in transaction%'";
            // Rollbacks of what was abandoned are on their way; the server itself ends one after 15 s.
            let mut left = self.ask(open).await;
            for _ in 0..100 {
                if left == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                left = self.ask(open).await;
            }
            assert_eq!(left, 0, "connections were left inside a transaction");
        }
        let work = async {
            self.database.ping().await.unwrap();
            user(&self.system(), UserRole::Rep, None).await;
        };
        tokio::time::timeout(Duration::from_secs(10), work)
            .await
            .expect("the next request waits");
    }
}

pub(super) async fn ask(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "answer").unwrap()
}

fn plain(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options
}

/// Runs one body on a migrated database, and removes it.
pub(super) async fn run<B, F>(backend: DbBackend, connections: u32, body: B)
where
    B: FnOnce(Ground) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    on_empty(backend, connections, async move |ground: Ground| {
        ground.database.migrate().await.unwrap();
        body(ground).await;
    })
    .await;
}

/// Runs one body on a database without tables, and removes it.
pub(super) async fn on_empty(backend: DbBackend, connections: u32, body: impl AsyncFnOnce(Ground)) {
    let key = [7; 32];
    if backend == DbBackend::Sqlite {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/clientele.sqlite", directory.path().display());
        let mut config = DatabaseConfig::new(url, key);
        config.max_connections = connections;
        let database = Database::connect(&config, Clock::default()).await.unwrap();
        body(Ground { config, database }).await;
        return;
    }
    let admin = std::env::var("CLIENTELE_TEST_POSTGRES").expect(
        "CLIENTELE_TEST_POSTGRES names a PostgreSQL whose databases may come and go; `tests/run` starts one",
    );
    let name = format!("clientele_unit_{}", Uuid::now_v7().simple());
    let server = sea_orm::Database::connect(plain(&admin)).await.unwrap();
    server
        .execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE template0"))
        .await
        .unwrap();
    let (address, _) = admin.rsplit_once('/').unwrap();
    let mut config = DatabaseConfig::new(format!("{address}/{name}"), key);
    config.max_connections = connections;
    let database = Database::connect(&config, Clock::default()).await.unwrap();
    body(Ground { config, database }).await;
    server
        .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}

// --- A scene -----------------------------------------------------------------------------------------------------

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) async fn user(system: &Session, role: UserRole, manager: Option<UserId>) -> UserId {
    let id = UserId(Uuid::now_v7());
    system
        .write(move |tx| async move {
            let row = user::ActiveModel {
                id: Set(id),
                email: Set(format!("{}@example.com", id.0.simple())),
                name: Set("Somebody".to_owned()),
                name_sort: Set("somebody".to_owned()),
                role: Set(role),
                manager_id: Set(manager),
                is_pool_keeper: Set(false),
                time_zone: Set("UTC".to_owned()),
                locale: Set(Locale::En),
                version: Set(1),
                created_at: Set(tx.now()),
                updated_at: Set(tx.now()),
                ..Default::default()
            };
            tx.insert::<user::Entity>(row).await?;
            tx.lock_tree().await?;
            tx.tree_insert(id, manager).await
        })
        .await
        .unwrap();
    id
}

/// Signs a user in and sees the database with their eyes.
pub(super) async fn session(ground: &Ground, user: UserId) -> Session {
    let id = SessionId(Uuid::now_v7());
    ground
        .system()
        .write(move |tx| async move {
            let row = session::ActiveModel {
                id: Set(id),
                user_id: Set(user),
                device_name: Set("a test".to_owned()),
                refresh_hash: Set(id.0.as_bytes().to_vec()),
                rotated_at: Set(tx.now()),
                created_at: Set(tx.now()),
                last_used_at: Set(tx.now()),
                idle_expires_at: Set(tx.now() + TimeDelta::days(30)),
                expires_at: Set(tx.now() + TimeDelta::days(30)),
                ..Default::default()
            };
            tx.insert::<session::Entity>(row).await
        })
        .await
        .unwrap();
    seen_by(ground, user, id).await
}

/// The same session in its next request.
pub(super) async fn seen_by(ground: &Ground, user: UserId, id: SessionId) -> Session {
    let viewer = ground.database.viewer(user, id).await.unwrap();
    ground.database.session(viewer, Arc::default())
}

pub(super) fn client_row(tx: &Tx, id: ClientId, owner: Option<UserId>) -> client::ActiveModel {
    client::ActiveModel {
        id: Set(id),
        kind: Set(ClientKind::Organization),
        name: Set("Some Firm".to_owned()),
        name_sort: Set("some firm".to_owned()),
        search_text: Set("some firm".to_owned()),
        owner_id: Set(owner),
        party_class: Set(PartyClass::EndCustomer),
        lifecycle: Set(Lifecycle::Prospect),
        currency: Set("EUR".to_owned()),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
}

pub(super) async fn client(system: &Session, owner: Option<UserId>) -> ClientId {
    let id = ClientId(Uuid::now_v7());
    system
        .write(move |tx| async move {
            tx.insert::<client::Entity>(client_row(&tx, id, owner))
                .await
        })
        .await
        .unwrap();
    id
}

pub(super) async fn product(system: &Session, on_hand: i64, may_back_order: bool) -> ProductId {
    let id = ProductId(Uuid::now_v7());
    system
        .write(move |tx| async move {
            let row = product::ActiveModel {
                id: Set(id),
                sku: Set(id.0.simple().to_string()),
                name: Set("A thing".to_owned()),
                name_sort: Set("a thing".to_owned()),
                search_text: Set("a thing".to_owned()),
                unit: Set("box".to_owned()),
                list_price_minor: Set(100),
                currency: Set("EUR".to_owned()),
                is_active: Set(true),
                may_back_order: Set(may_back_order),
                reorder_level: Set(0),
                version: Set(1),
                created_at: Set(tx.now()),
                updated_at: Set(tx.now()),
                ..Default::default()
            };
            tx.insert::<product::Entity>(row).await?;
            let level = stock_level::ActiveModel {
                product_id: Set(id),
                on_hand: Set(on_hand),
                reserved: Set(0),
                updated_at: Set(tx.now()),
            };
            tx.insert::<stock_level::Entity>(level).await
        })
        .await
        .unwrap();
    id
}

/// An order of `lines_minor`, with nothing else to it.
pub(super) fn order_row(
    tx: &Tx,
    client: ClientId,
    placed_by: UserId,
    status: OrderStatus,
    placed_on: NaiveDate,
    lines_minor: i64,
) -> order::ActiveModel {
    let id = OrderId(Uuid::now_v7());
    order::ActiveModel {
        id: Set(id),
        number: Set(id.0.simple().to_string()),
        client_id: Set(client),
        placed_by_id: Set(placed_by),
        status: Set(status),
        currency: Set("EUR".to_owned()),
        placed_on: Set(placed_on),
        lines_minor: Set(lines_minor),
        discount_bp: Set(0),
        discount_minor: Set(0),
        freight_minor: Set(0),
        total_minor: Set(lines_minor),
        paid_minor: Set(0),
        returned_minor: Set(0),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
}

/// Numbers that look random and are the same in every run (xorshift).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 to `end`, without `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// Runs a statement of PostgreSQL through the transaction itself.
pub(super) async fn raw(tx: &Tx, sql: &str) -> Result<()> {
    let statement = Statement::from_string(tx.backend(), sql);
    tx.execute_raw(statement).await?;
    Ok(())
}
