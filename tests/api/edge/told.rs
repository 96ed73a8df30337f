//! The table of errors in the documentation of `http::errors`, row by row: each is brought about and looks as
//! the table says; nothing is refused with a rule or a code that is not in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clientele::http::graphql::Options;
use clientele::http::meter::Introspection;
use clientele::http::{Budget, Concurrency, Limits, Trust, TrustedDocuments, server};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::small::{CODES, Reply, Small, TOKEN, reply, schema};
use crate::support::{App, Backend};

const TABLE: &str = include_str!("../../../src/http/errors.rs");

/// Status, code and rule; no rule is an empty one.
type Row = (u16, String, String);

/// The rows of the table, one for each status.
fn rows() -> BTreeSet<Row> {
    let lines = TABLE.lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut rows = BTreeSet::new();
    for line in lines {
        let cells: Vec<_> = line
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect();
        for status in cells[0]
            .split(", ")
            .filter_map(|status| status.parse().ok())
        {
            rows.insert((status, cells[1].clone(), cells[2].clone()));
        }
    }
    rows
}

/// What was seen of each row.
#[derive(Default)]
struct Seen(BTreeSet<Row>);

impl Seen {
    fn note(&mut self, answer: &Reply) {
        let row = (answer.status, answer.code(), answer.rule());
        let status = answer.status;
        let error = answer.error();
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{error}"
        );
        let id = answer.header("x-request-id");
        assert_eq!(error["extensions"]["requestId"], id, "{}", answer.text);
        let can_wait = ["THROTTLED", "TIMEOUT", "UNAVAILABLE"].contains(&row.1.as_str());
        assert_eq!(
            error["extensions"]["retryable"] == true,
            can_wait,
            "{error}"
        );
        let names_wait = !answer.header("retry-after").is_empty();
        assert_eq!(names_wait, matches!(status, 429 | 503), "{}", answer.text);
        assert_eq!(!answer.header("allow").is_empty(), status == 405);
        assert_eq!(!answer.header("www-authenticate").is_empty(), status == 401);
        assert_eq!(
            error.get("path").is_some(),
            answer.json().get("data").is_some(),
            "{error}"
        );
        self.0.insert(row);
    }
}

async fn both_media(small: &Small, seen: &mut Seen, body: &Json) {
    for accept in ["application/json", "application/graphql-response+json"] {
        let request = small.graphql().header("accept", accept).json(body);
        seen.note(&reply(request).await);
    }
}

