//! What the edge asks of the layers below, so that HTTP knows nothing of the database.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_graphql::context::Data;
use uuid::Uuid;

use super::limits::CallerKind;
use crate::auth::pass::Pass;
use crate::messages::Locale;

/// Turns a token into a caller.
pub trait Gateway: Send + Sync + 'static {
    /// The caller behind `bearer`, the token of the `Authorization` header; `None` is an anonymous caller,
    /// which is no error.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if there is a token, but it is not valid (any more); others as they come.
    fn authenticate(
        &self,
        bearer: Option<&str>,
    ) -> impl Future<Output = crate::Result<Caller>> + Send;

    /// Prepares `data`, that of a signed-in caller, for mutations that came with an idempotency key: what of
    /// `body`, the request byte for byte, was done under `key` is not to be done again. A gateway without a
    /// record leaves it be.
    ///
    /// # Errors
    /// `RULE_VIOLATED` when the key was used for another request; others as they come.
    fn remember(
        &self,
        data: &mut Data,
        key: &str,
        body: &[u8],
    ) -> impl Future<Output = crate::Result<()>> + Send {
        let _ = (data, key, body);
        std::future::ready(Ok(()))
    }

    /// Whether `pass` has run out, which is known without asking anybody.
    fn has_run_out(&self, pass: &Pass) -> bool {
        let _ = pass;
        false
    }

    /// Which of `passes`, by their places, are good no longer: they ran out, their session was ended, their
    /// user left. Asked about all open sockets together, every second or so.
    ///
    /// # Errors
    /// As they come; who cannot be asked about stays.
    fn ended(
        &self,
        passes: &[Arc<Pass>],
    ) -> impl Future<Output = crate::Result<Vec<usize>>> + Send {
        let _ = passes;
        std::future::ready(Ok(Vec::new()))
    }
}

/// Who sends a request, as far as fairness cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user: at the same time they may run so many requests, on all devices together.
    pub user: Uuid,
    /// The session, that is the device, or the token of a script: each has its own bucket of points.
    pub session: Uuid,
}

/// The sender of one request and what resolvers get to see of it.
pub struct Caller {
    /// Whose valid token came with the request; `None` without a token.
    pub identity: Option<Identity>,
    /// The data of this request (viewer, session), for [`async_graphql::Request::data`].
    pub data: Data,
    /// Counts the SQL statements of this request.
    pub statements: Arc<AtomicU32>,
    /// The language they read, where that is known.
    pub locale: Option<Locale>,
    /// What they were let in by, by which they can be asked about later; nothing without a token.
    pub pass: Option<Arc<Pass>>,
}

impl Caller {
    /// A caller without a token and without data.
    pub fn anonymous() -> Self {
        Self {
            identity: None,
            data: Data::default(),
            statements: Arc::default(),
            locale: None,
            pass: None,
        }
    }

    /// Which limits hold.
    pub(crate) fn kind(&self) -> CallerKind {
        match self.identity {
            Some(_) => CallerKind::SignedIn,
            None => CallerKind::Anonymous,
        }
    }
}
