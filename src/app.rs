//! The service as a whole: database, keys, schema and routes put together. Everything else is built to be
//! put together here, and knows nothing of it.

use std::any::TypeId;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use async_graphql::context::Data;
use async_graphql::{Executor, Pos, Request, Response};
use axum::Router;
use axum::http::HeaderName;
use futures_util::stream::BoxStream;

use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::db::{Actor, Database, IdempotencyKey, Session};
use crate::domain::sign_in::SignIn;
use crate::error::{Error, Result};
use crate::graphql::{self, check::Checked};
use crate::http::metrics::{Pool, Reading};
use crate::http::{self, Caller, Checks, Endpoint, Explorer, Gateway, Health, Identity};

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
    schema: Checked,
    health: Health,
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
            health: health(&database),
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
        let proxy_header = self
            .options
            .trust_proxy
            .then(|| HeaderName::from_static("x-forwarded-for"));
        let options = http::Options {
            proxy_header: proxy_header.clone(),
            ..self.options.endpoint.clone()
        };
        let endpoint = Endpoint::new(door, Runner(self.schema.clone()), options);
        let sign_in = http::sign_in::routes(self.sign_in.clone(), proxy_header);
        let rest = self.health.routes().merge(sign_in);
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
        let identity = match viewer.actor() {
            Actor::User { id, session, .. } => Some(Identity {
                user: id.0,
                session: session.0,
            }),
            Actor::System { .. } => None,
        };
        let statements = Arc::new(AtomicU32::new(0));
        let locale = Some(viewer.locale());
        let mut data = Data::default();
        data.insert(self.database.session(viewer, Arc::clone(&statements)));
        data.insert(self.sign_in.passwords().clone());
        Ok(Caller {
            identity,
            data,
            statements,
            locale,
        })
    }

    async fn remember(&self, data: &mut Data, key: &str, body: &[u8]) -> Result<()> {
        let Some(session) = session_of(data) else {
            return Err(Error::bug("a key without a session"));
        };
        let keyed = session.keyed(IdempotencyKey::new(key, body)).await?;
        data.insert(keyed);
        Ok(())
    }
}

fn session_of(data: &Data) -> Option<&Session> {
    data.get(&TypeId::of::<Session>())?.downcast_ref()
}

/// Runs requests. One that came with an idempotency key runs in a task of its own: whoever gave up waiting
/// for its answer asks for it again, and a transaction that is open until the answer is there must not be cut
/// off in the middle.
#[derive(Clone)]
struct Runner(Checked);

impl Executor for Runner {
    async fn execute(&self, request: Request) -> Response {
        if !session_of(&request.data).is_some_and(Session::is_keyed) {
            return self.0.execute(request).await;
        }
        let schema = self.0.clone();
        match tokio::spawn(async move { schema.execute(request).await }).await {
            Ok(response) => response,
            Err(ended) => {
                if let Ok(panic) = ended.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                let error = Error::bug("a request with a key was cut off");
                let error = async_graphql::Error::from(error).into_server_error(Pos::default());
                Response::from_errors(vec![error])
            }
        }
    }

    fn execute_stream(
        &self,
        request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        self.0.execute_stream(request, session_data)
    }
}
