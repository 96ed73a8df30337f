//! Who is asking, proven against the database: verified claims become a [`Viewer`] by one indexed read,
//! so that a revoked session, a left colleague or a changed role bites at once.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use entity::{Locale, ServiceAccountId, ServiceKeyId, ServiceScope, SessionId, UserId, UserRole};
use sea_orm::{ActiveEnum, ConnectionTrait, FromQueryResult, QueryResult, Statement, Value};
use uuid::Uuid;

use super::confidential::{self, ConfidentialPolicy};
use super::connect::Database;
use super::session::Session;
use crate::error::{Error, Result};
use crate::say;

/// Who is asking, and with it which rows there are.
#[derive(Clone, Debug)]
pub struct Viewer {
    actor: Actor,
    way: Way,
    time_zone: Tz,
    locale: Locale,
    has_shares: bool,
    confidential: ConfidentialPolicy,
}

/// How a viewer was let in.
#[derive(Clone, Debug)]
pub enum Way {
    /// Signed in on a device.
    Session(SessionId),
    /// By the key of a service account: a program that acts as the user.
    Service {
        /// The account.
        account: ServiceAccountId,
        /// What it may do.
        scopes: Vec<ServiceScope>,
    },
    /// By a token of an identity provider.
    Provider,
    /// It is the service itself.
    Inside,
}

/// A person, or the service itself.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody who was let in, or a program in their name.
    User {
        /// Who.
        id: UserId,
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
    id: UserId,
    role: UserRole,
    is_pool_keeper: bool,
    time_zone: String,
    locale: Locale,
    has_shares: bool,
    confidential: Option<String>,
}

/// What is read of a user to make a viewer; `$1` is the present instant, `$2` the setting of what is
/// confidential. The shares count for everyone in reach: a manager sees what a report was let in to.
const VIEWER: &str = "SELECT u.id, u.role, u.is_pool_keeper, u.time_zone, u.locale, \
     EXISTS (SELECT 1 FROM user_reach r JOIN client_members m ON m.user_id = r.user_id \
     WHERE r.manager_id = u.id AND (r.depth = 0 OR u.role <> 'REP') \
     AND (m.expires_at IS NULL OR m.expires_at > $1)) AS has_shares, \
     (SELECT value FROM settings WHERE key = $2) AS confidential";

impl Viewer {
    pub(super) fn system(reason: &'static str) -> Self {
        Self {
            actor: Actor::System { reason },
            way: Way::Inside,
            time_zone: Tz::UTC,
            locale: Locale::En,
            has_shares: false,
            confidential: ConfidentialPolicy::default(),
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

    /// How they were let in.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// The session (device), when a person asks from one.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.way {
            Way::Session(session) => Some(session),
            Way::Service { .. } | Way::Provider | Way::Inside => None,
        }
    }

    /// What a program may do, when one asks; nothing when it is no program: then the role alone decides.
    pub fn scopes(&self) -> Option<&[ServiceScope]> {
        match &self.way {
            Way::Service { scopes, .. } => Some(scopes),
            Way::Session(_) | Way::Provider | Way::Inside => None,
        }
    }

    /// Whether the viewer may write at all: some programs only read.
    pub(super) fn may_write(&self) -> bool {
        self.scopes()
            .is_none_or(|scopes| scopes.iter().any(|scope| *scope != ServiceScope::Read))
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

    /// Who sees what is confidential.
    pub fn confidential(&self) -> &ConfidentialPolicy {
        &self.confidential
    }

    pub(super) fn has_shares(&self) -> bool {
        self.has_shares
    }

    /// What binds a cursor to this viewer.
    pub(super) fn binding(&self) -> Uuid {
        self.user_id().map_or(Uuid::nil(), |id| id.0)
    }
}

impl Row {
    fn viewer(self, way: Way) -> Viewer {
        Viewer {
            actor: Actor::User {
                id: self.id,
                role: self.role,
                is_pool_keeper: self.is_pool_keeper,
            },
            way,
            time_zone: self.time_zone.parse().unwrap_or(Tz::UTC),
            locale: self.locale,
            has_shares: self.has_shares,
            confidential: ConfidentialPolicy::parse(self.confidential.as_deref()),
        }
    }
}

impl Database {
    /// The viewer behind verified claims.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the session was ended or has expired, or the user was deactivated.
    pub async fn viewer(&self, user: UserId, session: SessionId) -> Result<Viewer> {
        let rest = "FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.id = $3 AND s.user_id = $4 AND s.revoked_at IS NULL AND s.expires_at > $1 \
             AND u.deactivated_at IS NULL";
        let found = self.viewer_row("", rest, [session.into(), user.into()]);
        let Some((row, _)) = found.await? else {
            return Err(Error::unauthenticated(say!(
                "this session has ended; sign in again"
            )));
        };
        Ok(row.viewer(Way::Session(session)))
    }

