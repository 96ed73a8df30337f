//! Who is not let in, and what errors tell.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clientele::http::graphql::Options;
use clientele::http::meter::Introspection;
use clientele::http::{Bounds, Limits, server};
use serde_json::json;

use crate::small::{Reply, Small, TOKEN, reply};

#[tokio::test]
async fn a_bad_token_is_401_before_anything_is_parsed() {
    let small = Small::start().await;
    for authorization in [
        "Bearer expired",
        "Bearer ",
        "Bearer",
        "Basic Zm9vOmJhcg==",
        "good",
    ] {
        let sent = small
            .request("POST", "/graphql")
            .header("authorization", authorization);
        let refused = reply(sent.json(&json!({ "query": "{{{{" }))).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (401, "UNAUTHENTICATED")
        );
        // RFC 6750 section 3.1: an error is told of a token, not of none.
        let challenge = if authorization == "Bearer expired" {
            "Bearer error=\"invalid_token\""
        } else {
            "Bearer"
        };
        assert_eq!(refused.header("www-authenticate"), challenge);
    }
    let sent = small
        .request("POST", "/graphql")
        .header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(
        reply(sent.json(&json!({ "query": "{ viewer }" })))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_anonymous_request_for_more_than_it_may_see_is_401() {
    let small = Small::start().await;
    let refused = small.anonymous("{ viewer }").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "UNAUTHENTICATED")
    );
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let options = Options {
        introspection: Introspection::SignedIn,
        ..Options::default()
    };
    let closed = Small::with(options, server::Options::default()).await;
    let refused = closed
        .anonymous("{ __type(name: \"Query\") { name } }")
        .await;
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, "Bearer")
    );
    assert_eq!(
        small.anonymous("{ hello }").await.json()["data"],
        json!({ "hello": "world" })
    );
    assert_eq!(
        small.query("{ viewer }").await.json()["data"],
        json!({ "viewer": "Ada" })
    );
}

#[tokio::test]
async fn a_throttled_caller_is_told_when_to_come_back() {
    let small = Small::start().await;
    let sent = small.request("POST", "/graphql").bearer_auth("throttled");
    let refused = reply(sent.json(&json!({ "query": "{ hello }" }))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "7"));
    assert_eq!(refused.error()["extensions"]["retryable"], json!(true));
}

#[tokio::test]
async fn suggestions_are_for_signed_in_callers() {
    let small = Small::start().await;
    let message = |reply: &Reply| reply.error()["message"].as_str().unwrap().to_owned();
    let signed_in = message(&small.query("{ helo }").await);
    assert!(signed_in.contains("Did you mean"), "{signed_in}");
    let anonymous = message(&small.anonymous("{ helo }").await);
    assert_eq!(anonymous, "Unknown field \"helo\" on type \"Query\".");
    let anonymous = message(&small.anonymous("{ echo(txt: \"\") }").await);
    assert!(!anonymous.contains("Did you mean"), "{anonymous}");
}

#[tokio::test]
async fn faults_of_ours_tell_nothing_but_the_request_id() {
    let small = Small::start().await;
    for query in ["{ fault }", "{ bare }", "{ parseFailure }"] {
        let answer = small.query(query).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (200, "INTERNAL"),
            "{query}"
        );
        assert!(
            !answer.text.contains("SELECT") && !answer.text.contains("digit"),
            "{}",
            answer.text
        );
        let id = answer.error()["extensions"]["requestId"].clone();
        assert_eq!(id, json!(answer.header("x-request-id")));
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_logged_once_with_its_cause_and_the_request_id() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone());
    // Everything of a test runs on its one thread, the server too.
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let small = Small::start().await;
    small.query("{ rule }").await;
    let answer = small.query("{ fault }").await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = logged.lines().collect();
    assert_eq!(lines.len(), 1, "{logged}");
    for part in [
        "ERROR",
        "SELECT secret FROM t",
        answer.header("x-request-id"),
    ] {
        assert!(lines[0].contains(part), "{logged}");
    }
}

#[tokio::test]
async fn errors_of_rules_and_of_input_say_what_to_do() {
    let small = Small::start().await;
    let error = small.query("{ rule }").await.error();
    let expected =
        json!({ "code": "RULE_VIOLATED", "rule": "order.over_limit", "fields": ["input.lines"] });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&error["extensions"][name], value);
    }
    let refused = small.query("{ even(n: 3) }").await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.text.contains("not an even number"));
    let body = json!({ "query": "query($n: Even!) { even(n: $n) }", "variables": { "n": "x" } });
    let refused = reply(small.graphql().json(&body)).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT", "{}", refused.text);
}

#[tokio::test]
async fn a_panic_ends_one_request_and_nothing_else() {
    let small = Small::start().await;
    let answer = small.query("{ panic }").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "INTERNAL"));
    assert!(!answer.text.contains("secret") && answer.json().get("data").is_none());
    let sent = small.request("POST", "/graphql").bearer_auth("panics");
    let answer = reply(sent.json(&json!({ "query": "{ hello }" }))).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.header("x-request-id").is_empty());
    assert_eq!(reply(small.request("GET", "/fails")).await.status, 500);
    assert_eq!(small.query("{ hello }").await.status, 200);
}

#[tokio::test]
async fn a_query_over_its_deadline_is_504_and_a_write_goes_on() {
    let bounds = Bounds {
        query_deadline: Duration::from_millis(50),
        mutation_deadline: Duration::from_millis(50),
        ..Bounds::default()
    };
    let limits = Limits {
        signed_in: bounds,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let small = Small::with(options, server::Options::default()).await;
    let late = small.query("{ slow(millis: 60000) }").await;
    assert_eq!((late.status, late.code().as_str()), (504, "TIMEOUT"));
    assert_eq!(late.error()["extensions"]["retryable"], json!(true));

    let late = small.query("mutation { write(millis: 150) }").await;
    assert_eq!(late.status, 504);
    Small::counted(&small.written.done).await;
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let small = Small::start().await;
    let with = |id: &str| {
        let sent = small.graphql().header("x-request-id", id);
        reply(sent.json(&json!({ "query": "{ requestId }" })))
    };
    let answer = with("Phone_7-42").await;
    assert_eq!(answer.header("x-request-id"), "Phone_7-42");
    assert_eq!(answer.json()["data"]["requestId"], "Phone_7-42");
    for id in ["a b", "<script>", &"x".repeat(65), ""] {
        let answer = with(id).await;
        let own = answer.header("x-request-id");
        assert!(uuid::Uuid::parse_str(own).is_ok(), "{own}");
    }
    for path in ["/livez", "/", "/nothing", "/graphql", "/fails"] {
        let answer = reply(small.request("GET", path)).await;
        assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
    }
    let missing = reply(small.request("GET", "/nothing")).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.code(), "NOT_FOUND");
}

#[tokio::test]
async fn statements_are_told_only_when_asked_for() {
    let small = Small::start().await;
    let answer = small.query("{ statements(count: 3) }").await;
    assert_eq!(answer.header("clientele-statements"), "");
    let options = Options {
        debug_headers: true,
        ..Options::default()
    };
    let small = Small::with(options, server::Options::default()).await;
    let answer = small.query("{ statements(count: 3) }").await;
    assert_eq!(answer.header("clientele-statements"), "3");
    assert_eq!(
        small
            .query("{ hello }")
            .await
            .header("clientele-statements"),
        "0"
    );
}

#[tokio::test]
async fn headers_of_resolvers_go_out() {
    let small = Small::start().await;
    assert_eq!(
        small.query("{ header }").await.header("x-from-resolver"),
        "yes"
    );
}
