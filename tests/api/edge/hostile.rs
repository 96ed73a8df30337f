//! Documents that cost more than they look, made from rules.

use std::time::{Duration, Instant};

use clientele::http::documents::{Documents, hash_of};
use clientele::http::meter::{self, Introspection};
use clientele::http::refusal::Refusal;
use clientele::http::{Bounds, CallerKind, scan};
use serde_json::json;

use crate::small::{Small, reply};

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
    let document = documents.parse(text, hash_of(text), scan::check(text, bounds)?)?;
    let operation =
        meter::operation(&document, Some("Q0")).or_else(|_| meter::operation(&document, None))?;
    let variables = async_graphql::Variables::default();
    meter::check(
        &document,
        operation,
        &variables,
        bounds,
        Introspection::On,
        CallerKind::SignedIn,
    )
    .map(drop)
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
