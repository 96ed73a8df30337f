//! How many requests run at the same time.

use std::time::Duration;

use clientele::http::{Budget, Concurrency, Limits};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::small::{OTHER_TOKEN, Reply, Small, TOKEN, reply};

/// Few places, and nobody waits for one.
fn few(limits: &mut Limits) {
    limits.concurrency = Concurrency {
        per_user: 1,
        per_address: 1,
        process: 64,
        queries: 48,
        patience: Duration::ZERO,
    };
    limits.signed_in.query_deadline = Duration::from_mins(5);
    limits.anonymous.0.query_deadline = Duration::from_mins(5);
}

async fn ask(small: &Small, token: &str, query: &str) -> Reply {
    let mut request = small.request("POST", "/graphql");
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    reply(request.json(&json!({ "query": query }))).await
}

/// Sends a request that takes long, and returns once it runs.
async fn begin_slow(small: &Small, token: &str) -> JoinHandle<Reply> {
    let mut request = small.request("POST", "/graphql");
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let request = request.json(&json!({ "query": "{ slow(millis: 300000) }" }));
    let sent = tokio::spawn(reply(request));
    Small::counted(&small.written.started).await;
    sent
}

/// Asks until a place is free.
async fn until_served(small: &Small, token: &str) {
    let served = async {
        while ask(small, token, "{ hello }").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), served)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_has_so_many_places_on_all_devices() {
    let small = Small::limited(few).await;
    let slow = begin_slow(&small, TOKEN).await;
    for token in [TOKEN, OTHER_TOKEN] {
        let refused = ask(&small, token, "{ hello }").await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (429, "CONCURRENCY")
        );
        assert_eq!(refused.code(), "THROTTLED");
        assert_eq!(refused.header("retry-after"), "1");
        assert_eq!(refused.error()["extensions"]["retryable"], true);
    }
    assert_eq!(ask(&small, "", "{ hello }").await.status, 200);
    // A client that goes away leaves its place.
    slow.abort();
    until_served(&small, TOKEN).await;
}

#[tokio::test]
async fn anonymous_callers_of_an_address_have_so_many_places() {
    let small = Small::limited(few).await;
    let slow = begin_slow(&small, "").await;
    let refused = ask(&small, "", "{ hello }").await;
    assert_eq!(
        (refused.status, refused.rule().as_str()),
        (429, "CONCURRENCY")
    );
    assert_eq!(ask(&small, TOKEN, "{ hello }").await.status, 200);
    slow.abort();
    until_served(&small, "").await;
}

#[tokio::test]
async fn an_overloaded_process_sheds_queries_and_still_writes() {
    let small = Small::limited(|limits| {
        few(limits);
        limits.concurrency.per_user = 10;
        limits.concurrency.process = 2;
        limits.concurrency.queries = 1;
        limits.budget = Some(Budget {
            restored_per_second: 0,
            ..Budget::default()
        });
    })
    .await;
    let slow = begin_slow(&small, TOKEN).await;
    let refused = ask(&small, TOKEN, "{ clients(first: 100) { nodes { id } } }").await;
    assert_eq!(
        (refused.status, refused.rule().as_str()),
        (503, "OVERLOADED")
    );
    assert_eq!(refused.code(), "UNAVAILABLE");
    assert_eq!(refused.error()["extensions"]["retryable"], true);
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    // What did not run cost nothing: 1 is that of the slow query.
    let status = &refused.json()["extensions"]["cost"]["throttleStatus"];
    assert_eq!(status["currentlyAvailable"], 3_999);
    let written = ask(&small, TOKEN, "mutation { write(millis: 0) }").await;
    assert_eq!(written.status, 200, "{}", written.text);
    slow.abort();
    until_served(&small, TOKEN).await;
}

#[tokio::test]
async fn who_can_wait_a_little_is_served_in_turn() {
    let small = Small::limited(|limits| {
        few(limits);
        limits.concurrency.patience = Duration::from_secs(45);
    })
    .await;
    let slow = small
        .graphql()
        .json(&json!({ "query": "{ slow(millis: 100) }" }));
    let slow = tokio::spawn(reply(slow));
    Small::counted(&small.written.started).await;
    assert_eq!(small.query("{ hello }").await.status, 200);
    assert_eq!(slow.await.unwrap().status, 200);
}
