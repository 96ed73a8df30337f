//! Every request has an id: in the answer, in errors and in the log.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

/// The header that carries it, in both directions.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken over from a client.
const MAX_LENGTH: usize = 64;

/// The id of one request: the client's own if it is up to 64 of `[A-Za-z0-9_-]`, a UUID otherwise. Handlers
/// and resolvers find it in the extensions of the request and in the data of the GraphQL request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes the id from `headers` or makes one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let given = given.filter(|id| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(plain)
        });
        match given {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().to_string().into()),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
