//! Payments: recording, voiding, listing, and what they do to an order's balance.

use serde_json::{Value, json};

use crate::orders::{mutate, order_of, placed, read, shop};
use crate::support::{Answer, App, Person};

const PAYMENT: &str = "payment { id version amount { amount currency } method paidOn reference note voidedAt voidReason \
    order { id paid { amount } balance { amount } } client { id } }";

async fn pay(app: &App, who: &Person, order: &Value, amount: &str, more: Value) -> Answer {
    let query = format!(
        "mutation($input: PaymentRecordInput!) {{ paymentRecord(input: $input) {{ {PAYMENT} }} }}"
    );
    let mut input = json!({
        "orderId": order["id"], "method": "BANK_TRANSFER",
        "amount": { "amount": amount, "currency": "EUR" },
    });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn void(app: &App, who: &Person, payment: &Value, version: i32, reason: &str) -> Answer {
    let query = format!(
        "mutation($input: PaymentVoidInput!) {{ paymentVoid(input: $input) {{ {PAYMENT} }} }}"
    );
    let input = json!({ "id": payment["id"], "version": version, "reason": reason });
    app.gql(&who.token, &query, json!({ "input": input })).await
}

on_both!(
    a_payment_lowers_the_balance_and_voiding_it_raises_it,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let more = json!({ "paidOn": "2026-03-01", "reference": "TX 1", "note": "Thanks" });
        let answer = pay(&app, ann, &order, "60.00", more).await.ok();
        let payment = answer.data("/paymentRecord/payment").clone();
        assert_eq!(payment["order"]["balance"]["amount"], "3.30");
        assert_eq!(payment["paidOn"], "2026-03-01");
        assert_eq!(payment["client"]["id"], json!(shop.client));
        let seen = read(&app, ann, &order).await;
        assert_eq!(seen["paid"]["amount"], "60.00");
        assert_eq!(seen["version"], 2);
        assert_eq!(seen["events"]["nodes"][3]["note"], "60.00 EUR");
        let receivable = "query($id: ID!) { client(id: $id) { stats { receivable { amount } } payments { nodes { id } } } }";
        let answer = app
            .gql(&ann.token, receivable, json!({ "id": shop.client }))
            .await
            .ok();
        assert_eq!(answer.text("/client/stats/receivable/amount"), "3.30");
        assert_eq!(*answer.data("/client/payments/nodes/0/id"), payment["id"]);
        let blank = void(&app, ann, &payment, 1, " ").await;
        assert_eq!(blank.fields(), ["input.reason"]);
        assert_eq!(
            void(&app, &shop.team.ben, &payment, 1, "Bounced")
                .await
                .code(0),
            "NOT_FOUND"
        );
        let answer = void(&app, ann, &payment, 1, "Bounced").await.ok();
        let voided = answer.data("/paymentVoid/payment");
        assert_eq!(voided["voidReason"], "Bounced");
        assert_eq!(voided["order"]["balance"]["amount"], "63.30");
        assert_eq!(
            void(&app, ann, &payment, 1, "Bounced").await.code(0),
            "STALE_VERSION"
        );
        assert_eq!(
            void(&app, ann, &payment, 2, "Bounced").await.rule(),
            "payments.already_void"
        );
        let seen = read(&app, ann, &order).await;
        assert_eq!(seen["paid"]["amount"], "0.00");
        assert_eq!(seen["events"]["nodes"][4]["note"], "-60.00 EUR: Bounced");
        let answer = app
            .gql(&ann.token, receivable, json!({ "id": shop.client }))
            .await
            .ok();
        assert_eq!(answer.text("/client/stats/receivable/amount"), "63.30");
    }
);

on_both!(
    a_payment_is_refused_for_what_is_wrong_with_it,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let draft = placed(&app, &shop, json!({})).await;
        assert_eq!(
            pay(&app, ann, &draft, "1.00", json!({})).await.rule(),
            "payments.order_not_billed"
        );
        let over = pay(&app, ann, &order, "63.31", json!({})).await;
        assert_eq!(over.rule(), "payments.exceeds_balance");
        assert_eq!(over.fields(), ["input.amount.amount"]);
        for (amount, more, field) in [
            ("0.00", json!({}), "amount.amount"),
            ("-1.00", json!({}), "amount.amount"),
            ("1.001", json!({}), "amount.amount"),
            (
                "1.00",
                json!({ "amount": { "amount": "1.00", "currency": "USD" } }),
                "amount.currency",
            ),
            ("1.00", json!({ "paidOn": "2999-01-01" }), "paidOn"),
        ] {
            let answer = pay(&app, ann, &order, amount, more).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{answer}");
            assert_eq!(answer.fields(), [format!("input.{field}")]);
        }
        let other = pay(&app, &shop.team.ben, &order, "1.00", json!({})).await;
        assert_eq!(other.code(0), "NOT_FOUND");
        assert_eq!(other.fields(), ["input.orderId"]);
        let _ = pay(&app, ann, &order, "63.30", json!({})).await.ok();
        let cancel = json!({ "id": order["id"], "version": 2 });
        assert_eq!(
            mutate(&app, ann, "orderCancel", cancel).await.rule(),
            "orders.paid"
        );
    }
);

