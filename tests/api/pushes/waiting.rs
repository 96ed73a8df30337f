//! Operations that came before what they go under.

use serde_json::{Value, json};

use super::{Phone, contact, contact_of, issues, new_id, office_changes, statuses};
use crate::support::App;

on_both!(a_child_waits_for_its_parent, async |app: App| {
    let team = app.team().await;
    let mut phone = Phone::of(&team.ann);
    let client = new_id("client");
    let make = phone.op(
        "CREATE",
        &client,
        json!({ "client": { "kind": "INDIVIDUAL", "currency": "EUR", "name": "Ana" } }),
    );
    let id = new_id("contact");
    let child = phone.op(
        "CREATE",
        &id,
        json!({
            "contact": { "clientId": client, "name": "Her assistant" },
            "dependsOn": [make["opId"]],
        }),
    );
    let rename = phone.op(
        "UPDATE",
        &id,
        json!({ "contact": { "title": "Assistant" }, "dependsOn": [child["opId"]] }),
    );
    assert_eq!(
        statuses(&phone.push(&app, &[&child, &rename]).await),
        ["DEFERRED", "DEFERRED"]
    );
    assert_eq!(
        statuses(&phone.push(&app, &[&child]).await),
        ["DEFERRED"],
        "it still waits"
    );
    assert_eq!(contact(&app, &team.ann, &id).await, Value::Null);
    // The parent comes: what waited is done with it.
    assert_eq!(statuses(&phone.push(&app, &[&make]).await), ["APPLIED"]);
    let there = contact(&app, &team.ann, &id).await;
    assert_eq!(
        (&there["name"], &there["title"], &there["client"]["id"]),
        (&json!("Her assistant"), &json!("Assistant"), &json!(client))
    );
    assert_eq!(
        statuses(&phone.push(&app, &[&child, &rename, &make]).await),
        ["DUPLICATE", "DUPLICATE", "DUPLICATE"]
    );
    assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(2));
    assert_eq!(contact(&app, &team.ben, &id).await, Value::Null);
});

on_both!(what_stands_on_a_failure_fails, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let mut phone = Phone::of(&team.ann);
    let id = new_id("contact");
    let bad = phone.op(
        "CREATE",
        &id,
        json!({ "contact": { "clientId": client, "name": "" } }),
    );
    let on_it = phone.op(
        "UPDATE",
        &id,
        json!({ "contact": { "title": "Owner" }, "dependsOn": [bad["opId"]] }),
    );
    let mut early = phone.op(
        "CREATE",
        &new_id("note"),
        json!({ "note": { "clientId": client, "body": "out of order" } }),
    );
    let beside = phone.op(
        "CREATE",
        &new_id("note"),
        json!({ "note": { "clientId": client, "body": "stands by itself" } }),
    );
    early["dependsOn"] = json!([beside["opId"]]);
    let results = phone.push(&app, &[&bad, &on_it, &early, &beside]).await;
    assert_eq!(
        statuses(&results),
        ["REJECTED", "REJECTED", "REJECTED", "APPLIED"]
    );
    assert_eq!(results[1]["error"]["code"], json!("sync.dependency_failed"));
    assert_eq!(results[2]["error"]["code"], json!("sync.dependency_after"));
    let kept = issues(&app, &team.ann).await;
    assert_eq!(kept.len(), 3);
    // In a later push, too.
    let later = phone.op(
        "UPDATE",
        &id,
        json!({ "contact": { "note": "later" }, "dependsOn": [on_it["opId"]] }),
    );
    let results = phone.push(&app, &[&later]).await;
    assert_eq!(results[0]["error"]["code"], json!("sync.dependency_failed"));
});

on_both!(
    what_waits_holds_up_no_batch_that_is_all_or_nothing,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
        let mut phone = Phone::of(&team.ann);
        let make = |phone: &mut Phone, name: &str| {
            let contact = json!({ "contact": { "clientId": client, "name": name } });
            phone.op("CREATE", &new_id("contact"), contact)
        };
        let first = make(&mut phone, "Ana");
        let change = |phone: &mut Phone, after: &Value| {
            phone.op(
                "UPDATE",
                &id,
                json!({
                    "baseVersion": 1, "dependsOn": [after["opId"]],
                    "contact": { "title": "Manager" }, "baseContact": { "title": "Clerk" },
                }),
            )
        };
        let waits = change(&mut phone, &first);
        assert_eq!(statuses(&phone.push(&app, &[&waits]).await), ["DEFERRED"]);
        let theirs = json!({ "id": id, "version": 1, "title": "Owner" });
        office_changes(&app, &team.left, theirs).await;
        // What waited cannot be done any more; what it waited for can.
        let results = phone.push_as(&app, "ALL_OR_NOTHING", &[&first]).await;
        assert_eq!(statuses(&results), ["APPLIED"]);
        assert_eq!(statuses(&phone.push(&app, &[&waits]).await), ["CONFLICT"]);
        assert_eq!(issues(&app, &team.ann).await.len(), 1);
        // Undone with a batch, it waits on, and nothing is kept of it.
        let second = make(&mut phone, "Ben");
        let waits = phone.op(
            "UPDATE",
            second["id"].as_str().unwrap(),
            json!({ "contact": { "title": "Assistant" }, "dependsOn": [second["opId"]] }),
        );
        let fails = change(&mut phone, &second);
        assert_eq!(
            statuses(&phone.push(&app, &[&waits, &fails]).await),
            ["DEFERRED", "DEFERRED"]
        );
        let mut stale = change(&mut phone, &second);
        stale["contact"] = json!({ "title": "Boss" });
        let results = phone
            .push_as(&app, "ALL_OR_NOTHING", &[&second, &stale])
            .await;
        assert_eq!(statuses(&results), ["RETRY", "CONFLICT"]);
        assert_eq!(issues(&app, &team.ann).await.len(), 1);
        assert_eq!(
            statuses(&phone.push(&app, &[&waits, &fails]).await),
            ["DEFERRED", "DEFERRED"]
        );
        let results = phone.push_as(&app, "ALL_OR_NOTHING", &[&second]).await;
        assert_eq!(statuses(&results), ["APPLIED"]);
        assert_eq!(
            statuses(&phone.push(&app, &[&waits, &fails]).await),
            ["DUPLICATE", "CONFLICT"]
        );
        assert_eq!(issues(&app, &team.ann).await.len(), 2);
        // What waits on a phone waits for that phone: another rep's is told nothing of hers.
        let mut bens = Phone::of(&team.ben);
        let of_ben = app.client_of(&team.ben, "Bon app'").await;
        let his = bens.op(
            "CREATE",
            &new_id("note"),
            json!({ "note": { "clientId": of_ben, "body": "after hers" }, "dependsOn": [first["opId"]] }),
        );
        let third = make(&mut phone, "Cleo");
        assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["DEFERRED"]);
        assert_eq!(statuses(&phone.push(&app, &[&third]).await), ["APPLIED"]);
        assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["DEFERRED"]);
    }
);

