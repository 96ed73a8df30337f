//! HTTP: sockets, routes and the GraphQL endpoint with its limits. It checks what a request costs before it
//! runs, says errors the way clients expect, and knows neither schema nor database: callers come from a
//! [`Gateway`], answers from an [`async_graphql::Executor`].

pub mod documents;
pub mod errors;
pub mod explorer;
pub mod gateway;
pub mod graphql;
pub mod idempotency;
pub mod limits;
pub mod meter;
pub mod negotiate;
pub mod refusal;
pub mod request_id;
pub mod scan;
pub mod server;
pub mod sign_in;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::Executor;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::FutureExt;
use serde_json::json;

pub use explorer::{Account, Explorer};
pub use gateway::{Caller, Gateway};
pub use graphql::{Endpoint, Options};
pub use limits::{Bounds, CallerKind, Limits};
pub use request_id::RequestId;
pub use server::{Drained, Server};

/// All routes: `/graphql`, the explorer if there is one, and those of `rest` (`/auth/...`, `/livez`). Every
/// answer, whatever made it, carries `X-Request-Id`; a panic in a handler is answered with 500.
pub fn router<G: Gateway, E: Executor>(
    endpoint: Arc<Endpoint<G, E>>,
    explorer: Option<&Explorer>,
    rest: Router,
) -> Router {
    let graphql = any(move |request: Request| {
        let endpoint = Arc::clone(&endpoint);
        async move { endpoint.serve(request).await }
    });
    let mut router = Router::new().route("/graphql", graphql);
    if let Some(explorer) = explorer {
        router = router.merge(explorer::routes(explorer));
    }
    router
        .merge(rest)
        .fallback(no_such_path)
        .layer(middleware::from_fn(identify))
}

/// The answer of the routes that are not GraphQL to an error: status, code, sentence, request id.
pub fn plain_error(error: &crate::Error, request_id: &RequestId) -> Response {
    let answer = errors::from_error(error, None, request_id);
    let body = json!({ "error": { "message": answer.message, "extensions": answer.extensions } });
    (refusal::status_of(error.code()), axum::Json(body)).into_response()
}

async fn no_such_path(request: Request) -> Response {
    let request_id = RequestId::of(request.headers());
    let path = request.uri().path();
    let error = crate::Error::new(crate::Code::NotFound, format!("there is nothing at {path}"));
    plain_error(&error, request.extensions().get().unwrap_or(&request_id))
}

/// Gives the request its id, contains panics, and marks the answer.
async fn identify(mut request: Request, next: Next) -> Response {
    let request_id = RequestId::of(request.headers());
    request.extensions_mut().insert(request_id.clone());
    let running = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match running.await {
        Ok(response) => response,
        Err(panic) => plain_error(&graphql::panicked(panic.as_ref()), &request_id),
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(request_id::HEADER, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
