//! Figures for Prometheus: what was asked, how it went, how long it took. Counting a request costs a few
//! atomic additions; the rest is read when somebody looks.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::observe::{Kind, Told};

/// How many names of operations are told apart; each costs a histogram. The names after these count as
/// [`OTHER`].
const MAX_NAMES: usize = 200;

/// The longest name told apart, bytes.
const MAX_NAME_BYTES: usize = 64;

/// Stands for the names that are not told apart.
const OTHER: &str = "other";

/// Stands for operations without a name.
const UNNAMED: &str = "unnamed";

/// What a scraper is told this is.
const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of durations, seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Upper bounds of numbers of SQL statements.
const STATEMENTS: [f64; 9] = [0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

type RouteAndStatus = ([(&'static str, Arc<str>); 1], [(&'static str, u16); 1]);
type Label = (&'static str, &'static str);
type Name = [(&'static str, Arc<str>); 1];
type ByLabels<const N: usize, M> = Family<[Label; N], M>;
type MakeHistogram = fn() -> Histogram;
type ByOperation = Family<([Label; 1], Name), Histogram, MakeHistogram>;

/// The figures of one process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    names: RwLock<HashSet<Arc<str>>>,
    other: Arc<str>,
    unnamed: Arc<str>,
    in_flight: Gauge,
    requests: Family<RouteAndStatus, Counter>,
    operations: Family<([Label; 2], Name), Counter>,
    durations: ByOperation,
    statements: Family<[Label; 1], Histogram, MakeHistogram>,
    limits: ByLabels<1, Counter>,
    sign_ins: ByLabels<1, Counter>,
    sessions: Gauge,
    connections: ByLabels<2, Gauge>,
    waits: ByLabels<1, Counter<u64, AtomicU64>>,
    fallbacks: Counter,
    lag: ByLabels<1, Gauge<f64, AtomicU64>>,
}

/// What is read when somebody looks, because nobody counts it on the way.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Sessions that are neither ended nor expired; nothing when the database did not say in time.
    pub active_sessions: Option<u64>,
    /// The pools of connections to the database.
    pub pools: Vec<Pool>,
    /// Reads that went to the primary database because the replica failed or lagged, since the start.
    pub replica_fallbacks: u64,
    /// How far the replica lags at most; nothing where there is none.
    pub replica_lag: Option<Duration>,
}

/// One pool of connections.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// What it is for.
    pub name: &'static str,
    /// Connections open.
    pub open: u64,
    /// Those of them that nobody uses.
    pub idle: u64,
    /// How many there may be.
    pub most: u64,
    /// How often one was wanted while all were in use, since the start.
    pub waits: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let durations: ByOperation = Family::new_with_constructor(|| Histogram::new(SECONDS));
        let statements: Family<[Label; 1], Histogram, MakeHistogram> =
            Family::new_with_constructor(|| Histogram::new(STATEMENTS));
        let inner = Inner {
            names: RwLock::default(),
            other: OTHER.into(),
            unnamed: UNNAMED.into(),
            in_flight: Gauge::default(),
            requests: Family::default(),
            operations: Family::default(),
            durations,
            statements,
            limits: Family::default(),
            sign_ins: Family::default(),
            sessions: Gauge::default(),
            connections: Family::default(),
            waits: Family::default(),
            fallbacks: Counter::default(),
            lag: Family::default(),
            registry: Registry::default(),
        };
        let clientele = registry.sub_registry_with_prefix("clientele");
        clientele.register(
            "requests_in_flight",
            "Requests begun and not answered yet",
            inner.in_flight.clone(),
        );
        clientele.register(
            "http_requests",
            "Requests answered, by route and status",
            inner.requests.clone(),
        );
        clientele.register(
            "graphql_requests",
            "GraphQL requests answered, by type and name of the operation and by outcome: ok or the \
             code of the first error",
            inner.operations.clone(),
        );
        clientele.register(
            "graphql_request_duration_seconds",
            "Time from the head of a GraphQL request to the head of its answer",
            inner.durations.clone(),
        );
        clientele.register(
            "graphql_request_statements",
            "SQL statements that a GraphQL request took",
            inner.statements.clone(),
        );
        clientele.register(
            "limits_hit",
            "Requests refused by a limit, by the rule that refused",
            inner.limits.clone(),
        );
        clientele.register(
            "sign_ins",
            "Tries to sign in or to refresh, by outcome",
            inner.sign_ins.clone(),
        );
        clientele.register(
            "sessions_active",
            "Sessions neither ended nor expired",
            inner.sessions.clone(),
        );
        clientele.register(
            "database_connections",
            "Connections to the database, by pool: open, idle, and the most there may be",
            inner.connections.clone(),
        );
        clientele.register(
            "database_waits",
            "How often a connection was wanted while all of a pool were in use",
            inner.waits.clone(),
        );
        clientele.register(
            "database_replica_fallbacks",
            "Reads that went to the primary because the replica failed or lagged",
            inner.fallbacks.clone(),
        );
        clientele.register(
            "database_replica_lag_seconds",
            "All that was committed so many seconds ago is on the replica",
            inner.lag.clone(),
        );
        let build: ByLabels<1, Gauge> = Family::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        clientele.register("build_info", "Which program this is; always 1", build);
        let started: Gauge = Gauge::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        started.set(whole(now.unwrap_or_default().as_secs()));
        registry.register(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970",
            started,
        );
        Self(Arc::new(Inner { registry, ..inner }))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// A request has begun; it ends when what is returned goes, whether it was answered or not.
    pub(crate) fn begin(&self) -> InFlight {
        self.0.in_flight.inc();
        InFlight(self.0.in_flight.clone())
    }

    /// Counts a request that was answered. `route` is one of the router's own, never the path as sent.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration, told: &Told) {
        let inner = &*self.0;
        inner
            .requests
            .get_or_create(&([("route", Arc::from(route))], [("status", status)]))
            .inc();
        let outcome = told.code.unwrap_or("ok");
        if told.is_sign_in {
            inner.sign_ins.get_or_create(&[("outcome", outcome)]).inc();
        }
        if let Some(limit) = told.limit {
            inner.limits.get_or_create(&[("limit", limit)]).inc();
        }
        let Some(kind) = told.kind else {
            return;
        };
        let name = [("name", self.name_of(told))];
        let kind = ("type", kind.as_str());
        inner
            .operations
            .get_or_create(&([kind, ("outcome", outcome)], name.clone()))
            .inc();
        inner
            .durations
            .get_or_create(&([kind], name))
            .observe(took.as_secs_f64());
        inner
            .statements
            .get_or_create(&[kind])
            .observe(f64::from(told.statements));
    }

    /// The name an operation counts under. Only those of signed-in callers whose document ran, and of the
    /// documents the service was given, are told apart: anybody else could fill the memory with names.
    fn name_of(&self, told: &Told) -> Arc<str> {
        let inner = &*self.0;
        let is_kept = told.is_proven || told.is_trusted;
        match told.name.as_deref() {
            None if told.kind == Some(Kind::Refused) => Arc::clone(&inner.other),
            None => Arc::clone(&inner.unnamed),
            Some(name) if is_kept && name.len() <= MAX_NAME_BYTES => self.known(name),
            Some(name) => self.find(name).unwrap_or_else(|| Arc::clone(&inner.other)),
        }
    }

    fn find(&self, name: &str) -> Option<Arc<str>> {
        let names = self.0.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned()
    }

    fn known(&self, name: &str) -> Arc<str> {
        if let Some(name) = self.find(name) {
            return name;
        }
        let mut names = self.0.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES {
            return Arc::clone(&self.0.other);
        }
        let name: Arc<str> = name.into();
        names.insert(Arc::clone(&name));
        name
    }

    /// The figures as text, in the format of OpenMetrics, which Prometheus reads.
    pub fn render(&self, reading: &Reading) -> String {
        let inner = &*self.0;
        if let Some(sessions) = reading.active_sessions {
            inner.sessions.set(whole(sessions));
        }
        for pool in &reading.pools {
            for (state, count) in [
                ("open", pool.open),
                ("idle", pool.idle),
                ("most", pool.most),
            ] {
                inner
                    .connections
                    .get_or_create(&[("pool", pool.name), ("state", state)])
                    .set(whole(count));
            }
            let waits = inner.waits.get_or_create(&[("pool", pool.name)]);
            waits
                .inner()
                .fetch_max(pool.waits, std::sync::atomic::Ordering::Relaxed);
        }
        inner.fallbacks.inner().fetch_max(
            reading.replica_fallbacks,
            std::sync::atomic::Ordering::Relaxed,
        );
        if let Some(lag) = reading.replica_lag {
            let pool = [("pool", "replica")];
            inner.lag.get_or_create(&pool).set(lag.as_secs_f64());
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &inner.registry);
        text
    }
}

