//! The rules of the house that no compiler checks, read off the sources.
//!
//! Each rule is a function of a file's text and has a test that feeds it a bad file, so that a rule which
//! stopped working shows. Lists of exceptions may only shrink: an entry that nothing needs fails.

use std::collections::BTreeSet;
use std::path::Path;

/// The layers, lowest first. A module may use its own layer and those above it in this list.
const LAYERS: &[&[&str]] = &[
    &["error", "clock", "config"],
    &["auth"],
    &["db"],
    &["domain"],
    &["graphql", "sync", "jobs"],
    &["http"],
];

/// Uses of a higher layer that are meant: (file, module it uses).
const UPWARD: &[(&str, &str)] = &[
    // `?` on a database error needs the conversion next to the type; what the error means only `db` knows.
    ("src/error.rs", "db"),
];

/// Crates with one home: (crate, folders or files that may name it).
const HOMES: &[(&str, &[&str])] = &[
    (
        "async_graphql",
        &[
            "src/graphql",
            "src/sync",
            "src/http",
            "src/error.rs",
            "src/main.rs",
        ],
    ),
    ("axum", &["src/http", "src/main.rs"]),
    ("hyper", &["src/http", "src/main.rs"]),
];

/// Names that reach past the scope of a viewer, and so stay in `db`.
const CONNECTION_NAMES: &[&str] = &[
    "DatabaseConnection",
    "DatabaseTransaction",
    "ConnectionTrait",
    "TransactionTrait",
    "Statement",
    "execute_unprepared",
];

/// How SQL text begins.
const SQL_BEGINNINGS: &[&str] = &[
    "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "CREATE ", "ALTER ", "DROP ", "PRAGMA ",
    "BEGIN", "COMMIT", "ROLLBACK", "VACUUM", "EXPLAIN ", "LOCK ", "NOTIFY ", "LISTEN ",
];

/// Every use of the door that no scope guards: (file, the reason it gives).
const UNSCOPED: &[(&str, &str)] = &[];

/// What must not be left in what ships.
const LEFTOVERS: &[&str] = &[".unwrap()", "todo!", "dbg!", "unimplemented!"];

/// Lines a file may have.
const MAX_LINES: usize = 700;

/// Files that are longer: (file, lines it may have).
const LONG_FILES: &[(&str, usize)] = &[];

/// A source file, read three ways.
struct Source {
    /// Path from the top of the repository, with `/`.
    path: String,
    /// As it is.
    text: String,
    /// Without comments.
    uncommented: String,
    /// Without comments, texts and test modules.
    code: String,
    /// The texts in it (string literals), outside test modules.
    texts: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let lexed = lex(text);
        let tests = test_modules(&lexed.code);
        let code = blank(&lexed.code, &tests);
        let texts = lexed
            .texts
            .into_iter()
            .filter(|(at, _)| !tests.iter().any(|range| range.contains(at)))
            .map(|(_, text)| text)
            .collect();
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            uncommented: lexed.uncommented,
            code,
            texts,
        }
    }

    /// Whether all of it is test code.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// The module directly below the crate that it belongs to, as in `domain`; none for `lib.rs` and `main.rs`.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(module, "lib" | "main")).then_some(module)
    }

    /// How many `super` lead from it to the top of the crate.
    fn depth(&self) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inside.split('/').filter(|part| *part != "mod").count()
    }
}

// --- Reading Rust, as far as these rules need it ---------------------------------------------------------------

struct Lexed {
    uncommented: String,
    code: String,
    /// Where each text begins, and what it says.
    texts: Vec<(usize, String)>,
}

