//! Stock: what comes in, what is counted, what orders promise, send out and take back.

use std::sync::Arc;

use chrono::NaiveDate;
use clientele::db::{Session, Tx};
use clientele::domain::stock;
use clientele::{Code, Error, Result};
use entity::{ClientId, OrderId, OrderStatus, ProductId, order};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};

use crate::support::{Answer, App, Person};

const RECEIVE: &str = "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { version stock { onHand reserved availableToPromise belowReorderLevel } } } }";
const ADJUST: &str = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { product { stock { onHand reserved availableToPromise belowReorderLevel } } } }";
const STOCK: &str = "query($id: ID!) { product(id: $id) { version stock { onHand reserved availableToPromise belowReorderLevel } } }";
const MOVEMENTS: &str = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { product(id: $id) { \
    stockMovements(first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { id kind onHandChange note occurredAt product { id } } pageInfo { hasNextPage startCursor endCursor } } } }";

/// On hand, reserved, available to promise.
async fn stock_of(app: &App, who: &Person, product: &str) -> (i64, i64, i64) {
    let answer = app
        .gql(&who.token, STOCK, json!({ "id": product }))
        .await
        .ok();
    let units = |name: &str| {
        answer
            .data(&format!("/product/stock/{name}"))
            .as_i64()
            .unwrap()
    };
    (
        units("onHand"),
        units("reserved"),
        units("availableToPromise"),
    )
}

async fn receive(app: &App, who: &Person, product: &str, quantity: i64) -> Answer {
    let input = json!({ "input": { "productId": product, "quantity": quantity } });
    app.gql(&who.token, RECEIVE, input).await
}

/// Kinds and changes of the movements, newest first.
async fn ledger(app: &App, who: &Person, product: &str) -> Vec<(String, i64)> {
    let answer = app
        .gql(&who.token, MOVEMENTS, json!({ "id": product }))
        .await
        .ok();
    answer
        .list("/product/stockMovements/nodes")
        .iter()
        .map(|node| {
            (
                node["kind"].as_str().unwrap().to_owned(),
                node["onHandChange"].as_i64().unwrap(),
            )
        })
        .collect()
}

/// What orders do to stock, as their rules will call it.
#[derive(Clone, Copy)]
enum Step {
    Reserve,
    Release,
    Ship,
    TakeBack,
}

fn system(app: &App) -> Session {
    app.server()
        .database
        .as_system("what an order does to stock")
}

async fn step(session: &Session, step: Step, order: OrderId, lines: &[(&str, i64)]) -> Result<()> {
    let lines: Arc<Vec<(ProductId, i64)>> = Arc::new(
        lines
            .iter()
            .map(|(product, quantity)| (product.parse().unwrap(), *quantity))
            .collect(),
    );
    session
        .write(move |tx: Tx| {
            let lines = Arc::clone(&lines);
            async move {
                match step {
                    Step::Reserve => stock::reserve(&tx, order, &lines).await,
                    Step::Release => stock::release(&tx, order, &lines).await,
                    Step::Ship => stock::ship(&tx, order, &lines).await,
                    Step::TakeBack => stock::take_back(&tx, order, &lines, None).await,
                }
            }
        })
        .await
}

/// An order of a client of `owner`, for the ledger to name.
async fn order_of(app: &App, owner: &Person) -> OrderId {
    let client: ClientId = app.client_of(owner, "Buyer").await.parse().unwrap();
    let placed_by = owner.id;
    system(app)
        .write(move |tx: Tx| async move {
            let client = tx.lock_client(client).await?;
            let id: OrderId = tx.new_id();
            let row = order::ActiveModel {
                id: Set(id),
                number: Set(id.to_string()),
                placed_by_id: Set(placed_by),
                status: Set(OrderStatus::Approved),
                currency: Set("EUR".to_owned()),
                placed_on: Set(NaiveDate::from_ymd_opt(2026, 3, 1).unwrap()),
                lines_minor: Set(0),
                discount_bp: Set(0),
                discount_minor: Set(0),
                freight_minor: Set(0),
                total_minor: Set(0),
                paid_minor: Set(0),
                returned_minor: Set(0),
                version: Set(1),
                created_at: Set(tx.now()),
                updated_at: Set(tx.now()),
                ..Default::default()
            };
            tx.insert_under::<order::Entity>(&client, row).await?;
            Ok(id)
        })
        .await
        .expect("a test's order should go in")
}

