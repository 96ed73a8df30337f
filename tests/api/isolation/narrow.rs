//! A list reads no more columns than the request shows. Each field says in a list, asked for alone, what it says of
//! the same object found by its id, whose row is read whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::crawl::Crawler;
use super::schema::Schema;
use super::world::World;
use crate::support::App;

/// What is asked of a field of `ty`, with its arguments and what is selected of it; nothing where that needs more
/// than a few fields.
fn asked(crawler: &Crawler<'_>, ty: &str, name: &str) -> String {
    let schema = crawler.schema;
    let field = schema.field(ty, name);
    let args = crawler.args(ty, field, 3, None);
    let of = &field.ty.name;
    if schema.is_leaf(of) {
        return format!("{name}{args}");
    }
    if schema.is_connection(of) {
        return format!("{name}{args} {{ nodes {{ __typename id }} pageInfo {{ endCursor }} }}");
    }
    let leaves: Vec<&str> = schema
        .get(of)
        .fields
        .iter()
        .filter(|inner| inner.args.is_empty() && schema.is_leaf(&inner.ty.name))
        .map(|inner| inner.name.as_str())
        .collect();
    format!("{name}{args} {{ __typename {} }}", leaves.join(" "))
}

on_both!(lists_read_what_they_show, async |app: App| {
    let world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let mut seen = BTreeSet::new();
    for viewer in [&world.team.ann, &world.team.ben] {
        let crawler = Crawler {
            schema: &schema,
            world: &world,
            viewer,
        };
        for list in &schema.get(&schema.query).fields {
            if !schema.is_connection(&list.ty.name) {
                continue;
            }
            let ty = &schema.field(&list.ty.name, "nodes").ty.name;
            if ty == "User" {
                // Some of it is refused to others, and their rows are read whole.
                continue;
            }
            let fields: Vec<(&str, String)> = schema
                .get(ty)
                .fields
                .iter()
                .map(|field| (field.name.as_str(), asked(&crawler, ty, &field.name)))
                .collect();
            let mut whole: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
            for (nth, (name, asked)) in fields.iter().enumerate() {
                let rows = if nth % 2 == 0 {
                    format!("nodes {{ id {asked} }} }} }}")
                } else {
                    format!(
                        "edges {{ node {{ ...Row id }} }} }} }} fragment Row on {ty} {{ {asked} }}"
                    )
                };
                let args = crawler.args(&schema.query, list, 20, None);
                let query = format!("{{ list: {}{args} {{ {rows}", list.name);
                let answer = world.app.gql(&viewer.token, &query, json!({})).await.ok();
                let list = answer.data("/list");
                let rows = list["nodes"]
                    .as_array()
                    .or(list["edges"].as_array())
                    .unwrap();
                for row in rows {
                    let row = row.get("node").unwrap_or(row);
                    let id = row["id"].as_str().unwrap();
                    if !whole.contains_key(id) {
                        whole.insert(id.to_owned(), alone(&crawler, ty, id, &fields).await);
                    }
                    assert_eq!(
                        row[name], whole[id][*name],
                        "{} sees {ty}.{name} in a list otherwise than alone",
                        viewer.name
                    );
                    if !row[name].is_null() {
                        seen.insert(format!("{ty}.{name}"));
                    }
                }
            }
        }
    }
    let all = ["Client", "Contact", "Order"].map(|ty| {
        let fields = schema.get(ty).fields.iter();
        fields.map(move |field| format!("{ty}.{}", field.name))
    });
    let unseen: Vec<String> = all
        .into_iter()
        .flatten()
        .filter(|name| !seen.contains(name) && !NEVER.contains(&name.as_str()))
        .collect();
    assert!(unseen.is_empty(), "no list showed {unseen:?}");
});

on_both!(lists_in_lists_read_what_they_show, async |app: App| {
    let world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let mut compared = BTreeMap::<String, usize>::new();
    for viewer in [&world.team.ann, &world.team.ben] {
        let crawler = Crawler {
            schema: &schema,
            world: &world,
            viewer,
        };
        let mut whole: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (of, open, close) in [
            ("Client", "clients(first: 20) { nodes", "}"),
            ("Tier", "tierSchemes { nodes { tiers", "} }"),
        ] {
            for edge in &schema.get(of).fields {
                if !schema.is_connection(&edge.ty.name) {
                    continue;
                }
                let ty = &schema.field(&edge.ty.name, "nodes").ty.name;
                if !["Client", "Contact", "Order"].contains(&ty.as_str()) {
                    continue;
                }
                let fields: Vec<(&str, String)> = schema
                    .get(ty)
                    .fields
                    .iter()
                    .map(|field| (field.name.as_str(), asked(&crawler, ty, &field.name)))
                    .collect();
                let args = crawler.args(of, edge, 3, None);
                // Two parts of the same rows, side by side.
                for pair in fields.windows(2) {
                    let [(one, one_asked), (two, two_asked)] = pair else {
                        unreachable!("windows of two");
                    };
                    let query = format!(
                        "{{ {open} {{ one: {name}{args} {{ nodes {{ id {one_asked} }} }} \
                         two: {name}{args} {{ edges {{ node {{ id {two_asked} }} }} }} }} {close} }}",
                        name = edge.name
                    );
                    let answer = world.app.gql(&viewer.token, &query, json!({})).await.ok();
                    let parents = match of {
                        "Client" => answer.list("/clients/nodes").to_vec(),
                        _ => answer
                            .list("/tierSchemes/nodes")
                            .iter()
                            .flat_map(|scheme| scheme["tiers"].as_array().unwrap().clone())
                            .collect(),
                    };
                    for parent in &parents {
                        let ones = parent["one"]["nodes"].as_array().unwrap().iter();
                        let twos = parent["two"]["edges"].as_array().unwrap().iter();
                        let ones = ones.map(|row| (row, one));
                        let twos = twos.map(|row| (&row["node"], two));
                        for (row, name) in ones.chain(twos) {
                            let id = row["id"].as_str().unwrap();
                            if !whole.contains_key(id) {
                                whole.insert(id.to_owned(), alone(&crawler, ty, id, &fields).await);
                            }
                            assert_eq!(
                                row[*name], whole[id][*name],
                                "{} sees {ty}.{name} in {of}.{} otherwise than alone",
                                viewer.name, edge.name
                            );
                            *compared.entry(format!("{of}.{}", edge.name)).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    for edge in ["Client.contacts", "Client.orders", "Tier.clients"] {
        assert!(
            compared.contains_key(edge),
            "{edge} held no rows: {compared:?}"
        );
    }
});

/// An object with all its fields, found by its id.
async fn alone(
    crawler: &Crawler<'_>,
    ty: &str,
    id: &str,
    fields: &[(&str, String)],
) -> Map<String, Value> {
    let mut whole = Map::new();
    for part in fields.chunks(8) {
        let asked: Vec<&str> = part.iter().map(|(_, asked)| asked.as_str()).collect();
        let query = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on {ty} {{ {} }} }} }}",
            asked.join(" ")
        );
        let token = &crawler.viewer.token;
        let answer = crawler
            .world
            .app
            .gql(token, &query, json!({ "id": id }))
            .await;
        whole.extend(answer.ok().data("/node").as_object().unwrap().clone());
    }
    whole
}

/// Fields that hold nothing in the scene.
const NEVER: &[&str] = &[];
