//! What a value that cannot be read is answered with: the place, what was given and what is expected.

use serde_json::{Value, json};

use crate::support::{Answer, App, Person};

const CREATE: &str =
    "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";

/// Every error: its fields, and its sentence.
fn told(answer: &Answer) -> Vec<(Vec<String>, String)> {
    let errors = answer.errors().iter().map(|error| {
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        let fields = error["extensions"]["fields"].as_array();
        let fields = fields.unwrap_or_else(|| panic!("no fields in {answer}"));
        let fields = fields
            .iter()
            .map(|field| field.as_str().unwrap().to_owned());
        (
            fields.collect(),
            error["message"].as_str().unwrap().to_owned(),
        )
    });
    errors.collect()
}

#[track_caller]
fn assert_told(answer: &Answer, expected: &[(&str, &str)]) {
    let expected: Vec<(Vec<String>, String)> = expected
        .iter()
        .map(|(field, message)| (vec![(*field).to_owned()], (*message).to_owned()))
        .collect();
    assert_eq!(told(answer), expected);
    assert!(answer.json.get("data").is_none(), "nothing ran: {answer}");
}

/// The input as GraphQL writes it: names without quotes.
fn literal(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", literal(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The same fault in a variable and written out.
async fn both_ways(app: &App, person: &Person, input: Value, expected: &[(&str, &str)]) {
    let by_variable = app
        .gql(&person.token, CREATE, json!({ "input": input }))
        .await;
    assert_told(&by_variable, expected);
    let written = format!(
        "mutation {{ clientCreate(input: {}) {{ client {{ id }} }} }}",
        literal(&input)
    );
    let written = app.gql(&person.token, &written, json!({})).await;
    assert_told(&written, expected);
}

on_both!(
    every_fault_of_an_input_is_told_with_its_place,
    async |app: App| {
        let team = app.team().await;
        let input = json!({
            "kind": "PIRATE",
            "name": 12,
            "externalid": "x",
            "profile": {
                "parentId": "order_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01",
                "sinceOn": "1.3.2026",
                "tags": ["a", 5, null],
                "paymentTermDays": "30",
                "creditLimit": { "amount": 100, "currency": "RMB" },
                "organization": { "employeeCount": 1.5, "nature": 7 },
                "individual": [],
            },
        });
        both_ways(&app, &team.ann, input, &[
        ("input.kind", "\"PIRATE\" is not one of INDIVIDUAL, ORGANIZATION"),
        ("input.name", "a number was given where a text in quotes is expected"),
        ("input.currency", "`currency` is missing"),
        (
            "input.profile.parentId",
            "\"order_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\" is an id of the kind order, but client is \
             expected: \"client_\" and a UUID",
        ),
        (
            "input.profile.sinceOn",
            "\"1.3.2026\" is not a day: write it as year-month-day, such as \"2026-03-01\"",
        ),
        (
            "input.profile.creditLimit.amount",
            "write decimals as a text, \"100\": a number would lose digits",
        ),
        (
            "input.profile.creditLimit.currency",
            "\"RMB\" is not a currency: expected a code of ISO 4217, as in \"CNY\"",
        ),
        ("input.profile.paymentTermDays", "\"30\" is not a whole number"),
        ("input.profile.tags.1", "a number was given where a text in quotes is expected"),
        ("input.profile.tags.2", "null was given where a value is expected"),
        ("input.profile.individual", "a list was given where an object is expected"),
        (
            "input.profile.organization.nature",
            "7 is not one of PRIVATE, STATE_OWNED, PARTY_GOVERNMENT, FOREIGN, NON_PROFIT, OTHER",
        ),
        ("input.profile.organization.employeeCount", "1.5 is not a whole number"),
        ("input.externalid", "there is no field `externalid` here; did you mean `externalId`?"),
    ])
    .await;
    }
);

on_both!(
    what_is_missing_and_what_is_null_is_named,
    async |app: App| {
        let team = app.team().await;
        both_ways(
            &app,
            &team.ann,
            json!({ "name": null }),
            &[
                ("input.kind", "`kind` is missing"),
                ("input.name", "`name` cannot be null"),
                ("input.currency", "`currency` is missing"),
            ],
        )
        .await;
        let none = app
            .gql(
                &team.ann.token,
                "mutation { clientCreate { client { id } } }",
                json!({}),
            )
            .await;
        assert_told(&none, &[("input", "`input` is missing")]);
        let none = app
            .gql(&team.ann.token, "{ client(idd: \"x\") { id } }", json!({}))
            .await;
        assert_told(
            &none,
            &[
                ("id", "`id` is missing"),
                ("idd", "there is no argument `idd` here; did you mean `id`?"),
            ],
        );
    }
);

on_both!(filters_and_pages_name_their_places, async |app: App| {
    let team = app.team().await;
    let ask = async |query: &str, variables: Value| {
        let answer = app.gql(&team.ann.token, query, variables).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT", "{answer}");
        answer.fields().join(" ")
    };
    let long = "x".repeat(300);
    for (list, filter, field) in [
        (
            "clients",
            json!({ "and": [{}, { "name": { "eq": long } }] }),
            "filter.and.1.name.eq",
        ),
        (
            "clients",
            json!({ "not": { "or": [{ "search": "x" }] } }),
            "filter.not.or.0.search",
        ),
        ("contacts", json!({ "search": "x" }), "filter.search"),
        (
            "contacts",
            json!({ "birthdayWithinDays": -1 }),
            "filter.birthdayWithinDays",
        ),
        ("orders", json!({ "number": "???" }), "filter.number"),
        (
            "orders",
            json!({ "or": [{ "number": "???" }] }),
            "filter.or.0.number",
        ),
        (
            "products",
            json!({ "name": { "contains": long } }),
            "filter.name.contains",
        ),
        (
            "payments",
            json!({ "paidOn": { "gte": "2026-02-01", "lte": "2026-01-01" } }),
            "filter.paidOn",
        ),
    ] {
        let ty = format!(
            "{}{}Filter",
            list[..1].to_uppercase(),
            &list[1..list.len() - 1]
        );
        let query = format!("query($f: {ty}) {{ {list}(filter: $f) {{ totalCount }} }}");
        assert_eq!(ask(&query, json!({ "f": filter })).await, field, "{list}");
    }
    for (argument, field) in [
        ("first: -1", "first"),
        ("last: 101", "last"),
        ("after: \"x\"", "after"),
        ("orderBy: SIDEWAYS", "orderBy"),
        ("filter: { and: 5 }", "filter.and"),
    ] {
        let query = format!("{{ clients({argument}) {{ totalCount }} }}");
        assert_eq!(ask(&query, json!({})).await, field);
    }
    let client = app.client_of(&team.ann, "Acme").await;
    let rename =
        "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
    let input = json!({ "input": { "id": client, "version": 1, "name": null } });
    assert_eq!(ask(rename, input).await, "input.name");
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    assert_eq!(ask(nodes, json!({ "ids": [client, "x"] })).await, "ids.1");
});

on_both!(
    names_of_the_schema_are_suggested_to_nobody_who_is_not_signed_in,
    async |app: App| {
        let team = app.team().await;
        let query = "{ client(idd: \"x\") { id } }";
        let known = app.gql(&team.ann.token, query, json!({})).await;
        assert!(known.to_string().contains("did you mean"), "{known}");
        let nobody = app.gql("", query, json!({})).await;
        assert!(
            !nobody.to_string().to_lowercase().contains("did you mean"),
            "{nobody}"
        );
        assert_eq!(
            (nobody.status.as_u16(), nobody.code(0)),
            (401, "UNAUTHENTICATED")
        );
    }
);

on_both!(
    a_closed_list_is_told_with_its_values_and_once,
    async |app: App| {
        let team = app.team().await;
        let query = "{ clients(orderBy: NAME_ASCENDING) { totalCount } }";
        let answer = app.gql(&team.ann.token, query, json!({})).await;
        assert_told(
            &answer,
            &[(
                "orderBy",
                "NAME_ASCENDING is not one of NAME_ASC, NAME_DESC, UPDATED_AT_DESC, UPDATED_AT_ASC, \
         TRAILING_REVENUE_DESC, RECEIVABLE_DESC, LAST_ORDER_DESC, LAST_ORDER_ASC",
            )],
        );
        // One variable that is used twice is told once.
        let query = "query($o: ClientOrder) { a: clients(orderBy: $o) { totalCount } b: clients(orderBy: $o) { totalCount } }";
        let answer = app.gql(&team.ann.token, query, json!({ "o": "X" })).await;
        assert_eq!(answer.errors().len(), 1, "{answer}");
    }
);
