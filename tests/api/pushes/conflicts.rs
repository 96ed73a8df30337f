//! What a phone changed meets what others changed meanwhile.

use serde_json::{Value, json};

use super::{Phone, contact, contact_of, hand_over, issues, new_id, office_changes, statuses};
use crate::orders::{basket, levels, mutate, order_of, shop};
use crate::support::App;

on_both!(
    edits_of_office_and_phone_meet_field_by_field,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
        let mut phone = Phone::of(&team.ann);
        office_changes(
            &app,
            &team.left,
            json!({ "id": id, "version": 1, "title": "Owner" }),
        )
        .await;
        // Beside it.
        let beside = phone.op(
            "UPDATE",
            &id,
            json!({
                "baseVersion": 1,
                "contact": { "note": "likes tea" },
                "baseContact": { "note": null },
            }),
        );
        assert_eq!(statuses(&phone.push(&app, &[&beside]).await), ["MERGED"]);
        assert!(issues(&app, &team.ann).await.is_empty());
        // The same field, and another with it.
        let across = phone.op(
            "UPDATE",
            &id,
            json!({
                "baseVersion": 1,
                "contact": { "title": "Manager", "department": "Sales" },
                "baseContact": { "title": "Clerk", "department": null },
            }),
        );
        let results = phone.push(&app, &[&across]).await;
        assert_eq!(statuses(&results), ["CONFLICT"]);
        assert_eq!(
            results[0]["conflict"],
            json!({ "reason": "STALE_FIELDS", "fields": ["title"], "serverVersion": 3 })
        );
        let there = contact(&app, &team.ann, &id).await;
        assert_eq!(
            (&there["title"], &there["department"], &there["version"]),
            (&json!("Owner"), &Value::Null, &json!(3)),
            "an edit is never half done"
        );
        let kept = issues(&app, &team.ann).await;
        assert_eq!(kept.len(), 1);
        let payload = &kept[0].payload;
        assert_eq!(kept[0].code, "STALE_FIELDS");
        assert_eq!(payload["fields"], json!(["title"]));
        assert_eq!(
            payload["base"],
            json!({ "title": "Clerk", "department": null })
        );
        assert_eq!(
            payload["mine"],
            json!({ "title": "Manager", "department": "Sales" })
        );
        assert_eq!(
            payload["theirs"],
            json!({ "title": "Owner", "department": null }),
            "of what is there, only what was to be written"
        );
        // Told again as a failure, and kept once.
        let again = phone.push(&app, &[&across]).await;
        assert_eq!(
            (&again[0]["status"], &again[0]["conflict"]["reason"]),
            (&json!("CONFLICT"), &json!("STALE_FIELDS"))
        );
        assert_eq!(issues(&app, &team.ann).await.len(), 1);
        assert!(issues(&app, &team.ben).await.is_empty());
        // Both wanted the same.
        let same = phone.op(
            "UPDATE",
            &id,
            json!({
                "baseVersion": 1,
                "contact": { "title": "Owner" },
                "baseContact": { "title": "Clerk" },
            }),
        );
        assert_eq!(statuses(&phone.push(&app, &[&same]).await), ["MERGED"]);
        assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(3));
    }
);

