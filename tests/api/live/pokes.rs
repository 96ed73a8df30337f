//! Telling phones when to pull: those that hold what changed, of the collections in which it did, once for what comes
//! close together.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::others::{another, socket_at};
use super::scope::note;
use super::socket::{Heard, Socket, texts};
use crate::pulls::{self, act, hand_over};
use crate::pushes::{self, contact_of, office_changes, statuses};
use crate::support::{App, Backend, Person, block_on, run};

const LIVE: &str = "subscription($device: ID) { syncLive(deviceId: $device) \
    { watermark collections scopesChanged wipe isResync } }";
const POKE: &str = "subscription($of: [SyncCollection!]) { syncPoke(collections: $of) }";

/// What a phone was told.
#[derive(Debug, Default, PartialEq)]
struct Told {
    collections: BTreeSet<String>,
    scopes_changed: bool,
    wipe: bool,
    watermark: u64,
}

impl Told {
    fn hear(&mut self, event: &Value) {
        let said = &event["data"]["syncLive"];
        assert_eq!(said["isResync"], false, "{event}");
        self.collections.extend(texts(&said["collections"]));
        self.scopes_changed |= said["scopesChanged"] == true;
        self.wipe |= said["wipe"] == true;
        self.watermark = self.watermark.max(said["watermark"].as_u64().unwrap());
    }

    fn names(&self) -> Vec<&str> {
        self.collections.iter().map(String::as_str).collect()
    }
}

/// A socket of a phone that has pulled.
async fn phone(app: &App, who: &Person) -> Socket {
    pulls::Phone::of(who, 1_000).pull(app).await;
    let mut socket = Socket::of(app, &who.token).await;
    socket.follow("s", LIVE, json!({})).await;
    socket
}

/// Has something change for everybody.
async fn mark(app: &App, admin: &Person) {
    let input = json!({ "name": format!("Category {}", uuid::Uuid::now_v7()) });
    act(
        app,
        admin,
        "categoryCreate",
        "CategoryCreateInput",
        input,
        "category { id }",
    )
    .await;
}

/// What each was told until now: up to what changes for everybody, which is left out.
async fn told(app: &App, admin: &Person, sockets: &mut [Socket]) -> Vec<Told> {
    mark(app, admin).await;
    let mut all = Vec::new();
    for socket in sockets {
        let mut told = Told::default();
        while !told.collections.remove("CATEGORIES") {
            told.hear(&socket.next("s").await);
        }
        all.push(told);
    }
    all
}

/// The phone of a session that names none.
fn device_of(who: &Person) -> String {
    format!("device_{}", who.session.0)
}

async fn nobody_is_told(app: &App, admin: &Person, sockets: &mut [Socket]) {
    for told in told(app, admin, sockets).await {
        assert!(told.names().is_empty() && !told.scopes_changed, "{told:?}");
    }
}

on_both!(
    a_push_is_told_to_whoever_holds_what_changed,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Ann's").await;
        let tablet = app.sign_in(team.ann.id, "Ann").await;
        let mut sockets = Vec::new();
        for who in [&tablet, &team.left, &team.ben, &team.right] {
            sockets.push(phone(&app, who).await);
        }
        told(&app, &team.admin, &mut sockets).await;
        let mut anns = pushes::Phone::of(&team.ann);
        let id = pushes::new_id("note");
        let op = anns.op(
            "CREATE",
            &id,
            json!({ "note": { "clientId": client, "body": "typed offline" } }),
        );
        let results = anns.push(&app, &[&op]).await;
        assert_eq!(statuses(&results), ["APPLIED"]);
        let all = told(&app, &team.admin, &mut sockets).await;
        for held in &all[..2] {
            assert!(held.names().contains(&"NOTES"), "{held:?}");
            // What did not change is not named, and nobody came or went.
            for quiet in ["CONTACTS", "ORDERS", "PRODUCTS", "SYNC_ISSUES", "USERS"] {
                assert!(!held.names().contains(&quiet), "{held:?}");
            }
            assert!(!held.scopes_changed && !held.wipe);
            assert!(held.watermark >= results[0]["seq"].as_u64().unwrap());
        }
        for other in &all[2..] {
            assert!(
                other.names().is_empty() && !other.scopes_changed,
                "{other:?}"
            );
        }
        // What she typed in vain is for her alone.
        let op = anns.op(
            "CREATE",
            &pushes::new_id("note"),
            json!({ "note": { "clientId": client, "body": "" } }),
        );
        assert_eq!(statuses(&anns.push(&app, &[&op]).await), ["REJECTED"]);
        let all = told(&app, &team.admin, &mut sockets).await;
        assert_eq!(all[0].names(), ["SYNC_ISSUES"]);
        for other in &all[1..] {
            assert!(other.names().is_empty(), "{other:?}");
        }
    }
);

