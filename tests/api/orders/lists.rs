//! Lists of orders: filters, sorting, pages, and how many statements they take.

use entity::{OrderId, order};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};

use super::*;

const LIST: &str = "query($filter: OrderFilter, $order: OrderOrder, $first: Int, $after: String, $last: Int, $before: String) { \
    orders(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { id note } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

fn notes(answer: &Answer) -> Vec<String> {
    answer
        .list("/orders/nodes")
        .iter()
        .map(|node| node["note"].as_str().unwrap().to_owned())
        .collect()
}

/// Gives an order an id of another system, as a repeated import does.
async fn known_elsewhere_as(app: &App, order: &Value, external_id: &'static str) {
    let id: OrderId = order["id"].as_str().unwrap().parse().unwrap();
    let system = app.server().database.as_system("a test");
    let write = system.write(move |tx| async move {
        let row = tx.select::<order::Entity>().id(id).get().await?;
        let change = order::ActiveModel {
            external_id: Set(Some(external_id.to_owned())),
            ..Default::default()
        };
        tx.amend::<order::Entity>(&row, change).await
    });
    write.await.unwrap();
}

async fn listed(app: &App, who: &Person, filter: Value) -> Vec<String> {
    let variables = json!({ "filter": filter, "order": "PLACED_ON_ASC" });
    notes(&app.gql(&who.token, LIST, variables).await.ok())
}

on_both!(
    orders_are_found_by_what_is_known_of_them,
    async |app: App| {
        let shop = shop(&app).await;
        let (ann, left) = (&shop.team.ann, &shop.team.left);
        let a = placed(
            &app,
            &shop,
            json!({ "note": "a", "placedOn": "2026-01-01", "submit": true }),
        )
        .await;
        known_elsewhere_as(&app, &a, "X1").await;
        let tofu = json!([{ "productId": shop.tofu, "quantity": 1 }]);
        placed(
            &app,
            &shop,
            json!({ "note": "b", "placedOn": "2026-02-01", "lines": tofu }),
        )
        .await;
        placed(
            &app,
            &shop,
            json!({ "note": "c", "placedOn": "2026-03-01", "discountBp": 9_000, "submit": true }),
        )
        .await;
        let bens = app.client_of(&shop.team.ben, "Ben's").await;
        let input = json!({ "clientId": bens, "note": "d", "placedOn": "2026-04-01", "lines": [] });
        let _ = mutate(&app, &shop.team.ben, "orderCreate", input)
            .await
            .ok();
        let number = a["number"].as_str().unwrap();
        for (filter, expected) in [
            (json!({}), vec!["a", "b", "c"]),
            (json!({ "status": { "eq": "DRAFT" } }), vec!["b"]),
            (
                json!({ "status": { "in": ["DRAFT", "APPROVED"] } }),
                vec!["a", "b"],
            ),
            (
                json!({ "clientId": { "eq": shop.client } }),
                vec!["a", "b", "c"],
            ),
            (json!({ "clientId": { "eq": bens } }), vec![]),
            (
                json!({ "placedById": { "eq": ann.id() } }),
                vec!["a", "b", "c"],
            ),
            (
                json!({ "placedOn": { "gte": "2026-02-01", "lt": "2026-03-01" } }),
                vec!["b"],
            ),
            (json!({ "dueOn": { "lte": "2026-01-01" } }), vec!["a"]),
            (
                json!({ "total": { "currency": "EUR", "gt": "6.33" } }),
                vec!["a"],
            ),
            (
                json!({ "total": { "currency": "USD", "gt": "0.00" } }),
                vec![],
            ),
            (json!({ "number": number.to_lowercase() }), vec!["a"]),
            (json!({ "number": &number[..8] }), vec!["a"]),
            (json!({ "externalId": { "eq": "X1" } }), vec!["a"]),
            (json!({ "productId": { "eq": shop.chai } }), vec!["a", "c"]),
            (json!({ "awaitingApproval": true }), vec!["c"]),
            (json!({ "awaitingApproval": false }), vec!["a", "b"]),
            (json!({ "overdue": true }), vec!["a"]),
            (json!({ "overdue": false }), vec!["b", "c"]),
            (
                json!({ "or": [{ "awaitingApproval": true }, { "status": { "eq": "DRAFT" } }] }),
                vec!["b", "c"],
            ),
            (
                json!({ "and": [{ "overdue": true }, { "awaitingApproval": true }] }),
                vec![],
            ),
            (
                json!({ "not": { "status": { "eq": "DRAFT" } } }),
                vec!["a", "c"],
            ),
        ] {
            assert_eq!(
                listed(&app, ann, filter.clone()).await,
                expected,
                "{filter}"
            );
        }
        assert_eq!(listed(&app, left, json!({})).await, ["a", "b", "c", "d"]);
        assert_eq!(
            listed(&app, &shop.team.right, json!({})).await,
            Vec::<String>::new()
        );
        let bad = app
            .gql(&ann.token, LIST, json!({ "filter": { "number": "%" } }))
            .await;
        assert_eq!(bad.code(0), "BAD_USER_INPUT");
        for (order, expected) in [
            ("PLACED_ON_DESC", ["c", "b", "a"]),
            ("PLACED_ON_ASC", ["a", "b", "c"]),
            ("TOTAL_DESC", ["a", "c", "b"]),
            ("DUE_ON_ASC", ["a", "b", "c"]),
        ] {
            let answer = app
                .gql(&ann.token, LIST, json!({ "order": order }))
                .await
                .ok();
            assert_eq!(notes(&answer), expected, "{order}");
        }
        let query = "{ orders(orderBy: NUMBER_ASC) { nodes { number } } }";
        let answer = app.gql(&ann.token, query, json!({})).await.ok();
        let numbers = answer
            .list("/orders/nodes")
            .iter()
            .map(|node| node["number"].as_str().unwrap());
        assert!(numbers.is_sorted());
    }
);

