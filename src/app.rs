//! The service as a whole: database, keys, schema and routes put together. Everything else is built to be
//! put together here, and knows nothing of it.

use std::any::TypeId;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use async_graphql::context::Data;
use async_graphql::{Executor, Pos, Request, Response};
use axum::Router;
use axum::http::HeaderName;
use futures_util::stream::BoxStream;

use crate::auth::external::{Fetch, Provider};
use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::db::{Database, IdempotencyKey, Session, Way};
use crate::domain::sign_in::{IdentityProvider, SignIn};
use crate::error::{Error, Result};
use crate::graphql::{self, check::Checked, pace::Pace};
use crate::http::metrics::{Pool, Reading};
use crate::http::{self, Caller, Checks, Endpoint, Explorer, Gateway, Health, Identity};
use crate::say;

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
    /// The identity provider whose tokens are accepted too; none when absent.
    pub provider: Option<ProviderOptions>,
}

/// An identity provider whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct ProviderOptions {
    /// How its tokens name it (`iss`).
    pub issuer: String,
    /// How its tokens name us (`aud`).
    pub audience: String,
    /// Its keys, a JSON Web Key Set: a file, or an address of https (of http on this machine).
    pub keys: String,
    /// Whether somebody seen for the first time is linked to the user with the e-mail address that the
    /// provider verified.
    pub links_by_email: bool,
}

impl ProviderOptions {
    fn open(&self) -> Result<IdentityProvider> {
        let Self {
            issuer,
            audience,
            keys,
            links_by_email,
        } = self;
        if issuer == ISSUER {
            return Err(Error::bad_input(
                "provider_issuer",
                say!(
                    "{issuer} is the issuer of the tokens of this service itself",
                    issuer
                ),
            ));
        }
        let fetch: Fetch = if keys.contains("://") {
            let document = http::fetch::Document::at(keys)?;
            Arc::new(move || {
                let document = document.clone();
                Box::pin(async move { document.get().await })
            })
        } else {
            let path = PathBuf::from(keys);
            Arc::new(move || {
                let read = std::fs::read(&path);
                let read = read.map_err(|error| format!("{}: {error}", path.display()));
                Box::pin(std::future::ready(read))
            })
        };
        Ok(IdentityProvider {
            provider: Provider::new(issuer, audience, fetch),
            links_by_email: *links_by_email,
        })
    }
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
    /// `INTERNAL` when passwords cannot be hashed, or the schema cannot be read back; `BAD_USER_INPUT` for an
    /// identity provider that cannot be.
    pub fn new(database: Database, keyring: &Arc<Keyring>, options: Options) -> Result<Self> {
        let tokens = Arc::new(Tokens::new(Arc::clone(keyring), ISSUER, AUDIENCE));
        let provider = options.provider.as_ref().map(ProviderOptions::open);
        let sign_in =
            SignIn::new(database.clone(), keyring, tokens)?.with_provider(provider.transpose()?);
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
        let public_keys = http::public_keys::routes({
            let sign_in = self.sign_in.clone();
            move || sign_in.public_keys()
        });
        let rest = self.health.routes().merge(public_keys).merge(sign_in);
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
        replica_lag: database.replica_lag(),
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
        let identity = viewer.user_id().map(|user| Identity {
            user: user.0,
            session: match viewer.way() {
                Way::Session(session) => session.0,
                // All keys of a program draw on one bucket, as do all tokens of a provider for one user.
                Way::Service { account, .. } => account.0,
                Way::Provider | Way::Inside => user.0,
            },
        });
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
/// off in the middle. It has as long as any other: on SQLite nobody else writes meanwhile. What has no answer
/// by then is undone.
#[derive(Clone)]
struct Runner(Checked);

impl Executor for Runner {
    async fn execute(&self, request: Request) -> Response {
        let keyed = session_of(&request.data).filter(|session| session.is_keyed());
        let Some(session) = keyed.cloned() else {
            return self.0.execute(request).await;
        };
        let schema = self.0.clone();
        let pace = Pace::of(&request.data).cloned();
        let running = tokio::spawn(async move {
            let Some(pace) = pace else {
                return schema.execute(request).await;
            };
            let done = pace.in_time(schema.execute(request)).await;
            if let Err(error) = session.end_keyed().await {
                tracing::warn!(error = ?error, "rollback failed");
            }
            done.unwrap_or_else(|| pace.ended())
        });
        match running.await {
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
