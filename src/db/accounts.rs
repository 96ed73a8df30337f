//! The accounts behind people: passwords' hashes, failed tries to sign in, sessions held and ended. The
//! tables of hashes and tries have no rule of scope, so nothing but these functions reaches them, and each
//! says for whom it works.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use entity::{Locale, ServiceKeyId, SessionId, UserId, UserRole, session, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Condition, Query};
use sea_orm::{
    ActiveEnum, ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryTrait, Statement, Value,
};

use super::dialect;
use super::scope::{self, Span};
use super::select::decode_all;
use super::session::Session;
use super::tx::Tx;
use super::viewer::Actor;
use super::visible::Visible;
use crate::auth::throttle::Failures;
use crate::error::{Error, Result};

/// What signing in needs to know of somebody.
#[derive(Clone)]
pub struct Account {
    /// Who.
    pub user: UserId,
    /// The address they sign in with, in lower case.
    pub email: String,
    /// What they may do.
    pub role: UserRole,
    /// Whether they may sign in at all.
    pub is_active: bool,
    /// The hash of the password; none when none was ever set.
    pub password_hash: Option<String>,
}

/// An active administrator, as far as being able to sign in goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// Who.
    pub user: UserId,
    /// Whether a password was ever set for them.
    pub has_password: bool,
}

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// On the device itself.
    SignedOut,
    /// From the list of devices, by its user or an administrator.
    Revoked,
    /// A used-up refresh token came back: two parties held it.
    Reuse,
    /// The user was deactivated.
    Deactivated,
    /// The user took another password.
    PasswordChanged,
    /// An administrator set another password.
    PasswordReset,
    /// A backup was put back: whether the session had ended after it was taken is not known.
    Restored,
    /// The user signed in on more devices than one may have, and this one was not used for the longest.
    TooMany,
}

impl EndReason {
    /// The reason as the row keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "SIGNED_OUT",
            Self::Revoked => "REVOKED",
            Self::Reuse => "REUSE",
            Self::Deactivated => "DEACTIVATED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::PasswordReset => "PASSWORD_RESET",
            Self::Restored => "RESTORED",
            Self::TooMany => "TOO_MANY",
        }
    }
}

/// What people may change about themselves. `None` keeps what is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnSettings {
    /// The language of messages.
    pub locale: Option<Locale>,
    /// Where their days begin and end.
    pub time_zone: Option<Tz>,
}

const ACCOUNT: &str = "SELECT u.id, u.email, u.role, u.deactivated_at, c.password_hash \
     FROM users u LEFT JOIN credentials c ON c.user_id = u.id";

impl Session {
    /// The tries counted under `key` by now. More may be under way.
    ///
    /// # Errors
    /// From the database.
    pub async fn failures(&self, key: &str) -> Result<Option<Failures>> {
        read_failures(self, key, "").await
    }

    /// The account with this e-mail address, in lower case. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        match self.viewer().actor() {
            Actor::System { .. } => self.account("u.email = $1", email.into()).await,
            Actor::User { .. } => Err(refused()),
        }
    }

    /// The account of a user. For the service itself, administrators, and people about themselves.
    ///
    /// # Errors
    /// `INTERNAL` when somebody else asks; from the database.
    pub async fn account_of(&self, user: UserId) -> Result<Option<Account>> {
        self.require_own_account(user)?;
        self.account("u.id = $1", user.into()).await
    }

    /// The administrators who have not left. For administrators and the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when somebody else asks; from the database.
    pub async fn administrators(&self) -> Result<Vec<Administrator>> {
        if !self.viewer().is_admin() {
            return Err(refused());
        }
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT u.id, c.user_id IS NOT NULL AS has_password FROM users u \
             LEFT JOIN credentials c ON c.user_id = u.id \
             WHERE u.role = $1 AND u.deactivated_at IS NULL ORDER BY u.id",
            [UserRole::Admin.to_value().into()],
        );
        self.query_all_raw(statement)
            .await?
            .iter()
            .map(|row| {
                Ok(Administrator {
                    user: row.try_get("", "id")?,
                    has_password: row.try_get("", "has_password")?,
                })
            })
            .collect()
    }

    /// Who has a password. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn users_with_password(&self) -> Result<HashSet<UserId>> {
        if let Actor::User { .. } = self.viewer().actor() {
            return Err(refused());
        }
        let sql = "SELECT user_id FROM credentials";
        let statement = Statement::from_string(self.backend(), sql);
        let mut users = HashSet::new();
        for row in self.query_all_raw(statement).await? {
            users.insert(row.try_get("", "user_id")?);
        }
        Ok(users)
    }

    async fn account(&self, condition: &str, value: Value) -> Result<Option<Account>> {
        let sql = format!("{ACCOUNT} WHERE {condition}");
        let statement = Statement::from_sql_and_values(self.backend(), sql, [value]);
        let Some(row) = self.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let deactivated_at: Option<DateTime<Utc>> = row.try_get("", "deactivated_at")?;
        Ok(Some(Account {
            user: row.try_get("", "id")?,
            email: row.try_get("", "email")?,
            role: row.try_get("", "role")?,
            is_active: deactivated_at.is_none(),
            password_hash: row.try_get("", "password_hash")?,
        }))
    }

    pub(super) fn require_own_account(&self, user: UserId) -> Result<()> {
        let viewer = self.viewer();
        if viewer.is_admin() || viewer.user_id() == Some(user) {
            return Ok(());
        }
        Err(refused())
    }
}

