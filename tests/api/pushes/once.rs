//! An operation is done once, however often it is sent.

use serde_json::{Value, json};

use super::{Phone, contact, contact_of, issues, new_id, statuses};
use crate::orders::{placed, shop};
use crate::support::App;

on_both!(
    an_operation_that_is_sent_ten_times_is_done_once,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = contact_of(&app, &team.ann, &client, json!({})).await;
        let mut phone = Phone::of(&team.ann);
        let change = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 1, "contact": { "title": "Owner" } }),
        );
        let made = new_id("contact");
        let create = phone.op(
            "CREATE",
            &made,
            json!({ "contact": { "clientId": client, "name": "Ana Trujillo" } }),
        );
        let first = phone.push(&app, &[&change, &create]).await;
        assert_eq!(statuses(&first), ["APPLIED", "APPLIED"]);
        assert_eq!(
            (&first[0]["version"], &first[1]["version"]),
            (&json!(2), &json!(1))
        );
        for _ in 0..9 {
            let again = phone.push(&app, &[&change, &create]).await;
            assert_eq!(statuses(&again), ["DUPLICATE", "DUPLICATE"]);
            for (again, first) in again.iter().zip(&first) {
                assert_eq!(
                    (&again["version"], &again["seq"]),
                    (&first["version"], &first["seq"])
                );
            }
        }
        assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(2));
        let there = contact(&app, &team.left, &made).await;
        assert_eq!(
            (&there["name"], &there["version"], &there["client"]["id"]),
            (&json!("Ana Trujillo"), &json!(1), &json!(client))
        );
        // The same twice in one request, and from ten requests at once.
        let twice = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 2, "contact": { "title": "Sales agent" } }),
        );
        let both = phone.push(&app, &[&twice, &twice]).await;
        assert_eq!(statuses(&both), ["APPLIED", "DUPLICATE"]);
        assert_eq!(both[0]["version"], both[1]["version"]);
        assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(3));
        let race = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 3, "contact": { "title": "Order administrator" } }),
        );
        let one = [&race];
        let racers = (0..10).map(|_| phone.push(&app, &one));
        let raced: Vec<Value> = futures_util::future::join_all(racers)
            .await
            .into_iter()
            .flatten()
            .collect();
        let done = raced.iter().filter(|one| one["status"] == "APPLIED");
        assert_eq!(done.count(), 1, "{raced:?}");
        assert!(
            raced
                .iter()
                .all(|one| one["status"] == "APPLIED" || one["status"] == "DUPLICATE"),
            "{raced:?}"
        );
        assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(4));
        assert!(issues(&app, &team.ann).await.is_empty());
        assert_eq!(contact(&app, &team.ben, &id).await, Value::Null);
    }
);

on_both!(an_operation_never_changes_its_meaning, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({})).await;
    let mut phone = Phone::of(&team.ann);
    let op = phone.op(
        "UPDATE",
        &id,
        json!({ "baseVersion": 1, "contact": { "title": "Owner" } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&op]).await), ["APPLIED"]);
    let mut other = op.clone();
    other["contact"] = json!({ "title": "Janitor" });
    let answer = phone.push(&app, &[&other]).await;
    assert_eq!(statuses(&answer), ["REJECTED"]);
    assert_eq!(
        answer[0]["error"]["code"],
        json!("sync.idempotency_mismatch")
    );
    // A version that the phone learned meanwhile does not make it another one.
    let mut rebased = op.clone();
    rebased["baseVersion"] = json!(2);
    assert_eq!(
        statuses(&phone.push(&app, &[&rebased]).await),
        ["DUPLICATE"]
    );
    let there = contact(&app, &team.ann, &id).await;
    assert_eq!(
        (&there["title"], &there["version"]),
        (&json!("Owner"), &json!(2))
    );
    // Another phone has a ledger of its own, and its id is nobody else's.
    let mut stolen = Phone::of(&team.ben);
    stolen.id.clone_from(&phone.id);
    let taken = stolen
        .send(&app, json!({ "deviceId": phone.id, "ops": [op] }))
        .await;
    assert_eq!(
        (taken.code(0), taken.fields()),
        ("CONFLICT", vec!["input.deviceId"])
    );
});

