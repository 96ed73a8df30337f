//! The sockets: accepts connections up to a cap, hands them to a router, and drains them at the end.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

use super::address::{self, TrustedProxies};
use super::patience::{Heard, Patient, Room, Talk};

/// How long to wait after a failed accept; such failures (no file handles left) do not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The longest head of a request, in bytes, and what is read ahead of a body.
const MAX_HEAD_BYTES: usize = 80 * 1024;

/// Connections that wait until they are taken.
const BACKLOG: u32 = 1024;

/// How the server treats connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections open at the same time; more wait in the backlog of the system.
    pub max_connections: usize,
    /// Connections of one address open at the same time; more are closed at once.
    pub max_per_peer: usize,
    /// Proxies before the service: each is one address for everybody, and may have as many as there are.
    pub proxies: TrustedProxies,
    /// How long the head of a request may take to arrive, from its first byte; of a new connection, from its beginning.
    pub header_deadline: Duration,
    /// How long a connection is kept open between two requests; while more than half of all connections are in use, no
    /// longer than a head may take. Who gets rid of connections sooner than those before it makes them lose requests.
    pub idle_patience: Duration,
    /// How long a connection of a proxy is kept open between two requests: longer than proxies keep theirs, which is
    /// 60 s for nginx, 2 min for Caddy, 10 min for balancers of large clouds.
    pub idle_patience_with_proxies: Duration,
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
            max_per_peer: 128,
            proxies: TrustedProxies::None,
            header_deadline: Duration::from_secs(10),
            idle_patience: Duration::from_secs(75),
            idle_patience_with_proxies: Duration::from_secs(650),
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

/// An address that nobody else can take, and where nobody is heard yet: who connects is refused, and a balancer asks
/// the next.
#[derive(Debug)]
pub struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
    options: Options,
}

impl Reserved {
    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections from here on; they wait until they are served.
    ///
    /// # Errors
    /// If somebody else took the address at the same moment.
    pub fn listen(self) -> io::Result<Server> {
        Ok(Server {
            listener: self.socket.listen(BACKLOG)?,
            address: self.address,
            options: self.options,
        })
    }
}

impl Server {
    /// Takes `address` for later; port 0 takes any free one.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn reserve(address: SocketAddr, options: Options) -> io::Result<Reserved> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // The connections of a process that ended may linger for a while. Elsewhere this would let others in.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Reserved {
            socket,
            address,
            options,
        })
    }

    /// Binds `address`, and takes connections.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        Self::reserve(address, options)?.listen()
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
        let peers = Peers::new(&options);
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
            let talk = Arc::<Talk>::default();
            let room = if peers.proxies.hold(peer.ip()) {
                Room::Proxy
            } else {
                Room::Shared(Arc::clone(&slots), options.max_connections)
            };
            let stream = Patient::new(stream, &options, room, Arc::clone(&talk));
            let line = Line {
                place: Arc::new((slot, guest)),
                stage: stage.clone(),
            };
            let place = Arc::clone(&line.place);
            let service = {
                let router = router.clone();
                service_fn(move |request: hyper::Request<Incoming>| {
                    let mut request: Request =
                        request.map(|body| Body::new(Heard::new(body, Arc::clone(&talk))));
                    request.extensions_mut().insert(ConnectInfo(peer));
                    request.extensions_mut().insert(line.clone());
                    // A router is always ready.
                    let answer = router.clone().call(request);
                    let talk = Arc::clone(&talk);
                    async move { answer.await.map(|answer| Talk::answer(talk, answer)) }
                })
            };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                // The stream sees to that.
                .header_read_timeout(None)
                .max_buf_size(MAX_HEAD_BYTES)
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
                drop(place);
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

/// The place of a connection among those that are open.
type Place = Arc<(Option<OwnedSemaphorePermit>, Guest)>;

/// The connection that a request came by, found among the extensions of the request.
#[derive(Clone)]
pub(crate) struct Line {
    place: Place,
    stage: watch::Sender<Stage>,
}

