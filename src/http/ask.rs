//! What a client asks: the token, the body or the query string, and what a GraphQL request holds in them.

use std::time::Duration;

use async_graphql::parser::types::OperationDefinition;
use axum::body::Body;
use axum::extract::Query;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::messages::Message;
use crate::{Code, Error, say};

type Object = serde_json::Map<String, serde_json::Value>;

/// A request for GraphQL, by POST or GET.
#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object with query or documentId, operationName, variables, extensions"
)]
pub(super) struct Ask {
    pub query: Option<String>,
    pub document_id: Option<String>,
    pub operation_name: Option<String>,
    pub variables: Option<Object>,
    pub extensions: Option<Object>,
}

/// The query string of a GET; variables and extensions are JSON within it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskByGet {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// The token of the `Authorization` header.
///
/// # Errors
/// `UNAUTHENTICATED` if there is a header, but no token in it: a client that tried to say who it is must not
/// be served as nobody.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token.filter(|token| !token.is_empty()) {
        Some(token) => Ok(Some(token)),
        None => Err(Error::unauthenticated(say!(
            "send the token as: Authorization: Bearer <token>"
        ))
        .into()),
    }
}

/// How much of a body that is refused is read all the same, in bytes. Whoever is still sending when the connection
/// closes hears of that, and of no answer: a proxy makes a 502 of it.
const DISCARDED_BYTES: usize = 1024 * 1024;

/// How long the rest of such a body is read.
const DISCARDING: Duration = Duration::from_secs(10);

/// How long its next piece is waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// Refuses a body that announces to be larger than `limit` bytes, once it was read.
pub(super) async fn check_announced(
    headers: &HeaderMap,
    body: &mut Body,
    limit: usize,
) -> Result<(), Refusal> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        // Who asks first whether to send it has not sent it.
        if !headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(too_large(limit));
    }
    Ok(())
}

/// Reads what is left of a body for nothing, so that who sends it hears the answer: no more than
/// [`DISCARDED_BYTES`], for [`DISCARDING`] at most, and until nothing came for [`SILENCE`].
pub(super) async fn discard(body: &mut Body) {
    let reading = async {
        let mut left = DISCARDED_BYTES;
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, body.frame()).await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whoever is slower than that has to live without an answer.
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}

/// Reads at most `limit` bytes until `deadline` has passed, whether the length was announced or not.
pub(super) async fn read_body(
    mut body: Body,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Refusal> {
    let reading = Limited::new(&mut body, limit).collect();
    match tokio::time::timeout(deadline, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(&mut body).await;
            Err(too_large(limit))
        }
        Ok(Err(_)) => Err(Refusal::bad_request(
            "BAD_REQUEST",
            say!("the body ended before it was complete"),
        )),
        Err(_) => {
            let error = Error::new(Code::Timeout, say!("the body did not arrive in time"))
                .with_rule("BODY_TOO_SLOW");
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error))
        }
    }
}

fn too_large(limit: usize) -> Refusal {
    let message = say!("the body is larger than the {limit} bytes allowed", limit);
    let error = Error::new(Code::LimitExceeded, message)
        .with_rule("PAYLOAD_TOO_LARGE")
        .detail("limit", limit);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
}

/// What a POST asks.
pub(super) fn of_body(body: &[u8]) -> Result<Ask, Refusal> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(Refusal::bad_request(
            "BATCH_REFUSED",
            say!("batches are not served: send one request, not an array of them"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| malformed(say!("the body"), &error))
}

/// What a GET asks.
pub(super) fn of_query_string(uri: &Uri, limit: usize) -> Result<Ask, Refusal> {
    if uri.query().unwrap_or_default().len() > limit {
        return Err(too_large(limit));
    }
    let Query(ask) = Query::<AskByGet>::try_from_uri(uri).map_err(|_| {
        Refusal::bad_request(
            "BAD_REQUEST",
            say!(
                "the query string must hold query or documentId, and may hold operationName, variables, extensions, once each"
            ),
        )
    })?;
    Ok(Ask {
        query: ask.query,
        document_id: ask.document_id,
        operation_name: ask.operation_name,
        variables: json_of("variables", ask.variables)?,
        extensions: json_of("extensions", ask.extensions)?,
    })
}

fn json_of<T: DeserializeOwned>(name: &str, text: Option<String>) -> Result<Option<T>, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => {
            serde_json::from_str(&text).map_err(|error| malformed(name.to_owned().into(), &error))
        }
        None => Ok(None),
    }
}

fn malformed(what: Message, error: &serde_json::Error) -> Refusal {
    let message = if error.classify() == serde_json::error::Category::Data {
        say!(
            "{what} is JSON, but not what a GraphQL request holds: {reason}",
            what,
            reason = error
        )
    } else {
        say!("{what} is not valid JSON: {reason}", what, reason = error)
    };
    Refusal::bad_request("BAD_REQUEST", message)
}

/// Refuses a request without a value for a variable that must have one. The executor would take it for null.
pub(super) fn require_variables(
    operation: &OperationDefinition,
    variables: &Object,
) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        if definition.var_type.node.nullable {
            continue;
        }
        let name = definition.name.node.as_str();
        let given = variables.get(name);
        let is_missing = given.is_none() && definition.default_value.is_none();
        if is_missing || given.is_some_and(serde_json::Value::is_null) {
            let kind = &definition.var_type.node;
            return Err(Refusal::validation(say!(
                "the variable ${name} of type {kind} needs a value",
                name,
                kind
            )));
        }
    }
    Ok(())
}
