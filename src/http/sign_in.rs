//! Signing in and out over plain JSON: `POST /auth/sign-in`, `/auth/refresh`, `/auth/sign-out`, `/auth/reset`.
//! A device needs a token before it can use GraphQL, and tokens have no place in documents that are logged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::LengthLimitError;
use serde::Serialize;

use super::address::client_address;
use super::limits::Concurrency;
use super::places::{Owner, Places};
use super::refusal::Refusal;
use super::{RequestId, Told, negotiate, refusal};
use crate::domain::sign_in::{Device, SignIn, SignedIn};
use crate::messages::Message;
use crate::say;
use crate::{Code, Error};

/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a client may take to send its body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// How long all of it may take. Whoever waited as long has given up, or tries again.
const DEADLINE: Duration = Duration::from_secs(20);

/// How many may sign in or refresh at the same time: from one network, and all together. An office has one
/// address, and its people come at nine.
const PLACES: Concurrency = Concurrency {
    per_user: 1,
    per_address: 16,
    process: 64,
    queries: 64,
    patience: Duration::from_secs(2),
};

/// The routes below `/auth`. `proxy_header` names the header in which a trusted proxy tells the client's
/// address (its last address counts); without one the address of the connection counts.
pub fn routes(sign_in: SignIn, proxy_header: Option<HeaderName>) -> Router {
    Router::new()
        .route("/auth/sign-in", post(begin))
        .route("/auth/refresh", post(refresh))
        .route("/auth/sign-out", post(end))
        .route("/auth/reset", post(reset))
        .with_state(Arc::new(Auth {
            sign_in,
            proxy_header,
            places: Places::new(PLACES),
        }))
}

struct Auth {
    sign_in: SignIn,
    proxy_header: Option<HeaderName>,
    /// Nobody has a token here yet, so addresses have places.
    places: Places,
}

/// The fields of a body, all texts.
struct Fields {
    given: serde_json::Map<String, serde_json::Value>,
    fault: Option<Error>,
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

/// The answer to who signed in, marked with who that was.
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
    answer(&auth, request, true, async |headers, address, body| {
        let mut fields = read(&headers, body).await?;
        let email = fields.required("email");
        let password = fields.required("password");
        let device_name = fields.optional("deviceName");
        fields.done()?;
        let device = Device {
            name: device_name,
            user_agent: text(&headers, &USER_AGENT),
            address,
        };
        let signed_in = auth.sign_in.sign_in(&email, &password, device).await?;
        Ok(granted(signed_in))
    })
    .await
}

async fn refresh(State(auth): State<Arc<Auth>>, request: Request) -> Response {
    answer(&auth, request, true, async |headers, _, body| {
        let mut fields = read(&headers, body).await?;
        let refresh_token = fields.required("refreshToken");
        fields.done()?;
        let signed_in = auth.sign_in.refresh(&refresh_token).await?;
        Ok(granted(signed_in))
    })
    .await
}

