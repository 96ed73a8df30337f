//! Clients of the service that go away in the middle of a request: every write happens whole or not at all,
//! and no connection to the database is left unfit for the next.

use std::time::Duration;

use entity::{ClientId, UserRole, client, client_stats, client_tag};
use sea_orm::{ColumnTrait, ConnectionTrait, Database, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::support::{App, Backend, Person};

/// How many requests one database sees; `CLIENTELE_CANCELLED_REQUESTS` says otherwise.
const REQUESTS: u64 = 600;

const CREATE: &str =
    "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id tags } } }";
const LIST: &str = "{ clients(first: 50) { totalCount nodes { name tags stats { orderCount } } } }";

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// The bytes of a request as a phone would send them.
fn request(person: &Person, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        person.token,
        body.len()
    )
    .into_bytes()
}

/// Sends `bytes`, or only the first part, waits for at most `patience`, and goes away. What had arrived of
/// an answer by then.
async fn send_and_leave(address: &str, bytes: &[u8], patience: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut arrived = vec![0; 4_096];
    match tokio::time::timeout(patience, stream.read(&mut arrived)).await {
        Ok(Ok(count)) => String::from_utf8_lossy(&arrived[..count]).into_owned(),
        _ => String::new(),
    }
}

async fn left_in_a_transaction(app: &App) -> i64 {
    if app.backend() == Backend::Sqlite {
        return 0;
    }
    let connection = Database::connect(app.database_url()).await.unwrap();
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT count(*) AS found FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND (state LIKE 'idle in transaction%' OR state = 'active')",
    );
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "found").unwrap()
}

/// What there is of a client: itself, its tags, its statistics.
async fn parts(app: &App, id: ClientId) -> (u64, u64, u64) {
    let system = app.server().database.as_system("a test looks at rows");
    let client = system.select::<client::Entity>().id(id).count(9).await;
    let tags = system
        .select::<client_tag::Entity>()
        .filter(client_tag::Column::ClientId.eq(id))
        .count(9)
        .await;
    let stats = system
        .select::<client_stats::Entity>()
        .filter(client_stats::Column::ClientId.eq(id))
        .count(9)
        .await;
    (client.unwrap(), tags.unwrap(), stats.unwrap())
}

async fn clients_that_go_away(backend: Backend) {
    let app = App::start_with(backend, 1).await;
    let address = app.server().base_url.replace("http://", "");
    let mut people = Vec::new();
    for _ in 0..6 {
        people.push(app.person("Ann", UserRole::Rep, None).await);
    }
    let requests = std::env::var("CLIENTELE_CANCELLED_REQUESTS")
        .map_or(REQUESTS, |text| text.parse().expect("a number of requests"));
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut sent = Vec::new();
    let mut waiting = tokio::task::JoinSet::new();
    for n in 0..requests {
        let person = &people[usize::try_from(n % 6).unwrap()];
        let id = ClientId(Uuid::now_v7());
        let is_write = random.below(100) < 60;
        let body = if is_write {
            let input = json!({
                "id": id.to_string(), "kind": "ORGANIZATION", "name": format!("Firm {n}"),
                "currency": "EUR", "profile": { "tags": ["red", "green", "blue"] },
            });
            json!({ "query": CREATE, "variables": { "input": input } })
        } else {
            json!({ "query": LIST })
        };
        let mut bytes = request(person, &body);
        let is_cut = random.below(10) == 0;
        if is_cut {
            bytes.truncate(bytes.len() / 2 + usize::try_from(random.below(90)).unwrap());
        }
        // Some stay: on a machine that is slow enough nobody else would be answered.
        let patience = if n % 16 == 0 && !is_cut {
            Duration::from_secs(10)
        } else {
            Duration::from_millis(random.below(12))
        };
        let address = address.clone();
        waiting.spawn(async move {
            let answered = send_and_leave(&address, &bytes, patience).await;
            (is_write.then_some(id), answered)
        });
        // A few at a time, so that they also wait for the one connection.
        while waiting.len() >= 6 {
            sent.push(waiting.join_next().await.unwrap().unwrap());
        }
    }
    sent.extend(waiting.join_all().await);

    // What was begun goes on without its caller.
    let mut calm = 0;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        calm = if left_in_a_transaction(&app).await == 0 {
            calm + 1
        } else {
            0
        };
        if calm == 4 {
            break;
        }
    }
    assert_eq!(calm, 4, "connections were left inside a transaction");

    let next = tokio::time::timeout(Duration::from_secs(2), async {
        app.gql(&people[0].token, LIST, json!({})).await.ok();
        app.client_of(&people[0], "The next").await;
    });
    next.await.expect("the next requests wait for something");

    let (mut whole, mut none) = (0, 0);
    let mut errors = std::collections::BTreeMap::new();
    for (id, answered) in sent {
        let Some(id) = id else {
            continue;
        };
        if answered.contains("\"errors\"") {
            *errors
                .entry(answered.split("\r\n\r\n").last().unwrap().to_owned())
                .or_insert(0) += 1;
        }
        match parts(&app, id).await {
            (1, 3, 1) => whole += 1,
            (0, 0, 0) if !answered.contains(&id.to_string()) => none += 1,
            torn => panic!("{id} was half written, or lost: {torn:?}, answered: {answered}"),
        }
    }
    println!("{errors:#?}");
    println!("{backend:?}: {whole} written whole, {none} not at all");
    assert!(whole > 0, "none was written");
    assert!(none > 0, "none was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_torn_or_stuck_when_clients_go_away_on_sqlite() {
    clients_that_go_away(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_torn_or_stuck_when_clients_go_away_on_postgres() {
    clients_that_go_away(Backend::Postgres).await;
}

on_both!(
    one_create_sent_many_times_at_once_is_one_client,
    async |app: App| {
        let person = app.person("Ann", UserRole::Rep, None).await;
        for n in 0..10 {
            let id = ClientId(Uuid::now_v7());
            let input = json!({
                "id": id.to_string(), "kind": "ORGANIZATION", "name": format!("Firm {n}"), "currency": "EUR",
            });
            let variables = json!({ "input": input });
            let answers = futures_util::future::join_all(
                (0..5).map(|_| app.gql(&person.token, CREATE, variables.clone())),
            );
            for answer in answers.await {
                assert_eq!(answer.ok().text("/clientCreate/client/id"), id.to_string());
            }
            assert_eq!(parts(&app, id).await, (1, 0, 1));
        }
    }
);

on_both!(
    a_character_that_no_database_keeps_is_wrong_input,
    async |app: App| {
        let person = app.person("Ann", UserRole::Rep, None).await;
        let query =
            "query($name: String!) { clients(filter: { name: { eq: $name } }) { nodes { id } } }";
        let answer = app
            .gql(&person.token, query, json!({ "name": "a\0b" }))
            .await;
        if !answer.errors().is_empty() {
            assert_eq!(answer.code(0), "BAD_USER_INPUT");
        }
    }
);
