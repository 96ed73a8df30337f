//! Writing: for every mutation, that the rightful may, that strangers may not, and that no id in its input
//! opens what belongs to others. What is refused leaves every table as it was.

use std::collections::{BTreeMap, BTreeSet};

use clientele::domain::service_accounts::{self, NewServiceAccount};
use clientele::graphql::service_scopes::{self, Need};
use entity::ServiceScope;
use sea_orm::{DatabaseConnection, Iterable};
use serde_json::{Value, json};

use super::cases::{Attempt, PUSHES, attempts};
use super::dump::{Dump, difference};
use super::schema::{IdPath, Schema};
use super::world::World;
use crate::support::{Answer, App, Person};

/// Places for ids that no attempt fills, and why.
const UNFILLED: &[(&str, &str, &str)] = &[];

/// A mutation as it is sent.
struct Sender<'a> {
    world: &'a World,
    query: String,
    /// The same, short enough for anonymous callers.
    bare: String,
    field: String,
}

impl Sender<'_> {
    async fn send(&self, token: &str, input: &Value) -> Answer {
        let variables = json!({ "input": input });
        self.world.app.gql(token, &self.query, variables).await
    }
}

/// The tables, and what they held last.
struct Watch<'a> {
    db: &'a DatabaseConnection,
    dump: Dump,
    last: BTreeMap<String, String>,
}

impl Watch<'_> {
    /// What changed since the last look.
    async fn changes(&mut self) -> String {
        let now = self.dump.take(self.db).await;
        let changes = difference(&self.last, &now);
        self.last = now;
        changes
    }
}

on_both!(nobody_writes_what_belongs_to_others, async |app: App| {
    let mut world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    let mut figures = Figures::default();
    for mutation in &schema.get(&schema.mutation).fields {
        if PUSHES.contains(&mutation.name.as_str()) {
            continue;
        }
        let Some(attempts) = attempts(&mut world, &mutation.name).await else {
            wrong.insert(format!(
                "there is no case for the mutation {}",
                mutation.name
            ));
            continue;
        };
        let [input] = mutation.args.as_slice() else {
            panic!("{} takes one argument, `input`", mutation.name);
        };
        let places = schema.id_paths(&mutation.name, &schema.get(&input.ty.name).inputs);
        let filled: BTreeSet<String> = attempts
            .iter()
            .flat_map(|attempt| ids_in(&attempt.input))
            .map(|(path, _)| without_indexes(&path))
            .collect();
        for place in places.iter().map(IdPath::text) {
            let excused = UNFILLED
                .iter()
                .any(|(name, path, _)| *name == mutation.name && *path == place);
            if !filled.contains(&place) && !excused {
                wrong.insert(format!("no case of {} fills {place}", mutation.name));
            }
        }
        let sender = Sender {
            world: &world,
            query: format!(
                "mutation($input: {}) {{ {}(input: $input) {{ {} }} }}",
                input.ty.text,
                mutation.name,
                payload(&schema, &mutation.ty.name, 3)
            ),
            bare: format!(
                "mutation($input: {}) {{ {}(input: $input) {{ __typename }} }}",
                input.ty.text, mutation.name
            ),
            field: mutation.name.clone(),
        };
        for attempt in attempts {
            let key = key_lacking(&world, &attempt.viewer, &mutation.name).await;
            let mut watch = Watch {
                db: &world.db,
                dump: Dump::of(&world.db).await,
                last: BTreeMap::new(),
            };
            watch.changes().await;
            figures.cases += 1;
            try_one(&sender, &attempt, key, &mut watch, &mut wrong, &mut figures).await;
        }
    }
    println!("{figures:?}");
    let lines: Vec<&str> = wrong.iter().map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} faults:\n{}",
        lines.len(),
        lines.join("\n")
    );
});

