//! Signing in and out over plain JSON: `POST /auth/sign-in`, `/auth/refresh`, `/auth/sign-out`. A device
//! needs a token before it can use GraphQL, and tokens have no place in documents that are logged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Value;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::graphql::limit_of;
use super::{RequestId, Told, errors, refusal};
use crate::domain::sign_in::{Device, SignIn, SignedIn};
use crate::{Code, Error};

/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a client may take to send its body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The routes below `/auth`. `proxy_header` names the header in which a trusted proxy tells the client's
/// address (its last address counts); without one the address of the connection counts.
pub fn routes(sign_in: SignIn, proxy_header: Option<HeaderName>) -> Router {
    Router::new()
        .route("/auth/sign-in", post(begin))
        .route("/auth/refresh", post(refresh))
        .route("/auth/sign-out", post(end))
        .with_state(Arc::new(Auth {
            sign_in,
            proxy_header,
        }))
}

struct Auth {
    sign_in: SignIn,
    proxy_header: Option<HeaderName>,
}

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "an object with email, password, deviceName"
)]
struct Credentials {
    email: String,
    password: String,
    device_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "an object with refreshToken"
)]
struct Refresh {
    refresh_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    access_token: String,
    expires_in_seconds: i64,
    refresh_token: String,
    session_id: entity::SessionId,
    user: Who,
}

#[derive(Serialize)]
struct Who {
    id: entity::UserId,
    name: String,
    email: String,
    role: entity::UserRole,
}

impl From<SignedIn> for Granted {
    fn from(signed_in: SignedIn) -> Self {
        let SignedIn {
            access_token,
            expires_in_secs,
            refresh_token,
            session,
            user,
        } = signed_in;
        Self {
            access_token,
            expires_in_seconds: expires_in_secs,
            refresh_token,
            session_id: session,
            user: Who {
                id: user.id,
                name: user.name.clone(),
                email: user.email.clone(),
                role: user.role,
            },
        }
    }
}

/// Marks the answer to a try to sign in with who it was.
fn granted(signed_in: SignedIn) -> Response {
    let user = Some(signed_in.user.id.0);
    let mut response = axum::Json(Granted::from(signed_in)).into_response();
    response.extensions_mut().insert(Told {
        user,
        ..Told::default()
    });
    response
}

async fn begin(State(auth): State<Arc<Auth>>, request: Request) -> Response {
    answer(request, true, async |headers, address, body| {
        let Credentials {
            email,
            password,
            device_name,
        } = read(&headers, body).await?;
        let device = Device {
            name: device_name,
            user_agent: text(&headers, &USER_AGENT),
            address: client_address(&headers, auth.proxy_header.as_ref(), address),
        };
        let signed_in = auth.sign_in.sign_in(&email, &password, device).await?;
        Ok(granted(signed_in))
    })
    .await
}

async fn refresh(State(auth): State<Arc<Auth>>, request: Request) -> Response {
    answer(request, true, async |headers, _, body| {
        let Refresh { refresh_token } = read(&headers, body).await?;
        let signed_in = auth.sign_in.refresh(&refresh_token).await?;
        Ok(granted(signed_in))
    })
    .await
}

async fn end(State(auth): State<Arc<Auth>>, request: Request) -> Response {
    answer(request, false, async |headers, _, _| {
        let token = text(&headers, &AUTHORIZATION);
        let token = token.as_deref().and_then(bearer).ok_or_else(|| {
            Error::unauthenticated("send the access token in the header `Authorization: Bearer …`")
        })?;
        auth.sign_in.sign_out(token).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Why there is no answer: the status, and the error.
struct Refused(StatusCode, Error);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(refusal::status_of(error.code()), error)
    }
}

/// Runs one handler. Nothing that holds a token may be kept by anybody on the way.
async fn answer(
    request: Request,
    is_sign_in: bool,
    handler: impl AsyncFnOnce(HeaderMap, Option<IpAddr>, Body) -> Result<Response, Refused>,
) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = parts
        .extensions
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(|| RequestId::of(&parts.headers));
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip());
    let mut response = match handler(parts.headers, peer, body).await {
        Ok(response) => response,
        Err(Refused(status, error)) => refuse(status, &error, &request_id),
    };
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let told = response.extensions_mut().get_or_insert_default::<Told>();
    told.is_sign_in = is_sign_in;
    response
}

