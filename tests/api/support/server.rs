//! Starts the service inside the test's process, on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use clientele::app::{App, Options, ProviderOptions};
use clientele::auth::keys::Keyring;
use clientele::auth::tokens::Tokens;
use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig};
use clientele::http::{self, Budget, Concurrency};

/// A debug build on a busy machine is no reason for a test to fail.
const PATIENCE: Duration = Duration::from_secs(45);

/// Points enough for any test.
const PLENTY: u64 = 1_000_000_000_000;

/// A running service; it stops when dropped.
pub struct Server {
    /// Where it listens, as in `http://127.0.0.1:40123`.
    pub base_url: String,
    /// The clock it lives by: `advance` moves its time.
    pub clock: Clock,
    /// Its database, for setting a scene without the API.
    pub database: Database,
    /// Issues tokens it accepts.
    pub tokens: Tokens,
    /// Its keys.
    pub keyring: Arc<Keyring>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The settings of a service that holds nothing back from a test: what a test has to say about time, cost
/// and places, it says by settings of its own.
pub fn generous() -> http::Options {
    let mut endpoint = http::Options {
        debug_headers: true,
        ..http::Options::default()
    };
    for bounds in [
        &mut endpoint.limits.signed_in,
        &mut endpoint.limits.anonymous.0,
    ] {
        bounds.query_deadline = PATIENCE;
        bounds.mutation_deadline = PATIENCE;
    }
    endpoint.limits.budget = Some(Budget {
        per_document: PLENTY,
        bucket: PLENTY,
        restored_per_second: PLENTY,
        ..Budget::default()
    });
    endpoint.limits.concurrency = Concurrency {
        per_user: 500,
        per_address: 500,
        process: 1_000,
        queries: 1_000,
        patience: PATIENCE,
    };
    endpoint
}

/// Starts a service over the database at `url`, which is migrated, and returns once it listens. `change` says
/// how it reaches the database, `endpoint` how it serves GraphQL.
pub async fn spawn(
    url: &str,
    endpoint: http::Options,
    change: impl FnOnce(&mut DatabaseConfig),
) -> Server {
    spawn_with(url, endpoint, Setup::default(), change).await
}

/// What one service has that others have not.
pub struct Setup {
    /// Its keys.
    pub keyring: Keyring,
    /// The identity provider it knows.
    pub provider: Option<ProviderOptions>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            keyring: Keyring::from_secret(b"a secret of the tests, 32 bytes and more").unwrap(),
            provider: None,
        }
    }
}

/// Starts a service as `setup` says, else as [`spawn`].
pub async fn spawn_with(
    url: &str,
    endpoint: http::Options,
    setup: Setup,
    change: impl FnOnce(&mut DatabaseConfig),
) -> Server {
    let clock = Clock::default();
    let keyring = Arc::new(setup.keyring);
    let mut config = DatabaseConfig::new(url, keyring.derive("cursors"));
    config.acquire_timeout = PATIENCE;
    config.statement_timeout = PATIENCE;
    change(&mut config);
    let database = Database::connect(&config, clock.clone())
        .await
        .expect("the database of the test should be there");
    let options = Options {
        endpoint,
        provider: setup.provider,
        ..Options::default()
    };
    let tokens = Tokens::new(
        Arc::clone(&keyring),
        clientele::app::ISSUER,
        clientele::app::AUDIENCE,
    );
    let router = App::new(database.clone(), &keyring, options)
        .expect("the service should be put together")
        .router();
    let server = http::Server::bind(
        "127.0.0.1:0".parse().unwrap(),
        http::server::Options::default(),
    )
    .await
    .expect("a port should be free");
    let base_url = format!("http://{}", server.address());
    let task = tokio::spawn(async move {
        server.serve(router, std::future::pending()).await;
    });
    Server {
        base_url,
        clock,
        database,
        tokens,
        keyring,
        task,
    }
}
