//! A small schema behind the real edge, for tests of the edge itself and of what the GraphQL library promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unused_async
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_graphql::context::Data;
use async_graphql::{
    Context, EmptySubscription, InputValueError, InputValueResult, Object, Scalar, ScalarType,
    Schema, SimpleObject, Value,
};
use axum::Router;
use axum::routing::get;
use clientele::graphql::context::mask;
use clientele::http::graphql::Options;
use clientele::http::{
    self, Caller, Drained, Endpoint, Explorer, Gateway, Identity, Limits, Server, server,
};
use clientele::{Code, Error, Result};
use reqwest::header::HeaderMap;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// The token that [`Tokens`] takes.
pub const TOKEN: &str = "good";

/// A token of the same user on another device.
pub const OTHER_TOKEN: &str = "other";

/// Knows one user on two devices.
pub struct Tokens;

/// What resolvers see of a signed-in caller.
pub struct Viewer(pub &'static str);

impl Gateway for Tokens {
    async fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        match bearer {
            None => Ok(Caller::anonymous()),
            Some(token @ (TOKEN | OTHER_TOKEN)) => {
                let statements = Arc::new(AtomicU32::new(0));
                let mut data = Data::default();
                data.insert(Viewer("Ada"));
                data.insert(Arc::clone(&statements));
                Ok(Caller {
                    identity: Some(Identity {
                        user: Uuid::from_u128(1),
                        session: Uuid::from_u128(u128::from(token == OTHER_TOKEN)),
                    }),
                    data,
                    statements,
                    locale: None,
                    pass: None,
                })
            }
            Some("throttled") => {
                Err(Error::new(Code::Throttled, "slow down").detail("retryAfterSeconds", 7))
            }
            Some("unavailable") => Err(Error::new(Code::Unavailable, "the database is away")),
            Some("panics") => panic!("the gateway fell over"),
            Some(_) => Err(Error::unauthenticated("the token has expired")),
        }
    }
}

/// All codes.
pub const CODES: [Code; 12] = [
    Code::Unauthenticated,
    Code::Forbidden,
    Code::NotFound,
    Code::BadUserInput,
    Code::RuleViolated,
    Code::StaleVersion,
    Code::Conflict,
    Code::Throttled,
    Code::LimitExceeded,
    Code::Timeout,
    Code::Unavailable,
    Code::Internal,
];

/// Even numbers only.
struct Even(i64);