on_both!(so_many_wait_and_no_more, async |app: App| {
    let team = app.team().await;
    let client = new_id("client");
    let mut phone = Phone::of(&team.ann);
    let note = |phone: &mut Phone| {
        let note = json!({ "note": { "clientId": client, "body": "early" } });
        phone.op("CREATE", &new_id("note"), note)
    };
    let ops: Vec<Value> = (0..501).map(|_| note(&mut phone)).collect();
    let ops: Vec<&Value> = ops.iter().collect();
    // What comes again waits already, and counts once.
    for _ in 0..2 {
        for some in ops[..300].chunks(150) {
            let results = phone.push(&app, some).await;
            assert_eq!(statuses(&results), vec!["DEFERRED"; some.len()]);
        }
    }
    let results = phone.push(&app, &ops[300..500]).await;
    assert_eq!(statuses(&results), vec!["DEFERRED"; 200]);
    let results = phone.push(&app, &[ops[0], ops[500]]).await;
    assert_eq!(statuses(&results), ["DEFERRED", "REJECTED"]);
    assert_eq!(results[1]["error"]["code"], "sync.too_many_waiting");
    // Another phone has a count of its own.
    let mut bens = Phone::of(&team.ben);
    let his = note(&mut bens);
    assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["DEFERRED"]);
    // They go on as soon as what they wait for is there.
    let make = json!({ "client": { "kind": "INDIVIDUAL", "currency": "EUR", "name": "Ana" } });
    let make = phone.op("CREATE", &client, make);
    assert_eq!(statuses(&phone.push(&app, &[&make]).await), ["APPLIED"]);
    // It was counted after them, so they find it the next time.
    assert_eq!(phone.push(&app, &[]).await.len(), 0);
    let results = phone.push(&app, &ops[..200]).await;
    assert_eq!(statuses(&results), vec!["DUPLICATE"; 200]);
    assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["DEFERRED"]);
    assert!(issues(&app, &team.ben).await.is_empty());
});

on_both!(
    what_waits_in_vain_costs_next_to_nothing,
    async |app: App| {
        let team = app.team().await;
        let (client, order) = (new_id("client"), new_id("order"));
        let mut phone = Phone::of(&team.ann);
        let nothing = json!({ "deviceId": phone.id, "ops": [] });
        let _ = phone.send(&app, nothing.clone()).await.ok();
        let before = phone.send(&app, nothing.clone()).await.ok();
        let ops: Vec<Value> = (0..150)
            .map(|number| {
                let invented = new_id("client");
                let under = if number % 2 == 0 { &client } else { &invented };
                if number % 3 == 0 {
                    let money = json!({ "amount": "1.00", "currency": "EUR" });
                    let pays = json!({ "orderId": order, "amount": money, "method": "CASH" });
                    phone.op("CREATE", &new_id("payment"), json!({ "payment": pays }))
                } else {
                    let note = json!({ "note": { "clientId": under, "body": "early" } });
                    phone.op("CREATE", &new_id("note"), note)
                }
            })
            .collect();
        let ops: Vec<&Value> = ops.iter().collect();
        assert_eq!(
            statuses(&phone.push(&app, &ops).await),
            vec!["DEFERRED"; 150]
        );
        let waiting = phone.send(&app, nothing.clone()).await.ok();
        let after = phone.send(&app, nothing.clone()).await.ok();
        assert!(
            after.statements() <= before.statements() + 6,
            "{} and {} statements",
            before.statements(),
            after.statements()
        );
        assert_eq!(
            waiting.data("/syncPush/watermark"),
            after.data("/syncPush/watermark"),
            "nothing is written of what waits on"
        );
        assert_eq!(
            statuses(&phone.push(&app, &ops[..2]).await),
            vec!["DEFERRED"; 2]
        );
        let again = phone.send(&app, nothing).await.ok();
        assert_eq!(
            again.data("/syncPush/watermark"),
            after.data("/syncPush/watermark")
        );
        // The other rep, who has a client, lets nothing of hers go on.
        let _ = app.client_of(&team.ben, "Bon app'").await;
        assert_eq!(
            statuses(&phone.push(&app, &ops[..2]).await),
            vec!["DEFERRED"; 2]
        );
        assert!(issues(&app, &team.ann).await.is_empty());
    }
);
