//! Connections, the end of the service, and the page it serves.

use std::time::Duration;

use clientele::http::graphql::Options;
use clientele::http::{Drained, server};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::raw;
use crate::small::{Small, reply};

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
