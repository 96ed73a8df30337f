//! Rows as stock RxDB pushes them.

use serde_json::{Value, json};

use super::{contact, contact_of, hand_over, issues, new_id, office_changes};
use crate::orders::shop;
use crate::support::{Answer, App, Person};

async fn send(app: &App, who: &Person, kind: &str, rows: Value) -> Answer {
    let fields = match kind {
        "Contact" => "id clientId name title note version deleted",
        "Note" => "id clientId body isPinned version deleted",
        "Payment" => "id orderId amount { amount } reference version deleted",
        "Order" => "id clientId status note lines { productId quantity } version deleted",
        other => panic!("no such kind: {other}"),
    };
    let query =
        format!("mutation($rows: [{kind}PushRow!]!) {{ push{kind}s(rows: $rows) {{ {fields} }} }}");
    app.gql(&who.token, &query, json!({ "rows": rows })).await
}

/// Pushes one row; answers what the phone may not have as it pushed it.
pub async fn push(app: &App, who: &Person, kind: &str, assumed: Value, new: Value) -> Vec<Value> {
    let row = match assumed {
        Value::Null => json!({ "newDocumentState": new }),
        assumed => json!({ "assumedMasterState": assumed, "newDocumentState": new }),
    };
    let answer = send(app, who, kind, json!([row])).await.ok();
    answer.list(&format!("/push{kind}s")).to_vec()
}

/// The document with some fields changed.
pub fn with(document: &Value, more: Value) -> Value {
    let mut document = document.clone();
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

on_both!(
    a_row_is_made_once_and_changed_quickly_without_a_conflict,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = new_id("contact");
        let made =
            json!({ "id": id, "clientId": client, "name": "Ana", "title": null, "deleted": false });
        for _ in 0..10 {
            assert_eq!(
                push(&app, &team.ann, "Contact", Value::Null, made.clone()).await,
                Vec::<Value>::new()
            );
        }
        assert_eq!(contact(&app, &team.ann, &id).await["version"], json!(1));
        // Until its own write comes back by pull, RxDB assumes the version it had.
        let titled = with(&made, json!({ "title": "Owner" }));
        let renamed = with(&titled, json!({ "name": "Ana Trujillo" }));
        for (assumed, new) in [(&made, &titled), (&made, &titled), (&titled, &renamed)] {
            assert_eq!(
                push(&app, &team.ann, "Contact", assumed.clone(), new.clone()).await,
                Vec::<Value>::new()
            );
        }
        let there = contact(&app, &team.ann, &id).await;
        assert_eq!(
            (&there["name"], &there["title"], &there["version"]),
            (&json!("Ana Trujillo"), &json!("Owner"), &json!(3))
        );
        assert!(issues(&app, &team.ann).await.is_empty());
        // Beside what the office changes.
        office_changes(
            &app,
            &team.left,
            json!({ "id": id, "version": 3, "note": "tea" }),
        )
        .await;
        let title = with(&renamed, json!({ "title": "Boss" }));
        assert_eq!(
            push(&app, &team.ann, "Contact", renamed.clone(), title.clone()).await,
            Vec::<Value>::new()
        );
        let gone = with(&title, json!({ "deleted": true }));
        let assumed = with(&title, json!({ "note": "tea" }));
        assert_eq!(
            push(&app, &team.ann, "Contact", assumed, gone).await,
            Vec::<Value>::new()
        );
        assert_ne!(
            contact(&app, &team.ann, &id).await["archivedAt"],
            Value::Null
        );
        assert_eq!(contact(&app, &team.ben, &id).await, Value::Null);
    }
);

