//! Phones that come, are listed, shut out, and told to forget what they hold.

use serde_json::{Value, json};

use super::{Phone, Rx, act, new_id};
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
