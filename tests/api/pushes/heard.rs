//! An answer that is kept with a key shows documents: who asks for it again must be one who may see them then.

use serde_json::{Value, json};

use super::{Phone, contact_of, hand_over, office_changes};
use crate::idempotency::send;
use crate::orders::{placed, shop};
use crate::pulls::act;
use crate::support::{Answer, App, Person, Team};

/// What a document that is in the way shows.
const SHOWN: &str = "results { status conflict { reason server { ... on ClientDoc { name creditLimit { amount } } \
    ... on ContactDoc { name likes } ... on PaymentDoc { note } } } }";

/// Pushes with a key.
async fn push(app: &App, who: &Person, key: &str, input: &Value) -> Answer {
    let query =
        format!("mutation($input: SyncPushInput!) {{ syncPush(input: $input) {{ {SHOWN} }} }}");
    send(app, &who.token, key, &query, json!({ "input": input })).await
}

/// Says who sees a group of confidential facts.
async fn audience(app: &App, team: &Team, group: &str, audience: &str) {
    let policy = json!({ "group": group, "audience": audience });
    act(
        app,
        &team.admin,
        "confidentialitySet",
        "ConfidentialitySetInput",
        policy,
        "__typename",
    )
    .await;
}

on_both!(
    a_repeated_push_shows_no_client_that_is_out_of_reach,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let theirs = json!({
            "id": client, "version": 1, "name": "Theirs",
            "profile": { "creditLimit": { "amount": "900.00", "currency": "EUR" } },
        });
        act(
            &app,
            &team.left,
            "clientUpdate",
            "ClientUpdateInput",
            theirs,
            "client { id }",
        )
        .await;
        let mut phone = Phone::of(&team.ann);
        let mine = phone.op(
            "UPDATE",
            &client,
            json!({
                "baseVersion": 1,
                "client": { "name": "Mine" },
                "baseClient": { "name": "Alfreds Futterkiste" },
            }),
        );
        let input = json!({ "deviceId": phone.id, "ops": [mine] });
        let first = push(&app, &team.ann, "push", &input).await.ok();
        assert_eq!(
            first.data("/syncPush/results/0/conflict/server"),
            &json!({ "name": "Theirs", "creditLimit": { "amount": "900.00" } })
        );
        let again = push(&app, &team.ann, "push", &input).await.ok();
        assert_eq!(again.data("/syncPush"), first.data("/syncPush"));
        // What she may no longer see of it; then, what she may see again.
        audience(&app, &team, "CREDIT", "ADMINS").await;
        let again = push(&app, &team.ann, "push", &input).await;
        assert_eq!(again.rule(), "idempotency.out_of_reach", "{again}");
        audience(&app, &team, "CREDIT", "OWNER_AND_ABOVE").await;
        let _ = push(&app, &team.ann, "push", &input).await.ok();
        // A key is of one person: the other rep has done nothing under it, and hears nothing.
        let mut bens = Phone::of(&team.ben);
        let his = bens.op("DELETE", &client, json!({ "baseVersion": 1 }));
        let his = json!({ "deviceId": bens.id, "ops": [his] });
        let answer = push(&app, &team.ben, "push", &his).await.ok();
        assert_eq!(
            answer.data("/syncPush/results/0/conflict"),
            &json!({ "reason": "NOT_VISIBLE", "server": null })
        );
        // No longer hers at all.
        hand_over(&app, &team.left, &client, &team.ben).await;
        let again = push(&app, &team.ann, "push", &input).await;
        assert_eq!(again.rule(), "idempotency.out_of_reach", "{again}");
        assert!(!again.to_string().contains("Theirs"), "{again}");
    }
);

on_both!(
    repeated_pushes_show_nothing_of_a_client_that_was_lost,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let likes = json!({ "title": "Clerk", "likes": "Zanzibar" });
        let id = contact_of(&app, &team.ann, &shop.client, likes).await;
        let change = json!({ "id": id, "version": 1, "title": "Owner" });
        office_changes(&app, &team.left, change).await;
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let money = json!({ "amount": "1.00", "currency": "EUR" });
        let pays = json!({ "orderId": order["id"], "amount": money, "method": "CASH", "note": "Zanzibar" });
        let payment = act(
            &app,
            &team.ann,
            "paymentRecord",
            "PaymentRecordInput",
            pays,
            "payment { id }",
        );
        let payment = payment.await["payment"]["id"].as_str().unwrap().to_owned();
        // A payment that is there with another amount; then a contact as stock RxDB pushes it.
        let mut phone = Phone::of(&team.ann);
        let other = json!({ "amount": "2.00", "currency": "EUR" });
        let op = phone.op(
            "CREATE",
            &payment,
            json!({ "payment": { "orderId": order["id"], "amount": other, "method": "CASH" } }),
        );
        let input = json!({ "deviceId": phone.id, "ops": [op] });
        let first = push(&app, &team.ann, "payment", &input).await.ok();
        assert!(first.to_string().contains("Zanzibar"), "{first}");
        let row = |title: &str| {
            json!({ "id": id, "clientId": shop.client, "name": "Maria Anders", "title": title,
                "version": 1, "deleted": false })
        };
        let rows = json!({ "rows": [
            { "assumedMasterState": row("Clerk"), "newDocumentState": row("Boss") },
        ] });
        let query =
            "mutation($rows: [ContactPushRow!]!) { pushContacts(rows: $rows) { title likes } }";
        let rx = async || send(&app, &team.ann.token, "rows", query, rows.clone()).await;
        let first = rx().await.ok();
        assert_eq!(
            first.data("/pushContacts"),
            &json!([{ "title": "Owner", "likes": "Zanzibar" }])
        );
        assert_eq!(
            rx().await.ok().data("/pushContacts"),
            first.data("/pushContacts")
        );
        audience(&app, team, "PERSONAL", "ADMINS").await;
        assert_eq!(rx().await.rule(), "idempotency.out_of_reach");
        audience(&app, team, "PERSONAL", "OWNER_AND_ABOVE").await;
        hand_over(&app, &team.left, &shop.client, &team.ben).await;
        for again in [rx().await, push(&app, &team.ann, "payment", &input).await] {
            assert_eq!(again.rule(), "idempotency.out_of_reach", "{again}");
            assert!(!again.to_string().contains("Zanzibar"), "{again}");
        }
        // The other rep hears nothing of hers by her key.
        let bens = send(&app, &team.ben.token, "rows", query, json!({ "rows": [] })).await;
        assert_eq!(bens.ok().data("/pushContacts"), &json!([]));
    }
);