on_both!(
    a_client_that_changes_hands_is_told_to_both_sides,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Moves").await;
        let mut sockets = Vec::new();
        for who in [&team.ann, &team.ben, &team.left, &team.cleo] {
            sockets.push(phone(&app, who).await);
        }
        told(&app, &team.admin, &mut sockets).await;
        hand_over(&app, &team.left, &client, &team.ben).await;
        let all = told(&app, &team.admin, &mut sockets).await;
        for side in &all[..2] {
            assert!(side.scopes_changed, "{side:?}");
            for kind in ["CLIENTS", "CONTACTS", "NOTES", "ORDERS", "PAYMENTS"] {
                assert!(side.names().contains(&kind), "{side:?}");
            }
        }
        // Their manager sees it as before: only who answers for it changed.
        assert_eq!(
            (all[2].names(), all[2].scopes_changed),
            (vec!["CLIENTS"], false)
        );
        assert!(all[3].names().is_empty() && !all[3].scopes_changed);
        // From now on it is Ben's business.
        note(&app, &team.ben, &client).await;
        let all = told(&app, &team.admin, &mut sockets).await;
        assert!(all[0].names().is_empty() && all[3].names().is_empty());
        for side in &all[1..3] {
            assert!(side.names().contains(&"NOTES") && !side.scopes_changed);
        }
    }
);

on_both!(what_is_not_kept_is_told_to_nobody, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Ann's").await;
    let contact = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
    let change = json!({ "id": contact, "version": 1, "title": "Owner" });
    office_changes(&app, &team.left, change.clone()).await;
    let mut sockets = Vec::new();
    for who in [&team.ann, &team.left, &team.ben] {
        sockets.push(phone(&app, who).await);
    }
    let mut anns = pushes::Phone::of(&team.ann);
    let first = anns.op(
        "CREATE",
        &pushes::new_id("note"),
        json!({ "note": { "clientId": client, "body": "kept alone" } }),
    );
    let stale = anns.op(
        "UPDATE",
        &contact,
        json!({ "baseVersion": 1, "contact": { "title": "Manager" }, "baseContact": { "title": "Clerk" } }),
    );
    told(&app, &team.admin, &mut sockets).await;
    // All or nothing: the note is undone with the rest.
    let results = anns
        .push_as(&app, "ALL_OR_NOTHING", &[&first, &stale])
        .await;
    assert_eq!(statuses(&results), ["RETRY", "CONFLICT"]);
    nobody_is_told(&app, &team.admin, &mut sockets).await;
    // A mutation that fails after it has written.
    let update =
        "mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { contact { id } } }";
    let refused = app
        .gql(&team.left.token, update, json!({ "input": change }))
        .await;
    assert_eq!(refused.code(0), "STALE_VERSION");
    nobody_is_told(&app, &team.admin, &mut sockets).await;
    // And what is kept, is told.
    let results = anns.push(&app, &[&first]).await;
    assert_eq!(statuses(&results), ["APPLIED"]);
    let all = told(&app, &team.admin, &mut sockets).await;
    assert!(all[0].names().contains(&"NOTES") && all[1].names().contains(&"NOTES"));
    assert!(all[2].names().is_empty());
});

on_both!(a_quiet_collection_is_not_poked, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Ann's").await;
    let mut sockets = [phone(&app, &team.ann).await];
    told(&app, &team.admin, &mut sockets).await;
    let [mut socket] = sockets;
    socket.say(&json!({ "id": "s", "type": "complete" })).await;
    // The first comes at once, and says: fetch.
    let resync = json!({ "syncPoke": "RESYNC" });
    for (id, of) in [("quiet", "PAYMENTS"), ("poked", "NOTES")] {
        socket.subscribe(id, POKE, json!({ "of": [of] })).await;
        assert_eq!(socket.next(id).await["data"], resync);
    }
    for _ in 0..3 {
        note(&app, &team.ann, &client).await;
        assert_eq!(socket.next("poked").await["data"], resync);
    }
    socket.is_silent().await;
    // A connection that was lost begins anew.
    let mut again = Socket::of(&app, &team.ann.token).await;
    again.subscribe("p", POKE, json!({})).await;
    assert_eq!(again.next("p").await["data"], resync);
    again.subscribe("none", POKE, json!({ "of": [] })).await;
    let error = again.error("none").await;
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(error["extensions"]["fields"], json!(["collections"]));
});

