//! Products: finding, recording, changing, and who may.

use serde_json::{Value, json};

use crate::support::{Answer, App, Person};

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { \
    id version externalId sku name unit listPrice { amount currency } isActive mayBackOrder reorderLevel category { id } \
    stock { onHand reserved availableToPromise belowReorderLevel } } } }";
const UPDATE: &str = "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { product { \
    id version sku name unit listPrice { amount currency } isActive mayBackOrder reorderLevel category { id } } } }";
const ARCHIVE: &str = "mutation($input: ProductVersionInput!) { productArchive(input: $input) { product { version archivedAt } } }";
const RESTORE: &str = "mutation($input: ProductVersionInput!) { productRestore(input: $input) { product { version archivedAt } } }";
const LIST: &str = "query($filter: ProductFilter, $order: ProductOrder, $first: Int, $after: String, $last: Int, $before: String) { \
    products(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { sku name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

impl App {
    /// Records a product as `who`: named as its number, in boxes, for EUR 10.00, and as `more` says. Answers
    /// its id.
    pub async fn product_of(&self, who: &Person, sku: &str, more: Value) -> String {
        let mut input = json!({
            "sku": sku, "name": sku, "unit": "box",
            "listPrice": { "amount": "10.00", "currency": "EUR" },
        });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        let answer = self
            .gql(&who.token, CREATE, json!({ "input": input }))
            .await
            .ok();
        answer.text("/productCreate/product/id").to_owned()
    }
}

fn skus(answer: &Answer) -> Vec<String> {
    answer
        .list("/products/nodes")
        .iter()
        .map(|node| node["sku"].as_str().unwrap().to_owned())
        .collect()
}

async fn listed(app: &App, token: &str, filter: Value) -> Vec<String> {
    let answer = app
        .gql(token, LIST, json!({ "filter": filter, "order": "SKU_ASC" }))
        .await;
    skus(&answer.ok())
}

on_both!(
    a_product_is_recorded_and_read_by_every_rep,
    async |app: App| {
        let team = app.team().await;
        let input = json!({ "input": {
        "externalId": "NW-1", "sku": "  CH-100 ", "name": "Chai", "unit": "box",
        "listPrice": { "amount": "18.50", "currency": "EUR" }, "reorderLevel": 10,
    } });
        let answer = app.gql(&team.left.token, CREATE, input).await.ok();
        let id = answer.text("/productCreate/product/id").to_owned();
        let one = "query($id: ID!) { node(id: $id) { __typename } product(id: $id) { version externalId sku name unit \
        listPrice { amount currency } isActive mayBackOrder reorderLevel category { id } archivedAt \
        stock { onHand reserved availableToPromise belowReorderLevel } } }";
        for rep in [&team.ann, &team.cleo] {
            let answer = app.gql(&rep.token, one, json!({ "id": id })).await.ok();
            assert_eq!(*answer.data("/node/__typename"), json!("Product"));
            assert_eq!(
                *answer.data("/product"),
                json!({
                    "version": 1, "externalId": "NW-1", "sku": "CH-100", "name": "Chai", "unit": "box",
                    "listPrice": { "amount": "18.50", "currency": "EUR" },
                    "isActive": true, "mayBackOrder": false, "reorderLevel": 10, "category": null, "archivedAt": null,
                    "stock": { "onHand": 0, "reserved": 0, "availableToPromise": 0, "belowReorderLevel": true },
                })
            );
        }
        let nobody = "query($id: ID!) { product(id: $id) { id } }";
        let nobody = app.gql("", nobody, json!({ "id": id })).await;
        assert_eq!(nobody.code(0), "UNAUTHENTICATED");
    }
);

on_both!(
    only_managers_and_administrators_write_products,
    async |app: App| {
        let team = app.team().await;
        let id = app.product_of(&team.admin, "A", json!({})).await;
        let new = json!({ "input": { "sku": "B", "name": "B", "unit": "kg", "listPrice": { "amount": "1", "currency": "EUR" } } });
        let version = json!({ "input": { "id": id, "version": 1 } });
        for rep in [&team.ann.token, &team.cleo.token] {
            for (mutation, input) in [
                (CREATE, new.clone()),
                (
                    UPDATE,
                    json!({ "input": { "id": id, "version": 1, "name": "Mine" } }),
                ),
                (ARCHIVE, version.clone()),
                (RESTORE, version.clone()),
            ] {
                let answer = app.gql(rep, mutation, input).await;
                assert_eq!(answer.code(0), "FORBIDDEN", "{mutation}");
            }
        }
        assert_eq!(listed(&app, &team.ann.token, json!({})).await, ["A"]);
    }
);

