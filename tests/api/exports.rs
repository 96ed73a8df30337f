//! The book as files, and back: what was exported and imported is exported the same again.

use std::collections::BTreeMap;
use std::path::Path;

use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig};
use clientele::import::{FileKind, Options, Progress};
use clientele::{demo, export, import};
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::process::{command, done};
use crate::support::{App, Backend};

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: FileKind, _: usize) {}
    fn advance(&self, _: usize) {}
    fn end(&self, _: FileKind) {}
}

async fn open(database: &TestDatabase) -> Database {
    let config = DatabaseConfig::new(database.url(), [7; 32]);
    Database::connect(&config, Clock::default()).await.unwrap()
}

/// All files of an export, by name.
async fn exported(database: &Database) -> (tempfile::TempDir, BTreeMap<String, String>) {
    let place = tempfile::tempdir().unwrap();
    let counts = export::run(database, place.path()).await.unwrap();
    let files = read(place.path());
    for (kind, rows) in counts {
        let text = &files[kind.name()];
        let found = csv::Reader::from_reader(text.as_bytes()).records().count();
        assert_eq!(u64::try_from(found).unwrap(), rows, "{}", kind.name());
    }
    (place, files)
}

fn read(place: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    for (name, text) in one {
        if let Some((a, b)) = text.lines().zip(other[name].lines()).find(|(a, b)| a != b) {
            panic!("{name}:\n{a}\n{b}");
        }
        assert!(*text == other[name], "{name} differs");
    }
}

/// Imports into empty databases of both kinds and compares what these export.
async fn round_trip(app: &App, least: usize) {
    let (place, files) = exported(&app.server().database).await;
    assert_eq!(files.len(), 6);
    let rows: usize = files.values().map(|text| text.lines().count() - 1).sum();
    assert!(rows >= least, "{rows}");
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let target = TestDatabase::create(backend).await;
        let database = open(&target).await;
        let options = Options::default();
        let report = import::run(&database, place.path(), options.clone(), &Quiet)
            .await
            .unwrap();
        assert!(report.is_complete(), "{:?}", report.refusals.first());
        let (again, copy) = exported(&database).await;
        assert_same(&files, &copy);
        // And the files of the copy change nothing in it.
        let report = import::run(&database, again.path(), options, &Quiet)
            .await
            .unwrap();
        assert!(report.is_complete());
        for (kind, counts) in &report.files {
            assert_eq!((counts.created, counts.updated), (0, 0), "{}", kind.name());
        }
    }
}

on_both!(
    the_demonstration_goes_out_and_in_unchanged,
    async |app: App| {
        let database = &app.server().database;
        demo::fill(database, database.clock().now().date_naive())
            .await
            .unwrap();
        round_trip(&app, 5_000).await;
    }
);

/// Names and texts that are hard on files.
const HARD: &[&str] = &[
    "Plain",
    "With, comma",
    "With \"quotes\"",
    "=1+1",
    "北京大客户有限公司",
    "père & fils; Ångström",
    "'single'",
    "back\\slash",
    "emoji 🙂",
    "tab and | pipe",
    "-dash",
    "#hash",
];

on_both!(hard_texts_go_out_and_in_unchanged, async |app: App| {
    let team = app.team().await;
    for (at, name) in HARD.iter().enumerate() {
        // Who keeps the keys of another system is a manager.
        let owner = [&team.left, &team.ben, &team.right, &team.ann][at % 4];
        let mut input = json!({ "kind": "ORGANIZATION", "name": name, "currency": (["EUR", "JPY", "KWD"][at % 3]) });
        if at % 2 == 0 {
            input["externalId"] = json!(format!("key {name}"));
        }
        let query = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";
        let made = app
            .gql(&owner.token, query, json!({ "input": input }))
            .await
            .ok();
        let client = made.text("/clientCreate/client/id").to_owned();
        let query = "mutation($input: AddressCreateInput!) { addressCreate(input: $input) { address { id } } }";
        let address = json!({ "clientId": client, "kind": "OFFICE", "isPrimary": true,
            "street": format!("{name}\nSecond line\n\"third\", line"), "city": name, "country": "DE" });
        let _ = app
            .gql(&owner.token, query, json!({ "input": address }))
            .await
            .ok();
        let query = "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id } } }";
        let contact = json!({ "clientId": client, "name": name, "title": name, "points": [
            { "kind": "MOBILE", "value": "+86 138 0013 8000" },
            { "kind": "EMAIL", "value": format!("c{at}@example.com") },
            { "kind": "MOBILE", "value": "+86 139 0013 9000" } ] });
        let _ = app
            .gql(&owner.token, query, json!({ "input": contact }))
            .await
            .ok();
    }
    let count = |files: &BTreeMap<String, String>, name: &str| {
        csv::Reader::from_reader(files[name].as_bytes())
            .records()
            .count()
    };
    let (_, files) = exported(&app.server().database).await;
    assert_eq!(count(&files, "clients.csv"), HARD.len());
    assert_eq!(count(&files, "contacts.csv"), HARD.len());
    round_trip(&app, 3 * HARD.len()).await;
    // What is in the archive stays out, with what is below it.
    let archive =
        |client: &Value| json!({ "input": { "id": client["id"], "version": client["version"] } });
    let query = "{ clients(first: 1, orderBy: NAME_ASC) { nodes { id version } } }";
    let found = app.gql(&team.admin.token, query, json!({})).await.ok();
    let client = found.data("/clients/nodes/0").clone();
    let query =
        "mutation($input: ClientVersionInput!) { clientArchive(input: $input) { client { id } } }";
    let done = app.gql(&team.admin.token, query, archive(&client)).await;
    let _ = done.ok();
    let (_, files) = exported(&app.server().database).await;
    assert_eq!(count(&files, "clients.csv"), HARD.len() - 1);
    assert_eq!(count(&files, "contacts.csv"), HARD.len() - 1);
});