async fn of_requests(seen: &mut Seen) {
    let small = Small::start().await;
    let post = |body: &'static str| {
        let request = small.graphql().header("content-type", "application/json");
        reply(request.body(body))
    };
    seen.note(&post("{").await);
    seen.note(&post("{}").await);
    seen.note(&post("[]").await);
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let deep: Json = serde_json::from_str(&deep).unwrap();
    let body = json!({ "query": "{ hello }", "variables": { "v": deep } });
    seen.note(&reply(small.graphql().json(&body)).await);
    both_media(&small, seen, &json!({ "query": "{" })).await;
    both_media(&small, seen, &json!({ "query": "{ none }" })).await;
    let persisted = |digit: &str| json!({ "version": 1, "sha256Hash": digit.repeat(64) });
    let by_hash = json!({ "extensions": { "persistedQuery": persisted("a") } });
    both_media(&small, seen, &by_hash).await;
    let mismatch = json!({ "query": "{ hello }", "extensions": by_hash["extensions"] });
    seen.note(&reply(small.graphql().json(&mismatch)).await);
    both_media(&small, seen, &json!({ "documentId": "none" })).await;
    seen.note(&small.query(&" hello".repeat(10_000)).await);
    let nested = format!("{{ a(b: {}1{}) }}", "[".repeat(40), "]".repeat(40));
    seen.note(&small.query(&nested).await);
    seen.note(&small.query(&format!("{{ {} }}", "hello ".repeat(21))).await);
    seen.note(
        &small
            .query("{ clients(first: 2000) { nodes { id } } }")
            .await,
    );
    seen.note(&small.anonymous("{ viewer }").await);
    let sent = small.request("POST", "/graphql").bearer_auth("wrong");
    seen.note(&reply(sent.json(&json!({ "query": "{ hello }" }))).await);
    seen.note(&reply(small.request("PUT", "/graphql")).await);
    let sent = small.graphql().header("accept", "text/html");
    seen.note(&reply(sent.json(&json!({ "query": "{ hello }" }))).await);
    seen.note(&reply(small.graphql().body("{}")).await);
    let keyed = small.graphql().header("idempotency-key", "no spaces");
    let write = json!({ "query": "mutation { write(millis: 0) }" });
    seen.note(&reply(keyed.json(&write)).await);
    let large = json!({ "query": "{ hello }", "x": "x".repeat(300_000) });
    seen.note(&reply(small.graphql().json(&large)).await);
    for token in ["throttled", "unavailable"] {
        let sent = small.request("POST", "/graphql").bearer_auth(token);
        seen.note(&reply(sent.json(&json!({ "query": "{ hello }" }))).await);
    }
    seen.note(&small.query("{ panic }").await);
    for code in CODES {
        let query = format!("{{ raise(code: \"{}\") }}", code.as_str());
        let answer = small.query(&query).await;
        seen.note(&answer);
        assert_eq!(answer.code(), code.as_str());
    }
}

async fn of_settings(seen: &mut Seen) {
    let hello = json!({ "query": "{ hello }" });
    let look = "{ __type(name: \"Query\") { name } }";
    let with = |options: Options| Small::with(options, server::Options::default());
    let small = with(Options {
        introspection: Introspection::Off,
        ..Options::default()
    })
    .await;
    seen.note(&small.query(look).await);
    let small = with(Options {
        introspection: Introspection::SignedIn,
        ..Options::default()
    })
    .await;
    assert_eq!(small.query(look).await.status, 200);
    seen.note(&small.anonymous(look).await);

    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.graphql"), "{ fast }").unwrap();
    let trusted = TrustedDocuments::load(Trust::Only, place.path(), &schema()).await;
    let small = with(Options {
        trusted: trusted.ok().unwrap().map(Arc::new),
        ..Options::default()
    })
    .await;
    seen.note(&reply(small.graphql().json(&hello)).await);
    let hash = json!({ "version": 1, "sha256Hash": "0".repeat(64) });
    both_media(
        &small,
        seen,
        &json!({ "extensions": { "persistedQuery": hash } }),
    )
    .await;

    let small = Small::limited(|limits| limits.response_bytes = 1_000).await;
    assert_eq!(small.query("{ text(bytes: 500) }").await.status, 200);
    seen.note(&small.query("{ text(bytes: 1000) }").await);
    let written = small.query("mutation { copy(bytes: 1000) }").await;
    seen.note(&written);
    let message = written.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("the write is done"), "{message}");
    let done = small.written.done.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(done, 1);

    let small = Small::limited(|limits| {
        limits.budget = Some(Budget {
            bucket: 1,
            restored_per_second: 0,
            ..Budget::default()
        });
        limits.signed_in.query_deadline = Duration::from_millis(20);
    })
    .await;
    seen.note(&small.query("{ slow(millis: 60000) }").await);
    seen.note(&small.query("{ hello }").await);
}

