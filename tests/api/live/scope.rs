//! Who hears of what: each event is for those who see what it is about, at that moment, and says nothing more.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::socket::Socket;
use super::{CLIENTS, ORDERS};
use crate::idempotency::send;
use crate::orders::{Shop, mutate, placed, shop};
use crate::support::{App, Person};

const NOTE: &str =
    "mutation($input: NoteCreateInput!) { noteCreate(input: $input) { note { id } } }";
const UPDATE: &str =
    "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { version } } }";
const HAND_OVER: &str =
    "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }";

/// Writes a note about `client`.
pub async fn note(app: &App, author: &Person, client: &str) {
    let input = json!({ "input": { "clientId": client, "body": "a word" } });
    app.gql(&author.token, NOTE, input).await.ok();
}

/// Waits until all that was written so far has been told under `id`: what `person` makes now comes after it.
pub async fn settle(app: &App, person: &Person, socket: &mut Socket, id: &str) {
    let last = app.client_of(person, "The last one").await;
    while !socket.changed(id).await.contains(&last) {}
}

/// How many notes there are.
pub async fn notes(app: &App, viewer: &Person, client: &str) -> u64 {
    let query = "query($id: ID!) { client(id: $id) { notes { totalCount } } }";
    let answer = app
        .gql(&viewer.token, query, json!({ "id": client }))
        .await
        .ok();
    answer.data("/client/notes/totalCount").as_u64().unwrap()
}

async fn hand_over(app: &App, by: &Person, client: &str, to: &Person) {
    let input = json!({ "input": { "clientIds": [client], "toUserId": to.id() } });
    app.gql(&by.token, HAND_OVER, input).await.ok();
}

/// Follows clients as each of `people`.
async fn all_follow(app: &App, people: &[&Person]) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for person in people {
        let mut socket = Socket::of(app, &person.token).await;
        socket.follow("c", CLIENTS, json!({})).await;
        sockets.push(socket);
    }
    sockets
}

on_both!(
    a_change_is_told_to_those_who_see_the_client,
    async |app: App| {
        let team = app.team().await;
        let anns = app.client_of(&team.ann, "Ann's").await;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let cleos = app.client_of(&team.cleo, "Cleo's").await;
        let [ann, ben, cleo, left, right, top, admin] = [
            &team.ann,
            &team.ben,
            &team.cleo,
            &team.left,
            &team.right,
            &team.top,
            &team.admin,
        ];
        let mut sockets = all_follow(&app, &[ann, ben, cleo, left, right, top, admin]).await;
        note(&app, ann, &anns).await;
        // After it something that all of them hear of: what they did not hear of before it, they never will.
        note(&app, ben, &bens).await;
        note(&app, cleo, &cleos).await;
        let expected: [&[&String]; 7] = [
            &[&anns],
            &[&bens],
            &[&cleos],
            &[&anns, &bens],
            &[&cleos],
            &[&anns, &bens, &cleos],
            &[&anns, &bens, &cleos],
        ];
        for (socket, expected) in sockets.iter_mut().zip(expected) {
            let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
            expected.sort();
            let mut told = Vec::new();
            while told.len() < expected.len() {
                told.extend(socket.changed("c").await);
                told.sort();
                told.dedup();
            }
            assert_eq!(told, expected);
        }
        // And of nothing else: what is made now comes after all of it.
        let mut last = Vec::new();
        for owner in [ann, ben, cleo] {
            last.push(app.client_of(owner, "The last one").await);
        }
        let seen: [&[usize]; 7] = [&[0], &[1], &[2], &[0, 1], &[2], &[0, 1, 2], &[0, 1, 2]];
        for ((socket, expected), seen) in sockets.iter_mut().zip(expected).zip(seen) {
            let mut open: Vec<&String> = seen.iter().map(|at| &last[*at]).collect();
            while !open.is_empty() {
                for id in socket.changed("c").await {
                    let is_known = expected.contains(&&id) || seen.iter().any(|at| last[*at] == id);
                    assert!(is_known, "told of {id}");
                    open.retain(|last| **last != id);
                }
            }
        }
    }
);