on_both!(an_article_number_is_taken_once, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let first = app
        .product_of(&team.left, "A-1", json!({ "externalId": "X" }))
        .await;
    let second = app.product_of(&team.left, "A-2", json!({})).await;
    let new = |sku: &str, external: Value| json!({ "input": { "sku": sku, "externalId": external, "name": "N", "unit": "kg", "listPrice": { "amount": "1", "currency": "EUR" } } });
    let taken = app.gql(token, CREATE, new(" A-1 ", Value::Null)).await;
    assert_eq!(
        (taken.code(0), taken.fields()),
        ("CONFLICT", vec!["input.sku"])
    );
    let taken = app.gql(token, CREATE, new("A-3", json!("X"))).await;
    assert_eq!(
        (taken.code(0), taken.fields()),
        ("CONFLICT", vec!["input.externalId"])
    );
    let input = json!({ "input": { "id": second, "version": 1, "sku": "A-1" } });
    let taken = app.gql(token, UPDATE, input).await;
    assert_eq!(
        (taken.code(0), taken.fields()),
        ("CONFLICT", vec!["input.sku"])
    );
    let input =
        json!({ "input": { "id": first, "version": 1, "sku": "A-1", "name": "Same number" } });
    app.gql(token, UPDATE, input).await.ok();
    // An archived product keeps its number.
    app.gql(
        token,
        ARCHIVE,
        json!({ "input": { "id": second, "version": 1 } }),
    )
    .await
    .ok();
    let taken = app.gql(token, CREATE, new("A-2", Value::Null)).await;
    assert_eq!(taken.code(0), "CONFLICT");
});

on_both!(the_same_product_sent_twice_is_one, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let id = format!("product_{}", uuid::Uuid::now_v7());
    let input = |name: &str| json!({ "input": { "id": id, "sku": "S", "name": name, "unit": "kg", "listPrice": { "amount": "1", "currency": "EUR" } } });
    for _ in 0..2 {
        let answer = app.gql(token, CREATE, input("Salt")).await.ok();
        assert_eq!(*answer.data("/productCreate/product/id"), json!(id));
    }
    let other = app.gql(token, CREATE, input("Sugar")).await;
    assert_eq!(
        (other.code(0), other.fields()),
        ("CONFLICT", vec!["input.id"])
    );
    assert_eq!(listed(&app, token, json!({})).await, ["S"]);
});

on_both!(wrong_input_is_named, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let id = app.product_of(&team.left, "A", json!({})).await;
    let price = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
    for (field, value, named) in [
        ("sku", json!(" "), "input.sku"),
        ("sku", json!("x".repeat(61)), "input.sku"),
        ("name", json!(""), "input.name"),
        ("name", json!("x".repeat(201)), "input.name"),
        ("unit", json!("x".repeat(41)), "input.unit"),
        ("listPrice", price("-0.01"), "input.listPrice.amount"),
        ("listPrice", price("1.001"), "input.listPrice.amount"),
        ("reorderLevel", json!(-1), "input.reorderLevel"),
        ("reorderLevel", json!(1_000_000_001), "input.reorderLevel"),
    ] {
        let mut new = json!({ "sku": "B", "name": "B", "unit": "kg", "listPrice": price("1") });
        new[field] = value.clone();
        let mut change = json!({ "id": id, "version": 1 });
        change[field] = value;
        for (mutation, input) in [(CREATE, new), (UPDATE, change)] {
            let answer = app.gql(token, mutation, json!({ "input": input })).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{field}");
            assert_eq!(answer.fields(), [named]);
        }
    }
    for field in [
        "sku",
        "name",
        "unit",
        "listPrice",
        "isActive",
        "mayBackOrder",
        "reorderLevel",
    ] {
        let mut change = json!({ "id": id, "version": 1 });
        change[field] = Value::Null;
        let answer = app.gql(token, UPDATE, json!({ "input": change })).await;
        assert_eq!(answer.fields(), [format!("input.{field}")]);
    }
    let longest = json!({ "sku": "x".repeat(60), "name": "B", "unit": "kg", "listPrice": price("0"), "reorderLevel": 1_000_000_000 });
    app.gql(token, CREATE, json!({ "input": longest }))
        .await
        .ok();
});