on_both!(orders_page_both_ways, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    for (note, day) in [
        ("a", "2026-01-01"),
        ("b", "2026-01-02"),
        ("c", "2026-01-02"),
        ("d", "2026-01-03"),
        ("e", "2026-01-04"),
    ] {
        placed(
            &app,
            &shop,
            json!({ "note": note, "placedOn": day, "lines": [] }),
        )
        .await;
    }
    let first = app.gql(&ann.token, LIST, json!({ "first": 2 })).await.ok();
    assert_eq!(notes(&first), ["e", "d"]);
    assert_eq!(*first.data("/orders/totalCount"), json!(5));
    let end = first.data("/orders/pageInfo/endCursor");
    let second = app
        .gql(&ann.token, LIST, json!({ "first": 2, "after": end }))
        .await
        .ok();
    assert_eq!(notes(&second), ["c", "b"]);
    let end = second.data("/orders/pageInfo/endCursor");
    let third = app
        .gql(&ann.token, LIST, json!({ "first": 2, "after": end }))
        .await
        .ok();
    assert_eq!(notes(&third), ["a"]);
    assert_eq!(*third.data("/orders/pageInfo/hasNextPage"), json!(false));
    let start = third.data("/orders/pageInfo/startCursor");
    let back = app
        .gql(&ann.token, LIST, json!({ "last": 3, "before": start }))
        .await
        .ok();
    assert_eq!(notes(&back), ["d", "c", "b"]);
    assert_eq!(*back.data("/orders/pageInfo/hasPreviousPage"), json!(true));
});

on_both!(
    edges_take_as_many_statements_for_one_as_for_many,
    async |app: App| {
        let shop = shop(&app).await;
        let ann = &shop.team.ann;
        let query = "{ clients { nodes { orders(first: 5, filter: { status: { in: [SHIPPED, RETURNED] } }) { totalCount nodes { client { id } reorderOf { id } placedBy { name } decidedBy { name } \
        lines { net { amount } product { sku } order { id } } \
        events(first: 3) { nodes { kind user { name } order { id } } } \
        returns { amount { amount } createdBy { name } order { id } lines { amount { amount } orderLine { sku } } } \
        payments(first: 2) { nodes { amount { amount } recordedBy { name } voidedBy { name } order { id } client { id } } } } } \
        payments(first: 2) { totalCount nodes { id } } } } }";
        let pay = "mutation($input: PaymentRecordInput!) { paymentRecord(input: $input) { payment { id } } }";
        let mut counts = Vec::new();
        let mut clients = vec![shop.client.clone()];
        for round in 0..3 {
            for client in &clients {
                let input = basket(&shop, json!({ "clientId": client, "submit": true }));
                let order = order_of(mutate(&app, ann, "orderCreate", input).await, "orderCreate");
                let input = json!({ "id": order["id"], "version": 1 });
                let order = order_of(mutate(&app, ann, "orderShip", input).await, "orderShip");
                let input = json!({ "id": order["id"], "version": 2, "reason": "Broken", "restock": true,
                "lines": [{ "orderLineId": order["lines"][0]["id"], "quantity": 1 }] });
                let _ = mutate(&app, ann, "orderReturn", input).await.ok();
                let input = json!({ "orderId": order["id"], "method": "CASH", "amount": { "amount": "1.00", "currency": "EUR" } });
                let _ = app
                    .gql(&ann.token, pay, json!({ "input": input }))
                    .await
                    .ok();
            }
            let answer = app.gql(&ann.token, query, json!({})).await.ok();
            counts.push(answer.statements());
            assert_eq!(
                *answer.data("/clients/nodes/0/orders/totalCount"),
                json!(if round == 2 { 2 } else { 1 })
            );
            assert_eq!(
                *answer.data("/clients/nodes/0/orders/nodes/0/returns/0/lines/0/orderLine/sku"),
                json!("CHAI")
            );
            clients = match round {
                0 => vec![
                    app.client_of(ann, "Berglunds").await,
                    app.client_of(ann, "Centro").await,
                ],
                _ => vec![shop.client.clone()],
            };
        }
        assert_eq!(counts[0], counts[1], "{counts:?}");
        assert_eq!(counts[0], counts[2], "{counts:?}");
    }
);

on_both!(anything_of_an_order_is_found_by_its_id, async |app: App| {
    let shop = shop(&app).await;
    let order = placed(&app, &shop, json!({})).await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on OrderLine { net { amount currency } order { id } } } }";
    let variables = json!({ "ids": [order["id"], order["lines"][0]["id"]] });
    let answer = app
        .gql(&shop.team.ann.token, query, variables.clone())
        .await
        .ok();
    assert_eq!(*answer.data("/nodes/0/__typename"), json!("Order"));
    assert_eq!(
        *answer.data("/nodes/1/net"),
        json!({ "amount": "30.00", "currency": "EUR" })
    );
    assert_eq!(*answer.data("/nodes/1/order/id"), order["id"]);
    let answer = app.gql(&shop.team.ben.token, query, variables).await.ok();
    assert_eq!(*answer.data("/nodes"), json!([null, null]));
});