/// Sets a new password with a code that an administrator made; all sessions end.
async fn reset(State(auth): State<Arc<Auth>>, request: Request) -> Response {
    answer(&auth, request, false, async |headers, address, body| {
        let mut fields = read(&headers, body).await?;
        let code = fields.required("code");
        let password = fields.required("password");
        fields.done()?;
        auth.sign_in
            .reset_password(&code, &password, address)
            .await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

async fn end(State(auth): State<Arc<Auth>>, request: Request) -> Response {
    answer(&auth, request, false, async |headers, _, _| {
        let token = text(&headers, &AUTHORIZATION);
        let token = token.as_deref().and_then(bearer).ok_or_else(|| {
            Error::unauthenticated(say!(
                "send the access token in the header `Authorization: Bearer …`"
            ))
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

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        refusal.error.into()
    }
}

fn too_slow() -> Error {
    Error::new(
        Code::Timeout,
        say!("this took too long; try again in a moment"),
    )
    .detail("retryAfterSeconds", 5)
}

/// Runs one handler, which hears the caller's address. Nothing that holds a token may be kept by anybody on
/// the way.
async fn answer(
    auth: &Auth,
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
    let address = client_address(&parts.headers, auth.proxy_header.as_ref(), peer);
    let locale = negotiate::locale(&parts.headers, None);
    let handled = async {
        let _own = auth.places.own(Owner::anonymous(address)).await?;
        let _shared = auth.places.shared(OperationType::Mutation).await?;
        handler(parts.headers, address, body).await
    };
    let handled = tokio::time::timeout(DEADLINE, handled).await;
    let mut response = match handled.unwrap_or_else(|_| Err(too_slow().into())) {
        Ok(response) => response,
        Err(Refused(status, error)) => super::plain_error_as(status, &error, &request_id, locale),
    };
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let told = response.extensions_mut().get_or_insert_default::<Told>();
    told.is_sign_in = is_sign_in;
    response
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Refused> {
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
                say!("send JSON: `Content-Type: application/json`"),
            )
            .with_rule("UNSUPPORTED_MEDIA_TYPE"),
        ));
    }
    let bytes = match tokio::time::timeout(BODY_DEADLINE, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if !is_too_long(&error) => {
            return Err(Error::new(Code::BadUserInput, say!("the body broke off")).into());
        }
        Ok(Err(_)) => {
            return Err(Refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                Error::new(
                    Code::LimitExceeded,
                    say!("the body has at most {limit} bytes", limit = MAX_BODY_BYTES),
                )
                .with_rule("PAYLOAD_TOO_LARGE"),
            ));
        }
        Err(_) => {
            return Err(Refused(
                StatusCode::REQUEST_TIMEOUT,
                Error::new(Code::Timeout, say!("the body took too long to arrive")),
            ));
        }
    };
    match serde_json::from_slice(&bytes) {
        Ok(serde_json::Value::Object(given)) => Ok(Fields { given, fault: None }),
        Ok(_) => Err(Error::new(Code::BadUserInput, say!("the body is not a JSON object")).into()),
        // The reader's words can repeat a value: a password must not come back.
        Err(error) => Err(Error::new(
            Code::BadUserInput,
            say!(
                "the body is not JSON: line {line}, column {column}",
                line = error.line(),
                column = error.column()
            ),
        )
        .into()),
    }
}

/// Whether a body was not read because it is over the limit; it broke off otherwise.
fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Fields {
    /// The text of a field that must be there; empty when it is not, which [`Self::done`] tells.
    fn required(&mut self, name: &str) -> String {
        if !self.given.contains_key(name) {
            self.wrong(name, say!("`{field}` is missing", field = name));
        }
        self.optional(name).unwrap_or_default()
    }

    /// The text of a field, if it is there.
    fn optional(&mut self, name: &str) -> Option<String> {
        match self.given.remove(name) {
            Some(serde_json::Value::String(text)) => Some(text),
            None => None,
            Some(serde_json::Value::Null) if name == "deviceName" => None,
            Some(_) => {
                self.wrong(name, say!("`{field}` is not a text", field = name));
                None
            }
        }
    }

    /// # Errors
    /// `BAD_USER_INPUT` naming the first field that was wrong, or one that means nothing here.
    fn done(mut self) -> Result<(), Error> {
        if let Some(name) = self.given.keys().next().cloned() {
            let shown: String = name.chars().take(60).collect();
            self.wrong(
                &shown,
                say!("there is no field `{name}` here", name = &shown),
            );
        }
        self.fault.map_or(Ok(()), Err)
    }

    /// Notes a fault. One sentence is enough; all places are named.
    fn wrong(&mut self, name: &str, message: Message) {
        self.fault = Some(match self.fault.take() {
            None => Error::bad_input(name, message),
            Some(fault) => fault.field(name),
        });
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_in_any_case_of_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