/// Demands that stock refused, and answers the products and the fields it named.
#[track_caller]
fn insufficient(outcome: Result<()>) -> (Value, Vec<String>) {
    let error = outcome.expect_err("it should be refused");
    assert_eq!(error.code(), Code::RuleViolated, "{error:?}");
    assert_eq!(error.rule_name(), Some("stock.insufficient"), "{error:?}");
    (product_ids(&error), error.fields().to_vec())
}

fn product_ids(error: &Error) -> Value {
    let error = async_graphql::Error::from(error.clone());
    let extensions = serde_json::to_value(error.extensions.unwrap()).unwrap();
    extensions["productIds"].clone()
}

on_both!(goods_come_in, async |app: App| {
    let team = app.team().await;
    let id = app
        .product_of(&team.left, "A", json!({ "reorderLevel": 5 }))
        .await;
    let answer = receive(&app, &team.left, &id, 4).await.ok();
    assert_eq!(
        *answer.data("/stockReceive/product"),
        json!({ "version": 1, "stock": { "onHand": 4, "reserved": 0, "availableToPromise": 4, "belowReorderLevel": true } })
    );
    let answer = receive(&app, &team.admin, &id, 1).await.ok();
    assert_eq!(
        *answer.data("/stockReceive/product/stock/belowReorderLevel"),
        json!(false)
    );
    for rep in [&team.ann, &team.cleo] {
        assert_eq!(stock_of(&app, rep, &id).await, (5, 0, 5));
    }
    let input = json!({ "input": { "productId": id, "quantity": 1, "note": "Delivery 7" } });
    app.gql(&team.left.token, RECEIVE, input).await.ok();
    let answer = app
        .gql(&team.left.token, MOVEMENTS, json!({ "id": id, "first": 1 }))
        .await
        .ok();
    assert_eq!(
        *answer.data("/product/stockMovements/nodes/0/note"),
        json!("Delivery 7")
    );
    assert_eq!(
        *answer.data("/product/stockMovements/nodes/0/product/id"),
        json!(id)
    );
});

on_both!(a_count_sets_what_is_on_hand, async |app: App| {
    let team = app.team().await;
    let id = app.product_of(&team.left, "A", json!({})).await;
    let count = |counted: i64| json!({ "input": { "productId": id, "counted": counted, "reason": "Inventory" } });
    for counted in [10, 7, 7, 0, 1_000_000_000] {
        let answer = app.gql(&team.left.token, ADJUST, count(counted)).await.ok();
        assert_eq!(
            *answer.data("/stockAdjust/product/stock/onHand"),
            json!(counted)
        );
    }
    // A count that finds what was known changes nothing, and the ledger holds changes.
    let expected = [1_000_000_000, -7, -3, 10].map(|change| ("ADJUSTMENT".to_owned(), change));
    assert_eq!(ledger(&app, &team.left, &id).await, expected);
});

on_both!(
    only_managers_and_administrators_change_stock,
    async |app: App| {
        let team = app.team().await;
        let id = app.product_of(&team.left, "A", json!({})).await;
        for rep in [&team.ann, &team.cleo] {
            assert_eq!(receive(&app, rep, &id, 1).await.code(0), "FORBIDDEN");
            let input =
                json!({ "input": { "productId": id, "counted": 5, "reason": "Inventory" } });
            let answer = app.gql(&rep.token, ADJUST, input).await;
            assert_eq!(answer.code(0), "FORBIDDEN");
        }
        assert_eq!(stock_of(&app, &team.ann, &id).await, (0, 0, 0));
    }
);

