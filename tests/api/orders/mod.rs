//! Orders: writing, changing, repeating and finding them. Their steps, returns and imports lie beside this
//! file.

mod import;
mod lists;
mod returns;
mod steps;

use serde_json::{Value, json};

use crate::support::{Answer, App, Person, Team};

const ORDER: &str = "id version number externalId status nextStatuses placedOn requiredOn dueOn paymentTermDays \
    linesTotal { amount } discountBp discount { amount } freight { amount } total { amount currency } \
    paid { amount } returned { amount } balance { amount } isOverdue note approvalReasons decisionNote \
    shippedOn deliveredOn shipTo { name street city country } reorderOf { id } client { id } \
    lines { id lineNumber productName sku unit quantity unitPrice { amount } discountBp net { amount } returnedQuantity product { id } } \
    events { nodes { kind fromStatus toStatus note } }";

/// A shop with one rep's client and two products in stock.
pub struct Shop {
    pub team: Team,
    /// A client of `ann`, billed in EUR.
    pub client: String,
    /// EUR 10.00, 100 in stock.
    pub chai: String,
    /// EUR 3.33, 50 in stock.
    pub tofu: String,
}

pub async fn shop(app: &App) -> Shop {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let chai = product(app, &team, "CHAI", "10.00", json!({})).await;
    let tofu = product(app, &team, "TOFU", "3.33", json!({})).await;
    stock(app, &team, &chai, 100).await;
    stock(app, &team, &tofu, 50).await;
    Shop {
        team,
        client,
        chai,
        tofu,
    }
}

/// A product in EUR, out of stock.
pub async fn product(app: &App, team: &Team, sku: &str, price: &str, more: Value) -> String {
    let mut input = json!({
        "sku": sku, "name": format!("The {sku}"), "unit": "box",
        "listPrice": { "amount": price, "currency": "EUR" },
    });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    let query =
        "mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { id } } }";
    let answer = app
        .gql(&team.admin.token, query, json!({ "input": input }))
        .await
        .ok();
    answer.text("/productCreate/product/id").to_owned()
}

/// Puts goods into stock.
pub async fn stock(app: &App, team: &Team, product: &str, quantity: i32) {
    let query =
        "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id } } }";
    let input = json!({ "productId": product, "quantity": quantity });
    let answer = app
        .gql(&team.admin.token, query, json!({ "input": input }))
        .await;
    let _ = answer.ok();
}

/// On hand and reserved.
pub async fn levels(app: &App, team: &Team, product: &str) -> (i64, i64) {
    let query = "query($id: ID!) { product(id: $id) { stock { onHand reserved } } }";
    let answer = app
        .gql(&team.admin.token, query, json!({ "id": product }))
        .await
        .ok();
    let units = |name: &str| {
        answer
            .data(&format!("/product/stock/{name}"))
            .as_i64()
            .unwrap()
    };
    (units("onHand"), units("reserved"))
}

/// Takes a product off the market.
pub async fn retire(app: &App, team: &Team, product: &str) {
    let query =
        "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { product { id } } }";
    let input = json!({ "id": product, "version": 1, "isActive": false });
    let answer = app
        .gql(&team.admin.token, query, json!({ "input": input }))
        .await;
    let _ = answer.ok();
}

/// Sets what a manager sets of a client that nobody changed yet.
pub async fn set_terms(app: &App, shop: &Shop, profile: Value) {
    let query =
        "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
    let input = json!({ "id": shop.client, "version": 1, "profile": profile });
    let answer = app
        .gql(&shop.team.left.token, query, json!({ "input": input }))
        .await;
    let _ = answer.ok();
}

