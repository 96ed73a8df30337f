//! Everything in one file, taken while others write, and back, on either database.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use clientele::backup::{self, TableSum};
use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig};
use clientele::{Code, demo};
use entity::{
    OrderStatus, client_stats, contact, order, order_line, stock_level, stock_movement, sync_clock,
    user,
};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::orders;
use crate::support::database::TestDatabase;
use crate::support::process::{command, done};
use crate::support::{App, Backend};

/// A connection past the service.
async fn connect(url: &str) -> sea_orm::DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

async fn open(database: &TestDatabase) -> Database {
    let config = DatabaseConfig::new(database.url(), [7; 32]);
    Database::connect(&config, Clock::default()).await.unwrap()
}

fn other(backend: Backend) -> Backend {
    match backend {
        Backend::Sqlite => Backend::Postgres,
        Backend::Postgres => Backend::Sqlite,
    }
}

/// What there is of each table, but for what a restore changes: where devices begin anew, and that sessions end.
fn content(tables: &[TableSum]) -> BTreeMap<String, (u64, String)> {
    let changed = ["sessions", "sync_clock", "sync_horizons", "sync_streams"];
    let kept = tables
        .iter()
        .filter(|table| !changed.contains(&table.table.as_str()));
    kept.map(|table| (table.table.clone(), (table.rows, table.sha256.clone())))
        .collect()
}

/// What must hold of any moment, read past the service.
async fn assert_sound(url: &str) {
    let db = connect(url).await;
    let orders = order::Entity::find().all(&db).await.unwrap();
    let lines = order_line::Entity::find().all(&db).await.unwrap();
    for order in &orders {
        let own = lines.iter().filter(|line| line.order_id == order.id);
        let sum: i64 = own.map(|line| line.net_minor).sum();
        assert_eq!(sum, order.lines_minor, "the lines of {}", order.number);
    }
    let levels = stock_level::Entity::find().all(&db).await.unwrap();
    let movements = stock_movement::Entity::find().all(&db).await.unwrap();
    for level in &levels {
        let own = || {
            movements
                .iter()
                .filter(|one| one.product_id == level.product_id)
        };
        let on_hand: i64 = own().map(|one| one.on_hand_delta).sum();
        assert_eq!(on_hand, level.on_hand);
        let promised: i64 = lines
            .iter()
            .filter(|line| line.product_id == level.product_id)
            .filter(|line| {
                let order = orders
                    .iter()
                    .find(|order| order.id == line.order_id)
                    .unwrap();
                matches!(
                    order.status,
                    OrderStatus::Approved | OrderStatus::InProduction
                )
            })
            .map(|line| line.quantity)
            .sum();
        assert_eq!(promised, level.reserved);
    }
    for stats in client_stats::Entity::find().all(&db).await.unwrap() {
        let revenue: i64 = orders
            .iter()
            .filter(|order| order.client_id == stats.client_id)
            .filter(|order| clientele::domain::orders::is_booked(order.status))
            .map(|order| order.lines_minor - order.returned_minor)
            .sum();
        assert_eq!(revenue, stats.lifetime_revenue_minor);
    }
    db.close().await.unwrap();
}

