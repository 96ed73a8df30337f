//! A real standby that stops replaying: who lost a client reads it no longer than the replica may lag, and reads
//! go to the replica again once it has caught up.

use std::time::Duration;

use clientele::db::MAX_LAG;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::service::{Caller, Outcome, Place};
use crate::shop::Shop;

const RENAME: &str =
    "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { version } } }";
const HAND_OVER: &str =
    "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// The name of a client as somebody reads it; null when they do not see it.
async fn name(caller: &Caller, client: &str) -> Value {
    let query = "query($id: ID!) { client(id: $id) { name } }";
    let data = caller.ask(query, json!({ "id": client })).await.data();
    data["client"]["name"].clone()
}

/// Renames a client. The version is read from the replica, too, and may be an older one.
async fn rename(caller: &Caller, client: &str, name: &str) {
    let query = "query($id: ID!) { client(id: $id) { version } }";
    loop {
        let data = caller.ask(query, json!({ "id": client })).await.data();
        let input = json!({ "id": client, "version": data["client"]["version"], "name": name });
        match caller.ask(RENAME, json!({ "input": input })).await {
            Outcome::Data(_) => return,
            outcome => assert_eq!(outcome.code(), "STALE_VERSION", "{outcome:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_for_long_what_was_taken_from_them() {
    let primary = Cluster::start();
    let place = Place::over(primary.url());
    let shop = Shop::open(&place, 1).await;
    let standby = primary.standby();
    let service = place
        .start_within(&["env", &format!("DATABASE_READ_URL={}", standby.url())])
        .await;
    let [ann, ben] = &shop.reps;
    let (anns, bens) = (service.caller(&ann.token), service.caller(&ben.token));
    let admin = service.caller(&shop.admin);
    let replica = connect(&standby.url()).await;
    let pause = "SELECT pg_wal_replay_pause()";
    let resume = "SELECT pg_wal_replay_resume()";
    // While it does not replay, what is new is not seen: reads go there.
    replica.execute_unprepared(pause).await.unwrap();
    rename(&admin, &ann.client, "New Name").await;
    let is_old = name(&anns, &ann.client).await == "Tea House";
    replica.execute_unprepared(resume).await.unwrap();
    assert!(is_old, "the replica is not read from");
    while name(&anns, &ann.client).await != "New Name" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The client goes from Ann to Ben, and the replica does not hear of it.
    replica.execute_unprepared(pause).await.unwrap();
    let me = "{ viewer { user { id } } }";
    let to = bens.ask(me, json!({})).await.data()["viewer"]["user"]["id"].clone();
    let input = json!({ "clientIds": [ann.client], "toUserId": to });
    admin.ask(HAND_OVER, json!({ "input": input })).await.data();
    tokio::time::sleep(MAX_LAG).await;
    assert_eq!(name(&anns, &ann.client).await, Value::Null);
    assert_eq!(name(&bens, &ann.client).await, "New Name");

    // Once it has caught up, it is read from again.
    replica.execute_unprepared(resume).await.unwrap();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        replica.execute_unprepared(pause).await.unwrap();
        let new = uuid::Uuid::now_v7().to_string();
        rename(&admin, &ben.client, &new).await;
        let seen = name(&bens, &ben.client).await;
        replica.execute_unprepared(resume).await.unwrap();
        if seen != new {
            break;
        }
    }
}
