//! Requests that ask for more than they look, of the real schema through the real server: they are refused, or
//! ended, and whoever else asks is answered meanwhile.

use std::path::Path;
use std::time::Duration;

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use clientele::http::{Budget, Limits, meter};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::limits::INTROSPECTION;
use crate::orders::{Shop, basket, mutate, placed, shop};
use crate::support::process::{Process, done};
use crate::support::{Answer, App, Backend, Person};

/// The price of a document.
fn price(document: &str) -> usize {
    let document = parse_query(document).unwrap();
    let operation = meter::operation(&document, None).unwrap();
    let weight = meter::weigh(&document, operation, &Variables::default()).unwrap();
    weight.cost(operation.ty)
}

/// A shop with an order of so many lines; answers the id of the order.
async fn order_of_lines(app: &App, lines: usize) -> (Shop, String) {
    let shop = shop(app).await;
    let line = json!({ "productId": shop.chai, "quantity": 1,
        "unitPrice": { "amount": "1.00", "currency": "EUR" } });
    let lines: Vec<Json> = (0..lines).map(|_| line.clone()).collect();
    let order = mutate(
        app,
        &shop.team.left,
        "orderCreate",
        basket(&shop, json!({ "lines": lines })),
    )
    .await
    .ok();
    let id = order.text("/orderCreate/order/id").to_owned();
    (shop, id)
}

/// Lines of the order of lines, so many times over.
fn lines_of_lines(times: usize) -> String {
    (0..times).fold("number status".to_owned(), |inner, _| {
        format!("lines {{ id order {{ id {inner} }} }}")
    })
}

async fn strict(app: &App, who: &Person, query: &str, variables: Json) -> Answer {
    let request = app
        .request(Method::POST, "/graphql")
        .bearer_auth(&who.token)
        .header("Accept", "application/graphql-response+json")
        .json(&json!({ "query": query, "variables": variables }));
    Answer::of(request).await
}

