//! `/.well-known/jwks.json`: the public keys with which others may verify access tokens. Empty where tokens
//! are signed with a secret.

use axum::Router;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::Value;

/// The route. `keys` gives the set (RFC 7517 section 5) as it is at the moment.
pub fn routes(keys: impl Fn() -> Value + Clone + Send + Sync + 'static) -> Router {
    let answer = move || {
        let keys = keys();
        async move {
            // Short, so that a new key is known before its first token is half a minute old.
            ([(CACHE_CONTROL, "public, max-age=30")], axum::Json(keys)).into_response()
        }
    };
    Router::new().route("/.well-known/jwks.json", get(answer))
}