/// The key of a program that acts as `viewer` and may do all but what `mutation` needs.
async fn key_lacking(world: &World, viewer: &Person, mutation: &str) -> String {
    let needed = service_scopes::need(mutation);
    let scopes: Vec<ServiceScope> = ServiceScope::iter()
        .filter(|scope| needed != Some(Need::Scope(*scope)))
        .collect();
    let user = viewer.id;
    let made = world
        .app
        .server()
        .database
        .as_system("the programs of a test")
        .write(move |tx| {
            let new = NewServiceAccount {
                id: None,
                name: uuid::Uuid::now_v7().to_string(),
                user,
                scopes: scopes.clone(),
            };
            async move {
                let account = service_accounts::create(&tx, new).await?;
                service_accounts::make_key(&tx, account.id, None).await
            }
        })
        .await
        .expect("a key should be made");
    made.text
}

#[derive(Debug, Default)]
struct Figures {
    cases: usize,
    by_strangers: usize,
    with_ids_of_others: usize,
}

async fn try_one(
    sender: &Sender<'_>,
    attempt: &Attempt,
    key: String,
    watch: &mut Watch<'_>,
    wrong: &mut BTreeSet<String>,
    figures: &mut Figures,
) {
    let (world, name) = (sender.world, &sender.field);
    for (who, token) in [
        ("nobody", ""),
        ("somebody signed out", world.gone.token.as_str()),
    ] {
        let variables = json!({ "input": attempt.input });
        let answer = world.app.gql(token, &sender.bare, variables).await;
        if answer.errors().is_empty() || answer.code(0) != "UNAUTHENTICATED" {
            wrong.insert(format!("{name} by {who}: {answer}"));
        }
        if !token.is_empty() && answer.status != 401 {
            wrong.insert(format!("{name} by {who} has status {}", answer.status));
        }
    }
    let answer = sender.send(&key, &attempt.input).await;
    let rule = answer.errors().first().map(|_| answer.rule().to_owned());
    if !matches!(
        rule.as_deref(),
        Some("service_accounts.scope_missing" | "service_accounts.person_only")
    ) {
        wrong.insert(format!("{name} by a program without the scope: {answer}"));
    }
    for stranger in &attempt.strangers {
        let answer = sender.send(&stranger.token, &attempt.input).await;
        figures.by_strangers += 1;
        let code = answer.errors().first().map(|_| answer.code(0).to_owned());
        if !matches!(
            code.as_deref(),
            Some("NOT_FOUND" | "FORBIDDEN" | "CONFLICT")
        ) {
            wrong.insert(format!(
                "{name} by the stranger {}: {answer}",
                stranger.name
            ));
        }
        leaks(world, stranger, &answer, name, wrong);
    }
    unchanged(watch, name, "strangers", wrong).await;
    for (path, id) in ids_in(&attempt.input) {
        let kind = id.rsplit_once('_').map_or("", |(kind, _)| kind);
        let chosen = attempt.chosen.contains(&path.as_str());
        let nobodys = format!("{kind}_{}", uuid::Uuid::now_v7());
        let (_, unseen) = world.split(attempt.viewer.id, kind);
        let mut others: Vec<String> = unseen
            .first()
            .into_iter()
            .chain(unseen.last())
            .cloned()
            .collect();
        others.dedup();
        if attempt.within_team.contains(&path.as_str()) {
            others.push(world.team.cleo.id.to_string());
        }
        let mut expected = None;
        if !chosen {
            let answer = send_with(sender, attempt, &path, &nobodys).await;
            expected = Some(refusal(&answer, &nobodys));
            refused(&answer, name, &path, "an id of nothing", wrong);
            unchanged(watch, name, &format!("{path} of nothing"), wrong).await;
        }
        for other in others {
            let answer = send_with(sender, attempt, &path, &other).await;
            figures.with_ids_of_others += 1;
            refused(&answer, name, &path, "somebody's id", wrong);
            if let Some(expected) = &expected
                && kind != "user"
                && *expected != refusal(&answer, &other)
            {
                wrong.insert(format!(
                    "{name} tells that the {path} exists: {} instead of {expected}",
                    refusal(&answer, &other)
                ));
            }
            unchanged(watch, name, &format!("{path} of others"), wrong).await;
        }
    }
    let answer = sender.send(&attempt.viewer.token, &attempt.input).await;
    if !answer.errors().is_empty() || answer.status != 200 {
        wrong.insert(format!(
            "{name} by the rightful {} fails: {answer} {}",
            attempt.viewer.name, attempt.input
        ));
    } else if watch.changes().await.is_empty() {
        wrong.insert(format!("{name} changes nothing: the case proves nothing"));
    }
    leaks(world, &attempt.viewer, &answer, name, wrong);
}