/// What everybody asks every day stays far below the price of one document.
#[test]
fn honest_documents_are_affordable() {
    let most = Budget::default().per_document;
    let home = "{ viewer { role user { id name } } clients(first: 20, orderBy: LAST_ORDER_DESC) { totalCount pageInfo { hasNextPage endCursor } \
        nodes { id name phone tier { code } keyContact { name points { kind value } } stats { trailingRevenue { amount currency } lastOrderOn } \
        orders(first: 3) { nodes { number status placedOn total { amount currency } } } } } \
        orders(first: 10, filter: { status: { in: [SUBMITTED, APPROVED] } }) { nodes { id number client { name } total { amount currency } } } }";
    let client = "query($id: ID!) { client(id: $id) { id name owner { name } parent { name } \
        team { role user { name } expiresAt } handovers { handover { createdAt } fromUser { name } toUser { name } } \
        addresses { kind street city coordinates { latitude longitude } } \
        contacts(first: 50) { totalCount nodes { id name roles points { kind value } } } \
        notes(first: 20) { nodes { id body author { name } } } \
        tier { code benefits { creditLimit { amount currency } } } \
        tierAssignments(first: 20) { nodes { kind assignedAt tier { code } } } \
        stats { orderCount lifetimeRevenue { amount currency } receivable { amount currency } } \
        orders(first: 20) { totalCount nodes { id number status total { amount currency } \
          lines { id productName quantity unitPrice { amount currency } net { amount currency } } \
          returns { id reason lines { quantity } } payments(first: 5) { nodes { amount { amount currency } } } } } } }";
    let orders = |first: usize| {
        format!(
            "{{ orders(first: {first}) {{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ id number status placedOn \
             client {{ id name }} total {{ amount currency }} lines {{ id lineNumber productName sku quantity unitPrice {{ amount }} }} }} }} }}"
        )
    };
    for (what, document) in [
        ("the home screen", home.to_owned()),
        ("a client with everything", client.to_owned()),
        ("20 orders with lines", orders(20)),
        ("50 orders with lines", orders(50)),
        ("100 orders with lines", orders(100)),
    ] {
        let price = price(&document);
        println!("{price:>6} points  {what}");
        assert!(
            u64::try_from(price).unwrap() <= most,
            "{what} costs {price} of {most}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_in_themselves_are_refused_or_ended_and_owed_for() {
    let mut app = App::start(Backend::Sqlite).await;
    let (shop, order) = order_of_lines(&app, 100).await;
    let ann = &shop.team.ann;
    let ask = |times: usize| {
        format!(
            "{{ order(id: \"{order}\") {{ {} }} }}",
            lines_of_lines(times)
        )
    };
    // Three times over: 8,000,000 objects for an order of 200 lines. Refused before it runs.
    for times in [3, 4, 5] {
        let refused = strict(&app, ann, &ask(times), json!({})).await;
        assert_eq!(
            (refused.status.as_u16(), refused.rule()),
            (400, "QUERY_TOO_COMPLEX"),
            "{refused}"
        );
    }
    // Twice over, the rows that are there decide.
    app.restart(|options| options.limits.signed_in.written_fields = 5_000)
        .await;
    let ended = strict(&app, ann, &ask(2), json!({})).await;
    assert_eq!(
        (ended.status.as_u16(), ended.code(0), ended.rule()),
        (400, "LIMIT_EXCEEDED", "QUERY_TOO_COMPLEX"),
        "{ended}"
    );
    assert_eq!(*ended.extension(0, "limit"), json!(5_000));
    assert!(ended.json.get("data").is_none());
    let answer = strict(&app, ann, &ask(1), json!({})).await.ok();
    assert_eq!(answer.list("/order/lines").len(), 100);
    // What was begun is paid for, beyond the price and what there is: some 10,000 objects.
    app.restart(|options| {
        options.limits.signed_in.written_fields = 25_000;
        options.limits.budget = Some(Budget {
            per_document: 5_000,
            bucket: 5_000,
            restored_per_second: 0,
            ..Budget::default()
        });
    })
    .await;
    let ended = strict(&app, ann, &ask(2), json!({})).await;
    assert_eq!(ended.rule(), "QUERY_TOO_COMPLEX", "{ended}");
    let left = &ended.json["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"];
    assert_eq!(*left, json!(0), "{ended}");
    let refused = strict(&app, ann, "{ viewer { role } }", json!({})).await;
    assert_eq!(refused.code(0), "THROTTLED", "{refused}");
}

/// How much of the machine an answer takes is not for one who asks to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_takes_too_long_ends_and_others_are_answered_meanwhile() {
    let mut app = App::start(Backend::Sqlite).await;
    let (shop, order) = order_of_lines(&app, 200).await;
    app.restart(|options| {
        options.limits.signed_in.written_fields = u64::MAX;
        options.limits.signed_in.nodes = usize::MAX;
        options.limits.signed_in.query_deadline = Duration::from_millis(500);
    })
    .await;
    // 8,000,000 lines.
    let query = format!("{{ order(id: \"{order}\") {{ {} }} }}", lines_of_lines(3));
    let attack = || strict(&app, &shop.team.ann, &query, json!({}));
    let others = async {
        let mut answered = 0;
        for _ in 0..20 {
            assert_eq!(app.get("", "/livez").await.status, 200);
            let honest = "{ clients(first: 5) { nodes { name } } }";
            let answer = app.gql(&shop.team.ben.token, honest, json!({})).await;
            answered += usize::from(answer.errors().is_empty());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        answered
    };
    let begun = std::time::Instant::now();
    let (first, second, third, answered) = tokio::join!(attack(), attack(), attack(), others);
    println!("three at once took {:?}", begun.elapsed());
    for ended in [first, second, third] {
        assert_eq!(
            (ended.status.as_u16(), ended.code(0)),
            (504, "TIMEOUT"),
            "{ended}"
        );
    }
    // One that waited for the processor too long is told so; most are not.
    assert!(answered > 0);
    // The deadlines of both attackers together are 1.5 s.
    assert!(
        begun.elapsed() < Duration::from_secs(40),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variable_is_looked_at_once_however_often_it_is_used() {
    let mut app = App::start(Backend::Sqlite).await;
    let team = app.team().await;
    for name in ["A", "B", "C"] {
        app.client_of(&team.ann, name).await;
    }
    let ann = &team.ann;
    let many =
        |count: usize, of: &str| -> String { (0..count).map(|n| format!("a{n}: {of} ")).collect() };
    // Nothing of it is known.
    let wrong: serde_json::Map<String, Json> =
        (0..19_000).map(|n| (format!("a{n}"), json!(1))).collect();
    for uses in [1, 30] {
        let query = format!(
            "query($f: OrderFilter) {{ clients(first: 1) {{ nodes {{ {} }} }} }}",
            many(uses, "orders(filter: $f) { totalCount }")
        );
        let refused = strict(&app, ann, &query, json!({ "f": wrong })).await;
        assert_eq!(refused.status, 400, "{refused}");
        let errors = refused.errors().len();
        let is_too_much = *refused.extension(0, "rule") == "BAD_VARIABLES";
        assert!(
            errors == 50 || (errors == 1 && is_too_much),
            "{errors} {is_too_much}"
        );
    }
    // All of it is right: 18,810 values.
    let ids: Vec<Json> = (0..190).map(|_| json!("SUBMITTED")).collect();
    let parts: Vec<Json> = (0..99)
        .map(|_| json!({ "status": { "in": ids } }))
        .collect();
    let right = json!({ "f": { "and": parts } });
    let query = |uses: usize| {
        format!(
            "query($f: OrderFilter) {{ clients(first: 100) {{ nodes {{ {} }} }} }}",
            many(uses, "orders(filter: $f, first: 0) { totalCount }")
        )
    };
    let refused = strict(&app, ann, &query(20), right.clone()).await;
    assert_eq!(refused.rule(), "BAD_VARIABLES", "{refused}");
    app.restart(|options| options.limits = Limits::default())
        .await;
    let refused = strict(&app, ann, &query(5), right.clone()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.rule()),
        (400, "COST"),
        "{refused}"
    );
    // Where it is read once it does not cost much.
    let once = "query($f: OrderFilter) { orders(filter: $f, first: 1) { totalCount } }";
    let answer = strict(&app, ann, once, right).await.ok();
    let cost = &answer.json["extensions"]["cost"]["actualQueryCost"];
    assert!(cost.as_u64().unwrap() < 100, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_fields_and_looks_at_the_schema_have_their_price() {
    let mut app = App::start(Backend::Sqlite).await;
    let team = app.team().await;
    app.restart(|options| options.limits = Limits::default())
        .await;
    let ann = &team.ann;
    for attack in [
        format!(
            "{{ __schema {{ types {{ fields {{ type {{ {} }} }} }} }} }}",
            "fields { name } ".repeat(200)
        ),
        format!(
            "{{ __schema {{ types {{ fields {{ type {{ {} }} }} }} }} }}",
            "... { fields { name } } ".repeat(200)
        ),
        format!(
            "{{ clients(first: 19) {{ nodes {{ orders(first: 100) {{ nodes {{ {} }} }} }} }} }}",
            "id ".repeat(900)
        ),
    ] {
        let refused = strict(&app, ann, &attack, json!({})).await;
        assert_eq!(
            (refused.status.as_u16(), refused.rule()),
            (400, "QUERY_TOO_COMPLEX"),
            "{refused}"
        );
    }
    // Explorers see the schema. What they see is no more than what they pay for.
    let argument = "{ __schema { types { fields { args { type { inputFields { name type { name } } } } } } } }";
    let fields = "{ __schema { types { name fields { name type { name fields { name } } } } } }";
    for look in [INTROSPECTION, argument, fields] {
        let answer = strict(&app, ann, look, json!({})).await.ok();
        let shown = leaves(answer.data(""));
        let cost = answer.json["extensions"]["cost"]["actualQueryCost"]
            .as_u64()
            .unwrap();
        println!("{shown} fields shown for {cost} points");
        assert!(
            shown <= (cost - 50) * 500,
            "{shown} fields for {cost} points"
        );
    }
}

/// All fields in an answer.
fn leaves(value: &Json) -> u64 {
    match value {
        Json::Object(fields) => fields.values().map(|value| 1 + leaves(value)).sum(),
        Json::Array(items) => items.iter().map(leaves).sum(),
        _ => 0,
    }
}

on_both!(
    a_page_out_of_bounds_is_refused_before_it_is_read,
    async |app: App| {
        let team = app.team().await;
        let pages =
            "query($n: Int) { clients(first: 1) { nodes { orders(first: $n) { totalCount } } } }";
        let last = "{ clients(last: 101) { totalCount } }";
        for (query, n, field) in [
            (pages, json!(101), "first"),
            (pages, json!(-1), "first"),
            (last, Json::Null, "last"),
        ] {
            let refused = strict(&app, &team.ann, query, json!({ "n": n })).await;
            assert_eq!(
                (refused.status.as_u16(), refused.code(0), refused.rule()),
                (400, "BAD_USER_INPUT", "BAD_PAGE_SIZE"),
                "{refused}"
            );
            assert_eq!(refused.fields(), [field]);
            assert!(refused.json.get("data").is_none(), "{refused}");
        }
        for n in [json!(0), json!(100), Json::Null] {
            let _ = strict(&app, &team.ben, pages, json!({ "n": n })).await.ok();
        }
    }
);

on_both!(what_fails_at_the_end_is_paid_for, async |mut app: App| {
    let team = app.team().await;
    for n in 0..10 {
        app.client_of(&team.ann, &format!("Client {n}")).await;
    }
    app.restart(|options| options.limits = Limits::default())
        .await;
    let torn = "{ clients(first: 100) { nodes { id owner { name } orders(first: 9, after: \"nonsense\") { nodes { id } } } } }";
    for (who, rows) in [(&team.ann, 10), (&team.ben, 0)] {
        let answer = app.gql(&who.token, torn, json!({})).await;
        let cost = answer.json["extensions"]["cost"]["actualQueryCost"]
            .as_u64()
            .unwrap();
        assert!(cost > 2 * rows, "{answer}");
        assert!(cost <= 1 + 4 * rows.max(1), "{answer}");
        assert_eq!(answer.errors().is_empty(), rows == 0, "{answer}");
    }
});

/// What a stranger may try to learn the schema by.
const PROBES: [&str; 12] = [
    "{ clients { totalCount } }",
    "{ clients(orderBy: X) { totalCount } }",
    "{ clients { nodes { x } } }",
    "{ clients(filter: { x: 1 }) { totalCount } }",
    "{ nonsense }",
    "mutation { clientCreate(input: {}) { client { id } } }",
    "mutation { nonsense(input: {}) { id } }",
    "{ ... on Client { x } }",
    "{ ... on Nonsense { x } }",
    "{ ...F } fragment F on Query { nonsense }",
    "query($x: ClientFilter) { __typename }",
    "query($x: Nonsense) { __typename }",
];

on_both!(
    strangers_hear_the_same_whatever_they_try,
    async |app: App| {
        let mut heard = Vec::new();
        for probe in PROBES {
            let answer = app.gql("", probe, json!({})).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code(0)),
                (401, "UNAUTHENTICATED"),
                "{probe} {answer}"
            );
            assert_eq!(answer.errors().len(), 1, "{probe} {answer}");
            heard.push(answer.errors()[0]["message"].clone());
        }
        heard.dedup();
        assert_eq!(heard.len(), 1, "{heard:?}");
        let _ = app.gql("", "{ __typename }", json!({})).await.ok();
    }
);

/// A mutation with a key holds the only writer of SQLite until its answer is there.
async fn keyed(app: &App, who: &Person, key: &str, query: &str, variables: Json) -> Answer {
    let request = app
        .request(Method::POST, "/graphql")
        .bearer_auth(&who.token)
        .header("Idempotency-Key", key)
        .json(&json!({ "query": query, "variables": variables }));
    Answer::of(request).await
}

on_both!(
    a_keyed_mutation_whose_answer_takes_too_long_is_undone,
    async |mut app: App| {
        let (shop, order) = order_of_lines(&app, 200).await;
        app.restart(|options| {
            options.limits.signed_in.written_fields = u64::MAX;
            options.limits.signed_in.nodes = usize::MAX;
            options.limits.signed_in.mutation_deadline = Duration::from_secs(3);
        })
        .await;
        let ann = &shop.team.ann;
        let update = |inner: &str| {
            format!(
                "mutation($input: OrderUpdateInput!) {{ orderUpdate(input: $input) {{ order {{ id note {inner} }} }} }}"
            )
        };
        let input = json!({ "input": { "id": order, "version": 1, "note": "kept?" } });
        let attack = update(&lines_of_lines(3));
        let held = keyed(&app, ann, "k", &attack, input.clone());
        let others = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let other = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";
            let new =
                json!({ "input": { "kind": "ORGANIZATION", "name": "Other", "currency": "EUR" } });
            loop {
                // It waits for the writer as long as any write does.
                let answer = app.gql(&shop.team.ben.token, other, new.clone()).await;
                if answer.errors().is_empty() {
                    return;
                }
                assert!(
                    ["UNAVAILABLE", "TIMEOUT"].contains(&answer.code(0)),
                    "{answer}"
                );
            }
        };
        let (held, ()) = tokio::join!(held, others);
        assert_eq!(
            (held.status.as_u16(), held.code(0)),
            (504, "TIMEOUT"),
            "{held}"
        );
        let read = format!("{{ order(id: \"{order}\") {{ note version }} }}");
        let now = app.gql(&ann.token, &read, json!({})).await.ok();
        assert_eq!(*now.data("/order/version"), json!(1), "{now}");
        // The key is free again.
        let done = keyed(&app, ann, "k", &update(""), input).await.ok();
        assert_eq!(done.text("/orderUpdate/order/note"), "kept?");
    }
);

on_both!(
    a_keyed_mutation_whose_answer_is_too_large_is_undone,
    async |app: App| {
        let (shop, order) = order_of_lines(&app, 200).await;
        let ann = &shop.team.ann;
        let update = |inner: &str| {
            format!(
                "mutation($input: OrderUpdateInput!) {{ orderUpdate(input: $input) {{ order {{ id note {inner} }} }} }}"
            )
        };
        let wide = "lines { id productName sku unit quantity product { id name externalId sku unit createdAt updatedAt } }";
        let input = |note: &str| json!({ "input": { "id": order, "version": 1, "note": note } });
        let twice = format!("{wide} again: {wide}");
        let refused = keyed(&app, ann, "k", &update(&twice), input("large")).await;
        assert_eq!(
            (refused.code(0), refused.rule()),
            ("LIMIT_EXCEEDED", "idempotency.answer_too_large"),
            "{refused}"
        );
        assert_eq!(refused.errors()[0]["path"], json!(["orderUpdate"]));
        let read = format!("{{ order(id: \"{order}\") {{ version note }} }}");
        let now = app.gql(&ann.token, &read, json!({})).await.ok();
        assert_eq!(*now.data("/order/version"), json!(1), "{now}");
        let done = keyed(&app, ann, "k", &update(""), input("small"))
            .await
            .ok();
        assert_eq!(done.text("/orderUpdate/order/note"), "small");
        // Without a key an answer may be as large as any.
        let input = json!({ "input": { "id": order, "version": 2, "note": "large" } });
        let _ = app.gql(&ann.token, &update(&twice), input).await.ok();
    }
);

/// A selection of so many levels of fields below a client, each step by way of its owner, or by its team.
fn deep(levels: usize, step: &str) -> String {
    match (levels, step) {
        (1, _) => "id".to_owned(),
        (2, _) => "owner { id }".to_owned(),
        (3, _) => "team { user { id } }".to_owned(),
        (_, "team") => format!(
            "team {{ user {{ clients(first: 1) {{ nodes {{ {} }} }} }} }}",
            deep(levels - 4, step)
        ),
        _ => format!(
            "owner {{ clients(first: 1) {{ nodes {{ {} }} }} }}",
            deep(levels - 3, step)
        ),
    }
}

fn levels_of(document: &str) -> usize {
    let document = parse_query(document).unwrap();
    let operation = meter::operation(&document, None).unwrap();
    meter::weigh(&document, operation, &Variables::default())
        .unwrap()
        .depth
}

/// Through the program itself, with the stacks it gives its threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deepest_documents_do_not_end_the_program() {
    let app = App::start(Backend::Sqlite).await;
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Deep").await;
    let me = app
        .gql(&team.ann.token, "{ viewer { user { email } } }", json!({}))
        .await
        .ok();
    let email = me.text("/viewer/user/email").to_owned();
    let place = tempfile::tempdir().unwrap();
    let documents = place.path().join("documents");
    std::fs::create_dir(&documents).unwrap();
    let trusted = format!(
        "{{ clients(first: 1) {{ nodes {{ {} }} }} }}",
        deep(30, "owner")
    );
    assert_eq!(levels_of(&trusted), 32);
    std::fs::write(documents.join("deep.graphql"), &trusted).unwrap();
    let manifest = json!({ "deep": trusted }).to_string();
    std::fs::write(documents.join("named.json"), manifest).unwrap();
    let token = done(
        place.path(),
        app.database_url(),
        &["user", "token", "--email", &email],
    );
    let process = serve(place.path(), &app, &documents);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |body: Json, key: Option<&str>| -> Json {
        let mut request = http
            .post(format!("http://{}/graphql", process.address))
            .bearer_auth(token.trim())
            .json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", process.log()));
        answer.json().await.unwrap()
    };
    let query = format!(
        "{{ clients(first: 1) {{ nodes {{ {} }} }} }}",
        deep(10, "team")
    );
    assert_eq!(levels_of(&query), 12);
    let answer = ask(json!({ "query": query }), None).await;
    assert!(answer["errors"].is_null(), "{answer}");
    let update = format!(
        "mutation($input: ClientUpdateInput!) {{ clientUpdate(input: $input) {{ client {{ {} }} }} }}",
        deep(10, "team")
    );
    assert_eq!(levels_of(&update), 12);
    for key in [None, Some("deep")] {
        let version = if key.is_some() { 2 } else { 1 };
        let input = json!({ "input": { "id": client, "version": version, "name": format!("Deep {version}") } });
        let answer = ask(json!({ "query": update, "variables": input }), key).await;
        assert!(answer["errors"].is_null(), "{answer}");
    }
    let answer = ask(json!({ "documentId": "deep" }), None).await;
    assert!(answer["errors"].is_null(), "{answer}");
    let mut inner = &answer["data"]["clients"]["nodes"][0];
    let mut levels = 2;
    while inner["owner"]["clients"].is_object() {
        inner = &inner["owner"]["clients"]["nodes"][0];
        levels += 3;
    }
    assert!(levels > 26, "{levels} levels of {answer}");
    assert_eq!(
        ask(json!({ "query": "{ __typename }" }), None).await["data"]["__typename"],
        "Query"
    );
}

fn serve(place: &Path, app: &App, documents: &Path) -> Process {
    let arguments = [
        "--trusted-documents",
        "prefer",
        "--trusted-documents-dir",
        documents.to_str().unwrap(),
    ];
    Process::serve(place, app.database_url(), &arguments, &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_orders_with_lines_is_within_all_limits() {
    let mut app = App::start(Backend::Sqlite).await;
    let shop = shop(&app).await;
    for _ in 0..20 {
        placed(&app, &shop, json!({})).await;
    }
    app.restart(|options| options.limits = Limits::default())
        .await;
    let query = "{ orders(first: 100) { totalCount nodes { id number client { name } total { amount currency } \
        lines { id productName quantity unitPrice { amount currency } product { sku } } } } }";
    let answer = app.gql(&shop.team.ann.token, query, json!({})).await.ok();
    assert_eq!(answer.list("/orders/nodes").len(), 20);
}
