//! Errors on their way out: every one gets a code and the request id, faults of ours are logged and said
//! neutrally, and places in the document are told as the specification asks.
//!
//! # What a client is told
//!
//! An error of the endpoint has `extensions.code`, of a closed list, and `extensions.rule` where the code has
//! several causes; `retryable: true` where the same request may succeed later, with `retryAfterSeconds` and
//! the header `Retry-After` where it is known when. A request that was not run has no `data`.
//!
//! | status | code | rule | what to do |
//! |---|---|---|---|
//! | 400 | `BAD_USER_INPUT` | `BAD_REQUEST` | send one JSON object, or query string, as GraphQL over HTTP has it |
//! | 400 | `BAD_USER_INPUT` | `QUERY_MISSING` | send `query` or `documentId` |
//! | 400 | `BAD_USER_INPUT` | `BATCH_REFUSED` | send one request, not an array of them |
//! | 400, 200 | `BAD_USER_INPUT` | `BAD_VARIABLES` | send fewer values, less deep in each other |
//! | 400, 200 | `BAD_USER_INPUT` | `BAD_PAGE_SIZE` | ask for `first` or `last` of 0 to 100, not for both; for up to 100 `ids` |
//! | 400, 200 | `BAD_USER_INPUT` | `GRAPHQL_PARSE_FAILED` | mend the document at `locations` |
//! | 400, 200 | `BAD_USER_INPUT` | `GRAPHQL_VALIDATION_FAILED` | mend the document, `operationName` or variables |
//! | 400 | `BAD_USER_INPUT` | `IDEMPOTENCY_KEY_INVALID` | send one `Idempotency-Key` of 1 to 255 visible ASCII characters |
//! | 400 | `BAD_USER_INPUT` | `PERSISTED_QUERY_MISMATCH` | send the SHA-256 of the very text that is sent |
//! | 400, 200 | `PERSISTED_QUERY_NOT_FOUND` | `PERSISTED_QUERY_NOT_FOUND` | send hash and document together |
//! | 400, 200 | `PERSISTED_QUERY_NOT_SUPPORTED` | `PERSISTED_QUERY_NOT_SUPPORTED` | send documents, no hashes |
//! | 400 | `LIMIT_EXCEEDED` | `QUERY_TOO_LARGE` | send a shorter document (`limit` says how short) |
//! | 400 | `LIMIT_EXCEEDED` | `QUERY_TOO_DEEP` | select less deep |
//! | 400 | `LIMIT_EXCEEDED` | `QUERY_TOO_COMPLEX` | select fewer fields, smaller pages, fewer aliases; a mutation may have been carried out |
//! | 400 | `LIMIT_EXCEEDED` | `COST` | ask for smaller pages, or in several requests |
//! | 400 | `LIMIT_EXCEEDED` | `RESPONSE_TOO_LARGE` | ask for less; a mutation was carried out |
//! | 401 | `UNAUTHENTICATED` | | refresh the token, or sign in |
//! | 401 | `UNAUTHENTICATED` | `INTROSPECTION_OFF` | sign in to look at the schema |
//! | 403 | `FORBIDDEN` | `INTROSPECTION_OFF` | read the schema file; this service does not show it |
//! | 400 | `BAD_USER_INPUT` | `SUBPROTOCOL_NOT_SPOKEN` | speak graphql-transport-ws on sockets |
//! | 403 | `FORBIDDEN` | `ORIGIN_NOT_ALLOWED` | have the origin of the page added to those of CORS |
//! | 403 | `FORBIDDEN` | `DOCUMENT_NOT_TRUSTED` | send the `documentId` of a document that the service was given |
//! | 404, 200 | `NOT_FOUND` | `DOCUMENT_UNKNOWN` | have the document added to those of the service |
//! | 405 | `BAD_USER_INPUT` | `METHOD_NOT_ALLOWED` | use a method of the header `Allow` |
//! | 406 | `BAD_USER_INPUT` | `NOT_ACCEPTABLE` | accept `application/json` or `application/graphql-response+json` |
//! | 408 | `TIMEOUT` | `BODY_TOO_SLOW` | send again |
//! | 413 | `LIMIT_EXCEEDED` | `PAYLOAD_TOO_LARGE` | send a smaller body |
//! | 415 | `BAD_USER_INPUT` | `UNSUPPORTED_MEDIA_TYPE` | send `Content-Type: application/json` in UTF-8 |
//! | 429 | `THROTTLED` | `COST` | wait as long as it says |
//! | 429 | `THROTTLED` | `COST_OF_USER` | wait as long as it says; other devices of the user ask for much |
//! | 429 | `THROTTLED` | `CONCURRENCY` | send the next request when one is answered |
//! | 429 | `THROTTLED` | | wait as long as it says |
//! | 500 | `INTERNAL` | | report the `requestId` |
//! | 503 | `UNAVAILABLE` | `OVERLOADED` | send again after `Retry-After`, which differs for each caller |
//! | 503 | `UNAVAILABLE` | | send again after `Retry-After` |
//! | 504 | `TIMEOUT` | | send again; a mutation may have been carried out |
//! | 200 | `UNAUTHENTICATED` | | the field needs a token with more rights |
//! | 200 | `FORBIDDEN` | | ask somebody whose role may |
//! | 200 | `NOT_FOUND` | | it does not exist, or is not yours |
//! | 200 | `BAD_USER_INPUT` | | mend the values at `fields` |
//! | 200 | `RULE_VIOLATED` | | `rule` says which rule of the business refused it |
//! | 200 | `STALE_VERSION` | | read again, decide again, send the version you read |
//! | 200 | `CONFLICT` | | it clashes with something that is there |
//! | 200 | `LIMIT_EXCEEDED` | | ask for less |
//! | 200 | `THROTTLED` | | wait as long as it says |
//! | 200 | `TIMEOUT` | | send again |
//! | 200 | `UNAVAILABLE` | | send again |
//! | 200 | `INTERNAL` | | report the `requestId` |
//!
//! Where there are two statuses the first is for clients that accept `application/graphql-response+json`, the
//! second for those of `application/json`. An `Idempotency-Key` that came with another request before is
//! `RULE_VIOLATED` `idempotency.other_request` with 422; one whose first request still runs is `CONFLICT`
//! `idempotency.in_progress` with 409 and `retryable`; one whose first answer held a secret is `RULE_VIOLATED`
//! `idempotency.shown_once`, for secrets are kept nowhere; one whose answer is too large to be kept is
//! `LIMIT_EXCEEDED` `idempotency.answer_too_large`, and not done. Rows with 200 alone are errors of single
//! fields: they have a `path`, and the rest of `data` is there.

