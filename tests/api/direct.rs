//! Objects in lists are written by another way than those that `node` finds. Both say the same, whatever the
//! document looks like.

use serde_json::json;

use crate::support::App;

/// Selections of a client that a writer may trip over.
const SELECTIONS: &[&str] = &[
    "id",
    "__typename id kind: lifecycle name tier { code } other: name",
    "name ... on Client { name phone } ...Named orders(first: 1) { nodes { id } }",
    "... on Node { id } name",
    "... on Node { ... on Client { email } } id",
    "orders(first: 2) { nodes { id } } orders(first: 2) { nodes { number total { currency } } pageInfo { hasNextPage } }",
    "orders(first: 1) { edges { cursor node { __typename id lines { net { amount } net { currency } sku } } } totalCount }",
    "orders { nodes { ...Ordered ... on Order { ...Ordered client { id name } } isOverdue nextStatuses } pageInfo { startCursor endCursor } }",
    "phone @skip(if: $yes) name @include(if: $yes) orders @skip(if: $yes) { nodes { id } } contacts @include(if: $yes) { nodes { id @skip(if: $yes) name } }",
    "stats { orderCount receivable { amount currency } lastOrderOn } creditLimit { amount } organization { industry } keyContact { name points { kind value } }",
    "contacts(first: 2) { nodes { name client { contacts(first: 2) { nodes { client { name } isKey } } } } }",
    "orders { nodes { total { ...Money } t: total { a: amount } placedBy { name } lines { product { sku listPrice { amount } } order { number } } } }",
    "version createdAt archivedAt owner { name } team { user { id } }",
];

const FRAGMENTS: &str = "fragment Named on Client { name named: name } \
    fragment Ordered on Order { number ...Placed } fragment Placed on Order { placedOn status } \
    fragment Money on Money { amount currency }";

on_both!(lists_say_what_single_objects_say, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alder").await;
    let token = &team.ann.token;
    let product =
        "mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { id } } }";
    let input = json!({ "sku": "T-1", "name": "Tea", "unit": "box",
        "listPrice": { "amount": "10.00", "currency": "EUR" } });
    let answer = app
        .gql(&team.admin.token, product, json!({ "input": input }))
        .await
        .ok();
    let product = answer.text("/productCreate/product/id").to_owned();
    let contact =
        "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id } } }";
    let input = json!({ "clientId": client, "name": "Key", "isKey": true,
        "points": [{ "kind": "MOBILE", "value": "555 0101" }] });
    app.gql(token, contact, json!({ "input": input }))
        .await
        .ok();
    let order =
        "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } } }";
    for quantity in 1..=3 {
        let input = json!({ "clientId": client,
            "lines": [{ "productId": product, "quantity": quantity }, { "productId": product, "quantity": 9 }] });
        app.gql(token, order, json!({ "input": input })).await.ok();
    }
    let mut told = 0;
    for selection in SELECTIONS {
        let mut fragments = String::new();
        for fragment in FRAGMENTS.split(" fragment ") {
            let fragment = fragment.trim_start_matches("fragment ").trim();
            let name = fragment.split(' ').next().unwrap();
            let is_used = selection.contains(&format!("...{name}"))
                || (name == "Placed" && selection.contains("...Ordered"));
            if is_used {
                fragments.push_str(&format!(" fragment {fragment}"));
            }
        }
        let head = if selection.contains("$yes") {
            "query($id: ID!, $yes: Boolean!)"
        } else {
            "query($id: ID!)"
        };
        let query = format!(
            "{head} {{ node(id: $id) {{ ... on Client {{ {selection} }} }} \
             clients(first: 2) {{ nodes {{ {selection} }} edges {{ node {{ {selection} }} }} }} \
             client(id: $id) {{ {selection} }} }}{fragments}"
        );
        for yes in [true, false] {
            let mut variables = json!({ "id": client });
            if selection.contains("$yes") {
                variables["yes"] = json!(yes);
            }
            let answer = app.gql(token, &query, variables).await.ok();
            let expected = answer.data("/node");
            let expected_text = expected.to_string();
            for place in ["/clients/nodes/0", "/clients/edges/0/node", "/client"] {
                let found = answer.data(place);
                assert_eq!(found.to_string(), expected_text, "{place}: {selection}");
                told += 1;
            }
        }
    }
    assert_eq!(told, SELECTIONS.len() * 6);
});

on_both!(no_error_is_told_twice, async |app: App| {
    let team = app.team().await;
    for query in [
        // The first has no manager, the others' is read with a statement; what each of them hides is refused.
        "{ users { nodes { name sessions { totalCount } manager { name } } } }",
        "{ users { nodes { name sessions { totalCount } x: manager @skip(if: false) { name } } } }",
    ] {
        for person in [&team.ann, &team.ben] {
            let answer = app.gql(&person.token, query, json!({})).await;
            let told: Vec<String> = answer
                .errors()
                .iter()
                .map(|error| error["path"].to_string())
                .collect();
            let mut once = told.clone();
            once.sort_unstable();
            once.dedup();
            assert!(told.len() > 2, "{answer}");
            assert_eq!(told.len(), once.len(), "{told:?}");
        }
    }
});