on_both!(a_burst_of_writes_is_told_now_and_then, async |app: App| {
    let mut app = app;
    let gather = Duration::from_secs(1);
    app.restart(|endpoint| endpoint.limits.sockets.gather = gather)
        .await;
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Ann's").await;
    let mut sockets = [phone(&app, &team.ann).await];
    told(&app, &team.admin, &mut sockets).await;
    let began = Instant::now();
    for _ in 0..50 {
        note(&app, &team.ann, &client).await;
    }
    mark(&app, &team.admin).await;
    let (mut told, mut events) = (Told::default(), 0);
    while !told.collections.contains("CATEGORIES") {
        told.hear(&sockets[0].next("s").await);
        events += 1;
    }
    assert!(told.names().contains(&"NOTES"));
    // However fast it is written: never more often than that.
    assert!(
        gather * events <= began.elapsed() + gather,
        "{events} events"
    );
    sockets[0].is_silent().await;
});

on_both!(a_lost_phone_is_told_to_forget, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Ann's").await;
    let tablet = app.sign_in(team.ann.id, "Ann").await;
    let mut lost = phone(&app, &team.ann).await;
    let mut other = phone(&app, &tablet).await;
    mark(&app, &team.admin).await;
    for socket in [&mut lost, &mut other] {
        let mut told = Told::default();
        while !told.collections.contains("CATEGORIES") {
            told.hear(&socket.next("s").await);
        }
    }
    let device = device_of(&team.ann);
    let input = json!({ "id": device });
    act(
        &app,
        &team.admin,
        "deviceWipe",
        "DeviceIdInput",
        input,
        "device { id }",
    )
    .await;
    let mut told = Told::default();
    while !told.wipe {
        told = Told::default();
        told.hear(&lost.next("s").await);
    }
    assert_eq!(
        (told.names(), told.scopes_changed),
        (Vec::<&str>::new(), false)
    );
    // The other phone of hers pulls in vain, and goes on.
    let mut told = Told::default();
    while !told.collections.contains("ORDERS") {
        told.hear(&other.next("s").await);
    }
    assert!(!told.wipe);
    // One that comes later hears it first.
    let mut again = Socket::of(&app, &team.ann.token).await;
    again.subscribe("s", LIVE, json!({})).await;
    let first = again.next("s").await;
    let said = &first["data"]["syncLive"];
    assert_eq!(
        (&said["wipe"], &said["collections"]),
        (&json!(true), &json!([]))
    );
    // Somebody else's phone is nobody's to hear of.
    let mut ben = Socket::of(&app, &team.ben.token).await;
    ben.subscribe("s", LIVE, json!({ "device": device })).await;
    let first = ben.next("s").await;
    assert_eq!(first["data"]["syncLive"]["wipe"], false, "{first}");
    // Shut out, it hears nothing more.
    act(
        &app,
        &team.admin,
        "deviceRevoke",
        "DeviceIdInput",
        json!({ "id": device_of(&tablet) }),
        "device { id }",
    )
    .await;
    while let Heard::Said(message) = other.hear().await {
        assert_eq!(message["type"], "next", "{message}");
    }
});

#[test]
fn phones_at_another_process_are_told() {
    block_on(run(Backend::Postgres, async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Moves").await;
        let other = another(&app).await;
        let mut sockets = Vec::new();
        for who in [&team.ann, &team.left, &team.ben] {
            pulls::Phone::of(who, 1_000).pull(&app).await;
            let mut socket = socket_at(&other, &who.token).await;
            socket.follow("s", LIVE, json!({})).await;
            sockets.push(socket);
        }
        told(&app, &team.admin, &mut sockets).await;
        note(&app, &team.ann, &client).await;
        let all = told(&app, &team.admin, &mut sockets).await;
        for held in &all[..2] {
            assert!(held.names().contains(&"NOTES") && !held.names().contains(&"ORDERS"));
        }
        assert!(all[2].names().is_empty(), "{:?}", all[2]);
        hand_over(&app, &team.left, &client, &team.ben).await;
        let all = told(&app, &team.admin, &mut sockets).await;
        let moved: Vec<bool> = all.iter().map(|told| told.scopes_changed).collect();
        assert_eq!(moved, [true, false, true]);
    }));
}
