//! What products cost us, and what orders earn: who sees it, how it is worked out, and that it stays what it was.

use std::path::Path;

use chrono::Days;
use clientele::db::Confidential;
use clientele::import::{FileKind, Options, Progress};
use clientele::{export, import};
use reqwest::Method;
use serde_json::{Value, json};

use crate::idempotency::send;
use crate::orders::{Shop, basket, mutate, placed, shop};
use crate::support::{Answer, App, Person};

const EARNED: &str =
    "{ margin { amount currency } lines { unitCost { amount currency } margin { amount } } }";
const UPDATE: &str = "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { product { \
    version unitCost { amount currency } } } }";

fn euros(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// The shop, whose chai costs EUR 6.00 and whose tofu EUR 2.00 a box.
async fn costed(app: &App) -> Shop {
    let shop = shop(app).await;
    for (product, cost) in [(&shop.chai, "6.00"), (&shop.tofu, "2.00")] {
        set_cost(app, &shop.team.left, product, 1, euros(cost))
            .await
            .ok();
    }
    shop
}

async fn set_cost(app: &App, who: &Person, product: &str, version: u8, cost: Value) -> Answer {
    let input = json!({ "id": product, "version": version, "unitCost": cost });
    app.gql(&who.token, UPDATE, json!({ "input": input })).await
}

async fn audience(app: &App, shop: &Shop, group: Confidential, audience: &str) {
    let group = serde_json::to_value(group).unwrap();
    let set = "mutation($input: ConfidentialitySetInput!) { confidentialitySet(input: $input) { __typename } }";
    let input = json!({ "input": { "group": group, "audience": audience } });
    app.gql(&shop.team.admin.token, set, input).await.ok();
}

/// What an order earns in the eyes of somebody.
async fn earned(app: &App, who: &Person, order: &Value) -> Answer {
    let query = format!("query($id: ID!) {{ order(id: $id) {EARNED} }}");
    let asked = json!({ "id": order["id"] });
    app.gql(&who.token, &query, asked).await.ok()
}

/// The margin of an order and of its lines, as an administrator sees them; "?" where it is not known.
async fn margins(app: &App, shop: &Shop, order: &Value) -> Vec<String> {
    let answer = earned(app, &shop.team.admin, order).await;
    assert!(answer.json["extensions"]["masked"].is_null(), "{answer}");
    let amount = |money: &Value| money["amount"].as_str().unwrap_or("?").to_owned();
    let lines = answer.list("/order/lines").iter();
    std::iter::once(amount(answer.data("/order/margin")))
        .chain(lines.map(|line| amount(&line["margin"])))
        .collect()
}

on_both!(
    managers_above_see_what_orders_earn_and_nobody_else,
    async |app: App| {
        let shop = costed(&app).await;
        let team = &shop.team;
        let order = placed(&app, &shop, json!({})).await;
        let masked = json!([
            ["order", "lines", 0, "margin"],
            ["order", "lines", 0, "unitCost"],
            ["order", "lines", 1, "margin"],
            ["order", "lines", 1, "unitCost"],
            ["order", "margin"],
        ]);
        // Cleo is let in, and with her the manager of the other half.
        for person in [&team.cleo, &team.right, &team.ben] {
            assert!(earned(&app, person, &order).await.data("/order").is_null());
        }
        let share = "mutation($input: ClientMemberAddInput!) { clientMemberAdd(input: $input) { __typename } }";
        let input = json!({ "input": { "clientId": shop.client, "userId": team.cleo.id() } });
        app.gql(&team.ann.token, share, input).await.ok();
        for person in [&team.ann, &team.cleo, &team.right] {
            let answer = earned(&app, person, &order).await;
            assert_eq!(
                answer.json["extensions"]["masked"], masked,
                "{}",
                person.name
            );
            assert!(answer.data("/order/margin").is_null());
            let line = answer.data("/order/lines/0");
            assert_eq!(*line, json!({ "unitCost": null, "margin": null }));
        }
        for person in [&team.left, &team.top, &team.admin] {
            let answer = earned(&app, person, &order).await;
            assert!(
                answer.json["extensions"]["masked"].is_null(),
                "{}",
                person.name
            );
            assert_eq!(*answer.data("/order/margin"), euros("25.30"));
            assert_eq!(*answer.data("/order/lines/1/unitCost"), euros("2.00"));
        }
        // Nobody owns a product: each manager stands above it.
        let query = "query($id: ID!) { product(id: $id) { sku unitCost { amount } } products { nodes { unitCost { amount } } } }";
        for (person, sees) in [
            (&team.ann, false),
            (&team.cleo, false),
            (&team.left, true),
            (&team.right, true),
            (&team.top, true),
            (&team.admin, true),
        ] {
            let answer = app
                .gql(&person.token, query, json!({ "id": shop.chai }))
                .await
                .ok();
            let cost = &answer.data("/product")["unitCost"]["amount"];
            let masked = json!([
                ["product", "unitCost"],
                ["products", "nodes", 0, "unitCost"],
                ["products", "nodes", 1, "unitCost"],
            ]);
            if sees {
                assert_eq!(*cost, "6.00", "{}", person.name);
                assert!(answer.json["extensions"]["masked"].is_null());
            } else {
                assert!(cost.is_null(), "{}", person.name);
                assert_eq!(answer.json["extensions"]["masked"], masked);
            }
        }
        // A line found by itself says the same.
        let lines = "query($id: ID!) { order(id: $id) { lines { id } } }";
        let lines = app
            .gql(&team.ann.token, lines, json!({ "id": order["id"] }))
            .await
            .ok();
        let line = json!({ "id": lines.data("/order/lines/0/id") });
        let query = "query($id: ID!) { node(id: $id) { ... on OrderLine { unitCost { amount } margin { amount } } } }";
        let answer = app.gql(&team.left.token, query, line.clone()).await.ok();
        assert_eq!(answer.text("/node/margin/amount"), "12.00");
        for person in [&team.cleo, &team.right] {
            let answer = app.gql(&person.token, query, line.clone()).await.ok();
            assert_eq!(
                *answer.data("/node"),
                json!({ "unitCost": null, "margin": null })
            );
        }
    }
);

on_both!(a_margin_is_net_sales_less_cost, async |app: App| {
    let shop = costed(&app).await;
    let team = &shop.team;
    let with_terms = json!({
        "discountBp": 1_000, "freight": euros("5.00"), "submit": true,
        "lines": [
            { "productId": shop.chai, "quantity": 3, "discountBp": 500 },
            { "productId": shop.tofu, "quantity": 10 },
        ]
    });
    let order = placed(&app, &shop, with_terms).await;
    // 28.50 - 18.00 and 33.30 - 20.00; the discount on the order of 6.18 is taken off the whole.
    assert_eq!(
        margins(&app, &shop, &order).await,
        ["17.62", "10.50", "13.30"]
    );
    let trailing = "query($id: ID!) { client(id: $id) { stats { trailingRevenue { amount } trailingMargin { amount } } } }";
    let trailing = async || {
        let asked = json!({ "id": shop.client });
        let answer = app.gql(&team.left.token, trailing, asked).await.ok();
        answer.data("/client/stats").clone()
    };
    let expected = json!({ "trailingRevenue": { "amount": "55.62" }, "trailingMargin": { "amount": "17.62" } });
    assert_eq!(trailing().await, expected);
    // What the product costs later is of later orders.
    set_cost(&app, &team.left, &shop.chai, 2, euros("9.99"))
        .await
        .ok();
    assert_eq!(margins(&app, &shop, &order).await[0], "17.62");
    let input = json!({ "id": order["id"], "version": order["version"] });
    let shipped = mutate(&app, &team.ann, "orderShip", input).await.ok();
    let shipped = shipped.data("/orderShip/order");
    let back = json!({ "id": order["id"], "version": shipped["version"], "reason": "Broken", "restock": false,
        "lines": [{ "orderLineId": shipped["lines"][0]["id"], "quantity": 1 }] });
    let answer = mutate(&app, &team.ann, "orderReturn", back).await.ok();
    let returned = answer.text("/orderReturn/order/returned/amount");
    assert_eq!(returned, "8.55");
    // 19.00 - 12.00; of the order 55.62 - 8.55 - 32.00.
    assert_eq!(
        margins(&app, &shop, &order).await,
        ["15.07", "7.00", "13.30"]
    );
    assert_eq!(
        trailing().await["trailingMargin"],
        json!({ "amount": "15.07" })
    );
    let version = answer.data("/orderReturn/order/version");
    let rest =
        json!({ "id": order["id"], "version": version, "reason": "All of it", "restock": true });
    mutate(&app, &team.ann, "orderReturn", rest).await.ok();
    assert_eq!(margins(&app, &shop, &order).await, ["0.00", "0.00", "0.00"]);
    // The same again costs what it costs now: at a loss.
    let again = mutate(
        &app,
        &team.ann,
        "orderReorder",
        json!({ "orderId": order["id"] }),
    )
    .await;
    let again = again.ok().data("/orderReorder/order").clone();
    assert_eq!(
        margins(&app, &shop, &again).await,
        ["13.33", "0.03", "13.30"]
    );
});

on_both!(a_cost_nobody_knows_is_not_zero, async |app: App| {
    let shop = costed(&app).await;
    let team = &shop.team;
    set_cost(&app, &team.left, &shop.tofu, 2, Value::Null)
        .await
        .ok();
    let order = placed(&app, &shop, json!({ "submit": true })).await;
    assert_eq!(margins(&app, &shop, &order).await, ["?", "12.00", "?"]);
    let stats = "query($id: ID!) { client(id: $id) { stats { trailingMargin { amount } } } }";
    let stats = app
        .gql(&team.left.token, stats, json!({ "id": shop.client }))
        .await
        .ok();
    assert!(stats.data("/client/stats/trailingMargin").is_null());
    assert!(stats.json["extensions"]["masked"].is_null(), "{stats}");
    // Learnt later, it is of what is written from then on: of a draft whose lines are given anew, and of no other.
    let draft = placed(&app, &shop, json!({})).await;
    set_cost(&app, &team.left, &shop.tofu, 3, euros("2.50"))
        .await
        .ok();
    let note = json!({ "id": draft["id"], "version": 1, "discountBp": 100 });
    mutate(&app, &team.ann, "orderUpdate", note).await.ok();
    assert_eq!(margins(&app, &shop, &draft).await[0], "?");
    let lines = basket(&shop, json!({}))["lines"].clone();
    let anew = json!({ "id": draft["id"], "version": 2, "lines": lines });
    mutate(&app, &team.ann, "orderUpdate", anew).await.ok();
    // 63.30 less 1 %, which is 0.63, less 18.00 and 25.00.
    assert_eq!(
        margins(&app, &shop, &draft).await,
        ["19.67", "12.00", "8.30"]
    );
    assert_eq!(margins(&app, &shop, &order).await[0], "?");
});

on_both!(a_cost_is_written_by_those_who_see_it, async |app: App| {
    let shop = costed(&app).await;
    let team = &shop.team;
    let (ann, left) = (&team.ann, &team.left);
    let answer = set_cost(&app, ann, &shop.chai, 2, euros("1.00")).await;
    assert_eq!(answer.code(0), "FORBIDDEN");
    for (cost, field) in [
        (euros("-0.01"), "input.unitCost.amount"),
        (euros("1.001"), "input.unitCost.amount"),
        (
            json!({ "amount": "1.00", "currency": "USD" }),
            "input.unitCost.currency",
        ),
    ] {
        let answer = set_cost(&app, left, &shop.chai, 2, cost).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT", "{answer}");
        assert_eq!(answer.fields(), [field]);
    }
    let body = json!({ "query": UPDATE, "variables": { "input": {
            "id": shop.chai, "version": 2, "unitCost": euros("-1.00") } } });
    let request = app.request(Method::POST, "/graphql").json(&body);
    let request = request
        .bearer_auth(&left.token)
        .header("accept-language", "zh-CN");
    let answer = Answer::of(request).await;
    assert_eq!(
        answer.errors()[0]["message"],
        "单位成本不能为负",
        "{answer}"
    );
    // A price in another currency takes the cost with it, unless that comes along.
    let dollars = |amount: &str| json!({ "amount": amount, "currency": "USD" });
    let change = async |version: u8, more: Value| {
        let mut input = more;
        input["id"] = json!(shop.chai);
        input["version"] = json!(version);
        let answer = app
            .gql(&left.token, UPDATE, json!({ "input": input }))
            .await;
        answer.ok().data("/productUpdate/product/unitCost").clone()
    };
    let now = json!({ "listPrice": dollars("11.00"), "unitCost": dollars("7.00") });
    assert_eq!(change(2, now).await, dollars("7.00"));
    let price = json!({ "listPrice": dollars("12.00") });
    assert_eq!(change(3, price).await, dollars("7.00"));
    let price = json!({ "listPrice": euros("10.00") });
    assert!(change(4, price).await.is_null());
    // Those to whom it is hidden change the rest, and can neither overwrite nor guess it.
    set_cost(&app, left, &shop.chai, 5, euros("6.00"))
        .await
        .ok();
    audience(&app, &shop, Confidential::Margin, "ADMINS").await;
    for cost in [euros("6.00"), Value::Null] {
        let answer = set_cost(&app, left, &shop.chai, 6, cost).await;
        assert_eq!(answer.code(0), "FORBIDDEN");
        assert_eq!(answer.rule(), "confidentiality.masked_field");
        assert_eq!(answer.fields(), ["input.unitCost"]);
    }
    assert!(change(6, json!({ "name": "Chai" })).await.is_null());
    let create = "mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { unitCost { amount } } } }";
    let id = format!("product_{}", uuid::Uuid::now_v7());
    let again = async |who: &Person, cost: Value| {
        let mut input = json!({ "id": id, "sku": "NEW", "name": "New", "unit": "box", "listPrice": euros("1.00") });
        if !cost.is_null() {
            input["unitCost"] = cost;
        }
        app.gql(&who.token, create, json!({ "input": input })).await
    };
    again(&team.admin, euros("0.50")).await.ok();
    assert_eq!(again(&team.admin, Value::Null).await.code(0), "CONFLICT");
    let known = again(left, Value::Null).await.ok();
    assert!(known.data("/productCreate/product/unitCost").is_null());
    for guess in [euros("0.50"), euros("0.60")] {
        let answer = again(left, guess).await;
        assert_eq!(answer.rule(), "confidentiality.masked_field");
    }
});

on_both!(what_is_hidden_by_now_is_not_told_again, async |app: App| {
    let shop = costed(&app).await;
    let team = &shop.team;
    let set = json!({ "input": { "id": shop.chai, "version": 2, "unitCost": euros("6.50") } });
    let product = async || send(&app, &team.right.token, "p", UPDATE, set.clone()).await;
    let create = format!(
        "mutation($input: OrderCreateInput!) {{ orderCreate(input: $input) {{ order {EARNED} }} }}"
    );
    let input = json!({ "input": basket(&shop, json!({})) });
    let order = async |who: &Person| send(&app, &who.token, "o", &create, input.clone()).await;
    assert_eq!(
        product()
            .await
            .ok()
            .text("/productUpdate/product/unitCost/amount"),
        "6.50"
    );
    assert_eq!(
        product()
            .await
            .ok()
            .text("/productUpdate/product/unitCost/amount"),
        "6.50"
    );
    let first = order(&team.ann).await.ok();
    assert!(first.data("/orderCreate/order/margin").is_null());
    let again = order(&team.ann).await.ok();
    assert_eq!(again.json["data"], first.json["data"]);
    assert_eq!(
        again.json["extensions"]["masked"],
        first.json["extensions"]["masked"]
    );
    assert_eq!(
        again.json["extensions"]["masked"].as_array().unwrap().len(),
        5
    );
    assert_eq!(
        order(&team.left)
            .await
            .ok()
            .text("/orderCreate/order/margin/amount"),
        "23.80"
    );
    assert_eq!(
        order(&team.left)
            .await
            .ok()
            .text("/orderCreate/order/margin/amount"),
        "23.80"
    );
    audience(&app, &shop, Confidential::Margin, "ADMINS").await;
    for answer in [product().await, order(&team.left).await] {
        assert_eq!(answer.code(0), "NOT_FOUND", "{answer}");
        assert_eq!(answer.rule(), "idempotency.out_of_reach");
    }
    let again = order(&team.ann).await.ok();
    assert_eq!(again.json["data"], first.json["data"]);
});

on_both!(
    many_orders_cost_no_more_statements_than_one,
    async |app: App| {
        let shop = costed(&app).await;
        let team = &shop.team;
        let share = "mutation($input: ClientMemberAddInput!) { clientMemberAdd(input: $input) { __typename } }";
        let let_in = async |client: &str| {
            let input = json!({ "input": { "clientId": client, "userId": team.cleo.id() } });
            app.gql(&team.ann.token, share, input).await.ok();
        };
        let_in(&shop.client).await;
        let heads = "{ orders(first: 50) { nodes { margin { amount } } } }".to_owned();
        let whole = format!("{{ orders(first: 50) {{ nodes {EARNED} }} }}");
        let mut counts = Vec::new();
        for round in 0..2 {
            for number in 0..=4 * round {
                placed(&app, &shop, json!({})).await;
                let client = app.client_of(&team.ann, &format!("Client {number}")).await;
                let_in(&client).await;
                placed(&app, &shop, json!({ "clientId": client })).await;
            }
            let mut asked = Vec::new();
            for query in [&heads, &whole] {
                for person in [&team.ann, &team.cleo, &team.left, &team.right, &team.admin] {
                    let answer = app.gql(&person.token, query, json!({})).await.ok();
                    asked.push(answer.statements());
                }
            }
            counts.push(asked);
        }
        assert_eq!(counts[0], counts[1]);
        // A margin is at hand with its order, and of an order that is the viewer's own to judge nothing else is read.
        assert_eq!(counts[0][0], counts[0][2]);
        assert_eq!(counts[0][2], counts[0][4]);
    }
);

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: FileKind, _: usize) {}
    fn advance(&self, _: usize) {}
    fn end(&self, _: FileKind) {}
}

