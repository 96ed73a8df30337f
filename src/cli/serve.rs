//! `clientele serve`: the service until it is told to stop.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::opening;
use crate::app::{App, Options, ProviderOptions};
use crate::auth::keys::Keyring;
use crate::config::Config;
use crate::db::Database;
use crate::error::{Code, Error, Result};
use crate::graphql;
use crate::http::{
    self, Budget, Concurrency, Drained, Explorer, Health, Limits, Reserved, Server, Sockets,
    Starting, TrustedDocuments,
};
use crate::jobs;

/// How long the end may take from the first signal on.
const END_WITHIN: Duration = Duration::from_secs(14);

/// How long of that is kept for jobs, and for writes whose callers went away.
const WRITES_WITHIN: Duration = Duration::from_secs(2);

/// What a process says that was told to end twice.
const ENDED_AT_ONCE: i32 = 130;

/// How often to look for facts that went stale by the passing of time.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// How often to look for what phones see no longer by the passing of time.
const STAMP_EVERY: Duration = Duration::from_mins(1);

/// How often to look for what nobody needs any more.
const CLEAN_EVERY: Duration = Duration::from_hours(1);

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Do not bring the tables up to date first; refuse to start when they are not
    #[arg(long)]
    no_migrate: bool,
}

impl Serve {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let address = reserve(config)?;
        let operations = Operations::begin(config)?;
        let keyring = opening::keyring(config)?;
        let database = opening::database(config, &keyring).await?;
        if self.no_migrate {
            opening::require_migrated(&database).await?;
        } else {
            database.migrate().await?;
        }
        let explorer = config.public_explorer.then(Explorer::default);
        serve(config, database, &keyring, explorer, address, operations).await
    }
}

/// Takes the address, so that what is wrong with it shows before anything else happens. Connections are taken once
/// they can be answered: until then they are refused, so that a balancer asks another process.
pub(super) fn reserve(config: &Config) -> Result<Reserved> {
    let left = END_WITHIN.saturating_sub(WRITES_WITHIN);
    let defaults = http::server::Options::default();
    let options = http::server::Options {
        drain_deadline: left.saturating_sub(config.drain_grace.get()),
        proxies: config.trusted_proxy.clone(),
        ..defaults
    };
    Server::reserve(config.listen, options)
        .map_err(|error| not_bound(config.listen, LISTEN, &error))
}

/// The flags of the two addresses.
const LISTEN: &str = "--listen";
const METRICS_LISTEN: &str = "--metrics-listen";

fn not_bound(address: SocketAddr, flag: &str, error: &std::io::Error) -> Error {
    let message = match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "{address} is taken by another program; stop it, or choose another address with {flag}"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    };
    Error::new(Code::Unavailable, message)
}

/// Puts the service together and serves until SIGTERM or SIGINT; requests in flight may finish.
pub(super) async fn serve(
    config: &Config,
    database: Database,
    keyring: &Arc<Keyring>,
    explorer: Option<Explorer>,
    address: Reserved,
    operations: Option<Operations>,
) -> Result<()> {
    let options = Options {
        endpoint: endpoint(config).await?,
        explorer,
        proxies: config.trusted_proxy.clone(),
        provider: provider(config)?,
    };
    let traces = Traces::begin(config)?;
    let app = App::new(database.clone(), keyring, options)?;
    // What runs by time goes no further from the signal on; figures and health are told until the end.
    let (end, ending) = watch::channel(false);
    // Before anybody is told that there is something to stop.
    let told = stop_signal(app.health().clone(), end, config.drain_grace.get())?;
    if let Some(operations) = &operations {
        operations.show(&app);
    }
    let sweeping = jobs::stats::spawn(database.clone(), SWEEP_EVERY, ending.clone());
    let cleaning = jobs::housekeeping::spawn(database.clone(), CLEAN_EVERY, ending.clone());
    let stamping = jobs::sync::spawn(database.clone(), STAMP_EVERY, ending);
    let rereading = reread_keys(Arc::clone(keyring))?;
    let server = address.listen();
    let server = server.map_err(|error| not_bound(config.listen, LISTEN, &error))?;
    tracing::info!(
        address = %server.address(),
        database = database.kind(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let drained = server.serve(app.router(), told).await;
    rereading.abort();
    let rest = async {
        await_job("statistics", sweeping).await;
        await_job("housekeeping", cleaning).await;
        await_job("sync", stamping).await;
        database.settled().await;
    };
    if tokio::time::timeout(WRITES_WITHIN, rest).await.is_err() {
        tracing::warn!("stopped before the last write was done; the database takes it back");
    }
    drop(operations);
    traces.end().await;
    match drained {
        Drained::Completely => tracing::info!("stopped; every request was answered"),
        Drained::Cut(connections) => {
            tracing::warn!(
                connections,
                "stopped; connections that took too long were cut"
            );
        }
    }
    Ok(())
}

/// The identity provider, if there is one.
fn provider(config: &Config) -> Result<Option<ProviderOptions>> {
    match (
        config.provider_issuer.is_empty(),
        config.provider_keys.is_empty(),
    ) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(ProviderOptions {
            issuer: config.provider_issuer.clone(),
            audience: config.provider_audience.clone(),
            keys: config.provider_keys.clone(),
            links_by_email: config.provider_links_by_email,
        })),
        _ => Err(Error::new(
            Code::BadUserInput,
            "an identity provider needs both provider_issuer and provider_keys",
        )),
    }
}

