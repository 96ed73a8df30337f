//! Trusted documents, and documents that clients register.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use clientele::http::documents::hash_of;
use clientele::http::graphql::Options;
use clientele::http::meter::Introspection;
use clientele::http::{Trust, TrustedDocuments, server};
use serde_json::{Value as Json, json};

use crate::small::{OTHER_TOKEN, Reply, Small, TOKEN, reply, schema};
use crate::support::App;

fn hex(text: &str) -> String {
    let mut hex = String::new();
    for byte in hash_of(text) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

/// More aliases than anybody may send.
fn wide() -> String {
    let fields: String = (0..40).fold(String::new(), |mut text, i| {
        write!(text, " a{i}: hello").unwrap();
        text
    });
    format!("query Wide {{{fields} }}")
}

const HOME: &str = "query Home($n: Int) { clients(first: $n) { nodes { id } } }\n";
const RENAME: &str = "mutation { write(millis: 0) }";
const NAMED: &str = "{ hello }";
const LOOK: &str = "{ __type(name: \"Query\") { name } }";

/// A directory with documents in all three forms.
fn documents() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    put("home.graphql", HOME);
    put(
        "relay.json",
        &json!({ (hex(&wide())): wide(), "hello-v1": NAMED }).to_string(),
    );
    let operations = json!([
        { "id": hex(RENAME), "name": "Rename", "type": "mutation", "body": RENAME },
        { "id": hex(LOOK), "name": "Look", "type": "query", "body": LOOK },
    ]);
    let apollo = json!({
        "format": "apollo-persisted-query-manifest", "version": 1, "operations": operations,
    });
    put("apollo.json", &apollo.to_string());
    put("README.txt", "{ not a document");
    place
}

async fn load(trust: Trust, place: &Path) -> clientele::Result<Option<TrustedDocuments>> {
    TrustedDocuments::load(trust, place, &schema()).await
}

async fn small_with(trust: Trust, change: impl FnOnce(&mut Options)) -> Small {
    let place = documents();
    let trusted = load(trust, place.path()).await.ok().unwrap();
    let mut options = Options {
        trusted: trusted.map(Arc::new),
        ..Options::default()
    };
    change(&mut options);
    Small::with(options, server::Options::default()).await
}

async fn send(small: &Small, body: Json) -> Reply {
    reply(small.graphql().json(&body)).await
}

fn apollo(text: &str) -> Json {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hex(text) } })
}

#[tokio::test]
async fn trusted_documents_are_run_by_id_by_hash_and_by_text() {
    let small = small_with(Trust::Only, |_| {}).await;
    let hello = json!({ "hello": "world" });
    for body in [
        json!({ "documentId": format!("sha256:{}", hex(NAMED)) }),
        json!({ "documentId": hex(NAMED) }),
        json!({ "documentId": "hello-v1" }),
        json!({ "extensions": apollo(NAMED) }),
        json!({ "query": NAMED }),
        json!({ "query": NAMED, "extensions": apollo(NAMED) }),
    ] {
        let answer = send(&small, body.clone()).await;
        assert_eq!(answer.json()["data"], hello, "{body} {}", answer.text);
    }
    let body = json!({ "documentId": hex(HOME), "operationName": "Home", "variables": { "n": 2 } });
    let answer = send(&small, body).await.json();
    assert_eq!(
        answer["data"]["clients"]["nodes"].as_array().unwrap().len(),
        2
    );
    assert_eq!(answer["extensions"]["cost"]["requestedQueryCost"], 3);
    let answer = send(&small, json!({ "documentId": hex(RENAME) })).await;
    assert_eq!(answer.json()["data"]["write"], 1, "{}", answer.text);
    // No limit of size holds for them, whoever asks.
    let answer = send(&small, json!({ "documentId": hex(&wide()) })).await;
    assert_eq!(answer.json()["data"]["a39"], "world", "{}", answer.text);
    let anonymous = small.request("POST", "/graphql");
    let answer = reply(anonymous.json(&json!({ "documentId": hex(&wide()) }))).await;
    assert_eq!(answer.json()["data"]["a39"], "world", "{}", answer.text);
}