const REPS: &str = "external_id,name,email,role\nE1,Nancy,nancy@northwind.example,REP\n";
const PRODUCTS: &str = "external_id,name,list_price,currency,unit_cost\n\
    P1,Chai,18.00,EUR,11.00\nP2,Chang,19.00,EUR,\n";
const CLIENTS: &str =
    "external_id,kind,name,owner_external_id,currency\nC1,COMPANY,Alfreds,E1,EUR\n";
const LINES: &str = "order_external_id,line_number,product_external_id,quantity,unit_price,unit_cost\n\
    O1,1,P1,12,14.00,8.00\nO1,2,P2,10,9.80,5.00\nO2,1,P1,1,14.00,\n";

/// Imports files into the service and answers how many rows of `kind` were made, changed, and left alone.
async fn take_in(app: &App, files: &[(&str, &str)], kind: FileKind) -> (usize, usize, usize) {
    let place = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(place.path().join(name), content).unwrap();
    }
    let database = &app.server().database;
    let report = import::run(database, place.path(), Options::default(), &Quiet).await;
    let report = report.unwrap();
    assert!(report.is_complete(), "{:?}", report.refusals.first());
    let counts = report.counts(kind);
    (counts.created, counts.updated, counts.unchanged)
}

fn text(place: &Path, name: &str) -> String {
    std::fs::read_to_string(place.join(name)).unwrap()
}