on_both!(an_event_shows_the_client_as_it_is_now, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Old name").await;
    let mut socket = Socket::of(&app, &team.left.token).await;
    socket.follow("c", CLIENTS, json!({})).await;
    settle(&app, &team.ann, &mut socket, "c").await;
    let input = json!({ "id": client, "version": 1, "name": "New name" });
    app.gql(&team.ann.token, UPDATE, json!({ "input": input }))
        .await
        .ok();
    let event = socket.next("c").await;
    let expected = json!({ "ids": [client], "isResync": false, "clients": [{ "id": client, "name": "New name" }] });
    assert_eq!(event["data"]["clientChanged"], expected, "{event}");
    assert!(event.get("errors").is_none(), "{event}");
});

on_both!(changes_close_together_are_one_event, async |app: App| {
    let mut app = app;
    app.restart(|endpoint| endpoint.limits.sockets.gather = Duration::from_secs(3))
        .await;
    let team = app.team().await;
    let first = app.client_of(&team.ann, "First").await;
    let second = app.client_of(&team.ann, "Second").await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.follow("c", CLIENTS, json!({})).await;
    for _ in 0..3 {
        note(&app, &team.ann, &first).await;
    }
    note(&app, &team.left, &second).await;
    let mut both = [first, second];
    both.sort();
    assert_eq!(socket.changed("c").await, both);
    socket.is_silent().await;
});

on_both!(
    a_client_that_was_handed_over_is_silent_at_once,
    async |app: App| {
        let team = app.team().await;
        let moved = app.client_of(&team.ann, "Moved").await;
        let stays = app.client_of(&team.ann, "Stays").await;
        let mut sockets = all_follow(&app, &[&team.ann, &team.ben, &team.cleo]).await;
        for (socket, person) in sockets.iter_mut().zip([&team.ann, &team.ben, &team.cleo]) {
            settle(&app, person, socket, "c").await;
        }
        // Of the other rep's clients nobody else hears.
        note(&app, &team.ann, &moved).await;
        assert_eq!(sockets[0].changed("c").await, std::slice::from_ref(&moved));
        hand_over(&app, &team.left, &moved, &team.ben).await;
        assert_eq!(sockets[1].changed("c").await, std::slice::from_ref(&moved));
        note(&app, &team.ben, &moved).await;
        note(&app, &team.ann, &stays).await;
        assert_eq!(sockets[0].changed("c").await, [stays]);
        assert_eq!(sockets[1].changed("c").await, [moved]);
        for socket in &mut sockets {
            socket.is_silent().await;
        }
    }
);

on_both!(
    what_was_on_its_way_at_the_hand_over_is_not_told,
    async |app: App| {
        let mut app = app;
        app.restart(|endpoint| endpoint.limits.sockets.gather = Duration::from_secs(4))
            .await;
        let team = app.team().await;
        let moved = app.client_of(&team.ann, "Moved").await;
        let stays = app.client_of(&team.ann, "Stays").await;
        let mut socket = Socket::of(&app, &team.ann.token).await;
        socket.follow("c", CLIENTS, json!({})).await;
        socket.follow("o", ORDERS, json!({})).await;
        note(&app, &team.ann, &moved).await;
        note(&app, &team.ann, &stays).await;
        hand_over(&app, &team.left, &moved, &team.ben).await;
        assert_eq!(socket.changed("c").await, [stays]);
        socket.is_silent().await;
    }
);

