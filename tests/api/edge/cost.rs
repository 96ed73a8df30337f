//! What requests cost: priced before they run, counted after, taken from a bucket of the session.

use std::time::Duration;

use clientele::http::Budget;
use serde_json::{Value as Json, json};

use crate::small::{OTHER_TOKEN, Reply, Small, reply};
use crate::support::App;

/// A budget that does not fill again during a test.
fn still(per_document: u64, bucket: u64) -> Budget {
    Budget {
        per_document,
        bucket,
        restored_per_second: 0,
        ..Budget::default()
    }
}

async fn with_budget(per_document: u64, bucket: u64) -> Small {
    Small::limited(|limits| limits.budget = Some(still(per_document, bucket))).await
}

fn cost(requested: u64, actual: u64, maximum: u64, available: u64) -> Json {
    json!({
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": 0,
        },
    })
}

fn told(reply: &Reply) -> Json {
    reply.json()["extensions"]["cost"].clone()
}

#[tokio::test]
async fn every_answer_to_a_signed_in_caller_tells_its_cost() {
    let small = with_budget(500, 1_000).await;
    let answer = small.query("{ hello }").await;
    assert_eq!(told(&answer), cost(1, 1, 1_000, 999));
    // A page of a hundred that has three rows: what was not used comes back.
    let answer = small
        .query("{ clients(first: 100) { nodes { id } } }")
        .await;
    assert_eq!(told(&answer), cost(101, 4, 1_000, 995));
    let answer = small
        .query("{ clients { edges { node { id } } } guarded { open } }")
        .await;
    assert_eq!(told(&answer), cost(42, 8, 1_000, 987));
    let answer = small
        .query("mutation { a: write(millis: 0) b: write(millis: 0) }")
        .await;
    assert_eq!(told(&answer), cost(20, 20, 1_000, 967));
    let answer = small
        .query("{ __schema { types { name fields { name } } } }")
        .await;
    // 50, and 1 for each 500 of 240 * (2 + 5 * 2) fields.
    assert_eq!(told(&answer), cost(56, 56, 1_000, 911));
    // What does not validate costs a look; what is refused before that costs nothing.
    let answer = small
        .query("{ clients(first: 9) { nodes { none } } }")
        .await;
    assert_eq!(told(&answer), cost(10, 1, 1_000, 910));
    let answer = small.query("{ hello").await;
    assert_eq!(told(&answer), cost(0, 0, 1_000, 910));

    let anonymous = small.anonymous("{ hello }").await.json();
    assert!(anonymous.get("extensions").is_none());
}

#[tokio::test]
async fn a_document_that_costs_too_much_is_refused_and_costs_nothing() {
    let small = with_budget(100, 1_000).await;
    let fits = small.query("{ clients(first: 99) { nodes { id } } }").await;
    assert_eq!(told(&fits), cost(100, 4, 1_000, 996));
    let refused = small
        .query("{ clients(first: 100) { nodes { id } } }")
        .await;
    assert_eq!((refused.status, refused.rule().as_str()), (400, "COST"));
    assert_eq!(refused.code(), "LIMIT_EXCEEDED");
    assert_eq!(refused.error()["extensions"]["limit"], 100);
    assert!(refused.error()["extensions"].get("retryable").is_none());
    assert!(refused.json().get("data").is_none());
    assert_eq!(told(&refused), cost(101, 0, 1_000, 996));
    // Nobody can save up for more than the bucket holds.
    let small = with_budget(1_000, 50).await;
    let refused = small.query("{ clients(first: 50) { nodes { id } } }").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "LIMIT_EXCEEDED")
    );
}

#[tokio::test]
async fn an_empty_bucket_throttles_one_session_and_says_how_long() {
    let small = Small::limited(|limits| {
        limits.budget = Some(Budget {
            per_document: 1_000,
            bucket: 1_000,
            restored_per_second: 1,
            ..Budget::default()
        });
    })
    .await;
    let spend = "{ ...A ...A } fragment A on Query { a: guardeds(count: 400) { open } }";
    // A list without a page size is priced as one object, counted as many.
    let answer = small.query(spend).await;
    assert_eq!(told(&answer)["actualQueryCost"], 400);
    let answer = small.query(spend).await;
    assert_eq!(told(&answer)["actualQueryCost"], 400);

    let query = "{ clients(first: 800) { nodes { id } } }";
    let refused = small.query(query).await;
    assert_eq!((refused.status, refused.rule().as_str()), (429, "COST"));
    let error = refused.error();
    assert_eq!(error["extensions"]["code"], "THROTTLED");
    assert_eq!(error["extensions"]["retryable"], true);
    let seconds = error["extensions"]["retryAfterSeconds"].as_u64().unwrap();
    assert_eq!(refused.header("retry-after"), seconds.to_string());
    assert!((300..=601).contains(&seconds), "{seconds}");
    assert_eq!(told(&refused)["requestedQueryCost"], 801);
    // Cheap requests and other devices go on.
    assert_eq!(small.query("{ hello }").await.status, 200);
    let other = small.request("POST", "/graphql").bearer_auth(OTHER_TOKEN);
    let other = reply(other.json(&json!({ "query": query }))).await;
    assert_eq!(other.status, 200, "{}", other.text);
}

#[tokio::test]
async fn what_runs_into_the_deadline_has_cost_its_price() {
    let small = Small::limited(|limits| {
        limits.budget = Some(still(500, 1_000));
        limits.signed_in.query_deadline = Duration::from_millis(50);
    })
    .await;
    let query = "{ slow(millis: 60000) clients(first: 100) { nodes { id } } }";
    assert_eq!(small.query(query).await.status, 504);
    let answer = small.query("{ hello }").await;
    assert_eq!(told(&answer), cost(1, 1, 1_000, 898));
}

#[tokio::test]
async fn without_a_budget_costs_are_not_told() {
    let small = Small::limited(|limits| limits.budget = None).await;
    let answer = small
        .query("{ clients(first: 100) { nodes { id } } }")
        .await;
    assert!(answer.json().get("extensions").is_none(), "{}", answer.text);
}

on_both!(
    a_list_costs_the_rows_that_its_reader_has,
    async |mut app: App| {
        let team = app.team().await;
        for name in ["Alpha", "Beta", "Gamma"] {
            app.client_of(&team.ann, name).await;
        }
        app.client_of(&team.ben, "Delta").await;
        app.restart(|options| options.limits.budget = Some(still(2_000, 4_000)))
            .await;
        let query =
            "{ clients(first: 50) { nodes { name owner { name } } pageInfo { hasNextPage } } }";
        for (person, rows) in [(&team.ann, 3), (&team.ben, 1), (&team.cleo, 0)] {
            let answer = app.gql(&person.token, query, json!({})).await.ok();
            assert_eq!(answer.list("/clients/nodes").len(), rows);
            let actual = 2 + 2 * u64::try_from(rows).unwrap();
            assert_eq!(
                answer.json["extensions"]["cost"],
                cost(102, actual, 4_000, 4_000 - actual)
            );
        }
    }
);
