//! Proofs about the program as it runs in earnest: a process of its own that is killed, stopped, starved of
//! storage and raced, over real databases. What was answered is kept, whole and once.
//!
//! Each proof has a short form, which every test run does. `CLIENTELE_PROOF_ROUNDS` says how many rounds to
//! go instead; with it the times that the service promises are demanded too, so it wants an idle machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod cluster;
mod disk_full;
mod drain;
mod kill;
mod phones;
mod race;
mod replica;
mod restart;
mod service;
mod shop;
mod soak;
mod sockets;

/// Makes two tests of one body: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($name:ident, $body:expr $(,)?) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                ($body)($crate::service::Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                ($body)($crate::service::Backend::Postgres).await;
            }
        }
    };
}
use on_both;

/// How many rounds to go, unless the environment says otherwise.
fn rounds(short: usize) -> usize {
    asked_for().unwrap_or(short)
}

/// Whether the long form was asked for: then promised times are demanded.
fn is_long() -> bool {
    asked_for().is_some()
}

fn asked_for() -> Option<usize> {
    let text = std::env::var("CLIENTELE_PROOF_ROUNDS").ok()?;
    Some(text.parse().expect("CLIENTELE_PROOF_ROUNDS is a number"))
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