#[tokio::test]
async fn an_export_overwrites_nothing() {
    let app = App::start(Backend::Sqlite).await;
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("orders.csv"), "mine").unwrap();
    let error = export::run(&app.server().database, place.path())
        .await
        .unwrap_err();
    assert!(
        error.message().contains("orders.csv"),
        "{}",
        error.message()
    );
    let kept = std::fs::read_to_string(place.path().join("orders.csv")).unwrap();
    assert_eq!(kept, "mine");
}

#[cfg(unix)]
#[tokio::test]
async fn an_export_is_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let app = App::start(Backend::Sqlite).await;
    let place = tempfile::tempdir().unwrap();
    let mode = |name: &str| {
        let found = std::fs::metadata(place.path().join(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    std::fs::create_dir(place.path().join("there")).unwrap();
    for book in ["book", "there"] {
        done(place.path(), app.database_url(), &["export", book]);
        for kind in FileKind::ALL {
            assert_eq!(mode(&format!("{book}/{}", kind.name())), 0o600);
        }
        let entries = std::fs::read_dir(place.path().join(book)).unwrap();
        assert_eq!(entries.count(), FileKind::ALL.len());
    }
    assert_eq!(mode("book"), 0o700);
}

/// Files are held to a size, as a full disk would; the next run has nothing in its way.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_export_without_room_leaves_nothing_behind() {
    let app = App::start(Backend::Sqlite).await;
    let database = &app.server().database;
    demo::fill(database, database.clock().now().date_naive())
        .await
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    std::fs::create_dir(here.join("there")).unwrap();
    for book in ["book", "there"] {
        let exporting = command(here, app.database_url(), &["export", book]);
        let mut limited = std::process::Command::new("sh");
        limited
            .args([
                "-c",
                "trap '' XFSZ; exec \"$@\"",
                "sh",
                "prlimit",
                "--fsize=60000",
            ])
            .arg(exporting.get_program())
            .args(exporting.get_args())
            .envs(
                exporting
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(here);
        let refused = limited.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot be written"), "{said}");
    }
    let left: Vec<_> = std::fs::read_dir(here).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(std::fs::read_dir(here.join("there")).unwrap().count(), 0);
    for book in ["book", "there"] {
        done(here, app.database_url(), &["export", book]);
    }
    // What an export that was killed left behind is taken away; what somebody else put there is not.
    for (partial, name) in [("next.partial", "orders.csv"), ("last.partial", "mine.txt")] {
        std::fs::create_dir(here.join(partial)).unwrap();
        std::fs::write(here.join(partial).join(name), "x").unwrap();
    }
    done(here, app.database_url(), &["export", "next"]);
    let refused = command(here, app.database_url(), &["export", "last"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(here.join("last.partial/mine.txt").exists());
}

on_both!(no_cell_is_a_formula_for_a_spreadsheet, async |app: App| {
    let team = app.team().await;
    for name in ["=1+1", "+1", "-1", "@sum", "plain"] {
        app.client_of(&team.ann, name).await;
    }
    let place = tempfile::tempdir().unwrap();
    let names = |book: &str, more: &[&str]| {
        let arguments = [&["export", book][..], more].concat();
        done(place.path(), app.database_url(), &arguments);
        let files = read(&place.path().join(book));
        let mut rows = csv::Reader::from_reader(files["clients.csv"].as_bytes());
        let mut names: Vec<String> = rows
            .records()
            .map(|row| row.unwrap()[2].to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("exact", &[]), ["+1", "-1", "=1+1", "@sum", "plain"]);
    let shown = names("shown", &["--for-spreadsheets"]);
    assert_eq!(shown, ["'+1", "'-1", "'=1+1", "'@sum", "plain"]);
});