    /// The viewer behind the key of a service account, the last day the key was used, and when it runs out.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a key that is wrong, over or revoked, an account that was closed, a user who
    /// was deactivated: with one sentence for all.
    pub async fn viewer_of_key(
        &self,
        key: ServiceKeyId,
        secret_hash: &[u8; 32],
    ) -> Result<(Viewer, Option<NaiveDate>, DateTime<Utc>)> {
        let more = ", a.id AS account_id, a.scopes, k.last_used_on, k.expires_at";
        let rest = "FROM service_keys k JOIN service_accounts a ON a.id = k.account_id \
             JOIN users u ON u.id = a.user_id \
             WHERE k.id = $3 AND k.secret_hash = $4 AND k.revoked_at IS NULL AND k.expires_at > $1 \
             AND a.closed_at IS NULL AND u.deactivated_at IS NULL";
        let found = self.viewer_row(more, rest, [key.into(), secret_hash.to_vec().into()]);
        let Some((row, found)) = found.await? else {
            return Err(Error::unauthenticated(say!(
                "this key is not valid, or no longer"
            )));
        };
        let scopes: String = found.try_get("", "scopes")?;
        let way = Way::Service {
            account: found.try_get("", "account_id")?,
            scopes: read_scopes(&scopes),
        };
        let last_used_on = found.try_get("", "last_used_on")?;
        Ok((
            row.viewer(way),
            last_used_on,
            found.try_get("", "expires_at")?,
        ))
    }

    /// The viewer whom an identity provider calls `subject`; nothing when no user is linked to it.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the user was deactivated, or their tokens from `issued_at` and before were
    /// ended.
    pub async fn viewer_of_identity(
        &self,
        issuer: &str,
        subject: &str,
        issued_at: DateTime<Utc>,
    ) -> Result<Option<Viewer>> {
        let more = ", u.deactivated_at, c.revoked_before";
        let rest = "FROM user_identities i JOIN users u ON u.id = i.user_id \
             LEFT JOIN token_cutoffs c ON c.user_id = u.id \
             WHERE i.issuer = $3 AND i.subject = $4";
        let found = self.viewer_row(more, rest, [issuer.into(), subject.into()]);
        let Some((row, found)) = found.await? else {
            return Ok(None);
        };
        let deactivated_at: Option<DateTime<Utc>> = found.try_get("", "deactivated_at")?;
        let revoked_before: Option<DateTime<Utc>> = found.try_get("", "revoked_before")?;
        if deactivated_at.is_some() || revoked_before.is_some_and(|cutoff| issued_at <= cutoff) {
            return Err(Error::unauthenticated(say!(
                "this token was ended; sign in again"
            )));
        }
        Ok(Some(row.viewer(Way::Provider)))
    }

    async fn viewer_row(
        &self,
        more: &str,
        rest: &str,
        values: [Value; 2],
    ) -> Result<Option<(Row, QueryResult)>> {
        let [third, fourth] = values;
        let now = self.clock().now();
        let statement = Statement::from_sql_and_values(
            self.backend(),
            format!("{VIEWER}{more} {rest}"),
            [now.into(), confidential::SETTING.into(), third, fourth],
        );
        let Some(found) = self.reading().await?.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let row = Row::from_query_result(&found, "")?;
        Ok(Some((row, found)))
    }
}

impl Session {
    /// The viewer as the database shows them to the next statement, let in as they were. Whoever was let in may have
    /// waited since, and be another by now: have lost a role, or been let in to a client.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the user was deactivated meanwhile; from the database.
    pub(super) async fn viewer_anew(&self) -> Result<Viewer> {
        let Some(user) = self.viewer().user_id() else {
            return Ok(self.viewer().clone());
        };
        let statement = Statement::from_sql_and_values(
            self.backend(),
            format!("{VIEWER} FROM users u WHERE u.id = $3 AND u.deactivated_at IS NULL"),
            [self.now().into(), confidential::SETTING.into(), user.into()],
        );
        let Some(found) = self.query_one_raw(statement).await? else {
            return Err(Error::unauthenticated(say!(
                "this session has ended; sign in again"
            )));
        };
        let row = Row::from_query_result(&found, "")?;
        Ok(row.viewer(self.viewer().way().clone()))
    }
}

/// The scopes as a row keeps them: their names with commas between.
pub(crate) fn write_scopes(scopes: &[ServiceScope]) -> String {
    let names: Vec<String> = scopes.iter().map(ActiveEnum::to_value).collect();
    names.join(",")
}

/// The scopes a row keeps; a name that is not known grants nothing.
pub(crate) fn read_scopes(text: &str) -> Vec<ServiceScope> {
    text.split(',')
        .filter_map(|name| ServiceScope::try_from_value(&name.to_owned()).ok())
        .collect()
}