on_both!(
    operations_are_done_in_the_order_in_which_they_were_made,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let mut phone = Phone::of(&team.ann);
        let id = new_id("contact");
        let create = phone.op(
            "CREATE",
            &id,
            json!({ "contact": { "clientId": client, "name": "Ana Trujillo" } }),
        );
        // All stand on what the phone made and has not heard of.
        let rename = phone.op(
            "UPDATE",
            &id,
            json!({ "contact": { "name": "Ana T." }, "baseContact": { "name": "Ana Trujillo" } }),
        );
        let title = phone.op(
            "UPDATE",
            &id,
            json!({ "contact": { "title": "Owner" }, "baseContact": { "title": null } }),
        );
        let results = phone.push(&app, &[&title, &rename, &create]).await;
        assert_eq!(statuses(&results), ["APPLIED", "APPLIED", "APPLIED"]);
        let there = contact(&app, &team.ann, &id).await;
        assert_eq!(
            (&there["name"], &there["title"], &there["version"]),
            (&json!("Ana T."), &json!("Owner"), &json!(3))
        );
        let delete = phone.op("DELETE", &id, json!({ "baseVersion": 3 }));
        assert_eq!(statuses(&phone.push(&app, &[&delete]).await), ["APPLIED"]);
        assert_ne!(
            contact(&app, &team.ann, &id).await["archivedAt"],
            Value::Null
        );
        // What was put away is gone to a phone.
        let late = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 3, "contact": { "title": "Nobody" } }),
        );
        let results = phone.push(&app, &[&late]).await;
        assert_eq!(results[0]["conflict"]["reason"], json!("DELETED"));
        let again = phone.op("DELETE", &id, json!({ "baseVersion": 3 }));
        assert_eq!(statuses(&phone.push(&app, &[&again]).await), ["MERGED"]);
    }
);

on_both!(
    what_is_there_with_other_content_is_not_made_again,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let other_client = app.client_of(ann, "Around the Horn").await;
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let mut phone = Phone::of(ann);
        let money = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
        let pays = |amount: &str| json!({ "orderId": order["id"], "amount": money(amount), "method": "CASH" });
        let under = |client: &str, more: Value| {
            let mut document = more;
            document["clientId"] = json!(client);
            document
        };
        let (here, there) = (shop.client.as_str(), other_client.as_str());
        let name = json!({ "name": "Ana" });
        let place = json!({ "kind": "BILLING", "city": "Berlin" });
        let body = json!({ "body": "tea" });
        let cases = [
            ("payment", pays("10.00"), pays("5.00")),
            ("contact", under(here, name.clone()), under(there, name)),
            ("address", under(here, place.clone()), under(there, place)),
            ("note", under(here, body.clone()), under(there, body)),
        ];
        for (kind, first, other) in cases {
            let id = new_id(kind);
            let mut make = |document: &Value| phone.op("CREATE", &id, json!({ kind: document }));
            let (made, again, other) = (make(&first), make(&first), make(&other));
            let results = phone.push(&app, &[&made, &again, &other]).await;
            assert_eq!(
                statuses(&results),
                ["APPLIED", "MERGED", "CONFLICT"],
                "{kind} {results:?}"
            );
            assert_eq!(results[2]["conflict"]["reason"], "ALREADY_EXISTS");
        }
        let paid = crate::orders::read(&app, ann, &order).await;
        assert_eq!(paid["paid"]["amount"], "10.00");
        assert_eq!(issues(&app, ann).await.len(), 4);
        assert!(issues(&app, &shop.team.ben).await.is_empty());
    }
);

on_both!(
    an_id_that_is_taken_twice_in_one_push_is_of_the_first,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = contact_of(&app, &team.ann, &client, json!({})).await;
        let mut phone = Phone::of(&team.ann);
        let first = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 1, "contact": { "title": "Owner" } }),
        );
        let mut other = first.clone();
        other["contact"] = json!({ "title": "Janitor" });
        let after = phone.op(
            "UPDATE",
            &id,
            json!({ "baseVersion": 1, "contact": { "note": "tea" }, "dependsOn": [first["opId"]] }),
        );
        let results = phone.push(&app, &[&first, &other, &after]).await;
        assert_eq!(statuses(&results), ["APPLIED", "REJECTED", "APPLIED"]);
        assert_eq!(results[1]["error"]["code"], "sync.idempotency_mismatch");
        let there = contact(&app, &team.ann, &id).await;
        assert_eq!(
            (&there["title"], &there["note"]),
            (&json!("Owner"), &json!("tea"))
        );
        // What was typed under the id that was taken is kept, once.
        let results = phone.push(&app, &[&other]).await;
        assert_eq!(statuses(&results), ["REJECTED"]);
        let kept = issues(&app, &team.ann).await;
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].code, "sync.idempotency_mismatch");
        assert_eq!(kept[0].payload["mine"], json!({ "title": "Janitor" }));
        // What the phone saw beside it does not make an operation another one.
        let mut seen = first.clone();
        seen["baseContact"] = json!({ "title": "Clerk" });
        assert_eq!(statuses(&phone.push(&app, &[&seen]).await), ["DUPLICATE"]);
        assert!(issues(&app, &team.ben).await.is_empty());
    }
);
