//! The edge: what it takes, what it refuses, and how it says so.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clientele::http::documents::Documents;
use clientele::http::graphql::Options;
use clientele::http::meter::{self, Introspection};
use clientele::http::refusal::Refusal;
use clientele::http::{Bounds, Drained, Limits, scan, server};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::small::{Reply, Small, TOKEN, reply};

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";

async fn graphql_response(small: &Small, query: &str) -> Reply {
    let accept = "application/graphql-response+json";
    reply(
        small
            .graphql()
            .header("accept", accept)
            .json(&json!({ "query": query })),
    )
    .await
}

/// Sends bytes as they are and reads until the server closes.
async fn raw(small: &Small, bytes: &str) -> String {
    let mut stream = TcpStream::connect(small.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may close while it still has unread bytes: what it said first counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_query_by_post_is_answered() {
    let small = Small::start().await;
    let reply = small.query("{ hello }").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, JSON));
    assert_eq!(reply.json(), json!({ "data": { "hello": "world" } }));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn variables_and_operation_names_are_honoured() {
    let small = Small::start().await;
    let body = json!({
        "query": "query A { hello } query B($t: String!) { echo(text: $t) }",
        "operationName": "B",
        "variables": { "t": "你好" },
        "extensions": {},
    });
    let answer = reply(small.graphql().json(&body)).await.json();
    assert_eq!(answer["data"], json!({ "echo": "你好" }));
    let body = json!({ "query": "query A { hello }", "operationName": "C" });
    let refused = reply(small.graphql().json(&body)).await;
    assert_eq!(refused.rule(), "GRAPHQL_VALIDATION_FAILED");
    let body = json!({ "query": "{ hello }", "operationName": null, "variables": null });
    assert_eq!(reply(small.graphql().json(&body)).await.status, 200);
}

#[tokio::test]
async fn a_query_by_get_is_answered_and_anything_else_by_get_is_not() {
    let small = Small::start().await;
    let get = |query: &str, name: &str, variables: &str| {
        let pairs = [
            ("query", query),
            ("operationName", name),
            ("variables", variables),
        ];
        small
            .request("GET", "/graphql")
            .bearer_auth(TOKEN)
            .query(&pairs)
    };
    let query =
        "query A { hello } query B($t: String!) { echo(text: $t) } mutation M { write(millis: 0) }";
    let answer = reply(get(query, "B", r#"{"t":"a&b"}"#)).await;
    assert_eq!(
        answer.json()["data"],
        json!({ "echo": "a&b" }),
        "{}",
        answer.text
    );
    assert_eq!(
        reply(get(query, "A", "")).await.json()["data"],
        json!({ "hello": "world" })
    );

    for query in ["mutation { write(millis: 0) }", "subscription { x }"] {
        let refused = reply(get(query, "", "")).await;
        assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
        assert_eq!(refused.code(), "BAD_USER_INPUT");
    }
    let refused = reply(get(query, "M", "")).await;
    assert_eq!(refused.status, 405);
    assert_eq!(
        small.written.done.load(std::sync::atomic::Ordering::SeqCst),
        0
    );

    let refused = reply(get("{ hello }", "", "{not json")).await;
    assert_eq!(
        (refused.status, refused.rule().as_str()),
        (400, "BAD_REQUEST")
    );
    let refused = reply(small.request("GET", "/graphql").bearer_auth(TOKEN)).await;
    assert_eq!(
        (refused.status, refused.rule().as_str()),
        (400, "QUERY_MISSING")
    );
}

#[tokio::test]
async fn other_methods_are_told_which_would_do() {
    let small = Small::start().await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let refused = reply(small.request(method, "/graphql")).await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, "GET, POST"),
            "{method}"
        );
    }
}

