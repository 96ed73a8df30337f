//! HTTP: sockets, routes and the GraphQL endpoint with its limits. It checks what a request costs before it
//! runs, says errors the way clients expect, and knows neither schema nor database: callers come from a
//! [`Gateway`], answers from an [`async_graphql::Executor`].

pub mod address;
mod answer;
mod ask;
pub mod browsers;
pub mod cost;
pub mod documents;
pub mod errors;
pub mod explorer;
pub mod fetch;
pub mod gateway;
pub mod graphql;
pub mod health;
pub mod idempotency;
pub mod limits;
pub mod meter;
pub mod metrics;
pub mod negotiate;
pub mod observe;
#[cfg(feature = "otlp")]
pub mod otlp;
mod patience;
pub mod places;
pub mod public_keys;
pub mod refusal;
pub mod request_id;
pub mod scan;
pub mod server;
pub mod sign_in;
pub mod sockets;
pub mod traceparent;
pub mod trusted;
pub mod weigh;

use std::sync::Arc;

use crate::messages::Locale;
use crate::say;
use async_graphql::Executor;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::json;

pub use explorer::{Account, Explorer};
pub use gateway::{Caller, Gateway, Identity};
pub use graphql::{Endpoint, Options};
pub use health::{Checks, Health, Starting};
pub use limits::{Bounds, Budget, CallerKind, Concurrency, Limits, Sockets};
pub use metrics::Metrics;
pub use observe::Told;
pub use request_id::RequestId;
pub use server::{Drained, Reserved, Server};
pub use trusted::{Trust, TrustedDocuments};

/// All routes: `/graphql`, the explorer if there is one, and those of `rest` (`/auth/...`, `/livez`). Every
/// answer, whatever made it, carries `X-Request-Id`, is counted and has its line in the log; a panic in a
/// handler is answered with 500. Longer answers
/// are compressed as the client accepts; pages of the origins in the endpoint's options may read them.
pub fn router<G: Gateway, E: Executor>(
    endpoint: Arc<Endpoint<G, E>>,
    explorer: Option<&Explorer>,
    rest: Router,
) -> Router {
    let metrics = endpoint.options().metrics.clone();
    let cors = browsers::cors(&endpoint.options().origins);
    let graphql = any(move |request: Request| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            if sockets::is_asked_for(&request) {
                return sockets::accept(endpoint, request).await;
            }
            endpoint.serve(request).await
        }
    });
    let mut router = Router::new().route("/graphql", graphql);
    router = match explorer {
        Some(explorer) => router.merge(explorer::routes(explorer)),
        None => router.route("/", get(async || NO_EXPLORER)),
    };
    router = router
        .merge(rest)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(browsers::compression());
    if let Some(cors) = cors {
        router = router.layer(cors);
    }
    router.layer(middleware::from_fn_with_state(metrics, observe::watch))
}

/// What `/` says where there is no explorer.
const NO_EXPLORER: &str = "Clientele serves GraphQL at /graphql.\n\
     The explorer is off: serve with --public-explorer to have it here, or run `clientele demo`.\n";

/// The answer of the routes that are not GraphQL to an error, in the shape that GraphQL has too.
pub fn plain_error(error: &crate::Error, request_id: &RequestId, locale: Locale) -> Response {
    plain_error_as(refusal::status_of(error.code()), error, request_id, locale)
}

/// As [`plain_error`], with a status of its own. Says in headers too when to try again, and that a token is needed.
pub(crate) fn plain_error_as(
    status: StatusCode,
    error: &crate::Error,
    request_id: &RequestId,
    locale: Locale,
) -> Response {
    let told = errors::from_error(error, None, request_id, locale);
    let retry_after = told.extensions.as_ref().and_then(errors::retry_after);
    let mut response = (status, axum::Json(json!({ "errors": [told] }))).into_response();
    response.extensions_mut().insert(Told::of(error));
    let headers = response.headers_mut();
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// 405; the router says in `Allow` which methods would do.
async fn no_such_method(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let message = say!(
        "{path} does not take {method}; the header Allow says what it takes",
        path,
        method = method.as_str()
    );
    let error =
        crate::Error::new(crate::Code::BadUserInput, message).with_rule("METHOD_NOT_ALLOWED");
    let request_id = RequestId::of(request.headers());
    let request_id = request.extensions().get().unwrap_or(&request_id);
    let locale = negotiate::locale(request.headers(), None);
    plain_error_as(StatusCode::METHOD_NOT_ALLOWED, &error, request_id, locale)
}

async fn no_such_path(request: Request) -> Response {
    let request_id = RequestId::of(request.headers());
    let path = request.uri().path();
    let error = crate::Error::new(
        crate::Code::NotFound,
        say!("there is nothing at {path}", path),
    );
    let locale = negotiate::locale(request.headers(), None);
    let request_id = request.extensions().get().unwrap_or(&request_id);
    plain_error(&error, request_id, locale)
}