on_both!(a_product_is_changed_once_per_version, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let id = app
        .product_of(&team.left, "A", json!({ "reorderLevel": 3 }))
        .await;
    let input = |version: i32| {
        json!({ "input": {
        "id": id, "version": version, "sku": "B", "name": "Bread", "unit": "loaf", "isActive": false,
        "mayBackOrder": true, "listPrice": { "amount": "500", "currency": "JPY" },
    } })
    };
    let answer = app.gql(token, UPDATE, input(1)).await.ok();
    assert_eq!(
        *answer.data("/productUpdate/product"),
        json!({
            "id": id, "version": 2, "sku": "B", "name": "Bread", "unit": "loaf", "isActive": false,
            "mayBackOrder": true, "reorderLevel": 3, "category": null,
            "listPrice": { "amount": "500", "currency": "JPY" },
        })
    );
    let stale = app.gql(token, UPDATE, input(1)).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    assert_eq!(*stale.extension(0, "presentVersion"), json!(2));
    assert_eq!(
        listed(&app, token, json!({ "search": "bread" })).await,
        ["B"]
    );
    let nowhere = format!("product_{}", uuid::Uuid::now_v7());
    let input = json!({ "input": { "id": nowhere, "version": 1, "name": "Nothing" } });
    let answer = app.gql(token, UPDATE, input).await;
    assert_eq!(answer.code(0), "NOT_FOUND");
    let nowhere = format!("category_{}", uuid::Uuid::now_v7());
    let input = json!({ "input": { "id": id, "version": 2, "categoryId": nowhere } });
    let answer = app.gql(token, UPDATE, input).await;
    assert_eq!(
        (answer.code(0), answer.fields()),
        ("NOT_FOUND", vec!["input.categoryId"])
    );
});

on_both!(
    an_archived_product_is_hidden_and_comes_back,
    async |app: App| {
        let team = app.team().await;
        let token = &team.left.token;
        let category = "mutation($name: String!) { categoryCreate(input: { name: $name }) { category { id } } }";
        let category = app
            .gql(token, category, json!({ "name": "Tea" }))
            .await
            .ok();
        let category = category.text("/categoryCreate/category/id").to_owned();
        let id = app
            .product_of(&team.left, "A", json!({ "categoryId": category }))
            .await;
        let at = |version: i32| json!({ "input": { "id": id, "version": version } });
        assert_eq!(
            app.gql(token, RESTORE, at(1)).await.rule(),
            "products.not_archived"
        );
        assert_eq!(
            app.gql(token, ARCHIVE, at(9)).await.code(0),
            "STALE_VERSION"
        );
        let answer = app.gql(token, ARCHIVE, at(1)).await.ok();
        assert!(
            answer
                .data("/productArchive/product/archivedAt")
                .is_string()
        );
        assert_eq!(
            app.gql(token, ARCHIVE, at(2)).await.rule(),
            "products.already_archived"
        );
        let rep = &team.ann.token;
        assert!(listed(&app, rep, json!({})).await.is_empty());
        for archived in ["ONLY", "INCLUDE"] {
            assert_eq!(
                listed(&app, rep, json!({ "archived": archived })).await,
                ["A"]
            );
        }
        // Its category went too: that comes back first.
        let archive = "mutation($id: ID!, $version: Int!) { categoryArchive(input: { id: $id, version: $version }) { category { id } } }";
        app.gql(token, archive, json!({ "id": category, "version": 1 }))
            .await
            .ok();
        assert_eq!(
            app.gql(token, RESTORE, at(2)).await.rule(),
            "categories.archived"
        );
        let new = json!({ "input": { "sku": "B", "name": "B", "unit": "kg", "categoryId": category, "listPrice": { "amount": "1", "currency": "EUR" } } });
        let answer = app.gql(token, CREATE, new).await;
        assert_eq!(
            (answer.rule(), answer.fields()),
            ("categories.archived", vec!["input.categoryId"])
        );
        let restore = "mutation($id: ID!, $version: Int!) { categoryRestore(input: { id: $id, version: $version }) { category { id } } }";
        app.gql(token, restore, json!({ "id": category, "version": 2 }))
            .await
            .ok();
        let answer = app.gql(token, RESTORE, at(2)).await.ok();
        assert_eq!(
            *answer.data("/productRestore/product/archivedAt"),
            Value::Null
        );
        assert_eq!(listed(&app, rep, json!({})).await, ["A"]);
    }
);

