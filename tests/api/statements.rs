//! How many statements a request takes depends on its shape, never on the number of rows: every edge of
//! the schema is read once for one parent and once for a hundred.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::support::{App, Backend, Person, Team};

/// Parents in the large case: the largest page.
const MANY: usize = 100;

const INTROSPECTION: &str = "{ __schema { types { name kind fields { name \
    args { name type { kind } defaultValue } type { ...T } } } } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// Edges that no row of this world has, with the reason.
const EMPTY: &[(&str, &str)] = &[
    ("Client.individual", "they are organizations"),
    ("Client.parent", "they belong to nobody"),
    (
        "Category.children",
        "the products are in the lowest category",
    ),
    ("Order.decidedBy", "no order waited for a decision"),
    ("Order.reorderOf", "no order repeats another"),
    ("User.identities", "nobody comes from an identity provider"),
    ("User.reports", "nobody reports to the owner"),
];

/// The input type of a mutation, read off the schema.
fn input_type(mutation: &str) -> String {
    let sdl = clientele::graphql::sdl();
    let field = sdl.split_once(&format!("\t{mutation}(")).unwrap().1;
    let input = field.split_once("input: ").unwrap().1;
    input.split_once('!').unwrap().0.to_owned()
}

async fn id(app: &App, who: &Person, mutation: &str, input: Value) -> String {
    let kind = input_type(mutation);
    let noun = mutation
        .trim_end_matches("Create")
        .trim_end_matches("Record")
        .to_owned();
    let query =
        format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {noun} {{ id }} }} }}");
    let answer = app
        .gql(&who.token, &query, json!({ "input": input }))
        .await
        .ok();
    answer.text(&format!("/{mutation}/{noun}/id")).to_owned()
}

async fn run(app: &App, who: &Person, mutation: &str, input: Value) {
    let kind = input_type(mutation);
    let query =
        format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ __typename }} }}");
    app.gql(&who.token, &query, json!({ "input": input }))
        .await
        .ok();
}

/// A hundred clients of `ann`, each with one of everything.
async fn world(app: &App) -> Team {
    let team = app.team().await;
    let admin = &team.admin;
    let scheme = id(
        app,
        admin,
        "tierSchemeCreate",
        json!({ "name": "Value", "isDefault": true }),
    )
    .await;
    let tier = json!({ "schemeId": scheme, "code": "A", "name": "A", "rank": 1,
        "creditLimit": { "amount": "9000.00", "currency": "EUR" } });
    let query = "mutation($input: TierCreateInput!) { tierCreate(input: $input) { tier { id } } }";
    let answer = app
        .gql(&admin.token, query, json!({ "input": tier }))
        .await
        .ok();
    let tier = answer.text("/tierCreate/tier/id").to_owned();
    let parent = id(app, admin, "categoryCreate", json!({ "name": "Drinks" })).await;
    let category = id(
        app,
        admin,
        "categoryCreate",
        json!({ "name": "Tea", "parentId": parent }),
    )
    .await;
    let product = json!({ "sku": "T-1", "name": "Tea", "categoryId": category, "unit": "box",
        "listPrice": { "amount": "10.00", "currency": "EUR" } });
    let product = id(app, admin, "productCreate", product).await;
    run(
        app,
        admin,
        "stockReceive",
        json!({ "productId": product, "quantity": 100_000 }),
    )
    .await;
    let mut clients = Vec::new();
    for n in 0..MANY {
        let client = app.client_of(&team.ben, &format!("Client {n:03}")).await;
        let ben = &team.ben;
        let of = |mut input: Value| {
            input["clientId"] = json!(client);
            input
        };
        id(
            app,
            ben,
            "contactCreate",
            of(json!({ "name": "Key", "isKey": true, "points": [{ "kind": "MOBILE", "value": "555 0101" }] })),
        )
        .await;
        id(
            app,
            ben,
            "addressCreate",
            of(json!({ "kind": "SHIPPING", "isPrimary": true,
            "city": "Lyon", "coordinates": { "latitude": 45.76, "longitude": 4.84 } })),
        )
        .await;
        id(
            app,
            ben,
            "noteCreate",
            of(json!({ "body": "Prefers mornings." })),
        )
        .await;
        let lines = json!([{ "productId": product, "quantity": 5 }]);
        let order = of(json!({ "submit": true, "lines": lines }));
        let order = id(app, ben, "orderCreate", order).await;
        run(
            app,
            &team.left,
            "clientTierAssign",
            of(json!({ "tierId": tier, "reason": "worth it" })),
        )
        .await;
        run(
            app,
            ben,
            "clientMemberAdd",
            of(json!({ "userId": team.cleo.id(), "role": "SPECIALIST" })),
        )
        .await;
        run(app, ben, "orderShip", json!({ "id": order, "version": 1 })).await;
        run(
            app,
            ben,
            "orderDeliver",
            json!({ "id": order, "version": 2 }),
        )
        .await;
        let paid = json!({ "orderId": order, "amount": { "amount": "1.00", "currency": "EUR" }, "method": "CASH" });
        let payment = id(app, ben, "paymentRecord", paid).await;
        run(
            app,
            &team.left,
            "paymentVoid",
            json!({ "id": payment, "version": 1, "reason": "bounced" }),
        )
        .await;
        let limit = json!({ "amount": "5000.00", "currency": "EUR" });
        run(
            app,
            &team.left,
            "clientUpdate",
            json!({ "id": client, "version": 1, "profile": { "creditLimit": limit } }),
        )
        .await;
        let back = json!({ "id": order, "version": 5, "reason": "all too many", "restock": true });
        run(app, ben, "orderReturn", back).await;
        clients.push(client);
    }
    run(
        app,
        &team.left,
        "clientHandOver",
        json!({ "clientIds": clients, "toUserId": team.ann.id() }),
    )
    .await;
    team
}