async fn of_crowds(seen: &mut Seen) {
    let none = |limits: &mut Limits| {
        limits.concurrency = Concurrency {
            per_user: 0,
            patience: Duration::ZERO,
            ..Concurrency::default()
        };
    };
    seen.note(&Small::limited(none).await.query("{ hello }").await);
    let small = Small::limited(|limits| {
        limits.concurrency.queries = 0;
        limits.concurrency.patience = Duration::ZERO;
    })
    .await;
    seen.note(&small.query("{ hello }").await);

    let options = Options {
        body_deadline: Duration::from_millis(20),
        ..Options::default()
    };
    let small = Small::with(options, server::Options::default()).await;
    let head = head_after(&small, &format!("authorization: Bearer {TOKEN}\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(
        head.contains("BODY_TOO_SLOW") && head.contains("\"TIMEOUT\""),
        "{head}"
    );
    seen.0
        .insert((408, "TIMEOUT".to_owned(), "BODY_TOO_SLOW".to_owned()));
}

/// Announces a body, sends none of it, and reads what is answered.
async fn head_after(small: &Small, headers: &str) -> String {
    let mut stream = TcpStream::connect(small.address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: 2000\r\nconnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), reading)
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What is refused by what the schema says of its values.
async fn of_values(seen: &mut Seen) {
    let app = App::start(Backend::Sqlite).await;
    let team = app.team().await;
    let large: Vec<Json> = (0..19_000).map(|_| json!({})).collect();
    let uses = "clients(filter: $f) { totalCount } ";
    for (query, variables) in [
        (
            "{ clients(first: 101) { totalCount } }".to_owned(),
            json!({}),
        ),
        (
            format!("query($f: ClientFilter) {{ {} }}", aliased(uses, 8)),
            json!({ "f": { "and": large } }),
        ),
    ] {
        for accept in ["application/json", "application/graphql-response+json"] {
            let request = app.request(reqwest::Method::POST, "/graphql");
            let body = json!({ "query": query, "variables": variables });
            let request = request.bearer_auth(&team.ann.token).json(&body);
            seen.note(&reply(request.header("accept", accept)).await);
        }
    }
}

/// The selection so many times, each under a name of its own.
fn aliased(selection: &str, count: usize) -> String {
    (0..count).map(|n| format!("a{n}: {selection}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_looks_as_the_table_says_and_none_is_missing() {
    let mut seen = Seen::default();
    of_values(&mut seen).await;
    of_requests(&mut seen).await;
    of_settings(&mut seen).await;
    of_crowds(&mut seen).await;
    let mut rows = rows();
    // A rule of the business is named by the business.
    for row in seen.0 {
        assert!(rows.remove(&row), "{row:?} is not in the table");
    }
    assert!(rows.is_empty(), "nothing brought these about: {rows:?}");
}

/// Names in capitals that are no rules.
const NO_RULES: [&str; 4] = ["POST", "INTERNAL", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"];

#[test]
fn every_rule_and_code_of_the_sources_is_in_the_table() {
    let rows = rows();
    let codes: BTreeSet<_> = rows.iter().map(|row| row.1.as_str()).collect();
    let listed = CODES.iter().map(|code| code.as_str());
    for line in include_str!("../../../src/error.rs").lines() {
        if let Some((_, code)) = line.split_once(" => \"") {
            let code = code.trim_end_matches("\",");
            assert!(codes.contains(code), "{code} is not in the table");
            assert!(
                listed.clone().any(|known| known == code),
                "{code} is not in CODES"
            );
        }
    }
    let rules: BTreeSet<_> = rows.iter().map(|row| row.2.as_str()).collect();
    let mut found = 0;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for literal in text.split('"') {
            let is_name = literal.len() > 3
                && literal
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            if is_name && !NO_RULES.contains(&literal) {
                found += 1;
                assert!(
                    rules.contains(literal),
                    "{literal} of {} is not in the table",
                    path.display()
                );
            }
        }
    }
    assert!(found > 20, "{found} rules were found in the sources");
}

#[tokio::test]
async fn the_token_is_looked_at_before_the_body_is_read() {
    let small = Small::start().await;
    for authorization in ["Bearer expired", "Basic Zm9vOmJhcg=="] {
        let head = head_after(&small, &format!("authorization: {authorization}\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    }
}
