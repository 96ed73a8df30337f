//! HTTP: sockets, routes and the GraphQL endpoint with its limits. It checks what a request costs before it
//! runs, says errors the way clients expect, and knows neither schema nor database: callers come from a
//! [`Gateway`], answers from an [`async_graphql::Executor`].

pub mod documents;
pub mod errors;
pub mod explorer;
pub mod gateway;
pub mod graphql;
pub mod health;
pub mod limits;
pub mod meter;
pub mod metrics;
pub mod negotiate;
pub mod observe;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod refusal;
pub mod request_id;
pub mod scan;
pub mod server;
pub mod sign_in;
pub mod traceparent;

use std::sync::Arc;

use async_graphql::Executor;
use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::json;

pub use explorer::{Account, Explorer};
pub use gateway::{Caller, Gateway};
pub use graphql::{Endpoint, Options};
pub use health::{Checks, Health};
pub use limits::{Bounds, CallerKind, Limits};
pub use metrics::Metrics;
pub use observe::Told;
pub use request_id::RequestId;
pub use server::{Drained, Server};

/// All routes: `/graphql`, the explorer if there is one, and those of `rest` (`/auth/...`, `/livez`). Every
/// answer, whatever made it, carries `X-Request-Id`, is counted and has its line in the log; a panic in a
/// handler is answered with 500.
pub fn router<G: Gateway, E: Executor>(
    endpoint: Arc<Endpoint<G, E>>,
    explorer: Option<&Explorer>,
    rest: Router,
) -> Router {
    let metrics = endpoint.metrics().clone();
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
        .layer(middleware::from_fn_with_state(metrics, observe::watch))
}

/// The answer of the routes that are not GraphQL to an error: status, code, sentence, request id.
pub fn plain_error(error: &crate::Error, request_id: &RequestId) -> Response {
    let answer = errors::from_error(error, None, request_id);
    let body = json!({ "error": { "message": answer.message, "extensions": answer.extensions } });
    let mut response = (refusal::status_of(error.code()), axum::Json(body)).into_response();
    response.extensions_mut().insert(Told {
        code: Some(error.code().as_str()),
        ..Told::default()
    });
    response
}

async fn no_such_path(request: Request) -> Response {
    let request_id = RequestId::of(request.headers());
    let path = request.uri().path();
    let error = crate::Error::new(crate::Code::NotFound, format!("there is nothing at {path}"));
    plain_error(&error, request.extensions().get().unwrap_or(&request_id))
}
