//! Steps of orders that were taken offline, while others wrote the order.

use serde_json::{Value, json};

use super::rows::push;
use super::{Phone, issues, statuses};
use crate::orders::{Shop, levels, mutate, order_of, placed, read, set_terms, shop};
use crate::support::App;

/// All that a phone showed of an order of [`crate::orders::basket`].
fn shown(shop: &Shop, status: &str) -> Value {
    let line = |product: &str, quantity: i32, price: &str| {
        json!({
            "productId": product, "quantity": quantity, "discountBp": 0,
            "unitPrice": { "amount": price, "currency": "EUR" },
        })
    };
    json!({
        "status": status,
        "lines": [line(&shop.chai, 3, "10.00"), line(&shop.tofu, 10, "3.33")],
        "requiredOn": null, "note": null, "discountBp": 0,
        "freight": { "amount": "0.00", "currency": "EUR" }, "shipTo": null,
    })
}

/// The same as a document of RxDB.
fn document(shop: &Shop, order: &Value, status: &str) -> Value {
    let mut document = shown(shop, status);
    for (name, value) in [
        ("id", &order["id"]),
        ("clientId", &order["client"]["id"]),
        ("placedOn", &order["placedOn"]),
        ("version", &order["version"]),
        ("deleted", &json!(false)),
    ] {
        document[name] = value.clone();
    }
    document
}

on_both!(what_was_not_seen_is_not_submitted, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let mut phone = Phone::of(ann);
    let order = placed(&app, &shop, json!({})).await;
    let id = order["id"].as_str().unwrap();
    let more =
        json!({ "id": id, "version": 1, "lines": [{ "productId": shop.chai, "quantity": 30 }] });
    let changed = mutate(&app, &shop.team.left, "orderUpdate", more).await;
    let _ = order_of(changed, "orderUpdate");
    let submit = phone.op(
            "UPDATE",
            id,
            json!({ "baseVersion": 1, "order": { "status": "SUBMITTED" }, "baseOrder": shown(&shop, "DRAFT") }),
        );
    let results = phone.push(&app, &[&submit]).await;
    assert_eq!(statuses(&results), ["CONFLICT"]);
    assert_eq!(results[0]["conflict"]["fields"], json!(["status"]));
    let (draft, submitted) = (
        document(&shop, &order, "DRAFT"),
        document(&shop, &order, "SUBMITTED"),
    );
    let answer = push(&app, ann, "Order", draft, submitted).await;
    assert_eq!(answer[0]["lines"][0]["quantity"], 30);
    let there = read(&app, ann, &order).await;
    assert_eq!(
        (&there["status"], &there["version"]),
        (&json!("DRAFT"), &json!(2))
    );
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 0));
    // On what there is now, it is.
    let submit = phone.op(
        "UPDATE",
        id,
        json!({ "baseVersion": 2, "order": { "status": "SUBMITTED" } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&submit]).await), ["APPLIED"]);
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 30));
    // The other rep submits nothing of hers.
    let mut bens = Phone::of(&shop.team.ben);
    let guess = bens.op("UPDATE", id, json!({ "order": { "status": "CANCELLED" } }));
    assert_eq!(statuses(&bens.push(&app, &[&guess]).await), ["CONFLICT"]);
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 30));
});

on_both!(
    what_is_in_production_is_not_called_off_unseen,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let limit = json!({ "creditLimit": { "amount": "10.00", "currency": "EUR" } });
        set_terms(&app, &shop, limit).await;
        let mut phone = Phone::of(ann);
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let id = order["id"].as_str().unwrap();
        assert_eq!(order["status"], "SUBMITTED");
        let mut there = order.clone();
        for step in ["orderApprove", "orderStartProduction"] {
            let input = json!({ "id": id, "version": there["version"] });
            there = order_of(mutate(&app, &shop.team.left, step, input).await, step);
        }
        assert_eq!(there["status"], "IN_PRODUCTION");
        let cancel = phone.op(
            "UPDATE",
            id,
            json!({
                "baseVersion": order["version"],
                "order": { "status": "CANCELLED" },
                "baseOrder": shown(&shop, "SUBMITTED"),
            }),
        );
        let results = phone.push(&app, &[&cancel]).await;
        assert_eq!(statuses(&results), ["CONFLICT"]);
        assert_eq!(results[0]["conflict"]["fields"], json!(["status"]));
        let (submitted, cancelled) = (
            document(&shop, &order, "SUBMITTED"),
            document(&shop, &order, "CANCELLED"),
        );
        let answer = push(&app, ann, "Order", submitted.clone(), cancelled).await;
        assert_eq!(answer[0]["status"], "IN_PRODUCTION");
        assert_eq!(
            read(&app, ann, &order).await["status"],
            json!("IN_PRODUCTION")
        );
        let kept = issues(&app, ann).await;
        assert_eq!(kept.len(), 2);
        // That it was submitted is done, however far it has come.
        let draft = document(&shop, &order, "DRAFT");
        let answer = push(&app, ann, "Order", draft, submitted).await;
        assert!(answer.is_empty(), "{answer:?}");
        let again = phone.op(
            "UPDATE",
            id,
            json!({
                "baseVersion": 1,
                "order": { "status": "SUBMITTED" },
                "baseOrder": shown(&shop, "DRAFT"),
            }),
        );
        assert_eq!(statuses(&phone.push(&app, &[&again]).await), ["MERGED"]);
        assert!(issues(&app, &shop.team.ben).await.is_empty());
    }
);