/// Blanks comments, and texts in `code`, keeping every byte's place and every line.
fn lex(source: &str) -> Lexed {
    let characters: Vec<(usize, char)> = source.char_indices().collect();
    let at = |index: usize| characters.get(index).map_or('\0', |(_, c)| *c);
    let (mut uncommented, mut code, mut texts) = (String::new(), String::new(), Vec::new());
    let mut index = 0;
    while index < characters.len() {
        let start = index;
        let mut is_text = false;
        let previous = if index == 0 { '\0' } else { at(index - 1) };
        let starts_word = !(previous.is_alphanumeric() || previous == '_');
        if at(index) == '/' && at(index + 1) == '/' {
            while index < characters.len() && at(index) != '\n' {
                index += 1;
            }
        } else if at(index) == '/' && at(index + 1) == '*' {
            let mut open = 0;
            while index < characters.len() {
                if at(index) == '/' && at(index + 1) == '*' {
                    open += 1;
                    index += 2;
                } else if at(index) == '*' && at(index + 1) == '/' {
                    open -= 1;
                    index += 2;
                    if open == 0 {
                        break;
                    }
                } else {
                    index += 1;
                }
            }
        } else if let Some(end) =
            end_of_raw_text(&at, index, characters.len()).filter(|_| starts_word)
        {
            is_text = true;
            index = end;
        } else if at(index) == '"' {
            is_text = true;
            index += 1;
            while index < characters.len() && at(index) != '"' {
                index += if at(index) == '\\' { 2 } else { 1 };
            }
            index += 1;
        } else if at(index) == '\'' && (at(index + 1) == '\\' || at(index + 2) == '\'') {
            // A character, not a lifetime.
            is_text = true;
            index += if at(index + 1) == '\\' { 3 } else { 2 };
            while index < characters.len() && at(index) != '\'' {
                index += 1;
            }
            index += 1;
        } else {
            uncommented.push(at(index));
            code.push(at(index));
            index += 1;
            continue;
        }
        index = index.min(characters.len());
        let piece: String = (start..index).map(at).collect();
        if is_text {
            texts.push((characters[start].0, piece.clone()));
            uncommented.push_str(&piece);
        } else {
            uncommented.push_str(&blanks(&piece));
        }
        code.push_str(&blanks(&piece));
    }
    Lexed {
        uncommented,
        code,
        texts,
    }
}

/// The end of a raw text such as `r#"..."#` that begins at `start`, if one does.
fn end_of_raw_text(at: &impl Fn(usize) -> char, start: usize, length: usize) -> Option<usize> {
    let mut index = start;
    if matches!(at(index), 'b' | 'c') {
        index += 1;
    }
    if at(index) != 'r' {
        return None;
    }
    index += 1;
    let mut marks = 0;
    while at(index) == '#' {
        marks += 1;
        index += 1;
    }
    if at(index) != '"' {
        return None;
    }
    index += 1;
    while index < length {
        if at(index) == '"' && (1..=marks).all(|offset| at(index + offset) == '#') {
            return Some(index + 1 + marks);
        }
        index += 1;
    }
    Some(length)
}

/// As many bytes of white space, with the same line ends.
fn blanks(text: &str) -> String {
    text.chars()
        .flat_map(|c| std::iter::repeat_n(if c == '\n' { '\n' } else { ' ' }, c.len_utf8()))
        .collect()
}

fn blank(code: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let mut result = code.to_owned();
    for range in ranges {
        result.replace_range(range.clone(), &blanks(&code[range.clone()]));
    }
    result
}

/// Where `#[cfg(test)]` and what it stands before lie.
fn test_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find("#[cfg(test)]").map(|at| from + at) {
        let mut open = 0;
        let mut end = code.len();
        for (at, character) in code[start..].char_indices() {
            match character {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if (character == '}' && open == 0) || (character == ';' && open == 0) {
                end = start + at + 1;
                break;
            }
        }
        ranges.push(start..end);
        from = end;
    }
    ranges
}

/// Where `word` stands as a whole word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            !code[..*at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
        })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn leading_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