/// A field that leads to an object: its name, its type, its arguments.
#[derive(Clone, Debug)]
struct Field {
    name: String,
    of: String,
    needs_arguments: bool,
    pages: bool,
}

fn bare(of: &Value) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" | "LIST" => bare(&of["ofType"]),
        _ => of["name"].as_str().unwrap().to_owned(),
    }
}

async fn object_types(app: &App, who: &Person) -> BTreeMap<String, Vec<Field>> {
    let answer = app.gql(&who.token, INTROSPECTION, json!({})).await.ok();
    let types = answer.list("/__schema/types");
    let objects: Vec<&str> = types
        .iter()
        .filter(|kind| kind["kind"] == "OBJECT")
        .map(|kind| kind["name"].as_str().unwrap())
        .filter(|name| !name.starts_with("__"))
        .collect();
    types
        .iter()
        .filter(|kind| objects.contains(&kind["name"].as_str().unwrap()))
        .map(|kind| {
            let fields = kind["fields"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|field| {
                    let of = bare(&field["type"]);
                    let args = field["args"].as_array().unwrap();
                    objects.contains(&of.as_str()).then(|| Field {
                        name: field["name"].as_str().unwrap().to_owned(),
                        needs_arguments: args.iter().any(|arg| {
                            arg["type"]["kind"] == "NON_NULL" && arg["defaultValue"].is_null()
                        }),
                        pages: args.iter().any(|arg| arg["name"] == "first"),
                        of,
                    })
                });
            (kind["name"].as_str().unwrap().to_owned(), fields.collect())
        })
        .collect()
}

/// The text that selects `field` and, in it, `inner`.
fn selecting(field: &Field, inner: &str) -> String {
    let name = &field.name;
    if field.pages {
        format!("{name}(first: 2) {{ nodes {{ {inner} }} }}")
    } else {
        format!("{name} {{ {inner} }}")
    }
}

/// The node type behind a field: that of the rows, for a connection.
fn target(field: &Field) -> String {
    if field.pages {
        field.of.trim_end_matches("Connection").to_owned()
    } else {
        field.of.clone()
    }
}