fn leaks(
    world: &World,
    viewer: &Person,
    answer: &Answer,
    name: &str,
    wrong: &mut BTreeSet<String>,
) {
    for leak in world.leaks_of(viewer.id, &answer.json) {
        // What the mutation itself made is new to the scene.
        if !leak.ends_with("is an id of nothing in the scene") {
            wrong.insert(format!("{name} tells {}: {leak}", viewer.name));
        }
    }
}

async fn send_with(sender: &Sender<'_>, attempt: &Attempt, path: &str, id: &str) -> Answer {
    let mut input = attempt.input.clone();
    let pointer = format!("/{}", path.replace('.', "/"));
    *input.pointer_mut(&pointer).expect("the place of an id") = json!(id);
    sender.send(&attempt.viewer.token, &input).await
}

fn refused(answer: &Answer, name: &str, path: &str, what: &str, wrong: &mut BTreeSet<String>) {
    let code = answer.errors().first().map(|_| answer.code(0).to_owned());
    if !matches!(
        code.as_deref(),
        Some("NOT_FOUND" | "FORBIDDEN" | "CONFLICT" | "BAD_USER_INPUT" | "RULE_VIOLATED")
    ) {
        wrong.insert(format!("{name} takes {what} as {path}: {answer}"));
    }
}

async fn unchanged(watch: &mut Watch<'_>, name: &str, what: &str, wrong: &mut BTreeSet<String>) {
    let changes = watch.changes().await;
    if !changes.is_empty() {
        wrong.insert(format!("{name} with {what} changed rows:\n{changes}"));
    }
}

/// What a refusal says, without the id it was given.
fn refusal(answer: &Answer, id: &str) -> String {
    let error = answer.errors().first().cloned().unwrap_or_default();
    let told = json!([
        error["message"],
        error["extensions"]["code"],
        error["extensions"]["rule"],
        error["extensions"]["fields"]
    ]);
    let uuid = id.rsplit_once('_').map_or(id, |(_, uuid)| uuid);
    told.to_string().replace(uuid, "UUID")
}

/// Every id in an input, with its path.
fn ids_in(input: &Value) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        match value {
            Value::String(text) if entity::split(text).is_some() => {
                found.push((path.to_owned(), text.clone()));
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    walk(&below(&at.to_string()), item, found);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    walk(&below(name), value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", input, &mut found);
    found
}

fn without_indexes(path: &str) -> String {
    let names = path
        .split('.')
        .filter(|name| name.parse::<usize>().is_err());
    names.collect::<Vec<_>>().join(".")
}

/// What to ask of a payload: everything without arguments, a few levels deep.
pub(super) fn payload(schema: &Schema, ty: &str, levels: usize) -> String {
    let mut text = String::from("__typename ");
    for field in &schema.get(ty).fields {
        let below = &field.ty.name;
        if field.args.iter().any(|arg| !arg.is_optional) || schema.is_connection(below) {
            continue;
        }
        if schema.is_leaf(below) {
            text.push_str(&format!("{} ", field.name));
        } else if levels > 1 && schema.get(below).possible.is_empty() {
            text.push_str(&format!(
                "{} {{ {} }} ",
                field.name,
                payload(schema, below, levels - 1)
            ));
        }
    }
    text
}