on_both!(a_product_is_found_by_what_people_type, async |app: App| {
    let team = app.team().await;
    app.product_of(&team.left, "CH-100", json!({ "name": "Chai" }))
        .await;
    app.product_of(
        &team.left,
        "CH-200",
        json!({ "name": "Chang", "externalId": "NW-77" }),
    )
    .await;
    app.product_of(&team.left, "JL-1", json!({ "name": "茉莉花茶" }))
        .await;
    for (search, expected) in [
        ("chai", vec!["CH-100"]),
        ("CH-1", vec!["CH-100"]),
        ("ch200", vec!["CH-200"]),
        ("nw-77", vec!["CH-200"]),
        ("ch", vec!["CH-100", "CH-200", "JL-1"]),
        ("花茶", vec!["JL-1"]),
        ("molihua", vec!["JL-1"]),
        ("mlhc", vec!["JL-1"]),
        ("chang 200", vec!["CH-200"]),
        ("chai 200", vec![]),
        ("100%", vec![]),
    ] {
        let found = listed(&app, &team.cleo.token, json!({ "search": search })).await;
        assert_eq!(found, expected, "{search}");
    }
    let short = json!({ "filter": { "search": "c" } });
    let short = app.gql(&team.ann.token, LIST, short).await;
    assert_eq!(short.code(0), "BAD_USER_INPUT");
});

on_both!(filters_keep_what_they_say, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let category = "mutation { categoryCreate(input: { name: \"Tea\" }) { category { id } } }";
    let category = app.gql(token, category, json!({})).await.ok();
    let category = category.text("/categoryCreate/category/id").to_owned();
    let low = app
        .product_of(
            &team.left,
            "Low-1",
            json!({ "categoryId": category, "reorderLevel": 5 }),
        )
        .await;
    app.product_of(
        &team.left,
        "Off-2",
        json!({ "isActive": false, "name": "Earl Grey" }),
    )
    .await;
    app.product_of(
        &team.left,
        "low-3",
        json!({ "mayBackOrder": true, "externalId": "E%3" }),
    )
    .await;
    for (filter, expected) in [
        (json!({ "sku": { "eq": "Low-1" } }), vec!["Low-1"]),
        (json!({ "sku": { "eq": "low-1" } }), vec![]),
        (
            json!({ "sku": { "in": ["Low-1", "low-3"] } }),
            vec!["Low-1", "low-3"],
        ),
        (
            json!({ "sku": { "startsWith": "LOW" } }),
            vec!["Low-1", "low-3"],
        ),
        (json!({ "sku": { "startsWith": "w" } }), vec![]),
        (json!({ "sku": { "contains": "F-" } }), vec!["Off-2"]),
        (json!({ "sku": { "contains": "_" } }), vec![]),
        (json!({ "externalId": { "contains": "%" } }), vec!["low-3"]),
        (
            json!({ "externalId": { "isNull": true } }),
            vec!["Low-1", "Off-2"],
        ),
        (json!({ "name": { "startsWith": "earl" } }), vec!["Off-2"]),
        (json!({ "id": { "in": [low] } }), vec!["Low-1"]),
        (json!({ "categoryId": { "eq": category } }), vec!["Low-1"]),
        (
            json!({ "categoryId": { "isNull": true } }),
            vec!["Off-2", "low-3"],
        ),
        (json!({ "isActive": true }), vec!["Low-1", "low-3"]),
        (json!({ "isActive": false }), vec!["Off-2"]),
        (json!({ "mayBackOrder": true }), vec!["low-3"]),
        (json!({ "belowReorderLevel": true }), vec!["Low-1"]),
        (
            json!({ "belowReorderLevel": false }),
            vec!["Off-2", "low-3"],
        ),
        (json!({ "not": { "isActive": true } }), vec!["Off-2"]),
        (
            json!({ "or": [{ "isActive": false }, { "mayBackOrder": true }] }),
            vec!["Off-2", "low-3"],
        ),
        (
            json!({ "and": [{ "isActive": true }, { "mayBackOrder": true }] }),
            vec!["low-3"],
        ),
        (
            json!({ "updatedAt": { "lt": "2001-01-01T00:00:00Z" } }),
            vec![],
        ),
        (
            json!({ "updatedAt": { "gt": "2001-01-01T00:00:00Z" } }),
            vec!["Low-1", "Off-2", "low-3"],
        ),
    ] {
        let found = listed(&app, &team.ann.token, filter.clone()).await;
        assert_eq!(found, expected, "{filter}");
    }
});

