//! The GraphQL endpoint. In this order: method and content type, size, who is it, how deep, parse, how much,
//! run under a deadline, answer. What comes first is cheaper than what it protects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_graphql::parser::types::{OperationDefinition, OperationType};
use async_graphql::{Executor, ServerError, Value, Variables};
use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};

use super::documents::Documents;
use super::errors::{self, Phase};
use super::gateway::Gateway;
use super::idempotency;
use super::limits::{CallerKind, Limits};
use super::meter::{self, Introspection};
use super::negotiate::{self, MediaType};
use super::refusal::Refusal;
use super::request_id::RequestId;
use super::scan;
use crate::{Code, Error};

/// Says how many SQL statements a request took, where [`Options::debug_headers`] is on.
const STATEMENTS: HeaderName = HeaderName::from_static("clientele-statements");

/// How long a client may take to send its body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// How the endpoint behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How large requests may be.
    pub limits: Limits,
    /// Whether the schema can be looked at.
    pub introspection: Introspection,
    /// Whether answers carry `Clientele-Statements`.
    pub debug_headers: bool,
    /// Memory for parsed documents, bytes.
    pub document_cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            introspection: Introspection::On,
            debug_headers: false,
            document_cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// The endpoint: a gateway that knows callers and an executor that runs requests.
pub struct Endpoint<G, E> {
    gateway: G,
    executor: E,
    documents: Documents,
    options: Options,
}

/// A request for GraphQL, by POST or GET.
#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object with query, operationName, variables, extensions"
)]
struct Ask {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The query string of a GET; variables and extensions are JSON within it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskByGet {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// What goes out.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

/// What was learnt of a request before it was answered or refused.
struct Context {
    media: MediaType,
    request_id: RequestId,
    /// Unknown until the token has been looked at.
    statements: Option<Arc<AtomicU32>>,
}

impl<G: Gateway, E: Executor> Endpoint<G, E> {
    /// An endpoint that asks `gateway` for callers and has `executor` run what passes.
    pub fn new(gateway: G, executor: E, options: Options) -> Self {
        Self {
            gateway,
            executor,
            documents: Documents::new(options.document_cache_bytes),
            options,
        }
    }

    /// Answers one request, whatever it is.
    pub async fn serve(&self, request: Request) -> Response {
        let request_id = request.extensions().get::<RequestId>().cloned();
        let mut context = Context {
            media: MediaType::Json,
            request_id: request_id.unwrap_or_else(|| RequestId::of(request.headers())),
            statements: None,
        };
        let mut response = match self.answer(request, &mut context).await {
            Ok(response) => response,
            Err(refusal) => refused(&refusal, &context),
        };
        if self.options.debug_headers
            && let Some(statements) = &context.statements
        {
            let count = statements.load(Ordering::Relaxed);
            response
                .headers_mut()
                .insert(STATEMENTS, HeaderValue::from(count));
        }
        response
    }

    async fn answer(&self, request: Request, context: &mut Context) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let by_get = match parts.method {
            Method::POST => false,
            Method::GET => true,
            _ => return Err(Refusal::method("GET, POST", "send GraphQL by POST or GET")),
        };
        context.media = negotiate::accepted(&parts.headers).ok_or_else(not_acceptable)?;
        if !by_get && !negotiate::is_json(&parts.headers) {
            return Err(unsupported());
        }
        let bearer = bearer(&parts.headers)?;
        let kind = match bearer {
            Some(_) => CallerKind::SignedIn,
            None => CallerKind::Anonymous,
        };
        let bounds = self.options.limits.of(kind);
        let body = read_body(&parts.headers, body, bounds.body_bytes).await?;

        let caller = self.gateway.authenticate(bearer).await?;
        let kind = caller.kind();
        context.statements = Some(caller.statements);
        let bounds = self.options.limits.of(kind);

        let ask = if by_get {
            ask_of_query_string(&parts.uri, bounds.body_bytes)?
        } else {
            ask_of_body(&body)?
        };
        let variables = ask.variables.unwrap_or_default();
        meter::check_variables(&variables, bounds)?;
        let query = query_of(ask.query, ask.extensions.as_ref())?;
        let operation_name = ask.operation_name.filter(|name| !name.is_empty());