on_both!(
    whoever_is_let_in_hears_and_whoever_is_put_out_does_not,
    async |app: App| {
        let team = app.team().await;
        let shared = app.client_of(&team.ann, "Shared").await;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let mut socket = Socket::of(&app, &team.ben.token).await;
        socket.follow("c", CLIENTS, json!({})).await;
        settle(&app, &team.ben, &mut socket, "c").await;
        let add = "mutation($input: ClientMemberAddInput!) { clientMemberAdd(input: $input) { member { id version } } }";
        let input = json!({ "clientId": shared, "userId": team.ben.id() });
        let added = app
            .gql(&team.ann.token, add, json!({ "input": input }))
            .await
            .ok();
        assert_eq!(socket.changed("c").await, std::slice::from_ref(&shared));
        note(&app, &team.ann, &shared).await;
        assert_eq!(socket.changed("c").await, std::slice::from_ref(&shared));
        let remove = "mutation($input: ClientMemberRemoveInput!) { clientMemberRemove(input: $input) { client { id } } }";
        let member = added.data("/clientMemberAdd/member");
        let input = json!({ "id": member["id"], "version": member["version"] });
        app.gql(&team.ann.token, remove, json!({ "input": input }))
            .await
            .ok();
        note(&app, &team.ann, &shared).await;
        note(&app, &team.ben, &bens).await;
        assert_eq!(socket.changed("c").await, std::slice::from_ref(&bens));
        // A share that ended by time.
        let until = (app.server().clock.now() + TimeDelta::hours(1))
            .to_rfc3339_opts(SecondsFormat::Secs, true);
        let share =
            "mutation($input: ClientShareInput!) { clientShare(input: $input) { client { id } } }";
        let input = json!({ "clientId": shared, "userIds": [team.ben.id()], "expiresAt": until });
        app.gql(&team.ann.token, share, json!({ "input": input }))
            .await
            .ok();
        assert_eq!(socket.changed("c").await, std::slice::from_ref(&shared));
        app.server().clock.advance(TimeDelta::hours(2));
        note(&app, &team.ann, &shared).await;
        note(&app, &team.ben, &bens).await;
        assert_eq!(socket.changed("c").await, [bens]);
    }
);

on_both!(a_role_counts_as_it_is_now, async |app: App| {
    let team = app.team().await;
    let anns = app.client_of(&team.ann, "Ann's").await;
    let cleos = app.client_of(&team.cleo, "Cleo's").await;
    let mut socket = Socket::of(&app, &team.right.token).await;
    socket.follow("c", CLIENTS, json!({})).await;
    settle(&app, &team.cleo, &mut socket, "c").await;
    note(&app, &team.cleo, &cleos).await;
    assert_eq!(socket.changed("c").await, std::slice::from_ref(&cleos));
    // Cleo reports to somebody else from now on, Ann to the manager who listens.
    let moved = "mutation($input: UserMoveInput!) { userMove(input: $input) { user { id } } }";
    for (user, to) in [(&team.cleo, &team.left), (&team.ann, &team.right)] {
        let input = json!({ "id": user.id(), "version": 1, "managerId": to.id() });
        app.gql(&team.admin.token, moved, json!({ "input": input }))
            .await
            .ok();
    }
    note(&app, &team.cleo, &cleos).await;
    note(&app, &team.ann, &anns).await;
    assert_eq!(socket.changed("c").await, [anns]);
    socket.is_silent().await;
});

on_both!(
    some_clients_can_be_chosen_and_only_ones_own,
    async |app: App| {
        let team = app.team().await;
        let one = app.client_of(&team.ann, "One").await;
        let two = app.client_of(&team.ann, "Two").await;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let some = "subscription($ids: [ID!]) { clientChanged(clientIds: $ids) { ids isResync } }";
        let mut socket = Socket::of(&app, &team.ann.token).await;
        socket.follow("all", CLIENTS, json!({})).await;
        settle(&app, &team.ann, &mut socket, "all").await;
        socket
            .say(&json!({ "id": "all", "type": "complete" }))
            .await;
        socket.follow("c", some, json!({ "ids": [one] })).await;
        socket.follow("n", some, json!({ "ids": [] })).await;
        note(&app, &team.ann, &two).await;
        note(&app, &team.ann, &one).await;
        assert_eq!(socket.changed("c").await, std::slice::from_ref(&one));
        let none = format!("client_{}", uuid::Uuid::now_v7());
        for stranger in [&bens, &none] {
            socket
                .subscribe("x", some, json!({ "ids": [one, stranger] }))
                .await;
            let error = socket.error("x").await;
            assert_eq!(error["extensions"]["code"], "NOT_FOUND");
            assert_eq!(error["extensions"]["fields"], json!(["clientIds.1"]));
            assert_eq!(error["message"], "no such client");
        }
        let many: Vec<&String> = std::iter::repeat_n(&one, 101).collect();
        socket.subscribe("x", some, json!({ "ids": many })).await;
        assert_eq!(
            socket.error("x").await["extensions"]["rule"],
            "BAD_PAGE_SIZE"
        );
        socket.follow("x", some, json!({ "ids": null })).await;
        socket.is_silent().await;
    }
);