/// Runs one mutation of orders; its payload is at `/<name>/order`.
pub async fn mutate(app: &App, who: &Person, name: &str, input: Value) -> Answer {
    let (kind, more) = match name {
        "orderCreate" => ("OrderCreateInput", ""),
        "orderUpdate" => ("OrderUpdateInput", ""),
        "orderSubmit" => ("OrderVersionInput", ""),
        "orderApprove" => ("OrderApproveInput", ""),
        "orderStartProduction" => ("OrderStepInput", ""),
        "orderRefuse" => ("OrderRefuseInput", ""),
        "orderCancel" => ("OrderCancelInput", ""),
        "orderShip" | "orderDeliver" => ("OrderTransportInput", ""),
        "orderTrack" => ("OrderTrackInput", ""),
        "orderReorder" => ("OrderReorderInput", "leftOut { sku }"),
        "orderReturn" => (
            "OrderReturnInput",
            "orderReturn { id reason amount { amount } lines { quantity amount { amount } orderLine { sku net { amount } } } }",
        ),
        other => panic!("no such mutation: {other}"),
    };
    let query = format!(
        "mutation($input: {kind}!) {{ {name}(input: $input) {{ order {{ {ORDER} }} {more} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

/// Runs one mutation of orders and answers the order.
#[track_caller]
pub fn order_of(answer: Answer, name: &str) -> Value {
    answer.ok().data(&format!("/{name}/order")).clone()
}

/// An order of 3 chai and 10 tofu: EUR 63.30.
pub fn basket(shop: &Shop, more: Value) -> Value {
    let mut input = json!({
        "clientId": shop.client,
        "lines": [
            { "productId": shop.chai, "quantity": 3 },
            { "productId": shop.tofu, "quantity": 10 },
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

/// Writes an order as `ann` and answers it.
pub async fn placed(app: &App, shop: &Shop, more: Value) -> Value {
    let answer = mutate(app, &shop.team.ann, "orderCreate", basket(shop, more)).await;
    order_of(answer, "orderCreate")
}

/// The order as `who` sees it in a new request; null when they do not.
pub async fn read(app: &App, who: &Person, order: &Value) -> Value {
    let query = format!("query($id: ID!) {{ order(id: $id) {{ {ORDER} }} }}");
    let answer = app
        .gql(&who.token, &query, json!({ "id": order["id"] }))
        .await
        .ok();
    answer.data("/order").clone()
}

/// The kinds of its events, oldest first.
pub fn events(order: &Value) -> Vec<&str> {
    order["events"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect()
}

on_both!(a_draft_keeps_prices_names_and_terms, async |app: App| {
    let shop = shop(&app).await;
    set_terms(&app, &shop, json!({ "paymentTermDays": 30 })).await;
    let order = placed(
        &app,
        &shop,
        json!({
            "placedOn": "2026-03-01", "requiredOn": "2026-03-05", "note": "Ring twice", "discountBp": 1_000,
            "freight": { "amount": "5.00", "currency": "EUR" },
            "shipTo": { "name": "Maria Anders", "street": "Obere Str. 57", "city": "Berlin", "country": "DE" },
        }),
    )
    .await;
    retire(&app, &shop.team, &shop.tofu).await;
    let order = {
        let seen = read(&app, &shop.team.ann, &order).await;
        assert_eq!(seen, order);
        seen
    };
    assert_eq!(order["status"], "DRAFT");
    assert_eq!(order["nextStatuses"], json!(["SUBMITTED", "CANCELLED"]));
    assert_eq!(order["dueOn"], "2026-03-31");
    assert_eq!(order["paymentTermDays"], 30);
    assert_eq!(order["linesTotal"]["amount"], "63.30");
    assert_eq!(order["discount"]["amount"], "6.33");
    assert_eq!(
        order["total"],
        json!({ "amount": "61.97", "currency": "EUR" })
    );
    assert_eq!(order["balance"]["amount"], "61.97");
    assert_eq!(order["shipTo"]["city"], "Berlin");
    assert_eq!(order["lines"][1]["lineNumber"], 2);
    assert_eq!(order["lines"][1]["productName"], "The TOFU");
    assert_eq!(order["lines"][1]["net"]["amount"], "33.30");
    assert_eq!(order["lines"][1]["product"]["id"], json!(shop.tofu));
    assert_eq!(order["client"]["id"], json!(shop.client));
    assert_eq!(events(&order), ["CREATED"]);
    assert_eq!(order["number"].as_str().unwrap().len(), 11);
    // A draft promises nothing, and is nobody else's business.
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 0));
    assert_eq!(read(&app, &shop.team.ben, &order).await, Value::Null);
    assert_eq!(read(&app, &shop.team.left, &order).await["id"], order["id"]);
});

on_both!(
    an_order_is_refused_for_what_is_wrong_with_it,
    async |app: App| {
        let shop = shop(&app).await;
        let dollars = json!({ "listPrice": { "amount": "1.00", "currency": "USD" } });
        let foreign = product(&app, &shop.team, "FOREIGN", "1.00", dollars).await;
        let gone = product(
            &app,
            &shop.team,
            "GONE",
            "1.00",
            json!({ "isActive": false }),
        )
        .await;
        let one = |line: Value| json!({ "lines": [line] });
        let chai = |more: Value| {
            let mut line = json!({ "productId": shop.chai, "quantity": 1 });
            for (name, value) in more.as_object().unwrap() {
                line[name] = value.clone();
            }
            one(line)
        };
        let many = |count: usize| json!({ "lines": vec![json!({ "productId": shop.chai, "quantity": 1 }); count] });
        for (more, code, field) in [
            (
                one(json!({ "productId": foreign, "quantity": 1 })),
                "BAD_USER_INPUT",
                "lines.0.productId",
            ),
            (
                one(json!({ "productId": gone, "quantity": 1 })),
                "RULE_VIOLATED",
                "lines.0.productId",
            ),
            (
                one(
                    json!({ "productId": format!("product_{}", uuid::Uuid::now_v7()), "quantity": 1 }),
                ),
                "NOT_FOUND",
                "lines.0.productId",
            ),
            (
                chai(json!({ "quantity": 0 })),
                "BAD_USER_INPUT",
                "lines.0.quantity",
            ),
            (
                chai(json!({ "quantity": 1_000_001 })),
                "BAD_USER_INPUT",
                "lines.0.quantity",
            ),
            (
                chai(json!({ "discountBp": 10_001 })),
                "BAD_USER_INPUT",
                "lines.0.discountBp",
            ),
            (
                chai(json!({ "discountBp": -1 })),
                "BAD_USER_INPUT",
                "lines.0.discountBp",
            ),
            (
                chai(json!({ "unitPrice": { "amount": "9.99", "currency": "EUR" } })),
                "FORBIDDEN",
                "lines.0.unitPrice",
            ),
            (
                chai(json!({ "unitPrice": { "amount": "9.999", "currency": "EUR" } })),
                "BAD_USER_INPUT",
                "lines.0.unitPrice.amount",
            ),
            (
                chai(json!({ "unitPrice": { "amount": "9.99", "currency": "USD" } })),
                "BAD_USER_INPUT",
                "lines.0.unitPrice.currency",
            ),
            (many(201), "BAD_USER_INPUT", "lines"),
            (
                json!({ "discountBp": 10_001 }),
                "BAD_USER_INPUT",
                "discountBp",
            ),
            (
                json!({ "freight": { "amount": "-1.00", "currency": "EUR" } }),
                "BAD_USER_INPUT",
                "freight.amount",
            ),
            (
                json!({ "freight": { "amount": "1.00", "currency": "USD" } }),
                "BAD_USER_INPUT",
                "freight.currency",
            ),
            (
                json!({ "placedOn": "2999-01-01" }),
                "BAD_USER_INPUT",
                "placedOn",
            ),
            (
                json!({ "placedOn": "2026-03-02", "requiredOn": "2026-03-01" }),
                "BAD_USER_INPUT",
                "requiredOn",
            ),
            (
                json!({ "addressId": format!("address_{}", uuid::Uuid::now_v7()) }),
                "NOT_FOUND",
                "addressId",
            ),
            (
                json!({ "addressId": format!("address_{}", uuid::Uuid::now_v7()), "shipTo": {} }),
                "BAD_USER_INPUT",
                "shipTo",
            ),
            (
                json!({ "lines": [], "submit": true }),
                "RULE_VIOLATED",
                "lines",
            ),
        ] {
            let answer = mutate(
                &app,
                &shop.team.ann,
                "orderCreate",
                basket(&shop, more.clone()),
            )
            .await;
            assert_eq!(answer.code(0), code, "{more}: {answer}");
            assert_eq!(answer.fields(), [format!("input.{field}")], "{more}");
        }
        let rule = mutate(
            &app,
            &shop.team.ann,
            "orderCreate",
            basket(&shop, one(json!({ "productId": gone, "quantity": 1 }))),
        )
        .await;
        assert_eq!(rule.rule(), "orders.inactive_product");
        let empty = mutate(
            &app,
            &shop.team.ann,
            "orderCreate",
            basket(&shop, json!({ "lines": [], "submit": true })),
        )
        .await;
        assert_eq!(empty.rule(), "orders.no_lines");
        // Somebody else's client is no client.
        let other = mutate(
            &app,
            &shop.team.ben,
            "orderCreate",
            basket(&shop, json!({})),
        )
        .await;
        assert_eq!(other.code(0), "NOT_FOUND");
        // The most and the least are taken; nothing of what was refused was kept.
        placed(&app, &shop, many(200)).await;
        placed(&app, &shop, json!({ "lines": [] })).await;
        let list = "{ orders { totalCount } }";
        let answer = app.gql(&shop.team.ann.token, list, json!({})).await.ok();
        assert_eq!(*answer.data("/orders/totalCount"), json!(2));
    }
);

on_both!(
    a_manager_sets_a_price_and_a_rep_a_discount,
    async |app: App| {
        let shop = shop(&app).await;
        let lines = json!({ "lines": [
        { "productId": shop.chai, "quantity": 1, "unitPrice": { "amount": "7.50", "currency": "EUR" } },
    ] });
        let answer = mutate(&app, &shop.team.left, "orderCreate", basket(&shop, lines)).await;
        assert_eq!(order_of(answer, "orderCreate")["total"]["amount"], "7.50");
        let lines = json!({ "lines": [
        { "productId": shop.tofu, "quantity": 7, "discountBp": 1_250, "unitPrice": { "amount": "3.33", "currency": "EUR" } },
    ] });
        // 7 * 3.33 * 0.875 = 20.39625
        assert_eq!(placed(&app, &shop, lines).await["total"]["amount"], "20.40");
    }
);

on_both!(the_same_order_twice_is_one_order, async |app: App| {
    let shop = shop(&app).await;
    let id = format!("order_{}", uuid::Uuid::now_v7());
    let more =
        json!({ "id": id, "submit": true, "note": " Ring twice ", "shipTo": { "city": "Berlin" } });
    let first = placed(&app, &shop, more.clone()).await;
    assert_eq!(first["status"], "APPROVED");
    let again = placed(&app, &shop, more.clone()).await;
    assert_eq!(again, first);
    assert_eq!(levels(&app, &shop.team, &shop.chai).await, (100, 3));
    for other in [
        json!({ "note": "Ring once" }),
        json!({ "discountBp": 1 }),
        json!({ "shipTo": { "city": "Bern" } }),
        json!({ "requiredOn": "2999-01-01" }),
        json!({ "lines": [{ "productId": shop.chai, "quantity": 3 }] }),
        json!({ "lines": [{ "productId": shop.chai, "quantity": 3 }, { "productId": shop.tofu, "quantity": 11 }] }),
    ] {
        let mut input = basket(&shop, more.clone());
        for (name, value) in other.as_object().unwrap() {
            input[name] = value.clone();
        }
        let answer = mutate(&app, &shop.team.ann, "orderCreate", input).await;
        assert_eq!(answer.code(0), "CONFLICT", "{other}");
    }
    // Another rep cannot learn that the id is taken by what, nor take it.
    let bens = app.client_of(&shop.team.ben, "Ben's").await;
    let input = json!({ "id": id, "clientId": bens, "lines": [] });
    let stolen = mutate(&app, &shop.team.ben, "orderCreate", input).await;
    assert_eq!(stolen.code(0), "CONFLICT");
});

on_both!(a_draft_changes_and_an_order_does_not, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let order = placed(
        &app,
        &shop,
        json!({ "note": "Old", "requiredOn": "2999-01-01" }),
    )
    .await;
    // Absent keeps, null clears, a value sets.
    let input = json!({ "id": order["id"], "version": 1, "note": null, "discountBp": 5_000,
        "freight": { "amount": "1.00", "currency": "EUR" }, "shipTo": { "city": "Bern" } });
    let changed = order_of(
        mutate(&app, ann, "orderUpdate", input.clone()).await,
        "orderUpdate",
    );
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["note"], Value::Null);
    assert_eq!(changed["requiredOn"], "2999-01-01");
    assert_eq!(changed["total"]["amount"], "32.65");
    assert_eq!(changed["lines"], order["lines"]);
    assert_eq!(changed["shipTo"]["city"], "Bern");
    assert_eq!(events(&changed), ["CREATED", "CHANGED"]);
    let stale = mutate(&app, ann, "orderUpdate", input).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    assert_eq!(*stale.extension(0, "presentVersion"), json!(2));
    let lines = json!({ "id": order["id"], "version": 2, "discountBp": 0, "shipTo": null,
        "lines": [{ "productId": shop.tofu, "quantity": 1 }] });
    let other = mutate(&app, &shop.team.ben, "orderUpdate", lines.clone()).await;
    assert_eq!(other.code(0), "NOT_FOUND");
    let changed = order_of(mutate(&app, ann, "orderUpdate", lines).await, "orderUpdate");
    assert_eq!(changed["total"]["amount"], "4.33");
    assert_eq!(changed["lines"].as_array().unwrap().len(), 1);
    assert_eq!(changed["shipTo"], Value::Null);
    assert_eq!(read(&app, ann, &order).await, changed);
    for (more, field) in [
        (json!({ "discountBp": null }), "discountBp"),
        (json!({ "freight": null }), "freight"),
        (json!({ "lines": null }), "lines"),
        (json!({ "requiredOn": "1999-01-01" }), "requiredOn"),
    ] {
        let mut input = json!({ "id": order["id"], "version": 3 });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        let answer = mutate(&app, ann, "orderUpdate", input).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT", "{more}");
        assert_eq!(answer.fields(), [format!("input.{field}")]);
    }
    let submit = json!({ "id": order["id"], "version": 3 });
    let _ = mutate(&app, ann, "orderSubmit", submit).await.ok();
    let late = json!({ "id": order["id"], "version": 4, "note": "Late" });
    assert_eq!(
        mutate(&app, ann, "orderUpdate", late).await.rule(),
        "orders.not_draft"
    );
});

on_both!(an_order_is_repeated_at_todays_prices, async |app: App| {
    let shop = shop(&app).await;
    let ann = &shop.team.ann;
    let old = placed(
        &app,
        &shop,
        json!({ "submit": true, "discountBp": 500, "placedOn": "2026-03-01", "shipTo": { "city": "Berlin" } }),
    )
    .await;
    let query =
        "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { product { id } } }";
    let price = json!({ "id": shop.chai, "version": 1, "listPrice": { "amount": "12.00", "currency": "EUR" } });
    let _ = app
        .gql(&shop.team.admin.token, query, json!({ "input": price }))
        .await
        .ok();
    retire(&app, &shop.team, &shop.tofu).await;
    let id = format!("order_{}", uuid::Uuid::now_v7());
    let input = json!({ "orderId": old["id"], "id": id });
    for _ in 0..2 {
        let answer = mutate(&app, ann, "orderReorder", input.clone()).await.ok();
        assert_eq!(
            *answer.data("/orderReorder/leftOut"),
            json!([{ "sku": "TOFU" }])
        );
        let draft = answer.data("/orderReorder/order");
        assert_eq!(draft["id"], json!(id));
        assert_eq!(draft["status"], "DRAFT");
        assert_eq!(draft["total"]["amount"], "36.00");
        assert_eq!(draft["reorderOf"]["id"], old["id"]);
        assert_eq!(draft["shipTo"]["city"], "Berlin");
        assert_ne!(draft["placedOn"], "2026-03-01");
    }
    let taken = json!({ "orderId": old["id"], "id": old["id"] });
    assert_eq!(
        mutate(&app, ann, "orderReorder", taken).await.code(0),
        "CONFLICT"
    );
    let other = mutate(&app, &shop.team.ben, "orderReorder", input).await;
    assert_eq!(other.code(0), "NOT_FOUND");
});

/// Records a primary shipping address in `city`.
async fn address(app: &App, who: &Person, client: &str, city: &str) -> String {
    let query =
        "mutation($input: AddressCreateInput!) { addressCreate(input: $input) { address { id } } }";
    let input = json!({ "clientId": client, "kind": "SHIPPING", "recipient": "Maria", "city": city, "isPrimary": true });
    let answer = app
        .gql(&who.token, query, json!({ "input": input }))
        .await
        .ok();
    answer.text("/addressCreate/address/id").to_owned()
}

on_both!(goods_go_where_the_client_receives_them, async |app: App| {
    let shop = shop(&app).await;
    let (ann, ben) = (&shop.team.ann, &shop.team.ben);
    let order = placed(&app, &shop, json!({})).await;
    assert_eq!(order["shipTo"], Value::Null);
    let old = address(&app, ann, &shop.client, "Berlin").await;
    address(&app, ann, &shop.client, "Bern").await;
    let order = placed(&app, &shop, json!({})).await;
    assert_eq!(order["shipTo"]["city"], "Bern", "the primary one");
    let id = format!("order_{}", uuid::Uuid::now_v7());
    for _ in 0..2 {
        let order = placed(&app, &shop, json!({ "id": id, "addressId": old })).await;
        assert_eq!(order["shipTo"]["city"], "Berlin");
        assert_eq!(order["shipTo"]["name"], "Maria");
    }
    let bens = app.client_of(ben, "Ben's").await;
    let other = address(&app, ben, &bens, "Basel").await;
    let anns = app.client_of(ann, "Another of Ann's").await;
    let near = address(&app, ann, &anns, "Bonn").await;
    for foreign in [other, near] {
        let input = basket(&shop, json!({ "addressId": foreign }));
        let answer = mutate(&app, ann, "orderCreate", input).await;
        assert_eq!(answer.code(0), "NOT_FOUND");
        assert_eq!(answer.fields(), ["input.addressId"]);
        let input = json!({ "id": order["id"], "version": 1, "addressId": foreign });
        let answer = mutate(&app, ann, "orderUpdate", input).await;
        assert_eq!(answer.code(0), "NOT_FOUND");
    }
});

on_both!(an_archived_client_orders_nothing, async |app: App| {
    let shop = shop(&app).await;
    let draft = placed(&app, &shop, json!({})).await;
    let query =
        "mutation($input: ClientVersionInput!) { clientArchive(input: $input) { client { id } } }";
    let input = json!({ "input": { "id": shop.client, "version": 1 } });
    let _ = app.gql(&shop.team.ann.token, query, input).await.ok();
    let submit = json!({ "id": draft["id"], "version": 1 });
    for (name, input) in [
        ("orderCreate", basket(&shop, json!({}))),
        ("orderReorder", json!({ "orderId": draft["id"] })),
        ("orderSubmit", submit),
    ] {
        let answer = mutate(&app, &shop.team.ann, name, input).await;
        assert_eq!(answer.rule(), "clients.archived", "{name}");
    }
});

on_both!(writing_an_order_takes_few_statements, async |app: App| {
    let shop = shop(&app).await;
    let mut lines = Vec::new();
    for at in 0..5 {
        let id = product(
            &app,
            &shop.team,
            &format!("P{at}"),
            "1.00",
            json!({ "mayBackOrder": true }),
        )
        .await;
        lines.push(json!({ "productId": id, "quantity": 1 }));
    }
    let query = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id status } } }";
    let mut counts = Vec::new();
    for lines in [&lines[..1], &lines[..]] {
        let input = json!({ "clientId": shop.client, "submit": true, "lines": lines });
        let answer = app
            .gql(&shop.team.ann.token, query, json!({ "input": input }))
            .await
            .ok();
        assert_eq!(*answer.data("/orderCreate/order/status"), json!("APPROVED"));
        counts.push(answer.statements());
    }
    assert_eq!(counts[0], counts[1], "the number of lines does not matter");
    // The client, its address, its tier, the products; the order, its lines, stock, events, statistics.
    assert!(counts[1] <= 9, "{counts:?}");
});
