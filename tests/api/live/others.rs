//! Several processes on one PostgreSQL: what one of them writes is heard on the sockets of the others.

use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use super::scope::{note, settle};
use super::socket::Socket;
use super::{CLIENTS, ORDERS};
use crate::orders::{placed, shop};
use crate::support::server::{self, Server};
use crate::support::{App, Backend, block_on, run};

/// Another process on the database of `app`.
pub async fn another(app: &App) -> Server {
    server::spawn(app.database_url(), server::generous(), |_| {}).await
}

/// A socket at that process.
pub async fn socket_at(server: &Server, token: &str) -> Socket {
    Socket::of_at(&format!("{}/graphql", server.base_url), token).await
}

#[test]
fn what_one_process_writes_is_heard_at_the_other() {
    block_on(run(Backend::Postgres, async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let other = another(&app).await;
        let mut ann = socket_at(&other, &team.ann.token).await;
        ann.follow("c", CLIENTS, json!({})).await;
        settle(&app, &team.ann, &mut ann, "c").await;
        let mut manager = socket_at(&other, &team.left.token).await;
        manager.follow("o", ORDERS, json!({})).await;
        let mut ben = socket_at(&other, &team.ben.token).await;
        ben.follow("c", CLIENTS, json!({})).await;
        settle(&app, &team.ben, &mut ben, "c").await;
        ben.follow("o", ORDERS, json!({})).await;
        note(&app, &team.ann, &shop.client).await;
        assert_eq!(ann.changed("c").await, std::slice::from_ref(&shop.client));
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let event = manager.next("o").await;
        assert_eq!(event["data"]["orderPlaced"]["order"]["id"], order["id"]);
        // More than a message between processes holds.
        super::limits::make_clients(&app, team.ann.id, 400).await;
        while ann.next("c").await["data"]["clientChanged"]["isResync"] != true {}
        for _ in 0..2 {
            let event = ben.said().await;
            assert!(event.to_string().contains("\"isResync\":true"), "{event}");
        }
        note(&app, &team.ben, &bens).await;
        assert_eq!(ben.changed("c").await, [bens]);
        ben.is_silent().await;
        // A session that is ended here ends there.
        let revoke = "mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { session { id } } }";
        let input = json!({ "input": { "id": team.ann.session.to_string() } });
        app.gql(&team.ann.token, revoke, input).await.ok();
        while let super::socket::Heard::Said(message) = ann.hear().await {
            assert_eq!(message["type"], "next", "{message}");
        }
        ben.is_silent().await;
    }));
}

#[test]
fn a_lost_connection_between_processes_comes_back() {
    block_on(run(Backend::Postgres, async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Blue Door").await;
        let other = another(&app).await;
        let mut ann = socket_at(&other, &team.ann.token).await;
        ann.follow("c", CLIENTS, json!({})).await;
        settle(&app, &team.ann, &mut ann, "c").await;
        note(&app, &team.ann, &client).await;
        assert_eq!(ann.changed("c").await, std::slice::from_ref(&client));
        let direct = Database::connect(app.database_url()).await.unwrap();
        for _ in 0..3 {
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'clientele news'";
            direct.execute_unprepared(cut).await.unwrap();
            // What was said meanwhile is not known.
            let event = ann.next("c").await;
            assert_eq!(event["data"]["clientChanged"]["isResync"], true, "{event}");
            note(&app, &team.ann, &client).await;
            let mut told = ann.next("c").await;
            // The other side may have found out later.
            while told["data"]["clientChanged"]["isResync"] == true {
                told = ann.next("c").await;
            }
            assert_eq!(
                told["data"]["clientChanged"]["ids"],
                json!([client]),
                "{told}"
            );
        }
    }));
}
