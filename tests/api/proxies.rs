//! Where a request came from, as the proxies before the program tell it.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, Statement};
use serde_json::json;

use crate::support::Backend;
use crate::support::database::TestDatabase;
use crate::support::process::Process;

/// Where tries to sign in came from, as they are counted.
async fn counted_addresses(database: &TestDatabase) -> Vec<String> {
    let mut options = ConnectOptions::new(database.url());
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    let sql =
        "SELECT key FROM sign_in_failures WHERE key LIKE 'address:%' ORDER BY window_started_at";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    let keys = rows.iter().map(|row| row.try_get::<String>("", "key"));
    keys.map(|key| key.unwrap().split_once(':').unwrap().1.to_owned())
        .collect()
}

/// Who asks is where a proxy of ours saw them, whatever else they say.
async fn behind_proxies(backend: Backend) {
    // What is set, what the proxies and the caller say, and where that is from.
    let cases = [
        ("false", "203.0.113.1", "127.0.0.1"),
        ("true", "198.51.100.1, 203.0.113.2", "203.0.113.2"),
        ("2", "198.51.100.1, 203.0.113.3, 10.0.0.1", "203.0.113.3"),
        (
            "127.0.0.0/8,10.0.0.0/8",
            "198.51.100.1, 203.0.113.4, 10.0.0.1",
            "203.0.113.4",
        ),
        // Not by way of them.
        ("10.0.0.0/8", "198.51.100.1, 10.0.0.1", "127.0.0.1"),
    ];
    let place = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(backend).await;
    let mut expected = Vec::new();
    for (proxies, forwarded, from) in cases {
        let flag = format!("--trusted-proxy={proxies}");
        let process = Process::serve(place.path(), database.url(), &[&flag], &[]);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({ "email": "nobody@example.com", "password": "a wrong password" });
        let sent = http
            .post(format!("http://{}/auth/sign-in", process.address))
            .header("x-forwarded-for", forwarded)
            .json(&body);
        assert_eq!(sent.send().await.unwrap().status(), 401);
        if !expected.contains(&from.to_owned()) {
            expected.push(from.to_owned());
        }
        let counted = counted_addresses(&database).await;
        assert_eq!(counted, expected, "{proxies} {forwarded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_where_our_proxies_saw_them_sqlite() {
    behind_proxies(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_where_our_proxies_saw_them_postgres() {
    behind_proxies(Backend::Postgres).await;
}