/// A request that has begun.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `GET /metrics`; `read` finds out what nobody counts on the way.
pub fn routes<F, Fut>(metrics: Metrics, read: F) -> Router
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Reading> + Send + 'static,
{
    let show = move || {
        let (metrics, read) = (metrics.clone(), read.clone());
        async move { show(&metrics, &read().await) }
    };
    Router::new().route("/metrics", get(show))
}

fn show(metrics: &Metrics, reading: &Reading) -> Response {
    let content = [(CONTENT_TYPE, HeaderValue::from_static(CONTENT))];
    (StatusCode::OK, content, metrics.render(reading)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, is_proven: bool) -> Told {
        Told {
            kind: Some(Kind::Query),
            name: Some(name.to_owned()),
            is_proven,
            statements: 3,
            ..Told::default()
        }
    }

    fn count(metrics: &Metrics, told: &Told) {
        let took = Duration::from_millis(3);
        metrics.answered("/graphql", 200, took, told);
    }

    #[test]
    fn names_are_bounded_and_only_those_that_ran_are_learnt() {
        let metrics = Metrics::default();
        count(&metrics, &told("Stranger", false));
        for at in 0..10_000 {
            count(&metrics, &told(&format!("Operation{at}"), true));
        }
        count(&metrics, &told(&"x".repeat(MAX_NAME_BYTES + 1), true));
        let text = metrics.render(&Reading::default());
        assert!(!text.contains("Stranger"));
        let names: HashSet<&str> = text
            .lines()
            .filter(|line| line.starts_with("clientele_graphql_requests_total"))
            .filter_map(|line| line.split("name=\"").nth(1)?.split('"').next())
            .collect();
        assert!(names.contains("Operation0") && names.contains(OTHER));
        assert!(names.len() <= MAX_NAMES + 1, "{}", names.len());
        // Known names are found again whoever sends them.
        count(&metrics, &told("Operation0", false));
        let line =
            "clientele_graphql_requests_total{type=\"query\",outcome=\"ok\",name=\"Operation0\"} 2";
        let text = metrics.render(&Reading::default());
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_is_read_at_the_end_shows() {
        let metrics = Metrics::default();
        let flying = metrics.begin();
        let reading = Reading {
            active_sessions: Some(7),
            pools: vec![Pool {
                name: "read",
                open: 4,
                idle: 1,
                most: 8,
                waits: 5,
            }],
            replica_fallbacks: 2,
            replica_lag: Some(Duration::from_millis(1_500)),
        };
        let text = metrics.render(&reading);
        for line in [
            "clientele_sessions_active 7",
            "clientele_database_connections{pool=\"read\",state=\"idle\"} 1",
            "clientele_database_waits_total{pool=\"read\"} 5",
            "clientele_database_replica_fallbacks_total 2",
            "clientele_database_replica_lag_seconds{pool=\"replica\"} 1.5",
            "clientele_requests_in_flight 1",
            "clientele_build_info{version=",
            "process_start_time_seconds ",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        drop(flying);
        // Without a database the last known number stays.
        let text = metrics.render(&Reading::default());
        assert!(text.contains("clientele_requests_in_flight 0"));
        assert!(text.contains("clientele_sessions_active 7"));
        assert!(text.ends_with("# EOF\n"));
    }
}