fn refuse(status: StatusCode, error: &Error, request_id: &RequestId) -> Response {
    let told = errors::from_error(error, None, request_id);
    let extensions = told.extensions.unwrap_or_default();
    let retry_after = match extensions.get("retryAfterSeconds") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        _ => None,
    };
    let mut body = serde_json::to_value(&extensions).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.insert("message".to_owned(), told.message.into());
    }
    let mut response = (status, axum::Json(json!({ "error": body }))).into_response();
    response.extensions_mut().insert(Told {
        code: Some(error.code().as_str()),
        limit: limit_of(error),
        ..Told::default()
    });
    let headers = response.headers_mut();
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Refused> {
    let is_json = text(headers, &CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        // A form of another site can send anything else without asking the browser's leave.
        return Err(Refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::new(
                Code::BadUserInput,
                "send JSON: `Content-Type: application/json`",
            )
            .with_rule("UNSUPPORTED_MEDIA_TYPE"),
        ));
    }
    let bytes = match tokio::time::timeout(BODY_DEADLINE, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return Err(Refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                Error::new(
                    Code::LimitExceeded,
                    format!("the body has at most {MAX_BODY_BYTES} bytes"),
                )
                .with_rule("PAYLOAD_TOO_LARGE"),
            ));
        }
        Err(_) => {
            return Err(Refused(
                StatusCode::REQUEST_TIMEOUT,
                Error::new(Code::Timeout, "the body took too long to arrive"),
            ));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        // The reader's words name places and types, and can repeat a value: a password must not come back.
        let message = if error.is_data() {
            "the body lacks a field, or has one of a wrong type or name".to_owned()
        } else {
            format!(
                "the body is not JSON: line {}, column {}",
                error.line(),
                error.column()
            )
        };
        Refused::from(Error::new(Code::BadUserInput, message))
    })
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where a request came from. The last address of the header is the one our own proxy saw; those before it
/// anybody can make up.
fn client_address(
    headers: &HeaderMap,
    proxy_header: Option<&HeaderName>,
    peer: Option<IpAddr>,
) -> Option<IpAddr> {
    let Some(name) = proxy_header else {
        return peer;
    };
    let seen = headers.get_all(name).iter().next_back().and_then(|value| {
        let last = value.to_str().ok()?.rsplit(',').next()?.trim();
        last.parse()
            .or_else(|_| last.parse::<SocketAddr>().map(|address| address.ip()))
            .ok()
    });
    seen.or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(header: Option<&'static str>, forwarded: &[&'static str]) -> Option<IpAddr> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let name = header.map(HeaderName::from_static);
        let peer = Some(IpAddr::from([127, 0, 0, 1]));
        client_address(&headers, name.as_ref(), peer)
    }

    #[test]
    fn only_a_configured_header_names_the_client() {
        let local = Some(IpAddr::from([127, 0, 0, 1]));
        let seen = Some(IpAddr::from([203, 0, 113, 7]));
        assert_eq!(address(None, &["203.0.113.7"]), local);
        let header = Some("x-forwarded-for");
        assert_eq!(address(header, &["203.0.113.7"]), seen);
        assert_eq!(address(header, &["198.51.100.1, 203.0.113.7"]), seen);
        assert_eq!(address(header, &["198.51.100.1", "203.0.113.7:443"]), seen);
        assert_eq!(address(header, &["no address"]), local);
        assert_eq!(address(header, &[]), local);
    }

    #[test]
    fn a_bearer_token_is_read_in_any_case_of_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
