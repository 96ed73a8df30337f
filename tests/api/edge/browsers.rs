//! Pages of other origins, and compressed answers.

use clientele::http::graphql::Options;
use clientele::http::server;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::small::{Reply, Small, reply};

const APP: &str = "https://app.example.com";

async fn small_for(origins: &[&str]) -> Small {
    let options = Options {
        origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        ..Options::default()
    };
    Small::with(options, server::Options::default()).await
}

async fn preflight(small: &Small, origin: &str) -> Reply {
    let asked = small
        .request("OPTIONS", "/graphql")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,idempotency-key",
        );
    reply(asked).await
}

#[tokio::test]
async fn listed_origins_get_leave_and_others_do_not() {
    let small = small_for(&["https://other.example.com", APP]).await;
    let leave = preflight(&small, APP).await;
    assert_eq!(leave.status, 200);
    assert_eq!(leave.header("access-control-allow-origin"), APP);
    assert_eq!(leave.header("access-control-max-age"), "7200");
    let methods = leave.header("access-control-allow-methods");
    assert!(
        methods.contains("POST") && !methods.contains("DELETE"),
        "{methods}"
    );
    let headers = leave.header("access-control-allow-headers");
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(headers.contains(name), "{headers}");
    }
    assert_eq!(leave.header("access-control-allow-credentials"), "");
    assert!(leave.header("vary").to_lowercase().contains("origin"));

    let sent = small.graphql().header("origin", APP);
    let answer = reply(sent.json(&json!({ "query": "{ hello }" }))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    let exposed = answer.header("access-control-expose-headers");
    for name in ["x-request-id", "retry-after"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    for origin in ["https://evil.example.com", "http://app.example.com", "null"] {
        let none = preflight(&small, origin).await;
        assert_eq!(none.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[tokio::test]
async fn without_origins_nobody_gets_leave() {
    for small in [Small::start().await, small_for(&["*"]).await] {
        let none = preflight(&small, APP).await;
        assert_eq!((none.status, none.header("allow")), (405, "GET, POST"));
        assert_eq!(none.header("access-control-allow-origin"), "");
    }
}

/// A page of another site can send a form or plain text without asking for leave: neither is read. What it
/// can send by GET only reads, and without a token.
#[tokio::test]
async fn what_a_page_can_send_without_leave_changes_nothing() {
    let small = small_for(&[APP]).await;
    let query = r#"{"query":"mutation { write(millis: 0) }"}"#;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let sent = small.graphql().header("content-type", content_type);
        assert_eq!(reply(sent.body(query)).await.status, 415);
    }
    let sent = small.request("GET", "/graphql?query=mutation{write(millis:0)}");
    assert_eq!(reply(sent).await.status, 405);
    let done = small.written.done.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(done, 0);
}

async fn fetch(small: &Small, accepted: &str, query: &str) -> (HeaderMap, Vec<u8>) {
    let request = small
        .graphql()
        .header("accept-encoding", accepted)
        .json(&json!({ "query": query }));
    let response = request.send().await.unwrap();
    let headers = response.headers().clone();
    (headers, response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn long_answers_are_compressed_as_the_client_accepts() {
    let small = Small::start().await;
    let query = "{ text(bytes: 5000) }";
    for (accepted, encoding, begins) in [
        ("gzip", "gzip", &[0x1f, 0x8b][..]),
        ("zstd", "zstd", &[0x28, 0xb5, 0x2f, 0xfd][..]),
        ("br", "br", &[][..]),
        ("gzip;q=0.5, br;q=0.9", "br", &[][..]),
    ] {
        let (headers, body) = fetch(&small, accepted, query).await;
        assert_eq!(headers["content-encoding"], encoding, "{accepted}");
        assert!(
            body.starts_with(begins) && body.len() < 500,
            "{accepted}: {}",
            body.len()
        );
        let vary = headers["vary"].to_str().unwrap().to_lowercase();
        assert!(vary.contains("accept-encoding"));
    }
    for accepted in ["identity", "lzma"] {
        let (headers, body) = fetch(&small, accepted, query).await;
        assert!(!headers.contains_key("content-encoding"), "{accepted}");
        assert!(body.len() > 5_000);
    }
    let (headers, _) = fetch(&small, "gzip", "{ hello }").await;
    assert!(!headers.contains_key("content-encoding"));
}
