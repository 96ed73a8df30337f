//! One socket: what its client says, what it is told, and when it ends.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::Executor;
use axum::extract::ws::{Message, WebSocket};
use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::super::gateway::{Gateway, Identity};
use super::super::graphql::Endpoint;
use super::super::metrics::InFlight;
use super::super::request_id::RequestId;
use super::super::server::Stay;
use super::open::{Place, Sockets};
use super::protocol::{self, End, Kind, Said};
use super::subscription::{self, Report, Subscription, What};
use crate::{Code, Error};

/// Messages that wait for a client to take them, and their bytes. Beyond one of the two nothing more is read from
/// it, nor told to it.
const MAX_WAITING: usize = 32;
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// Reports of subscriptions that wait for the socket, or are being made. Each can be as large as an answer.
const MAX_REPORTS: usize = 1;

/// How long a client may take to agree to an end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is known of a socket from its handshake.
pub(super) struct About {
    /// The id of the handshake, under which everything on the socket goes.
    pub(super) request_id: RequestId,
    /// The header that says which language its client reads.
    pub(super) language: HeaderMap,
}

/// Whoever opened a socket.
pub(super) struct Owner {
    /// Looked at again for each thing that is told.
    pub(super) token: String,
    pub(super) identity: Identity,
    _place: Place,
}

/// A subscription that runs.
struct Running {
    serial: u64,
    task: AbortHandle,
    _counted: InFlight,
}

/// A socket.
pub(super) struct Connection<G, E> {
    endpoint: Arc<Endpoint<G, E>>,
    about: Arc<About>,
    wire: Wire,
    has_said_who: bool,
    owner: Option<Arc<Owner>>,
    revoked: Option<oneshot::Receiver<()>>,
    running: HashMap<Arc<str>, Running>,
    tasks: JoinSet<()>,
    reports: Option<(mpsc::Sender<Report>, mpsc::Receiver<Report>)>,
    next_serial: u64,
    _counted: InFlight,
}

impl<G: Gateway, E: Executor> Connection<G, E> {
    pub(super) fn new(endpoint: Arc<Endpoint<G, E>>, socket: WebSocket, about: About) -> Self {
        let counted = endpoint.options().metrics.open_socket();
        Self {
            endpoint,
            about: Arc::new(about),
            wire: Wire::new(socket),
            has_said_who: false,
            owner: None,
            revoked: None,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            reports: None,
            next_serial: 0,
            _counted: counted,
        }
    }

    /// Serves the socket until its end. `stay` is the connection below it.
    pub(super) async fn run(mut self, mut stay: Option<Stay>) {
        let began = Instant::now();
        let end = self.serve(&mut stay).await;
        self.tasks.abort_all();
        let name = end.name();
        self.endpoint.options().metrics.socket_ended(name);
        tracing::info!(
            target: "clientele::socket",
            request_id = self.about.request_id.as_str(),
            user = self.owner.as_ref().map(|owner| tracing::field::display(owner.identity.user)),
            end = name,
            seconds = began.elapsed().as_secs(),
            "ended"
        );
        // Its place is free: who is told to come again can.
        self.owner = None;
        self.wire.end(&end).await;
    }

