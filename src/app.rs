//! The service as a whole: database, keys, schema and routes put together. Everything else is built to be
//! put together here, and knows nothing of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_graphql::context::Data;
use axum::Router;
use axum::routing::get;
use entity::{SessionId, UserId};

use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::db::Database;
use crate::error::Result;
use crate::graphql::{self, Schema};
use crate::http::{self, Caller, Endpoint, Explorer, Gateway};

/// Who issues our tokens (`iss`).
pub const ISSUER: &str = "clientele";

/// Whom our tokens are for (`aud`).
pub const AUDIENCE: &str = "clientele-api";

/// How the service behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Limits, introspection, headers for debugging.
    pub endpoint: http::Options,
    /// The explorer at `/`; none when absent.
    pub explorer: Option<Explorer>,
}

/// The service over one database.
#[derive(Clone)]
pub struct App {
    database: Database,
    tokens: Arc<Tokens>,
    schema: Schema,
    options: Options,
}

impl App {
    /// Puts the service together.
    pub fn new(database: Database, keyring: Arc<Keyring>, options: Options) -> Self {
        let tokens = Arc::new(Tokens::new(keyring, ISSUER, AUDIENCE));
        Self {
            database,
            tokens,
            schema: graphql::schema(),
            options,
        }
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let door = Door {
            database: self.database.clone(),
            tokens: Arc::clone(&self.tokens),
        };
        let endpoint = Endpoint::new(door, self.schema.clone(), self.options.endpoint.clone());
        let rest = Router::new().route("/livez", get(|| async { "ok\n" }));
        http::router(Arc::new(endpoint), self.options.explorer.as_ref(), rest)
    }
}

/// Turns tokens into viewers: the signature first, then one indexed read.
struct Door {
    database: Database,
    tokens: Arc<Tokens>,
}

impl Gateway for Door {
    async fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        let Some(token) = bearer else {
            return Ok(Caller::anonymous());
        };
        let claims = self.tokens.verify(token, self.database.clock().now())?;
        let viewer = self
            .database
            .viewer(UserId(claims.user), SessionId(claims.session))
            .await?;
        let statements = Arc::new(AtomicU32::new(0));
        let mut data = Data::default();
        data.insert(self.database.session(viewer, Arc::clone(&statements)));
        Ok(Caller {
            signed_in: true,
            data,
            statements,
        })
    }
}
