//! What has an end ends then, and not when a job comes by.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::orders::{mutate, order_of, shop};
use crate::support::{App, Person};

async fn make(app: &App, who: &Person, query: &str, input: Value, at: &str) -> String {
    let answer = app
        .gql(&who.token, query, json!({ "input": input }))
        .await
        .ok();
    answer.text(at).to_owned()
}

on_both!(
    an_override_that_is_over_brings_nothing_more,
    async |app: App| {
        let shop = shop(&app).await;
        let team = &shop.team;
        let scheme = make(
            &app,
            &team.left,
            "mutation($input: TierSchemeCreateInput!) { tierSchemeCreate(input: $input) { tierScheme { id } } }",
            json!({ "name": "Value", "isDefault": true }),
            "/tierSchemeCreate/tierScheme/id",
        )
        .await;
        let mut tiers = Vec::new();
        for (rank, (code, discount)) in (1..).zip([("A", 2_000), ("B", 500)]) {
            let input = json!({ "schemeId": scheme, "code": code, "name": code, "rank": rank,
                "discountBp": discount });
            let query =
                "mutation($input: TierCreateInput!) { tierCreate(input: $input) { tier { id } } }";
            tiers.push(make(&app, &team.left, query, input, "/tierCreate/tier/id").await);
        }
        let assign = "mutation($input: ClientTierAssignInput!) { clientTierAssign(input: $input) { client { id } } }";
        let input = json!({ "clientId": shop.client, "tierId": tiers[1], "reason": "r" });
        let _ = make(
            &app,
            &team.left,
            assign,
            input,
            "/clientTierAssign/client/id",
        )
        .await;
        let over = "mutation($input: ClientTierOverrideInput!) { clientTierOverride(input: $input) { client { id } } }";
        let ends = app.server().clock.now() + TimeDelta::days(5);
        let input = json!({ "clientId": shop.client, "tierId": tiers[0], "reason": "r", "expiresAt": ends });
        let _ = make(
            &app,
            &team.left,
            over,
            input,
            "/clientTierOverride/client/id",
        )
        .await;

        let state = async || {
            let ann = Person {
                token: app.token(&team.ann),
                ..team.ann.clone()
            };
            let query = "query($id: ID!, $scheme: ID!) { client(id: $id) { tier { code } tierIn(schemeId: $scheme) { code } } }";
            let answer = app
                .gql(
                    &ann.token,
                    query,
                    json!({ "id": shop.client, "scheme": scheme }),
                )
                .await
                .ok();
            let lines = json!([{ "productId": shop.chai, "quantity": 1 }]);
            let input = json!({ "clientId": shop.client, "lines": lines });
            let order = order_of(
                mutate(&app, &ann, "orderCreate", input).await,
                "orderCreate",
            );
            json!([
                answer.data("/client/tier/code"),
                answer.data("/client/tierIn/code"),
                order["lines"][0]["discountBp"]
            ])
        };
        assert_eq!(state().await, json!(["A", "A", 2_000]));
        // Its time is up, and no job has run.
        app.server().clock.advance(TimeDelta::days(6));
        assert_eq!(state().await, json!(["B", "B", 500]));
        let ben = app.token(&team.ben);
        let answer = app
            .gql(
                &ben,
                "query($id: ID!) { client(id: $id) { tier { code } } }",
                json!({ "id": shop.client }),
            )
            .await
            .ok();
        assert_eq!(*answer.data("/client"), Value::Null);
    }
);

on_both!(the_tier_of_many_costs_what_one_does, async |app: App| {
    let team = app.team().await;
    let query = "{ clients(first: 20) { nodes { tier { code } } } }";
    let mut costs = Vec::new();
    for at in 0..3 {
        app.client_of(&team.ann, &format!("C{at}")).await;
        let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
        costs.push(answer.statements());
    }
    assert_eq!(costs[0], costs[2], "{costs:?}");
});