use std::error::Error as StdError;
use std::fmt::Write;

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition};
use async_graphql::{ErrorExtensionValues, PathSegment, Pos, Positioned, ServerError, Value};

use super::limits::CallerKind;
use super::request_id::RequestId;
use crate::graphql::written::expand;
use crate::messages::Locale;
use crate::{Code, Error, say};

/// How many errors of one answer are sent. A document can be wrong in a thousand places; more than these
/// help nobody.
const MAX_REQUEST_ERRORS: usize = 50;

/// Where the errors of an answer come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The request never ran: the document did not validate.
    Request,
    /// Resolvers raised them.
    Execution,
}

/// One error made ready for the answer, from an error of ours.
pub fn from_error(
    error: &Error,
    at: Option<Pos>,
    request_id: &RequestId,
    locale: Locale,
) -> ServerError {
    log(error, request_id);
    let mut extensions = ErrorExtensionValues::default();
    error.write_extensions(&mut extensions);
    extensions.set("requestId", request_id.as_str());
    let mut answer = ServerError::new(error.text(locale), at);
    answer.extensions = Some(extensions);
    answer
}

/// Seconds after which the same request may succeed, as an error says in `retryAfterSeconds`.
pub fn retry_after(extensions: &ErrorExtensionValues) -> Option<u64> {
    match extensions.get("retryAfterSeconds") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        _ => None,
    }
}

/// Makes the errors of an executed request ready for the answer.
pub fn finish(
    errors: &mut Vec<ServerError>,
    phase: Phase,
    caller: CallerKind,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    request_id: &RequestId,
    locale: Locale,
) {
    if phase == Phase::Request {
        errors.truncate(MAX_REQUEST_ERRORS);
    }
    for error in errors {
        if caller == CallerKind::Anonymous && phase == Phase::Request {
            cut_suggestions(&mut error.message);
        }
        let code = code_of(error, phase, request_id, locale);
        let extensions = error.extensions.get_or_insert_default();
        if let Some((code, rule)) = code {
            extensions.set("code", code.as_str());
            if let Some(rule) = rule {
                extensions.set("rule", rule);
            }
        }
        extensions.set("requestId", request_id.as_str());
        complete_path(error, document, operation);
    }
}

/// The code of an error that [`finish`] has made ready.
pub(crate) fn code_as_sent(error: &ServerError) -> &'static str {
    let extensions = error.extensions.as_ref();
    let sent = match extensions.and_then(|extensions| extensions.get("code")) {
        Some(Value::String(code)) => code.as_str(),
        _ => "",
    };
    let mut codes = Code::ALL.iter().map(|code| code.as_str());
    codes
        .find(|code| *code == sent)
        .unwrap_or(Code::Internal.as_str())
}