on_both!(a_backup_under_writes_is_of_one_moment, async |app: App| {
    let rounds: usize = std::env::var("CLIENTELE_BACKUPS").map_or(5, |text| {
        text.parse().expect("CLIENTELE_BACKUPS is a number")
    });
    let shop = orders::shop(&app).await;
    orders::stock(&app, &shop.team, &shop.chai, 100_000).await;
    let place = tempfile::tempdir().unwrap();
    let app = Arc::new(app);
    let shop = Arc::new(shop);
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (app, shop) = (Arc::clone(&app), Arc::clone(&shop));
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let input = json!({ "clientId": shop.client,
                        "lines": [{ "productId": shop.chai, "quantity": 1 }] });
                    let made = orders::mutate(&app, &shop.team.ann, "orderCreate", input).await;
                    let order = orders::order_of(made, "orderCreate");
                    let input = json!({ "id": order["id"], "version": order["version"] });
                    let sent = orders::mutate(&app, &shop.team.ann, "orderSubmit", input).await;
                    let _ = orders::order_of(sent, "orderSubmit");
                    written.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut files: Vec<(PathBuf, backup::Summary)> = Vec::new();
    for round in 0..rounds {
        // Each round sees writes of its own.
        let before = written.load(Ordering::SeqCst);
        while written.load(Ordering::SeqCst) < before + 4 {
            tokio::task::yield_now().await;
        }
        let file = place.path().join(format!("{round}.backup"));
        let summary = backup::take(&app.server().database, &file).await.unwrap();
        files.push((file, summary));
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let orders_in = |summary: &backup::Summary| {
        let table = summary.tables.iter().find(|table| table.table == "orders");
        table.unwrap().rows
    };
    assert!(
        files
            .windows(2)
            .all(|pair| orders_in(&pair[0].1) < orders_in(&pair[1].1))
    );
    for (round, (file, summary)) in files.iter().enumerate() {
        let backend = if round % 2 == 0 {
            app.backend()
        } else {
            other(app.backend())
        };
        let target = TestDatabase::create(backend).await;
        let database = open(&target).await;
        let restored = backup::restore(&database, file, false).await.unwrap();
        assert_eq!(content(&restored.tables), content(&summary.tables));
        // What is there now is what was there then.
        let again = place.path().join(format!("{round}.again"));
        let again = backup::take(&database, &again).await.unwrap();
        assert_eq!(content(&again.tables), content(&summary.tables));
        assert_sound(target.url()).await;
        drop(database);
    }
});

on_both!(every_row_comes_back_on_either_database, async |app: App| {
    let database = &app.server().database;
    demo::fill(database, database.clock().now().date_naive())
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("book.backup");
    let taken = backup::take(database, &file).await.unwrap();
    assert!(taken.rows > 5_000, "{}", taken.rows);
    assert_eq!(backup::check(&file).unwrap().rows, taken.rows);
    let source = connect(app.database_url()).await;
    for backend in [app.backend(), other(app.backend())] {
        let target = TestDatabase::create(backend).await;
        let restored = open(&target).await;
        backup::restore(&restored, &file, false).await.unwrap();
        let copy = connect(target.url()).await;
        // Past the backup's own reading of rows.
        macro_rules! assert_equal {
            ($($table:ident)+) => {$(
                let mut before = entity::$table::Entity::find().all(&source).await.unwrap();
                let mut after = entity::$table::Entity::find().all(&copy).await.unwrap();
                before.sort_by_key(|row| format!("{row:?}"));
                after.sort_by_key(|row| format!("{row:?}"));
                assert_eq!(before.len(), after.len(), stringify!($table));
                assert!(before == after, "{} differs", stringify!($table));
            )+};
        }
        let sessions = entity::session::Entity::find().all(&copy).await.unwrap();
        assert!(sessions.iter().all(|row| row.revoked_at.is_some()));
        assert_equal!(
            address client client_member client_stats client_tag contact credential handover
            handover_client note order order_event order_line order_return order_return_line payment
            product product_category sign_in_failure stock_level stock_movement tier
            tier_assignment tier_scheme user user_reach
        );
        // The service goes on with it: the same person signs in and sees the same clients.
        let served =
            crate::support::server::spawn(target.url(), crate::support::server::generous(), |_| {})
                .await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let sign_in = json!({ "email": demo::REP, "password": demo::PASSWORD });
        let answer = http
            .post(format!("{}/auth/sign-in", served.base_url))
            .json(&sign_in)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        copy.close().await.unwrap();
    }
    // References and indexes are there again.
    source.close().await.unwrap();
});

on_both!(references_hold_after_a_restore, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Alfreds").await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("book.backup");
    backup::take(&app.server().database, &file).await.unwrap();
    let target = TestDatabase::create(app.backend()).await;
    let before = connect(target.url()).await;
    let shape = async |db: &sea_orm::DatabaseConnection| {
        let sql = match app.backend() {
            Backend::Sqlite => {
                "SELECT name || sql AS x FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1"
            }
            Backend::Postgres => {
                "SELECT conrelid::regclass::text || conname || pg_get_constraintdef(oid) AS x \
                 FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
                 UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
            }
        };
        let statement = sea_orm::Statement::from_string(db.get_database_backend(), sql);
        let rows = db.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get::<String>("", "x").unwrap())
            .collect::<Vec<_>>()
    };
    let made = shape(&before).await;
    assert!(made.len() > 50);
    backup::restore(&open(&target).await, &file, false)
        .await
        .unwrap();
    assert_eq!(shape(&before).await, made);
    before
        .execute_unprepared("DELETE FROM users")
        .await
        .expect_err("clients refer to users");
});