        let scanned = scan::check(&query, bounds)?;
        let document = self.documents.parse(&query, scanned)?;
        let operation = meter::operation(&document, operation_name.as_deref())?;
        match operation.ty {
            OperationType::Mutation | OperationType::Subscription if by_get => {
                return Err(Refusal::method("POST", "only queries can be sent by GET"));
            }
            OperationType::Query | OperationType::Mutation => {}
            OperationType::Subscription => {
                return Err(Refusal::validation(
                    "subscriptions are not served over HTTP",
                ));
            }
        }
        require_variables(operation, &variables)?;
        let variables = Variables::from_json(serde_json::Value::Object(variables));
        let introspection = self.options.introspection;
        meter::check(&document, operation, &variables, bounds, introspection)?;

        let deadline = match operation.ty {
            OperationType::Mutation => bounds.mutation_deadline,
            OperationType::Query | OperationType::Subscription => bounds.query_deadline,
        };
        let mut run = async_graphql::Request::new(query).variables(variables);
        run.operation_name = operation_name;
        run.data = caller.data;
        run.data.insert(context.request_id.clone());
        run.set_parsed_query(async_graphql::parser::types::ExecutableDocument::clone(
            &document,
        ));
        if operation.ty == OperationType::Mutation
            && kind == CallerKind::SignedIn
            && let Some(key) = idempotency::key(&parts.headers)?
        {
            self.gateway.remember(&mut run.data, key, &body).await?;
        }
        let mut done = self.run(run, deadline).await?;

        let nothing_ran = done.data == Value::Null
            && done.is_err()
            && done.errors.iter().all(|error| error.path.is_empty());
        let phase = if nothing_ran {
            Phase::Request
        } else {
            Phase::Execution
        };
        let id = &context.request_id;
        errors::finish(&mut done.errors, phase, kind, &document, operation, id);
        Ok(executed(&done, phase, kind, context))
    }

    /// Runs a request; a panic in a resolver ends this request and nothing else. What a mutation has begun
    /// runs in its own task and is not cut short by the deadline.
    async fn run(
        &self,
        request: async_graphql::Request,
        deadline: Duration,
    ) -> Result<async_graphql::Response, Refusal> {
        let running = AssertUnwindSafe(self.executor.execute(request)).catch_unwind();
        match tokio::time::timeout(deadline, running).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(panic)) => Err(panicked(panic.as_ref()).into()),
            Err(_) => {
                let seconds = deadline.as_secs_f32();
                let message = format!("it took longer than the {seconds} s it may");
                Err(Error::new(Code::Timeout, message).into())
            }
        }
    }
}

/// The error of a panic: its message goes to the log, not to the client.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "no message".to_owned());
    Error::bug(format!("a handler panicked: {text}"))
}

fn not_acceptable() -> Refusal {
    let message =
        "the answer is application/json or application/graphql-response+json; accept one of them";
    let error = Error::new(Code::BadUserInput, message).with_rule("NOT_ACCEPTABLE");
    Refusal::new(StatusCode::NOT_ACCEPTABLE, error)
}

fn unsupported() -> Refusal {
    let message = "send the request as application/json in UTF-8, without a content encoding";
    let error = Error::new(Code::BadUserInput, message).with_rule("UNSUPPORTED_MEDIA_TYPE");
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
}

/// The token of the `Authorization` header.
///
/// # Errors
/// `UNAUTHENTICATED` if there is a header, but no token in it: a client that tried to say who it is must not
/// be served as nobody.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token.filter(|token| !token.is_empty()) {
        Some(token) => Ok(Some(token)),
        None => {
            Err(Error::unauthenticated("send the token as: Authorization: Bearer <token>").into())
        }
    }
}

/// Refuses a request without a value for a variable that must have one. The executor would take it for null.
fn require_variables(
    operation: &OperationDefinition,
    variables: &serde_json::Map<String, serde_json::Value>,
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
            return Err(Refusal::validation(format!(
                "the variable ${name} of type {kind} needs a value"
            )));
        }
    }
    Ok(())
}

/// Reads at most `limit` bytes, whether the length was announced or not.
async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let reading = Limited::new(body, limit).collect();
    match tokio::time::timeout(BODY_DEADLINE, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err(Refusal::bad_request(
            "BAD_REQUEST",
            "the body ended before it was complete",
        )),
        Err(_) => {
            let error = Error::new(Code::Timeout, "the body did not arrive in time");
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error))
        }
    }
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("the body is larger than the {limit} bytes allowed");
    let error = Error::new(Code::LimitExceeded, message)
        .with_rule("PAYLOAD_TOO_LARGE")
        .detail("limit", limit);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
}