#[Scalar]
impl ScalarType for Even {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) if number.as_i64().is_some_and(|n| n % 2 == 0) => {
                Ok(Self(number.as_i64().unwrap()))
            }
            Value::Number(_) => Err(InputValueError::custom("not an even number")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

/// A client.
#[derive(SimpleObject)]
#[graphql(complex)]
struct Client {
    id: i32,
    name: String,
}

#[async_graphql::ComplexObject]
impl Client {
    async fn clients(&self, first: Option<i32>) -> Connection {
        Connection {
            count: first.unwrap_or(20).min(3),
        }
    }
}

/// A page of clients.
struct Connection {
    count: i32,
}

#[derive(SimpleObject)]
struct Edge {
    cursor: String,
    node: Client,
}

#[Object]
impl Connection {
    async fn edges(&self) -> Vec<Edge> {
        let edge = |id: i32| Edge {
            cursor: id.to_string(),
            node: Client {
                id,
                name: format!("Client {id}"),
            },
        };
        (0..self.count).map(edge).collect()
    }

    async fn nodes(&self) -> Vec<Client> {
        let node = |id| Client {
            id,
            name: format!("Client {id}"),
        };
        (0..self.count).map(node).collect()
    }

    async fn total_count(&self) -> i32 {
        self.count
    }
}

/// An object with a field that works and fields that fail.
pub struct Fragile(pub bool);

#[Object]
impl Fragile {
    async fn ok(&self) -> i32 {
        1
    }

    async fn must(&self) -> Result<i32> {
        if self.0 {
            Ok(2)
        } else {
            Err(Error::not_found("thing"))
        }
    }

    async fn may(&self) -> Option<Result<i32>> {
        Some(if self.0 {
            Ok(3)
        } else {
            Err(Error::not_found("thing"))
        })
    }

    async fn node(&self) -> Self {
        Self(self.0)
    }

    async fn items(&self) -> Vec<Self> {
        vec![Self(true), Self(self.0)]
    }

    async fn even(&self, n: Even) -> i64 {
        n.0
    }
}

/// An object of which not everybody sees all.
struct Guarded(i32);

#[Object]
impl Guarded {
    async fn open(&self) -> i32 {
        self.0
    }

    /// Odd ones are for nobody.
    async fn secret(&self, ctx: &Context<'_>) -> Option<i32> {
        if self.0 % 2 == 1 {
            return mask(ctx);
        }
        Some(self.0)
    }

    async fn inner(&self) -> Self {
        Self(self.0 + 1)
    }
}

pub struct Query;

#[Object]
impl Query {
    async fn guarded(&self) -> Guarded {
        Guarded(1)
    }

    async fn guardeds(&self, count: i32) -> Vec<Guarded> {
        (0..count).map(Guarded).collect()
    }

    async fn hello(&self) -> &'static str {
        "world"
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn even(&self, n: Even) -> i64 {
        n.0
    }

    async fn viewer(&self, ctx: &Context<'_>) -> Result<&'static str> {
        match ctx.data_opt::<Viewer>() {
            Some(viewer) => Ok(viewer.0),
            None => Err(Error::unauthenticated("sign in first")),
        }
    }

    async fn request_id(&self, ctx: &Context<'_>) -> String {
        let id = ctx.data_opt::<http::RequestId>().unwrap();
        id.as_str().to_owned()
    }

    async fn statements(&self, ctx: &Context<'_>, count: u32) -> u32 {
        let statements = ctx.data_opt::<Arc<AtomicU32>>().unwrap();
        statements.fetch_add(count, Ordering::Relaxed) + count
    }

    async fn clients(&self, first: Option<i32>, last: Option<i32>) -> Connection {
        Connection {
            count: first.or(last).unwrap_or(20).min(3),
        }
    }

    async fn slow(&self, ctx: &Context<'_>, millis: u64) -> u64 {
        if let Some(written) = ctx.data_opt::<Written>() {
            written.started.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(millis)).await;
        millis
    }

    async fn text(&self, bytes: usize) -> String {
        "x".repeat(bytes)
    }

    async fn fast(&self) -> u64 {
        0
    }

    async fn panic(&self) -> i32 {
        "".parse().expect("the secret of the panic")
    }

    async fn fault(&self) -> Result<i32> {
        Err(Error::internal(std::io::Error::other(
            "SELECT secret FROM t",
        )))
    }

    async fn bare(&self) -> async_graphql::Result<i32> {
        Err(async_graphql::Error::new("SELECT bare FROM t"))
    }

    async fn parse_failure(&self) -> async_graphql::Result<i32> {
        Ok("x".parse::<i32>()?)
    }

    /// Fails with the error of this code.
    async fn raise(&self, code: String) -> Result<i32> {
        let found = CODES.into_iter().find(|known| known.as_str() == code);
        Err(Error::new(found.unwrap(), "as was asked for"))
    }

    async fn rule(&self) -> Result<i32> {
        Err(Error::rule("order.over_limit", "over the credit limit").field("input.lines"))
    }

    async fn may(&self) -> Option<Result<i32>> {
        Some(Err(Error::not_found("thing")))
    }

    async fn must(&self) -> Result<i32> {
        Err(Error::not_found("thing"))
    }

    async fn result_of_option(&self) -> Result<Option<i32>> {
        Err(Error::not_found("thing"))
    }

    async fn maybe_fragile(&self) -> Option<Fragile> {
        Some(Fragile(false))
    }

    async fn fragiles(&self) -> Vec<Fragile> {
        vec![Fragile(true), Fragile(false)]
    }

    async fn maybe_fragiles(&self) -> Vec<Option<Fragile>> {
        vec![Some(Fragile(true)), Some(Fragile(false)), None]
    }

    async fn items(&self) -> Vec<Result<i32>> {
        vec![Ok(1), Err(Error::not_found("item"))]
    }

    async fn maybe_items(&self) -> Vec<Option<Result<i32>>> {
        vec![Some(Ok(1)), Some(Err(Error::not_found("item"))), None]
    }

    async fn header(&self, ctx: &Context<'_>) -> bool {
        ctx.append_http_header("x-from-resolver", "yes");
        true
    }
}

/// Counts what slow fields have begun and what was written.
#[derive(Clone, Default)]
pub struct Written {
    pub started: Arc<AtomicU32>,
    pub done: Arc<AtomicU32>,
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn copy(&self, ctx: &Context<'_>, bytes: usize) -> String {
        let written = ctx.data_opt::<Written>().unwrap();
        written.done.fetch_add(1, Ordering::SeqCst);
        "x".repeat(bytes)
    }

    async fn write(&self, ctx: &Context<'_>, millis: u64) -> u32 {
        let written = ctx.data_opt::<Written>().unwrap().clone();
        let writing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            written.done.fetch_add(1, Ordering::SeqCst) + 1
        });
        writing.await.unwrap()
    }
}