on_both!(
    a_database_in_use_is_replaced_only_when_told_so,
    async |app: App| {
        let team = app.team().await;
        app.client_of(&team.ann, "Alfreds").await;
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("book.backup");
        let taken = backup::take(&app.server().database, &file).await.unwrap();
        let refused = backup::take(&app.server().database, &file)
            .await
            .unwrap_err();
        assert!(refused.message().contains("exists already"));
        app.client_of(&team.ben, "Later").await;
        let database = &app.server().database;
        let refused = backup::restore(database, &file, false).await.unwrap_err();
        assert_eq!(refused.code(), Code::Conflict);
        assert!(
            refused.message().contains("--replace"),
            "{}",
            refused.message()
        );
        let count = async || {
            let admin = app.sign_in(team.admin.id, "Admin").await;
            let query = "{ clients { totalCount } }";
            let answer = app.gql(&admin.token, query, json!({})).await.ok();
            answer.data("/clients/totalCount").as_i64().unwrap()
        };
        assert_eq!(count().await, 2);
        let epoch = async || {
            let db = connect(app.database_url()).await;
            let found = sync_clock::Entity::find().one(&db).await.unwrap();
            found.unwrap().epoch
        };
        let mut epochs = vec![epoch().await];
        for _ in 0..2 {
            let restored = backup::restore(database, &file, true).await.unwrap();
            assert_eq!(content(&restored.tables), content(&taken.tables));
            // The running service shows what there was.
            assert_eq!(count().await, 1);
            epochs.push(epoch().await);
        }
        // Devices can tell each of these histories from the others.
        assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
    }
);

/// The text of a backup.
fn unpacked(file: &Path) -> String {
    let mut text = String::new();
    let mut from = GzDecoder::new(std::fs::File::open(file).unwrap());
    from.read_to_string(&mut text).unwrap();
    text
}

fn pack(file: &Path, text: &str) {
    let mut to = GzEncoder::new(std::fs::File::create(file).unwrap(), Compression::fast());
    to.write_all(text.as_bytes()).unwrap();
    to.finish().unwrap();
}

/// A backup whose last line says what the lines before it sum up to.
fn summed(text: &str) -> String {
    let (lines, tail) = text.trim_end().rsplit_once('\n').unwrap();
    let lines = format!("{lines}\n");
    let digest = ring::digest::digest(&ring::digest::SHA256, lines.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut tail: Value = serde_json::from_str(tail).unwrap();
    tail["sha256"] = json!(hex);
    format!("{lines}{tail}\n")
}

on_both!(a_damaged_or_later_file_changes_nothing, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Alfreds").await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("book.backup");
    backup::take(&app.server().database, &file).await.unwrap();
    let text = unpacked(&file);
    let target = TestDatabase::create(app.backend()).await;
    let database = open(&target).await;
    let bad = place.path().join("bad.backup");
    let refused = async |why: &str| {
        if !why.contains("does not know") {
            let error = backup::check(&bad).unwrap_err();
            assert!(error.message().contains(why), "{why}: {}", error.message());
        }
        let error = backup::restore(&database, &bad, true).await.unwrap_err();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        let said = format!("{} {cause}", error.message());
        assert!(said.contains(why), "{why}: {said}");
        let db = connect(target.url()).await;
        assert!(user::Entity::find().all(&db).await.unwrap().is_empty());
        assert!(contact::Entity::find().all(&db).await.unwrap().is_empty());
    };
    // A byte of the packed file, at several places; the middle and the end of it missing.
    let bytes = std::fs::read(&file).unwrap();
    for part in 1..8 {
        let mut broken = bytes.clone();
        let at = bytes.len() * part / 8;
        broken[at] ^= 0x10;
        std::fs::write(&bad, &broken).unwrap();
        refused("no whole backup").await;
    }
    for length in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&bad, &bytes[..length]).unwrap();
        refused("no whole backup").await;
    }
    // Well packed, and not what was written.
    pack(&bad, &text.replacen("Alfreds", "Alfredo", 1));
    refused("the rows of clients are not those that were written").await;
    let without_last = text.trim_end().rsplit_once('\n').unwrap().0;
    pack(&bad, &format!("{without_last}\n"));
    refused("it ends too soon").await;
    pack(&bad, &format!("{text}{{}}\n"));
    refused("its end is not the one").await;
    pack(&bad, "{\"something\":\"else\"}\n");
    refused("does not begin as a backup does").await;
    pack(
        &bad,
        &text.replacen("\"clientele_backup\":1", "\"clientele_backup\":2", 1),
    );
    refused("made by a later version").await;
    let steps = text.lines().next().unwrap();
    let head: Value = serde_json::from_str(steps).unwrap();
    let last = head["steps"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_str()
        .unwrap();
    let later = steps.replacen(
        &format!("\"{last}\""),
        &format!("\"{last}\",\"m9999_future\""),
        1,
    );
    pack(&bad, &summed(&text.replacen(steps, &later, 1)));
    refused("does not know the step m9999_future").await;
    // The good file still goes in.
    backup::restore(&database, &file, false).await.unwrap();
});