on_both!(
    only_managers_and_administrators_see_movements,
    async |app: App| {
        let team = app.team().await;
        let id = app.product_of(&team.left, "A", json!({})).await;
        receive(&app, &team.left, &id, 3).await.ok();
        let query = app
            .gql(&team.top.token, MOVEMENTS, json!({ "id": id }))
            .await
            .ok();
        let movement = query.text("/product/stockMovements/nodes/0/id").to_owned();
        let node = "query($id: ID!) { node(id: $id) { __typename id } }";
        for who in [&team.top, &team.right, &team.admin] {
            assert_eq!(ledger(&app, who, &id).await, [("RECEIPT".to_owned(), 3)]);
            let answer = app
                .gql(&who.token, node, json!({ "id": movement }))
                .await
                .ok();
            assert_eq!(*answer.data("/node/__typename"), json!("StockMovement"));
        }
        for rep in [&team.ann, &team.cleo] {
            let answer = app
                .gql(&rep.token, MOVEMENTS, json!({ "id": id }))
                .await
                .ok();
            assert!(answer.list("/product/stockMovements/nodes").is_empty());
            assert_eq!(*answer.data("/product/stockMovements/totalCount"), json!(0));
            let answer = app
                .gql(&rep.token, node, json!({ "id": movement }))
                .await
                .ok();
            assert_eq!(*answer.data("/node"), Value::Null);
        }
    }
);

on_both!(wrong_quantities_are_named, async |app: App| {
    let team = app.team().await;
    let id = app.product_of(&team.left, "A", json!({})).await;
    for quantity in [0, -1, 1_000_000_001] {
        let answer = receive(&app, &team.left, &id, quantity).await;
        assert_eq!(
            (answer.code(0), answer.fields()),
            ("BAD_USER_INPUT", vec!["input.quantity"])
        );
    }
    let counted = |counted: i64, reason: &str| json!({ "input": { "productId": id, "counted": counted, "reason": reason } });
    for (input, field) in [
        (counted(-1, "Inventory"), "input.counted"),
        (counted(1_000_000_001, "Inventory"), "input.counted"),
        (counted(1, " "), "input.reason"),
        (counted(1, &"x".repeat(501)), "input.reason"),
    ] {
        let answer = app.gql(&team.left.token, ADJUST, input).await;
        assert_eq!(
            (answer.code(0), answer.fields()),
            ("BAD_USER_INPUT", vec![field])
        );
    }
    let nothing = format!("product_{}", uuid::Uuid::now_v7());
    let answer = receive(&app, &team.left, &nothing, 1).await;
    assert_eq!(
        (answer.code(0), answer.fields()),
        ("NOT_FOUND", vec!["input.productId"])
    );
    receive(&app, &team.left, &id, 1_000_000_000).await.ok();
    let answer = receive(&app, &team.left, &id, 1).await;
    assert_eq!(
        (answer.rule(), answer.fields()),
        ("stock.too_much", vec!["input.quantity"])
    );
    assert_eq!(
        stock_of(&app, &team.ann, &id).await,
        (1_000_000_000, 0, 1_000_000_000)
    );
});

on_both!(
    nothing_comes_in_for_an_archived_product,
    async |app: App| {
        let team = app.team().await;
        let id = app.product_of(&team.left, "A", json!({})).await;
        let archive = "mutation($id: ID!) { productArchive(input: { id: $id, version: 1 }) { product { id } } }";
        app.gql(&team.left.token, archive, json!({ "id": id }))
            .await
            .ok();
        let answer = receive(&app, &team.left, &id, 1).await;
        assert_eq!(
            (answer.rule(), answer.fields()),
            ("products.archived", vec!["input.productId"])
        );
    }
);

