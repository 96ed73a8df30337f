//! The sockets: accepts connections up to a cap, hands them to a router, and drains them at the end.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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

use super::address;

/// How long to wait after a failed accept; such failures (no file handles left) do not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The longest head of a request, in bytes, and what is read ahead of a body.
const MAX_HEAD_BYTES: usize = 80 * 1024;

/// How the server treats connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections open at the same time; more wait in the backlog of the system.
    pub max_connections: usize,
    /// Connections of one address open at the same time; more are closed at once. Nothing behind a proxy,
    /// which is one address for everybody.
    pub max_per_peer: Option<usize>,
    /// How long the head of a request may take to arrive, also between two requests of a connection.
    pub header_deadline: Duration,
    /// How long a client may take nothing of an answer that is on its way.
    pub write_patience: Duration,
    /// How long an answer may take to be sent, however steadily it is taken.
    pub answer_deadline: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub drain_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_per_peer: Some(128),
            header_deadline: Duration::from_secs(10),
            write_patience: Duration::from_secs(30),
            answer_deadline: Duration::from_mins(5),
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
        let peers = Peers::new(options.max_per_peer);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, peer, slot) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            let Some(guest) = peers.enter(peer.ip()) else {
                continue;
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
                .max_buf_size(MAX_HEAD_BYTES)
                .serve_connection(TokioIo::new(Patient::new(stream, &options)), service)
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
                drop((slot, guest));
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
    answer_deadline: Duration,
    /// Runs from the first byte that had to wait to the next that the client sends.
    answering: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, options: &Options) -> Self {
        Self {
            stream,
            patience: options.write_patience,
            stalled: None,
            answer_deadline: options.answer_deadline,
            answering: None,
        }
    }

    /// Passes on how a write went; an error once nothing went for too long.
    fn waited<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Some(answering) = &mut self.answering
            && answering.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let deadline = self.answer_deadline;
        self.answering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline)));
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
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if into.filled().len() > before {
            self.answering = None;
        }
        read
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

/// Who is connected, and how often.
#[derive(Clone)]
struct Peers {
    most: Option<usize>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Peers {
    fn new(most: Option<usize>) -> Self {
        Self {
            most,
            counts: Arc::default(),
        }
    }

    /// Counts a connection of `peer`; nothing if there are as many as there may be.
    fn enter(&self, peer: IpAddr) -> Option<Guest> {
        let network = address::network(peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_insert(0);
        if self.most.is_some_and(|most| *count >= most) {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Guest {
            peers: self.clone(),
            network,
        })
    }
}

/// A connection that is counted until this is dropped.
struct Guest {
    peers: Peers,
    network: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let counts = &self.peers.counts;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
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

    fn server(options: Options) -> (SocketAddr, impl Future<Output = Drained>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server {
            listener: TcpListener::from_std(listener).unwrap(),
            address,
            options,
        };
        let router = Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }));
        (address, server.serve(router, std::future::pending()))
    }

    /// Whether the other side closed the connection without a word.
    async fn is_closed(stream: &mut TcpStream) -> bool {
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    }

    #[tokio::test]
    async fn one_address_does_not_take_all_connections() {
        let (address, serving) = server(Options {
            max_per_peer: Some(2),
            ..Options::default()
        });
        tokio::spawn(serving);
        let first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        assert!(is_closed(&mut third).await);
        drop(first);
        // The server hears of that in its own time.
        for _ in 0..100 {
            let mut next = TcpStream::connect(address).await.unwrap();
            next.write_all(ASK).await.unwrap();
            if next.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the place of who left is not free");
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let (address, serving) = server(Options::default());
        tokio::spawn(serving);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(MAX_HEAD_BYTES));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 431 "), "{told}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_client_that_reads_without_end_is_cut() {
        let (address, serving) = server(Options {
            answer_deadline: Duration::from_millis(400),
            ..Options::default()
        });
        tokio::spawn(serving);
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(ASK).await.unwrap();
        let mut length = 0;
        let began = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            match slow.read(&mut vec![0; 65_536]).await {
                Ok(0) | Err(_) => break,
                Ok(count) => length += count,
            }
            assert!(began.elapsed() < Duration::from_secs(30));
        }
        assert!(length < 64 << 20, "all of it came");
    }

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
