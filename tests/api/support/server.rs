//! Starts the service inside the test's process, on a port of its own.

use clientele::clock::Clock;

/// A running service; it stops when dropped.
pub struct Server {
    /// Where it listens, as in `http://127.0.0.1:40123`.
    pub base_url: String,
    /// The clock it lives by: `advance` moves its time.
    pub clock: Clock,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a service over the database at `url`, which is migrated and empty, and returns once it listens.
pub async fn spawn(url: &str) -> Server {
    let clock = Clock::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port should be free");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    let service = service(url, clock.clone()).await;
    let task = tokio::spawn(async move {
        axum::serve(listener, service)
            .await
            .expect("the server should run until the test ends");
    });
    Server {
        base_url: format!("http://{address}"),
        clock,
        task,
    }
}

/// The service itself, as `clientele serve` would build it over the same database.
async fn service(url: &str, _clock: Clock) -> axum::Router {
    // Where the real service is connected: until then, one that proves the database can be reached.
    let database = sea_orm::Database::connect(url)
        .await
        .expect("the database of the test should be there");
    database.ping().await.expect("the database should answer");
    axum::Router::new().route(
        "/graphql",
        axum::routing::post(async || {
            (
                [("clientele-statements", "0")],
                axum::Json(serde_json::json!({ "data": { "__typename": "Query" } })),
            )
        }),
    )
}