on_both!(
    a_movement_leads_to_its_order_and_its_maker,
    async |app: App| {
        let team = app.team().await;
        let id = app.product_of(&team.left, "A", json!({})).await;
        receive(&app, &team.left, &id, 9).await.ok();
        let query = "query($id: ID!) { product(id: $id) { stockMovements { nodes { kind order { id } user { id } } } } }";
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 1..=3 {
            let order = order_of(&app, &team.ann).await;
            let session = system(&app);
            step(&session, Step::Reserve, order, &[(&id, 1)])
                .await
                .unwrap();
            step(&session, Step::Ship, order, &[(&id, 1)])
                .await
                .unwrap();
            // Whoever manages the client sees the order; another manager sees that goods went out.
            for (at, (who, seen)) in [
                (&team.left, json!({ "id": order.to_string() })),
                (&team.right, Value::Null),
            ]
            .into_iter()
            .enumerate()
            {
                let answer = app.gql(&who.token, query, json!({ "id": id })).await.ok();
                let nodes = answer.list("/product/stockMovements/nodes");
                let newest = json!({ "kind": "SHIPMENT", "order": seen, "user": null });
                assert_eq!(nodes[0], newest);
                // Of who did it each manager sees their own people.
                let maker = [json!({ "id": team.left.id() }), Value::Null];
                let oldest = json!({ "kind": "RECEIPT", "order": null, "user": maker[at] });
                assert_eq!(*nodes.last().unwrap(), oldest);
                costs[at].push(answer.statements());
            }
        }
        for costs in costs {
            assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
        }
    }
);

on_both!(movements_page_newest_first, async |app: App| {
    let team = app.team().await;
    let id = app.product_of(&team.left, "A", json!({})).await;
    let other = app.product_of(&team.left, "B", json!({})).await;
    for quantity in 1..=5 {
        receive(&app, &team.left, &id, quantity).await.ok();
        receive(&app, &team.left, &other, 100).await.ok();
    }
    let changes = |answer: &Answer| -> Vec<i64> {
        let nodes = answer.list("/product/stockMovements/nodes");
        nodes
            .iter()
            .map(|node| node["onHandChange"].as_i64().unwrap())
            .collect()
    };
    let token = &team.left.token;
    let first = app
        .gql(token, MOVEMENTS, json!({ "id": id, "first": 2 }))
        .await
        .ok();
    assert_eq!(changes(&first), [5, 4]);
    assert_eq!(*first.data("/product/stockMovements/totalCount"), json!(5));
    let after = first
        .data("/product/stockMovements/pageInfo/endCursor")
        .clone();
    let second = app
        .gql(
            token,
            MOVEMENTS,
            json!({ "id": id, "first": 5, "after": after }),
        )
        .await
        .ok();
    assert_eq!(changes(&second), [3, 2, 1]);
    let before = second
        .data("/product/stockMovements/pageInfo/startCursor")
        .clone();
    let back = app
        .gql(
            token,
            MOVEMENTS,
            json!({ "id": id, "last": 1, "before": before }),
        )
        .await
        .ok();
    assert_eq!(changes(&back), [4]);
});

