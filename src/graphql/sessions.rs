//! Sessions on the wire: the devices somebody is signed in on. Nothing here shows a token or its hash.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{SessionId, UserId, session, user};
use sea_orm::{ColumnTrait, Condition};

use super::connection::{Connection, Node};
use super::context::{session, write};
use super::direct::ready;
use super::scalars::{DateTime, int};
use super::users::User;
use crate::db::{Children, EndReason, KeyKind, PageRequest, Session, Sort, SortKey, Visible};
use crate::domain::sessions;
use crate::error::{Error, Result};
use crate::say;

/// A device that somebody is, or was, signed in on.
#[derive(Clone)]
pub struct UserSession(pub Visible<session::Model>);

impl From<Visible<session::Model>> for UserSession {
    fn from(row: Visible<session::Model>) -> Self {
        Self(row)
    }
}

impl Node for UserSession {
    type Entity = session::Entity;
}

ready!(
    UserSession: "id" | "deviceName" | "userAgent" | "createdAt" | "lastUsedAt" | "expiresAt" | "revokedAt";
);

/// A device that somebody is, or was, signed in on.
#[Object(name = "Session")]
impl UserSession {
    /// The id.
    pub async fn id(&self) -> SessionId {
        self.0.id
    }

    /// Who is signed in.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        session(ctx)?
            .one_of::<user::Entity, _, _>(&self.0, "user", |row| Some(row.user_id))
            .await?
            .map(User)
            .ok_or_else(|| Error::not_found("user"))
    }

    /// What the device calls itself.
    async fn device_name(&self) -> &str {
        &self.0.device_name
    }

    /// The software that signed in, as it said.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }

    /// Whether this is the session of this request.
    async fn current(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(session(ctx)?.viewer().session_id() == Some(self.0.id))
    }

    /// When they signed in.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When the device last fetched a new access token; within some ten minutes of its last request.
    async fn last_used_at(&self) -> DateTime {
        DateTime(self.0.last_used_at)
    }

    /// When it ends by itself unless the device is used before.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.idle_expires_at.min(self.0.expires_at))
    }

    /// When it was ended before its time.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }
}

/// A page of the sessions of `user`, latest first. Only for themselves and for administrators.
///
/// # Errors
/// `FORBIDDEN` for anybody else; as [`Connection::children`].
pub async fn of_user(
    session: &Session,
    user: &Visible<user::Model>,
    include_ended: bool,
    page: &PageRequest,
) -> Result<Connection<UserSession>> {
    use session::Column;
    let viewer = session.viewer();
    if !viewer.is_admin() && viewer.user_id() != Some(user.id) {
        return Err(Error::forbidden(say!(
            "only administrators may see sessions of others"
        )));
    }
    let mut select = session.select::<session::Entity>();
    if !include_ended {
        let alive = Condition::all()
            .add(Column::RevokedAt.is_null())
            .add(Column::IdleExpiresAt.gt(session.now()))
            .add(Column::ExpiresAt.gt(session.now()));
        select = select.filter(alive);
    }
    let children = Children {
        parent: Column::UserId,
        select,
    };
    let sort = Sort::descending(vec![SortKey::column(Column::CreatedAt, KeyKind::Instant)]);
    let own = |user: &user::Model| user.id.0;
    Connection::children(session, user, "sessions", own, children, &sort, page).await
}

/// Names a session.
#[derive(Clone, Debug, InputObject)]
pub struct SessionRevokeInput {
    /// The session to end.
    id: SessionId,
}

/// Whose sessions end.
#[derive(Clone, Debug, InputObject)]
pub struct SessionRevokeAllInput {
    /// Whose; yours, when absent. Administrators may name anybody.
    user_id: Option<UserId>,
    /// Whether the session of this request goes on; it does when absent.
    except_this: Option<bool>,
}

/// The session after the change.
#[derive(SimpleObject)]
pub struct SessionRevokePayload {
    /// The session.
    session: UserSession,
}

/// What ending all sessions did.
#[derive(SimpleObject)]
pub struct SessionRevokeAllPayload {
    /// How many sessions it ended.
    ended_session_count: i32,
}

/// Ending sessions.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Ends a session: yours, or for administrators anybody's. The device is signed out with its next request.
    async fn session_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session to end.")] input: SessionRevokeInput,
    ) -> Result<SessionRevokePayload> {
        let SessionRevokeInput { id } = input;
        let row = write(ctx, move |tx| async move {
            sessions::end(&tx, id, EndReason::Revoked).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(SessionRevokePayload {
            session: UserSession(row),
        })
    }

    /// Ends all your sessions, or for administrators all of anybody.
    async fn session_revoke_all(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose sessions end.")] input: SessionRevokeAllInput,
    ) -> Result<SessionRevokeAllPayload> {
        let SessionRevokeAllInput {
            user_id,
            except_this,
        } = input;
        let viewer = session(ctx)?.viewer();
        let user = user_id
            .or(viewer.user_id())
            .ok_or_else(|| Error::not_found("user"))?;
        let keeps_this = except_this.unwrap_or(true);
        let ended = write(ctx, move |tx| async move {
            sessions::end_all(&tx, user, keeps_this).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(SessionRevokeAllPayload {
            ended_session_count: int(i64::try_from(ended).unwrap_or(i64::MAX))?,
        })
    }
}
