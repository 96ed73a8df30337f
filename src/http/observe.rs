//! Every request is seen from outside: it gets an id, its panics are contained, it is counted, and one line
//! of the log says how it went. The line names what was asked by route and operation, never by what was in
//! it: no headers, no variables, no bodies, no query strings.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use uuid::Uuid;

use super::metrics::Metrics;
use super::request_id::{self, RequestId};
use super::traceparent::TraceParent;
use super::{graphql, negotiate, plain_error};
use crate::{Code, Error};

/// The rule that refuses when the process has enough to do.
const OVERLOADED: &str = "OVERLOADED";

/// Stands for paths that lead nowhere: what people type there may be anything.
const NO_ROUTE: &str = "none";

/// Routes that are asked every few seconds by machines; their lines are for debugging.
const FREQUENT: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// What a GraphQL request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A query.
    Query,
    /// A mutation.
    Mutation,
    /// It was refused before that was known.
    Refused,
}

impl Kind {
    /// As it shows in figures and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Refused => "refused",
        }
    }
}

/// What a handler tells of the request it answered. It goes out as an extension of the response, which
/// nobody outside sees.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What a GraphQL request asked for; nothing for other routes.
    pub kind: Option<Kind>,
    /// The name of the operation.
    pub name: Option<String>,
    /// Whether somebody signed in sent it and it ran.
    pub is_proven: bool,
    /// Whether its document is one of those the service was given.
    pub is_trusted: bool,
    /// The code of the first error; nothing when there is none.
    pub code: Option<&'static str>,
    /// The limit that refused it.
    pub limit: Option<&'static str>,
    /// Who sent it.
    pub user: Option<Uuid>,
    /// SQL statements it took.
    pub statements: u32,
    /// Whether it was a try to sign in or to refresh.
    pub is_sign_in: bool,
}

impl Told {
    /// Of a request that was refused.
    pub(crate) fn of(error: &Error) -> Self {
        let is_limit = match error.code() {
            Code::LimitExceeded | Code::Throttled | Code::Timeout => true,
            Code::Unavailable => error.rule_name() == Some(OVERLOADED),
            _ => false,
        };
        let code = error.code().as_str();
        Self {
            code: Some(code),
            limit: is_limit.then(|| error.rule_name().unwrap_or(code)),
            ..Self::default()
        }
    }
}

/// How a request went, for the log and for traces.
pub(crate) struct Seen<'a> {
    pub request_id: &'a RequestId,
    pub parent: Option<TraceParent>,
    pub method: &'a Method,
    pub route: &'a str,
    pub status: u16,
    pub took: Duration,
    pub told: &'a Told,
}

/// Gives the request its id, contains panics, marks the answer, counts it and writes its line.
pub(crate) async fn watch(
    State(metrics): State<Metrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let in_flight = metrics.begin();
    let request_id = RequestId::of(request.headers());
    let parent = TraceParent::of(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(request_id.clone());
    let locale = negotiate::locale(request.headers(), None);
    let running = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match running.await {
        Ok(response) => response,
        Err(panic) => plain_error(&graphql::panicked(panic.as_ref()), &request_id, locale),
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(request_id::HEADER, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let told = response.extensions_mut().remove::<Told>();
    let told = told.unwrap_or_default();
    let seen = Seen {
        request_id: &request_id,
        parent,
        method: &method,
        route: route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str),
        status: response.status().as_u16(),
        took: begun.elapsed(),
        told: &told,
    };
    metrics.answered(seen.route, seen.status, seen.took, &told);
    log(&seen);
    #[cfg(feature = "otlp")]
    super::otlp::record(&seen);
    drop(in_flight);
    response
}

/// How much of such a name the log repeats, in characters.
const MAX_NAME: usize = 64;

/// The beginning of a name that a caller chose.
fn cut(name: &str) -> &str {
    let end = name
        .char_indices()
        .nth(MAX_NAME)
        .map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or_default()
}

fn log(seen: &Seen<'_>) {
    let told = seen.told;
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "clientele::request",
                request_id = seen.request_id.as_str(),
                method = seen.method.as_str(),
                path = seen.route,
                operation = told.name.as_deref().map(cut),
                kind = told.kind.map(Kind::as_str),
                status = seen.status,
                code = told.code,
                limit = told.limit,
                ms = milliseconds(seen.took),
                statements = told.kind.map(|_| told.statements),
                user = told.user.map(tracing::field::display),
                trace_id = seen.parent.map(|parent| tracing::field::display(Hex(parent.trace))),
                "answered"
            )
        };
    }
    match seen.status {
        500.. => line!(warn),
        _ if FREQUENT.contains(&seen.route) => line!(debug),
        _ => line!(info),
    }
}

/// To the microsecond.
fn milliseconds(took: Duration) -> f64 {
    let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1_000.0
}

struct Hex(u128);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
