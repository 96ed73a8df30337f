//! What can be had without asking the database: tried in place, without a task or a future on the heap.
//!
//! Where many siblings ask for the same edge, the first waits for all of them, and what the others ask for lies at
//! hand. A try begins nothing: whatever would go to the database waits instead, and the try has failed.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

thread_local! {
    static TRIES: Cell<bool> = const { Cell::new(false) };
}

/// Ends a try, also where it panics.
struct Tried(bool);

impl Drop for Tried {
    fn drop(&mut self) {
        TRIES.set(self.0);
    }
}

/// What `work` comes to if it has all it needs at hand; else nothing, and nothing was begun.
pub fn try_now<F: Future>(work: F) -> Option<F::Output> {
    let _tried = Tried(TRIES.replace(true));
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Whether this is a try.
pub fn is_a_try() -> bool {
    TRIES.get()
}

/// To be waited for before the database is asked: a try goes no further.
pub(super) async fn no_try() {
    if is_a_try() {
        std::future::pending::<()>().await;
    }
}
