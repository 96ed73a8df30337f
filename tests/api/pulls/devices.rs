//! Phones that come, are listed, shut out, and told to forget what they hold.

use chrono::TimeDelta;
use entity::sync_device;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::{Phone, Rx, act, new_id, note};
use crate::pushes::{self, statuses};
use crate::support::{App, Person};

const DEVICE: &str =
    "device { id userId name schemaVersion expiredAt revokedAt wipeAskedAt wipedAt sessionId }";

async fn devices(app: &App, who: &Person, of: Option<&Person>) -> Vec<Value> {
    let query = "query($of: ID) { devices(userId: $of) { id name revokedAt wipeAskedAt wipedAt expiredAt } }";
    let answer = app
        .gql(&who.token, query, json!({ "of": of.map(Person::id) }))
        .await;
    answer.ok().list("/devices").to_vec()
}

async fn register(app: &App, who: &Person, id: &str, name: &str) -> Value {
    let input = json!({ "id": id, "name": name, "schemaVersion": 3 });
    act(
        app,
        who,
        "deviceRegister",
        "DeviceRegisterInput",
        input,
        DEVICE,
    )
    .await["device"]
        .clone()
}

async fn refused(app: &App, who: &Person, mutation: &str, id: &str) -> String {
    let query =
        format!("mutation($input: DeviceIdInput!) {{ {mutation}(input: $input) {{ {DEVICE} }} }}");
    let answer = app
        .gql(&who.token, &query, json!({ "input": { "id": id } }))
        .await;
    answer.code(0).to_owned()
}

on_both!(phones_are_known_listed_and_shut_out, async |app: App| {
    let team = app.team().await;
    let id = new_id("device");
    let made = register(&app, &team.ann, &id, " Ann's phone ").await;
    assert_eq!(
        (&made["name"], &made["schemaVersion"]),
        (&json!("Ann's phone"), &json!(3))
    );
    assert_eq!(made["userId"], team.ann.id());
    // Its session pulls with it; without it, the session itself is the device.
    let mut ann = Phone::of(&team.ann, 50);
    ann.pull(&app).await;
    assert_eq!(devices(&app, &team.ann, None).await.len(), 1);
    let mut ben = Rx::of(&team.ben, "NOTES");
    ben.pull(&app, 5).await;
    let own = devices(&app, &team.ben, None).await;
    assert_eq!((own.len(), &own[0]["name"]), (1, &Value::Null));
    // What its app understands stays known, though not every way of pulling says so.
    app.server().clock.advance(TimeDelta::hours(2));
    Rx::of(&team.ann, "NOTES").pull(&app, 5).await;
    let query = "{ devices { schemaVersion lastSeenAt } }";
    let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
    assert_eq!(answer.data("/devices/0/schemaVersion"), 1, "{answer}");
    register(&app, &team.ann, &id, "Ann's phone").await;
    app.server().clock.advance(TimeDelta::hours(2));
    Rx::of(&team.ann, "NOTES").pull(&app, 5).await;
    let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
    assert_eq!(answer.data("/devices/0/schemaVersion"), 3, "{answer}");
    // Who may see and do what.
    assert_eq!(
        devices(&app, &team.admin, Some(&team.ann)).await[0]["id"],
        id
    );
    let query = "query($of: ID) { devices(userId: $of) { id } }";
    for who in [&team.ben, &team.left] {
        let answer = app
            .gql(&who.token, query, json!({ "of": team.ann.id() }))
            .await;
        assert_eq!(answer.code(0), "NOT_FOUND");
        for mutation in ["deviceRevoke", "deviceWipe", "deviceWiped"] {
            assert_eq!(refused(&app, who, mutation, &id).await, "NOT_FOUND");
        }
    }
    let input = json!({ "input": { "id": id, "name": "mine", "schemaVersion": 1 } });
    let stolen = "mutation($input: DeviceRegisterInput!) { deviceRegister(input: $input) { device { id } } }";
    assert_eq!(
        app.gql(&team.ben.token, stolen, input).await.code(0),
        "CONFLICT"
    );
    assert_eq!(
        refused(&app, &team.ann, "deviceWiped", &id).await,
        "RULE_VIOLATED"
    );
    // Shut out, it has no session any more, and its id is of no use in another.
    let input = json!({ "id": id });
    let gone = act(
        &app,
        &team.admin,
        "deviceRevoke",
        "DeviceIdInput",
        input,
        DEVICE,
    )
    .await;
    assert!(!gone["device"]["revokedAt"].is_null() && !gone["device"]["expiredAt"].is_null());
    assert_eq!(ann.ask(&app, json!({})).await.code(0), "UNAUTHENTICATED");
    ann.who = app.sign_in(team.ann.id, "Ann").await;
    let shut = ann.ask(&app, json!({ "deviceId": id })).await;
    assert_eq!((shut.code(0), shut.rule()), ("FORBIDDEN", "DEVICE_REVOKED"));
    // As another device she comes again.
    let other = new_id("device");
    let answer = ann.ask(&app, json!({ "deviceId": other })).await.ok();
    ann.store(&answer);
    assert_eq!(devices(&app, &ann.who, None).await.len(), 2);
});

