//! The service as a whole: database, keys, schema and routes put together. Everything else is built to be
//! put together here, and knows nothing of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_graphql::context::Data;
use axum::Router;
use axum::http::HeaderName;
use axum::routing::get;

use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::db::{Actor, Database};
use crate::domain::sign_in::SignIn;
use crate::error::Result;
use crate::graphql::{self, check::Checked};
use crate::http::{self, Caller, Endpoint, Explorer, Gateway, Identity};

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
    /// Whether `X-Forwarded-For` names the client's address (its last entry counts): only behind a proxy that
    /// sets it. Otherwise the address of the connection counts.
    pub trust_proxy: bool,
}

/// The service over one database.
#[derive(Clone)]
pub struct App {
    database: Database,
    sign_in: SignIn,
    schema: Checked,
    options: Options,
}

impl App {
    /// Puts the service together.
    ///
    /// # Errors
    /// `INTERNAL` when passwords cannot be hashed, or the schema cannot be read back.
    pub fn new(database: Database, keyring: &Arc<Keyring>, options: Options) -> Result<Self> {
        let tokens = Arc::new(Tokens::new(Arc::clone(keyring), ISSUER, AUDIENCE));
        let sign_in = SignIn::new(database.clone(), keyring, tokens)?;
        Ok(Self {
            database,
            sign_in,
            schema: Checked::new(graphql::schema())?,
            options,
        })
    }

    /// Signing in and out, and tokens for scripts.
    pub fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let door = Door {
            database: self.database.clone(),
            sign_in: self.sign_in.clone(),
        };
        let proxy_header = self
            .options
            .trust_proxy
            .then(|| HeaderName::from_static("x-forwarded-for"));
        let options = http::Options {
            proxy_header: proxy_header.clone(),
            ..self.options.endpoint.clone()
        };
        let endpoint = Endpoint::new(door, self.schema.clone(), options);
        let rest = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .merge(http::sign_in::routes(self.sign_in.clone(), proxy_header));
        http::router(Arc::new(endpoint), self.options.explorer.as_ref(), rest)
    }
}

/// Turns tokens into viewers: the signature first, then one indexed read.
struct Door {
    database: Database,
    sign_in: SignIn,
}

impl Gateway for Door {
    async fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        let Some(token) = bearer else {
            return Ok(Caller::anonymous());
        };
        let viewer = self.sign_in.viewer(token).await?;
        let identity = match viewer.actor() {
            Actor::User { id, session, .. } => Some(Identity {
                user: id.0,
                session: session.0,
            }),
            Actor::System { .. } => None,
        };
        let statements = Arc::new(AtomicU32::new(0));
        let mut data = Data::default();
        data.insert(self.database.session(viewer, Arc::clone(&statements)));
        data.insert(self.sign_in.passwords().clone());
        Ok(Caller {
            identity,
            data,
            statements,
        })
    }
}
