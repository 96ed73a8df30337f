//! The edge: what it takes, what it refuses, and how it says so.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod browsers;
mod conformance;
mod cost;
mod costly;
mod errors;
mod hostile;
mod limits;
mod masked;
mod places;
mod requests;
mod serving;
mod told;
mod trusted;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::small::{Reply, Small, reply};

pub const JSON: &str = "application/json; charset=utf-8";
pub const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";

pub async fn graphql_response(small: &Small, query: &str) -> Reply {
    let accept = "application/graphql-response+json";
    reply(
        small
            .graphql()
            .header("accept", accept)
            .json(&json!({ "query": query })),
    )
    .await
}

/// Sends bytes as they are and reads until the server closes.
pub async fn raw(small: &Small, bytes: &str) -> String {
    let mut stream = TcpStream::connect(small.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may close while it still has unread bytes: what it said first counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
