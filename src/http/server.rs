//! The sockets: accepts connections up to a cap, hands them to a router, and drains them at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

/// How long to wait after a failed accept; such failures (no file handles left) do not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the server treats connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections open at the same time; more wait in the backlog of the system.
    pub max_connections: usize,
    /// How long the head of a request may take to arrive, also between two requests of a connection.
    pub header_deadline: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub drain_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            header_deadline: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(15),
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Completely,
    /// This many connections were still open at the deadline and were cut.
    Cut(usize),
}

/// A bound socket that serves nothing yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Server {
    /// Binds `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            options,
        })
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown` completes, then lets requests in flight finish. Handlers find the
    /// peer's address as [`ConnectInfo<SocketAddr>`].
    pub async fn serve(self, router: Router, shutdown: impl Future<Output = ()>) -> Drained {
        let Self {
            listener, options, ..
        } = self;
        let slots = Arc::new(Semaphore::new(options.max_connections));
        // Each connection holds a receiver; when the last is gone, all are.
        let (stage, at_stage) = watch::channel(Stage::Serving);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, peer, slot) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            let service = {
                let router = router.clone();
                service_fn(move |request: hyper::Request<Incoming>| {
                    let mut request: Request = request.map(Body::new);
                    request.extensions_mut().insert(ConnectInfo(peer));
                    // A router is always ready.
                    router.clone().call(request)
                })
            };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(options.header_deadline)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut at_stage = at_stage.clone();
            tokio::spawn(async move {
                let mut connection = std::pin::pin!(connection);
                loop {
                    tokio::select! {
                        // Errors here are those of clients that went away.
                        _ = connection.as_mut() => break,
                        Ok(()) = at_stage.changed() => match *at_stage.borrow() {
                            Stage::Serving => {}
                            Stage::Draining => connection.as_mut().graceful_shutdown(),
                            Stage::Cut => break,
                        },
                    }
                }
                drop(slot);
            });
        }
        // New connections are refused by the system from here on.
        drop(listener);
        drop(at_stage);
        stage.send_replace(Stage::Draining);
        let drained = tokio::time::timeout(options.drain_deadline, stage.closed()).await;
        let open = stage.receiver_count();
        if drained.is_ok() || open == 0 {
            return Drained::Completely;
        }
        stage.send_replace(Stage::Cut);
        stage.closed().await;
        Drained::Cut(open)
    }
}

/// What connections are to do.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Serving,
    /// Finish the request in flight, then close.
    Draining,
    /// Close now.
    Cut,
}

/// Takes a slot first, so that connections over the cap stay in the backlog, then a connection.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed; without a permit the connection would just not be counted.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are written whole: waiting for more to send only adds delay.
                let _ = stream.set_nodelay(true);
                return (stream, peer, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
