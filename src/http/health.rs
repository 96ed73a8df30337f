//! Whether the process lives, and whether requests should be sent to it. The answer names the check that
//! fails; what was wrong inside is in the log.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::sync::Mutex;
use tower_service::Service;

use crate::error::Result;

/// How long one check may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// For how long the outcome of the checks holds: asking more often than this costs the database nothing.
const HOLDS: Duration = Duration::from_millis(500);

type Checking = Pin<Box<dyn Future<Output = Result<Option<String>>> + Send>>;
type Check = Box<dyn Fn() -> Checking + Send + Sync>;

/// What the process says of itself. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    is_draining: AtomicBool,
    checks: Vec<(&'static str, Check)>,
    last: Mutex<Option<(Instant, Outcome)>>,
}

/// What came of each check.
type Outcome = BTreeMap<&'static str, Verdict>;

/// What came of a check.
#[derive(Clone, Debug)]
struct Verdict {
    is_passed: bool,
    said: String,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Health")
    }
}

/// The checks of a process, to be added one by one.
#[derive(Default)]
pub struct Checks(Vec<(&'static str, Check)>);

impl Checks {
    /// Adds a check: it passes when `check` does, within a second.
    #[must_use]
    pub fn with<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.with_remarks(name, move || {
            let checking = check();
            async move { checking.await.map(|()| None) }
        })
    }

    /// As [`Self::with`], for a check that may pass with a remark: something is wrong that keeps no request from being
    /// answered.
    #[must_use]
    pub fn with_remarks<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>>> + Send + 'static,
    {
        let check = move || -> Checking { Box::pin(check()) };
        self.0.push((name, Box::new(check)));
        self
    }

    /// No more checks.
    pub fn done(self) -> Health {
        Health(Arc::new(Inner {
            checks: self.0,
            ..Inner::default()
        }))
    }
}

/// The routes of a process that starts: that it lives and is not ready, and once it has begun those that it has then.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Starting(Arc<OnceLock<Router>>);

impl fmt::Debug for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Starting")
    }
}

impl Starting {
    /// It has begun: from now on `routes` answer.
    pub fn begun(&self, routes: Router) {
        // A process begins once.
        let _ = self.0.set(routes);
    }

    /// The routes.
    pub fn routes(&self) -> Router {
        let begun = Arc::clone(&self.0);
        let answer = move |request: Request| {
            let begun = Arc::clone(&begun);
            async move {
                match begun.get() {
                    // A router is always ready.
                    Some(router) => match router.clone().call(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    },
                    None if request.uri().path() == "/livez" => "ok\n".into_response(),
                    None => told(false, &json!({ "serving": "starting" })),
                }
            }
        };
        Router::new().fallback(answer)
    }
}

/// What is said of readiness.
fn told(is_ready: bool, checks: &serde_json::Value) -> Response {
    let (status, said) = if is_ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unready")
    };
    let body = json!({ "status": said, "checks": checks });
    (status, [(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

impl Health {
    /// From now on no requests should be sent here: the process is about to end.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::SeqCst);
    }

    /// `/livez` and `/readyz`.
    pub fn routes(&self) -> Router {
        let health = self.clone();
        let ready = move || {
            let health = health.clone();
            async move { health.ready().await }
        };
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
    }

    async fn ready(&self) -> Response {
        let is_draining = self.0.is_draining.load(Ordering::SeqCst);
        let mut checks = serde_json::Map::new();
        let serving = if is_draining { "draining" } else { "ok" };
        checks.insert("serving".to_owned(), serving.into());
        let mut is_ready = !is_draining;
        // A process that ends asks the database nothing more.
        let outcome = if is_draining {
            Outcome::default()
        } else {
            self.check().await
        };
        for (name, Verdict { is_passed, said }) in outcome {
            is_ready &= is_passed;
            checks.insert(name.to_owned(), said.into());
        }
        told(is_ready, &checks.into())
    }

    /// Runs the checks, one caller for all that ask meanwhile.
    async fn check(&self) -> Outcome {
        let mut last = self.0.last.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < HOLDS
        {
            return outcome.clone();
        }
        let mut outcome = Outcome::new();
        for (name, check) in &self.0.checks {
            let (is_passed, said) = match tokio::time::timeout(DEADLINE, check()).await {
                Ok(Ok(remark)) => (true, remark.unwrap_or_else(|| "ok".to_owned())),
                Ok(Err(error)) => {
                    tracing::warn!(check = name, ?error, "not ready");
                    (false, error.message().clone())
                }
                Err(_) => {
                    tracing::warn!(check = name, "not ready: the check took too long");
                    (false, format!("no answer within {} s", DEADLINE.as_secs()))
                }
            };
            outcome.insert(name, Verdict { is_passed, said });
        }
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}
