//! The schema as a product: checked in, described throughout, and of one shape.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clientele::http::meter::UNPAGED;
use serde_json::{Value, json};

use crate::support::App;

const INTROSPECTION: &str = "{ __schema { types { name kind description \
    fields(includeDeprecated: true) { name description args { name description type { ...T } } type { ...T } } \
    inputFields { name description type { ...T } } \
    enumValues(includeDeprecated: true) { name description } } } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/graphql/schema.graphql")
}

fn sdl() -> String {
    let mut sdl = clientele::graphql::sdl();
    if !sdl.ends_with('\n') {
        sdl.push('\n');
    }
    sdl
}

#[test]
fn the_schema_file_is_the_schema() {
    let path = file();
    if std::env::var_os("CLIENTELE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, sdl()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == sdl(),
        "src/graphql/schema.graphql is not the schema; look at what changed, then run \
         `CLIENTELE_UPDATE_SCHEMA=1 tests/run the_schema_file_is_the_schema`"
    );
}

async fn types(app: &App) -> Vec<Value> {
    let team = app.team().await;
    let answer = app
        .gql(&team.ann.token, INTROSPECTION, json!({}))
        .await
        .ok();
    answer
        .list("/__schema/types")
        .iter()
        .filter(|kind| !kind["name"].as_str().unwrap().starts_with("__"))
        .cloned()
        .collect()
}

fn members<'a>(of: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    of[list].as_array().into_iter().flatten()
}

