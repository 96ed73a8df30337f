//! What is said and in which order, and how a socket ends that does not keep to it.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::CLIENTS;
use super::scope::{note, settle};
use super::socket::{Heard, PROTOCOL, Socket, shake};
use crate::support::{App, Person};

on_both!(only_one_protocol_is_spoken, async |app: App| {
    let address = app.address("/graphql");
    for protocol in [
        "graphql-ws",
        "graphql-transport-ws-2",
        "GRAPHQL-TRANSPORT-WS",
    ] {
        let refused = shake(&address, &[("sec-websocket-protocol", protocol)]).await;
        let (status, body) = refused.err().unwrap();
        assert_eq!(status, 400);
        let rule = &body["errors"][0]["extensions"]["rule"];
        assert_eq!(rule, "SUBPROTOCOL_NOT_SPOKEN", "{body}");
    }
    let (status, _) = shake(&address, &[]).await.err().unwrap();
    assert_eq!(status, 400);
    let both = format!("graphql-ws, {PROTOCOL}");
    assert!(
        shake(&address, &[("sec-websocket-protocol", both.as_str())])
            .await
            .is_ok()
    );
});

on_both!(a_broken_handshake_is_no_socket, async |app: App| {
    let upgrade = |name: &'static str, value: &'static str| {
        let request = app.request(reqwest::Method::GET, "/graphql");
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        crate::support::Answer::of(request.header(name, value))
    };
    for (name, value) in [
        ("sec-websocket-version", "8"),
        ("sec-websocket-version", "13"),
    ] {
        let answer = upgrade(name, value).await;
        assert_eq!(
            (answer.status.as_u16(), answer.rule()),
            (400, "BAD_REQUEST")
        );
    }
});

on_both!(pages_of_other_origins_get_no_socket, async |app: App| {
    let mut app = app;
    app.restart(|endpoint| endpoint.origins = vec!["https://app.example".to_owned()])
        .await;
    let team = app.team().await;
    let address = app.address("/graphql");
    let own = app.address("");
    let shake_from = async |origin: &str| {
        let headers = [("sec-websocket-protocol", PROTOCOL), ("origin", origin)];
        shake(&address, &headers).await
    };
    for origin in [
        "https://evil.example",
        "http://app.example",
        "null",
        "https://app.example.evil",
    ] {
        let (status, body) = shake_from(origin).await.err().unwrap();
        assert_eq!(status, 403, "{origin}");
        assert_eq!(
            body["errors"][0]["extensions"]["rule"],
            "ORIGIN_NOT_ALLOWED"
        );
        assert_eq!(body["errors"][0]["extensions"]["code"], "FORBIDDEN");
    }
    for origin in ["https://app.example", own.as_str()] {
        let mut socket = shake_from(origin).await.ok().unwrap();
        socket.init(&team.ann.token).await;
        assert_eq!(socket.said().await["type"], "connection_ack", "{origin}");
    }
    // Apps name none.
    let _ = Socket::of(&app, &team.ben.token).await;
});

on_both!(who_does_not_say_who_they_are_is_closed, async |app: App| {
    let mut app = app;
    app.restart(|endpoint| endpoint.limits.sockets.init_deadline = Duration::from_millis(200))
        .await;
    let mut socket = Socket::open(&app).await;
    let end = socket.hear().await;
    let reason = "Connection initialisation timeout".to_owned();
    assert_eq!(end, Heard::Closed(4408, reason));
    // Talk of other things is no answer.
    let mut socket = Socket::open(&app).await;
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.said().await, json!({ "type": "pong" }));
    assert_eq!(socket.closed().await, 4408);
});

on_both!(a_bad_token_is_refused, async |app: App| {
    let team = app.team().await;
    let server = app.server();
    let issue = |person: &Person, life: TimeDelta| {
        let now = server.clock.now();
        server
            .tokens
            .issue(person.id.0, person.session.0, now, life)
            .unwrap()
            .0
    };
    let mut forged = issue(&team.ann, TimeDelta::days(1));
    forged.push('x');
    let payloads = [
        Value::Null,
        json!({}),
        json!({ "token": team.ann.token }),
        json!({ "Authorization": team.ann.token }),
        json!({ "Authorization": format!("Basic {}", team.ann.token) }),
        json!({ "Authorization": format!("Bearer {forged}") }),
        json!({ "Authorization": format!("Bearer {}", issue(&team.ann, TimeDelta::seconds(-60))) }),
        json!({ "Authorization": "Bearer clientele_nonsense" }),
    ];
    for payload in payloads {
        let mut socket = Socket::open(&app).await;
        let init = json!({ "type": "connection_init", "payload": payload });
        socket.say(&init).await;
        assert_eq!(socket.closed().await, 4403, "{payload}");
    }
    let mut socket = Socket::open(&app).await;
    socket.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(
        socket.hear().await,
        Heard::Closed(4403, "Forbidden".to_owned())
    );
    // The same token as over HTTP.
    let payload = json!({ "authorization": format!("bearer {}", team.ben.token) });
    let mut socket = Socket::open(&app).await;
    socket
        .say(&json!({ "type": "connection_init", "payload": payload }))
        .await;
    assert_eq!(socket.said().await, json!({ "type": "connection_ack" }));
});

on_both!(
    nothing_runs_before_the_client_said_who_it_is,
    async |app: App| {
        let mut socket = Socket::open(&app).await;
        socket.subscribe("1", CLIENTS, json!({})).await;
        assert_eq!(
            socket.hear().await,
            Heard::Closed(4401, "Unauthorized".to_owned())
        );
    }
);

