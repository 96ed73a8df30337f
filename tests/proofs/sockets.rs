//! Sockets of the real program: told of the end at SIGTERM, told of what another process wrote, and what they cost
//! while nothing happens.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::service::{Backend, Caller, Outcome, Place, Service};
use crate::shop::{Shop, new_order, send};
use crate::{is_long, on_both, rounds};

/// Sockets open when the service is told to stop.
const SOCKETS: usize = 200;

/// Sockets whose memory is looked at.
const IDLE: usize = 1_000;

/// Sockets of one user: four programs with five each.
const PER_USER: usize = 20;

/// The end that the service sets itself, and some for a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait for what must come.
const LONG: Duration = Duration::from_mins(1);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket that follows orders.
struct Socket(Stream);

impl Socket {
    async fn open(address: &str, token: &str) -> Self {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (stream, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut socket = Self(stream);
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        socket
            .say(&json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.said().await["type"], "connection_ack");
        let query = "subscription { orderPlaced { isResync order { id } } }";
        let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": query } });
        socket.say(&subscribe).await;
        assert_eq!(socket.placed().await["isResync"], true);
        socket
    }

    async fn say(&mut self, message: &Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn said(&mut self) -> Value {
        loop {
            match tokio::time::timeout(LONG, self.0.next())
                .await
                .expect("nothing comes")
            {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn placed(&mut self) -> Value {
        self.said().await["payload"]["data"]["orderPlaced"].take()
    }

    /// The next order that is told of; that a process has just begun to hear others is not.
    async fn order(&mut self) -> String {
        loop {
            if let Some(id) = self.placed().await["order"]["id"].as_str() {
                return id.to_owned();
            }
        }
    }

    /// Waits for the end, and answers its code; what is told until then does not matter.
    async fn closed(mut self) -> Option<u16> {
        let mut code = None;
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Close(Some(frame)) = message {
                code = Some(frame.code.into());
            }
        }
        code
    }
}

/// The keys of so many users, four of each.
async fn keys(admin: &Caller, users: usize) -> Vec<String> {
    let ask = async |name: &str, kind: &str, below: &str, input: Value| {
        let query = format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ {below} }} }}");
        let answer = admin.ask(&query, json!({ "input": input })).await.data();
        answer[name].clone()
    };
    let mut keys = Vec::new();
    for user in 0..users {
        let input = json!({ "email": format!("rep{user}@example.com"), "name": format!("Rep {user}"), "role": "REP" });
        let made = ask("userCreate", "UserCreateInput", "user { id }", input).await;
        for program in 0..4 {
            let input = json!({ "name": format!("program {user} {program}"), "userId": made["user"]["id"], "scopes": ["READ"] });
            let made = ask(
                "serviceAccountCreate",
                "ServiceAccountCreateInput",
                "serviceAccount { id }",
                input,
            )
            .await;
            let input = json!({ "serviceAccountId": made["serviceAccount"]["id"] });
            let made = ask("serviceKeyCreate", "ServiceKeyCreateInput", "secret", input).await;
            keys.push(made["secret"].as_str().unwrap().to_owned());
        }
    }
    keys
}

/// So many sockets, each of which follows orders.
async fn open_all(service: &Service, keys: &[String], count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for at in 0..count {
        sockets.push(Socket::open(service.address(), &keys[at % keys.len()]).await);
    }
    sockets
}