on_both!(a_phone_is_wiped_when_it_comes, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    let id = new_id("device");
    register(&app, &team.ann, &id, "lost").await;
    let mut ann = Phone::of(&team.ann, 50);
    ann.pull(&app).await;
    assert!(ann.held.contains_key(&client));
    // Another name of the same phone, which is known by a push.
    let mut alias = pushes::Phone::of(&team.ann);
    let write = |phone: &mut pushes::Phone| {
        let note = json!({ "clientId": client, "body": "by phone" });
        phone.op("CREATE", &new_id("note"), json!({ "note": note }))
    };
    let op = write(&mut alias);
    assert_eq!(statuses(&alias.push(&app, &[&op]).await), ["APPLIED"]);
    // From another phone of hers.
    let other = app.sign_in(team.ann.id, "Ann").await;
    act(
        &app,
        &other,
        "deviceWipe",
        "DeviceIdInput",
        json!({ "id": id }),
        DEVICE,
    )
    .await;
    for _ in 0..2 {
        let told = ann.ask(&app, json!({})).await;
        assert_eq!((told.code(0), told.rule()), ("FORBIDDEN", "DEVICE_WIPE"));
        let told = Rx::of(&team.ann, "CLIENTS").ask(&app, 5).await;
        assert_eq!(told.rule(), "DEVICE_WIPE");
        // Whatever it asks, and by whatever name.
        for query in [
            "{ syncDigest { count } }",
            "{ syncManifest(collection: CLIENTS, limit: 5) { end } }",
        ] {
            let told = app.gql(&team.ann.token, query, json!({})).await;
            assert_eq!((told.code(0), told.rule()), ("FORBIDDEN", "DEVICE_WIPE"));
            app.gql(&other.token, query, json!({})).await.ok();
            app.gql(&team.ben.token, query, json!({})).await.ok();
        }
        let told = ann.ask(&app, json!({ "deviceId": new_id("device") })).await;
        assert_eq!(told.rule(), "DEVICE_WIPE");
        let op = write(&mut alias);
        let push = json!({ "deviceId": alias.id, "ops": [op] });
        assert_eq!(alias.send(&app, push).await.rule(), "DEVICE_WIPE");
        for (who, is_done) in [(&other, true), (&team.ben, false)] {
            let mut phone = pushes::Phone::of(who);
            let op = write(&mut phone);
            let told = phone.push(&app, &[&op]).await;
            assert_eq!(statuses(&told)[0] == "APPLIED", is_done, "{told:?}");
        }
    }
    let done = act(
        &app,
        &team.ann,
        "deviceWiped",
        "DeviceIdInput",
        json!({ "id": id }),
        DEVICE,
    )
    .await;
    assert!(!done["device"]["wipedAt"].is_null());
    assert_eq!(ann.ask(&app, json!({})).await.code(0), "UNAUTHENTICATED");
    // The other phone goes on.
    let mut second = Phone::of(&other, 50);
    second.pull(&app).await;
    assert!(second.held.contains_key(&client));
    let listed = devices(&app, &other, None).await;
    assert!(
        listed
            .iter()
            .any(|device| device["id"] == id && !device["wipedAt"].is_null())
    );
});

/// Up to where the devices of somebody are taken to have everything.
async fn acknowledged(app: &App, who: &Person) -> i64 {
    let db = sea_orm::Database::connect(app.database_url())
        .await
        .unwrap();
    let own = sync_device::Column::UserId.eq(who.id);
    let rows = sync_device::Entity::find()
        .filter(own)
        .all(&db)
        .await
        .unwrap();
    rows.iter().map(|row| row.acked_seq).max().unwrap()
}

on_both!(a_phone_has_what_it_shows_to_have, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    app.client_of(&team.ben, "Ben's").await;
    let (mut ann, mut ben) = (Phone::of(&team.ann, 50), Phone::of(&team.ben, 50));
    ann.pull(&app).await;
    ben.pull(&app).await;
    note(&app, &team.ann, &client, "something").await;
    assert_eq!(acknowledged(&app, &team.ann).await, 0);
    let own = ann.checkpoint.clone();
    let hours = async || app.server().clock.advance(TimeDelta::hours(2));
    // A number beyond all there is, some kinds alone, somebody else's token.
    for more in [
        json!({ "since": 1_000_000 }),
        json!({ "collections": ["NOTES", "CLIENTS"] }),
        json!({ "collections": ["NOTES"], "since": 2 }),
        json!({ "checkpoint": ben.checkpoint }),
    ] {
        hours().await;
        ann.checkpoint = own.clone().filter(|_| more["since"].is_null());
        ann.ask(&app, more).await.ok();
        assert_eq!(acknowledged(&app, &team.ann).await, 0);
    }
    hours().await;
    ann.checkpoint = own;
    ann.pull(&app).await;
    let acked = acknowledged(&app, &team.ann).await;
    assert!(acked > 0);
    hours().await;
    let now = ann.ask(&app, json!({})).await.ok();
    assert!(acknowledged(&app, &team.ann).await > acked);
    assert!(now.data("/sync/watermark").as_i64().unwrap() >= acked);
    assert_eq!(acknowledged(&app, &team.ben).await, 0);
});
