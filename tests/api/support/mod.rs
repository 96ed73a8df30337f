//! What every API test stands on: a server of its own, over a database of its own, and a client to talk
//! to it.
//!
//! A test is written once and runs on both databases:
//!
//! ```ignore
//! on_both!(a_rep_sees_their_own_clients, async |app: App| {
//!     let answer = app.gql(&token, "{ clients { nodes { name } } }", json!({})).await.ok();
//!     assert_eq!(answer.data("/clients/nodes/0/name"), "Bottom-Dollar Markets");
//! });
//! ```

pub mod database;
pub mod people;
pub mod process;
pub mod server;
mod watch;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::database::TestDatabase;
#[allow(unused_imports, reason = "for the tests of each concept")]
pub use self::people::{Person, Team};
use self::server::Server;

/// The database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a directory of its own.
    Sqlite,
    /// A database of its own on the server of `CLIENTELE_TEST_POSTGRES`.
    Postgres,
}

/// Makes two tests of one body: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($name:ident, $body:expr $(,)?) => {
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing else")]
            use super::*;

            #[test]
            fn sqlite() {
                let test = $crate::support::run($crate::support::Backend::Sqlite, $body);
                $crate::support::block_on(test);
            }

            #[test]
            fn postgres() {
                let test = $crate::support::run($crate::support::Backend::Postgres, $body);
                $crate::support::block_on(test);
            }
        }
    };
}

/// Stack of each thread, bytes: as much as the program gives its own.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs a test to its end, on threads with as much stack as the program gives its own.
pub fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .expect("a runtime should start");
    runtime.block_on(test);
}

/// Runs one body on one database. [`on_both!`] calls it.
pub async fn run(backend: Backend, body: impl AsyncFnOnce(App)) {
    body(App::start(backend).await).await;
}

/// A running service with an empty, migrated database.
pub struct App {
    http: reqwest::Client,
    // Before the database: fields are dropped in this order, and the server holds connections.
    server: Server,
    database: TestDatabase,
}

impl App {
    /// Starts a service on a fresh database.
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, 4).await
    }

    /// Starts a service on a fresh database that it reaches by so many connections.
    pub async fn start_with(backend: Backend, connections: u32) -> Self {
        Self::start_changed(backend, |config| config.max_connections = connections).await
    }

    /// Starts a service on a fresh database that it reaches as `change` says.
    pub async fn start_changed(
        backend: Backend,
        change: impl FnOnce(&mut clientele::db::DatabaseConfig),
    ) -> Self {
        let database = TestDatabase::create(backend).await;
        let server = server::spawn(database.url(), server::generous(), change).await;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(std::time::Duration::from_mins(1))
            .build()
            .expect("the HTTP client needs nothing from outside");
        Self {
            http,
            server,
            database,
        }
    }

    /// Another service, as `setup` says, on the database of this one; this one is gone then.
    pub async fn again_with(self, setup: server::Setup) -> Self {
        let server = server::spawn_with(self.database.url(), server::generous(), setup, |config| {
            config.max_connections = 4;
        })
        .await;
        Self { server, ..self }
    }

    /// Goes on with another service over the same database, whose GraphQL endpoint `change` sets.
    pub async fn restart(&mut self, change: impl FnOnce(&mut clientele::http::Options)) {
        let mut endpoint = server::generous();
        change(&mut endpoint);
        self.server = server::spawn(self.database.url(), endpoint, |_| {}).await;
    }

    /// Starts the service anew, with other settings of the database.
    pub async fn restart_over(&mut self, change: impl FnOnce(&mut clientele::db::DatabaseConfig)) {
        self.server = server::spawn(self.database.url(), server::generous(), change).await;
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.database.backend()
    }

    /// The address of the database, for a second process or for looking at rows.
    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The address of `path` (which starts with `/`) on this server.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.server.base_url)
    }

    /// A request to build on, for what the helpers below do not say.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.address(path))
    }

    /// Sends a GraphQL operation, as nobody when `token` is empty.
    pub async fn gql(&self, token: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        self.post(token, "/graphql", &body).await
    }

    /// Posts JSON to `path`, as nobody when `token` is empty.
    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let mut request = self.request(Method::POST, path).json(body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }

    /// Gets `path`, as nobody when `token` is empty.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        let mut request = self.request(Method::GET, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }
}

/// What the service answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The body; a string when it is not JSON, null when it is empty.
    pub json: Value,
}

impl Answer {
    /// Sends a request and reads the answer whole.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the server should answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("the answer should be whole");
        let json = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
        };
        Self {
            status,
            headers,
            json,
        }
    }

    /// Demands success: status 200 and no errors.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(
            self.status == StatusCode::OK && self.json.get("errors").is_none(),
            "expected success, got {self}"
        );
        self
    }

    /// The value at `pointer` (RFC 6901, as in `/client/name`) below `data`; empty for all of `data`.
    #[track_caller]
    pub fn data(&self, pointer: &str) -> &Value {
        self.json
            .pointer(&format!("/data{pointer}"))
            .unwrap_or_else(|| panic!("nothing at {pointer} in {self}"))
    }

    /// The text at `pointer` below `data`.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> &str {
        self.data(pointer)
            .as_str()
            .unwrap_or_else(|| panic!("no text at {pointer} in {self}"))
    }

    /// The list at `pointer` below `data`.
    #[track_caller]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.data(pointer)
            .as_array()
            .unwrap_or_else(|| panic!("no list at {pointer} in {self}"))
    }

    /// The errors; none when it succeeded.
    pub fn errors(&self) -> &[Value] {
        self.json
            .get("errors")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Something in the extensions of error `index`; null when absent.
    #[track_caller]
    pub fn extension(&self, index: usize, name: &str) -> &Value {
        let error = self
            .errors()
            .get(index)
            .unwrap_or_else(|| panic!("no error {index} in {self}"));
        error
            .pointer(&format!("/extensions/{name}"))
            .unwrap_or(&Value::Null)
    }

    /// The code of error `index`.
    #[track_caller]
    pub fn code(&self, index: usize) -> &str {
        self.extension(index, "code")
            .as_str()
            .unwrap_or_else(|| panic!("error {index} has no code in {self}"))
    }

    /// The rule that the first error names.
    #[track_caller]
    pub fn rule(&self) -> &str {
        self.extension(0, "rule")
            .as_str()
            .unwrap_or_else(|| panic!("the first error names no rule in {self}"))
    }

    /// The fields that the first error names.
    #[track_caller]
    pub fn fields(&self) -> Vec<&str> {
        self.extension(0, "fields")
            .as_array()
            .map(|fields| fields.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// How many SQL statements it took, from the `Clientele-Statements` header.
    #[track_caller]
    pub fn statements(&self) -> u32 {
        self.headers
            .get("clientele-statements")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .unwrap_or_else(|| panic!("no count of statements in {:?}", self.headers))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:#}", self.status, self.json)
    }
}
