//! A client of graphql-transport-ws, as far as tests need one.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::App;

/// How long to wait for what must come; a busy machine is no reason to fail.
const PATIENCE: Duration = Duration::from_mins(1);

/// The protocol.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A message.
    Said(Value),
    /// The end, with code and reason; 1006 without a word.
    Closed(u16, String),
}

/// A socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Pings of the server that were answered.
    pub pings: usize,
}

/// Shakes hands at `address` (`http://…`) with these headers more.
///
/// # Errors
/// The status and the body of a refusal.
pub async fn shake(
    address: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, (StatusCode, Value)> {
    let address = address.replacen("http", "ws", 1);
    let mut request = address.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((stream, _)) => Ok(Socket { stream, pings: 0 }),
        Err(Error::Http(response)) => {
            let status = StatusCode::from_u16(response.status().as_u16()).unwrap();
            let body = response.body().as_deref().unwrap_or_default();
            Err((status, serde_json::from_slice(body).unwrap_or_default()))
        }
        Err(error) => panic!("no handshake: {error}"),
    }
}

impl Socket {
    /// A socket of nobody yet, at `address` (`http://…/graphql`).
    pub async fn at(address: &str) -> Self {
        let protocol = ("sec-websocket-protocol", PROTOCOL);
        shake(address, &[protocol])
            .await
            .unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// A socket of nobody yet.
    pub async fn open(app: &App) -> Self {
        Self::at(&app.address("/graphql")).await
    }

    /// A socket of the owner of `token`.
    pub async fn of(app: &App, token: &str) -> Self {
        Self::of_at(&app.address("/graphql"), token).await
    }

    /// A socket at `address` of the owner of `token`.
    pub async fn of_at(address: &str, token: &str) -> Self {
        let mut socket = Self::at(address).await;
        socket.init(token).await;
        assert_eq!(socket.said().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Says who it is.
    pub async fn init(&mut self, token: &str) {
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        self.say(&json!({ "type": "connection_init", "payload": payload }))
            .await;
    }

    /// Says something.
    pub async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends a message of any kind.
    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Begins a subscription.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(&json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
    }

    /// Begins a subscription, and waits until it has begun.
    pub async fn follow(&mut self, id: &str, query: &str, variables: Value) {
        self.subscribe(id, query, variables).await;
        let first = self.next(id).await;
        let field = first["data"]
            .as_object()
            .unwrap_or_else(|| panic!("{first}"));
        let field = field.values().next().unwrap();
        assert_eq!(field["isResync"], true, "{first}");
    }

    /// What comes next, but signs of life.
    pub async fn hear(&mut self) -> Heard {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next());
            match next.await.expect("nothing comes") {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Said(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Ping(_))) => self.pings += 1,
                Some(Ok(Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    let closed = Heard::Closed(code.into(), reason.to_string());
                    // Agreed to.
                    while self.stream.next().await.is_some_and(|next| next.is_ok()) {}
                    return closed;
                }
                Some(Ok(other)) => panic!("unexpected: {other:?}"),
                Some(Err(_)) | None => return Heard::Closed(1006, String::new()),
            }
        }
    }

    /// The next message.
    pub async fn said(&mut self) -> Value {
        match self.hear().await {
            Heard::Said(message) => message,
            closed @ Heard::Closed(..) => panic!("{closed:?}"),
        }
    }

    /// The payload of the next message, which is `next` for `id`.
    pub async fn next(&mut self, id: &str) -> Value {
        let mut message = self.said().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("next"), &json!(id)),
            "{message}"
        );
        message["payload"].take()
    }

    /// The first error of the next message, which is `error` for `id`.
    pub async fn error(&mut self, id: &str) -> Value {
        let mut message = self.said().await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!(id)),
            "{message}"
        );
        message["payload"][0].take()
    }

    /// How it ends; nothing else may come before.
    pub async fn closed(&mut self) -> u16 {
        match self.hear().await {
            Heard::Closed(code, _) => code,
            Heard::Said(message) => panic!("{message}"),
        }
    }

    /// The ids of the next event of `clientChanged` under `id`, sorted.
    pub async fn changed(&mut self, id: &str) -> Vec<String> {
        let event = self.next(id).await;
        let changed = &event["data"]["clientChanged"];
        assert_eq!(changed["isResync"], false, "{event}");
        let mut ids: Vec<String> = texts(&changed["ids"]);
        ids.sort();
        ids
    }

    /// Demands that it is there and has nothing to say: a sign of life comes next.
    pub async fn is_silent(&mut self) {
        self.say(&json!({ "type": "ping", "payload": { "at": "the end" } }))
            .await;
        let pong = json!({ "type": "pong", "payload": { "at": "the end" } });
        assert_eq!(self.said().await, pong);
    }

    /// Ends it.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while self.stream.next().await.is_some_and(|next| next.is_ok()) {}
    }
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}