    async fn serve(&mut self, stay: &mut Option<Stay>) -> End {
        let limits = self.endpoint.options().limits.sockets.clone();
        let mut init = std::pin::pin!(tokio::time::sleep(limits.init_deadline));
        let first = Instant::now()
            .checked_add(limits.ping_every)
            .unwrap_or_else(Instant::now);
        let mut pings = tokio::time::interval_at(first, limits.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_heard = true;
        loop {
            let has_room = self.wire.has_room();
            let outcome = tokio::select! {
                () = drained(stay.as_mut()) => Err(End::GoingAway),
                () = revoked(self.revoked.as_mut()) => Err(End::Forbidden),
                () = &mut init, if self.owner.is_none() => Err(End::InitTimeout),
                _ = pings.tick() => {
                    if self.wire.has_unsent() {
                        // A client that still takes something is not asked; one that takes nothing is cut by the
                        // server below. What it has said meanwhile may not have been read.
                        is_heard = true;
                        Ok(())
                    } else if std::mem::take(&mut is_heard) {
                        self.wire.say(Message::Ping(Bytes::new()));
                        Ok(())
                    } else {
                        Err(End::Silent)
                    }
                }
                message = self.wire.step() => {
                    is_heard = true;
                    match message {
                        Ok(Some(message)) => self.take(message, stay).await,
                        // There is room again.
                        Ok(None) => Ok(()),
                        Err(end) => Err(end),
                    }
                }
                Some(report) = reported(self.reports.as_mut()), if has_room => self.pass_on(report),
                Some(ended) = self.tasks.join_next() => match ended {
                    Err(error) if error.is_panic() => Err(End::Internal),
                    // It has said why, or was given up.
                    Ok(()) | Err(_) => Ok(()),
                },
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Takes a message of the client.
    async fn take(&mut self, message: Message, stay: &mut Option<Stay>) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(End::Malformed),
            Message::Close(_) => return Err(End::Gone),
            // The library answers them.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        if text.len() > self.endpoint.options().limits.sockets.message_bytes {
            return Err(End::TooLarge);
        }
        match protocol::read(&text)? {
            Said::Init(_) if std::mem::replace(&mut self.has_said_who, true) => {
                return Err(End::TooManyInits);
            }
            Said::Init(token) => {
                self.let_in(token).await?;
                // From here on it is counted by whose it is.
                if let Some(stay) = stay {
                    stay.give_up_place();
                }
                self.wire.say(protocol::acknowledged());
            }
            Said::Subscribe { id, ask } => {
                let Some(owner) = self.owner.clone() else {
                    return Err(End::Unauthorized);
                };
                if self.running.contains_key(&id) {
                    return Err(End::Duplicate(id));
                }
                let most = self.endpoint.options().limits.sockets.subscriptions;
                if self.running.len() >= most {
                    let refused = subscription::too_many(most, &self.about);
                    self.wire.say(protocol::told(Kind::Error, &id, &refused));
                    return Ok(());
                }
                self.begin(owner, id, *ask);
            }
            Said::Complete(id) => {
                if let Some(running) = self.running.remove(id.as_str()) {
                    running.task.abort();
                }
            }
            Said::Ping(payload) => self.wire.say(protocol::pong(payload.as_ref())),
            Said::Pong => {}
        }
        Ok(())
    }

    /// Lets the owner of `token` in.
    async fn let_in(&mut self, token: Option<String>) -> Result<(), End> {
        let metrics = &self.endpoint.options().metrics;
        let Some(token) = token else {
            metrics.socket_refused("token");
            return Err(End::Forbidden);
        };
        let asked = self.endpoint.authenticate(&token);
        let patience = self.endpoint.options().limits.sockets.init_deadline;
        let caller = tokio::time::timeout(patience, asked).await;
        let caller = caller.map_err(|_| End::TryAgain)?.map_err(|error| {
            metrics.socket_refused("token");
            end_of(&error)
        })?;
        let (Some(identity), Some(pass)) = (caller.identity, caller.pass) else {
            return Err(End::Forbidden);
        };
        let place = self.endpoint.sockets.enter(identity, &pass);
        let (place, revoked) = place.ok_or(End::TryAgain)?;
        Sockets::watch(&self.endpoint);
        self.revoked = Some(revoked);
        self.owner = Some(Arc::new(Owner {
            token,
            identity,
            _place: place,
        }));
        Ok(())
    }

    fn begin(&mut self, owner: Arc<Owner>, id: Arc<str>, ask: super::super::ask::Ask) {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let (reports, _) = self
            .reports
            .get_or_insert_with(|| mpsc::channel(MAX_REPORTS));
        let subscription = Subscription {
            endpoint: Arc::clone(&self.endpoint),
            about: Arc::clone(&self.about),
            owner,
            id: Arc::clone(&id),
            serial,
            reports: reports.clone(),
        };
        let task = self.tasks.spawn(subscription.run(ask));
        let counted = self.endpoint.options().metrics.open_subscription();
        let running = Running {
            serial,
            task,
            _counted: counted,
        };
        self.running.insert(id, running);
    }

    /// Passes on what a subscription has to say, if it is still wanted.
    fn pass_on(&mut self, report: Report) -> Result<(), End> {
        let Report { id, serial, what } = report;
        let is_wanted = self
            .running
            .get(&id)
            .is_some_and(|one| one.serial == serial);
        if !is_wanted {
            return Ok(());
        }
        match what {
            What::Next(message) => self.wire.say(message),
            What::Error(message) => {
                self.running.remove(&id);
                self.wire.say(message);
            }
            What::End(end) => return Err(end),
        }
        Ok(())
    }
}

/// How a socket ends whose token was looked at in vain.
pub(super) fn end_of(error: &Error) -> End {
    match error.code() {
        Code::Unauthenticated | Code::Forbidden => End::Forbidden,
        Code::Throttled | Code::Unavailable | Code::Timeout => End::TryAgain,
        Code::NotFound
        | Code::BadUserInput
        | Code::RuleViolated
        | Code::StaleVersion
        | Code::Conflict
        | Code::LimitExceeded
        | Code::Internal => End::Internal,
    }
}

/// Completes when the service stops.
async fn drained(stay: Option<&mut Stay>) {
    match stay {
        Some(stay) => stay.draining().await,
        None => std::future::pending().await,
    }
}

/// Completes when the owner may not have the socket any more.
async fn revoked(revoked: Option<&mut oneshot::Receiver<()>>) {
    match revoked {
        Some(revoked) => {
            // A sender that is gone without a word says nothing else.
            let _ = revoked.await;
        }
        None => std::future::pending().await,
    }
}

async fn reported(
    reports: Option<&mut (mpsc::Sender<Report>, mpsc::Receiver<Report>)>,
) -> Option<Report> {
    match reports {
        Some((_, reports)) => reports.recv().await,
        None => std::future::pending().await,
    }
}

/// The way to the client and back. Nothing is lost when a step is given up half way.
struct Wire {
    socket: WebSocket,
    waiting: VecDeque<Message>,
    /// Of what waits.
    bytes: usize,
    must_flush: bool,
}

impl Wire {
    fn new(socket: WebSocket) -> Self {
        Self {
            socket,
            waiting: VecDeque::new(),
            bytes: 0,
            must_flush: false,
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING && self.bytes < MAX_WAITING_BYTES
    }

    fn say(&mut self, message: Message) {
        self.bytes = self.bytes.saturating_add(bytes_of(&message));
        self.waiting.push_back(message);
    }

    /// Whether the client has yet to take something.
    fn has_unsent(&self) -> bool {
        self.must_flush || !self.waiting.is_empty()
    }

    /// Sends what waits, as the client takes it, and reads on while there is room for answers. Gives what was read, or
    /// nothing once there is room where there was none.
    async fn step(&mut self) -> Result<Option<Message>, End> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Message>, End>> {
        let had_room = self.has_room();
        while !self.waiting.is_empty() {
            match Pin::new(&mut self.socket).poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Gone)),
                Poll::Pending => break,
            }
            let Some(message) = self.waiting.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(bytes_of(&message));
            if Pin::new(&mut self.socket).start_send(message).is_err() {
                return Poll::Ready(Err(End::Gone));
            }
            self.must_flush = true;
        }
        if self.must_flush {
            match Pin::new(&mut self.socket).poll_flush(context) {
                Poll::Ready(Ok(())) => self.must_flush = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Gone)),
                Poll::Pending => {}
            }
        }
        if !self.has_room() {
            return Poll::Pending;
        }
        if !had_room {
            return Poll::Ready(Ok(None));
        }
        let Poll::Ready(read) = Pin::new(&mut self.socket).poll_next(context) else {
            return Poll::Pending;
        };
        Poll::Ready(match read {
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) => Err(broken(&error)),
            None => Err(End::Gone),
        })
    }

    /// Says why it ends, and waits a little for the client to agree.
    async fn end(mut self, end: &End) {
        self.waiting.clear();
        self.bytes = 0;
        let goodbye = async {
            if let Some(frame) = end.frame() {
                self.say(Message::Close(Some(frame)));
            }
            while self.step().await.is_ok() {}
        };
        if *end != End::Silent {
            // Who does not agree is left.
            let _ = tokio::time::timeout(FAREWELL, goodbye).await;
        }
    }
}

/// The bytes that a message holds.
fn bytes_of(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

/// How the library says that a message is larger than it may be; there is no other mark of it.
const TOO_LARGE: &str = "Space limit exceeded";

/// How a socket ends that cannot be read any more: by what came, unless the connection itself is at fault.
fn broken(error: &axum::Error) -> End {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return End::Gone;
        }
        cause = error.source();
    }
    if error.to_string().starts_with(TOO_LARGE) {
        return End::TooLarge;
    }
    End::Malformed
}