on_both!(an_order_promises_ships_and_takes_back, async |app: App| {
    let team = app.team().await;
    let (a, b) = (
        app.product_of(&team.left, "A", json!({})).await,
        app.product_of(&team.left, "B", json!({})).await,
    );
    receive(&app, &team.left, &a, 10).await.ok();
    receive(&app, &team.left, &b, 10).await.ok();
    let order = order_of(&app, &team.ann).await;
    let session = system(&app);
    // The same product on two lines counts as their sum.
    let lines: &[(&str, i64)] = &[(&a, 3), (&b, 10), (&a, 4)];
    step(&session, Step::Reserve, order, lines).await.unwrap();
    assert_eq!(stock_of(&app, &team.ann, &a).await, (10, 7, 3));
    assert_eq!(stock_of(&app, &team.ann, &b).await, (10, 10, 0));
    step(&session, Step::Release, order, &[(&b, 4)])
        .await
        .unwrap();
    assert_eq!(stock_of(&app, &team.ann, &b).await, (10, 6, 4));
    step(&session, Step::Ship, order, &[(&a, 7), (&b, 6)])
        .await
        .unwrap();
    assert_eq!(stock_of(&app, &team.ann, &a).await, (3, 0, 3));
    assert_eq!(stock_of(&app, &team.ann, &b).await, (4, 0, 4));
    step(&session, Step::TakeBack, order, &[(&a, 2)])
        .await
        .unwrap();
    assert_eq!(stock_of(&app, &team.ann, &a).await, (5, 0, 5));
    let ledger = ledger(&app, &team.left, &a).await;
    let expected = [("RETURN", 2), ("SHIPMENT", -7), ("RECEIPT", 10)];
    assert_eq!(
        ledger,
        expected.map(|(kind, change)| (kind.to_owned(), change))
    );
    step(&session, Step::Reserve, order, &[]).await.unwrap();
});

on_both!(
    a_refusal_names_the_products_and_keeps_nothing,
    async |app: App| {
        let team = app.team().await;
        let mut ids = Vec::new();
        for sku in ["A", "B", "C"] {
            let id = app.product_of(&team.left, sku, json!({})).await;
            receive(&app, &team.left, &id, 5).await.ok();
            ids.push(id);
        }
        let order = order_of(&app, &team.ann).await;
        let session = system(&app);
        let lines: Vec<(&str, i64)> = vec![(&ids[0], 5), (&ids[1], 6), (&ids[2], 3), (&ids[2], 3)];
        let refused = step(&session, Step::Reserve, order, &lines).await;
        let message = refused.as_ref().unwrap_err().message().clone();
        assert!(
            message.contains("B (B): 6 asked for, 5 available"),
            "{message}"
        );
        let (named, fields) = insufficient(refused);
        assert_eq!(named, json!([ids[1], ids[2]]));
        assert_eq!(
            fields,
            ["lines.1.quantity", "lines.2.quantity", "lines.3.quantity"]
        );
        for id in &ids {
            assert_eq!(stock_of(&app, &team.ann, id).await, (5, 0, 5));
        }
        // More than is promised is neither released nor shipped.
        step(&session, Step::Reserve, order, &[(&ids[0], 2)])
            .await
            .unwrap();
        for refused in [Step::Release, Step::Ship] {
            insufficient(step(&session, refused, order, &[(&ids[0], 3)]).await);
        }
        assert_eq!(stock_of(&app, &team.ann, &ids[0]).await, (5, 2, 3));
        for quantity in [0, -1, 1_000_000_001] {
            let error = step(&session, Step::Reserve, order, &[(&ids[0], quantity)])
                .await
                .unwrap_err();
            assert_eq!(
                (error.code(), error.fields()),
                (Code::BadUserInput, &["lines.0.quantity".to_owned()][..])
            );
        }
        let nothing = format!("product_{}", uuid::Uuid::now_v7());
        insufficient(step(&session, Step::Reserve, order, &[(&nothing, 1)]).await);
    }
);

on_both!(a_back_order_waits_for_goods, async |app: App| {
    let team = app.team().await;
    let id = app
        .product_of(&team.left, "A", json!({ "mayBackOrder": true }))
        .await;
    receive(&app, &team.left, &id, 2).await.ok();
    let order = order_of(&app, &team.ann).await;
    let session = system(&app);
    step(&session, Step::Reserve, order, &[(&id, 5)])
        .await
        .unwrap();
    assert_eq!(stock_of(&app, &team.ann, &id).await, (2, 5, -3));
    insufficient(step(&session, Step::Ship, order, &[(&id, 5)]).await);
    let archive =
        "mutation($id: ID!) { productArchive(input: { id: $id, version: 1 }) { product { id } } }";
    let answer = app
        .gql(&team.left.token, archive, json!({ "id": id }))
        .await;
    assert_eq!(answer.rule(), "products.promised");
    receive(&app, &team.left, &id, 3).await.ok();
    step(&session, Step::Ship, order, &[(&id, 5)])
        .await
        .unwrap();
    assert_eq!(stock_of(&app, &team.ann, &id).await, (0, 0, 0));
});

