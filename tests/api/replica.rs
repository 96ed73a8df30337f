//! A copy of the database for reads. A second, empty database stands in for one that lags: what comes from
//! it can be told from what comes from the primary.

use std::time::Duration;

use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use serde_json::json;

use crate::support::database::TestDatabase;
use crate::support::{App, Backend};

const COUNT: &str = "{ clients { totalCount } }";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_read_from_the_replica_and_nothing_that_follows_a_write() {
    let standin = TestDatabase::create(Backend::Postgres).await;
    let url = standin.url().to_owned();
    let app = App::start_changed(Backend::Postgres, |config| {
        config.read_url = Some(url.clone());
    })
    .await;
    // Tokens hold though the copy knows neither people nor sessions.
    let team = app.team().await;
    let count = async |token: &str| {
        let answer = app.gql(token, COUNT, json!({})).await.ok();
        answer.data("/clients/totalCount").as_i64().unwrap()
    };
    // What a mutation answers was written by it a moment ago.
    let query = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { \
         client { name owner { id } stats { orderCount } contacts { totalCount } } } }";
    let input = json!({ "kind": "ORGANIZATION", "name": "Alfreds", "currency": "EUR" });
    let made = app
        .gql(&team.ann.token, query, json!({ "input": input }))
        .await
        .ok();
    assert_eq!(made.text("/clientCreate/client/owner/id"), team.ann.id());
    assert_eq!(count(&team.ann.token).await, 0, "the copy has no clients");
    assert_eq!(app.server().database.replica_fallbacks(), 0);

    // The copy is gone: the primary answers.
    let (server, name) = url.rsplit_once('/').unwrap();
    let admin = connect(&format!("{server}/postgres")).await;
    admin
        .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
    for _ in 0..5 {
        assert_eq!(count(&team.ann.token).await, 1);
        assert_eq!(count(&team.ben.token).await, 0, "the scope is the same");
    }
    assert!(app.server().database.replica_fallbacks() >= 5);

    // It comes back, without its tables at first.
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let before = app.server().database.replica_fallbacks();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(count(&team.ann.token).await, 1);
    assert!(app.server().database.replica_fallbacks() > before);
    let back = DatabaseConfig::new(&url, [7; 32]);
    let back = Database::connect(&back, Clock::default()).await.unwrap();
    back.migrate().await.unwrap();
    loop {
        if count(&team.ann.token).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_replica_that_is_down_at_the_start_keeps_nobody_out() {
    let app = App::start_changed(Backend::Postgres, |config| {
        config.read_url = Some("postgres://nobody@127.0.0.1:1/none".to_owned());
    })
    .await;
    let team = app.team().await;
    app.client_of(&team.ann, "Alfreds").await;
    let answer = app.gql(&team.ann.token, COUNT, json!({})).await.ok();
    assert_eq!(answer.data("/clients/totalCount"), 1);
    let pools = app.server().database.pools();
    let names: Vec<_> = pools.iter().map(|pool| pool.name).collect();
    assert_eq!(names, ["primary", "replica"]);
}

#[tokio::test]
async fn sqlite_has_no_replica() {
    let database = TestDatabase::create(Backend::Sqlite).await;
    let mut config = DatabaseConfig::new(database.url(), [7; 32]);
    config.read_url = Some("postgres://127.0.0.1/none".to_owned());
    let error = Database::connect(&config, Clock::default())
        .await
        .err()
        .unwrap();
    assert!(
        error.message().contains("PostgreSQL"),
        "{}",
        error.message()
    );
}
