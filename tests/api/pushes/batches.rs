//! Operations that come together: each by itself, or all or nothing.

use serde_json::{Value, json};

use super::{Phone, contact, contact_of, hand_over, issues, new_id, office_changes, statuses};
use crate::orders::{levels, shop};
use crate::support::App;

on_both!(
    three_orders_made_offline_go_in_one_push_and_nothing_twice,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let lost = app.client_of(&team.ann, "Lost").await;
        let lost_contact = contact_of(&app, &team.ann, &lost, json!({})).await;
        let edited = contact_of(&app, &team.ann, &shop.client, json!({})).await;
        let mut phone = Phone::of(&team.ann);
        assert_eq!(phone.push(&app, &[]).await.len(), 0);
        // Offline.
        let client = new_id("client");
        let make = phone.op(
            "CREATE",
            &client,
            json!({ "client": { "kind": "ORGANIZATION", "currency": "EUR", "name": "Made offline", "tags": ["new"] } }),
        );
        let mut ops = vec![make.clone()];
        let mut orders = Vec::new();
        for (of, quantity) in [(&shop.client, 1), (&shop.client, 2), (&client, 4)] {
            let id = new_id("order");
            let order = json!({
                "clientId": of,
                "status": "SUBMITTED",
                "lines": [{ "productId": shop.chai, "quantity": quantity }],
            });
            let depends = if *of == client {
                vec![make["opId"].clone()]
            } else {
                Vec::new()
            };
            let more = json!({ "order": order, "dependsOn": depends });
            ops.push(phone.op("CREATE", &id, more));
            orders.push(id);
        }
        let pays = json!({
            "payment": {
                "orderId": orders[2],
                "amount": { "amount": "15.00", "currency": "EUR" },
                "method": "CASH",
            },
            "dependsOn": [ops[3]["opId"]],
        });
        ops.push(phone.op("CREATE", &new_id("payment"), pays));
        ops.push(phone.op(
            "UPDATE",
            &edited,
            json!({
                "baseVersion": 1,
                "contact": { "title": "mine" },
                "baseContact": { "title": null },
            }),
        ));
        ops.push(phone.op(
            "UPDATE",
            &lost_contact,
            json!({ "baseVersion": 1, "contact": { "title": "mine" } }),
        ));
        // Meanwhile.
        office_changes(
            &app,
            &team.left,
            json!({ "id": edited, "version": 1, "title": "theirs" }),
        )
        .await;
        hand_over(&app, &team.admin, &lost, &team.cleo).await;
        // Back.
        let all: Vec<&Value> = ops.iter().collect();
        let results = phone.push(&app, &all).await;
        assert_eq!(
            statuses(&results),
            [
                "APPLIED", "APPLIED", "APPLIED", "APPLIED", "APPLIED", "CONFLICT", "CONFLICT"
            ],
            "{results:#?}"
        );
        assert_eq!(results[5]["conflict"]["reason"], json!("STALE_FIELDS"));
        assert_eq!(results[6]["conflict"]["reason"], json!("NOT_VISIBLE"));
        let again = phone.push(&app, &all).await;
        assert_eq!(
            statuses(&again),
            [
                "DUPLICATE",
                "DUPLICATE",
                "DUPLICATE",
                "DUPLICATE",
                "DUPLICATE",
                "CONFLICT",
                "CONFLICT"
            ]
        );
        assert_eq!(levels(&app, team, &shop.chai).await, (100, 7));
        let query = "{ clients { nodes { name tags orders { nodes { status total { amount } paid { amount } } } } } }";
        let book = app.gql(&team.ann.token, query, json!({})).await.ok();
        let book = book.list("/clients/nodes");
        let of = |name: &str| book.iter().find(|client| client["name"] == name).unwrap();
        let orders = &of("Made offline")["orders"]["nodes"];
        assert_eq!(of("Made offline")["tags"], json!(["new"]));
        assert_eq!(
            orders,
            &json!([{ "status": "APPROVED", "total": { "amount": "40.00" }, "paid": { "amount": "15.00" } }])
        );
        let orders = of("Alfreds Futterkiste")["orders"]["nodes"].as_array();
        assert_eq!(orders.unwrap().len(), 2);
        let kept = issues(&app, &team.ann).await;
        let mut codes: Vec<&str> = kept.iter().map(|issue| issue.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["NOT_VISIBLE", "STALE_FIELDS"]);
        assert!(issues(&app, &team.cleo).await.is_empty());
        assert!(issues(&app, &team.left).await.is_empty());
    }
);