impl Line {
    /// Goes on with the connection after the request, as a socket does: it counts as open, and the server waits
    /// for it at the end, until what is returned is dropped.
    pub(crate) fn stay(&self) -> Stay {
        Stay {
            place: Some(Arc::clone(&self.place)),
            at_stage: self.stage.subscribe(),
        }
    }
}

/// A connection that is held beyond its request.
pub(crate) struct Stay {
    place: Option<Place>,
    at_stage: watch::Receiver<Stage>,
}

impl Stay {
    /// Counts no longer among the open connections: the caller counts it in a way of its own. The server waits
    /// for it all the same.
    pub(crate) fn give_up_place(&mut self) {
        self.place = None;
    }

    /// Completes when the server stops.
    pub(crate) async fn draining(&mut self) {
        let is_told = |stage: &Stage| !matches!(stage, Stage::Serving);
        // A server that is gone says the same.
        let _ = self.at_stage.wait_for(is_told).await;
    }
}

/// Who is connected, and how often.
#[derive(Clone)]
struct Peers {
    most: usize,
    proxies: Arc<TrustedProxies>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Peers {
    fn new(options: &Options) -> Self {
        Self {
            most: options.max_per_peer,
            proxies: Arc::new(options.proxies.clone()),
            counts: Arc::default(),
        }
    }

    /// Counts a connection of `peer`; nothing if there are as many as there may be.
    fn enter(&self, peer: IpAddr) -> Option<Guest> {
        let network = address::network(peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_insert(0);
        if *count >= self.most && !self.proxies.hold(peer) {
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
    use tokio::time::Instant;

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
            max_per_peer: 2,
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
    async fn a_proxy_has_as_many_connections_as_it_wants() {
        let (address, serving) = server(Options {
            max_per_peer: 1,
            proxies: TrustedProxies::Count(1),
            ..Options::default()
        });
        tokio::spawn(serving);
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(ASK).await.unwrap();
            assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
            open.push(stream);
        }
    }

    const AGAIN: &[u8] = b"GET /none HTTP/1.1\r\nHost: test\r\n\r\n";

    /// Asks on a connection that stays open; whether it was answered.
    async fn asks(stream: &mut TcpStream) -> bool {
        if stream.write_all(AGAIN).await.is_err() {
            return false;
        }
        let mut told = [0; 512];
        let length = stream.read(&mut told).await.unwrap_or(0);
        told[..length].starts_with(b"HTTP/1.1 404 ")
    }

    #[tokio::test]
    async fn a_connection_stays_open_between_requests() {
        let (address, serving) = server(Options {
            header_deadline: Duration::from_millis(300),
            ..Options::default()
        });
        tokio::spawn(serving);
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            assert!(asks(&mut stream).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // The next head is not waited for as long, once it began.
        assert!(asks(&mut stream).await);
        stream.write_all(b"GET /none HTTP/1.1\r\n").await.unwrap();
        assert!(is_closed(&mut stream).await);
    }

    #[tokio::test]
    async fn a_connection_that_nobody_uses_is_closed() {
        let (address, serving) = server(Options {
            idle_patience: Duration::from_millis(200),
            ..Options::default()
        });
        tokio::spawn(serving);
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut stream).await);
        assert!(is_closed(&mut stream).await);
    }

    #[tokio::test]
    async fn connections_that_nobody_uses_go_sooner_when_few_are_left() {
        let (address, serving) = server(Options {
            max_connections: 3,
            header_deadline: Duration::from_millis(300),
            ..Options::default()
        });
        tokio::spawn(serving);
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut first).await);
        assert!(asks(&mut second).await);
        assert!(is_closed(&mut second).await);
    }

    #[tokio::test]
    async fn a_proxy_is_waited_for_longer() {
        let (address, serving) = server(Options {
            max_connections: 1,
            proxies: TrustedProxies::Count(1),
            header_deadline: Duration::from_millis(200),
            idle_patience: Duration::from_millis(200),
            ..Options::default()
        });
        tokio::spawn(serving);
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut stream).await);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(asks(&mut stream).await);
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
        let began = Instant::now();
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