on_both!(what_cannot_be_is_answered_with_what_is, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
    let seen = json!({
        "id": id, "clientId": client, "name": "Maria Anders", "title": "Clerk", "note": null,
        "version": 1, "deleted": false,
    });
    office_changes(
        &app,
        &team.left,
        json!({ "id": id, "version": 1, "title": "Owner" }),
    )
    .await;
    let mine = with(&seen, json!({ "title": "Manager" }));
    let master = with(&seen, json!({ "title": "Owner", "version": 2 }));
    for _ in 0..2 {
        let answer = push(&app, &team.ann, "Contact", seen.clone(), mine.clone()).await;
        assert_eq!(answer, std::slice::from_ref(&master));
    }
    let kept = issues(&app, &team.ann).await;
    assert_eq!(kept.len(), 1, "the same again is no second issue");
    assert_eq!(kept[0].code, "STALE_FIELDS");
    assert_eq!(kept[0].payload["base"], json!({ "title": "Clerk" }));
    assert_eq!(kept[0].payload["mine"], json!({ "title": "Manager" }));
    assert_eq!(kept[0].payload["theirs"]["title"], json!("Owner"));
    // Refused by a rule: a change, and a new row.
    let nameless = with(&master, json!({ "name": "" }));
    let answer = push(&app, &team.ann, "Contact", master.clone(), nameless).await;
    assert_eq!(answer, std::slice::from_ref(&master));
    let tombstone = |id: &str| {
        json!({
            "id": id, "clientId": null, "name": null, "title": null, "note": null,
            "version": 0, "deleted": true,
        })
    };
    let new = new_id("contact");
    let nameless = json!({ "id": new, "clientId": client, "name": "", "deleted": false });
    let answer = push(&app, &team.ann, "Contact", Value::Null, nameless).await;
    assert_eq!(answer, [tombstone(&new)]);
    // Lost, somebody else's, and never there: nothing tells them apart.
    let of_ben = app.client_of(&team.ben, "Bon app'").await;
    let bens = contact_of(&app, &team.ben, &of_ben, json!({})).await;
    hand_over(&app, &team.left, &client, &team.ben).await;
    for id in [id.clone(), bens.clone(), new_id("contact")] {
        let assumed = with(&master, json!({ "id": id }));
        let new = with(&assumed, json!({ "note": "typed offline" }));
        let answer = push(&app, &team.ann, "Contact", assumed, new).await;
        assert_eq!(answer, [tombstone(&id)]);
    }
    // Taking an id of somebody else's.
    let own = app.client_of(&team.ann, "Around the Horn").await;
    let taken = json!({ "id": bens, "clientId": own, "name": "Taken", "deleted": false });
    let answer = push(&app, &team.ann, "Contact", Value::Null, taken).await;
    assert_eq!(answer, [tombstone(&bens)]);
    for id in [&id, &bens] {
        let there = contact(&app, &team.ben, id).await;
        assert_eq!(there["note"], Value::Null);
    }
    let kept = issues(&app, &team.ann).await;
    let mut codes: Vec<&str> = kept.iter().map(|issue| issue.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "ALREADY_EXISTS",
            "BAD_USER_INPUT",
            "BAD_USER_INPUT",
            "NOT_VISIBLE",
            "NOT_VISIBLE",
            "NOT_VISIBLE",
            "STALE_FIELDS"
        ]
    );
    assert!(issues(&app, &team.ben).await.is_empty());
    let many = vec![json!({ "newDocumentState": seen }); 201];
    let answer = send(&app, &team.ann, "Contact", json!(many)).await;
    assert_eq!(
        (answer.code(0), answer.fields()),
        ("BAD_USER_INPUT", vec!["rows"])
    );
});

on_both!(an_order_is_pushed_with_its_lines, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let id = new_id("order");
    let draft = json!({
        "id": id, "clientId": shop.client, "status": "DRAFT", "note": null, "deleted": false,
        "lines": [{ "productId": shop.chai, "quantity": 3 }],
    });
    for _ in 0..2 {
        assert_eq!(
            push(&app, ann, "Order", Value::Null, draft.clone()).await,
            Vec::<Value>::new()
        );
    }
    // The service has filled in prices and the day; the phone has not heard of them.
    let more = with(
        &draft,
        json!({ "lines": [{ "productId": shop.chai, "quantity": 4 }] }),
    );
    assert_eq!(
        push(&app, ann, "Order", draft.clone(), more.clone()).await,
        Vec::<Value>::new()
    );
    assert!(issues(&app, ann).await.is_empty());
    let query =
        "query($id: ID!) { order(id: $id) { status version total { amount } lines { quantity } } }";
    let read = app.gql(&ann.token, query, json!({ "id": id })).await.ok();
    assert_eq!(
        *read.data("/order"),
        json!({ "status": "DRAFT", "version": 2, "total": { "amount": "40.00" }, "lines": [{ "quantity": 4 }] })
    );
    // A phone that has pulled submits it.
    let price = json!({ "amount": "10.00", "currency": "EUR" });
    let line =
        json!({ "productId": shop.chai, "quantity": 4, "unitPrice": price, "discountBp": 0 });
    let pulled = with(&more, json!({ "lines": [line], "version": 2 }));
    let submitted = with(&pulled, json!({ "status": "SUBMITTED" }));
    for _ in 0..2 {
        assert_eq!(
            push(&app, ann, "Order", pulled.clone(), submitted.clone()).await,
            Vec::<Value>::new()
        );
    }
    assert_eq!(
        crate::orders::levels(&app, &shop.team, &shop.chai).await,
        (100, 4)
    );
    let gone = with(&submitted, json!({ "deleted": true }));
    let answer = push(&app, ann, "Order", submitted, gone).await;
    assert_eq!(
        (&answer[0]["status"], &answer[0]["deleted"]),
        (&json!("APPROVED"), &json!(false))
    );
});
