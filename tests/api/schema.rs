//! The schema as a product: checked in, described throughout, and of one shape.

use std::path::PathBuf;

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
                    "Coordinates.latitude" | "Coordinates.longitude"
                )
            {
                odd.push(format!("{place} is a Float: money and counts are exact"));
            }
            if name == "Mutation" {
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
