//! No row reaches somebody it is not meant for. The tests are made from the schema that the running server
//! describes: a new field, argument or mutation that they do not cover fails them.

mod arguments;
mod cases;
mod crawl;
mod dump;
mod faults;
mod line;
mod live;
mod more_cases;
mod mutations;
mod narrow;
mod oracle;
mod phones;
mod projection;
mod pushes;
mod random;
mod repeats;
mod schema;
mod seed;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::crawl::{Crawler, Pair, all_pairs, crawl};
use self::line::put_in_line;
use self::schema::Schema;
use self::world::World;
use crate::support::{App, Person};

/// How many edges a path takes, after the first: for most, and for one rep.
const EDGES: (usize, usize) = (1, 2);

/// Fields that no answer can hold, and why.
const NEVER: &[(&str, &str, &str)] = &[
    (
        "SyncPage",
        "tombstones",
        "who has nothing has nothing to remove",
    ),
    ("SyncTombstone", "collection", "so there is none"),
    ("SyncTombstone", "id", "so there is none"),
    ("SyncTombstone", "reason", "so there is none"),
];

/// Lists that leave out rows in sight, and why.
const PARTIAL: &[(&str, &str)] = &[];

on_both!(no_answer_holds_a_row_of_others, async |app: App| {
    let mut world = World::build(app).await;
    world.phones().await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let mut reached: BTreeSet<Pair> = BTreeSet::new();
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    let mut before = Vec::new();
    for viewer in world.viewers() {
        let crawler = Crawler {
            schema: &schema,
            world: &world,
            viewer,
        };
        let started = std::time::Instant::now();
        let (few, more) = EDGES;
        let edges = if viewer.id == world.team.ann.id {
            more
        } else {
            few
        };
        let findings = crawl(&crawler, edges).await;
        println!(
            "{}: {} queries in {:?}",
            viewer.name,
            findings.answers.len(),
            started.elapsed()
        );
        reached.extend(findings.reached);
        wrong.extend(findings.wrong);
        if [world.team.ann.id, world.team.ben.id, world.team.left.id].contains(&viewer.id) {
            let mut answers = findings.answers;
            answers.extend(arguments::answers(&crawler).await);
            before.push((viewer.clone(), answers));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} leaks:\n{}",
        wrong.len(),
        listed(&wrong)
    );
    // Rows of others change nothing: no count, no page, no sum.
    for is_quiet in [true, false] {
        world.is_quiet = is_quiet;
        world.more_strangers().await;
        put_in_line(&world.app, &world.db).await;
        for (viewer, answers) in &before {
            // Managers see every movement of stock.
            if !is_quiet && viewer.id == world.team.left.id {
                continue;
            }
            same_again(&world, viewer, answers).await;
        }
    }
    let never = |pair: &Pair| {
        NEVER
            .iter()
            .any(|(ty, field, _)| (*ty, *field) == (&pair.0, &pair.1))
    };
    let missed: BTreeSet<String> = all_pairs(&schema)
        .difference(&reached)
        .filter(|pair| !never(pair))
        .map(|(ty, field)| format!("{ty}.{field}"))
        .collect();
    assert!(
        missed.is_empty(),
        "nobody ever got a value of:\n{}",
        listed(&missed)
    );
    for (ty, field, why) in NEVER {
        let pair = ((*ty).to_owned(), (*field).to_owned());
        assert!(
            !reached.contains(&pair),
            "{ty}.{field} was reached, though {why}"
        );
    }
});

/// What tells how far the line of changes is, which everybody's changes move, and what the time is.
const OF_ALL: [&str; 3] = ["watermark", "checkpoint", "serverTime"];

fn without_place(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_ALL.contains(&name.as_str()));
            for field in fields.values_mut() {
                *field = without_place(field.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_place(item.take());
            }
        }
        _ => {}
    }
    answer
}

/// Asks again, and demands what was answered before.
async fn same_again(world: &World, viewer: &Person, answers: &BTreeMap<String, Value>) {
    for (asked, answer) in answers {
        let (query, variables) = asked.split_once('\n').unwrap_or((asked, "{}"));
        let variables = serde_json::from_str(variables).unwrap();
        let after = world.app.gql(&viewer.token, query, variables).await;
        let after = without_place(after.json["data"].clone());
        let answer = without_place(answer.clone());
        assert!(
            after == answer,
            "rows of others change what {} sees: {}\n{asked}",
            viewer.name,
            first_difference("", &answer, &after).unwrap_or_default()
        );
    }
}