/// The modules directly below the crate that the code names, with where.
fn used_modules(source: &Source) -> Vec<(usize, String)> {
    let root = format!(
        "super::{}",
        "super::".repeat(source.depth().saturating_sub(1))
    );
    let mut used = Vec::new();
    let roots = ["crate::", root.as_str()];
    for root in roots
        .iter()
        .take(if source.module().is_some() { 2 } else { 1 })
    {
        for (at, _) in source.code.match_indices(root) {
            let before = &source.code[..at];
            if before.ends_with("super::")
                || before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
            {
                continue;
            }
            let rest = &source.code[at + root.len()..];
            if rest.starts_with("super::") {
                continue;
            }
            if let Some(group) = rest.strip_prefix('{') {
                let mut open = 0;
                let mut expects_name = true;
                for (offset, character) in group.char_indices() {
                    if open == 0 && expects_name && !character.is_whitespace() && character != '}' {
                        used.push((at, leading_word(&group[offset..]).to_owned()));
                        expects_name = false;
                    }
                    match character {
                        '{' => open += 1,
                        '}' if open == 0 => break,
                        '}' => open -= 1,
                        ',' if open == 0 => expects_name = true,
                        _ => {}
                    }
                }
            } else {
                used.push((at, leading_word(rest).to_owned()));
            }
        }
    }
    used
}

// --- The rules ---------------------------------------------------------------------------------------------------

/// What is wrong, as `file:line: what`, and which exceptions were needed.
#[derive(Default)]
struct Findings {
    offences: Vec<String>,
    needed: BTreeSet<usize>,
}

impl Findings {
    fn offence(&mut self, source: &Source, at: usize, what: &str) {
        let line = line_of(&source.text, at);
        self.offences
            .push(format!("{}:{line}: {what}", source.path));
    }

    /// Excuses an offence that is on the list, else notes it.
    fn unless_listed(&mut self, listed: Option<usize>, source: &Source, at: usize, what: &str) {
        match listed {
            Some(entry) => {
                self.needed.insert(entry);
            }
            None => self.offence(source, at, what),
        }
    }

    /// Adds an offence for each entry of a list that nothing needed.
    fn demand_all_needed<T: std::fmt::Debug>(mut self, list: &[T]) -> Vec<String> {
        for (index, entry) in list.iter().enumerate() {
            if !self.needed.contains(&index) {
                self.offences
                    .push(format!("nothing needs the exception {entry:?}: remove it"));
            }
        }
        self.offences
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn imports_that_point_up(sources: &[Source], allowed: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources
        .iter()
        .filter(|s| s.path.starts_with("src/") && !s.is_test())
    {
        let Some(module) = source.module() else {
            continue;
        };
        let Some(own) = layer(module) else {
            findings.offence(
                source,
                0,
                &format!("`{module}` is in no layer: add it to LAYERS"),
            );
            continue;
        };
        for (at, used) in used_modules(source) {
            if layer(&used).is_some_and(|used| used > own) {
                let listed = allowed
                    .iter()
                    .position(|(path, module)| *path == source.path && *module == used);
                let what = format!("`{module}` uses `{used}`, which is above it");
                findings.unless_listed(listed, source, at, &what);
            }
        }
    }
    findings.demand_all_needed(allowed)
}

fn crates_away_from_home(sources: &[Source]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources
        .iter()
        .filter(|s| s.path.starts_with("src/") && !s.is_test())
    {
        for (name, homes) in HOMES {
            if homes.iter().any(|home| is_within(&source.path, home)) {
                continue;
            }
            for at in words(&source.code, name) {
                findings.offence(source, at, &format!("`{name}` belongs to {homes:?}"));
            }
        }
    }
    findings.offences
}

fn is_within(path: &str, home: &str) -> bool {
    path.strip_prefix(home)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
}

fn connections_outside_db(sources: &[Source]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources {
        if !source.path.starts_with("src/") || is_within(&source.path, "src/db") || source.is_test()
        {
            continue;
        }
        for name in CONNECTION_NAMES {
            for at in words(&source.code, name) {
                findings.offence(source, at, &format!("`{name}` belongs to src/db"));
            }
        }
        for text in &source.texts {
            let inside = text
                .trim_start_matches(['b', 'c', 'r', '#', '"'])
                .trim_start();
            if SQL_BEGINNINGS.iter().any(|word| inside.starts_with(word)) {
                let at = source.text.find(text.as_str()).unwrap_or_default();
                findings.offence(source, at, "SQL text belongs to src/db");
            }
        }
    }
    findings.offences
}

fn unscoped_doors(sources: &[Source], allowed: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources
        .iter()
        .filter(|s| s.path.starts_with("src/") && !s.is_test())
    {
        for door in ["as_system", "system"] {
            for at in words(&source.code, door) {
                let after = &source.code[at + door.len()..];
                let is_definition = source.code[..at].trim_end().ends_with("fn");
                if is_definition || !after.starts_with('(') {
                    continue;
                }
                let argument = &source.uncommented[at + door.len() + 1..];
                // The reason may follow other arguments: it is the first text before the call ends.
                let call = &argument[..argument.find(')').unwrap_or(argument.len())];
                let Some(reason) = call.split('"').nth(1) else {
                    findings.offence(source, at, "the unscoped door needs a reason, written out");
                    continue;
                };
                let listed = allowed
                    .iter()
                    .position(|(path, listed)| *path == source.path && *listed == reason);
                let what = format!("an unscoped door that is not on the list: {reason:?}");
                findings.unless_listed(listed, source, at, &what);
            }
        }
    }
    findings.demand_all_needed(allowed)
}

fn leftovers(sources: &[Source]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources.iter().filter(|s| !s.is_test()) {
        for leftover in LEFTOVERS {
            for (at, _) in source.code.match_indices(leftover) {
                findings.offence(source, at, &format!("`{leftover}` must not ship"));
            }
        }
    }
    findings.offences
}

fn long_files(sources: &[Source], allowed: &[(&str, usize)]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            let listed = allowed
                .iter()
                .position(|(path, most)| *path == source.path && lines <= *most);
            let what = format!("{lines} lines: split it by meaning ({MAX_LINES} are allowed)");
            findings.unless_listed(listed, source, 0, &what);
        }
    }
    findings.demand_all_needed(allowed)
}