#[tokio::test]
async fn only_json_in_utf8_is_read() {
    let small = Small::start().await;
    let send = |content_type: &'static str| {
        let body = r#"{"query":"{ hello }"}"#;
        reply(
            small
                .graphql()
                .header("content-type", content_type)
                .body(body),
        )
    };
    for content_type in ["application/json", "application/json; charset=UTF-8"] {
        assert_eq!(send(content_type).await.status, 200, "{content_type}");
    }
    for content_type in [
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=iso-8859-1",
    ] {
        let refused = send(content_type).await;
        assert_eq!(refused.status, 415, "{content_type}");
        assert_eq!(refused.rule(), "UNSUPPORTED_MEDIA_TYPE");
    }
    assert_eq!(reply(small.graphql().body("{}")).await.status, 415);
}

#[tokio::test]
async fn malformed_bodies_are_answered_with_a_sentence() {
    let small = Small::start().await;
    for (body, says, rule) in [
        ("", "not valid JSON", "BAD_REQUEST"),
        ("{", "not valid JSON", "BAD_REQUEST"),
        ("\u{feff}{}", "not valid JSON", "BAD_REQUEST"),
        ("3", "query, operationName, variables", "BAD_REQUEST"),
        (r#"{"query":3}"#, "expected a string", "BAD_REQUEST"),
        (
            r#"{"query":"{ hello }","variables":[1]}"#,
            "expected a map",
            "BAD_REQUEST",
        ),
        (
            r#"{"query":"{ hello }","variables":"{}"}"#,
            "expected a map",
            "BAD_REQUEST",
        ),
        (
            r#"{"query":"{ a }","query":"{ b }"}"#,
            "duplicate field",
            "BAD_REQUEST",
        ),
        ("{}", "no query", "QUERY_MISSING"),
        (r#"{"query":"  "}"#, "no query", "QUERY_MISSING"),
        (r#"[{"query":"{ hello }"}]"#, "batches", "BATCH_REFUSED"),
        (" \n[]", "batches", "BATCH_REFUSED"),
        (
            r#"{"extensions":{"persistedQuery":{"version":1}}}"#,
            "PersistedQueryNotSupported",
            "PERSISTED_QUERY_NOT_SUPPORTED",
        ),
    ] {
        let sent = small
            .graphql()
            .header("content-type", "application/json")
            .body(body);
        let refused = reply(sent).await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (400, rule),
            "{body}"
        );
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{body}: {message}");
        assert!(
            !message.contains("Ask") && !message.contains('\n'),
            "{message}"
        );
        assert!(refused.json().get("data").is_none());
    }
    let deep = format!(
        r#"{{"query":"{{ hello }}","variables":{{"v":{}1{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let sent = small
        .graphql()
        .header("content-type", "application/json")
        .body(deep);
    assert_eq!(reply(sent).await.status, 400);
}

#[tokio::test]
async fn the_answer_has_the_type_that_was_asked_for() {
    let small = Small::start().await;
    for (accept, status, content_type) in [
        ("*/*", 200, JSON),
        ("application/json", 200, JSON),
        ("application/graphql-response+json", 200, GRAPHQL),
        (
            "application/graphql-response+json, application/json;q=0.9",
            200,
            GRAPHQL,
        ),
        ("text/html", 406, JSON),
    ] {
        let sent = small
            .graphql()
            .header("accept", accept)
            .json(&json!({ "query": "{ hello }" }));
        let answer = reply(sent).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, content_type)
        );
    }
}

#[tokio::test]
async fn documents_that_do_not_parse_or_validate_are_400_or_200_by_media_type() {
    let small = Small::start().await;
    for (query, rule) in [
        ("{ hello", "GRAPHQL_PARSE_FAILED"),
        ("{ hello(a: \"", "GRAPHQL_PARSE_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ hello { x } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ echo }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { x }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{ ...A } fragment A on Query { ...A }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        let strict = graphql_response(&small, query).await;
        assert_eq!(
            (strict.status, strict.rule().as_str()),
            (400, rule),
            "{query}"
        );
        let lenient = small.query(query).await;
        assert_eq!(
            (lenient.status, lenient.rule().as_str()),
            (200, rule),
            "{query}"
        );
        assert_eq!(lenient.code(), "BAD_USER_INPUT");
        assert!(lenient.json().get("data").is_none());
    }
    let error = small.query("{\n  hello(\n}").await.error();
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("syntax error: expected "), "{message}");
    assert!(
        message.ends_with("(line 3, column 1)") && !message.contains('\n'),
        "{message}"
    );
    assert_eq!(error["locations"], json!([{ "line": 3, "column": 1 }]));
}

#[tokio::test]
async fn bodies_over_the_limit_are_413_announced_or_not() {
    let small = Small::start().await;
    let body = |bytes: usize| format!(r#"{{"query":"{{ hello }}","x":"{}"}}"#, "x".repeat(bytes));
    for (token, limit) in [(true, 256 * 1024), (false, 16 * 1024)] {
        let send = |bytes: usize| {
            let request = small.request("POST", "/graphql");
            let request = if token {
                request.bearer_auth(TOKEN)
            } else {
                request
            };
            reply(
                request
                    .header("content-type", "application/json")
                    .body(body(bytes)),
            )
        };
        assert_eq!(send(limit - 100).await.status, 200);
        let refused = send(limit).await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (413, "PAYLOAD_TOO_LARGE")
        );
        assert_eq!(refused.code(), "LIMIT_EXCEEDED");
        assert!(refused.json().get("data").is_none());
    }

    let chunk = "x".repeat(1_000);
    let mut request = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        .to_owned();
    for _ in 0..20 {
        write!(request, "3e8\r\n{chunk}\r\n").unwrap();
    }
    let answer = raw(&small, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("PAYLOAD_TOO_LARGE"));
}

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
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
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

/// The query that explorers and code generators send, as graphql-js writes it with all its options on.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name kind } \
    mutationType { name kind } subscriptionType { name kind } types { ...FullType } directives { name \
    description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } } \
    fragment FullType on __Type { kind name description specifiedByURL isOneOf \
    fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } \
    type { ...TypeRef } isDeprecated deprecationReason } inputFields(includeDeprecated: true) { ...InputValue } \
    interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated \
    deprecationReason } possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated \
    deprecationReason } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name } } } } } } } } } }";

