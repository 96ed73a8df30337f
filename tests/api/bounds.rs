//! What is too large is refused in words, and the service lives on.

use serde_json::{Value, json};

use crate::orders::{basket, mutate, order_of, shop};
use crate::support::App;

on_both!(a_filter_of_too_many_parts_is_refused, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Ann's").await;
    for (list, kind) in [
        ("clients", "ClientFilter"),
        ("products", "ProductFilter"),
        ("orders", "OrderFilter"),
        ("payments", "PaymentFilter"),
        ("users", "UserFilter"),
        ("categories", "CategoryFilter"),
    ] {
        let query =
            format!("query($filter: {kind}) {{ {list}(filter: $filter) {{ totalCount }} }}");
        for part in ["or", "and"] {
            let many: Vec<Value> = (0..19_000).map(|_| json!({})).collect();
            let filter = json!({ "filter": { part: many } });
            let answer = app.gql(&team.ann.token, &query, filter).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{list} {part}");
            assert_eq!(answer.rule(), "FILTER_TOO_LARGE", "{list} {part}");
        }
        let some: Vec<Value> = (0..90).map(|_| json!({})).collect();
        let filter = json!({ "filter": { "or": some } });
        let _ = app.gql(&team.ben.token, &query, filter).await.ok();
    }
    let long = json!({ "filter": { "externalId": { "contains": "x".repeat(60_000) } } });
    let query = "query($filter: ClientFilter) { clients(filter: $filter) { totalCount } }";
    let answer = app.gql(&team.ann.token, query, long).await;
    assert_eq!(answer.code(0), "BAD_USER_INPUT");
});

on_both!(
    an_amount_or_an_instant_out_of_bounds_is_refused,
    async |app: App| {
        let shop = shop(&app).await;
        let freight = json!({ "freight": { "amount": "92233720368547758.07", "currency": "EUR" } });
        let answer = mutate(&app, &shop.team.ann, "orderCreate", basket(&shop, freight)).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT");
        assert_eq!(answer.fields(), ["input.freight.amount"]);
        let query = "query($filter: ClientFilter) { clients(filter: $filter) { totalCount } }";
        for instant in ["9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00Z", "soon"] {
            let filter = json!({ "filter": { "updatedAt": { "gt": instant } } });
            let answer = app.gql(&shop.team.ann.token, query, filter).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{instant}");
        }
        for day in ["-001-01-01", "+202-01-01", "2026-02-30", "2026-2-3"] {
            let filter = json!({ "filter": { "lastOrderOn": { "gt": day } } });
            let answer = app.gql(&shop.team.ben.token, query, filter).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{day}");
        }
    }
);

on_both!(
    a_variable_that_must_have_a_value_is_asked_for,
    async |app: App| {
        let team = app.team().await;
        let query = "query($first: Int!) { clients(first: $first) { totalCount } }";
        for variables in [json!({}), json!({ "first": null })] {
            for who in [&team.ann, &team.cleo] {
                let answer = app.gql(&who.token, query, variables.clone()).await;
                assert_eq!(answer.rule(), "GRAPHQL_VALIDATION_FAILED");
                assert!(
                    answer.json["errors"][0]["message"]
                        .as_str()
                        .unwrap()
                        .contains("$first")
                );
            }
        }
        let _ = app
            .gql(&team.ann.token, query, json!({ "first": 1 }))
            .await
            .ok();
    }
);

on_both!(
    discounts_on_a_line_and_on_the_order_count_together,
    async |app: App| {
        let shop = shop(&app).await;
        let lines = json!([{ "productId": shop.chai, "quantity": 1, "discountBp": 3_000 }]);
        for (order_bp, status) in [(0, "APPROVED"), (3_000, "SUBMITTED")] {
            let input = basket(
                &shop,
                json!({ "lines": lines, "discountBp": order_bp, "submit": true }),
            );
            let answer = mutate(&app, &shop.team.ann, "orderCreate", input.clone()).await;
            assert_eq!(
                order_of(answer, "orderCreate")["status"],
                status,
                "{order_bp}"
            );
            let stranger = mutate(&app, &shop.team.cleo, "orderCreate", input).await;
            assert_eq!(stranger.code(0), "NOT_FOUND");
        }
    }
);