on_both!(a_count_below_what_is_promised_stands, async |app: App| {
    let team = app.team().await;
    let id = app.product_of(&team.left, "A", json!({})).await;
    receive(&app, &team.left, &id, 5).await.ok();
    let order = order_of(&app, &team.ann).await;
    let session = system(&app);
    step(&session, Step::Reserve, order, &[(&id, 4)])
        .await
        .unwrap();
    let count = json!({ "input": { "productId": id, "counted": 1, "reason": "Broken" } });
    app.gql(&team.left.token, ADJUST, count).await.ok();
    assert_eq!(stock_of(&app, &team.ann, &id).await, (1, 4, -3));
    insufficient(step(&session, Step::Reserve, order, &[(&id, 1)]).await);
    // What was promised can still be given up.
    step(&session, Step::Release, order, &[(&id, 4)])
        .await
        .unwrap();
    assert_eq!(stock_of(&app, &team.ann, &id).await, (1, 0, 1));
});

on_both!(the_last_units_are_promised_once, async |app: App| {
    let team = app.team().await;
    let (a, b) = (
        app.product_of(&team.left, "A", json!({})).await,
        app.product_of(&team.left, "B", json!({})).await,
    );
    receive(&app, &team.left, &a, 5).await.ok();
    receive(&app, &team.left, &b, 5).await.ok();
    let order = order_of(&app, &team.ann).await;
    let mut racing = Vec::new();
    for racer in 0..12 {
        let session = system(&app);
        // Half of them in the other order, where locks could cross.
        let lines = if racer % 2 == 0 {
            [a.clone(), b.clone()]
        } else {
            [b.clone(), a.clone()]
        };
        racing.push(tokio::spawn(async move {
            step(
                &session,
                Step::Reserve,
                order,
                &[(&lines[0], 1), (&lines[1], 1)],
            )
            .await
        }));
    }
    let mut promised = 0;
    for racer in racing {
        match racer.await.unwrap() {
            Ok(()) => promised += 1,
            refused => {
                insufficient(refused);
            }
        }
    }
    assert_eq!(promised, 5);
    assert_eq!(stock_of(&app, &team.ann, &a).await, (5, 5, 0));
    assert_eq!(stock_of(&app, &team.ann, &b).await, (5, 5, 0));
});

on_both!(
    goods_that_leave_during_a_count_are_not_counted_twice,
    async |app: App| {
        let team = app.team().await;
        let id = app.product_of(&team.left, "A", json!({})).await;
        for _ in 0..5 {
            let count = |counted: i64| json!({ "input": { "productId": id, "counted": counted, "reason": "Inventory" } });
            app.gql(&team.left.token, ADJUST, count(100)).await.ok();
            let (counted, received) = tokio::join!(
                app.gql(&team.left.token, ADJUST, count(50)),
                receive(&app, &team.top, &id, 7),
            );
            let _ = (counted.ok(), received.ok());
            let (on_hand, _, _) = stock_of(&app, &team.ann, &id).await;
            assert!(on_hand == 50 || on_hand == 57, "{on_hand}");
        }
        let moved: i64 = {
            let answer = app
                .gql(
                    &team.left.token,
                    MOVEMENTS,
                    json!({ "id": id, "first": 100 }),
                )
                .await
                .ok();
            let nodes = answer.list("/product/stockMovements/nodes");
            nodes
                .iter()
                .map(|node| node["onHandChange"].as_i64().unwrap())
                .sum()
        };
        assert_eq!(moved, stock_of(&app, &team.ann, &id).await.0);
    }
);
