//! What somebody was let in by, without the secret of it: enough to ask later, for many at once, whether they still
//! are.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// How somebody was let in, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// How.
    pub grant: Grant,
    /// From when on it is good no longer, UTC.
    pub expires_at: DateTime<Utc>,
}

/// How somebody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// By a token of a session of ours.
    Session {
        /// The user.
        user: Uuid,
        /// The session.
        session: Uuid,
    },
    /// By the key of a service account.
    Key(Uuid),
    /// By a token of an identity provider.
    Provider {
        /// Which one.
        issuer: Arc<str>,
        /// Whom it means.
        subject: Arc<str>,
        /// When the token was issued, UTC.
        issued_at: DateTime<Utc>,
    },
}