/// The schema by itself, for tests of the library.
pub fn schema() -> Schema<Query, Mutation, EmptySubscription> {
    Schema::new(Query, Mutation, EmptySubscription)
}

/// A running server.
pub struct Small {
    pub address: SocketAddr,
    pub written: Written,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Drained>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The first error.
    pub fn error(&self) -> Json {
        self.json()["errors"][0].clone()
    }

    pub fn code(&self) -> String {
        self.error()["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn rule(&self) -> String {
        self.error()["extensions"]["rule"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Small {
    pub async fn start() -> Self {
        Self::with(Options::default(), server::Options::default()).await
    }

    pub async fn with(options: Options, sockets: server::Options) -> Self {
        let written = Written::default();
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .data(written.clone())
            .finish();
        let endpoint = Arc::new(Endpoint::new(Tokens, schema, options));
        let explorer = Explorer {
            default_query: "{ hello }".to_owned(),
            accounts: vec![http::Account {
                label: "Ada Berg, rep".to_owned(),
                email: "ada@example.com".to_owned(),
                password: "demo".to_owned(),
            }],
        };
        let rest = Router::new().route("/livez", get(async || "ok")).route(
            "/fails",
            get(async || -> &'static str { panic!("in a route") }),
        );
        let router = http::router(endpoint, Some(&explorer), rest);
        let server = Server::bind(([127, 0, 0, 1], 0).into(), sockets)
            .await
            .unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(router, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            written,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    /// A server with other limits.
    pub async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut options = Options::default();
        change(&mut options.limits);
        Self::with(options, server::Options::default()).await
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method.parse().unwrap(), url)
    }

    /// A POST to `/graphql` with the good token and nothing else.
    pub fn graphql(&self) -> reqwest::RequestBuilder {
        self.request("POST", "/graphql").bearer_auth(TOKEN)
    }

    pub async fn query(&self, query: &str) -> Reply {
        reply(self.graphql().json(&json!({ "query": query }))).await
    }

    pub async fn anonymous(&self, query: &str) -> Reply {
        reply(
            self.request("POST", "/graphql")
                .json(&json!({ "query": query })),
        )
        .await
    }

    /// Waits until `counter` is no longer zero.
    pub async fn counted(counter: &AtomicU32) {
        let counted = async {
            while counter.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted)
            .await
            .unwrap();
    }

    /// Begins the shutdown.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until everything is drained.
    pub async fn stopped(&mut self) -> Drained {
        self.serving.take().unwrap().await.unwrap()
    }
}

pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}
