//! A wrong value in any argument, or any field of any input, is answered with the place it stands in. The places
//! are read off the schema of the running server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cases::{PUSHES, attempts};
use super::schema::{Input, Schema, Step};
use super::world::World;
use crate::support::{Answer, App, Backend};

/// A place for a value: its path in errors, and the value that puts something there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Names and, in lists, the index 0.
    pub(super) path: Vec<String>,
    /// The type of what stands there.
    pub(super) ty: String,
}

impl Place {
    pub(super) fn field(&self) -> String {
        self.path.join(".")
    }

    /// `into` with `value` at this place; what lies on the way is made where it is missing.
    pub(super) fn put(&self, into: &mut Value, value: &Value) {
        let mut at = into;
        for step in &self.path {
            at = if step == "0" {
                if !at.is_array() {
                    *at = json!([null]);
                }
                &mut at.as_array_mut().unwrap()[0]
            } else {
                if !at.is_object() {
                    *at = json!({});
                }
                let object = at.as_object_mut().unwrap();
                object.entry(step.as_str()).or_insert(Value::Null)
            };
        }
        *at = value.clone();
    }
}

/// Places where any text can be read: mutation or query, place, and who says what is wrong with it.
const READABLE: &[(&str, &str, &str)] = &[
    (
        "syncPush",
        "input.ops.0.id",
        "each operation is answered by itself",
    ),
    (
        "syncManifest",
        "after",
        "which ids there are is a question of the collection",
    ),
];

