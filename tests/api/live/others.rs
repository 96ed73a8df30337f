//! Several processes on one PostgreSQL: what one of them writes is heard on the sockets of the others.

use std::collections::BTreeSet;

use clientele::live::MAX_WAITING;
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use super::scope::{note, settle};
use super::socket::Socket;
use super::way::Way;
use super::{CLIENTS, ORDERS};
use crate::orders::{placed, shop};
use crate::support::server::{self, Server};
use crate::support::{Answer, App, Backend, block_on, run};

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
        assert_eq!(ann.changed("c").await, std::slice::from_ref(&shop.client));
        // More than a message between processes holds, and no more than waits for one.
        let many = MAX_WAITING - 6;
        super::limits::make_clients(&app, team.ann.id, many).await;
        let mut told = BTreeSet::new();
        while told.len() < many {
            told.extend(ann.changed("c").await);
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

#[test]
fn what_was_said_before_a_process_hears_is_missed_and_told_so() {
    block_on(run(Backend::Postgres, async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Blue Door").await;
        let way = Way::to(app.database_url()).await;
        way.hold();
        let other = server::spawn(way.url(), server::generous(), |_| {}).await;
        let mut ann = socket_at(&other, &team.ann.token).await;
        ann.follow("c", CLIENTS, json!({})).await;
        note(&app, &team.ann, &client).await;
        way.release();
        let event = ann.next("c").await;
        assert_eq!(event["data"]["clientChanged"]["isResync"], true, "{event}");
        note(&app, &team.ann, &client).await;
        assert_eq!(ann.changed("c").await, [client]);
    }));
}

#[test]
fn a_connection_between_processes_that_is_cut_without_a_word_is_given_up() {
    block_on(run(Backend::Postgres, async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Blue Door").await;
        let way = Way::to(app.database_url()).await;
        let other = server::spawn(way.url(), server::generous(), |_| {}).await;
        let mut here = Socket::of(&app, &team.ann.token).await;
        here.follow("c", CLIENTS, json!({})).await;
        settle(&app, &team.ann, &mut here, "c").await;
        let mut there = socket_at(&other, &team.ann.token).await;
        there.follow("c", CLIENTS, json!({})).await;
        settle(&app, &team.ann, &mut there, "c").await;
        let note_there = async || {
            let query =
                "mutation($input: NoteCreateInput!) { noteCreate(input: $input) { note { id } } }";
            let input = json!({ "clientId": client, "body": "a word" });
            let body = json!({ "query": query, "variables": { "input": input } });
            let request = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = request.post(format!("{}/graphql", other.base_url));
            let request = request.bearer_auth(&team.ann.token).json(&body);
            Answer::of(request).await.ok();
        };
        // Both connections of the other process are in use.
        note_there().await;
        while !here.changed("c").await.contains(&client) {}
        while !there.changed("c").await.contains(&client) {}
        for _ in 0..2 {
            way.cut();
            note_there().await;
            assert_eq!(here.changed("c").await, std::slice::from_ref(&client));
            // It has told its own of that note, and then finds out that it may have missed others.
            while there.next("c").await["data"]["clientChanged"]["isResync"] != true {}
            note(&app, &team.ann, &client).await;
            assert_eq!(here.changed("c").await, std::slice::from_ref(&client));
            assert_eq!(there.changed("c").await, std::slice::from_ref(&client));
        }
    }));
}
