//! How large a request may be: each limit at its border.

use clientele::http::graphql::Options;
use clientele::http::meter::Introspection;
use clientele::http::server;
use serde_json::{Value as Json, json};

use crate::small::{Small, TOKEN, reply};

/// The query that explorers and code generators send, as graphql-js writes it with all its options on.
pub const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name kind } \
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
            (403, "INTROSPECTION_OFF")
        );
    }
    assert_eq!(small.query("{ __typename }").await.status, 200);
}

/// So many fields of a fragile thing, none of them twice in one place.
fn tree(count: usize) -> String {
    match count {
        1 => "ok".to_owned(),
        2 => "ok __typename".to_owned(),
        3 | 4 => format!("ok node {{ {} }}", tree(count - 2)),
        _ => {
            let left = (count - 3) / 2;
            let right = count - 3 - left;
            format!("ok node {{ {} }} items {{ {} }}", tree(left), tree(right))
        }
    }
}

#[tokio::test]
async fn each_limit_holds_at_its_border() {
    let small = Small::limited(|limits| limits.budget = None).await;
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
    let fields = |count: usize| format!("{{ maybeFragile {{ {} }} }}", tree(count - 1));
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
        // What is selected again counts as an alias.
        (
            "repeated fields",
            format!("{{ maybeFragile {{ {} }} }}", repeat("ok", 31)),
            format!("{{ maybeFragile {{ {} }} }}", repeat("ok", 32)),
            "QUERY_TOO_COMPLEX",
        ),
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
    let small = Small::limited(|limits| limits.budget = None).await;
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

/// What a text measures before it is parsed, and variables, for both kinds of callers.
#[tokio::test]
async fn the_bounds_before_the_parser_hold_at_their_borders_for_everybody() {
    let small = Small::start().await;
    let repeat = |text: &str, count: usize| vec![text; count].join(" ");
    let bytes = |count: usize| format!("{{ hello }} #{}", "x".repeat(count - 11));
    let tokens = |count: usize| format!("{{ hello(x: [{}]) }}", repeat("1", count - 9));
    let nesting = |count: usize| {
        let (open, close) = ("[".repeat(count - 2), "]".repeat(count - 2));
        format!("{{ hello(x: {open}1{close}) }}")
    };
    let depth = |count: usize| (1..count).fold(json!(1), |inner, _| json!([inner]));
    let nodes = |count: usize| json!(vec![1; count - 1]);
    for (token, most) in [
        (TOKEN, [32 * 1024, 2_000, 32, 32, 20_000]),
        ("", [4 * 1024, 300, 12, 8, 50]),
    ] {
        let send = |query: String, variable: Json| {
            let mut request = small.request("POST", "/graphql");
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            let body = json!({ "query": query, "variables": { "v": variable } });
            reply(
                request
                    .header("accept", "application/graphql-response+json")
                    .json(&body),
            )
        };
        for more in [0, 1] {
            for (query, rule) in [
                (bytes(most[0] + more), "QUERY_TOO_LARGE"),
                (tokens(most[1] + more), "QUERY_TOO_LARGE"),
                (nesting(most[2] + more), "QUERY_TOO_DEEP"),
            ] {
                let answer = send(query, Json::Null).await;
                let told = answer.rule();
                assert_eq!(told == rule, more == 1, "{rule} {token} {}", answer.text);
                if more == 1 {
                    assert_eq!(
                        (answer.status, answer.code().as_str()),
                        (400, "LIMIT_EXCEEDED")
                    );
                }
            }
            for variable in [depth(most[3] + more), nodes(most[4] + more)] {
                let answer = send("{ hello }".to_owned(), variable).await;
                assert_eq!(
                    answer.status,
                    if more == 1 { 400 } else { 200 },
                    "{}",
                    answer.text
                );
                assert_eq!(answer.rule() == "BAD_VARIABLES", more == 1);
            }
        }
    }
}

#[tokio::test]
async fn anonymous_callers_have_little_room() {
    let small = Small::start().await;
    let fields = |count: usize| {
        format!(
            "{{ maybeFragile {{ {} }} }}",
            "... { ok } ".repeat(count - 1)
        )
    };
    for (fits, over, rule) in [
        (fields(30), fields(31), "QUERY_TOO_COMPLEX"),
        (
            "mutation { write(millis: 0) }".to_owned(),
            "mutation { write(millis: 0) copy(bytes: 1) }".to_owned(),
            "QUERY_TOO_COMPLEX",
        ),
        (
            "query A { hello }".to_owned(),
            "query A { hello } query B { hello }".to_owned(),
            "QUERY_TOO_COMPLEX",
        ),
        (
            "{ maybeFragile { node { node { ok } } } }".to_owned(),
            "{ maybeFragile { node { node { node { ok } } } } }".to_owned(),
            "QUERY_TOO_DEEP",
        ),
    ] {
        let answer = small.anonymous(&fits).await;
        assert!(answer.json().get("errors").is_none(), "{}", answer.text);
        let body =
            json!({ "query": over, "operationName": over.contains("query A").then_some("A") });
        let refused = reply(small.request("POST", "/graphql").json(&body)).await;
        assert_eq!(
            (refused.status, refused.rule().as_str()),
            (400, rule),
            "{over}"
        );
    }
}
