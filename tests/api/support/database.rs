//! A database for one test: a copy of a template that was migrated once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};

use super::Backend;
use super::watch;

/// Names the PostgreSQL server to test on; `tests/run` starts one and sets it.
const POSTGRES: &str = "CLIENTELE_TEST_POSTGRES";

/// Serialises the making of the template among test processes. Any number will do that nothing else takes.
const TEMPLATE_LOCK: i64 = 0x636c_6965_6e74;

/// A migrated, empty database that goes when this does.
pub struct TestDatabase {
    url: String,
    place: Place,
}

/// Where the database lives, so that it can be removed.
enum Place {
    Directory { _directory: tempfile::TempDir },
    Server { admin: String, name: String },
}

impl TestDatabase {
    /// Copies the template of this kind of database, making that first if nobody has.
    pub async fn create(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => create_sqlite().await,
            Backend::Postgres => create_postgres().await,
        }
    }

    /// Which kind it is.
    pub fn backend(&self) -> Backend {
        match self.place {
            Place::Directory { .. } => Backend::Sqlite,
            Place::Server { .. } => Backend::Postgres,
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Server { admin, name } = &self.place {
            let (admin, name) = (admin.clone(), name.clone());
            // A runtime of its own: that of the test may be blocked on this very drop. What fails here
            // leaves a database behind in a cluster that is thrown away, so it is only mentioned.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async {
                    let connection = Database::connect(options(&admin))
                        .await
                        .map_err(std::io::Error::other)?;
                    connection
                        .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                        .await
                        .map_err(std::io::Error::other)?;
                    connection.close().await.map_err(std::io::Error::other)
                })
            })
            .join();
            if !matches!(dropped, Ok(Ok(()))) {
                eprintln!("a test database was left behind: {dropped:?}");
            }
        }
    }
}

async fn create_sqlite() -> TestDatabase {
    let template = sqlite_template().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("clientele.sqlite");
    std::fs::copy(&template, &file).expect("the template should be readable");
    TestDatabase {
        url: sqlite_url(&file),
        place: Place::Directory {
            _directory: directory,
        },
    }
}

/// A migrated file, kept below `target` under a name that changes with the migrations.
async fn sqlite_template() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = directory.join(format!("template_{:016x}.sqlite", migrations_hash()));
    if !template.exists() {
        // Made aside and renamed, so that another process sees all of it or nothing.
        let draft = tempfile::tempdir_in(directory).expect("a directory below target");
        let file = draft.path().join("template.sqlite");
        migrate(&sqlite_url(&file)).await;
        std::fs::rename(&file, &template).expect("the same file system");
    }
    template
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

async fn create_postgres() -> TestDatabase {
    let admin = std::env::var(POSTGRES).unwrap_or_else(|_| {
        panic!(
            "{POSTGRES} is not set. `tests/run` starts a PostgreSQL and runs every test; `tests/run NAME` \
             runs those named like NAME. Or set it to postgres://user:password@host/postgres of a server \
             whose databases may come and go."
        )
    });
    let connection = Database::connect(options(&admin))
        .await
        .unwrap_or_else(|error| panic!("no PostgreSQL at {POSTGRES}: {error}"));
    let template = postgres_template(&admin, &connection).await;
    let name = format!("clientele_test_{}", uuid::Uuid::now_v7().simple());
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
        .await
        .expect("the template should be copied");
    connection
        .close()
        .await
        .expect("the connection should close");
    TestDatabase {
        url: with_database(&admin, &name),
        place: Place::Server { admin, name },
    }
}

/// A migrated database that nobody connects to, under a name that changes with the migrations.
async fn postgres_template(admin: &str, connection: &DatabaseConnection) -> String {
    let name = format!("clientele_template_{:016x}", migrations_hash());
    if !has_database(connection, &name).await {
        // The pool holds one connection, so the lock and its release are of the same session; should this
        // process die, the server releases it.
        execute(
            connection,
            &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})"),
        )
        .await;
        if !has_database(connection, &name).await {
            // Made aside and renamed: a template exists whole or not at all.
            let draft = format!("{name}_draft");
            execute(
                connection,
                &format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"),
            )
            .await;
            execute(
                connection,
                &format!("CREATE DATABASE {draft} TEMPLATE template0"),
            )
            .await;
            migrate(&with_database(admin, &draft)).await;
            watch::install(&with_database(admin, &draft)).await;
            execute(
                connection,
                &format!("ALTER DATABASE {draft} RENAME TO {name}"),
            )
            .await;
        }
        execute(
            connection,
            &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})"),
        )
        .await;
    }
    name
}

async fn has_database(connection: &DatabaseConnection, name: &str) -> bool {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT 1 AS one FROM pg_database WHERE datname = $1",
        [name.into()],
    );
    connection
        .query_one_raw(statement)
        .await
        .expect("the list of databases")
        .is_some()
}

async fn execute(connection: &DatabaseConnection, sql: &str) {
    if let Err(error) = connection.execute_unprepared(sql).await {
        panic!("{sql}: {error}");
    }
}

async fn migrate(url: &str) {
    let connection = Database::connect(options(url))
        .await
        .expect("a new database should open");
    Migrator::up(&connection, None)
        .await
        .expect("the migrations should run");
    connection
        .close()
        .await
        .expect("the connection should close");
}

pub(super) fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address
        .split_once("://")
        .expect("the address should have a scheme");
    let server = rest.split_once('/').map_or(rest, |(server, _)| server);
    format!("{scheme}://{server}/{name}{query}")
}

/// Changes with the text of any migration, and of what watches over the tables.
fn migrations_hash() -> u64 {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migration/src");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the migrations should be there")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/support/watch.rs"));
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        std::fs::read(&file)
            .expect("a readable file")
            .hash(&mut hasher);
    }
    hasher.finish()
}

#[test]
fn another_database_keeps_server_and_parameters() {
    for (url, expected) in [
        ("postgres://u:p@h:5/postgres", "postgres://u:p@h:5/x"),
        ("postgres://u@h", "postgres://u@h/x"),
        (
            "postgres://h/a?sslmode=disable",
            "postgres://h/x?sslmode=disable",
        ),
    ] {
        assert_eq!(with_database(url, "x"), expected);
    }
}