#[tokio::test]
async fn trusted_documents_are_run_by_get() {
    let small = small_with(Trust::Prefer, |_| {}).await;
    let get = |pairs: Vec<(&str, String)>| {
        reply(
            small
                .request("GET", "/graphql")
                .bearer_auth(TOKEN)
                .query(&pairs),
        )
    };
    let id = ("documentId", format!("sha256:{}", hex(HOME)));
    let answer = get(vec![id, ("variables", r#"{"n":1}"#.to_owned())]).await;
    assert_eq!(
        answer.json()["data"]["clients"]["nodes"][0]["id"],
        0,
        "{}",
        answer.text
    );
    let answer = get(vec![("extensions", apollo(NAMED).to_string())]).await;
    assert_eq!(answer.json()["data"]["hello"], "world", "{}", answer.text);
    let refused = get(vec![("documentId", hex(RENAME))]).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn only_trusted_documents_run_where_the_service_says_so() {
    let small = small_with(Trust::Only, |options| {
        options.persisted_query_bytes = Some(1 << 20);
    })
    .await;
    for body in [
        json!({ "query": "{ fast }" }),
        json!({ "query": " { hello }" }),
        json!({ "query": "{ fast }", "extensions": apollo("{ fast }") }),
    ] {
        let refused = send(&small, body).await;
        let told = (refused.status, refused.rule());
        assert_eq!(told, (403, "DOCUMENT_NOT_TRUSTED".to_owned()));
        assert_eq!(refused.code(), "FORBIDDEN");
    }
    let accept = "application/graphql-response+json";
    let sent = small.graphql().header("accept", accept);
    let refused = reply(sent.json(&json!({ "documentId": hex("{ fast }") }))).await;
    assert_eq!(
        (refused.status, refused.rule().as_str()),
        (404, "DOCUMENT_UNKNOWN")
    );
    let refused = send(&small, json!({ "extensions": apollo("{ fast }") })).await;
    assert_eq!(refused.error()["message"], "PersistedQueryNotFound");

    let small = small_with(Trust::Prefer, |_| {}).await;
    assert_eq!(small.query("{ fast }").await.status, 200);
    let spaced = format!(" {}", wide());
    assert_eq!(small.query(&spaced).await.rule(), "QUERY_TOO_COMPLEX");
    assert_eq!(small.query(&wide()).await.status, 200);
}

#[tokio::test]
async fn the_switch_of_introspection_holds_for_trusted_documents() {
    let look = json!({ "documentId": hex(LOOK) });
    let small = small_with(Trust::Prefer, |_| {}).await;
    assert_eq!(send(&small, look.clone()).await.status, 200);
    let small = small_with(Trust::Prefer, |options| {
        options.introspection = Introspection::Off;
    })
    .await;
    assert_eq!(send(&small, look).await.rule(), "INTROSPECTION_OFF");
}

#[tokio::test]
async fn what_is_wrong_with_a_trusted_document_is_said_with_its_file() {
    let bomb: String = (0..20).fold(String::new(), |mut text, i| {
        let next = i + 1;
        write!(text, "fragment F{i} on Query {{ ...F{next} ...F{next} }} ").unwrap();
        text
    });
    let bomb = format!("{{ ...F0 }} {bomb} fragment F20 on Query {{ hello }}");
    let wrong_hash = json!({ (hex("{ fast }")): NAMED }).to_string();
    let two = json!({ "operations": [
        { "id": "a", "body": "{ hello }" }, { "id": "a", "body": "{ fast }" },
    ] });
    for (name, text, reason) in [
        ("syntax.graphql", "{ hello", "syntax error"),
        (
            "field.graphql",
            "query A { hello }\nquery B { helo }",
            "Unknown field \"helo\"",
        ),
        ("place.graphql", "{\n  helo\n}", "line 2, column 3"),
        ("argument.graphql", "{ echo }", "text"),
        (
            "circle.graphql",
            "{ ...A } fragment A on Query { ...A }",
            "spreads itself",
        ),
        ("bomb.graphql", bomb.as_str(), "selects too much"),
        ("live.graphql", "subscription { x }", "subscriptions"),
        ("empty.graphql", "", "syntax error"),
        ("text.json", "{ hello }", "no manifest"),
        ("list.json", "[\"{ hello }\"]", "no manifest"),
        ("hash.json", wrong_hash.as_str(), "not the SHA-256"),
        ("name.json", r#"{ "a b": "{ hello }" }"#, "an id is"),
        ("two.json", &two.to_string(), "two different texts"),
    ] {
        let place = documents();
        std::fs::write(place.path().join(name), text).unwrap();
        let error = load(Trust::Prefer, place.path()).await.err().unwrap();
        let message = error.message();
        assert!(
            message.contains(name) && message.contains(reason),
            "{message}"
        );
    }
    let nothing = tempfile::tempdir().unwrap();
    let error = load(Trust::Only, nothing.path()).await.err().unwrap();
    assert!(error.message().contains("there are no trusted documents"));
    let error = load(Trust::Only, &nothing.path().join("none")).await;
    assert!(error.err().unwrap().message().contains("cannot be read"));
    // What is off is not read.
    assert!(
        load(Trust::Off, &nothing.path().join("none"))
            .await
            .ok()
            .unwrap()
            .is_none()
    );
}

async fn registering() -> Small {
    let options = Options {
        persisted_query_bytes: Some(1 << 20),
        ..Options::default()
    };
    Small::with(options, server::Options::default()).await
}

#[tokio::test]
async fn a_client_registers_a_document_and_sends_its_hash_from_then_on() {
    let small = registering().await;
    let text = "query Echo($t: String!) { echo(text: $t) }";
    let by_hash = json!({ "extensions": apollo(text), "variables": { "t": "a" } });
    let unknown = send(&small, by_hash.clone()).await;
    assert_eq!(unknown.status, 200);
    assert_eq!(unknown.error()["message"], "PersistedQueryNotFound");
    assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND");
    let sent = small
        .graphql()
        .header("accept", "application/graphql-response+json");
    assert_eq!(reply(sent.json(&by_hash)).await.status, 400);

    let both = json!({ "query": text, "extensions": apollo(text), "variables": { "t": "b" } });
    assert_eq!(send(&small, both).await.json()["data"]["echo"], "b");
    assert_eq!(
        send(&small, by_hash.clone()).await.json()["data"]["echo"],
        "a"
    );
    let pairs = [
        ("extensions", apollo(text).to_string()),
        ("variables", r#"{"t":"c"}"#.to_owned()),
    ];
    let get = small
        .request("GET", "/graphql")
        .bearer_auth(OTHER_TOKEN)
        .query(&pairs);
    assert_eq!(reply(get).await.json()["data"]["echo"], "c");
    let id = format!("sha256:{}", hex(text));
    let by_id = json!({ "documentId": id, "variables": { "t": "d" } });
    assert_eq!(send(&small, by_id).await.json()["data"]["echo"], "d");
}

#[tokio::test]
async fn what_is_registered_was_valid_and_sent_by_somebody() {
    let small = registering().await;
    let mismatch = json!({ "query": "{ hello }", "extensions": apollo("{ fast }") });
    let refused = send(&small, mismatch).await;
    let told = (refused.status, refused.rule());
    assert_eq!(told, (400, "PERSISTED_QUERY_MISMATCH".to_owned()));

    let invalid = "{ helo }";
    send(
        &small,
        json!({ "query": invalid, "extensions": apollo(invalid) }),
    )
    .await;
    let anonymous = "{ hello }";
    let body = json!({ "query": anonymous, "extensions": apollo(anonymous) });
    let answer = reply(small.request("POST", "/graphql").json(&body)).await;
    assert_eq!(answer.json()["data"]["hello"], "world");
    for text in [invalid, anonymous, "{ fast }"] {
        let unknown = send(&small, json!({ "extensions": apollo(text) })).await;
        assert_eq!(unknown.code(), "PERSISTED_QUERY_NOT_FOUND", "{text}");
    }
    // The limits of whoever asks hold, not those of whoever registered.
    let wide = "{ a: hello }";
    send(&small, json!({ "query": wide, "extensions": apollo(wide) })).await;
    let body = json!({ "extensions": apollo(wide) });
    assert_eq!(
        send(&small, body.clone()).await.json()["data"]["a"],
        "world"
    );
    let refused = reply(small.request("POST", "/graphql").json(&body)).await;
    assert_eq!(refused.rule(), "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn a_service_without_registration_says_so() {
    let small = Small::start().await;
    let refused = send(&small, json!({ "extensions": apollo("{ hello }") })).await;
    assert_eq!(refused.status, 200);
    assert_eq!(refused.error()["message"], "PersistedQueryNotSupported");
    assert_eq!(refused.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
    let both = json!({ "query": "{ hello }", "extensions": apollo("{ hello }") });
    assert_eq!(send(&small, both).await.json()["data"]["hello"], "world");
    for persisted in [
        json!(1),
        json!({ "version": 2, "sha256Hash": hex("") }),
        json!({ "version": 1 }),
    ] {
        let body = json!({ "query": "{ hello }", "extensions": { "persistedQuery": persisted } });
        assert_eq!(send(&small, body).await.rule(), "BAD_REQUEST");
    }
}

on_both!(
    a_trusted_document_shows_each_reader_their_own,
    async |mut app: App| {
        let team = app.team().await;
        app.client_of(&team.ann, "Alpha").await;
        app.client_of(&team.ben, "Beta").await;
        let place = tempfile::tempdir().unwrap();
        let text = "query Mine { clients(first: 10) { nodes { name } } }";
        std::fs::write(place.path().join("mine.graphql"), text).unwrap();
        let schema = clientele::graphql::schema();
        let trusted = TrustedDocuments::load(Trust::Only, place.path(), &schema).await;
        let trusted = trusted.ok().unwrap().map(Arc::new);
        app.restart(|options| options.trusted = trusted).await;
        for (person, name) in [(&team.ann, "Alpha"), (&team.ben, "Beta")] {
            let body = json!({ "documentId": hex(text) });
            let answer = app.post(&person.token, "/graphql", &body).await.ok();
            assert_eq!(answer.data("/clients/nodes"), &json!([{ "name": name }]));
        }
        let refused = app
            .gql(&team.ann.token, "{ viewer { role } }", json!({}))
            .await;
        assert_eq!(refused.rule(), "DOCUMENT_NOT_TRUSTED");
    }
);