/// The home screen: 20 clients by name, each with its tier, its key contact and its last three orders.
async fn the_home_screen_takes_few_statements(app: &App, team: &Team) {
    let home = "{ clients(first: 20) { nodes { id name tier { code } keyContact { name } \
        orders(first: 3) { nodes { number status placedOn total { amount currency } } } } } }";
    for (who, seen) in [(&team.ann, 20), (&team.ben, 0), (&team.cleo, 20)] {
        let answer = app.gql(&who.token, home, json!({})).await.ok();
        assert_eq!(answer.list("/clients/nodes").len(), seen, "{}", who.name);
        assert!(
            answer.statements() <= 5,
            "{} statements for {}",
            answer.statements(),
            who.name
        );
        if seen > 0 {
            let first = answer.data("/clients/nodes/0");
            assert_eq!(first["tier"]["code"], "A");
            assert_eq!(first["keyContact"]["name"], "Key");
            assert_eq!(first["orders"]["nodes"][0]["total"]["amount"], "50.00");
        }
    }
}

/// An order, created and submitted: the client, what it buys on, the products, the order with lines and history,
/// stock, statistics.
async fn an_order_takes_few_statements(app: &App, team: &Team) {
    let find = "{ clients(first: 1) { nodes { id } } products(first: 1) { nodes { id } } }";
    let found = app.gql(&team.ann.token, find, json!({})).await.ok();
    let line = json!({ "productId": found.text("/products/nodes/0/id"), "quantity": 1 });
    let create =
        "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { status } } }";
    for lines in [1, 5] {
        let input = json!({ "clientId": found.text("/clients/nodes/0/id"), "submit": true,
            "lines": vec![line.clone(); lines] });
        let answer = app
            .gql(&team.ann.token, create, json!({ "input": input }))
            .await
            .ok();
        assert_eq!(answer.data("/orderCreate/order/status"), "APPROVED");
        // The last of them tell phones: the clock, then what changed with its scopes and who holds these, which
        // PostgreSQL writes in one.
        let told = match app.backend() {
            Backend::Postgres => 2,
            Backend::Sqlite => 3,
        };
        assert_eq!(answer.statements(), 6 + told, "for {lines} lines");
    }
}

on_both!(
    every_edge_takes_as_many_statements_for_a_hundred_parents_as_for_one,
    async |app: App| {
        let team = world(&app).await;
        the_home_screen_takes_few_statements(&app, &team).await;
        let types = object_types(&app, &team.admin).await;
        // The way from a root list to each type: breadth first, so the shortest.
        let mut ways: BTreeMap<String, Vec<Field>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        let root = types["Query"].iter().find(|field| field.name == "clients");
        let root = root.unwrap();
        ways.insert(target(root), vec![root.clone()]);
        queue.push_back(target(root));
        let mut edges = Vec::new();
        while let Some(name) = queue.pop_front() {
            let way = ways[&name].clone();
            for field in types.get(&name).into_iter().flatten() {
                if field.needs_arguments || field.of.ends_with("Edge") || field.of == "PageInfo" {
                    continue;
                }
                edges.push((name.clone(), field.clone(), way.clone()));
                let next = target(field);
                if !ways.contains_key(&next) && way.len() < 6 {
                    let mut longer = way.clone();
                    longer.push(field.clone());
                    ways.insert(next.clone(), longer);
                    queue.push_back(next);
                }
            }
        }
        assert!(edges.len() > 40, "only {} edges were found", edges.len());
        let (mut unequal, mut empty) = (Vec::new(), Vec::new());
        for (parent, field, way) in &edges {
            let place = format!("{parent}.{}", field.name);
            let mut inner = selecting(field, "seen: __typename");
            for step in way.iter().skip(1).rev() {
                inner = selecting(step, &inner);
            }
            let ask = async |first: usize| {
                let query = format!("{{ clients(first: {first}) {{ nodes {{ {inner} }} }} }}");
                app.gql(&team.admin.token, &query, json!({})).await.ok()
            };
            let (one, many) = (ask(1).await, ask(MANY).await);
            assert_eq!(many.list("/clients/nodes").len(), MANY, "{place}");
            if one.statements() != many.statements() {
                unequal.push(format!(
                    "{place}: {} for one, {} for {MANY}",
                    one.statements(),
                    many.statements()
                ));
            }
            let reached = many.json.to_string().matches("\"seen\"").count();
            if reached == 0 && !EMPTY.iter().any(|(edge, _)| *edge == place) {
                empty.push(place);
            }
        }
        assert!(unequal.is_empty(), "{unequal:#?}");
        assert!(empty.is_empty(), "nothing was found through {empty:?}");
        println!("{} edges", edges.len());
        an_order_takes_few_statements(&app, &team).await;
    }
);
