//! Nothing that phones hold is written past the place that tells them: statements that write are where they are
//! listed, and where they write what phones hold, they say so.

use super::reading::Source;
use super::{Findings, assert_none, sources};

/// Tables whose rows phones do not hold, and that decide on nobody's sight: anybody in `db` may write them.
const FREE: &[&str] = &[
    "client_stats",
    "credentials",
    "device_echoes",
    "handover_clients",
    "handovers",
    "idempotent_answers",
    "op_ledger",
    "order_events",
    "order_return_lines",
    "order_returns",
    "service_accounts",
    "service_keys",
    "sessions",
    "settings",
    "sign_in_failures",
    "stock_levels",
    "stock_movements",
    "stream_scopes",
    "sync_clock",
    "sync_devices",
    "sync_horizons",
    "sync_items",
    "sync_scopes",
    "sync_streams",
    "user_identities",
];

/// How a statement begins that writes.
const WRITES: &[&str] = &[
    "INSERT INTO ",
    "UPDATE ",
    "DELETE FROM ",
    "REPLACE INTO ",
    "TRUNCATE ",
];

/// What builds a statement that writes.
const BUILDERS: &[&str] = &[
    "Query::insert(",
    "Query::update(",
    "Query::delete(",
    "Insert::one(",
    "Insert::many(",
    "Update::one(",
    "Update::many(",
    "Delete::one(",
    "Delete::many(",
    "Entity::insert(",
    "Entity::insert_many(",
    "Entity::update(",
    "Entity::update_many(",
    "Entity::delete(",
    "Entity::delete_many(",
    "Entity::delete_by_id(",
    "ActiveModelTrait::insert(",
    "ActiveModelTrait::update(",
    "ActiveModelTrait::save(",
    "ActiveModelTrait::delete(",
];

/// Where what phones hold is written: (file, the builder or the table, what notes it there).
const WRITERS: &[(&str, &str, &str)] = &[
    ("src/db/tx.rs", "Insert::many(", "note_made"),
    ("src/db/tx.rs", "Query::update(", "note_changed"),
    ("src/db/tx.rs", "Query::delete(", "note_deleted"),
    ("src/db/together.rs", "Insert::one(", "note_made"),
    ("src/db/together.rs", "Insert::many(", "note_parts"),
    // Owners, and shares.
    ("src/db/handovers.rs", "Query::update(", "note_clients"),
    ("src/db/handovers.rs", "Insert::many(", "note_sight_of"),
    ("src/db/tree.rs", "user_reach", "note_viewers"),
];

/// Where a statement is built that writes nothing of it: (file, the builder or the table, why).
const OTHERS: &[(&str, &str, &str)] = &[
    ("src/db/accounts.rs", "Query::update(", "it ends sessions"),
    (
        "src/db/backup/load.rs",
        "Query::insert(",
        "a restore brings the line itself, and names it anew",
    ),
    (
        "src/db/sync/ops.rs",
        "sync_issues",
        "what was put aside is gone from phones since then",
    ),
    (
        "src/db/backup/load.rs",
        "{}",
        "a restore replaces the line itself, and names it anew",
    ),
];

/// The tables that rows are declared for.
fn tables(sources: &[Source]) -> Vec<String> {
    let mut tables = Vec::new();
    for source in sources.iter().filter(|s| s.path.starts_with("entity/src/")) {
        for (at, name) in source.uncommented.match_indices("table_name = \"") {
            let rest = &source.uncommented[at + name.len()..];
            tables.extend(rest.split('"').next().map(str::to_owned));
        }
    }
    tables
}

/// What a text writes: the tables, and `{}` for one that is only known when it runs.
fn written(text: &str) -> Vec<String> {
    let mut written = Vec::new();
    for beginning in WRITES {
        for (at, _) in text.match_indices(beginning) {
            // As part of another word or clause it is none: `FOR UPDATE`, `DO UPDATE SET`.
            let before = text[..at].trim_end();
            let is_clause = ["FOR", "DO", "NO KEY"]
                .iter()
                .any(|word| before.ends_with(word));
            let target = text[at + beginning.len()..].trim_start();
            if target.starts_with('{') {
                written.push("{}".to_owned());
                continue;
            }
            let name: String = target
                .trim_start_matches(['"', '\\'])
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !is_clause && !name.is_empty() {
                written.push(name);
            }
        }
    }
    written
}

