//! How long each side of a connection is waited for: a client that is to ask, that asks, that is to take its answer, and
//! that is still sending when it was answered.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

use super::server::Options;

/// How long a client that is still sending when it was answered may go on, so that it hears the answer: a connection
/// that is closed with bytes unread takes its answer back.
const LINGERING: Duration = Duration::from_secs(10);

/// How long such a client may send nothing.
const SILENCE: Duration = Duration::from_secs(2);

/// What such a client may send meanwhile, in bytes.
const LINGERING_BYTES: usize = 4 * 1024 * 1024;

/// How a connection and what is asked over it stand.
#[derive(Default)]
pub(super) struct Talk {
    /// Whether a request was answered before all of it was read.
    is_unread: AtomicBool,
    /// From a request until its answer is sent; to the end of the connection where it becomes a socket.
    is_answering: AtomicBool,
    /// Whether all of an answer was said, and perhaps not sent.
    is_said: AtomicBool,
    /// How many requests there were.
    requests: AtomicUsize,
}

impl Talk {
    /// Notes the end of `answer` when it comes.
    pub(super) fn answer(talk: Arc<Self>, answer: Response) -> hyper::Response<Answer> {
        let goes_on = answer.status() != StatusCode::SWITCHING_PROTOCOLS;
        answer.map(|body| Answer {
            body,
            talk: goes_on.then_some(talk),
        })
    }
}

/// What room there is for connections that nobody uses for a while.
pub(super) enum Room {
    /// It is a proxy, which has as many as it wants.
    Proxy,
    /// These slots are everybody's.
    Shared(Arc<Semaphore>, usize),
}

impl Room {
    /// Whether at least half of it is free.
    fn is_ample(&self) -> bool {
        match self {
            Self::Proxy => true,
            Self::Shared(slots, all) => slots.available_permits() * 2 >= *all,
        }
    }
}

/// What a client is waited for.
#[derive(Clone, Copy)]
enum Wait {
    /// The first byte of a request.
    Request,
    /// The rest of its head.
    Head,
}

/// A stream to a client that must take what it is sent: one that asks and never reads would hold its
/// connection, and so a slot, for ever.
pub(super) struct Patient {
    stream: TcpStream,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    answer_deadline: Duration,
    /// Runs from the first byte that had to wait to the next that the client sends.
    answering: Option<Pin<Box<Sleep>>>,
    talk: Arc<Talk>,
    header_deadline: Duration,
    idle_patience: Duration,
    room: Room,
    /// The requests that came whole.
    heard: usize,
    /// What the client is waited for after these, and until when.
    waiting: Option<(Wait, Pin<Box<Sleep>>)>,
    lingering: Option<Lingering>,
}

/// The end of a connection whose client may still be sending.
struct Lingering {
    until: Pin<Box<Sleep>>,
    /// Begins anew with each piece that comes.
    silence: Pin<Box<Sleep>>,
    left: usize,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, options: &Options, room: Room, talk: Arc<Talk>) -> Self {
        Self {
            stream,
            patience: options.write_patience,
            stalled: None,
            answer_deadline: options.answer_deadline,
            answering: None,
            talk,
            header_deadline: options.header_deadline,
            idle_patience: match room {
                Room::Proxy => options.idle_patience_with_proxies,
                Room::Shared(..) => options.idle_patience,
            },
            room,
            heard: 0,
            waiting: None,
            lingering: None,
        }
    }

    /// Reads on for nothing until the client has heard that this is the end, or had time enough to.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self.lingering.get_or_insert_with(|| Lingering {
            until: Box::pin(tokio::time::sleep(LINGERING)),
            silence: Box::pin(tokio::time::sleep(SILENCE)),
            left: LINGERING_BYTES,
        });
        let mut scratch = [0; 4096];
        while lingering.until.as_mut().poll(context).is_pending()
            && lingering.silence.as_mut().poll(context).is_pending()
        {
            let mut into = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut into));
            let next = Instant::now() + SILENCE;
            lingering.silence.as_mut().reset(next);
            let length = into.filled().len();
            match lingering.left.checked_sub(length) {
                Some(left) if read.is_ok() && length > 0 => lingering.left = left,
                _ => break,
            }
        }
        Poll::Ready(())
    }

    /// Whether the client was waited for long enough.
    fn is_over(&mut self, context: &mut Context<'_>, has_come: bool) -> bool {
        let is_head = matches!(self.waiting, Some((Wait::Head, _)));
        let wait = if has_come && !is_head {
            Some((Wait::Head, self.header_deadline))
        } else if self.waiting.is_none() {
            Some((Wait::Request, self.patience_between()))
        } else {
            None
        };
        if let Some((wait, patience)) = wait {
            self.waiting = Some((wait, Box::pin(tokio::time::sleep(patience))));
        }
        // Mostly all of a request comes at once.
        !has_come
            && self
                .waiting
                .as_mut()
                .is_some_and(|(_, until)| until.as_mut().poll(context).is_ready())
    }

    /// How long to wait for the next request.
    fn patience_between(&self) -> Duration {
        if self.heard > 0 && self.room.is_ample() {
            self.idle_patience
        } else {
            self.header_deadline
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
        let has_come = into.filled().len() > before;
        if has_come {
            self.answering = None;
        }
        let heard = self.talk.requests.load(Ordering::Relaxed);
        if self.heard != heard {
            self.heard = heard;
            self.waiting = None;
        }
        if self.talk.is_answering.load(Ordering::Relaxed) {
            return read;
        }
        let is_over = self.is_over(context, has_come);
        match read {
            // As if the client had gone.
            Poll::Pending if is_over => Poll::Ready(Ok(())),
            read => read,
        }
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
        if flushed.is_ready() && self.talk.is_said.swap(false, Ordering::Relaxed) {
            self.talk.is_answering.store(false, Ordering::Relaxed);
            // Whoever reads looks for the next request, from which on that is waited for.
            context.waker().wake_by_ref();
        }
        self.waited(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if self.talk.is_unread.load(Ordering::Relaxed) {
            ready!(self.linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

/// The body of a request, which notes when it goes before it was read to its end.
pub(super) struct Heard {
    body: Incoming,
    is_whole: bool,
    talk: Arc<Talk>,
}

impl Heard {
    /// Once a request has come, its head is whole, and it is to be answered.
    pub(super) fn new(body: Incoming, talk: Arc<Talk>) -> Self {
        talk.is_answering.store(true, Ordering::Relaxed);
        talk.requests.fetch_add(1, Ordering::Relaxed);
        Self {
            body,
            is_whole: false,
            talk,
        }
    }
}

impl HttpBody for Heard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_whole |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if !self.is_whole && !self.body.is_end_stream() {
            self.talk.is_unread.store(true, Ordering::Relaxed);
        }
    }
}

/// The body of an answer, which notes its end.
pub(super) struct Answer {
    body: Body,
    talk: Option<Arc<Talk>>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(talk) = &self.talk {
            talk.is_said.store(true, Ordering::Relaxed);
        }
    }
}
