//! Running the service: health, the end, figures, the log. Mostly with a real process.

use std::io::Write;
use std::time::Duration;

use reqwest::StatusCode;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::database::TestDatabase;
use crate::support::process::{Process, command, done, wait_for};
use crate::support::{App, Backend};

const PASSWORD: &str = "a-password-nobody-may-read";
const EMAIL: &str = "rep@example.com";
const CREATE: &str =
    "mutation New($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";

/// A connection past the service.
async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// A database of its own and a place to run in, with one rep and their token.
struct Place {
    directory: tempfile::TempDir,
    database: TestDatabase,
    token: String,
}

impl Place {
    async fn make(backend: Backend) -> Self {
        let database = TestDatabase::create(backend).await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let add = [
            "user", "add", "--email", EMAIL, "--name", "Rep", "--role", "REP", "--stdin",
        ];
        let mut adding = command(path, database.url(), &add)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut input = adding.stdin.take().unwrap();
        writeln!(input, "{PASSWORD}").unwrap();
        drop(input);
        assert!(adding.wait().unwrap().success());
        let token = done(path, database.url(), &["user", "token", "--email", EMAIL]);
        Self {
            token: token.trim().to_owned(),
            directory,
            database,
        }
    }

    fn serve(&self, more: &[&str]) -> Process {
        self.serve_with(more, &[])
    }

    fn serve_with(&self, more: &[&str], environment: &[(&str, &str)]) -> Process {
        Process::serve(
            self.directory.path(),
            self.database.url(),
            more,
            environment,
        )
    }

