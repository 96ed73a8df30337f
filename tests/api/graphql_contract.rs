//! What the GraphQL library must keep doing: the schema is written against these promises. A test that fails
//! after an update of the library shows what the update would change for clients.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value as Json, json};

use crate::small::{Small, schema};

async fn run(query: &str) -> Json {
    serde_json::to_value(schema().execute(query).await).unwrap()
}

fn paths(answer: &Json) -> Vec<Json> {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["path"].clone()).collect()
}

#[tokio::test]
async fn fields_come_in_the_order_of_the_query() {
    let response = schema().execute("{ slow(millis: 20) fast hello }").await;
    let text = serde_json::to_string(&response.data).unwrap();
    assert_eq!(text, r#"{"slow":20,"fast":0,"hello":"world"}"#);
}

#[tokio::test]
async fn fields_of_one_object_run_at_the_same_time() {
    let start = std::time::Instant::now();
    run("{ a: slow(millis: 1000) b: slow(millis: 1000) c: slow(millis: 1000) }").await;
    assert!(start.elapsed() < std::time::Duration::from_millis(2_500));
}

#[tokio::test]
async fn a_failed_nullable_field_is_null_and_its_siblings_stay() {
    let answer = run("{ may hello }").await;
    assert_eq!(answer["data"], json!({ "may": null, "hello": "world" }));
    assert_eq!(paths(&answer), [json!(["may"])]);
}

#[tokio::test]
async fn a_failed_non_null_field_nulls_its_parent() {
    let answer = run("{ hello maybeFragile { ok must } }").await;
    assert_eq!(
        answer["data"],
        json!({ "hello": "world", "maybeFragile": null })
    );
    assert_eq!(paths(&answer), [json!(["maybeFragile", "must"])]);
    let answer = run("{ hello must }").await;
    assert_eq!(answer["data"], Json::Null);
    assert_eq!(paths(&answer), [json!(["must"])]);
}

#[tokio::test]
async fn a_result_of_an_option_nulls_its_parent_so_resolvers_return_an_option_of_a_result() {
    let answer = run("{ hello resultOfOption }").await;
    assert_eq!(answer["data"], Json::Null);
}

#[tokio::test]
async fn a_failed_list_item_nulls_the_item_or_the_list_as_its_type_says() {
    let answer = run("{ maybeItems }").await;
    assert_eq!(answer["data"], json!({ "maybeItems": [1, null, null] }));
    assert_eq!(paths(&answer), [json!(["maybeItems", 1])]);

    let answer = run("{ items }").await;
    assert_eq!(answer["data"], Json::Null);
    assert_eq!(paths(&answer), [json!(["items", 1])]);

    let answer = run("{ maybeFragiles { ok must } }").await;
    assert_eq!(
        answer["data"],
        json!({ "maybeFragiles": [{ "ok": 1, "must": 2 }, null, null] })
    );

    let answer = run("{ fragiles { ok may } }").await;
    assert_eq!(
        answer["data"],
        json!({ "fragiles": [{ "ok": 1, "may": 3 }, { "ok": 1, "may": null }] })
    );
    assert_eq!(paths(&answer), [json!(["fragiles", 1, "may"])]);
}

#[tokio::test]
async fn through_the_edge_the_path_of_an_error_leads_to_the_field_that_failed() {
    let small = Small::start().await;
    for (query, path) in [
        ("{ fragiles { ok must } }", json!(["fragiles", 1, "must"])),
        (
            "{ maybeFragiles { ok must } }",
            json!(["maybeFragiles", 1, "must"]),
        ),
        (
            "{ list: fragiles { one: must } }",
            json!(["list", 1, "one"]),
        ),
        (
            "{ fragiles { ...F } } fragment F on Fragile { ... on Fragile { must } }",
            json!(["fragiles", 1, "must"]),
        ),
        (
            "{ fragiles { node { must } } }",
            json!(["fragiles", 1, "node", "must"]),
        ),
        (
            "{ fragiles { even(n: 3) } }",
            json!(["fragiles", 0, "even"]),
        ),
        // Below a list whose index is lost, the path stays what it surely is.
        ("{ fragiles { items { must } } }", json!(["fragiles", 1])),
        ("{ items }", json!(["items", 1])),
    ] {
        let reply = small.query(query).await;
        assert_eq!(reply.error()["path"], path, "{query}: {}", reply.text);
    }
}

#[tokio::test]
async fn data_is_absent_when_nothing_ran_and_null_when_everything_failed() {
    let small = Small::start().await;
    for query in ["{ unknown }", "{", "query A { hello } query B { hello }"] {
        let answer = small.query(query).await.json();
        assert!(
            answer["errors"].is_array() && answer.get("data").is_none(),
            "{answer}"
        );
    }
    let answer = small.query("{ must }").await.json();
    assert_eq!(answer.get("data"), Some(&Json::Null));
}

#[tokio::test]
async fn an_argument_that_cannot_be_read_is_an_error_of_its_field() {
    let answer = run("{ even(n: 3) }").await;
    assert_eq!(
        answer["errors"][0]["message"],
        "Failed to parse \"Even\": not an even number"
    );
    assert_eq!(paths(&answer), [json!(["even"])]);
}

#[tokio::test]
async fn mutations_run_one_after_the_other() {
    let small = Small::start().await;
    let reply = small
        .query("mutation { a: write(millis: 30) b: write(millis: 0) }")
        .await;
    assert_eq!(reply.json()["data"], json!({ "a": 1, "b": 2 }));
}
