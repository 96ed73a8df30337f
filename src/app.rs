//! The service as a whole: database, keys, schema and routes put together. Everything else is built to be
//! put together here, and knows nothing of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_graphql::context::Data;
use axum::Router;
use axum::http::HeaderName;
use axum::routing::get;

use crate::auth::external::{Fetch, Provider};
use crate::auth::keys::Keyring;
use crate::auth::tokens::Tokens;
use crate::db::{Database, Way};
use crate::domain::sign_in::{IdentityProvider, SignIn};
use crate::error::{Error, Result};
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
                format!("{ISSUER} is the issuer of the tokens of this service itself"),
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
            .merge(http::public_keys::routes({
                let sign_in = self.sign_in.clone();
                move || sign_in.public_keys()
            }))
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
}
