//! Told to stop with requests in flight, the service answers them all, takes no others, and ends well.

use std::time::{Duration, Instant};

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