on_both!(a_client_that_was_just_lost, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({})).await;
    let of_ben = app.client_of(&team.ben, "Bon app'").await;
    let bens = contact_of(&app, &team.ben, &of_ben, json!({})).await;
    let mut phone = Phone::of(&team.ann);
    // The phone has come before, so that it is known what it lost.
    assert_eq!(phone.push(&app, &[]).await.len(), 0);
    hand_over(&app, &team.left, &client, &team.ben).await;
    let change = |phone: &mut Phone, id: &str| {
        let more = json!({ "baseVersion": 1, "contact": { "title": "typed offline" } });
        phone.op("UPDATE", id, more)
    };
    let lost = change(&mut phone, &id);
    let foreign = change(&mut phone, &bens);
    let nowhere = change(&mut phone, &new_id("contact"));
    let results = phone.push(&app, &[&lost, &foreign, &nowhere]).await;
    for result in &results {
        assert_eq!(
            (&result["status"], &result["conflict"]),
            (
                &json!("CONFLICT"),
                &json!({ "reason": "NOT_VISIBLE", "fields": [], "serverVersion": null })
            ),
            "what was lost, what is somebody else's and what never was look alike"
        );
    }
    for id in [&id, &bens] {
        let there = contact(&app, &team.ben, id).await;
        assert_eq!(
            (&there["title"], &there["version"]),
            (&Value::Null, &json!(1))
        );
    }
    let kept = issues(&app, &team.ann).await;
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|issue| issue.code == "NOT_VISIBLE"));
    assert!(kept.iter().all(|issue| issue.payload["theirs"].is_null()));
    assert_eq!(
        kept[0].payload["mine"],
        json!({ "title": "typed offline" }),
        "what was typed is there"
    );
    // Something new under it.
    let note = phone.op(
        "CREATE",
        &new_id("note"),
        json!({ "note": { "clientId": client, "body": "calls back on Monday" } }),
    );
    let results = phone.push(&app, &[&note]).await;
    assert_eq!(results[0]["conflict"]["reason"], json!("NOT_VISIBLE"));
    // Under one that the phone cannot know: perhaps it comes. It is not said that it is there.
    for client in [of_ben, new_id("client")] {
        let note = phone.op(
            "CREATE",
            &new_id("note"),
            json!({ "note": { "clientId": client, "body": "guessed" } }),
        );
        assert_eq!(statuses(&phone.push(&app, &[&note]).await), ["DEFERRED"]);
    }
    // An id that is somebody else's cannot be taken, and says no more than that.
    let own = app.client_of(&team.ann, "Around the Horn").await;
    let taken = phone.op(
        "CREATE",
        &bens,
        json!({ "contact": { "clientId": own, "name": "Taken" } }),
    );
    let after = phone.op(
        "CREATE",
        &new_id("contact"),
        json!({ "contact": { "clientId": own, "name": "After it" } }),
    );
    let results = phone.push(&app, &[&taken, &after]).await;
    assert_eq!(statuses(&results), ["CONFLICT", "APPLIED"]);
    assert_eq!(
        results[0]["conflict"],
        json!({ "reason": "ALREADY_EXISTS", "fields": [], "serverVersion": null })
    );
});

on_both!(an_order_is_a_conflict_as_a_whole, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let order = mutate(&app, ann, "orderCreate", basket(&shop, json!({}))).await;
    let order = order_of(order, "orderCreate");
    let id = order["id"].as_str().unwrap();
    let mut phone = Phone::of(ann);
    let line = |product: &str, quantity: i32, price: &str| {
        json!({
            "productId": product,
            "quantity": quantity,
            "unitPrice": { "amount": price, "currency": "EUR" },
            "discountBp": 0,
        })
    };
    let lines = json!([line(&shop.chai, 3, "10.00"), line(&shop.tofu, 10, "3.33")]);
    let base = json!({
        "lines": lines, "requiredOn": null, "note": null, "discountBp": 0,
        "freight": { "amount": "0.00", "currency": "EUR" }, "shipTo": null,
    });
    // The office touches the discount, the phone the lines: amounts of both do not add up.
    let discount = json!({ "id": id, "version": 1, "discountBp": 100 });
    let _ = mutate(&app, &shop.team.left, "orderUpdate", discount)
        .await
        .ok();
    let more = json!([line(&shop.chai, 5, "10.00")]);
    let across = phone.op(
        "UPDATE",
        id,
        json!({ "baseVersion": 1, "order": { "lines": more }, "baseOrder": base }),
    );
    let results = phone.push(&app, &[&across]).await;
    assert_eq!(statuses(&results), ["CONFLICT"]);
    assert_eq!(
        results[0]["conflict"],
        json!({ "reason": "STALE_FIELDS", "fields": ["lines"], "serverVersion": 2 })
    );
    // On what is there now it goes, and the order is submitted with it.
    let again = phone.op(
        "UPDATE",
        id,
        json!({ "baseVersion": 2, "order": { "lines": more, "status": "SUBMITTED" } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&again]).await), ["APPLIED"]);
    let there = crate::orders::read(&app, ann, &order).await;
    assert_eq!(
        (&there["status"], &there["lines"][0]["quantity"]),
        (&json!("APPROVED"), &json!(5))
    );
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 5));
    assert_eq!(statuses(&phone.push(&app, &[&again]).await), ["DUPLICATE"]);
    // What was submitted is the office's to change.
    let late = phone.op(
        "UPDATE",
        id,
        json!({ "baseVersion": there["version"], "order": { "note": "late" } }),
    );
    let results = phone.push(&app, &[&late]).await;
    assert_eq!(
        (&results[0]["status"], &results[0]["error"]["code"]),
        (&json!("REJECTED"), &json!("orders.not_draft"))
    );
    let cancel = phone.op(
        "UPDATE",
        id,
        json!({ "baseVersion": there["version"], "order": { "status": "CANCELLED" } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&cancel]).await), ["APPLIED"]);
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 0));
    let gone = phone.op("DELETE", id, json!({ "baseVersion": 9 }));
    assert_eq!(
        phone.push(&app, &[&gone]).await[0]["status"],
        json!("CONFLICT")
    );
});

