//! Told to stop with requests in flight, the service answers them all, takes no others, and ends well. What runs
//! by time goes no further, and is done by the next process.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use entity::{ClientId, client, client_stats};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{Backend, Place};
use crate::shop::{Ledger, Sent, Shop, new_order};
use crate::{on_both, rounds};

/// Requests in flight.
const REQUESTS: usize = 50;

/// The end that the service sets itself, and some for a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

const CREATE: &str =
    "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } } }";

/// A request whose body the server is waiting for.
struct InFlight {
    stream: TcpStream,
    id: String,
    body: Vec<u8>,
}

impl InFlight {
    /// Sends the head, and waits until the server asks for the rest.
    async fn begin(address: &str, token: &str, id: String, order: &Value) -> Self {
        let body = json!({ "query": CREATE, "variables": { "input": order } }).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self {
            stream,
            id,
            body: body.into_bytes(),
        }
    }

    /// Sends the rest, and demands the answer.
    async fn end(mut self) -> String {
        self.stream.write_all(&self.body).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains(&self.id) && !answer.contains("\"errors\""),
            "{answer}"
        );
        self.id
    }
}

on_both!(
    what_is_in_flight_is_answered_before_the_end,
    async |backend: Backend| {
        let place = Place::new(backend).await;
        let shop = Shop::open(&place, 900_000_000).await;
        let mut ledger = Ledger::default();
        let mut slowest = Duration::ZERO;
        for _ in 0..rounds(2) {
            let mut service = place.start().await;
            let address = service.address().to_owned();
            let mut waiting = Vec::new();
            for at in 0..REQUESTS {
                let rep = &shop.reps[at % 2];
                let id = new_order();
                let order = shop.order(rep, &id);
                waiting.push((
                    at % 2,
                    InFlight::begin(&address, &rep.token, id, &order).await,
                ));
            }
            let began = Instant::now();
            service.tell_to_stop();
            // No others are taken.
            while TcpStream::connect(&address).await.is_ok() {
                assert!(began.elapsed() < PATIENCE, "it goes on taking requests");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let mut tasks = tokio::task::JoinSet::new();
            for (rep, request) in waiting {
                tasks.spawn(async move { (rep, request.end().await) });
            }
            let mut all = [Sent::default(), Sent::default()];
            for (rep, id) in tasks.join_all().await {
                all[rep].kept.push(id);
            }
            let status = service.ended(PATIENCE).await.expect("it does not end");
            assert_eq!(status.code(), Some(0));
            slowest = slowest.max(began.elapsed());
            drop(service);
            let service = place.start().await;
            ledger.check(&service, &shop, &all).await;
        }
        println!("{backend:?}: {REQUESTS} answered, ended after {slowest:?} at most");
    }
);

/// Clients whose statistics are out of date: work for a job, for some seconds.
const STALE: usize = 20_000;

/// Clients of which one statement makes some.
const AT_ONCE: usize = 500;

/// Makes so many clients like the one there is, all with statistics that are out of date.
async fn make_stale(db: &DatabaseConnection) {
    let like = client::Entity::find().one(db).await.unwrap().unwrap();
    let stats = client_stats::Entity::find().one(db).await.unwrap().unwrap();
    for _ in 0..STALE / AT_ONCE {
        let ids: Vec<ClientId> = (0..AT_ONCE)
            .map(|_| ClientId(uuid::Uuid::now_v7()))
            .collect();
        let clients = ids.iter().map(|id| client::ActiveModel {
            id: Set(*id),
            ..like.clone().into_active_model()
        });
        client::Entity::insert_many(clients).exec(db).await.unwrap();
        let stats = ids.iter().map(|id| client_stats::ActiveModel {
            client_id: Set(*id),
            trailing_until_on: Set(NaiveDate::from_ymd_opt(2020, 1, 1)),
            ..stats.clone().into_active_model()
        });
        client_stats::Entity::insert_many(stats)
            .exec(db)
            .await
            .unwrap();
    }
}

async fn count_stale(db: &DatabaseConnection) -> u64 {
    let stale = client_stats::Column::TrailingUntilOn.is_not_null();
    let stale = client_stats::Entity::find().filter(stale);
    stale.count(db).await.unwrap()
}

on_both!(a_job_goes_no_further, async |backend: Backend| {
    let place = Place::new(backend).await;
    let _ = Shop::open(&place, 1).await;
    let mut options = ConnectOptions::new(place.url());
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    make_stale(&db).await;
    let all = count_stale(&db).await;
    assert_eq!(all, u64::try_from(STALE).unwrap());
    let at_once = ["env", "CLIENTELE_DRAIN_GRACE=0"];
    let mut service = place.start_within(&at_once).await;
    while count_stale(&db).await == all {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    service.tell_to_stop();
    let then = count_stale(&db).await;
    let began = Instant::now();
    let status = service.ended(PATIENCE).await.expect("it does not end");
    assert_eq!(status.code(), Some(0));
    let left = count_stale(&db).await;
    println!(
        "{backend:?}: {then} of {all} clients left when told, {left} at the end, after {:?}",
        began.elapsed()
    );
    assert!(then > all / 4, "too little is left to see anything");
    assert!(left > then / 2, "it went on: {left} of {then} are left");
    // What a job has begun is whole.
    assert_eq!(left % 500, 0);
    drop(service);
    let _service = place.start().await;
    while count_stale(&db).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
});