on_both!(costs_go_in_and_out_by_files, async |app: App| {
    let team = app.team().await;
    let day = app.server().clock.now().date_naive() - Days::new(10);
    let orders =
        format!("external_id,client_external_id,placed_on\nO1,C1,{day}\nO2,C1,2004-07-05\n");
    let all = [
        ("reps.csv", REPS),
        ("products.csv", PRODUCTS),
        ("clients.csv", CLIENTS),
        ("orders.csv", orders.as_str()),
        ("order_lines.csv", LINES),
    ];
    assert_eq!(take_in(&app, &all, FileKind::OrderLines).await, (3, 0, 0));
    assert_eq!(take_in(&app, &all, FileKind::Products).await, (0, 0, 2));
    let query = "{ products(orderBy: SKU_ASC) { nodes { unitCost { amount } } } orders { nodes { externalId margin { amount } } } \
        clients { nodes { stats { trailingMargin { amount } } } } }";
    let found = async || {
        let answer = app.gql(&team.admin.token, query, json!({})).await.ok();
        let costs = answer.list("/products/nodes").iter();
        let costs = costs.map(|product| &product["unitCost"]["amount"]);
        let orders = answer.list("/orders/nodes").iter();
        let margins = orders.map(|order| &order["margin"]["amount"]);
        let trailing = &answer.data("/clients/nodes/0/stats")["trailingMargin"]["amount"];
        json!([
            costs.collect::<Vec<_>>(),
            margins.collect::<Vec<_>>(),
            trailing
        ])
    };
    // Latest first. What the product costs today says nothing of what it cost then.
    let known = json!([["11.00", null], ["120.00", null], "120.00"]);
    assert_eq!(found().await, known);
    // Files that do not speak of costs leave them alone, whatever else they change.
    let silent: Vec<(&str, String)> = all
        .iter()
        .map(|(name, content)| {
            let lines = content.lines().map(|line| match *name {
                "products.csv" | "order_lines.csv" => line.rsplit_once(',').unwrap().0,
                _ => line,
            });
            let text = lines.collect::<Vec<_>>().join("\n");
            (
                *name,
                text.replace("P1,12,", "P1,13,")
                    .replace("Chang", "Chang beer"),
            )
        })
        .collect();
    let silent: Vec<(&str, &str)> = silent
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    assert_eq!(
        take_in(&app, &silent, FileKind::OrderLines).await,
        (0, 1, 2)
    );
    let known = json!([["11.00", null], ["126.00", null], "126.00"]);
    assert_eq!(found().await, known);
    // Another cost is another margin, though nothing else changes.
    let dearer = LINES.replace(",12,14.00,8.00", ",13,14.00,9.00");
    let dearer = [("order_lines.csv", dearer.as_str())];
    assert_eq!(
        take_in(&app, &dearer, FileKind::OrderLines).await,
        (0, 1, 2)
    );
    let known = json!([["11.00", null], ["113.00", null], "113.00"]);
    assert_eq!(found().await, known);
    assert_eq!(take_in(&app, &silent, FileKind::Products).await, (0, 0, 2));
    // They go out as they came in.
    let place = tempfile::tempdir().unwrap();
    export::run(&app.server().database, place.path())
        .await
        .unwrap();
    let products = text(place.path(), "products.csv");
    let mut lines = products.lines();
    assert!(lines.next().unwrap().ends_with(",unit_cost"), "{products}");
    assert!(lines.next().unwrap().ends_with(",11.00"), "{products}");
    assert!(lines.next().unwrap().ends_with(",false,"), "{products}");
    let lines = text(place.path(), "order_lines.csv");
    let lines: Vec<&str> = lines.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "O1,1,P1,13,14.00,0,9.00",
            "O1,2,P2,10,9.80,0,5.00",
            "O2,1,P1,1,14.00,0,"
        ]
    );
    // A cell that is empty says that nobody knows, and so does another currency.
    let emptied = [(
        "products.csv",
        "external_id,name,list_price,currency,unit_cost\nP1,Chai,18.00,EUR,\nP2,Chang,19.00,EUR,9.00\n",
    )];
    assert_eq!(take_in(&app, &emptied, FileKind::Products).await, (0, 2, 0));
    assert_eq!(found().await[0], json!([null, "9.00"]));
    let moved = [(
        "products.csv",
        "external_id,name,list_price,currency\nP2,Chang,19.00,USD\n",
    )];
    assert_eq!(take_in(&app, &moved, FileKind::Products).await, (0, 1, 0));
    assert_eq!(found().await[0], json!([null, null]));
});