on_both!(nobody_says_twice_who_they_are, async |app: App| {
    let team = app.team().await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.init(&team.ann.token).await;
    let reason = "Too many initialisation requests".to_owned();
    assert_eq!(socket.hear().await, Heard::Closed(4429, reason));
});

on_both!(an_id_is_used_once_at_a_time, async |app: App| {
    let team = app.team().await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.follow("one", CLIENTS, json!({})).await;
    socket
        .say(&json!({ "id": "one", "type": "complete" }))
        .await;
    // Nobody has this any more.
    socket
        .say(&json!({ "id": "one", "type": "complete" }))
        .await;
    socket.follow("one", CLIENTS, json!({})).await;
    // One that was refused is free again.
    socket
        .subscribe("two", "subscription { none }", json!({}))
        .await;
    socket.error("two").await;
    socket.follow("two", CLIENTS, json!({})).await;
    socket.subscribe("one", CLIENTS, json!({})).await;
    let reason = "Subscriber for one already exists".to_owned();
    assert_eq!(socket.hear().await, Heard::Closed(4409, reason));
});

on_both!(what_is_completed_is_silent, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Blue Door").await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.follow("all", CLIENTS, json!({})).await;
    settle(&app, &team.ann, &mut socket, "all").await;
    socket.follow("gone", CLIENTS, json!({})).await;
    socket
        .say(&json!({ "id": "gone", "type": "complete" }))
        .await;
    note(&app, &team.ann, &client).await;
    assert_eq!(socket.changed("all").await, [client]);
    socket.is_silent().await;
});

on_both!(
    what_is_not_of_the_protocol_ends_the_socket,
    async |app: App| {
        let team = app.team().await;
        let wrong = [
            Message::text("nonsense"),
            Message::text(
                "{\"type\":\"start\",\"id\":\"1\",\"payload\":{\"query\":\"{ viewer { id } }\"}}",
            ),
            Message::text("{\"type\":\"subscribe\",\"id\":\"1\"}"),
            Message::text("{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}"),
            Message::binary(b"{\"type\":\"ping\"}".to_vec()),
        ];
        for message in wrong {
            let mut socket = Socket::of(&app, &team.ann.token).await;
            socket.send(message.clone()).await;
            let reason = "Invalid message received".to_owned();
            assert_eq!(
                socket.hear().await,
                Heard::Closed(4400, reason),
                "{message:?}"
            );
        }
    }
);

on_both!(signs_of_life_go_both_ways, async |app: App| {
    let mut app = app;
    app.restart(|endpoint| endpoint.limits.sockets.ping_every = Duration::from_secs(1))
        .await;
    let team = app.team().await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.is_silent().await;
    socket.say(&json!({ "type": "pong" })).await;
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.said().await, json!({ "type": "pong" }));
    // Pings are answered while something is read.
    while socket.pings < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        socket.is_silent().await;
    }
});

on_both!(who_gives_no_sign_of_life_is_left, async |app: App| {
    let mut app = app;
    app.restart(|endpoint| {
        endpoint.limits.sockets.ping_every = Duration::from_millis(100);
        endpoint.limits.sockets.init_deadline = Duration::from_hours(1);
    })
    .await;
    let address = app.address("");
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))
        .await
        .unwrap();
    let handshake = format!(
        "GET /graphql HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let reading = stream.read_to_end(&mut all);
    let read = tokio::time::timeout(Duration::from_mins(1), reading).await;
    assert!(read.is_ok(), "it is still there");
    assert!(String::from_utf8_lossy(&all).starts_with("HTTP/1.1 101 "));
    // A ping was sent, and no word of an end: nobody listens.
    assert!(all.ends_with(&[0x89, 0]), "{:?}", &all[all.len() - 8..]);
});

on_both!(a_socket_ends_with_its_token, async |app: App| {
    let team = app.team().await;
    let mut socket = Socket::of(&app, &team.ann.token).await;
    socket.follow("1", CLIENTS, json!({})).await;
    let server = app.server();
    let (long, _) = server
        .tokens
        .issue(
            team.ben.id.0,
            team.ben.session.0,
            server.clock.now(),
            TimeDelta::days(3),
        )
        .unwrap();
    let mut other = Socket::of(&app, &long).await;
    server
        .clock
        .advance(TimeDelta::days(1) + TimeDelta::minutes(1));
    assert_eq!(
        socket.hear().await,
        Heard::Closed(4403, "Forbidden".to_owned())
    );
    other.is_silent().await;
    // With a fresh token it goes on.
    let token = app.token(&team.ann);
    let _ = Socket::of(&app, &token).await;
});

on_both!(a_socket_ends_with_its_session, async |app: App| {
    let team = app.team().await;
    let phone = app.sign_in(team.ann.id, "Ann").await;
    let mut here = Socket::of(&app, &team.ann.token).await;
    let mut there = Socket::of(&app, &phone.token).await;
    there.follow("1", CLIENTS, json!({})).await;
    let mut others = Socket::of(&app, &team.ben.token).await;
    app.gql(
        &team.ann.token,
        "mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { session { id } } }",
        json!({ "input": { "id": phone.session.to_string() } }),
    )
    .await
    .ok();
    assert_eq!(there.closed().await, 4403);
    here.is_silent().await;
    app.gql(
        &team.admin.token,
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }",
        json!({ "input": { "id": team.ann.id(), "version": 1 } }),
    )
    .await
    .ok();
    assert_eq!(here.closed().await, 4403);
    others.is_silent().await;
    let mut again = Socket::open(&app).await;
    again.init(&team.ann.token).await;
    assert_eq!(again.closed().await, 4403);
});
