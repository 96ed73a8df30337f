//! The client: some connections, each with one request on its way at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::Result;
use crate::asks::Request;
use crate::phones;

/// What every good answer of either side begins with.
const GOOD: &[u8] = b"{\"data\":{";

#[derive(Args)]
pub(crate) struct Drive {
    /// The requests, as JSON
    #[arg(long)]
    plan: std::path::PathBuf,
    /// Whom to ask
    #[arg(long)]
    address: String,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

/// How it went.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Driven {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    /// Every latency, in microseconds.
    pub(crate) micros: Vec<u32>,
    pub(crate) first_error: Option<String>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    /// Bytes of it on the wire.
    pub(crate) packed: usize,
    /// SQL statements it took, when the side says so.
    pub(crate) statements: Option<u32>,
    pub(crate) is_good: bool,
}

/// A connection to a server.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    /// Whether answers may be packed.
    pub(crate) accepts_gzip: bool,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_owned(),
            accepts_gzip: false,
        })
    }

    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Answer> {
        self.sender.ready().await?;
        let mut asked = hyper::Request::post(&request.path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", request.token));
        if self.accepts_gzip {
            asked = asked.header("accept-encoding", "gzip");
        }
        let asked = asked.body(Full::new(Bytes::from(request.body.clone())))?;
        let response = self.sender.send_request(asked).await?;
        let (head, body) = response.into_parts();
        let statements = head
            .headers
            .get("clientele-statements")
            .and_then(|count| count.to_str().ok())
            .and_then(|count| count.parse().ok());
        let mut body = body.collect().await?.to_bytes();
        let packed = body.len();
        if head.headers.contains_key("content-encoding") {
            body = phones::unpacked(&body)?.into();
        }
        // An error of GraphQL comes as `{"errors":` or with a null behind `data`.
        let is_good = head.status.is_success() && body.starts_with(GOOD) && !has_errors(&body);
        Ok(Answer {
            body,
            packed,
            statements,
            is_good,
        })
    }
}

fn has_errors(body: &[u8]) -> bool {
    const NULL: &[u8] = b":null}}";
    body.ends_with(NULL)
}

pub(crate) async fn drive(asked: &Drive) -> Result<()> {
    let plan: Arc<[Request]> = serde_json::from_slice(&std::fs::read(&asked.plan)?)?;
    if plan.is_empty() {
        return Err("the plan is empty".into());
    }
    let next = Arc::new(AtomicU64::new(u64::from(std::process::id()) * 131));
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(asked.seconds);
    let mut workers = Vec::new();
    for _ in 0..asked.connections {
        let (plan, next, address) = (Arc::clone(&plan), Arc::clone(&next), asked.address.clone());
        workers.push(tokio::spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut driven = Driven::default();
            while Instant::now() < end {
                let at = next.fetch_add(1, Ordering::Relaxed) as usize % plan.len();
                let Some(request) = plan.get(at) else {
                    break;
                };
                let sent = Instant::now();
                let answer = connection.ask(request).await?;
                driven
                    .micros
                    .push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                driven.requests += 1;
                if !answer.is_good {
                    driven.errors += 1;
                    driven.first_error.get_or_insert_with(|| {
                        String::from_utf8_lossy(&answer.body)
                            .chars()
                            .take(500)
                            .collect()
                    });
                }
            }
            Ok::<_, crate::Failure>(driven)
        }));
    }
    let mut all = Driven::default();
    for worker in workers {
        let driven = worker.await??;
        all.requests += driven.requests;
        all.errors += driven.errors;
        all.micros.extend(driven.micros);
        all.first_error = all.first_error.or(driven.first_error);
    }
    all.seconds = begun.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}