fn writes_past_the_line(
    sources: &[Source],
    tables: &[String],
    writers: &[(&str, &str, &str)],
    others: &[(&str, &str, &str)],
) -> Vec<String> {
    let (mut findings, mut rest) = (Findings::default(), Findings::default());
    for source in sources
        .iter()
        .filter(|s| s.path.starts_with("src/") && !s.is_test())
    {
        let mut found: Vec<(usize, String)> = Vec::new();
        for text in &source.texts {
            let at = source.text.find(text.as_str()).unwrap_or_default();
            found.extend(written(text).into_iter().map(|table| (at, table)));
        }
        for builder in BUILDERS {
            for (at, _) in source.code.match_indices(builder) {
                found.push((at, (*builder).to_owned()));
            }
        }
        for (at, what) in found {
            let is_table = !what.ends_with('(') && what != "{}";
            if is_table && (FREE.contains(&what.as_str()) || !tables.contains(&what)) {
                continue;
            }
            let is = |entry: &&(&str, &str, &str)| entry.0 == source.path && entry.1 == what;
            if let Some(entry) = others.iter().find(is) {
                rest.needed
                    .extend(others.iter().position(|one| one == entry));
                continue;
            }
            let listed = writers.iter().position(|entry| is(&entry));
            if let Some((_, _, note)) = listed.and_then(|at| writers.get(at))
                && !source.code.contains(note)
            {
                findings.offence(source, at, &format!("`{what}` is not noted by `{note}`"));
            }
            let what = format!("`{what}` writes what phones hold and does not tell them");
            findings.unless_listed(listed, source, at, &what);
        }
    }
    let mut offences = findings.demand_all_needed(writers);
    offences.extend(rest.demand_all_needed(others));
    offences
}

#[test]
fn nothing_is_written_past_the_line_of_changes() {
    let sources = sources();
    let tables = tables(&sources);
    assert!(tables.len() > 35, "{tables:?}");
    for free in FREE {
        assert!(
            tables.iter().any(|table| table == free),
            "there is no table {free}"
        );
    }
    assert_none(&writes_past_the_line(&sources, &tables, WRITERS, OTHERS));
}

#[test]
fn writes_past_the_line_are_found() {
    let tables = vec![
        "clients".to_owned(),
        "notes".to_owned(),
        "settings".to_owned(),
    ];
    let find = |text: &str, writers: &[(&str, &str, &str)]| {
        let source = vec![Source::new("src/db/other.rs", text)];
        writes_past_the_line(&source, &tables, writers, &[])
    };
    for bad in [
        "fn f() { run(\"UPDATE clients SET name = $1\") }",
        "fn f() { run(\"INSERT INTO notes (id) VALUES ($1)\") }",
        "fn f() { run(\"WITH gone AS (DELETE FROM notes RETURNING id) SELECT 1\") }",
        "fn f() { run(format!(\"DELETE FROM {table}\")) }",
        "fn f() { let mut statement = Query::update(); }",
        "fn f() { note::Entity::delete_many().exec(db) }",
    ] {
        assert_eq!(find(bad, &[]).len(), 1, "{bad}");
    }
    for good in [
        "fn f() { run(\"INSERT INTO settings (key) VALUES ($1) ON CONFLICT (key) DO UPDATE SET value = $2\") }",
        "fn f() { run(\"SELECT id FROM clients FOR UPDATE\") }",
        "// UPDATE clients SET name = $1",
        "#[cfg(test)]\nmod tests { const A: &str = \"UPDATE clients SET name = $1\"; }",
    ] {
        assert_none(&find(good, &[]));
    }
    // What is listed has to note what it writes, and has to be there.
    let listed = &[("src/db/other.rs", "notes", "note_made")];
    assert_eq!(
        find("fn f() { run(\"DELETE FROM notes\") }", listed).len(),
        1
    );
    assert_none(&find(
        "fn f() { run(\"DELETE FROM notes\"); tx.note_made(rows) }",
        listed,
    ));
    assert_eq!(find("fn f() {}", listed).len(), 1);
}