/// Looks at the keys again at each SIGHUP, which would otherwise end the program.
#[cfg(unix)]
fn reread_keys(keyring: Arc<Keyring>) -> Result<JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup()).map_err(Error::internal)?;
    Ok(tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            keyring.look_again();
        }
    }))
}

/// There is no such signal here; keys are looked at every second all the same.
#[cfg(not(unix))]
fn reread_keys(_: Arc<Keyring>) -> Result<tokio::task::JoinHandle<()>> {
    Ok(tokio::spawn(async {}))
}

async fn await_job(name: &str, job: JoinHandle<()>) {
    if job.await.is_err() {
        tracing::warn!(name, "a job ended in a panic");
    }
}

/// Memory for the texts of documents that clients registered, in bytes.
const PERSISTED_QUERY_BYTES: u64 = 16 * 1024 * 1024;

/// The settings of the GraphQL endpoint. Trusted documents are read here: what is wrong with them must show
/// before anybody asks for one.
async fn endpoint(config: &Config) -> Result<http::Options> {
    let trusted = TrustedDocuments::load(
        config.trusted_documents,
        &config.trusted_documents_dir,
        &graphql::schema(),
    )
    .await?;
    if let Some(trusted) = &trusted {
        tracing::info!(documents = trusted.len(), "trusted documents are read");
    }
    let budget = (config.query_budget > 0).then(|| Budget {
        per_document: config.max_query_cost.get(),
        bucket: config.query_budget,
        restored_per_second: config.query_budget_rate.get(),
        per_user: config.query_budgets_per_user.get(),
        ..Budget::default()
    });
    let process = count(config.max_requests);
    let concurrency = Concurrency {
        per_user: count(config.max_requests_per_user),
        process,
        queries: process - process / 4,
        ..Concurrency::default()
    };
    Ok(http::Options {
        limits: Limits {
            budget,
            concurrency,
            response_bytes: count(config.max_response_bytes),
            sockets: Sockets {
                process: count(config.max_sockets),
                ..Sockets::default()
            },
            ..Limits::default()
        },
        introspection: config.introspection,
        debug_headers: config.debug_headers,
        trusted: trusted.map(Arc::new),
        persisted_query_bytes: config.persisted_queries.then_some(PERSISTED_QUERY_BYTES),
        origins: config.cors_origins.as_slice().to_vec(),
        ..http::Options::default()
    })
}

fn count(number: NonZeroU64) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

/// Traces on their way to a collector, where one is set.
struct Traces(#[cfg(feature = "otlp")] Option<http::otlp::Traces>);

impl Traces {
    #[cfg(feature = "otlp")]
    fn begin(config: &Config) -> Result<Self> {
        match config.otlp_endpoint.as_str() {
            "" => Ok(Self(None)),
            endpoint => http::otlp::Traces::begin(endpoint).map(|traces| Self(Some(traces))),
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn begin(config: &Config) -> Result<Self> {
        if config.otlp_endpoint.is_empty() {
            return Ok(Self());
        }
        Err(Error::new(
            Code::BadUserInput,
            "this program sends no traces: build it with `cargo build --release --features otlp`",
        ))
    }

    async fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.0 {
            traces.end().await;
        }
    }
}

/// Figures and health on an address of their own, from the first moment until this goes: whoever looks after the
/// process hears that it lives while it brings tables up to date, however long that takes.
pub(super) struct Operations {
    starting: Starting,
    task: JoinHandle<()>,
}

impl Operations {
    /// Takes connections on the address for them, where there is one.
    pub(super) fn begin(config: &Config) -> Result<Option<Self>> {
        let Some(address) = config.metrics_listen.get() else {
            return Ok(None);
        };
        let server = Server::reserve(address, http::server::Options::default());
        let server = server
            .and_then(Reserved::listen)
            .map_err(|error| not_bound(address, METRICS_LISTEN, &error))?;
        tracing::info!(address = %server.address(), "figures and health");
        let starting = Starting::default();
        let router = starting.routes();
        let task = tokio::spawn(async move {
            server.serve(router, std::future::pending()).await;
        });
        Ok(Some(Self { starting, task }))
    }

    /// From now on they are those of `app`.
    fn show(&self, app: &App) {
        self.starting.begun(app.operations_router());
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Completes when no more connections should be taken: `grace` after SIGTERM, at once at SIGINT, which is
/// somebody at a terminal. `/readyz` says so, and `end` turns true, from the signal on. A second signal ends the
/// process.
#[cfg(unix)]
fn stop_signal(
    health: Health,
    end: watch::Sender<bool>,
    grace: Duration,
) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        let grace = tokio::select! {
            _ = terminate.recv() => grace,
            _ = interrupt.recv() => Duration::ZERO,
        };
        health.drain();
        end.send_replace(true);
        tracing::info!("stopping: requests in flight may finish");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("told twice to stop: ending at once");
            std::process::exit(ENDED_AT_ONCE);
        });
        tokio::time::sleep(grace).await;
    })
}

/// Completes when the program is told to stop.
#[cfg(not(unix))]
fn stop_signal(
    health: Health,
    end: watch::Sender<bool>,
    _: Duration,
) -> Result<impl Future<Output = ()>> {
    Ok(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        health.drain();
        end.send_replace(true);
        tracing::info!("stopping: requests in flight may finish");
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(ENDED_AT_ONCE);
            }
        });
    })
}
