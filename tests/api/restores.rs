//! What a backup and its restore touch, and what they leave alone: sessions, tables of others, files in the way,
//! writers who come in between.

use std::io::Read;
use std::path::Path;

use clientele::auth::passwords::Passwords;
use clientele::backup;
use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig, TableShape};
use clientele::domain::users;
use flate2::read::GzDecoder;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::process::{command, done};
use crate::support::{App, Backend};

const PASSWORD: &str = "two green umbrellas";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

on_both!(
    a_restore_brings_no_session_back_to_life,
    async |app: App| {
        let team = app.team().await;
        let database = &app.server().database;
        users::set_password(database, &Passwords::new().unwrap(), team.ann.id, PASSWORD)
            .await
            .unwrap();
        let ann = database
            .as_system("a test")
            .select::<entity::user::Entity>();
        let email = ann.id(team.ann.id).get().await.unwrap().email.clone();
        let credentials = json!({ "email": email, "password": PASSWORD });
        let sign_in = async || {
            let answer = app.post("", "/auth/sign-in", &credentials).await;
            assert_eq!(answer.status, 200, "{answer}");
            let of = |name: &str| answer.json[name].as_str().unwrap().to_owned();
            (
                of("accessToken"),
                json!({ "refreshToken": of("refreshToken") }),
            )
        };
        let lost = sign_in().await;
        let kept = sign_in().await;
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("book.backup");
        backup::take(database, &file).await.unwrap();
        // A device is lost, and signed out.
        let _ = app.post(&lost.0, "/auth/sign-out", &json!({})).await;
        assert_eq!(app.post("", "/auth/refresh", &lost.1).await.status, 401);
        assert_eq!(app.post("", "/auth/refresh", &kept.1).await.status, 200);
        backup::restore(database, &file, true).await.unwrap();
        for (access, refresh) in [&lost, &kept] {
            let answer = app.post("", "/auth/refresh", refresh).await;
            assert_eq!(answer.status, 401, "{answer}");
            let answer = app.gql(access, "{ viewer { role } }", json!({})).await;
            assert_eq!(answer.status, 401, "{answer}");
        }
        // Whoever knows the password goes on.
        let (access, _) = sign_in().await;
        let _ = app
            .gql(&access, "{ viewer { role } }", json!({}))
            .await
            .ok();
        let db = connect(app.database_url()).await;
        let why = "SELECT COUNT(*) AS n FROM sessions WHERE revoked_reason = 'RESTORED'";
        assert!(number(&db, why).await >= 2);
    }
);

on_both!(tables_of_others_are_left_alone, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Alfreds").await;
    let db = connect(app.database_url()).await;
    for sql in [
        "CREATE TABLE bench (i integer PRIMARY KEY)",
        "INSERT INTO bench VALUES (7)",
        "CREATE TABLE loose (price numeric)",
        "INSERT INTO loose VALUES (1.5)",
        "ALTER TABLE clients ADD COLUMN colour numeric",
    ] {
        db.execute_unprepared(sql).await.unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    assert!(done(here, app.database_url(), &["backup", "a.backup"]).contains("checked"));
    let checked = done(
        here,
        app.database_url(),
        &["restore", "a.backup", "--check"],
    );
    assert!(
        checked.contains("clients") && !checked.contains("bench"),
        "{checked}"
    );
    // Into an empty database of its own, and over the one it came from.
    let target = TestDatabase::create(app.backend()).await;
    done(here, target.url(), &["restore", "a.backup"]);
    assert!(done(here, target.url(), &["user", "list"]).contains("Ann"));
    done(
        here,
        app.database_url(),
        &["restore", "a.backup", "--replace"],
    );
    assert_eq!(number(&db, "SELECT COUNT(*) AS n FROM bench").await, 1);
    assert_eq!(number(&db, "SELECT COUNT(*) AS n FROM loose").await, 1);
    assert_eq!(number(&db, "SELECT COUNT(*) AS n FROM clients").await, 1);
    // What is not as the service makes it is said, and not taken for a backup.
    db.execute_unprepared("ALTER TABLE notes RENAME COLUMN body TO corpus")
        .await
        .unwrap();
    let refused = command(here, app.database_url(), &["backup", "b.backup"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("notes"), "{said}");
    assert!(!here.join("b.backup").exists() && !here.join("b.backup.partial").exists());
});

#[cfg(unix)]
#[tokio::test]
async fn what_lies_in_the_way_lends_a_backup_nothing() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let database = TestDatabase::create(Backend::Sqlite).await;
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    // What a backup that was cut off left behind, readable by all.
    let left = here.join("a.backup.partial");
    std::fs::write(&left, "half").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o644)).unwrap();
    done(here, database.url(), &["backup", "a.backup"]);
    let mode = std::fs::metadata(here.join("a.backup"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds hashes of passwords");
    // A link of somebody else leads nowhere.
    let theirs = here.join("theirs");
    std::fs::write(&theirs, "theirs").unwrap();
    symlink(&theirs, here.join("b.backup.partial")).unwrap();
    let refused = command(here, database.url(), &["backup", "b.backup"])
        .output()
        .unwrap();
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(!here.join("b.backup").exists());
}

/// Tables with their rows.
type Tables = Vec<(TableShape, Vec<Vec<Value>>)>;

/// The head of a backup, and the rows of each table.
fn unpacked(file: &Path) -> (Vec<String>, Tables) {
    let mut text = String::new();
    let mut from = GzDecoder::new(std::fs::File::open(file).unwrap());
    from.read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let head: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let steps = serde_json::from_value(head["steps"].clone()).unwrap();
    let tables: Vec<TableShape> = serde_json::from_value(head["tables"].clone()).unwrap();
    let tables = tables.into_iter().map(|table| {
        let rows = lines.by_ref().take_while(|line| line.starts_with('['));
        let rows = rows.map(|row| serde_json::from_str(row).unwrap()).collect();
        (table, rows)
    });
    (steps, tables.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_waits_for_a_restore_that_is_under_way() {
    let app = App::start(Backend::Postgres).await;
    let team = app.team().await;
    app.client_of(&team.ann, "Alfreds").await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("first.backup");
    let taken = backup::take(&app.server().database, &file).await.unwrap();
    let (steps, tables) = unpacked(&file);
    let shapes: Vec<TableShape> = tables.iter().map(|(table, _)| table.clone()).collect();
    let restore = app.server().database.as_system("a test restores");
    let restore = restore.begin_restore(&steps, &shapes, true).await.unwrap();
    // Everything is empty now, and will be full again.
    let second = place.path().join("second.backup");
    let url = app.database_url().to_owned();
    let taking = tokio::spawn(async move {
        let config = DatabaseConfig::new(url, [7; 32]);
        let database = Database::connect(&config, Clock::default()).await.unwrap();
        backup::take(&database, &second).await
    });
    let db = connect(app.database_url()).await;
    let waiting = "SELECT COUNT(*) AS n FROM pg_locks WHERE NOT granted";
    while number(&db, waiting).await == 0 {
        assert!(!taking.is_finished(), "{:?}", taking.await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (table, rows) in &tables {
        restore.insert(table, rows).await.unwrap();
    }
    restore.finish().await.unwrap();
    let second = taking.await.unwrap().unwrap();
    let rows = |summary: &backup::Summary, name: &str| {
        let table = summary.tables.iter().find(|table| table.table == name);
        table.unwrap().rows
    };
    for table in ["clients", "users", "sessions"] {
        assert!(rows(&taken, table) > 0);
        assert_eq!(rows(&second, table), rows(&taken, table), "{table}");
    }
}