on_both!(
    all_or_nothing_is_nothing_after_a_conflict,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = contact_of(&app, &team.ann, &client, json!({})).await;
        let of_ben = app.client_of(&team.ben, "Bon app'").await;
        let bens = contact_of(&app, &team.ben, &of_ben, json!({})).await;
        let mut phone = Phone::of(&team.ann);
        let made = new_id("contact");
        let create = phone.op(
            "CREATE",
            &made,
            json!({ "contact": { "clientId": client, "name": "Ana Trujillo" } }),
        );
        let refused = phone.op(
            "CREATE",
            &new_id("contact"),
            json!({ "contact": { "clientId": client, "name": "" } }),
        );
        let foreign = phone.op(
            "UPDATE",
            &bens,
            json!({ "baseVersion": 1, "contact": { "title": "typed offline" } }),
        );
        let change = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 1, "contact": { "title": "Owner" } }),
        );
        let before = line(&app, &phone).await;
        let results = phone
            .push_as(
                &app,
                "ALL_OR_NOTHING",
                &[&create, &refused, &foreign, &change],
            )
            .await;
        assert_eq!(
            statuses(&results),
            ["RETRY", "REJECTED", "CONFLICT", "RETRY"]
        );
        assert_eq!(contact(&app, &team.ann, &made).await, Value::Null);
        assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(1));
        // What was typed outlives the batch, once.
        for _ in 0..2 {
            let _ = phone
                .push_as(&app, "ALL_OR_NOTHING", &[&refused, &foreign])
                .await;
            let mut codes: Vec<String> = issues(&app, &team.ann)
                .await
                .into_iter()
                .map(|issue| issue.code)
                .collect();
            codes.sort_unstable();
            assert_eq!(codes, ["BAD_USER_INPUT", "NOT_VISIBLE"]);
        }
        assert!(line(&app, &phone).await > before);
        // A refusal undoes nothing.
        let results = phone
            .push_as(&app, "ALL_OR_NOTHING", &[&create, &refused, &change])
            .await;
        assert_eq!(statuses(&results), ["APPLIED", "REJECTED", "APPLIED"]);
        assert_eq!(contact(&app, &team.ann, &id).await["title"], json!("Owner"));
    }
);

/// The position up to which a push speaks.
async fn line(app: &App, phone: &Phone) -> i64 {
    let answer = phone
        .send(app, json!({ "deviceId": phone.id, "ops": [] }))
        .await
        .ok();
    answer.data("/syncPush/watermark").as_i64().unwrap()
}

on_both!(
    what_a_rule_refuses_is_an_answer_and_holds_up_nothing,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let id = contact_of(&app, &team.ann, &shop.client, json!({})).await;
        let mut phone = Phone::of(&team.ann);
        let update = |phone: &mut Phone, id: &str, patch: Value| {
            phone.op("UPDATE", id, json!({ "baseVersion": 1, "contact": patch }))
        };
        let order = |phone: &mut Phone, more: Value| {
            let mut order = json!({ "clientId": shop.client });
            for (name, value) in more.as_object().unwrap() {
                order[name] = value.clone();
            }
            phone.op("CREATE", &new_id("order"), json!({ "order": order }))
        };
        let price = json!({ "amount": "0.01", "currency": "EUR" });
        let moved = new_id("client");
        let cases = [
            (
                update(&mut phone, &id, json!({ "name": "" })),
                "BAD_USER_INPUT",
                "name",
            ),
            (
                update(&mut phone, &id, json!({ "name": null })),
                "BAD_USER_INPUT",
                "name",
            ),
            (
                update(&mut phone, &id, json!({ "clientId": moved })),
                "sync.fixed_field",
                "clientId",
            ),
            (
                phone.op(
                    "CREATE",
                    &new_id("contact"),
                    json!({ "contact": { "clientId": shop.client } }),
                ),
                "BAD_USER_INPUT",
                "name",
            ),
            (
                phone.op(
                    "CREATE",
                    &new_id("note"),
                    json!({ "contact": { "clientId": shop.client, "name": "x" } }),
                ),
                "BAD_USER_INPUT",
                "id",
            ),
            (
                phone.op("UPDATE", &shop.chai, json!({})),
                "sync.not_written",
                "",
            ),
            (
                phone.op("DELETE", &shop.client, json!({ "baseVersion": 1 })),
                "sync.stays",
                "",
            ),
            (
                order(
                    &mut phone,
                    json!({ "lines": [{ "productId": shop.chai, "quantity": 1, "unitPrice": price }] }),
                ),
                "FORBIDDEN",
                "lines.0.unitPrice",
            ),
            (
                order(
                    &mut phone,
                    json!({ "status": "SUBMITTED", "lines": [{ "productId": shop.chai, "quantity": 101 }] }),
                ),
                "stock.insufficient",
                "",
            ),
            (
                order(
                    &mut phone,
                    json!({ "lines": [{ "productId": new_id("product"), "quantity": 1 }] }),
                ),
                "NOT_FOUND",
                "lines.0.productId",
            ),
        ];
        let last = update(&mut phone, &id, json!({ "title": "after all that" }));
        let mut ops: Vec<&Value> = cases.iter().map(|(op, _, _)| op).collect();
        ops.push(&last);
        let results = phone.push(&app, &ops).await;
        for ((op, code, field), result) in cases.iter().zip(&results) {
            assert_eq!(
                (&result["status"], &result["error"]["code"]),
                (&json!("REJECTED"), &json!(code)),
                "{op} {result}"
            );
            if !field.is_empty() {
                assert_eq!(result["error"]["fields"][0], json!(field), "{op} {result}");
            }
            assert_ne!(result["error"]["message"], json!(""));
        }
        assert_eq!(results[cases.len()]["status"], json!("APPLIED"));
        assert_eq!(levels(&app, team, &shop.chai).await, (100, 0));
        // Each is kept, but for the one whose id names no document that phones write.
        let kept = issues(&app, &team.ann).await;
        assert_eq!(kept.len(), cases.len() - 1);
        let count = phone.push(&app, &ops).await;
        assert_eq!(
            statuses(&count)[..cases.len()],
            vec!["REJECTED"; cases.len()]
        );
        assert_eq!(issues(&app, &team.ann).await.len(), kept.len());
    }
);