    /// The bytes of a request that creates a client of that name.
    fn creating(&self, name: &str) -> Vec<u8> {
        let input = json!({ "kind": "ORGANIZATION", "name": name, "currency": "EUR" });
        let body = json!({ "query": CREATE, "variables": { "input": input } }).to_string();
        format!(
            "POST /graphql HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
        .into_bytes()
    }

    async fn count_clients(&self, name: &str) -> i64 {
        let db = connect(self.database.url()).await;
        let statement = Statement::from_sql_and_values(
            db.get_database_backend(),
            "SELECT COUNT(*) AS n FROM clients WHERE name = $1",
            [name.into()],
        );
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }
}

async fn get(address: &str, path: &str) -> (StatusCode, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = http.get(format!("http://{address}{path}")).send().await;
    let response = sent.unwrap();
    (response.status(), response.text().await.unwrap())
}

async fn post(address: &str, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.post(format!("http://{address}{path}")).json(body);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

on_both!(readiness_names_the_check_that_fails, async |app: App| {
    let ready = app.get("", "/readyz").await;
    assert_eq!(ready.status, 200, "{ready}");
    let expected = json!({ "serving": "ok", "database": "ok", "migrations": "ok", "keys": "ok" });
    assert_eq!(ready.json["checks"], expected);
    let db = connect(app.database_url()).await;
    let wait_until = async |status: u16| loop {
        let answer = app.get("", "/readyz").await;
        if answer.status == status {
            return answer.json;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // A step of a later version is no obstacle: both versions serve while one follows the other.
    db.execute_unprepared(
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 1)",
    )
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(app.get("", "/readyz").await.status, 200);
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version LIKE 'm0003%'")
        .await
        .unwrap();
    let said = wait_until(503).await;
    assert_eq!(said["status"], "unready");
    assert_eq!(
        said["checks"]["migrations"],
        "1 steps of the tables are missing"
    );
    assert_eq!(said["checks"]["database"], "ok");
    db.execute_unprepared("DROP TABLE seaql_migrations")
        .await
        .unwrap();
    let said = wait_until(503).await;
    assert!(said["checks"]["migrations"].is_string());
    // It lives all the same.
    assert_eq!(app.get("", "/livez").await.status, 200);
});

#[tokio::test]
async fn readiness_says_that_the_database_is_gone() {
    let app = App::start(Backend::Postgres).await;
    assert_eq!(app.get("", "/readyz").await.status, 200);
    let (server, name) = app.database_url().rsplit_once('/').unwrap();
    let admin = connect(&format!("{server}/postgres")).await;
    admin
        .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
    let said = loop {
        let answer = app.get("", "/readyz").await;
        if answer.status == 503 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_ne!(said.json["checks"]["database"], "ok");
    // Nothing of the inside is told.
    assert!(!said.to_string().contains(name), "{said}");
}

/// Keys that cannot be read are told to whoever keeps the service, and stop nobody.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_read_are_told() {
    let place = Place::make(Backend::Sqlite).await;
    let process = place.serve(&[]);
    let keys = place.directory.path().join("data").join("token-keys.json");
    std::fs::create_dir_all(keys.parent().unwrap()).unwrap();
    let until = async |figure: &str, said: &str| {
        loop {
            let (_, figures) = get(&process.operations, "/metrics").await;
            let (status, ready) = get(&process.operations, "/readyz").await;
            assert_eq!(status, 200, "{ready}");
            let ready: Value = serde_json::from_str(&ready).unwrap();
            let keys = ready["checks"]["keys"].as_str().unwrap();
            if figures.contains(figure) && keys.contains(said) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until("clientele_token_keys_unreadable 0", "ok").await;
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&keys, text).unwrap();
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("{ half");
    until("clientele_token_keys_unreadable 1", "cannot be read").await;
    let body = json!({ "query": "{ viewer { role } }" });
    let (status, _) = post(&process.address, "/graphql", &place.token, &body).await;
    assert_eq!(status, 200);
    std::fs::remove_file(&keys).unwrap();
    until("clientele_token_keys_unreadable 0", "ok").await;
    write("{ \"keys\": [");
    until("clientele_token_keys_unreadable 1", "cannot be read").await;
    // No key of this file signs: nobody can be signed in, which is for another process to do.
    write("{ \"keys\": [] }");
    loop {
        let (status, ready) = get(&process.address, "/readyz").await;
        if status == 503 {
            assert!(ready.contains("no key signs"), "{ready}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// While tables are made the process lives and is not ready, and whoever connects is refused, so that a balancer asks
/// another process.
#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_taken_before_it_can_be_answered() {
    let database = TestDatabase::create(Backend::Postgres).await;
    let db = connect(database.url()).await;
    db.execute_unprepared("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .await
        .unwrap();
    // As another process does that makes the tables.
    db.execute_unprepared("SELECT pg_advisory_lock(7300517)")
        .await
        .unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let place = tempfile::tempdir().unwrap();
    let process = Process::begin(place.path(), database.url(), &["--listen", &address], &[]);
    let operations = process.said("figures and health", "address");
    for _ in 0..5 {
        assert_eq!(get(&operations, "/livez").await.0, 200);
        let (status, said) = get(&operations, "/readyz").await;
        assert_eq!(status, 503);
        let said: Value = serde_json::from_str(&said).unwrap();
        let expected = json!({ "status": "unready", "checks": { "serving": "starting" } });
        assert_eq!(said, expected);
        assert_eq!(get(&operations, "/metrics").await.0, 503);
        assert!(TcpStream::connect(&address).await.is_err());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(process.lines("serving").is_empty(), "{}", process.log());
    db.execute_unprepared("SELECT pg_advisory_unlock(7300517)")
        .await
        .unwrap();
    assert_eq!(process.said("serving", "address"), address);
    for address in [&address, &operations] {
        assert_eq!(get(address, "/livez").await.0, 200);
        assert_eq!(get(address, "/readyz").await.0, 200);
    }
    assert_eq!(get(&operations, "/metrics").await.0, 200);
    // Somebody else who wants the address is told so before anything else.
    let other = ["serve", "--listen", &address];
    let output = command(place.path(), "sqlite://other.sqlite", &other)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is taken by another program"), "{said}");
    assert!(!place.path().join("other.sqlite").exists());
}

/// A request that has arrived in part is answered, and its write kept, though the process was told to end.
async fn drain(backend: Backend) {
    let place = Place::make(backend).await;
    let mut process = place.serve(&["--drain-grace", "3"]);
    assert_eq!(get(&process.address, "/readyz").await.0, 200);
    let request = place.creating("In Flight");
    let (first, rest) = request.split_at(request.len() - 10);
    let mut stream = TcpStream::connect(&process.address).await.unwrap();
    stream.write_all(first).await.unwrap();
    let figures = get(&process.operations, "/metrics").await.1;
    assert!(
        figures.contains("clientele_requests_in_flight"),
        "{figures}"
    );
    process.signal("TERM");
    process.said("stopping: requests in flight may finish", "message");
    // Connections are taken still, and say that no more should come.
    let (status, body) = get(&process.operations, "/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("\"serving\":\"draining\""), "{body}");
    // Then they are refused.
    let address = process.address.clone();
    assert!(wait_for(|| std::net::TcpStream::connect(&address).err()).is_some());
    stream.write_all(rest).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"client_"), "{answer}");
    assert_eq!(process.ended().code(), Some(0), "{}", process.log());
    process.said("stopped; every request was answered", "message");
    assert_eq!(place.count_clients("In Flight").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_lets_requests_finish_sqlite() {
    drain(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_lets_requests_finish_postgres() {
    drain(Backend::Postgres).await;
}

/// A write whose caller went away is done before the process ends.
async fn await_writes(backend: Backend) {
    let place = Place::make(backend).await;
    let mut process = place.serve(&["--drain-grace", "0"]);
    let db = connect(place.database.url()).await;
    let (hold, give_back) = match backend {
        Backend::Sqlite => ("BEGIN IMMEDIATE", "COMMIT"),
        Backend::Postgres => ("BEGIN; LOCK TABLE clients IN EXCLUSIVE MODE", "COMMIT"),
    };
    db.execute_unprepared(hold).await.unwrap();
    let mut stream = TcpStream::connect(&process.address).await.unwrap();
    stream
        .write_all(&place.creating("Left Behind"))
        .await
        .unwrap();
    // The write has begun, and waits for us.
    loop {
        let is_waiting = match backend {
            Backend::Sqlite => get(&process.operations, "/metrics")
                .await
                .1
                .contains("clientele_database_connections{pool=\"write\",state=\"idle\"} 0"),
            Backend::Postgres => {
                let sql = "SELECT COUNT(*) AS n FROM pg_locks WHERE NOT granted \
                     AND relation = 'clients'::regclass";
                let statement = Statement::from_string(DbBackend::Postgres, sql);
                let row = db.query_one_raw(statement).await.unwrap().unwrap();
                row.try_get::<i64>("", "n").unwrap() > 0
            }
        };
        if is_waiting {
            break;
        }
    }
    drop(stream);
    process.signal("TERM");
    process.said("stopping: requests in flight may finish", "message");
    db.execute_unprepared(give_back).await.unwrap();
    assert_eq!(process.ended().code(), Some(0), "{}", process.log());
    process.said("stopped; every request was answered", "message");
    assert_eq!(place.count_clients("Left Behind").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_writes_without_a_caller_sqlite() {
    await_writes(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_writes_without_a_caller_postgres() {
    await_writes(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let place = Place::make(Backend::Sqlite).await;
    let mut process = place.serve(&["--drain-grace", "10"]);
    process.signal("TERM");
    process.said("stopping: requests in flight may finish", "message");
    process.signal("TERM");
    assert_eq!(process.ended().code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_what_was_asked_and_how_it_went() {
    let place = Place::make(Backend::Sqlite).await;
    let process = place.serve(&[]);
    let ask = async |query: &str, token: &str| {
        post(
            &process.address,
            "/graphql",
            token,
            &json!({ "query": query }),
        )
        .await
        .0
    };
    for _ in 0..3 {
        assert_eq!(
            ask("query Home { viewer { role } }", &place.token).await,
            200
        );
    }
    assert_eq!(ask("query Stranger { viewer { role } }", "").await, 401);
    let missing =
        "query One { client(id: \"client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\") { id } }";
    ask(missing, &place.token).await;
    let deep = format!("{{ {}id{} }}", "client { ".repeat(40), " }".repeat(40));
    assert_eq!(ask(&deep, &place.token).await, 400);
    let wrong = json!({ "email": EMAIL, "password": "not the password" });
    assert_eq!(
        post(&process.address, "/auth/sign-in", "", &wrong).await.0,
        401
    );
    let right = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(
        post(&process.address, "/auth/sign-in", "", &right).await.0,
        200
    );
    let (status, text) = get(&process.operations, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "clientele_graphql_requests_total{type=\"query\",outcome=\"ok\",name=\"Home\"} 3",
        "clientele_graphql_requests_total{type=\"query\",outcome=\"UNAUTHENTICATED\",name=\"other\"} 1",
        "clientele_graphql_requests_total{type=\"refused\",outcome=\"LIMIT_EXCEEDED\",name=\"other\"} 1",
        "clientele_graphql_request_duration_seconds_count{type=\"query\",name=\"Home\"} 3",
        "clientele_graphql_request_statements_count{type=\"query\"}",
        "clientele_http_requests_total{route=\"/auth/sign-in\",status=\"200\"} 1",
        "clientele_sign_ins_total{outcome=\"ok\"} 1",
        "clientele_sign_ins_total{outcome=\"UNAUTHENTICATED\"} 1",
        "clientele_limits_hit_total{limit=\"QUERY_TOO_DEEP\"} 1",
        "clientele_sessions_active 2",
        "clientele_database_connections{pool=\"write\",state=\"most\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("Stranger"));
    // Callers of the API do not see them.
    assert_eq!(get(&process.address, "/metrics").await.0, 404);
}

/// The names of operations that the figures tell apart.
fn names(figures: &str) -> std::collections::BTreeSet<&str> {
    let lines = figures.lines();
    let counts = lines.filter(|line| line.starts_with("clientele_graphql_requests_total"));
    counts
        .filter_map(|line| line.split("name=\"").nth(1)?.split('"').next())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_figures_with_names() {
    let place = Place::make(Backend::Sqlite).await;
    let other = "other@example.com";
    let path = place.directory.path();
    let url = place.database.url();
    let add = [
        "user",
        "add",
        "--email",
        other,
        "--name",
        "Other",
        "--role",
        "REP",
        "--no-password",
    ];
    done(path, url, &add);
    let other = done(path, url, &["user", "token", "--email", other]);
    let process = place.serve(&[]);
    let ask = async |name: &str, token: &str| {
        let query = format!("query {name} {{ viewer {{ role }} }}");
        let body = json!({ "query": query });
        let (status, _) = post(&process.address, "/graphql", token, &body).await;
        assert_eq!(status, 200);
    };
    for at in 0..250 {
        ask(&format!("Made{at}"), &place.token).await;
    }
    ask("Home", other.trim()).await;
    let (_, figures) = get(&process.operations, "/metrics").await;
    let names = names(&figures);
    assert!(names.len() < 60, "{names:?}");
    assert!(
        names.contains("Made0") && names.contains("other"),
        "{names:?}"
    );
    // What others run is told apart all the same.
    assert!(names.contains("Home"), "{names:?}");
}

/// What must not be in any log: what tells who somebody is, and what they asked with.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_a_line_per_request_and_no_secret() {
    let place = Place::make(Backend::Sqlite).await;
    let process = place.serve_with(&[], &[("RUST_LOG", "debug,clientele=trace")]);
    let address = &process.address;
    let mut secrets = vec![PASSWORD.to_owned(), place.token.clone()];
    let mut secret = |name: &str| {
        let secret = format!("hush-{name}-7391");
        secrets.push(secret.clone());
        secret
    };
    let wrong = json!({ "email": EMAIL, "password": secret("wrong-password") });
    assert_eq!(post(address, "/auth/sign-in", "", &wrong).await.0, 401);
    let nobody = json!({ "email": "x@example.com", "password": secret("nobody"), "more": 1 });
    assert_eq!(post(address, "/auth/sign-in", "", &nobody).await.0, 400);
    let right = json!({ "email": EMAIL, "password": PASSWORD });
    let (status, granted) = post(address, "/auth/sign-in", "", &right).await;
    assert_eq!(status, 200);
    let of = |granted: &Value, name: &str| granted[name].as_str().unwrap().to_owned();
    let first = of(&granted, "refreshToken");
    let (status, renewed) = post(
        address,
        "/auth/refresh",
        "",
        &json!({ "refreshToken": first }),
    )
    .await;
    assert_eq!(status, 200);
    let token = of(&renewed, "accessToken");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let graphql = format!("http://{address}/graphql");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let variable = secret("variable");
    let key = secret("key");
    let literal = secret("literal");
    let sent = http
        .post(&graphql)
        .bearer_auth(&token)
        .header("Idempotency-Key", &key)
        .header("Cookie", secret("cookie"))
        .header("X-Request-Id", "request-of-the-test")
        .header("traceparent", parent)
        .json(&json!({
            "query": format!("query Find($s: String!) {{ clients(filter: {{ search: $s }}) {{ totalCount }} b: clients(filter: {{ search: \"{literal}\" }}) {{ totalCount }} }}"),
            "operationName": "Find",
            "variables": { "s": variable },
        }))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.headers()["x-request-id"], "request-of-the-test");
    let answer: Value = serde_json::from_str(&sent.text().await.unwrap()).unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    // By GET: in the address.
    let by_get = format!(
        "{graphql}?query={{viewer{{role}}}}&variables={{%22a%22:%22{}%22}}",
        secret("query-string")
    );
    http.get(by_get).bearer_auth(&token).send().await.unwrap();
    // Not understood, not valid, not there.
    for body in [
        json!({ "query": format!("{{ {} }}", secret("field").replace('-', "_")) }),
        json!({ "query": format!("query($v: Int!) {{ clients(first: $v) {{ totalCount }} }}"), "variables": { "v": secret("no-number") } }),
        json!({ "query": "{ viewer { role } }", "variables": secret("no-object") }),
    ] {
        post(address, "/graphql", &token, &body).await;
    }
    post(
        address,
        "/graphql",
        &secret("token"),
        &json!({ "query": "{ viewer { role } }" }),
    )
    .await;
    get(address, &format!("/{}", secret("path"))).await;
    post(
        address,
        "/auth/refresh",
        "",
        &json!({ "refreshToken": secret("refresh") }),
    )
    .await;
    // A fault of ours, with its cause.
    let db = connect(place.database.url()).await;
    db.execute_unprepared("DROP TABLE client_tags")
        .await
        .unwrap();
    let create = json!({ "query": CREATE, "variables": { "input": {
        "kind": "ORGANIZATION", "name": secret("name"), "currency": "EUR", "profile": { "tags": [secret("tag")] } } } });
    let (_, failed) = post(address, "/graphql", &token, &create).await;
    assert_eq!(
        failed["errors"][0]["extensions"]["code"], "INTERNAL",
        "{failed}"
    );
    let failed_id = failed["errors"][0]["extensions"]["requestId"]
        .as_str()
        .unwrap();
    secrets.extend([first, of(&renewed, "refreshToken"), token]);
    secrets.push(of(&granted, "accessToken"));

    let answered = wait_for(|| {
        let lines = process.lines("answered");
        (lines.len() >= 13).then_some(lines)
    })
    .unwrap_or_else(|| panic!("{}", process.log()));
    let log = process.log();
    for secret in &secrets {
        assert!(
            !log.contains(secret.as_str()),
            "{secret} is in the log:\n{log}"
        );
    }
    let find = answered
        .iter()
        .find(|line| line["operation"] == "Find")
        .unwrap();
    assert_eq!(find["request_id"], "request-of-the-test");
    assert_eq!(find["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (&find["method"], &find["path"]),
        (&json!("POST"), &json!("/graphql"))
    );
    assert_eq!(
        (&find["kind"], &find["status"]),
        (&json!("query"), &json!(200))
    );
    assert!(find["ms"].is_f64() && find["statements"].as_u64().unwrap() >= 1);
    assert!(find["user"].is_string());
    let of_path = |path: &str| {
        let lines = answered.iter().filter(|line| line["path"] == path);
        lines.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of_path("none")[0]["status"], 404);
    let sign_ins = of_path("/auth/sign-in");
    assert_eq!(sign_ins.len(), 3);
    assert_eq!(sign_ins[0]["code"], "UNAUTHENTICATED");
    let failed = answered
        .iter()
        .find(|line| line["request_id"] == failed_id)
        .unwrap();
    assert_eq!(
        (&failed["operation"], &failed["code"]),
        (&json!("New"), &json!("INTERNAL"))
    );
    // The cause is found by the same id.
    assert!(
        log.lines()
            .any(|line| line.contains(failed_id) && line.contains("client_tags"))
    );
}
