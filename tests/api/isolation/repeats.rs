//! Every mutation can be repeated under a key: the second time changes nothing and is answered as the first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::cases::{PUSHES, attempts};
use super::dump::{Dump, difference};
use super::mutations::payload;
use super::schema::Schema;
use super::world::World;
use crate::support::App;

/// Mutations whose answer holds a secret: it is shown once.
const SHOWN_ONCE: [&str; 2] = ["serviceKeyCreate", "userPasswordReset"];

on_both!(every_mutation_is_done_once_per_key, async |app: App| {
    let mut world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    for mutation in &schema.get(&schema.mutation).fields {
        if PUSHES.contains(&mutation.name.as_str()) {
            continue;
        }
        let cases = attempts(&mut world, &mutation.name).await;
        let query = format!(
            "mutation($input: {}) {{ {}(input: $input) {{ {} }} }}",
            mutation.args[0].ty.text,
            mutation.name,
            payload(&schema, &mutation.ty.name, 3)
        );
        for (at, attempt) in cases.into_iter().flatten().enumerate() {
            let send = async || {
                let request = world
                    .app
                    .request(reqwest::Method::POST, "/graphql")
                    .bearer_auth(&attempt.viewer.token)
                    .header("Idempotency-Key", format!("{}-{at}", mutation.name))
                    .json(&json!({ "query": query, "variables": { "input": attempt.input } }));
                let response = request.send().await.unwrap();
                (response.status(), response.text().await.unwrap())
            };
            let dump = Dump::of(&world.db).await;
            let first = send().await;
            let before: BTreeMap<String, String> = dump.take(&world.db).await;
            let second = send().await;
            let after = dump.take(&world.db).await;
            if first.0 != 200 || first.1.contains("\"errors\"") {
                wrong.insert(format!("{} with a key fails: {}", mutation.name, first.1));
            }
            let is_shown_once = SHOWN_ONCE.contains(&mutation.name.as_str());
            if is_shown_once && !second.1.contains("\"idempotency.shown_once\"") {
                wrong.insert(format!("{} shows it again: {}", mutation.name, second.1));
            }
            // Who ended their own session cannot ask again.
            let told = |answer: &str| answer.split(",\"extensions\":").next().map(str::to_owned);
            if !is_shown_once
                && second.0 != 401
                && (second.0, told(&second.1)) != (first.0, told(&first.1))
            {
                wrong.insert(format!(
                    "{} is answered {} and then {}",
                    mutation.name, first.1, second.1
                ));
            }
            let changes = difference(&before, &after);
            if !changes.is_empty() {
                wrong.insert(format!("{} is done again:\n{changes}", mutation.name));
            }
        }
    }
    let lines: Vec<&str> = wrong.iter().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}", lines.join("\n"));
});
