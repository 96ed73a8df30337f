//! GraphQL over HTTP: each demand of the draft, as a request and what its answer must be. The ids are those of
//! the audits of the `graphql-http` project, where one has the same subject.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::small::{Reply, Small, reply};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// What an answer must be.
struct Wanted {
    status: u16,
    /// What the content type begins with.
    media: &'static str,
    /// Whether there must be `data`, or must not.
    data: Option<bool>,
}

const fn wanted(status: u16, media: &'static str, data: bool) -> Wanted {
    Wanted {
        status,
        media,
        data: Some(data),
    }
}

#[track_caller]
fn check(id: &str, answer: &Reply, wanted: &Wanted) {
    let media = answer.header("content-type");
    assert_eq!(answer.status, wanted.status, "{id}: {}", answer.text);
    assert!(media.starts_with(wanted.media), "{id}: {media}");
    assert!(media.ends_with("; charset=utf-8"), "{id}: {media}");
    let json = answer.json();
    if let Some(has_data) = wanted.data {
        assert_eq!(json.get("data").is_some(), has_data, "{id}: {json}");
        assert_eq!(json.get("errors").is_none(), has_data, "{id}: {json}");
    }
    let status = StatusCode::from_u16(answer.status).unwrap();
    // With this media type 2xx means data, everything else means none.
    if wanted.media == GRAPHQL {
        assert_eq!(
            status.is_success(),
            json.get("data").is_some(),
            "{id}: {json}"
        );
    }
}

async fn post(small: &Small, accept: Option<&str>, body: &Json) -> Reply {
    let mut request = small.request("POST", "/graphql").json(body);
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    reply(request).await
}

#[tokio::test]
async fn media_types_are_negotiated() {
    let small = Small::start().await;
    let body = json!({ "query": "{ __typename }" });
    for (id, accept, media) in [
        ("22EB", Some(GRAPHQL), GRAPHQL),
        ("4655", Some(JSON), JSON),
        ("47DE", Some("*/*"), JSON),
        ("80D8", None, JSON),
        (
            "preferred",
            Some("application/json;q=0.5, application/graphql-response+json"),
            GRAPHQL,
        ),
        (
            "refused",
            Some("application/graphql-response+json;q=0, */*"),
            JSON,
        ),
        (
            "charset",
            Some("application/graphql-response+json; charset=utf-8"),
            GRAPHQL,
        ),
    ] {
        check(
            id,
            &post(&small, accept, &body).await,
            &wanted(200, media, true),
        );
    }
    let other = post(&small, Some("text/html, image/png"), &body).await;
    check("406", &other, &wanted(406, JSON, false));
}

#[tokio::test]
async fn requests_by_post_are_read_as_the_draft_says() {
    let small = Small::start().await;
    let query = "{ __typename }";
    let mut cases: Vec<(&str, Json, u16)> = vec![
        ("2C94", json!({ "query": query }), 200),
        ("34A2", json!({ "query": query }), 200),
        (
            "8161",
            json!({ "query": "query Query { __typename }", "operationName": "Query" }),
            200,
        ),
        ("94B0", json!({ "query": query, "variables": null }), 200),
        (
            "94B1",
            json!({ "query": query, "operationName": null }),
            200,
        ),
        ("94B2", json!({ "query": query, "extensions": null }), 200),
        (
            "empty name",
            json!({ "query": query, "operationName": "" }),
            200,
        ),
        (
            "2EA1",
            json!({
                "query": "query Type($name: String!) { __type(name: $name) { name } }",
                "variables": { "name": "sometype" },
            }),
            200,
        ),
        (
            "428F",
            json!({ "query": query, "extensions": { "some": "value" } }),
            200,
        ),
        (
            "BF61",
            json!({ "query": "{ __type(name: \"Run🏃Swim🏊\") { name } }" }),
            200,
        ),
        ("423L", json!({ "notquery": query }), 400),
        ("array", json!([{ "query": query }]), 400),
    ];
    for invalid in [
        json!({ "obj": "ect" }),
        json!(0),
        json!(false),
        json!(["array"]),
    ] {
        cases.push(("LKJ", json!({ "query": invalid }), 400));
        cases.push((
            "6C0",
            json!({ "query": query, "operationName": invalid }),
            400,
        ));
    }
    for invalid in [json!("string"), json!(0), json!(false), json!(["array"])] {
        cases.push(("476", json!({ "query": query, "variables": invalid }), 400));
        cases.push(("58B", json!({ "query": query, "extensions": invalid }), 400));
    }
    for (id, body, status) in cases {
        for media in [JSON, GRAPHQL] {
            let answer = post(&small, Some(media), &body).await;
            check(
                &format!("{id} {body}"),
                &answer,
                &wanted(status, media, status == 200),
            );
        }
    }
}

