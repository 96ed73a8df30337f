//! A way to PostgreSQL on which what processes tell each other can be held up or lost, without a word to either side.

use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the connections for news call themselves when they begin.
const NEWS: &[u8] = b"clientele news";

/// How it goes on the way of news.
#[derive(Clone, Copy, Default)]
struct State {
    /// Whether nothing goes on for now.
    is_held: bool,
    /// How often the way was cut: connections from before the last time are dead.
    cuts: u32,
}

/// A way to a database, beside the direct one.
pub struct Way {
    url: String,
    state: watch::Sender<State>,
}

impl Way {
    /// A way to the database at `url`, on which all goes.
    pub async fn to(url: &str) -> Self {
        let (before, rest) = url.rsplit_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::default());
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), seen.clone()));
            }
        });
        let url = format!("{before}@{here}/{name}");
        Self { url, state }
    }

    /// The address of the database by this way.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// News waits from now on.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.is_held = true);
    }

    /// News goes on.
    pub fn release(&self) {
        self.state.send_modify(|state| state.is_held = false);
    }

    /// The connections for news are dead from now on, and neither side hears of it.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

async fn carry(mut client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    let mut first = [0; 4096];
    let mut length = client.read(&mut first).await.unwrap();
    let mut server = TcpStream::connect(server).await.unwrap();
    // Some ask first whether they may encrypt, which takes eight bytes.
    if length == 8 {
        server.write_all(&first[..8]).await.unwrap();
        let answer = server.read_u8().await.unwrap();
        client.write_u8(answer).await.unwrap();
        length = client.read(&mut first).await.unwrap();
    }
    let first = &first[..length];
    let is_news = first.windows(NEWS.len()).any(|part| part == NEWS);
    let cuts = is_news.then(|| state.borrow().cuts);
    may_go(&mut state, cuts).await;
    server.write_all(first).await.unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::spawn(pass(from_server, to_client, state.clone(), cuts));
    pass(from_client, to_server, state, cuts).await;
}

/// Passes on until one of the two ends it.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    cuts: Option<u32>,
) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        may_go(&mut state, cuts).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    may_go(&mut state, cuts).await;
}

/// Waits until something may go on that came by a connection for news from after so many cuts; others go always.
async fn may_go(state: &mut watch::Receiver<State>, cuts: Option<u32>) {
    let Some(cuts) = cuts else {
        return;
    };
    let now = state.wait_for(|state| !state.is_held).await;
    if now.is_ok_and(|now| now.cuts == cuts) {
        return;
    }
    pending::<()>().await;
}