impl Tx {
    /// The account of a user, held until the transaction ends: neither their password nor their right to
    /// sign in changes meanwhile. For whom [`Session::account_of`] works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn lock_account(&self, user: UserId) -> Result<Option<Account>> {
        self.require_own_account(user)?;
        if self.backend() == DbBackend::Postgres {
            // By a statement of its own: one that joins would read the password from before the wait.
            let statement = Statement::from_sql_and_values(
                self.backend(),
                "SELECT id FROM users WHERE id = $1 FOR UPDATE",
                [user.into()],
            );
            self.query_one_raw(statement).await?;
        }
        self.account_of(user).await
    }

    /// Keeps the hash of a user's password. A code to set another is good no longer. For whom
    /// [`Session::account_of`] works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn store_password(&self, user: UserId, hash: &str) -> Result<()> {
        self.require_own_account(user)?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO credentials (user_id, password_hash, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, \
             changed_at = excluded.changed_at",
            [user.into(), hash.into(), self.now().into()],
        );
        self.execute_raw(statement).await?;
        self.drop_reset(user).await
    }

    /// The tries counted under `key`, held until the transaction ends, so that tries made at once are
    /// counted one after the other.
    ///
    /// # Errors
    /// From the database.
    pub async fn lock_failures(&self, key: &str) -> Result<Option<Failures>> {
        // A row that is not there cannot be held.
        let make = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO sign_in_failures (key, failures, window_started_at) VALUES ($1, 0, $2) \
             ON CONFLICT (key) DO NOTHING",
            [key.into(), self.now().into()],
        );
        self.execute_raw(make).await?;
        read_failures(self, key, dialect::for_update(self.backend())).await
    }

    /// Keeps the tries counted under `key`, or forgets them.
    ///
    /// # Errors
    /// From the database.
    pub async fn store_failures(&self, key: &str, failures: Option<Failures>) -> Result<()> {
        let statement = match failures {
            Some(failures) => Statement::from_sql_and_values(
                self.backend(),
                "INSERT INTO sign_in_failures (key, failures, window_started_at, blocked_until) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO UPDATE SET \
                 failures = excluded.failures, window_started_at = excluded.window_started_at, \
                 blocked_until = excluded.blocked_until",
                [
                    key.into(),
                    failures.failures.into(),
                    failures.window_started_at.into(),
                    failures.blocked_until.into(),
                ],
            ),
            None => Statement::from_sql_and_values(
                self.backend(),
                "DELETE FROM sign_in_failures WHERE key = $1",
                [key.into()],
            ),
        };
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Notes that the key of a program was used on `day`, once a day.
    ///
    /// # Errors
    /// From the database.
    pub async fn note_key_use(&self, key: ServiceKeyId, day: NaiveDate) -> Result<()> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE service_keys SET last_used_on = $2 \
             WHERE id = $1 AND (last_used_on IS NULL OR last_used_on < $2)",
            [key.into(), day.into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Forgets tries whose count or wait ended at `before` or earlier; says how many.
    ///
    /// # Errors
    /// From the database.
    pub async fn forget_failures(&self, before: DateTime<Utc>) -> Result<u64> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM sign_in_failures WHERE COALESCE(blocked_until, window_started_at) <= $1",
            [before.into()],
        );
        Ok(self.execute_raw(statement).await?.rows_affected())
    }

    /// Forgets sessions that ended, of themselves or early, at `before` or earlier; says how many.
    /// For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn forget_sessions(&self, before: DateTime<Utc>) -> Result<u64> {
        match self.viewer().actor() {
            Actor::System { .. } => {}
            Actor::User { .. } => return Err(refused()),
        }
        let over = Condition::any()
            .add(session::Column::RevokedAt.lte(before))
            .add(session::Column::IdleExpiresAt.lte(before))
            .add(session::Column::ExpiresAt.lte(before));
        self.delete_rows::<session::Entity>(over).await
    }

    /// The session with this id, held until the transaction ends.
    ///
    /// # Errors
    /// From the database.
    pub async fn lock_session(&self, id: SessionId) -> Result<Option<Visible<session::Model>>> {
        let mut condition = Condition::all().add(session::Column::Id.eq(id));
        if let Some(scope) =
            scope::condition::<session::Entity>(self.viewer(), self.now(), Span::Whole)
        {
            condition = condition.add(scope);
        }
        let mut statement = session::Entity::find().filter(condition).into_query();
        if self.backend() == DbBackend::Postgres {
            statement.lock_exclusive();
        }
        let rows = self.query_all(&statement).await?;
        let row = decode_all::<session::Entity>(&rows)?.into_iter().next();
        Ok(row.map(Visible::single))
    }

    /// Ends all sessions of a user that are alive, but `except`; says how many.
    ///
    /// # Errors
    /// From the database.
    pub async fn end_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
    ) -> Result<u64> {
        use session::Column;
        let mut condition = Condition::all()
            .add(Column::UserId.eq(user))
            .add(Column::RevokedAt.is_null())
            .add(Column::IdleExpiresAt.gt(self.now()))
            .add(Column::ExpiresAt.gt(self.now()))
            .add_option(except.map(|id| Column::Id.ne(id)));
        if let Some(scope) =
            scope::condition::<session::Entity>(self.viewer(), self.now(), Span::Whole)
        {
            condition = condition.add(scope);
        }
        let mut statement = Query::update();
        statement
            .table(session::Entity)
            .value(Column::RevokedAt, self.now())
            .value(Column::RevokedReason, reason.as_str())
            .cond_where(condition);
        let done = self.execute_raw(self.backend().build(&statement)).await?;
        Ok(done.rows_affected())
    }

    /// Ends sessions of a user that are alive, those unused for the longest first, until no more than `most`
    /// are. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn make_room(&self, user: UserId, most: u64) -> Result<u64> {
        match self.viewer().actor() {
            Actor::System { .. } => {}
            Actor::User { .. } => return Err(refused()),
        }
        // PostgreSQL takes `LIMIT ALL`, SQLite a number that is never reached.
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE sessions SET revoked_at = $2, revoked_reason = $3 WHERE id IN \
             (SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL \
             AND idle_expires_at > $2 AND expires_at > $2 \
             ORDER BY last_used_at DESC, id DESC LIMIT 1000000 OFFSET $4)",
            [
                user.into(),
                self.now().into(),
                EndReason::TooMany.as_str().into(),
                i64::try_from(most).unwrap_or(i64::MAX).into(),
            ],
        );
        Ok(self.execute_raw(statement).await?.rows_affected())
    }

    /// Changes settings of the viewer's own row of the directory, which else only administrators write,
    /// and nothing but these.
    ///
    /// # Errors
    /// `STALE_VERSION`; `NOT_FOUND` when no person asks.
    pub async fn update_own_settings(
        &self,
        version: i64,
        settings: OwnSettings,
    ) -> Result<Visible<user::Model>> {
        let Some(me) = self.viewer().user_id() else {
            return Err(Error::not_found("user"));
        };
        let OwnSettings { locale, time_zone } = settings;
        let row = self.select::<user::Entity>().id(me).get().await?;
        let changes = user::ActiveModel {
            locale: locale.map_or(NotSet, Set),
            time_zone: time_zone.map_or(NotSet, |zone| Set(zone.name().to_owned())),
            ..Default::default()
        };
        self.update_versioned::<user::Entity>(&row, Some(version), changes)
            .await
    }
}

async fn read_failures(session: &Session, key: &str, held: &str) -> Result<Option<Failures>> {
    let sql = format!(
        "SELECT failures, window_started_at, blocked_until FROM sign_in_failures WHERE key = $1{held}"
    );
    let statement = Statement::from_sql_and_values(session.backend(), sql, [key.into()]);
    let Some(row) = session.query_one_raw(statement).await? else {
        return Ok(None);
    };
    Ok(Some(Failures {
        failures: row.try_get("", "failures")?,
        window_started_at: row.try_get("", "window_started_at")?,
        blocked_until: row.try_get("", "blocked_until")?,
    }))
}

pub(super) fn refused() -> Error {
    Error::bug("somebody reached for the account of somebody else")
}