on_both!(the_same_payment_twice_is_one_payment, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let order = placed(&app, &shop, json!({ "submit": true })).await;
    let id = json!({ "id": format!("payment_{}", uuid::Uuid::now_v7()) });
    // The whole balance: a second effect would exceed it.
    let first = pay(&app, ann, &order, "63.30", id.clone()).await.ok();
    let again = pay(&app, ann, &order, "63.30", id.clone()).await.ok();
    assert_eq!(first.data(""), again.data(""));
    assert_eq!(pay(&app, ann, &order, "1.00", id).await.code(0), "CONFLICT");
    assert_eq!(read(&app, ann, &order).await["paid"]["amount"], "63.30");
});

on_both!(
    payments_that_race_never_exceed_the_balance,
    async |app: App| {
        let shop = shop(&app).await;
        let order = placed(&app, &shop, json!({ "submit": true })).await;
        let tries = (0..5).map(|_| pay(&app, &shop.team.ann, &order, "20.00", json!({})));
        let answers = futures_util::future::join_all(tries).await;
        let paid = answers
            .iter()
            .filter(|answer| answer.errors().is_empty())
            .count();
        assert_eq!(paid, 3);
        assert_eq!(
            read(&app, &shop.team.ann, &order).await["balance"]["amount"],
            "3.30"
        );
    }
);

on_both!(payments_are_listed_filtered_and_paged, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let order = placed(&app, &shop, json!({ "submit": true })).await;
    let other = placed(&app, &shop, json!({ "submit": true })).await;
    for (order, amount, day, method) in [
        (&order, "1.00", "2026-03-01", "CASH"),
        (&order, "2.00", "2026-03-02", "CARD"),
        (&other, "3.00", "2026-03-03", "CASH"),
    ] {
        let more = json!({ "paidOn": day, "method": method });
        let _ = pay(&app, ann, order, amount, more).await.ok();
    }
    let list = "query($filter: PaymentFilter, $order: PaymentOrder, $first: Int, $after: String, $last: Int, $before: String) { \
        payments(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
        totalCount nodes { id amount { amount } } pageInfo { startCursor endCursor hasNextPage } } }";
    let amounts = |answer: &Answer| -> Vec<String> {
        let nodes = answer.list("/payments/nodes").iter();
        nodes
            .map(|node| node["amount"]["amount"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = app.gql(&ann.token, list, json!({})).await.ok();
    assert_eq!(amounts(&all), ["3.00", "2.00", "1.00"]);
    let first = json!({ "id": all.data("/payments/nodes/2/id") });
    let _ = void(&app, ann, &first, 1, "Mistake").await.ok();
    for (filter, expected) in [
        (
            json!({ "orderId": { "eq": order["id"] } }),
            vec!["1.00", "2.00"],
        ),
        (
            json!({ "clientId": { "eq": shop.client } }),
            vec!["1.00", "2.00", "3.00"],
        ),
        (json!({ "method": { "eq": "CARD" } }), vec!["2.00"]),
        (
            json!({ "paidOn": { "gt": "2026-03-01" } }),
            vec!["2.00", "3.00"],
        ),
        (
            json!({ "amount": { "currency": "EUR", "gte": "2.00" } }),
            vec!["2.00", "3.00"],
        ),
        (json!({ "voided": true }), vec!["1.00"]),
        (
            json!({ "voided": false, "not": { "method": { "eq": "CASH" } } }),
            vec!["2.00"],
        ),
        (
            json!({ "or": [{ "voided": true }, { "method": { "eq": "CARD" } }] }),
            vec!["1.00", "2.00"],
        ),
    ] {
        let variables = json!({ "filter": filter, "order": "PAID_ON_ASC" });
        let answer = app.gql(&ann.token, list, variables).await.ok();
        assert_eq!(amounts(&answer), expected, "{filter}");
    }
    let page = app.gql(&ann.token, list, json!({ "first": 2 })).await.ok();
    assert_eq!(amounts(&page), ["3.00", "2.00"]);
    let end = page.data("/payments/pageInfo/endCursor");
    let rest = app
        .gql(&ann.token, list, json!({ "first": 2, "after": end }))
        .await
        .ok();
    assert_eq!(amounts(&rest), ["1.00"]);
    let start = rest.data("/payments/pageInfo/startCursor");
    let back = app
        .gql(&ann.token, list, json!({ "last": 1, "before": start }))
        .await
        .ok();
    assert_eq!(amounts(&back), ["2.00"]);
    let bens = app.gql(&shop.team.ben.token, list, json!({})).await.ok();
    assert_eq!(*bens.data("/payments/totalCount"), json!(0));
    let query = "query($id: ID!) { order(id: $id) { payments(first: 1) { totalCount nodes { amount { amount } } } } }";
    let answer = app
        .gql(&ann.token, query, json!({ "id": order["id"] }))
        .await
        .ok();
    assert_eq!(*answer.data("/order/payments/totalCount"), json!(2));
    assert_eq!(answer.text("/order/payments/nodes/0/amount/amount"), "2.00");
});

on_both!(what_came_back_is_paid_back, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let order = placed(&app, &shop, json!({ "submit": true })).await;
    let _ = pay(&app, ann, &order, "63.30", json!({})).await.ok();
    let input = json!({ "id": order["id"], "version": 2 });
    let order = order_of(mutate(&app, ann, "orderShip", input).await, "orderShip");
    let input = json!({ "id": order["id"], "version": 3, "reason": "Late", "restock": true });
    let order = order_of(mutate(&app, ann, "orderReturn", input).await, "orderReturn");
    assert_eq!(order["balance"]["amount"], "-63.30");
    assert_eq!(
        pay(&app, ann, &order, "0.01", json!({})).await.rule(),
        "payments.exceeds_balance"
    );
});