#[tokio::test]
async fn documents_that_cannot_run_have_the_status_of_their_media_type() {
    let small = Small::start().await;
    for (id, body) in [
        ("572B 865D 556A D586", json!({ "query": "{" })),
        (
            "FDE2 51FE 74FF 5E5B",
            json!({ "query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }" }),
        ),
        (
            "unknown field",
            json!({ "query": "{ f31403dfe404bccbb0e835f2629c6a7 }" }),
        ),
        (
            "7B9B 86EE",
            json!({ "query": "query C($id: ID!){ __typename }", "variables": { "id": null } }),
        ),
        (
            "no operation",
            json!({ "query": "query A { hello }", "operationName": "B" }),
        ),
        (
            "which operation",
            json!({ "query": "query A { hello } query B { hello }" }),
        ),
    ] {
        for (media, status) in [(JSON, 200), (GRAPHQL, 400)] {
            let answer = post(&small, Some(media), &body).await;
            check(id, &answer, &wanted(status, media, false));
        }
    }
}

#[tokio::test]
async fn errors_of_fields_leave_the_answer_a_success() {
    let small = Small::start().await;
    for (query, data) in [
        ("{ hello may }", json!({ "hello": "world", "may": null })),
        ("{ must }", Json::Null),
    ] {
        for media in [JSON, GRAPHQL] {
            let sent = small.graphql().header("accept", media);
            let answer = reply(sent.json(&json!({ "query": query }))).await;
            let wanted = Wanted {
                status: 200,
                media,
                data: None,
            };
            check(query, &answer, &wanted);
            assert_eq!(answer.json()["data"], data);
            assert_eq!(answer.code(), "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn requests_that_are_no_graphql_are_4xx() {
    let small = Small::start().await;
    let body = json!({ "query": "{ __typename }" }).to_string();
    let send = |accept: &'static str, content_type: Option<&'static str>, body: String| {
        let mut request = small
            .request("POST", "/graphql")
            .header("accept", accept)
            .body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        reply(request)
    };
    for media in [JSON, GRAPHQL] {
        for (id, content_type, text, status) in [
            ("9ABE", None, body.as_str(), 415),
            ("415", Some("application/xml"), body.as_str(), 415),
            (
                "charset",
                Some("application/json; charset=latin1"),
                body.as_str(),
                415,
            ),
            ("A5BF", Some(JSON), "", 400),
            ("BCF8 B7N8 B6DC", Some(JSON), "{ \"not a JSON", 400),
            (
                "8764 3E3A",
                Some(JSON),
                "{\"qeury\": \"{__typename}\"}",
                400,
            ),
            ("78D5", Some(JSON), body.as_str(), 200),
            (
                "BF61",
                Some("application/json; charset=utf-8"),
                body.as_str(),
                200,
            ),
        ] {
            let answer = send(media, content_type, text.to_owned()).await;
            check(id, &answer, &wanted(status, media, status == 200));
        }
    }
}

#[tokio::test]
async fn requests_by_get_only_read() {
    let small = Small::start().await;
    let get = |accept: &'static str, pairs: &[(&str, &str)]| {
        let request = small.request("GET", "/graphql").header("accept", accept);
        reply(request.query(pairs))
    };
    let typed = "query Type($name: String!) { __type(name: $name) { name } }";
    for media in [JSON, GRAPHQL] {
        for (id, pairs, status) in [
            ("5A70", vec![("query", "{ __typename }")], 200),
            (
                "D6D5 6A70",
                vec![("query", typed), ("variables", "{\"name\":\"sometype\"}")],
                200,
            ),
            (
                "name",
                vec![("query", "query A { __typename }"), ("operationName", "A")],
                200,
            ),
            (
                "no name",
                vec![("query", "{ __typename }"), ("operationName", "")],
                200,
            ),
            ("9C48", vec![("query", "mutation { __typename }")], 405),
            (
                "variables",
                vec![("query", typed), ("variables", "[1]")],
                400,
            ),
            ("nothing", vec![], 400),
            (
                "twice",
                vec![("query", "{ __typename }"), ("query", "{ hello }")],
                400,
            ),
        ] {
            let answer = get(media, &pairs).await;
            check(id, &answer, &wanted(status, media, status == 200));
            if status == 405 {
                assert_eq!(answer.header("allow"), "POST");
            }
        }
    }
}
