//! Who is asking, proven against the database: verified claims become a [`Viewer`] by one indexed read,
//! so that a revoked session, a left colleague or a changed role bites at once.

use chrono_tz::Tz;
use entity::{Locale, SessionId, UserId, UserRole};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use uuid::Uuid;

use super::connect::Database;
use crate::error::{Error, Result};
use crate::say;

/// Who is asking, and with it which rows there are.
#[derive(Clone, Debug)]
pub struct Viewer {
    actor: Actor,
    time_zone: Tz,
    locale: Locale,
    has_shares: bool,
}

/// A person, or the service itself.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody signed in.
    User {
        /// Who.
        id: UserId,
        /// Through which session (a session is a device).
        session: SessionId,
        /// With which role.
        role: UserRole,
        /// A manager who also sees clients that nobody owns.
        is_pool_keeper: bool,
    },
    /// The service itself; sees everything.
    System {
        /// Why.
        reason: &'static str,
    },
}

#[derive(FromQueryResult)]
struct Row {
    role: UserRole,
    is_pool_keeper: bool,
    time_zone: String,
    locale: Locale,
    has_shares: bool,
}

impl Viewer {
    pub(super) fn system(reason: &'static str) -> Self {
        Self {
            actor: Actor::System { reason },
            time_zone: Tz::UTC,
            locale: Locale::En,
            has_shares: false,
        }
    }

    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The user, when a person asks.
    pub fn user_id(&self) -> Option<UserId> {
        match self.actor {
            Actor::User { id, .. } => Some(id),
            Actor::System { .. } => None,
        }
    }

    /// The session (device), when a person asks.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.actor {
            Actor::User { session, .. } => Some(session),
            Actor::System { .. } => None,
        }
    }

    /// The role; the service itself counts as administrator.
    pub fn role(&self) -> UserRole {
        match self.actor {
            Actor::User { role, .. } => role,
            Actor::System { .. } => UserRole::Admin,
        }
    }

    /// Whether the viewer is an administrator (or the service).
    pub fn is_admin(&self) -> bool {
        self.role() == UserRole::Admin
    }

    /// Whether the viewer may do what managers do.
    pub fn is_manager(&self) -> bool {
        matches!(self.role(), UserRole::Manager | UserRole::Admin)
    }

    /// The viewer's time zone: in it "today" is meant.
    pub fn time_zone(&self) -> Tz {
        self.time_zone
    }

    /// The viewer's language.
    pub fn locale(&self) -> Locale {
        self.locale
    }

    pub(super) fn has_shares(&self) -> bool {
        self.has_shares
    }

    /// What binds a cursor to this viewer.
    pub(super) fn binding(&self) -> Uuid {
        self.user_id().map_or(Uuid::nil(), |id| id.0)
    }
}

impl Database {
    /// The viewer behind verified claims.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the session was ended or has expired, or the user was deactivated.
    pub async fn viewer(&self, user: UserId, session: SessionId) -> Result<Viewer> {
        let now = self.clock().now();
        let statement = Statement::from_sql_and_values(
            self.backend(),
            // The shares count for everyone in reach: a manager sees what a report was let in to.
            "SELECT u.role, u.is_pool_keeper, u.time_zone, u.locale, \
             EXISTS (SELECT 1 FROM user_reach r JOIN client_members m ON m.user_id = r.user_id \
             WHERE r.manager_id = u.id AND (r.depth = 0 OR u.role <> 'REP') \
             AND (m.expires_at IS NULL OR m.expires_at > $1)) AS has_shares \
             FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.id = $2 AND s.user_id = $3 AND s.revoked_at IS NULL AND s.expires_at > $1 \
             AND u.deactivated_at IS NULL",
            [now.into(), session.into(), user.into()],
        );
        let row = self.inner.read.query_one_raw(statement).await?;
        let Some(row) = row else {
            return Err(Error::unauthenticated(say!(
                "this session has ended; sign in again"
            )));
        };
        let row = Row::from_query_result(&row, "")?;
        Ok(Viewer {
            actor: Actor::User {
                id: user,
                session,
                role: row.role,
                is_pool_keeper: row.is_pool_keeper,
            },
            time_zone: row.time_zone.parse().unwrap_or(Tz::UTC),
            locale: row.locale,
            has_shares: row.has_shares,
        })
    }
}