on_both!(a_list_holds_every_row_in_sight, async |app: App| {
    let world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    for viewer in world.viewers() {
        let crawler = Crawler {
            schema: &schema,
            world: &world,
            viewer,
        };
        for field in &schema.get(&schema.query).fields {
            if !schema.is_connection(&field.ty.name)
                || PARTIAL.iter().any(|(name, _)| *name == field.name)
            {
                continue;
            }
            let node = &schema.field(&field.ty.name, "nodes").ty.name;
            let (mut expected, _) = world.split(viewer.id, &crawler.kind(node));
            expected.sort();
            let (mut ids, total) = all_pages(
                &world,
                viewer,
                &crawler.args(&schema.query, field, 50, None),
                &field.name,
            )
            .await;
            assert_eq!(
                total,
                json!(expected.len()),
                "{} as {}",
                field.name,
                viewer.name
            );
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "{} repeats rows", field.name);
            assert_eq!(ids, expected, "{} as {}", field.name, viewer.name);
        }
    }
});

on_both!(the_id_of_a_stranger_is_as_good_as_none, async |app: App| {
    let mut world = World::build(app).await;
    world.phones().await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    assert_eq!(arguments::gaps(&schema), Vec::<String>::new());
    let (mut useful, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for viewer in [&world.team.ann, &world.team.right, &world.team.admin] {
        arguments::probe(&schema, &world, viewer, &mut useful, &mut wrong).await;
    }
    assert!(
        wrong.is_empty(),
        "{} leaks:\n{}",
        wrong.len(),
        listed(&wrong)
    );
    let useless: BTreeSet<String> = arguments::names(&schema)
        .difference(&useful)
        .cloned()
        .collect();
    assert!(
        useless.is_empty(),
        "no id in sight makes a difference to:\n{}",
        listed(&useless)
    );
});

on_both!(nobody_signed_in_reads_nothing, async |app: App| {
    let world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let crawler = Crawler {
        schema: &schema,
        world: &world,
        viewer: &world.team.ann,
    };
    for field in &schema.get(&schema.query).fields {
        let args = crawler.args(&schema.query, field, 3, Some("Client"));
        let below = if schema.is_leaf(&field.ty.name) {
            ""
        } else {
            "{ __typename }"
        };
        let query = format!("{{ {}{args} {below} }}", field.name);
        let answer = world.app.gql(&world.gone.token, &query, json!({})).await;
        assert_eq!(answer.status, 401, "{answer}");
        assert_eq!(answer.code(0), "UNAUTHENTICATED");
        let answer = world.app.gql("", &query, json!({})).await;
        assert_eq!(answer.code(0), "UNAUTHENTICATED", "{query}: {answer}");
        let value = &answer.json["data"][&field.name];
        assert!(value.is_null(), "{query}: {answer}");
    }
});

/// The ids of a whole list, page by page, and how many it says there are.
async fn all_pages(
    world: &World,
    viewer: &Person,
    args: &str,
    field: &str,
) -> (Vec<String>, Value) {
    let mut ids = Vec::new();
    let mut after = Value::Null;
    let args = args.trim_start_matches('(').trim_end_matches(')');
    let query = format!(
        "query($after: String) {{ list: {field}({args}, after: $after) {{ totalCount nodes {{ id }} \
         pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    loop {
        let answer = world
            .app
            .gql(&viewer.token, &query, json!({ "after": after }))
            .await;
        if answer
            .errors()
            .first()
            .is_some_and(|_| answer.code(0) == "FORBIDDEN")
        {
            return (Vec::new(), json!(0));
        }
        let answer = answer.ok();
        let nodes = answer.list("/list/nodes").iter();
        ids.extend(nodes.map(|node| node["id"].as_str().unwrap().to_owned()));
        if *answer.data("/list/pageInfo/hasNextPage") != true {
            return (ids, answer.data("/list/totalCount").clone());
        }
        after = answer.data("/list/pageInfo/endCursor").clone();
    }
}

fn listed(lines: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = lines.iter().take(200).map(String::as_str).collect();
    shown.join("\n")
}

/// Where two answers differ.
fn first_difference(at: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, value)| {
            let other = b.get(name).unwrap_or(&Value::Null);
            first_difference(&format!("{at}/{name}"), value, other)
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| first_difference(&format!("{at}/{index}"), a, b))
        }
        _ if left == right => None,
        _ => Some(format!("{at}: {left:.300} became {right:.300}")),
    }
}