on_both!(a_push_is_of_somebody_and_has_a_bound, async |app: App| {
    let team = app.team().await;
    let mut phone = Phone::of(&team.ann);
    let op = phone.op("DELETE", &new_id("note"), json!({}));
    let many = vec![op.clone(); 201];
    let answer = phone
        .send(&app, json!({ "deviceId": phone.id, "ops": many }))
        .await;
    assert_eq!(
        (answer.code(0), answer.fields()),
        ("BAD_USER_INPUT", vec!["input.ops"])
    );
    phone.who.token = String::new();
    let answer = phone
        .send(&app, json!({ "deviceId": phone.id, "ops": [op] }))
        .await;
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
});

on_both!(
    what_fails_by_what_is_undone_is_sent_again,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let id = contact_of(&app, &team.ann, &shop.client, json!({ "title": "Clerk" })).await;
        let change = json!({ "id": id, "version": 1, "title": "Owner" });
        office_changes(&app, &team.left, change).await;
        let mut phone = Phone::of(&team.ann);
        let order = |phone: &mut Phone, quantity: i32| {
            let order = json!({
                "clientId": shop.client, "status": "SUBMITTED",
                "lines": [{ "productId": shop.chai, "quantity": quantity }],
            });
            phone.op("CREATE", &new_id("order"), json!({ "order": order }))
        };
        let (all, more) = (order(&mut phone, 100), order(&mut phone, 1));
        let stale = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 1, "contact": { "title": "x" }, "baseContact": { "title": "Clerk" } }),
        );
        let after = phone.op(
            "CREATE",
            &new_id("note"),
            json!({ "note": { "clientId": shop.client, "body": "then" }, "dependsOn": [stale["opId"]] }),
        );
        let faulty = phone.op(
            "CREATE",
            &new_id("note"),
            json!({ "note": { "clientId": shop.client, "body": "" } }),
        );
        let ops = [&all, &more, &stale, &after, &faulty];
        let results = phone.push_as(&app, "ALL_OR_NOTHING", &ops).await;
        assert_eq!(
            statuses(&results),
            ["RETRY", "RETRY", "CONFLICT", "RETRY", "REJECTED"]
        );
        assert!(
            [0, 1, 3].iter().all(|at| results[*at]["error"].is_null()),
            "{results:?}"
        );
        assert_eq!(issues(&app, &team.ann).await.len(), 1);
        assert_eq!(levels(&app, team, &shop.chai).await, (100, 0));
        // Without the one that fails, what there is to refuse is refused.
        let results = phone.push_as(&app, "ALL_OR_NOTHING", &[&more, &all]).await;
        assert_eq!(statuses(&results), ["REJECTED", "APPLIED"]);
        assert_eq!(results[0]["error"]["code"], json!("stock.insufficient"));
        assert!(issues(&app, &team.ben).await.is_empty());
    }
);