/// Every place inside `inputs`, at any depth; a type that holds itself is entered twice.
pub(super) fn places(schema: &Schema, inputs: &[Input]) -> Vec<Place> {
    let mut found = Vec::new();
    collect(schema, inputs, &mut Vec::new(), &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(
    schema: &'a Schema,
    inputs: &'a [Input],
    path: &mut Vec<String>,
    above: &mut Vec<&'a str>,
    found: &mut Vec<Place>,
) {
    for input in inputs {
        let length = path.len();
        path.push(input.name.clone());
        if input.ty.is_list {
            path.push("0".to_owned());
        }
        let ty = input.ty.name.as_str();
        found.push(Place {
            path: path.clone(),
            ty: ty.to_owned(),
        });
        let inner = &schema.get(ty).inputs;
        if !inner.is_empty() && above.iter().filter(|name| **name == ty).count() < 2 {
            above.push(ty);
            collect(schema, inner, path, above, found);
            above.pop();
        }
        path.truncate(length);
    }
}

/// A value that no place of this type takes.
fn unreadable(schema: &Schema, ty: &str) -> Value {
    match ty {
        "String" | "Decimal" => json!(5),
        _ if !schema.get(ty).inputs.is_empty() => json!(5),
        _ => json!("N0NSENSE"),
    }
}

/// Values that can be read, and of which hardly any place makes sense.
pub(super) fn absurd(ty: &str) -> Vec<Value> {
    match ty {
        "String" => vec![json!("x".repeat(20_000)), json!("a\u{0}b")],
        "Int" => vec![json!(-2_000_000_000), json!(2_000_000_000)],
        "Float" => vec![json!(1e30)],
        "Decimal" => vec![json!("-1.005"), json!("99999999999999999999")],
        "Date" => vec![json!("0001-01-01"), json!("9999-12-31")],
        "DateTime" => vec![json!("0001-01-01T00:00:00Z"), json!("9999-12-31T00:00:00Z")],
        _ => Vec::new(),
    }
}

/// The fields that all errors of an answer name.
fn named(answer: &Answer) -> BTreeSet<String> {
    let fields = answer.errors().iter().flat_map(|error| {
        let fields = error["extensions"]["fields"].as_array();
        fields.cloned().unwrap_or_default()
    });
    fields
        .map(|field| field.as_str().unwrap().to_owned())
        .collect()
}

/// What is wrong with how an unreadable value at `place` was answered.
fn judge(answer: &Answer, place: &Place) -> Option<String> {
    let field = place.field();
    let mut seen = BTreeSet::new();
    for error in answer.errors() {
        let message = error["message"].as_str().unwrap();
        let fields = error["extensions"]["fields"].to_string();
        if error["extensions"]["code"] != "BAD_USER_INPUT" {
            return Some(format!("{field} was answered with {error}"));
        }
        if message.contains("xpected type") || message.contains("occurred while") {
            return Some(format!("{field} is not told in our words: {message}"));
        }
        if !seen.insert((message.to_owned(), fields)) {
            return Some(format!("{field} is told twice: {message}"));
        }
    }
    (!named(answer).contains(&field)).then(|| format!("{field} is not named: {answer}"))
}

/// The query that gives `ty`'s field `name` the argument `argument` as a variable.
fn query(way: &[Step], root: &str, field: &str, argument: &Input) -> String {
    let mut text = format!("{field}({0}: $value) {{ __typename }}", argument.name);
    for step in way.iter().rev() {
        if let Some(on) = &step.on {
            text = format!("... on {on} {{ {text} }}");
        }
        text = format!("{} {{ {text} }}", step.field);
    }
    format!("{root}($value: {}) {{ {text} }}", argument.ty.text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_cannot_be_read_is_named_by_its_place() {
    let app = App::start(Backend::Sqlite).await;
    let team = app.team().await;
    let schema = Schema::of(&app, &team.admin).await;
    let (mut wrong, mut tried) = (BTreeSet::new(), 0);
    for (root, ty) in [("query", &schema.query), ("mutation", &schema.mutation)] {
        let ways = if root == "query" {
            schema.ways(ty)
        } else {
            vec![(ty.clone(), Vec::new())]
        };
        for (ty, way) in ways {
            for field in &schema.get(&ty).fields {
                for argument in &field.args {
                    let query = query(&way, root, &field.name, argument);
                    for place in places(&schema, std::slice::from_ref(argument)) {
                        let mut holder = json!({});
                        place.put(&mut holder, &unreadable(&schema, &place.ty));
                        let value = &holder[&argument.name];
                        let variables = json!({ "value": value });
                        let answer = app.gql(&team.ann.token, &query, variables).await;
                        tried += 1;
                        let is_readable = READABLE.iter().any(|(name, at, _)| {
                            (*name, *at) == (field.name.as_str(), place.field().as_str())
                        });
                        let fault = judge(&answer, &place);
                        if is_readable {
                            assert!(
                                fault.is_some(),
                                "{} reads its {}",
                                field.name,
                                place.field()
                            );
                        } else if let Some(fault) = fault {
                            wrong.insert(format!("{ty}.{}: {fault:.600} to {query}", field.name));
                        }
                    }
                }
            }
        }
    }
    println!("{tried} places");
    assert!(tried > 1_000, "only {tried} places were found");
    let listed: Vec<&str> = wrong.iter().map(String::as_str).take(40).collect();
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        listed.join("\n")
    );
}

on_both!(
    whatever_makes_no_sense_is_named_by_its_place,
    async |app: App| {
        let mut world = World::build(app).await;
        let schema = Schema::of(&world.app, &world.team.admin).await;
        let (mut wrong, mut tried, mut refused) = (BTreeSet::new(), 0, 0);
        for mutation in &schema.get(&schema.mutation).fields {
            if PUSHES.contains(&mutation.name.as_str()) {
                continue;
            }
            let Some(mut attempt) = attempts(&mut world, &mutation.name).await.and_then(first)
            else {
                wrong.insert(format!(
                    "there is no case for the mutation {}",
                    mutation.name
                ));
                continue;
            };
            let input = &mutation.args[0];
            let query = format!(
                "mutation($input: {}) {{ {}(input: $input) {{ __typename }} }}",
                input.ty.text, mutation.name
            );
            for place in places(&schema, &schema.get(&input.ty.name).inputs) {
                for value in absurd(&place.ty) {
                    let mut input = attempt.input.clone();
                    // One or the other, never both.
                    if place.path[0] == "shipTo" {
                        input.as_object_mut().unwrap().remove("addressId");
                    }
                    complete(&schema, &place, &mut input, &mutation.args[0].ty.name);
                    place.put(&mut input, &value);
                    let variables = json!({ "input": input });
                    let answer = world
                        .app
                        .gql(&attempt.viewer.token, &query, variables)
                        .await;
                    tried += 1;
                    if answer.errors().is_empty() {
                        attempt = attempts(&mut world, &mutation.name)
                            .await
                            .and_then(first)
                            .unwrap();
                    } else if answer.code(0) == "BAD_USER_INPUT" {
                        refused += 1;
                        let field = format!("input.{}", place.field());
                        if !named(&answer).contains(&field) {
                            wrong.insert(format!(
                                "{}({field}: {value:.40}): {answer:.600}",
                                mutation.name
                            ));
                        }
                    }
                }
            }
        }
        println!("{tried} values, {refused} refused as wrong input");
        assert!(refused > 200, "only {refused} of {tried} were refused");
        let listed: Vec<&str> = wrong.iter().map(String::as_str).take(90).collect();
        assert!(
            wrong.is_empty(),
            "{} of {tried}:\n{}",
            wrong.len(),
            listed.join("\n")
        );
    }
);

fn first(attempts: Vec<super::cases::Attempt>) -> Option<super::cases::Attempt> {
    attempts.into_iter().next()
}

/// Gives the objects on the way to `place` what they must have.
pub(super) fn complete(schema: &Schema, place: &Place, input: &mut Value, ty: &str) {
    let (mut at, mut ty) = (input, ty.to_owned());
    for step in &place.path {
        if step == "0" {
            if at.as_array().is_none_or(Vec::is_empty) {
                *at = json!([null]);
            }
            at = &mut at.as_array_mut().unwrap()[0];
            continue;
        }
        if !at.is_object() {
            *at = json!({});
        }
        for needed in schema
            .get(&ty)
            .inputs
            .iter()
            .filter(|input| !input.is_optional)
        {
            let object = at.as_object_mut().unwrap();
            object
                .entry(needed.name.as_str())
                .or_insert_with(|| sample(schema, &needed.ty.name));
        }
        let inner = schema
            .get(&ty)
            .inputs
            .iter()
            .find(|input| input.name == *step);
        ty = inner.unwrap().ty.name.clone();
        at = at
            .as_object_mut()
            .unwrap()
            .entry(step.as_str())
            .or_insert(Value::Null);
    }
}

/// A value that makes sense in most places of this type.
fn sample(schema: &Schema, ty: &str) -> Value {
    match ty {
        "String" => json!("5550100"),
        "Int" => json!(1),
        "Float" => json!(1.0),
        "Boolean" => json!(true),
        "Decimal" => json!("1.00"),
        "CurrencyCode" => json!("EUR"),
        "Date" => json!("2026-01-01"),
        "DateTime" => json!("2026-01-01T00:00:00Z"),
        "ID" => json!(format!("product_{}", uuid::Uuid::now_v7())),
        _ => {
            if let Some(value) = schema.get(ty).values.first() {
                json!(value)
            } else {
                let needed = schema
                    .get(ty)
                    .inputs
                    .iter()
                    .filter(|input| !input.is_optional);
                let fields =
                    needed.map(|input| (input.name.clone(), sample(schema, &input.ty.name)));
                Value::Object(fields.collect())
            }
        }
    }
}
