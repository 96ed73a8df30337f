//! Clients that take what they are sent late, or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use clientele::app;
use clientele::http::{self, Metrics};
use clientele::live::MAX_CLIENTS_AT_ONCE;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::limits::{figure, make_clients_named, wait_for};
use super::socket::PROTOCOL;
use crate::support::App;

/// What is sent to one who reads nothing: more than all buffers of the system on the way hold, and far more than the
/// service may.
const TOO_MUCH: usize = 96 << 20;

/// A ping that is answered with as much.
fn large_ping() -> Vec<u8> {
    let ping = json!({ "type": "ping", "payload": { "x": "y".repeat(60_000) } });
    frame(&ping.to_string())
}

on_both!(who_reads_late_is_not_taken_for_gone, async |app: App| {
    const EVERY: Duration = Duration::from_secs(1);
    let mut app = app;
    app.restart(|endpoint| endpoint.limits.sockets.ping_every = EVERY)
        .await;
    let team = app.team().await;
    let address = app.address("");
    let mut stream = raw(address.trim_start_matches("http://"), &team.ann.token).await;
    // Says something until it is held, and then for some while nothing.
    let ping = large_ping();
    let mut sent = 0;
    let say = async |stream: &mut TcpStream, from: usize| {
        let saying = stream.write(&ping[from % ping.len()..]);
        let said = tokio::time::timeout(EVERY * 3, saying).await;
        said.ok().map(|said| said.expect("it was cut"))
    };
    while let Some(more) = say(&mut stream, sent).await {
        sent += more;
        assert!(sent < TOO_MUCH, "all of it was taken");
    }
    // All is answered once it reads, and gives signs of life again.
    let (mut reading, mut writing) = stream.into_split();
    let rest = ping[sent % ping.len()..].to_vec();
    let alive = tokio::spawn(async move {
        writing.write_all(&rest).await.unwrap();
        loop {
            writing.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.unwrap();
            tokio::time::sleep(EVERY / 10).await;
        }
    });
    let mut left = sent / ping.len();
    while left > 0 {
        match heard(&mut reading).await {
            (0x81, _) => left -= 1,
            (0x89, _) => {}
            (kind, body) => panic!("{kind:x}: {}", String::from_utf8_lossy(&body)),
        }
    }
    alive.abort();
});

on_both!(who_reads_nothing_is_cut, async |app: App| {
    let team = app.team().await;
    let server = app.server();
    let metrics = Metrics::default();
    let mut endpoint = crate::support::server::generous();
    endpoint.metrics = metrics.clone();
    let options = app::Options {
        endpoint,
        ..app::Options::default()
    };
    let service = app::App::new(server.database.clone(), &server.keyring, options).unwrap();
    let options = http::server::Options {
        write_patience: Duration::from_millis(300),
        ..http::server::Options::default()
    };
    let listening = http::Server::bind("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let address = listening.address();
    tokio::spawn(listening.serve(service.router(), std::future::pending()));
    let mut stream = raw(&address.to_string(), &team.ann.token).await;
    assert_eq!(figure(&metrics, "sockets_open"), 1);
    let ping = large_ping();
    let mut sent = 0;
    loop {
        let writing = tokio::time::timeout(Duration::from_mins(1), stream.write_all(&ping));
        match writing.await.expect("it is held for ever") {
            Ok(()) => sent += ping.len(),
            Err(_) => break,
        }
        assert!(sent < TOO_MUCH, "all of it was taken");
    }
    wait_for(&metrics, "sockets_open", 0).await;
    // Not for what it said.
    assert_eq!(figure(&metrics, "sockets_ended_total{end=\"gone\"}"), 1);
});

/// Subscriptions of one socket.
const SUBSCRIPTIONS: usize = 20;

/// What they are told after which more would be held than should be, where each answer takes a MiB: some fill the
/// buffers of the system.
const MOST: u64 = 12;

on_both!(
    what_waits_for_a_slow_reader_is_not_put_together,
    async |app: App| {
        let metrics = Metrics::default();
        let counted = metrics.clone();
        let mut app = app;
        app.restart(|endpoint| {
            endpoint.metrics = counted;
            // It gives no signs of life.
            endpoint.limits.sockets.ping_every = Duration::from_hours(1);
        })
        .await;
        let team = app.team().await;
        let address = app.address("");
        let mut stream = raw(address.trim_start_matches("http://"), &team.ann.token).await;
        let aliases: String = (0..29).map(|at| format!("a{at}: name ")).collect();
        let query =
            format!("subscription {{ clientChanged {{ isResync ids clients {{ {aliases} }} }} }}");
        for id in 0..SUBSCRIPTIONS {
            let subscribe =
                json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": query } });
            stream
                .write_all(&frame(&subscribe.to_string()))
                .await
                .unwrap();
            let (_, first) = heard(&mut stream).await;
            let first = String::from_utf8(first).unwrap();
            assert!(first.contains("\"isResync\":true"), "{first}");
        }
        let told = || figure(&metrics, "subscription_steps_total{outcome=\"told\"}");
        let begun = told();
        make_clients_named(&app, team.ann.id, MAX_CLIENTS_AT_ONCE, &"y".repeat(2_000)).await;
        // Until nothing more is told.
        let mut before = 0;
        while told() == begun || told() != before {
            before = told();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let held = told() - begun;
        assert!(held <= MOST, "{held} answers are held");
        // And nothing of it is lost.
        let last = app.client_of(&team.ann, "The last one").await;
        let mut left: BTreeSet<String> = (0..SUBSCRIPTIONS).map(|id| id.to_string()).collect();
        while !left.is_empty() {
            let (_, event) = heard(&mut stream).await;
            let event = String::from_utf8(event).unwrap();
            if event.contains(&last) || event.contains("\"isResync\":true") {
                left.remove(event.split('"').nth(3).unwrap());
            }
        }
    }
);

/// A socket of the owner of `token` at `address`, on which every byte is read and written by the test.
async fn raw(address: &str, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // It holds little by itself.
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let handshake = format!(
        "GET /graphql HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    let payload = json!({ "Authorization": format!("Bearer {token}") });
    let init = json!({ "type": "connection_init", "payload": payload });
    stream.write_all(&frame(&init.to_string())).await.unwrap();
    let told = loop {
        match heard(&mut stream).await {
            (0x89, _) => {}
            (_, body) => break body,
        }
    };
    assert_eq!(told, b"{\"type\":\"connection_ack\"}");
    stream
}

/// What comes next: its first byte, which says what it is, and what it holds.
async fn heard(stream: &mut (impl AsyncReadExt + Unpin)) -> (u8, Vec<u8>) {
    let reading = async {
        let kind = stream.read_u8().await.unwrap();
        let length = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
            length => usize::from(length),
        };
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (kind, body)
    };
    let read = tokio::time::timeout(Duration::from_mins(1), reading).await;
    read.expect("nothing comes")
}

/// A text as a client sends it, under a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()).unwrap() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 0x7e);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}
