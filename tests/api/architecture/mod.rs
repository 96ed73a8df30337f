//! The rules of the house that no compiler checks, read off the sources.
//!
//! Each rule is a function of a file's text and has a test that feeds it a bad file, so that a rule which
//! stopped working shows. Lists of exceptions may only shrink: an entry that nothing needs fails.

mod line;
mod proofs;
mod reading;
mod texts;

use std::collections::BTreeSet;
use std::path::Path;

use self::reading::{Source, line_of, used_modules, words};

/// The layers, lowest first. A module may use its own layer and those above it in this list.
const LAYERS: &[&[&str]] = &[
    &["error", "messages", "clock", "config"],
    &["auth", "live"],
    &["sync"],
    &["db"],
    &["domain"],
    &["graphql", "jobs", "import", "demo", "backup"],
    &["export"],
    &["http"],
    &["app"],
    &["cli"],
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
            "src/http",
            "src/app.rs",
            "src/error.rs",
            "src/main.rs",
        ],
    ),
    ("axum", &["src/app.rs", "src/http", "src/main.rs"]),
    ("hyper", &["src/http", "src/main.rs"]),
    ("flate2", &["src/backup"]),
    ("prometheus_client", &["src/http/metrics.rs"]),
    ("opentelemetry", &["src/http/otlp.rs"]),
    ("opentelemetry_otlp", &["src/http/otlp.rs"]),
    ("opentelemetry_sdk", &["src/http/otlp.rs"]),
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

/// Every use of the door that no scope guards: (file, the reason it gives). Within `db` the reason may be
/// empty: the caller's is passed on.
const UNSCOPED: &[(&str, &str)] = &[
    // The door itself.
    ("src/db/connect.rs", ""),
    ("src/domain/sign_in.rs", "sign-in and refresh"),
    ("src/import/mod.rs", "import"),
    (
        "src/domain/users.rs",
        "set a password from the command line",
    ),
    (
        "src/jobs/stats.rs",
        "statistics go stale by the passing of time",
    ),
    (
        "src/jobs/housekeeping.rs",
        "what nobody needs any more goes",
    ),
    ("src/jobs/sync.rs", "shares end and devices stay away"),
    ("src/demo/mod.rs", "demo"),
    ("src/cli/demo.rs", "demo"),
    ("src/app.rs", "figures of the service"),
    ("src/export/mod.rs", "export"),
    ("src/backup/mod.rs", "backup"),
    ("src/backup/mod.rs", "restore"),
    (
        "src/cli/service_account.rs",
        "the command line keeps service accounts",
    ),
    ("src/cli/user.rs", "the command line keeps users"),
    ("src/cli/user.rs", "the command line issues a token"),
];

/// What must not be left in what ships.
const LEFTOVERS: &[&str] = &[".unwrap()", "todo!", "dbg!", "unimplemented!"];

/// Lines a file may have.
const MAX_LINES: usize = 700;

/// Files that are longer: (file, lines it may have).
const LONG_FILES: &[(&str, usize)] = &[("src/auth/refresh.rs", 720)];

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
                // Comments and texts are blanked in place, so a bracket in a reason does not end the call.
                let start = at + door.len() + 1;
                let end = source.code[start..]
                    .find(')')
                    .map_or(source.code.len(), |end| start + end);
                let written = source.uncommented[start..end].split('"').nth(1);
                if written.is_none() && !is_within(&source.path, "src/db") {
                    findings.offence(source, at, "the unscoped door needs a reason, written out");
                    continue;
                }
                let reason = written.unwrap_or_default();
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
