//! Goods that come back.

use serde_json::{Value, json};

use super::*;

/// An order that was shipped.
async fn shipped(app: &App, shop: &Shop, more: Value) -> Value {
    let mut more = more;
    more["submit"] = json!(true);
    let order = placed(app, shop, more).await;
    let input = json!({ "id": order["id"], "version": order["version"] });
    order_of(
        mutate(app, &shop.team.ann, "orderShip", input).await,
        "orderShip",
    )
}

fn back(order: &Value, lines: Value) -> Value {
    json!({ "id": order["id"], "version": order["version"], "reason": "Broken", "restock": true, "lines": lines })
}

on_both!(a_part_comes_back_and_then_the_rest, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    // 63.30 less 5 % is 60.13 (rounded from 60.135 the way of the discount), plus freight.
    let order = shipped(
        &app,
        &shop,
        json!({ "discountBp": 500, "freight": { "amount": "4.00", "currency": "EUR" } }),
    )
    .await;
    assert_eq!(order["discount"]["amount"], "3.17");
    let (chai, tofu) = (
        order["lines"][0]["id"].clone(),
        order["lines"][1]["id"].clone(),
    );
    let input = back(&order, json!([{ "orderLineId": chai, "quantity": 1 }]));
    let answer = mutate(&app, ann, "orderReturn", input.clone()).await.ok();
    let part = answer.data("/orderReturn/orderReturn").clone();
    assert_eq!(part["amount"]["amount"], "9.50");
    assert_eq!(
        part["lines"],
        json!([{ "quantity": 1, "amount": { "amount": "9.50" }, "orderLine": { "sku": "CHAI", "net": { "amount": "30.00" } } }])
    );
    let order = answer.data("/orderReturn/order").clone();
    assert_eq!(order["status"], "SHIPPED");
    assert_eq!(order["returned"]["amount"], "9.50");
    assert_eq!(order["lines"][0]["returnedQuantity"], 1);
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (98, 0));
    assert_eq!(
        mutate(&app, ann, "orderReturn", input).await.code(0),
        "STALE_VERSION"
    );
    let too_much = back(&order, json!([{ "orderLineId": chai, "quantity": 3 }]));
    let answer = mutate(&app, ann, "orderReturn", too_much).await;
    assert_eq!(answer.rule(), "orders.return_exceeds_line");
    assert_eq!(answer.fields(), ["input.lines.0.quantity"]);
    for (lines, field) in [
        (json!([]), "lines"),
        (
            json!([{ "orderLineId": chai, "quantity": 0 }]),
            "lines.0.quantity",
        ),
        (
            json!([{ "orderLineId": tofu, "quantity": 1 }, { "orderLineId": tofu, "quantity": 1 }]),
            "lines.1.orderLineId",
        ),
    ] {
        let answer = mutate(&app, ann, "orderReturn", back(&order, lines)).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT");
        assert_eq!(answer.fields(), [format!("input.{field}")]);
    }
    // A line of another order is no line of this one.
    let other = shipped(&app, &shop, json!({})).await;
    let foreign = back(
        &order,
        json!([{ "orderLineId": other["lines"][0]["id"], "quantity": 1 }]),
    );
    assert_eq!(
        mutate(&app, ann, "orderReturn", foreign).await.code(0),
        "NOT_FOUND"
    );
    // The rest, not into stock: everything but the freight is credited.
    let rest = json!({ "id": order["id"], "version": order["version"], "reason": "Expired", "restock": false });
    let answer = mutate(&app, ann, "orderReturn", rest).await.ok();
    let order = answer.data("/orderReturn/order");
    assert_eq!(order["status"], "RETURNED");
    assert_eq!(order["returned"]["amount"], "60.13");
    assert_eq!(order["balance"]["amount"], "4.00");
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (95, 0));
    let query = "query($id: ID!) { order(id: $id) { returns { reason amount { amount } lines { quantity } } events { nodes { kind toStatus note } } } }";
    let answer = app
        .gql(&ann.token, query, json!({ "id": order["id"] }))
        .await
        .ok();
    assert_eq!(
        *answer.data("/order/returns"),
        json!([
            { "reason": "Broken", "amount": { "amount": "9.50" }, "lines": [{ "quantity": 1 }] },
            { "reason": "Expired", "amount": { "amount": "50.63" }, "lines": [{ "quantity": 2 }, { "quantity": 10 }] },
        ])
    );
    let last = answer.list("/order/events/nodes").last().unwrap();
    assert_eq!(
        *last,
        json!({ "kind": "RETURNED", "toStatus": "RETURNED", "note": "Expired" })
    );
    let query = "query($id: ID!) { client(id: $id) { stats { lifetimeRevenue { amount } } } }";
    let answer = app
        .gql(&ann.token, query, json!({ "id": shop.client }))
        .await
        .ok();
    assert_eq!(answer.text("/client/stats/lifetimeRevenue/amount"), "63.30");
});

on_both!(
    a_delivered_order_comes_back_and_one_in_the_house_does_not,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let order = shipped(&app, &shop, json!({})).await;
        let input = json!({ "id": order["id"], "version": order["version"] });
        let order = order_of(
            mutate(&app, ann, "orderDeliver", input).await,
            "orderDeliver",
        );
        let all = json!({ "id": order["id"], "version": order["version"], "reason": "Late", "restock": true });
        let order = order_of(mutate(&app, ann, "orderReturn", all).await, "orderReturn");
        assert_eq!(order["status"], "RETURNED");
        assert_eq!(levels(&app, &shop.team, &shop.tofu).await, (50, 0));
        let again = json!({ "id": order["id"], "version": order["version"], "reason": "Late", "restock": true });
        assert_eq!(
            mutate(&app, ann, "orderReturn", again).await.rule(),
            "orders.illegal_transition"
        );
        let approved = placed(&app, &shop, json!({ "submit": true })).await;
        let early = json!({ "id": approved["id"], "version": 1, "reason": "?", "restock": true });
        assert_eq!(
            mutate(&app, ann, "orderReturn", early).await.rule(),
            "orders.illegal_transition"
        );
    }
);