#[tokio::test]
async fn introspection_has_a_budget_of_its_own_and_a_switch() {
    let small = Small::start().await;
    let answer = small.query(INTROSPECTION).await;
    assert!(answer.json()["errors"].is_null(), "{}", answer.error());
    assert!(answer.text.contains("\"Fragile\""));
    // Lists of lists of lists of the schema.
    let lists =
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    assert_eq!(small.query(lists).await.rule(), "QUERY_TOO_DEEP");
    let mixed =
        "{ hello __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    assert_eq!(small.query(mixed).await.rule(), "QUERY_TOO_DEEP");
    assert_eq!(small.anonymous(INTROSPECTION).await.status, 400);

    let options = Options {
        introspection: Introspection::Off,
        ..Options::default()
    };
    let small = Small::with(options, server::Options::default()).await;
    for query in [
        "{ __schema { types { name } } }",
        "{ a: __type(name: \"Query\") { name } hello }",
    ] {
        let refused = small.query(query).await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (400, "INTROSPECTION_OFF")
        );
    }
    assert_eq!(small.query("{ __typename }").await.status, 200);
}

#[tokio::test]
async fn each_limit_holds_at_its_border() {
    let small = Small::start().await;
    let repeat = |text: &str, count: usize| {
        let all: Vec<_> = (0..count)
            .map(|i| text.replace('#', &i.to_string()))
            .collect();
        all.join(" ")
    };
    let aliases = |count| format!("{{ {} }}", repeat("a#: hello", count));
    let pages = |size: usize| {
        format!(
            "{{ clients(first: 100) {{ nodes {{ clients(first: {size}) {{ nodes {{ id }} }} }} }} }}"
        )
    };
    let depth = |levels: usize| {
        "{ maybeFragile ".to_owned()
            + &"{ node ".repeat(levels - 2)
            + "{ ok }"
            + &"}".repeat(levels - 1)
    };
    let roots = |count| format!("{{ {} }}", repeat("hello", count));
    let writes = |count| format!("mutation {{ {} }}", repeat("write(millis: 0)", count));
    let fields = |count: usize| format!("{{ maybeFragile {{ {} }} }}", repeat("ok", count - 1));
    let directives = |count| {
        format!(
            "{{ maybeFragile {{ {} }} }}",
            repeat("ok @include(if: true)", count)
        )
    };
    let operations = |count| repeat("query Q# { hello }", count);
    for (what, fits, over, rule) in [
        (
            "aliases",
            "{ maybeFragile { ".to_owned() + &repeat("a#: ok", 30) + " } }",
            aliases(31),
            "QUERY_TOO_COMPLEX",
        ),
        ("nodes", pages(99), pages(100), "QUERY_TOO_COMPLEX"),
        ("depth", depth(12), depth(13), "QUERY_TOO_DEEP"),
        ("roots", roots(20), roots(21), "QUERY_TOO_COMPLEX"),
        ("writes", writes(10), writes(11), "QUERY_TOO_COMPLEX"),
        ("fields", fields(1_000), fields(1_001), "QUERY_TOO_COMPLEX"),
        (
            "directives",
            directives(30),
            directives(31),
            "QUERY_TOO_COMPLEX",
        ),
        (
            "operations",
            operations(20),
            operations(21),
            "QUERY_TOO_COMPLEX",
        ),
    ] {
        let body = if what == "operations" {
            json!({ "query": fits, "operationName": "Q1" })
        } else {
            json!({ "query": fits })
        };
        let answer = reply(small.graphql().json(&body)).await;
        assert!(answer.json()["errors"].is_null(), "{what}: {}", answer.text);
        let body = json!({ "query": over, "operationName": body["operationName"] });
        let refused = reply(small.graphql().json(&body)).await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (400, rule),
            "{what}"
        );
        assert_eq!(refused.code(), "LIMIT_EXCEEDED");
        assert!(refused.json().get("data").is_none());
    }
    for (query, rule) in [
        ("{ a: hello }", "QUERY_TOO_COMPLEX"),
        ("{ hello @skip(if: false) }", "QUERY_TOO_COMPLEX"),
        ("{ hello fast }", "QUERY_TOO_COMPLEX"),
        (
            "{ maybeFragile { node { node { node { ok } } } } }",
            "QUERY_TOO_DEEP",
        ),
    ] {
        let refused = small.anonymous(query).await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (400, rule),
            "{query}"
        );
    }
}