on_both!(sockets_are_told_of_the_end, async |backend: Backend| {
    let place = Place::new(backend).await;
    let shop = Shop::open(&place, 1_000_000).await;
    let service = place.start().await;
    let keys = keys(&service.caller(&shop.admin), SOCKETS / PER_USER).await;
    drop(service);
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds(1) {
        let mut service = place.start().await;
        let sockets = open_all(&service, &keys, SOCKETS).await;
        let began = Instant::now();
        service.tell_to_stop();
        let mut ends = tokio::task::JoinSet::new();
        for socket in sockets {
            ends.spawn(socket.closed());
        }
        let ends = tokio::time::timeout(PATIENCE, ends.join_all()).await;
        let ends = ends.expect("sockets are still open");
        assert_eq!(ends, vec![Some(1001); SOCKETS]);
        let status = service.ended(PATIENCE).await.expect("it does not end");
        assert_eq!(status.code(), Some(0));
        slowest = slowest.max(began.elapsed());
    }
    println!("{backend:?}: {SOCKETS} sockets told, ended after {slowest:?} at most");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_writes_is_heard_at_the_other() {
    let place = Place::new(Backend::Postgres).await;
    let shop = Shop::open(&place, 1_000_000).await;
    let one = place.start().await;
    let two = place.start().await;
    let [ann, ben] = &shop.reps;
    let mut anns = Socket::open(two.address(), &ann.token).await;
    let mut bens = Socket::open(two.address(), &ben.token).await;
    let id = new_order();
    send(&one.caller(&ann.token), shop.order(ann, &id))
        .await
        .data();
    assert_eq!(anns.order().await, id);
    // The other process dies without a word.
    one.kill();
    let id = new_order();
    send(&two.caller(&ann.token), shop.order(ann, &id))
        .await
        .data();
    assert_eq!(anns.order().await, id);
    let id = new_order();
    send(&two.caller(&ben.token), shop.order(ben, &id))
        .await
        .data();
    // The first that he hears of.
    assert_eq!(bens.order().await, id);
}

/// Orders that are on their way when the service is told to stop.
const LAST: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_writes_last_is_heard_at_the_other() {
    let place = Place::new(Backend::Postgres).await;
    let shop = Shop::open(&place, 1_000_000).await;
    let [ann, ben] = &shop.reps;
    let two = place.start().await;
    let mut anns = Socket::open(two.address(), &ann.token).await;
    let mut bens = Socket::open(two.address(), &ben.token).await;
    for _ in 0..rounds(3) {
        let without_grace = ["env", "CLIENTELE_DRAIN_GRACE=0"];
        let mut one = place.start_within(&without_grace).await;
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..LAST {
            let (caller, id) = (one.caller(&ann.token), new_order());
            let order = shop.order(ann, &id);
            sending.spawn(async move {
                let kept = matches!(send(&caller, order).await, Outcome::Data(_));
                kept.then_some(id)
            });
        }
        let first = sending.join_next().await.unwrap().unwrap();
        let mut kept: BTreeSet<String> = first.into_iter().collect();
        one.tell_to_stop();
        kept.extend(sending.join_all().await.into_iter().flatten());
        assert!(!kept.is_empty(), "no order was taken");
        let status = one.ended(PATIENCE).await.expect("it does not end");
        assert_eq!(status.code(), Some(0));
        while !kept.is_empty() {
            kept.remove(&anns.order().await);
        }
    }
    // The first that he hears of.
    let id = new_order();
    send(&two.caller(&ben.token), shop.order(ben, &id))
        .await
        .data();
    assert_eq!(bens.order().await, id);
}

/// Memory of a process, in bytes.
fn memory(service: &Service) -> usize {
    let file = format!("/proc/{}/status", service.process());
    let status = std::fs::read_to_string(file).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_socket_takes_little_memory() {
    let place = Place::new(Backend::Sqlite).await;
    let shop = Shop::open(&place, 1).await;
    let service = place.start().await;
    let count = if is_long() { IDLE } else { SOCKETS };
    let keys = keys(&service.caller(&shop.admin), count / PER_USER).await;
    // What the first sockets need once is not theirs.
    let first = open_all(&service, std::slice::from_ref(&shop.reps[0].token), 5).await;
    let before = memory(&service);
    let sockets = open_all(&service, &keys, count).await;
    let each = memory(&service).saturating_sub(before) / count;
    println!("{count} idle sockets with a subscription take {each} bytes each");
    assert!(each < 128 * 1024, "{each} bytes each");
    drop((first, sockets));
}