on_both!(
    a_backup_of_an_earlier_version_is_brought_up_to_date,
    async |app: App| {
        let early = TestDatabase::create(app.backend()).await;
        let db = connect(early.url()).await;
        Migrator::down(&db, Some(1)).await.unwrap();
        let steps = Migrator::migrations().len() - 1;
        db.execute_unprepared(
            "INSERT INTO sign_in_failures (key, failures, window_started_at) \
         VALUES ('somebody', 3, '2026-01-02T03:04:05.000006+00:00')",
        )
        .await
        .unwrap();
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("early.backup");
        let taken = backup::take(&open(&early).await, &file).await.unwrap();
        let head: Value = serde_json::from_str(unpacked(&file).lines().next().unwrap()).unwrap();
        assert_eq!(head["steps"].as_array().unwrap().len(), steps);
        for backend in [app.backend(), other(app.backend())] {
            let target = TestDatabase::create(backend).await;
            let database = open(&target).await;
            backup::restore(&database, &file, false).await.unwrap();
            assert!(database.pending_migrations().await.unwrap().is_empty());
            let again = place.path().join(format!("{backend:?}.backup"));
            let again = backup::take(&database, &again).await.unwrap();
            let (before, after) = (content(&taken.tables), content(&again.tables));
            assert_eq!(before["sign_in_failures"], after["sign_in_failures"]);
            assert_eq!(before["sign_in_failures"].0, 1);
        }
    }
);

#[tokio::test]
async fn the_commands_move_a_book_from_sqlite_to_postgresql() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    let sqlite = format!("sqlite://{}", here.join("book.sqlite").display());
    let add = ["user", "add", "--email", "a@example.com", "--name", "Ada"];
    done(
        here,
        &sqlite,
        &[&add[..], &["--role", "ADMIN", "--no-password"]].concat(),
    );
    assert!(done(here, &sqlite, &["backup", "book.backup"]).contains("checked"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(here.join("book.backup"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "it holds hashes of passwords");
    }
    assert!(done(here, &sqlite, &["restore", "book.backup", "--check"]).contains("users"));
    let target = TestDatabase::create(Backend::Postgres).await;
    assert!(done(here, target.url(), &["restore", "book.backup"]).contains("PostgreSQL"));
    assert!(done(here, target.url(), &["user", "list"]).contains("a@example.com"));
    let again = command(here, target.url(), &["restore", "book.backup"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--replace"));
    done(here, target.url(), &["restore", "book.backup", "--replace"]);
    // Nothing to back up is said, and makes no file.
    let none = format!("sqlite://{}", here.join("none.sqlite").display());
    let nothing = command(here, &none, &["backup", "none.backup"])
        .output()
        .unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(!here.join("none.backup").exists() && !here.join("none.sqlite").exists());
}
