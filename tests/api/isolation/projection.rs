//! Every mutation, each once: what it changed of what phones hold is in the line of changes, and so is whose
//! sight of clients it changed. On PostgreSQL the database of the tests refuses, beside that, every commit of the
//! service that lacks an item (see `support::database`).

use std::collections::BTreeSet;

use serde_json::json;

use super::cases::{PUSHES, attempts};
use super::line::{Line, begin_anew};
use super::mutations::payload;
use super::schema::Schema;
use super::world::World;
use crate::support::App;

on_both!(every_mutation_is_told_to_phones, async |app: App| {
    let mut world = World::build(app).await;
    let schema = Schema::of(&world.app, &world.team.admin).await;
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    let (mut told, mut moved) = (0, 0);
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
        let viewers = world.viewers();
        begin_anew(&world.app, &world.db, &viewers).await;
        for attempt in cases.into_iter().flatten() {
            let now = world.app.server().clock.now();
            let before = Line::read(&world.db, now).await;
            let variables = json!({ "input": attempt.input });
            let answer = world
                .app
                .gql(&attempt.viewer.token, &query, variables)
                .await;
            if !answer.errors().is_empty() {
                wrong.insert(format!("{} fails: {answer}", mutation.name));
            }
            let after = Line::read(&world.db, now).await;
            let faults = after
                .faults()
                .into_iter()
                .chain(after.missed_since(&before));
            wrong.extend(faults.map(|fault| format!("{}: {fault}", mutation.name)));
            let (documents, seen) = after.size_since(&before);
            told += documents;
            moved += seen;
        }
    }
    println!("{told} documents, {moved} sights");
    let lines: Vec<&str> = wrong.iter().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}", lines.join("\n"));
    assert!(told > 50 && moved > 5, "{told} documents, {moved} sights");
});