fn ask_of_body(body: &[u8]) -> Result<Ask, Refusal> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(Refusal::bad_request(
            "BATCH_REFUSED",
            "batches are not served: send one request, not an array of them",
        ));
    }
    serde_json::from_slice(body).map_err(|error| malformed("the body", &error))
}

fn ask_of_query_string(uri: &axum::http::Uri, limit: usize) -> Result<Ask, Refusal> {
    if uri.query().unwrap_or_default().len() > limit {
        return Err(too_large(limit));
    }
    let Query(ask) = Query::<AskByGet>::try_from_uri(uri).map_err(|_| {
        Refusal::bad_request(
            "BAD_REQUEST",
            "the query string must hold query, and may hold operationName, variables, extensions, once each",
        )
    })?;
    let object = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(&text).map_err(|error| malformed(name, &error)),
        None => Ok(None),
    };
    Ok(Ask {
        query: ask.query,
        operation_name: ask.operation_name,
        variables: object("variables", ask.variables)?,
        extensions: object("extensions", ask.extensions)?,
    })
}

fn malformed(what: &str, error: &serde_json::Error) -> Refusal {
    let message = match error.classify() {
        serde_json::error::Category::Data => {
            format!("{what} is JSON, but not what a GraphQL request holds: {error}")
        }
        _ => format!("{what} is not valid JSON: {error}"),
    };
    Refusal::bad_request("BAD_REQUEST", message)
}

fn query_of(
    query: Option<String>,
    extensions: Option<&serde_json::Map<String, serde_json::Value>>,
) -> Result<String, Refusal> {
    if let Some(query) = query.filter(|query| !query.trim().is_empty()) {
        return Ok(query);
    }
    if extensions.is_some_and(|extensions| extensions.contains_key("persistedQuery")) {
        // Clients that try a hash first know this very message and send the document then.
        return Err(Refusal::bad_request(
            "PERSISTED_QUERY_NOT_SUPPORTED",
            "PersistedQueryNotSupported",
        ));
    }
    Err(Refusal::bad_request(
        "QUERY_MISSING",
        "the request has no query: send the GraphQL document as query",
    ))
}

/// The answer to a request that was not executed.
fn refused(refusal: &Refusal, context: &Context) -> Response {
    let error = errors::from_error(&refusal.error, refusal.at, &context.request_id);
    let retry_after = error.extensions.as_ref().and_then(retry_after);
    let status = match context.media {
        MediaType::Json if refusal.lenient => StatusCode::OK,
        MediaType::Json | MediaType::GraphqlResponse => refusal.status,
    };
    let errors = [error];
    let answer = Answer {
        errors: &errors,
        data: None,
        extensions: &BTreeMap::new(),
    };
    let mut response = respond(status, &answer, context);
    let headers = response.headers_mut();
    if let Some(allow) = refusal.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.unwrap_or(1)));
    }
    response
}

/// Seconds after which the same request may succeed, as the error says in `retryAfterSeconds`.
fn retry_after(extensions: &async_graphql::ErrorExtensionValues) -> Option<u64> {
    match extensions.get("retryAfterSeconds") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        _ => None,
    }
}

/// The answer of a request that went to the executor.
fn executed(
    done: &async_graphql::Response,
    phase: Phase,
    caller: CallerKind,
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
    let mut response = respond(status, &answer, context);
    for (name, value) in &done.http_headers {
        response.headers_mut().append(name, value.clone());
    }
    if key_refused == Some(StatusCode::CONFLICT) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(1));
    }
    if unauthenticated {
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn respond(status: StatusCode, answer: &Answer<'_>, context: &Context) -> Response {
    // Keys are strings and numbers finite: this cannot fail for values of GraphQL.
    let (status, body) = match serde_json::to_vec(answer) {
        Ok(body) => (status, Cow::Owned(body)),
        Err(error) => {
            let request_id = context.request_id.as_str();
            tracing::error!(request_id, %error, "an answer could not be written as JSON");
            let body: &[u8] = br#"{"errors":[{"message":"the answer could not be written","extensions":{"code":"INTERNAL"}}]}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, Cow::Borrowed(body))
        }
    };
    let mut response = Response::new(Body::from(body.into_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(context.media.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