/// The code and rule of an error that brings none, after logging what must not be sent.
fn code_of(
    error: &mut ServerError,
    phase: Phase,
    request_id: &RequestId,
    locale: Locale,
) -> Option<(Code, Option<&'static str>)> {
    if let Some(ours) = error.source::<Error>() {
        log(ours, request_id);
        let text = ours.text(locale);
        error.message = text;
        return None;
    }
    let extensions = error.extensions.as_ref();
    if extensions.is_some_and(|extensions| extensions.get("code").is_some()) {
        return None;
    }
    // What the library says of a document it says in English only.
    let reason = std::mem::take(&mut error.message);
    if phase == Phase::Request {
        error.message = say!("{reason}", reason).text(locale);
        return Some((Code::BadUserInput, Some("GRAPHQL_VALIDATION_FAILED")));
    }
    if is_input_error(error, &reason) {
        error.message = say!("{reason}", reason).text(locale);
        return Some((Code::BadUserInput, None));
    }
    tracing::error!(
        request_id = request_id.as_str(),
        error = reason,
        path = %Path(&error.path),
        "a resolver failed with an error that has no code"
    );
    let neutral = say!("something went wrong on our side; the request id finds it in the log");
    error.message = neutral.text(locale);
    error.extensions = None;
    Some((Code::Internal, None))
}

/// Whether an argument or a scalar could not be read. The library raises these as text without a source; its
/// three forms are the only mark they have.
fn is_input_error(error: &ServerError, message: &str) -> bool {
    let forms = ["Expected input type \"", "Failed to parse \"", "Variable "];
    error.source.is_none() && forms.iter().any(|form| message.starts_with(form))
}

/// Writes a fault to the log, once, with everything that caused it.
fn log(error: &Error, request_id: &RequestId) {
    let request_id = request_id.as_str();
    let code = error.code().as_str();
    match (error.code(), error.source()) {
        (Code::Internal, source) => {
            let cause = source.map(chain).unwrap_or_default();
            tracing::error!(request_id, code, cause, "{}", error.message());
        }
        // Tokens run out all day long; the line of the request says so.
        (Code::Unauthenticated, Some(source)) => {
            let cause = chain(source);
            tracing::debug!(request_id, code, cause, "{}", error.message());
        }
        (_, Some(source)) => {
            let cause = chain(source);
            tracing::warn!(request_id, code, cause, "{}", error.message());
        }
        (_, None) => {}
    }
}

/// An error with its causes, outermost first.
fn chain(error: &(dyn StdError + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Leaves out what the library suggests for a name that does not exist: it would tell names of the schema.
fn cut_suggestions(message: &mut String) {
    if let Some(at) = message.find(" Did you mean ") {
        message.truncate(at);
    }
}

/// The library cuts the path of an error that passes through a list at the item. Where the error's place in
/// the document shows that a field of that item failed, the path is led on to it. Only fields of the item
/// itself, and those of its `node`, are found: further down there may be lists whose index is lost.
fn complete_path(
    error: &mut ServerError,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) {
    let (Some(PathSegment::Index(_)), Some(at)) = (error.path.last(), error.locations.first())
    else {
        return;
    };
    let at = *at;
    let mut fields = Vec::new();
    expand(&operation.selection_set.node, document, &mut fields);
    for segment in &error.path {
        if let PathSegment::Field(key) = segment {
            fields = below(&fields, key, document);
        }
    }
    if let Some(field) = fields.iter().find(|field| is_at(field, at)) {
        error.path.push(key_of(field));
        return;
    }
    for node in fields.iter().filter(|field| field.node.name.node == "node") {
        let mut inner = Vec::new();
        expand(&node.node.selection_set.node, document, &mut inner);
        if let Some(field) = inner.iter().find(|field| is_at(field, at)) {
            error.path.extend([key_of(node), key_of(field)]);
            return;
        }
    }
}

/// Whether the error at `at` is one of `field`: the place is that of the field or of one of its arguments.
fn is_at(field: &Positioned<Field>, at: Pos) -> bool {
    field.pos == at
        || field
            .node
            .arguments
            .iter()
            .any(|(_, value)| value.pos == at)
}

fn key_of(field: &Positioned<Field>) -> PathSegment {
    PathSegment::Field(field.node.response_key().node.to_string())
}

/// The fields of all selections that answer under `key`.
fn below<'d>(
    fields: &[&'d Positioned<Field>],
    key: &str,
    document: &'d ExecutableDocument,
) -> Vec<&'d Positioned<Field>> {
    let mut found = Vec::new();
    for field in fields {
        if field.node.response_key().node == key {
            expand(&field.node.selection_set.node, document, &mut found);
        }
    }
    found
}

/// A path as text for the log.
struct Path<'e>(&'e [PathSegment]);

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for segment in self.0 {
            match segment {
                PathSegment::Field(name) => write!(f, "/{name}")?,
                PathSegment::Index(index) => write!(f, "/{index}")?,
            }
        }
        Ok(())
    }
}