fn modules_without_a_purpose(sources: &[Source]) -> Vec<String> {
    let mut findings = Findings::default();
    for source in sources {
        let first = source.text.lines().next().unwrap_or_default();
        if first
            .strip_prefix("//!")
            .is_none_or(|purpose| purpose.trim().is_empty())
        {
            findings.offence(source, 0, "a module begins with `//!` and what it is for");
        }
    }
    findings.offences
}

// --- The rules, applied ------------------------------------------------------------------------------------------

/// Every source file of the repository.
fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "entity/src", "migration/src", "tests", "benches"] {
        read_folder(top, &top.join(folder), &mut sources);
    }
    assert!(
        sources.iter().any(|s| s.path == "src/lib.rs"),
        "the sources were not found"
    );
    sources
}

fn read_folder(top: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(top, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(top)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            sources.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[track_caller]
fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn imports_point_down() {
    assert_none(&imports_that_point_up(&sources(), UPWARD));
}

#[test]
fn crates_stay_at_home() {
    assert_none(&crates_away_from_home(&sources()));
}

#[test]
fn connections_and_sql_stay_in_db() {
    assert_none(&connections_outside_db(&sources()));
}

#[test]
fn the_unscoped_door_is_used_only_where_listed() {
    assert_none(&unscoped_doors(&sources(), UNSCOPED));
}

#[test]
fn nothing_unfinished_ships() {
    assert_none(&leftovers(&sources()));
}

#[test]
fn files_stay_short() {
    assert_none(&long_files(&sources(), LONG_FILES));
}

#[test]
fn every_module_says_what_it_is_for() {
    assert_none(&modules_without_a_purpose(&sources()));
}

/// The rules, fed with what they must find and with what they must let pass.
mod rules {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<Source> {
        vec![Source::new(path, text)]
    }

    #[test]
    fn imports_upward_are_found_in_every_spelling() {
        for bad in [
            "use crate::graphql::Thing;",
            "use crate::{error::Error, http, Result};",
            "use crate::{\n    db::{Tx, scope::{A, B}},\n    graphql::types,\n};",
            "fn f() -> crate::http::Router { g() }",
            "use super::super::graphql;",
            "fn f() { let q = \"//\"; crate::http::serve() }",
            "fn f() { let q = '\"'; crate::http::serve() }",
            "fn f<'a>() { crate::http::serve() }",
        ] {
            assert_eq!(
                imports_that_point_up(&file("src/domain/orders.rs", bad), &[]).len(),
                1,
                "{bad}"
            );
        }
        assert_eq!(
            imports_that_point_up(&file("src/clock.rs", "use super::auth;"), &[]).len(),
            1
        );
        assert_eq!(
            imports_that_point_up(&file("src/db/mod.rs", "use super::domain;"), &[]).len(),
            1
        );
        assert_eq!(
            imports_that_point_up(&file("src/unknown.rs", ""), &[]).len(),
            1
        );
    }

    #[test]
    fn imports_downward_and_sideways_pass() {
        for good in [
            "use crate::db::{Tx, graphql};",
            "use crate::domain::money;",
            "use super::money;",
            "use crate::{Error, Result};",
            "// use crate::graphql;",
            "/* use crate::graphql; /* nested */ crate::http */",
            "const A: &str = \"crate::graphql::x\";",
            "const A: &str = r#\"crate::\"graphql\"::x\"#;",
            "#[cfg(test)]\nmod tests { use crate::graphql; }",
            "use graphql_client::crate_thing;",
        ] {
            assert_none(&imports_that_point_up(
                &file("src/domain/orders.rs", good),
                &[],
            ));
        }
        assert_none(&imports_that_point_up(
            &file("src/main.rs", "use crate::http;"),
            &[],
        ));
    }

    #[test]
    fn an_exception_excuses_and_must_be_needed() {
        let source = file("src/error.rs", "fn f() { crate::db::classify() }");
        assert_none(&imports_that_point_up(&source, &[("src/error.rs", "db")]));
        assert_eq!(
            imports_that_point_up(&source, &[("src/clock.rs", "db")]).len(),
            2
        );
        assert_eq!(
            imports_that_point_up(&[], &[("src/error.rs", "db")]).len(),
            1
        );
    }

    #[test]
    fn crates_away_from_home_are_found() {
        assert_eq!(
            crates_away_from_home(&file("src/domain/a.rs", "use async_graphql::Context;")).len(),
            1
        );
        assert_eq!(
            crates_away_from_home(&file("src/db/mod.rs", "fn f(r: axum::Router) {}")).len(),
            1
        );
        assert_none(&crates_away_from_home(&file(
            "src/graphql/a.rs",
            "use async_graphql::Context;",
        )));
        assert_none(&crates_away_from_home(&file(
            "src/http.rs",
            "use axum::Router;",
        )));
        assert_none(&crates_away_from_home(&file(
            "src/db/a.rs",
            "// async_graphql\nlet axum_like = 1;",
        )));
    }

    #[test]
    fn connections_and_sql_outside_db_are_found() {
        for bad in [
            "use sea_orm::DatabaseConnection;",
            "fn f(c: &impl ConnectionTrait) {}",
            "use sea_orm::{Statement, DbErr};",
            "fn f() { run(\"SELECT 1\") }",
            "fn f() { run(r#\"\n  DELETE FROM users\"#) }",
            "fn f() { run(\"PRAGMA foreign_keys = OFF\") }",
        ] {
            assert_eq!(
                connections_outside_db(&file("src/graphql/a.rs", bad)).len(),
                1,
                "{bad}"
            );
            assert_none(&connections_outside_db(&file("src/db/a.rs", bad)));
            assert_none(&connections_outside_db(&file("migration/src/a.rs", bad)));
        }
        for good in [
            "/// A Statement of the client.\nstruct StatementCount;",
            "fn f() { say(\"Select one\") }",
            "#[cfg(test)] mod tests { fn f() { run(\"SELECT 1\") } }",
            "fn f() { say(\"SELECTED\") }",
        ] {
            assert_none(&connections_outside_db(&file("src/graphql/a.rs", good)));
        }
    }

    #[test]
    fn unlisted_doors_are_found() {
        let source = file(
            "src/jobs/a.rs",
            "fn f() { db.as_system(\"nightly tiers\").select() }",
        );
        assert_eq!(unscoped_doors(&source, &[]).len(), 1);
        assert_none(&unscoped_doors(
            &source,
            &[("src/jobs/a.rs", "nightly tiers")],
        ));
        // The reason is part of the entry, and an entry without a use fails.
        assert_eq!(
            unscoped_doors(&source, &[("src/jobs/a.rs", "other")]).len(),
            2
        );
        assert_eq!(
            unscoped_doors(&[], &[("src/jobs/a.rs", "nightly tiers")]).len(),
            1
        );
        for bad in [
            "fn f() { db.system(\"a reason\") }",
            "fn f() { Session::system(reason) }",
            "fn f() { db.as_system(WHY) }",
        ] {
            assert_eq!(
                unscoped_doors(&file("src/http/a.rs", bad), &[]).len(),
                1,
                "{bad}"
            );
        }
        for good in [
            "pub fn system(reason: &str) {}",
            "// db.system(\"x\")",
            "mod system;",
            "use db::system::Door;",
        ] {
            assert_none(&unscoped_doors(&file("src/db/a.rs", good), &[]));
        }
    }

    #[test]
    fn leftovers_are_found() {
        for bad in [
            "fn f() { x.unwrap(); }",
            "fn f() { todo!() }",
            "fn f() { dbg!(x); }",
            "fn f() { unimplemented!() }",
        ] {
            assert_eq!(leftovers(&file("src/a.rs", bad)).len(), 1, "{bad}");
            assert_eq!(leftovers(&file("entity/src/a.rs", bad)).len(), 1, "{bad}");
            assert_none(&leftovers(&file("tests/api/a.rs", bad)));
            assert_none(&leftovers(&file(
                "src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{ {bad} }}"),
            )));
        }
        // What follows a test module is looked at again.
        let after = "#[cfg(test)]\nmod tests;\nfn f() { x.unwrap(); }";
        assert_eq!(
            leftovers(&file("src/a.rs", after)),
            ["src/a.rs:3: `.unwrap()` must not ship"]
        );
        assert_none(&leftovers(&file(
            "src/a.rs",
            "fn f() { x.unwrap_or(1); say(\"todo!\"); } // dbg!",
        )));
    }

    #[test]
    fn long_files_are_found() {
        let short = "//! a\n".repeat(MAX_LINES);
        let long = "//! a\n".repeat(MAX_LINES + 1);
        assert_none(&long_files(&file("src/a.rs", &short), &[]));
        assert_eq!(long_files(&file("src/a.rs", &long), &[]).len(), 1);
        assert_none(&long_files(
            &file("src/a.rs", &long),
            &[("src/a.rs", MAX_LINES + 1)],
        ));
        assert_eq!(
            long_files(&file("src/a.rs", &long), &[("src/a.rs", MAX_LINES)]).len(),
            2
        );
        assert_eq!(
            long_files(&file("src/a.rs", &short), &[("src/a.rs", 900)]).len(),
            1
        );
    }

    #[test]
    fn modules_without_a_purpose_are_found() {
        for bad in ["", "use x;", "// a\n//! b", "\n//! b", "//!\nuse x;"] {
            assert_eq!(
                modules_without_a_purpose(&file("src/a.rs", bad)).len(),
                1,
                "{bad:?}"
            );
        }
        assert_none(&modules_without_a_purpose(&file(
            "src/a.rs",
            "//! What it is for.\n",
        )));
    }
}