on_both!(
    a_watermark_stands_for_the_versions_that_a_phone_does_not_know,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let gone = contact_of(&app, &team.ann, &client, json!({})).await;
        let kept = contact_of(&app, &team.ann, &client, json!({})).await;
        let edited = contact_of(&app, &team.ann, &client, json!({})).await;
        let mut phone = Phone::of(&team.ann);
        let pull = "{ sync(input: { schemaVersion: 1 }) { watermark } }";
        let pulled = app.gql(&team.ann.token, pull, json!({})).await.ok();
        let watermark = pulled.data("/sync/watermark").clone();
        office_changes(
            &app,
            &team.left,
            json!({ "id": kept, "version": 1, "title": "Owner" }),
        )
        .await;
        let ops = [
            phone.op("DELETE", &gone, json!({})),
            phone.op("DELETE", &kept, json!({})),
            phone.op(
                "UPDATE",
                &edited,
                json!({ "contact": { "title": "Clerk" } }),
            ),
            phone.op(
                "UPDATE",
                &client,
                json!({ "client": { "name": "Alfreds" } }),
            ),
        ];
        // Without it, nobody knows what the phone had seen.
        let unknown = phone.op("DELETE", &gone, json!({}));
        assert_eq!(statuses(&phone.push(&app, &[&unknown]).await), ["CONFLICT"]);
        let input = json!({ "deviceId": phone.id, "ops": ops, "basis": watermark });
        let answer = phone.send(&app, input.clone()).await.ok();
        let results = answer.list("/syncPush/results");
        assert_eq!(
            statuses(results),
            ["APPLIED", "CONFLICT", "APPLIED", "APPLIED"],
            "{results:#?}"
        );
        assert_eq!(
            results[1]["conflict"],
            json!({ "reason": "STALE_FIELDS", "fields": [], "serverVersion": 2 })
        );
        let there = contact(&app, &team.ann, &kept).await;
        assert_eq!(
            (&there["title"], &there["archivedAt"]),
            (&json!("Owner"), &Value::Null)
        );
        assert!(!contact(&app, &team.ann, &gone).await["archivedAt"].is_null());
        assert_eq!(
            contact(&app, &team.ann, &edited).await["title"],
            json!("Clerk")
        );
        let again = phone.send(&app, input).await.ok();
        assert_eq!(
            statuses(again.list("/syncPush/results")),
            ["DUPLICATE", "CONFLICT", "DUPLICATE", "DUPLICATE"]
        );
        // The other rep learns nothing by it.
        let mut other = Phone::of(&team.ben);
        let op = other.op("DELETE", &kept, json!({}));
        let input = json!({ "deviceId": other.id, "ops": [op], "basis": watermark });
        let answer = other.send(&app, input).await.ok();
        let conflict = &answer.list("/syncPush/results")[0]["conflict"];
        assert_eq!(
            (&conflict["reason"], &conflict["serverVersion"]),
            (&json!("NOT_VISIBLE"), &Value::Null)
        );
    }
);