on_both!(products_page_in_every_order, async |app: App| {
    let team = app.team().await;
    for (sku, name) in [
        ("C", "apple"),
        ("a", "Banana"),
        ("B", "Éclair"),
        ("d", "cherry"),
    ] {
        app.product_of(&team.left, sku, json!({ "name": name }))
            .await;
    }
    for (order, expected) in [
        (json!(null), ["C", "a", "d", "B"]),
        (json!("NAME_ASC"), ["C", "a", "d", "B"]),
        (json!("NAME_DESC"), ["B", "d", "a", "C"]),
        (json!("SKU_ASC"), ["B", "C", "a", "d"]),
        (json!("SKU_DESC"), ["d", "a", "C", "B"]),
        (json!("UPDATED_AT_ASC"), ["C", "a", "B", "d"]),
        (json!("UPDATED_AT_DESC"), ["d", "B", "a", "C"]),
    ] {
        let mut forward = Vec::new();
        let mut after = Value::Null;
        loop {
            let page = json!({ "order": order, "first": 3, "after": after });
            let page = app.gql(&team.ann.token, LIST, page).await.ok();
            assert_eq!(*page.data("/products/totalCount"), json!(4));
            forward.extend(skus(&page));
            after = page.data("/products/pageInfo/endCursor").clone();
            if *page.data("/products/pageInfo/hasNextPage") == json!(false) {
                break;
            }
        }
        assert_eq!(forward, expected, "{order}");
        let last = json!({ "order": order, "last": 2 });
        let last = app.gql(&team.ann.token, LIST, last).await.ok();
        assert_eq!(skus(&last), expected[2..], "{order}");
        let before = last.data("/products/pageInfo/startCursor").clone();
        let rest = json!({ "order": order, "last": 3, "before": before });
        let rest = app.gql(&team.ann.token, LIST, rest).await.ok();
        assert_eq!(skus(&rest), expected[..2], "{order}");
        assert_eq!(
            *rest.data("/products/pageInfo/hasPreviousPage"),
            json!(false)
        );
    }
});

on_both!(
    edges_of_products_cost_the_same_for_many,
    async |app: App| {
        let team = app.team().await;
        let token = &team.left.token;
        let query = "{ products(first: 100) { nodes { category { name } stock { onHand } stockMovements(first: 2) { totalCount nodes { product { sku } } } } } }";
        let receive = "mutation($id: ID!) { stockReceive(input: { productId: $id, quantity: 1 }) { product { id } } }";
        let category = "mutation($name: String!) { categoryCreate(input: { name: $name }) { category { id } } }";
        let mut costs = Vec::new();
        for round in 1..=3 {
            let group = app
                .gql(token, category, json!({ "name": format!("G{round}") }))
                .await
                .ok();
            let group = group.text("/categoryCreate/category/id").to_owned();
            let id = app
                .product_of(
                    &team.left,
                    &format!("P{round}"),
                    json!({ "categoryId": group }),
                )
                .await;
            for _ in 0..round {
                app.gql(token, receive, json!({ "id": id })).await.ok();
            }
            let answer = app.gql(token, query, json!({})).await.ok();
            let products = answer.list("/products/nodes");
            assert_eq!(products.len(), round);
            let last = products.last().unwrap();
            assert_eq!(last["category"]["name"], json!(format!("G{round}")));
            assert_eq!(last["stock"]["onHand"], json!(round));
            assert_eq!(last["stockMovements"]["totalCount"], json!(round));
            assert_eq!(
                last["stockMovements"]["nodes"][0]["product"]["sku"],
                json!(format!("P{round}"))
            );
            costs.push(answer.statements());
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    }
);