on_both!(
    a_placed_order_is_told_to_those_who_see_its_client,
    async |app: App| {
        let shop = shop(&app).await;
        let Shop { team, .. } = &shop;
        let mut manager = Socket::of(&app, &team.left.token).await;
        let mut ann = Socket::of(&app, &team.ann.token).await;
        let mut others = [
            Socket::of(&app, &team.ben.token).await,
            Socket::of(&app, &team.right.token).await,
        ];
        for socket in others.iter_mut().chain([&mut manager, &mut ann]) {
            socket.follow("o", ORDERS, json!({})).await;
        }
        // A draft is no placed order.
        let draft = placed(&app, &shop, json!({})).await;
        let direct = placed(&app, &shop, json!({ "submit": true })).await;
        let expected = |id: &Value| {
            json!({ "isResync": false, "order": { "id": id, "status": "APPROVED",
            "client": { "id": shop.client, "name": "Alfreds Futterkiste" } } })
        };
        for socket in [&mut manager, &mut ann] {
            assert_eq!(
                socket.next("o").await["data"]["orderPlaced"],
                expected(&direct["id"])
            );
        }
        let seen = json!({ "id": draft["id"], "version": draft["version"] });
        mutate(&app, &team.ann, "orderSubmit", seen.clone())
            .await
            .ok();
        assert_eq!(
            manager.next("o").await["data"]["orderPlaced"],
            expected(&draft["id"])
        );
        assert_eq!(
            ann.next("o").await["data"]["orderPlaced"],
            expected(&draft["id"])
        );
        // What was refused is not told of.
        let refused = mutate(&app, &team.ann, "orderSubmit", seen).await;
        assert_eq!(refused.code(0), "STALE_VERSION");
        manager.is_silent().await;
        for socket in &mut others {
            socket.is_silent().await;
        }
    }
);

on_both!(what_is_kept_with_a_key_is_told_once, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Blue Door").await;
    let other = app.client_of(&team.ann, "Other").await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.follow("c", CLIENTS, json!({})).await;
    settle(&app, &team.ann, &mut socket, "c").await;
    let input = json!({ "input": { "clientId": client, "body": "once" } });
    send(&app, &team.ann.token, "a-key", NOTE, input.clone())
        .await
        .ok();
    assert_eq!(socket.changed("c").await, std::slice::from_ref(&client));
    // Done already; and undone.
    send(&app, &team.ann.token, "a-key", NOTE, input).await.ok();
    let stale = json!({ "input": { "id": client, "version": 7, "name": "x" } });
    assert_eq!(
        app.gql(&team.ann.token, UPDATE, stale).await.code(0),
        "STALE_VERSION"
    );
    note(&app, &team.ann, &other).await;
    assert_eq!(socket.changed("c").await, [other]);
    socket.is_silent().await;
});

on_both!(
    what_is_not_for_a_viewer_is_masked_in_events_too,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Blue Door").await;
        let set = "mutation($input: ConfidentialitySetInput!) { confidentialitySet(input: $input) { confidentiality { group } } }";
        let input = json!({ "group": "CREDIT", "audience": "MANAGERS" });
        let answer = app
            .gql(&team.admin.token, set, json!({ "input": input }))
            .await;
        let _ = answer.ok();
        let query =
            "subscription { clientChanged { ids isResync clients { id creditLimit { amount } } } }";
        let mut ann = Socket::of(&app, &team.ann.token).await;
        ann.follow("c", query, json!({})).await;
        note(&app, &team.ann, &client).await;
        let event = ann.next("c").await;
        assert_eq!(
            event["data"]["clientChanged"]["ids"],
            json!([client]),
            "{event}"
        );
        let masked = json!([["clientChanged", "clients", 0, "creditLimit"]]);
        assert_eq!(event["extensions"]["masked"], masked, "{event}");
    }
);
