//! Subscriptions over WebSockets, by the protocol graphql-transport-ws, at the address of the GraphQL endpoint. The
//! state machine is our own: what the protocol asks for, and who may have a socket, is decided here and nowhere else.
//!
//! # How a socket lives
//!
//! 1. The handshake: from a page of an allowed origin, of this service itself, or from no page; with the protocol
//!    `graphql-transport-ws`.
//! 2. `connection_init` within 5 s, with the same token as over HTTP: `{"Authorization": "Bearer …"}`.
//! 3. Subscriptions, 20 at most, each under an id of the client's. A document is held to the limits of HTTP, and
//!    pays the same price: once when it begins, then for each thing it tells of. Queries and mutations are refused:
//!    they are sent by POST.
//! 4. The end: the token runs out, the session ends, the user leaves, the service stops.
//!
//! Nothing is read once and trusted later: for each thing that happened the token is looked at again, and the
//! document runs anew, as whoever the user is by then.
//!
//! | closed with | because |
//! |---|---|
//! | 1001 | the service stops; connect again |
//! | 1009 | a message is larger than 64 KiB; who is still sending may see a broken connection instead |
//! | 1013 | there are as many sockets as may be, or the service has too much to do; try again later |
//! | 4400 | a message is not one of the protocol |
//! | 4401 | `subscribe` came before `connection_init` |
//! | 4403 | the token is not good, or no longer; connect again with a fresh one |
//! | 4408 | no `connection_init` came in time |
//! | 4409 | there is a subscription of this id already |
//! | 4429 | `connection_init` came twice |
//! | 4500 | a fault of the service |
//!
//! A subscription that cannot be is answered with `error`; the socket stays. Beside the errors of HTTP there are:
//!
//! | code | rule | what to do |
//! |---|---|---|
//! | `BAD_USER_INPUT` | `SUBSCRIPTIONS_ONLY` | send queries and mutations by POST |
//! | `LIMIT_EXCEEDED` | `SUBSCRIPTIONS` | end another subscription first, or open another socket |
//!
//! # What it may cost
//!
//! One task for a socket and one for each subscription, so many as the limits say. For a client that does not read
//! two answers and about 1 MiB wait to be sent, one more answer is made, and all else waits as hints in the inboxes,
//! where it is bounded ([`crate::live`]); the connection of a client that takes nothing for half a minute is cut
//! ([`super::server`]).

mod connection;
mod open;
mod protocol;
mod subscription;

use std::sync::Arc;

use async_graphql::Executor;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{ACCEPT_LANGUAGE, HOST, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use self::connection::{About, Connection};
use super::gateway::Gateway;
use super::graphql::Endpoint;
use super::refusal::Refusal;
use super::request_id::RequestId;
use super::server::Line;
use super::{negotiate, plain_error_as};
use crate::{Error, say};

pub(super) use self::open::Sockets;

/// The one protocol spoken here.
pub const PROTOCOL: &str = "graphql-transport-ws";

/// Bytes read ahead of a client. It says little.
const READ_AHEAD: usize = 4 * 1024;

/// Whether somebody wants to speak over a WebSocket.
pub fn is_asked_for(request: &Request) -> bool {
    let upgrade = request.headers().get(UPGRADE);
    let upgrade = upgrade.and_then(|value| value.to_str().ok());
    request.method() == Method::GET
        && upgrade.is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
}

/// Answers a handshake, and goes on with the connection if it is one.
pub async fn accept<G: Gateway, E: Executor>(
    endpoint: Arc<Endpoint<G, E>>,
    request: Request,
) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let request_id = request_id.unwrap_or_else(|| RequestId::of(request.headers()));
    let locale = negotiate::locale(request.headers(), None);
    let metrics = endpoint.options().metrics.clone();
    match upgrade(endpoint, request, &request_id).await {
        Ok(response) => response,
        Err(refusal) => {
            metrics.socket_refused(match refusal.status {
                StatusCode::FORBIDDEN => "origin",
                _ => "protocol",
            });
            plain_error_as(refusal.status, &refusal.error, &request_id, locale)
        }
    }
}

async fn upgrade<G: Gateway, E: Executor>(
    endpoint: Arc<Endpoint<G, E>>,
    request: Request,
    request_id: &RequestId,
) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    if !is_allowed(&parts.headers, &endpoint.options().origins) {
        let error = Error::forbidden(say!(
            "pages of this origin may not use the service: name it among the origins of CORS"
        ));
        let error = error.with_rule("ORIGIN_NOT_ALLOWED");
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    let handshake = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let handshake = handshake.map_err(|rejection| {
        Refusal::bad_request(
            "BAD_REQUEST",
            say!(
                "this is no handshake of a WebSocket: {reason}",
                reason = rejection.body_text()
            ),
        )
    })?;
    let handshake = handshake.protocols([PROTOCOL]);
    if handshake.selected_protocol().is_none() {
        return Err(Refusal::bad_request(
            "SUBPROTOCOL_NOT_SPOKEN",
            say!(
                "sockets speak the protocol {protocol}: name it in Sec-WebSocket-Protocol",
                protocol = PROTOCOL
            ),
        ));
    }
    let mut language = HeaderMap::new();
    if let Some(value) = parts.headers.remove(ACCEPT_LANGUAGE) {
        language.insert(ACCEPT_LANGUAGE, value);
    }
    let about = About {
        request_id: request_id.clone(),
        language,
    };
    let stay = parts.extensions.get::<Line>().map(Line::stay);
    // Larger messages are refused by our own word as long as they are not far larger.
    let most = endpoint
        .options()
        .limits
        .sockets
        .message_bytes
        .saturating_mul(2);
    let handshake = handshake
        .read_buffer_size(READ_AHEAD)
        .write_buffer_size(0)
        .max_message_size(most)
        .max_frame_size(most);
    Ok(handshake.on_upgrade(move |socket| Connection::new(endpoint, socket, about).run(stay)))
}

/// Whether a page of the origin that a browser names may have a socket: browsers ask nobody before they open one.
/// Apps and scripts name none.
fn is_allowed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let is_listed = origins.iter().any(|allowed| allowed == origin);
    // Pages of this service, such as the explorer.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, authority)| authority);
    is_listed || own.is_some_and(|own| host.is_some_and(|host| own.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_need_leave_and_apps_do_not() {
        let origins = ["https://app.example".to_owned()];
        let is_allowed = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            is_allowed(&headers, &origins)
        };
        assert!(is_allowed(None, "api.example"));
        assert!(is_allowed(Some("https://app.example"), "api.example"));
        assert!(is_allowed(Some("https://API.example"), "api.example"));
        assert!(is_allowed(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"));
        for origin in [
            "https://evil.example",
            "https://app.example.evil.example",
            "http://app.example",
            "http://127.0.0.1:8081",
            "null",
            "",
        ] {
            assert!(!is_allowed(Some(origin), "127.0.0.1:8080"), "{origin}");
        }
    }
}
