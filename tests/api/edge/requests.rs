//! What a request must look like, by POST and by GET.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{GRAPHQL, JSON, graphql_response, raw};
use crate::small::{Small, TOKEN, reply};

#[tokio::test]
async fn a_query_by_post_is_answered() {
    let small = Small::start().await;
    let reply = small.query("{ hello }").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, JSON));
    assert_eq!(reply.json()["data"], json!({ "hello": "world" }));
    assert!(reply.json().get("errors").is_none());
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
        ("3", "query or documentId, operationName", "BAD_REQUEST"),
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
            "sha256Hash",
            "BAD_REQUEST",
        ),
        (
            r#"{"query":"{ hello }","documentId":"home"}"#,
            "not both",
            "BAD_REQUEST",
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

/// The head of a POST with a body of so many bytes.
fn head(path: &str, length: usize, authorization: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nauthorization: {authorization}\r\n\r\n"
    )
}

/// Sends a body of so many bytes piece by piece, as a proxy does that looks for no answer meanwhile.
async fn send_slowly(stream: &mut TcpStream, length: usize) {
    let piece = vec![b' '; 64 * 1024];
    let mut left = length;
    while left > 0 {
        let next = left.min(piece.len());
        let sent = stream.write_all(&piece[..next]).await;
        sent.unwrap_or_else(|error| panic!("{error} with {left} bytes to send"));
        stream.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        left -= next;
    }
}

/// Reads one answer, whose length is announced.
async fn answer_on(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        answer.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(length > 0, "closed after {text:?}");
            continue;
        };
        let head = head.to_ascii_lowercase();
        let announced = head.split("content-length: ").nth(1).unwrap();
        let announced: usize = announced.lines().next().unwrap().trim().parse().unwrap();
        if body.len() >= announced {
            return text.into_owned();
        }
        assert!(length > 0, "closed after {text:?}");
    }
}

#[tokio::test]
async fn who_sends_too_much_hears_so_and_may_go_on() {
    let small = Small::start().await;
    let good = format!("Bearer {TOKEN}");
    let mut stream = TcpStream::connect(small.address).await.unwrap();
    // Announced, to somebody with a token and to nobody; then of a length that nobody knows.
    for length in [300 * 1024, 900 * 1024] {
        let head = head("/graphql", length, &good);
        stream.write_all(head.as_bytes()).await.unwrap();
        send_slowly(&mut stream, length).await;
        let answer = answer_on(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    }
    let chunked = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n";
    stream.write_all(chunked.as_bytes()).await.unwrap();
    for _ in 0..30 {
        stream.write_all(b"2000\r\n").await.unwrap();
        send_slowly(&mut stream, 0x2000).await;
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = answer_on(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // The connection is as good as before.
    let body = r#"{"query":"{ hello }"}"#;
    let request = head("/graphql", body.len(), &good) + body;
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = answer_on(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("world"),
        "{answer}"
    );
}

/// More than is read for nothing, and what nobody reads: the connection ends, but not before the answer is heard.
#[tokio::test]
async fn who_sends_far_too_much_hears_so_before_the_end() {
    let small = Small::start().await;
    let good = format!("Bearer {TOKEN}");
    for (path, authorization, status) in [
        ("/graphql", good.as_str(), "413"),
        ("/graphql", "Bearer expired", "401"),
        ("/nowhere", "", "404"),
    ] {
        let mut stream = TcpStream::connect(small.address).await.unwrap();
        let length = 2 * 1024 * 1024;
        let length = if status == "401" { 200 * 1024 } else { length };
        let head = head(path, length, authorization);
        stream.write_all(head.as_bytes()).await.unwrap();
        send_slowly(&mut stream, length).await;
        let answer = answer_on(&mut stream).await;
        let wanted = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&wanted), "{path} {answer}");
    }
}

#[tokio::test]
async fn who_asks_before_sending_too_much_need_not_send_it() {
    let small = Small::start().await;
    let mut stream = TcpStream::connect(small.address).await.unwrap();
    let good = format!("Bearer {TOKEN}");
    let head = head("/graphql", 300 * 1024, &good);
    let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = answer_on(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