#[tokio::test]
async fn page_sizes_count_whether_written_given_or_left_out() {
    let small = Small::start().await;
    let nested = |page: &str, first: i64| {
        let query = format!(
            "query($n: Int = 100) {{ clients{page} {{ nodes {{ clients{page} {{ edges {{ node {{ id }} }} }} }} }} }}"
        );
        (query, first)
    };
    for ((query, first), allowed) in [
        (nested("(first: $n)", 3), true),
        (nested("(first: $n)", 100), false),
        (nested("(first: $n)", i64::MAX), false),
        (nested("(first: 10)", 3), true),
    ] {
        let query = if query.contains("$n)") {
            query
        } else {
            query.replace("($n: Int = 100) ", "")
        };
        let variables = if query.contains("$n") {
            json!({ "n": first })
        } else {
            json!({})
        };
        let body = json!({ "query": query, "variables": variables });
        let answer = reply(small.graphql().json(&body)).await;
        assert_eq!(
            answer.rule() != "QUERY_TOO_COMPLEX",
            allowed,
            "{query} {first} {}",
            answer.text
        );
    }
    // The default of the variable.
    let (query, _) = nested("(first: $n)", 0);
    assert_eq!(small.query(&query).await.rule(), "QUERY_TOO_COMPLEX");
    // Three connections without a size: 20 * 20 * 20 and what leads there is below 10,000; four are not.
    let three = "{ clients { nodes { clients { nodes { clients { nodes { id } } } } } } }";
    assert_eq!(small.query(three).await.status, 200);
    let four = "{ clients { nodes { clients { ...C } } } } \
         fragment C on Connection { edges { node { clients { nodes { clients { nodes { id } } } } } } }";
    assert_eq!(small.query(four).await.rule(), "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn variables_are_bounded() {
    let small = Small::start().await;
    let send = |variables: Json| {
        reply(
            small
                .graphql()
                .json(&json!({ "query": "{ hello }", "variables": variables })),
        )
    };
    let mut deep = json!(1);
    for _ in 0..30 {
        deep = json!([deep]);
    }
    assert_eq!(send(json!({ "v": deep.clone() })).await.status, 200);
    assert_eq!(send(json!({ "v": [[deep]] })).await.rule(), "BAD_VARIABLES");
    let wide = |count: usize| json!({ "v": vec![1; count] });
    assert_eq!(send(wide(19_999)).await.status, 200);
    let refused = send(wide(20_000)).await;
    assert_eq!(
        (refused.status, refused.rule().as_str()),
        (400, "BAD_VARIABLES")
    );
    assert_eq!(refused.code(), "BAD_USER_INPUT");
}

/// Documents that cost more than they look, made from rules. Names say the rule.
fn hostile() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |name: String, text: String| all.push((name, text));
    let list = |count: usize, text: &dyn Fn(usize) -> String| -> String {
        (0..count).map(text).collect::<Vec<_>>().join(" ")
    };
    for levels in [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30] {
        let doubling = |last: &str| {
            let fragments = list(levels, &|i| {
                let next = i + 1;
                format!("fragment F{i} on Query {{ ...F{next} ...F{next} }}")
            });
            format!("{{ ...F0 }} {fragments} {last}")
        };
        let last = format!("fragment F{levels} on Query {{ hello }}");
        add(format!("doubling {levels}"), doubling(&last));
        add(format!("doubling to nothing {levels}"), doubling(""));
        let fields = list(levels, &|i| {
            let next = i + 1;
            format!(
                "fragment F{i} on Fragile {{ a: node {{ ...F{next} }} b: node {{ ...F{next} }} }}"
            )
        });
        add(
            format!("doubling fields {levels}"),
            format!(
                "{{ maybeFragile {{ ...F0 }} }} {fields} fragment F{levels} on Fragile {{ ok }}"
            ),
        );
        // Ten levels are within what a whole document may hold.
        if levels > 10 {
            add(
                format!("doubling in an unused fragment {levels}"),
                format!("{{ hello }} {}", doubling(&last).split_once('}').unwrap().1),
            );
        }
    }
    for depth in [40, 1_000, 15_000] {
        let wrap = |open: &str, close: &str| {
            format!(
                "{{ echo(text: {}1{}) }}",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        add(format!("lists {depth}"), wrap("[", "]"));
        add(format!("open lists {depth}"), wrap("[", ""));
        if depth < 5_000 {
            add(format!("objects {depth}"), wrap("{a:", "}"));
            add(
                format!("sets {depth}"),
                "{a".repeat(depth) + &"}".repeat(depth),
            );
            add(
                format!("inline fragments {depth}"),
                "{...".repeat(depth) + "{a}" + &"}".repeat(depth),
            );
        }
        add(
            format!("types {depth}"),
            format!(
                "query($a: {}Int{}) {{ hello }}",
                "[".repeat(depth),
                "]".repeat(depth)
            ),
        );
        add(
            format!("lists behind a false block string {depth}"),
            format!("{{ echo(text: [\"\"\" \" \" {}", "[".repeat(depth)),
        );
    }
    for count in [31, 400, 5_000] {
        add(
            format!("aliases {count}"),
            format!("{{ {} }}", list(count, &|i| format!("a{i}:hello"))),
        );
        add(
            format!("directives {count}"),
            format!(
                "{{ hello {} }}",
                list(count, &|_| "@skip(if:false)".to_owned())
            ),
        );
        add(
            format!("operations {count}"),
            list(count, &|i| format!("query Q{i} {{ hello }}")),
        );
        add(
            format!("roots {count}"),
            format!("{{ {} }}", list(count, &|_| "hello".to_owned())),
        );
    }
    add(
        "arguments".to_owned(),
        format!("{{ echo({}) }}", list(5_000, &|i| format!("a{i}:1"))),
    );
    add(
        "variables".to_owned(),
        format!(
            "query({}) {{ hello }}",
            list(3_000, &|i| format!("$v{i}:Int"))
        ),
    );
    add(
        "a huge string".to_owned(),
        format!("{{ echo(text: \"{}\") }}", "x".repeat(100_000)),
    );
    add(
        "a huge block string".to_owned(),
        format!(
            "{{ echo(text: \"\"\"{}\"\"\") }}",
            "\\\"\"\"".repeat(20_000)
        ),
    );
    add("quotes".to_owned(), "\"".repeat(30_001));
    add("comments".to_owned(), "#\n".repeat(40_000) + "{ hello }");
    for length in [1, 2, 20] {
        let circle = list(length, &|i| {
            format!("fragment F{i} on Query {{ ...F{} }}", (i + 1) % length)
        });
        add(
            format!("circle of {length}"),
            format!("{{ ...F0 }} {circle}"),
        );
        add(
            format!("unused circle of {length}"),
            format!("{{ hello }} {circle}"),
        );
    }
    let chain = list(200, &|i| {
        format!("fragment F{i} on Query {{ ...F{} }}", i + 1)
    });
    add(
        "chain".to_owned(),
        format!("{{ ...F0 }} {chain} fragment F200 on Query {{ hello }}"),
    );
    let pages = "clients(first: 100) { nodes { ".repeat(5) + "id" + &" } }".repeat(5);
    add("pages of pages".to_owned(), format!("{{ {pages} }}"));
    let types = "type { fields { ".repeat(5) + "name" + &" } }".repeat(5);
    add(
        "types of types".to_owned(),
        format!("{{ __type(name: \"Query\") {{ fields {{ {types} }} }} }}"),
    );
    all
}

fn look_at(text: &str, documents: &Documents, bounds: &Bounds) -> Result<(), Refusal> {
    let document = documents.parse(text, scan::check(text, bounds)?)?;
    let operation =
        meter::operation(&document, Some("Q0")).or_else(|_| meter::operation(&document, None))?;
    let variables = async_graphql::Variables::default();
    meter::check(&document, operation, &variables, bounds, Introspection::On).map(drop)
}

#[test]
fn hostile_documents_are_refused_before_validation() {
    let all = hostile();
    assert!(all.len() >= 40, "{}", all.len());
    let documents = Documents::new(1 << 20);
    let bounds = Bounds::default();
    let mut slowest = (Duration::ZERO, String::new());
    for (name, text) in &all {
        let start = Instant::now();
        let refused = look_at(text, &documents, &bounds);
        let took = start.elapsed();
        println!("{took:>10.1?}  {:>6} bytes  {name}", text.len());
        assert!(
            refused.is_err(),
            "{name} passed: {}",
            &text[..text.len().min(500)]
        );
        if took > slowest.0 {
            slowest = (took, name.clone());
        }
    }
    println!("{} documents, slowest {:?}", all.len(), slowest);
}

#[tokio::test]
async fn hostile_documents_leave_the_server_alive() {
    let small = Small::start().await;
    for (name, text) in hostile() {
        let body =
            json!({ "query": text, "operationName": text.starts_with("query Q0").then_some("Q0") });
        let sent = small
            .graphql()
            .header("accept", "application/graphql-response+json");
        let refused = reply(sent.json(&body)).await;
        assert!(
            matches!(refused.status, 400 | 413),
            "{name}: {}",
            refused.text
        );
        assert!(
            ["LIMIT_EXCEEDED", "BAD_USER_INPUT"].contains(&refused.code().as_str()),
            "{name}"
        );
    }
    assert_eq!(small.query("{ hello }").await.status, 200);
}

#[tokio::test]
async fn a_shutdown_answers_what_is_in_flight() {
    let mut small = Small::start().await;
    let request = small
        .graphql()
        .json(&json!({ "query": "{ slow(millis: 300) }" }));
    let in_flight = tokio::spawn(reply(request));
    Small::counted(&small.written.started).await;
    assert_eq!(small.query("{ hello }").await.status, 200);
    small.begin_stop();
    assert_eq!(in_flight.await.unwrap().status, 200);
    assert_eq!(small.stopped().await, Drained::Completely);
    assert!(TcpStream::connect(small.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_cuts_what_takes_too_long() {
    let sockets = server::Options {
        drain_deadline: Duration::from_millis(50),
        ..server::Options::default()
    };
    let mut small = Small::with(Options::default(), sockets).await;
    let mut stream = TcpStream::connect(small.address).await.unwrap();
    stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    assert_eq!(small.query("{ hello }").await.status, 200);
    small.begin_stop();
    assert_eq!(small.stopped().await, Drained::Cut(1));
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_not_waited_for() {
    let sockets = server::Options {
        header_deadline: Duration::from_millis(50),
        ..server::Options::default()
    };
    let small = Small::with(Options::default(), sockets).await;
    for head in ["", "POST /graphql HTTP/1.1\r\nhost:"] {
        let closed = tokio::time::timeout(Duration::from_secs(10), raw(&small, head));
        closed.await.unwrap();
    }
}

#[tokio::test]
async fn connections_over_the_cap_wait_for_a_place() {
    let sockets = server::Options {
        max_connections: 1,
        ..server::Options::default()
    };
    let small = Small::with(Options::default(), sockets).await;
    let first = TcpStream::connect(small.address).await.unwrap();
    let waiting = small.request("GET", "/livez");
    let mut waiting = tokio::spawn(reply(waiting));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err());
    drop(first);
    assert_eq!(waiting.await.unwrap().text, "ok");
}

#[tokio::test]
async fn the_explorer_is_served_from_inside_and_guarded() {
    let small = Small::start().await;
    let page = reply(small.request("GET", "/")).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert!(
        page.text.contains("<title>Clientele</title>") && page.text.contains("ada@example.com")
    );
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("unsafe-eval"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let again = small
        .request("GET", "/")
        .header("if-none-match", page.header("etag"));
    assert_eq!(reply(again).await.status, 304);

    let mut files = 0;
    for part in page
        .text
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
    {
        let file = reply(small.request("GET", part)).await;
        assert_eq!(file.status, 200, "{part}");
        assert!(file.header("cache-control").contains("immutable"));
        assert!(!file.text.is_empty());
        files += 1;
    }
    assert_eq!(files, 6);
    assert_eq!(
        reply(small.request("GET", "/assets/x/../../Cargo.toml"))
            .await
            .status,
        404
    );
    assert_eq!(
        reply(small.request("GET", "/assets/x/none.js"))
            .await
            .status,
        404
    );
    // No place loads from elsewhere.
    let elements = page
        .text
        .split('<')
        .filter(|element| element.starts_with("script") || element.starts_with("link"));
    for element in elements {
        assert!(
            !element.contains("=\"http") && !element.contains("=\"//"),
            "{element}"
        );
    }
}
