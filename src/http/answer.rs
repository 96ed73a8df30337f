//! What goes out: status, media type and body of an answer, of what ran and of what was refused.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_graphql::parser::types::OperationType;
use async_graphql::{ServerError, Value};
use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::cost::Purse;
use super::errors::{self, Phase};
use super::idempotency;
use super::limits::CallerKind;
use super::negotiate::MediaType;
use super::observe::Told;
use super::refusal::{Refusal, status_of};
use super::request_id::RequestId;
use crate::messages::Locale;
use crate::{Code, Error, say};

/// What was learnt of a request before it was answered or refused.
pub(super) struct Context {
    pub media: MediaType,
    pub request_id: RequestId,
    /// That of the headers until the token has been looked at.
    pub locale: Locale,
    /// Whether a token came, good or not.
    pub has_token: bool,
    /// Unknown until the token has been looked at.
    pub statements: Option<Arc<AtomicU32>>,
    /// Of whoever is signed in, where costs count.
    pub purse: Option<Purse>,
    /// What the document was priced at.
    pub requested: u64,
    /// For the figures and the log.
    pub told: Told,
}

/// The body of an answer.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

/// The answer to a request that was not executed.
pub(super) fn refused(refusal: &Refusal, context: &Context) -> Response {
    let mut error = errors::from_error(
        &refusal.error,
        refusal.at,
        &context.request_id,
        context.locale,
    );
    if let (Some(code), Some(extensions)) = (refusal.protocol_code, &mut error.extensions) {
        extensions.set("code", code);
    }
    let retry_after = error.extensions.as_ref().and_then(errors::retry_after);
    let status = match context.media {
        MediaType::Json if refusal.lenient => StatusCode::OK,
        MediaType::Json | MediaType::GraphqlResponse => refusal.status,
    };
    let errors = [error];
    let mut extensions = BTreeMap::new();
    if let Some(purse) = &context.purse {
        extensions.insert("cost".to_owned(), purse.told(context.requested, 0));
    }
    let answer = Answer {
        errors: &errors,
        data: None,
        extensions: &extensions,
    };
    let mut response = match write(&answer, usize::MAX) {
        Ok(body) => respond(status, body, context.media),
        Err(fault) => unwritable(&fault, context),
    };
    response.extensions_mut().insert(Told::of(&refusal.error));
    let headers = response.headers_mut();
    if let Some(allow) = refusal.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if status == StatusCode::UNAUTHORIZED {
        // Nothing is wrong with the token of who sends none (RFC 6750 section 3.1).
        let challenge = if context.has_token {
            "Bearer error=\"invalid_token\""
        } else {
            "Bearer"
        };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.unwrap_or(1)));
    }
    response
}

/// The answer of a request that went to the executor, of at most `limit` bytes.
pub(super) fn executed(
    done: &async_graphql::Response,
    kind: OperationType,
    phase: Phase,
    caller: CallerKind,
    limit: usize,
    context: &Context,
) -> Response {
    let unauthenticated = caller == CallerKind::Anonymous
        && done.errors.iter().any(|error| {
            let extensions = error.extensions.as_ref();
            let code = extensions.and_then(|extensions| extensions.get("code"));
            code == Some(&Value::from(Code::Unauthenticated.as_str()))
        });
    let key_refused = idempotency::status(&done.errors);
    let status = match (phase, context.media) {
        _ if unauthenticated => StatusCode::UNAUTHORIZED,
        _ if key_refused.is_some() => key_refused.unwrap_or_default(),
        (Phase::Request, MediaType::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Phase::Request, MediaType::Json) | (Phase::Execution, _) => StatusCode::OK,
    };
    let answer = Answer {
        errors: &done.errors,
        data: (phase == Phase::Execution).then_some(&done.data),
        extensions: &done.extensions,
    };
    let mut response = match write(&answer, limit) {
        Ok(body) => respond(status, body, context.media),
        Err(Fault::TooLong) => return refused(&too_long(kind, limit), context),
        Err(fault) => return unwritable(&fault, context),
    };
    for (name, value) in &done.http_headers {
        response.headers_mut().append(name, value.clone());
    }
    if key_refused == Some(StatusCode::CONFLICT) {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(1));
    }
    if unauthenticated {
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The answer of a subscription to one thing that happened, as JSON of at most `limit` bytes.
pub(super) fn event(done: &async_graphql::Response, limit: usize) -> Result<String, Refusal> {
    let answer = Answer {
        errors: &done.errors,
        data: Some(&done.data),
        extensions: &done.extensions,
    };
    let written = match write(&answer, limit) {
        Ok(written) => written,
        Err(Fault::TooLong) => return Err(too_long(OperationType::Subscription, limit)),
        Err(Fault::Json(error)) => return Err(Error::internal(error).into()),
    };
    String::from_utf8(written).map_err(|error| Error::internal(error).into())
}

fn too_long(kind: OperationType, limit: usize) -> Refusal {
    let advice = match kind {
        OperationType::Mutation => {
            say!("the write is done; read what you need of it by a query that selects less")
        }
        OperationType::Query | OperationType::Subscription => {
            say!("ask for smaller pages, fewer fields, or in several requests")
        }
    };
    let message = say!(
        "the answer is larger than the {limit} bytes allowed: {advice}",
        limit,
        advice
    );
    let error = Error::new(Code::LimitExceeded, message)
        .with_rule("RESPONSE_TOO_LARGE")
        .detail("limit", limit);
    Refusal::new(status_of(Code::LimitExceeded), error)
}

/// Why an answer could not be written.
enum Fault {
    TooLong,
    Json(serde_json::Error),
}

/// A buffer that takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            self.is_over = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(answer: &Answer<'_>, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Bounded {
        bytes: Vec::with_capacity(512),
        limit,
        is_over: false,
    };
    match serde_json::to_writer(&mut body, answer) {
        Ok(()) => Ok(body.bytes),
        Err(_) if body.is_over => Err(Fault::TooLong),
        Err(error) => Err(Fault::Json(error)),
    }
}

/// Keys are strings and numbers finite, so that this does not happen to values of GraphQL.
fn unwritable(fault: &Fault, context: &Context) -> Response {
    let error = match fault {
        Fault::TooLong => "it is too long".to_owned(),
        Fault::Json(error) => error.to_string(),
    };
    let request_id = context.request_id.as_str();
    tracing::error!(request_id, error, "an answer could not be written as JSON");
    let body = br#"{"errors":[{"message":"the answer could not be written","extensions":{"code":"INTERNAL"}}]}"#;
    respond(
        StatusCode::INTERNAL_SERVER_ERROR,
        body.to_vec(),
        context.media,
    )
}

fn respond(status: StatusCode, body: Vec<u8>, media: MediaType) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(media.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
