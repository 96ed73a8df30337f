//! The sockets: accepts connections up to a cap, hands them to a router, and drains them at the end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Sleep;
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
    /// How long a client may take nothing of an answer that is on its way.
    pub write_patience: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub drain_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            header_deadline: Duration::from_secs(10),
            write_patience: Duration::from_secs(30),
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
                .serve_connection(
                    TokioIo::new(Patient::new(stream, options.write_patience)),
                    service,
                )
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

/// A stream to a client that must take what it is sent: one that asks and never reads would hold its
/// connection, and so a slot, for ever.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stalled: None,
        }
    }

    /// Passes on how a write went; an error once nothing went for too long.
    fn waited<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.waited(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.waited(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.waited(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

    /// With one slot: the first client asks for much and reads nothing, the second waits for the slot.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_client_that_never_reads_loses_its_slot() {
        let options = Options {
            max_connections: 1,
            write_patience: Duration::from_millis(300),
            ..Options::default()
        };
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), options)
            .await
            .unwrap();
        let address = server.address();
        let router = Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }));
        tokio::spawn(server.serve(router, std::future::pending()));
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(ASK).await.unwrap();
        let mut patient = TcpStream::connect(address).await.unwrap();
        patient.write_all(ASK).await.unwrap();
        let reading = async {
            let mut length = 0;
            let mut buffer = vec![0; 1 << 16];
            loop {
                match patient.read(&mut buffer).await.unwrap() {
                    0 => return length,
                    count => length += count,
                }
            }
        };
        let length = tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .expect("the slot is held by a client that reads nothing");
        assert!(length > 64 << 20);
        drop(idle);
    }
}