/// `Type`, `Type!`, `[Type!]!` as text.
fn spelled(of: &Value) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", spelled(&of["ofType"])),
        "LIST" => format!("[{}]", spelled(&of["ofType"])),
        _ => of["name"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_described() {
    let app = App::start(crate::support::Backend::Sqlite).await;
    let mut blank = Vec::new();
    let mut check = |of: &Value, place: String| {
        if of["description"]
            .as_str()
            .is_none_or(|text| text.trim().len() < 3)
        {
            blank.push(place);
        }
    };
    for kind in types(&app).await {
        let name = kind["name"].as_str().unwrap();
        // GraphQL's own.
        if name != "ID" {
            check(&kind, name.to_owned());
        }
        for field in members(&kind, "fields") {
            let place = format!("{name}.{}", field["name"].as_str().unwrap());
            for arg in members(field, "args") {
                check(arg, format!("{place}({})", arg["name"].as_str().unwrap()));
            }
            check(field, place);
        }
        for list in ["inputFields", "enumValues"] {
            for member in members(&kind, list) {
                check(
                    member,
                    format!("{name}.{}", member["name"].as_str().unwrap()),
                );
            }
        }
    }
    assert!(blank.is_empty(), "not described: {blank:#?}");
}

/// A list that the meter does not know would cost as much as one object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_of_objects_has_a_price() {
    let app = App::start(crate::support::Backend::Sqlite).await;
    let types = types(&app).await;
    let is_composite = |name: &str| {
        types.iter().any(|kind| {
            kind["name"] == name
                && matches!(
                    kind["kind"].as_str(),
                    Some("OBJECT" | "INTERFACE" | "UNION")
                )
        })
    };
    let known = |name: &str| UNPAGED.iter().any(|list| list.name == name);
    let (mut unpriced, mut mistaken, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    for kind in &types {
        let parent = kind["name"].as_str().unwrap();
        for field in members(kind, "fields") {
            let name = field["name"].as_str().unwrap();
            let spelled = spelled(&field["type"]);
            let bare = spelled.trim_matches(['[', ']', '!']).replace("!]", "");
            let place = format!("{parent}.{name}: {spelled}");
            let is_list = spelled.starts_with('[') && is_composite(&bare);
            let pages = members(field, "args")
                .any(|arg| ["first", "ids"].contains(&arg["name"].as_str().unwrap()));
            let is_of_page = parent.ends_with("Connection") && ["nodes", "edges"].contains(&name);
            if is_list && !pages && !is_of_page {
                if known(name) {
                    used.insert(name.to_owned());
                } else {
                    unpriced.push(place);
                }
            } else if known(name) && is_composite(&bare) && !pages {
                mistaken.push(place);
            }
        }
    }
    assert!(unpriced.is_empty(), "not in weigh::UNPAGED: {unpriced:#?}");
    assert!(mistaken.is_empty(), "no lists without pages: {mistaken:#?}");
    let unused: Vec<_> = UNPAGED
        .iter()
        .filter(|list| !used.contains(list.name))
        .collect();
    assert!(unused.is_empty(), "no longer needed: {unused:?}");
    for list in UNPAGED {
        assert!(0 < list.usual && list.usual <= list.most, "{list:?}");
    }
}

/// A list of objects that does not count what it writes could hold up everybody else.
#[test]
fn every_list_of_objects_gives_way() {
    let sdl = sdl();
    let mut objects: BTreeSet<&str> = BTreeSet::new();
    for line in sdl.lines() {
        for start in ["type ", "interface "] {
            let name = line
                .strip_prefix(start)
                .and_then(|rest| rest.split(' ').next());
            objects.extend(name);
        }
    }
    let is_own = |name: &str| {
        // A node of a connection, an object that is written directly, a session by the name of its type here.
        let inner = name
            .trim_start_matches("Direct<")
            .trim_start_matches("Option<");
        let inner = inner.trim_end_matches('>');
        objects.contains(inner) || ["N", "Edge<N", "UserSession"].contains(&inner)
    };
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/graphql");
    let (mut open, mut found, mut listed) = (vec![directory], Vec::new(), 0);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        if path.extension().is_none_or(|kind| kind != "rs") || path.ends_with("pace.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut at_field = false;
        for line in text.lines() {
            let code = line.trim();
            // Fields of the schema: methods of objects, and what simple objects hold.
            at_field |= line.starts_with("    async fn ");
            let is_held = code.ends_with(',') && code.contains(": ");
            let ends = code.ends_with('{');
            if at_field && code.contains("->") || is_held || at_field && code.starts_with(") ->") {
                listed += code.matches("Listed<").count();
                for (at, _) in code.match_indices("Vec<") {
                    let rest = &code[at + 4..];
                    if is_own(&rest[..closing(rest)]) {
                        found.push(format!("{}: {code}", path.display()));
                    }
                }
            }
            at_field &= !ends;
        }
    }
    assert!(found.is_empty(), "write Listed in place of Vec: {found:#?}");
    assert!(listed >= 14, "only {listed} lists were found");
}

/// Where the bracket is closed that was open before `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if depth == 0 => return at,
            '>' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_mutations_have_one_shape() {
    let app = App::start(crate::support::Backend::Sqlite).await;
    let mut odd = Vec::new();
    for kind in types(&app).await {
        let name = kind["name"].as_str().unwrap();
        for field in members(&kind, "fields") {
            let place = format!("{name}.{}", field["name"].as_str().unwrap());
            let spelled_type = spelled(&field["type"]);
            let args: Vec<String> = members(field, "args")
                .map(|arg| {
                    format!(
                        "{}: {}",
                        arg["name"].as_str().unwrap(),
                        spelled(&arg["type"])
                    )
                })
                .collect();
            if spelled_type.trim_end_matches('!').ends_with("Connection") {
                for wanted in ["first: Int", "after: String", "last: Int", "before: String"] {
                    if !args.iter().any(|arg| arg == wanted) {
                        odd.push(format!("{place} is a connection without `{wanted}`"));
                    }
                }
            }
            if spelled_type.contains("Float")
                && !matches!(
                    place.as_str(),
                    "Coordinates.latitude"
                        | "Coordinates.longitude"
                        | "CoordinatesDoc.latitude"
                        | "CoordinatesDoc.longitude"
                )
            {
                odd.push(format!("{place} is a Float: money and counts are exact"));
            }
            // What stock RxDB sends and expects is not ours to choose.
            let is_of_rxdb = args
                .first()
                .is_some_and(|rows| rows.starts_with("rows: [") && rows.ends_with("PushRow!]!"))
                && spelled_type.ends_with("Doc!]!");
            if name == "Mutation" && !is_of_rxdb {
                let input = format!("{}Input!", upper_first(field["name"].as_str().unwrap()));
                let shaped = args.len() == 1
                    && (args[0] == format!("input: {input}") || args[0].starts_with("input: "));
                if !(shaped || args.is_empty()) {
                    odd.push(format!("{place} takes {args:?}, not one `input`"));
                }
                if !spelled_type.ends_with("Payload!") {
                    odd.push(format!("{place} answers {spelled_type}, not a payload"));
                }
            }
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
}

fn upper_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
