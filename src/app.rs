//! The service as a whole: database, keys, schema and routes put together. Everything else is built to be
//! put together here, and knows nothing of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use async_graphql::context::Data;
use axum::Router;
use axum::http::HeaderName;

use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::db::Database;
use crate::domain::sign_in::SignIn;
use crate::error::Result;
use crate::graphql::{self, Schema};
use crate::http::metrics::{Pool, Reading};
use crate::http::{self, Caller, Checks, Endpoint, Explorer, Gateway, Health};

/// Who issues our tokens (`iss`).
pub const ISSUER: &str = "clientele";

/// Whom our tokens are for (`aud`).
pub const AUDIENCE: &str = "clientele-api";

/// How long figures may take that are asked of the database.
const READING: Duration = Duration::from_secs(1);

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
    schema: Schema,
    health: Health,
    options: Options,
}

impl App {
    /// Puts the service together.
    ///
    /// # Errors
    /// `INTERNAL` when passwords cannot be hashed.
    pub fn new(database: Database, keyring: &Arc<Keyring>, options: Options) -> Result<Self> {
        let tokens = Arc::new(Tokens::new(Arc::clone(keyring), ISSUER, AUDIENCE));
        let sign_in = SignIn::new(database.clone(), keyring, tokens)?;
        Ok(Self {
            health: health(&database),
            database,
            sign_in,
            schema: graphql::schema(),
            options,
        })
    }

    /// Signing in and out, and tokens for scripts.
    pub fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }

    /// Whether requests should be sent here.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// `/metrics`, `/livez` and `/readyz`, for an address that only those who run the service reach.
    pub fn operations_router(&self) -> Router {
        let database = self.database.clone();
        let metrics = self.options.endpoint.metrics.clone();
        let read = move || {
            let database = database.clone();
            async move { read(&database).await }
        };
        http::metrics::routes(metrics, read).merge(self.health.routes())
    }

    /// All routes that callers reach.
    pub fn router(&self) -> Router {
        let door = Door {
            database: self.database.clone(),
            sign_in: self.sign_in.clone(),
        };
        let endpoint = Endpoint::new(door, self.schema.clone(), self.options.endpoint.clone());
        let rest = self.health.routes().merge(http::sign_in::routes(
            self.sign_in.clone(),
            self.options
                .trust_proxy
                .then(|| HeaderName::from_static("x-forwarded-for")),
        ));
        http::router(Arc::new(endpoint), self.options.explorer.as_ref(), rest)
    }
}

/// What must hold for requests to be sent here.
fn health(database: &Database) -> Health {
    let (reached, migrated) = (database.clone(), database.clone());
    Checks::default()
        .with("database", move || {
            let database = reached.clone();
            async move { database.ping().await }
        })
        .with("migrations", move || {
            let database = migrated.clone();
            async move { database.require_tables().await }
        })
        .done()
}

/// What nobody counts on the way.
async fn read(database: &Database) -> Reading {
    let session = database.as_system("figures of the service");
    let sessions = tokio::time::timeout(READING, session.count_active_sessions()).await;
    let pools = database.pools().into_iter().map(|pool| Pool {
        name: pool.name,
        open: pool.open.into(),
        idle: u64::try_from(pool.idle).unwrap_or(u64::MAX),
        most: pool.most.into(),
        waits: pool.waits,
    });
    Reading {
        active_sessions: sessions.ok().and_then(Result::ok),
        pools: pools.collect(),
        replica_fallbacks: database.replica_fallbacks(),
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
        let user = viewer.user_id().map(|id| id.0);
        let statements = Arc::new(AtomicU32::new(0));
        let mut data = Data::default();
        data.insert(self.database.session(viewer, Arc::clone(&statements)));
        data.insert(self.sign_in.passwords().clone());
        Ok(Caller {
            signed_in: true,
            user,
            data,
            statements,
        })
    }
}
