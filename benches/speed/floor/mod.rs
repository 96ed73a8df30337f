//! The floor: what the four requests cost when each is a handler written by hand, with the fewest statements and
//! structs for serde. It keeps the scope and, for the order, what the service guarantees; it knows no sessions,
//! no limits and no GraphQL.

mod answers;
mod order;
mod postgres;
mod reads;
mod sqlite;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::Utc;
use clap::Args;
use clientele::auth::tokens::Tokens;
use entity::ClientId;
use serde::Deserialize;
use uuid::Uuid;

use self::order::OrderAsk;
use crate::store::is_postgres;
use crate::{Failure, Result, asks};

#[derive(Args)]
pub(crate) struct Floor {
    /// The database
    #[arg(long)]
    database: String,
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
}

/// The rows, on either database.
enum Rows {
    Postgres(postgres::Rows),
    Sqlite(sqlite::Rows),
}

struct Handlers {
    tokens: Tokens,
    rows: Rows,
}

#[derive(Deserialize)]
struct ClientAsk {
    id: ClientId,
}

#[derive(Deserialize)]
struct SearchAsk {
    search: String,
}

/// Why there is no answer.
struct Refused(StatusCode, String);

impl From<Failure> for Refused {
    fn from(error: Failure) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.0)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl Handlers {
    fn user(&self, headers: &HeaderMap) -> std::result::Result<Uuid, Refused> {
        let unauthorized = || Refused(StatusCode::UNAUTHORIZED, "sign in".to_owned());
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(unauthorized)?;
        let claims = self.tokens.verify(token, Utc::now());
        Ok(claims.map_err(|_| unauthorized())?.user)
    }
}

type Answered = std::result::Result<Response, Refused>;

fn answer<T: serde::Serialize>(data: T, statements: u32) -> Answered {
    let body = serde_json::to_vec(&answers::Answer { data })
        .map_err(|error| Refused::from(Failure::from(error)))?;
    let headers = [
        (CONTENT_TYPE.as_str(), "application/json".to_owned()),
        ("clientele-statements", statements.to_string()),
    ];
    Ok((headers, body).into_response())
}

async fn home(State(handlers): State<Arc<Handlers>>, headers: HeaderMap) -> Answered {
    let user = handlers.user(&headers)?;
    let data = match &handlers.rows {
        Rows::Postgres(rows) => rows.home(user).await,
        Rows::Sqlite(rows) => rows.home(user).await,
    };
    answer(data?, 3)
}

async fn client(
    State(handlers): State<Arc<Handlers>>,
    headers: HeaderMap,
    Json(ask): Json<ClientAsk>,
) -> Answered {
    let user = handlers.user(&headers)?;
    let data = match &handlers.rows {
        Rows::Postgres(rows) => rows.client(user, ask.id.0).await,
        Rows::Sqlite(rows) => rows.client(user, ask.id.0).await,
    };
    answer(data?, 4)
}

async fn search(
    State(handlers): State<Arc<Handlers>>,
    headers: HeaderMap,
    Json(ask): Json<SearchAsk>,
) -> Answered {
    let user = handlers.user(&headers)?;
    let needle = clientele::domain::text::like_pattern(&ask.search.to_lowercase());
    let data = match &handlers.rows {
        Rows::Postgres(rows) => rows.search(user, &needle).await,
        Rows::Sqlite(rows) => rows.search(user, &needle).await,
    };
    answer(data?, 1)
}

async fn order(State(handlers): State<Arc<Handlers>>, headers: HeaderMap, body: Bytes) -> Answered {
    let user = handlers.user(&headers)?;
    let ask: OrderAsk = serde_json::from_slice(&body)
        .map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    let (data, statements) = match &handlers.rows {
        Rows::Postgres(rows) => (rows.order(user, ask.input).await, 3),
        Rows::Sqlite(rows) => (rows.order(user, ask.input).await, 7),
    };
    answer(data?, statements)
}

pub(crate) async fn serve(floor: &Floor) -> Result<()> {
    let rows = if is_postgres(&floor.database) {
        Rows::Postgres(postgres::Rows::open(&floor.database).await?)
    } else {
        Rows::Sqlite(sqlite::Rows::open(&floor.database).await?)
    };
    let handlers = Handlers {
        tokens: asks::tokens()?,
        rows,
    };
    let router = Router::new()
        .route("/home", post(home))
        .route("/client", post(client))
        .route("/search", post(search))
        .route("/order", post(order))
        .route("/livez", axum::routing::get(|| async { "ok\n" }))
        .with_state(Arc::new(handlers));
    let listener = tokio::net::TcpListener::bind(floor.listen).await?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}
