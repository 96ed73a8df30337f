//! Another version beside this one, and a database that this one may not write: what still works, and what is said.

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::process::{Process, command, done};
use crate::support::{App, Backend};

const LATER: &str = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 1)";
const ADD: [&str; 9] = [
    "user",
    "add",
    "--email",
    "a@example.com",
    "--name",
    "Ada",
    "--role",
    "ADMIN",
    "--no-password",
];
const CREATE: &str =
    "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

on_both!(tables_of_a_later_version_do, async |app: App| {
    let db = connect(app.database_url()).await;
    db.execute_unprepared(LATER).await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let (here, url) = (place.path(), app.database_url());
    done(here, url, &ADD);
    assert!(done(here, url, &["user", "list"]).contains("a@example.com"));
    for arguments in [&["migrate"][..], &["migrate", "--status"]] {
        let said = done(here, url, arguments);
        assert!(said.contains("up to date"), "{said}");
    }
    // Which version alone can put it back is kept, and told.
    for arguments in [
        &["backup", "b.backup"][..],
        &["restore", "b.backup", "--check"],
    ] {
        let said = done(here, url, arguments);
        assert!(said.contains("m9999_future"), "{said}");
    }
    for arguments in [
        &["restore", "b.backup"][..],
        &["restore", "b.backup", "--replace"],
    ] {
        let refused = command(here, url, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1));
        assert!(said.contains("m9999_future"), "{said}");
    }
    for more in [&[][..], &["--no-migrate"]] {
        let process = Process::serve(here, url, more, &[]);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = format!("http://{}/readyz", process.address);
        assert_eq!(http.get(ready).send().await.unwrap().status(), 200);
    }
    // With steps of both missing there is nothing to be done here.
    let gone = "DELETE FROM seaql_migrations WHERE version LIKE 'm0012%'";
    db.execute_unprepared(gone).await.unwrap();
    let refused = command(here, url, &["migrate"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("m9999_future") && !said.contains("our side"),
        "{said}"
    );
});

/// A server that takes no writes, as a standby does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_not_ready() {
    let app = App::start(Backend::Postgres).await;
    let team = app.team().await;
    assert_eq!(app.get("", "/readyz").await.status, 200);
    let (server, name) = app.database_url().rsplit_once('/').unwrap();
    let admin = connect(&format!("{server}/postgres")).await;
    let set =
        |value: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    admin.execute_unprepared(&set("on")).await.unwrap();
    admin.execute_unprepared(&end).await.unwrap();
    let mut said = String::new();
    for _ in 0..20 {
        let input = json!({ "kind": "ORGANIZATION", "name": "Alfreds", "currency": "EUR" });
        let answer = app
            .gql(&team.ann.token, CREATE, json!({ "input": input }))
            .await;
        assert_eq!(answer.code(0), "UNAVAILABLE", "{answer}");
        said = answer.to_string();
        if said.contains("takes no writes") {
            break;
        }
    }
    assert!(said.contains("takes no writes"), "{said}");
    // Reading goes on, once the connections that were cut are known to be.
    loop {
        let answer = app
            .gql(&team.ann.token, "{ clients { totalCount } }", json!({}))
            .await;
        if answer.status == 200 {
            assert_eq!(answer.ok().data("/clients/totalCount"), 0);
            break;
        }
    }
    let answer = loop {
        let answer = app.get("", "/readyz").await;
        if answer.status == 503 {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let told = answer.json["checks"]["database"].as_str().unwrap();
    assert!(told.contains("takes no writes"), "{told}");
    // It is over without a restart.
    admin.execute_unprepared(&set("off")).await.unwrap();
    admin.execute_unprepared(&end).await.unwrap();
    while app.get("", "/readyz").await.status != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The user and the database are made as people make them: the owner may all, another user is told what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_the_database_without_rights_is_told_so() {
    let admin_url = std::env::var("CLIENTELE_TEST_POSTGRES").unwrap();
    let admin = connect(&admin_url).await;
    let name = format!("clientele_test_{}", uuid::Uuid::now_v7().simple());
    for sql in [
        format!("CREATE ROLE {name} LOGIN PASSWORD 'p'"),
        format!("CREATE DATABASE {name}"),
    ] {
        admin.execute_unprepared(&sql).await.unwrap();
    }
    let (_, rest) = admin_url.split_once("://").unwrap();
    let (_, host) = rest.rsplit_once('@').unwrap();
    let (host, _) = host.split_once('/').unwrap();
    let url = format!("postgres://{name}:p@{host}/{name}");
    let place = tempfile::tempdir().unwrap();
    for arguments in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let refused = command(place.path(), &url, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("OWNER TO"), "{said}");
        assert!(!said.contains("our side"), "{said}");
    }
    let sql = format!("ALTER DATABASE {name} OWNER TO {name}");
    admin.execute_unprepared(&sql).await.unwrap();
    done(place.path(), &url, &["migrate"]);
    done(place.path(), &url, &ADD);
    for sql in [
        format!("DROP DATABASE {name} WITH (FORCE)"),
        format!("DROP ROLE {name}"),
    ] {
        admin.execute_unprepared(&sql).await.unwrap();
    }
}

/// What the start page tells people to type works.
#[tokio::test(flavor = "multi_thread")]
async fn the_explorer_is_there_when_served_as_the_start_page_says() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let place = tempfile::tempdir().unwrap();
    let page = async |words: &[&str]| {
        let process = Process::serve(place.path(), database.url(), words, &[]);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let sent = http.get(format!("http://{}/", process.address)).send();
        sent.await.unwrap().text().await.unwrap()
    };
    let said = page(&[]).await;
    let (_, rest) = said.split_once("serve with ").unwrap();
    let (words, _) = rest.split_once(" to have").unwrap();
    let words: Vec<&str> = words.split(' ').collect();
    let shown = page(&words).await;
    assert!(shown.contains("<html"), "{shown}");
}

/// A backup keeps others from changing tables, and nobody else from starting.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_nothing_to_do_waits_for_no_backup() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let db = connect(database.url()).await;
    db.execute_unprepared("SELECT pg_advisory_lock_shared(7300517)")
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    done(place.path(), database.url(), &ADD);
    let held = Statement::from_string(
        DbBackend::Postgres,
        "SELECT pg_advisory_unlock_shared(7300517) AS held",
    );
    let row = db.query_one_raw(held).await.unwrap().unwrap();
    assert!(row.try_get::<bool>("", "held").unwrap());
}
