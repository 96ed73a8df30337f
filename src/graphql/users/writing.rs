//! Users on the wire: adding, changing and moving them, and what people change about themselves.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{Locale, UserId, UserRole, user};

use super::User;
use crate::db::Visible;
use crate::domain::users::{self, NewUser, UserPatch};
use crate::error::Result;
use crate::graphql::context::{passwords, session, write};
use crate::graphql::input::{optional, required};
use crate::graphql::scalars::{Date, int};

/// A user to add. They can sign in once a password is set.
#[derive(Clone, Debug, InputObject)]
pub struct UserCreateInput {
    /// An id made by the caller (`user_` and a UUID, best of version 7). Sending the same create again with it answers the user that is there.
    id: Option<UserId>,
    /// The id in another system, unique among users, at most 100 characters.
    external_id: Option<String>,
    /// The e-mail address they sign in with; no two users have the same.
    email: String,
    /// The name, 1 to 100 characters.
    name: String,
    /// The job title, at most 100 characters.
    title: Option<String>,
    /// What they may do.
    role: UserRole,
    /// Whom they report to: a manager or an administrator. Nobody, when absent.
    manager_id: Option<UserId>,
    /// Whether they, as a manager, see clients that nobody owns; not when absent.
    is_pool_keeper: Option<bool>,
    /// The time zone by its IANA name, as in `Asia/Shanghai`; `UTC` when absent.
    time_zone: Option<String>,
    /// The language of their messages; English when absent.
    locale: Option<Locale>,
    /// The day they were hired.
    hired_on: Option<Date>,
}

/// Changes to a user. A field that is absent stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct UserUpdateInput {
    /// The user.
    id: UserId,
    /// The version you saw.
    version: i32,
    /// The e-mail address they sign in with.
    email: MaybeUndefined<String>,
    /// The name, 1 to 100 characters.
    name: MaybeUndefined<String>,
    /// The job title, at most 100 characters.
    title: MaybeUndefined<String>,
    /// What they may do. The last active administrator stays one; who has reports stays a manager or an administrator.
    role: MaybeUndefined<UserRole>,
    /// Whether they, as a manager, see clients that nobody owns.
    is_pool_keeper: MaybeUndefined<bool>,
    /// The time zone by its IANA name.
    time_zone: MaybeUndefined<String>,
    /// The language of their messages.
    locale: MaybeUndefined<Locale>,
    /// The day they were hired.
    hired_on: MaybeUndefined<Date>,
}

impl UserUpdateInput {
    fn parse(self) -> Result<(UserId, i64, UserPatch)> {
        let Self {
            id,
            version,
            email,
            name,
            title,
            role,
            is_pool_keeper,
            time_zone,
            locale,
            hired_on,
        } = self;
        let patch = UserPatch {
            email: required("email", email)?,
            name: required("name", name)?,
            title: optional(title),
            role: required("role", role)?,
            is_pool_keeper: required("isPoolKeeper", is_pool_keeper)?,
            time_zone: required("timeZone", time_zone)?,
            locale: required("locale", locale)?,
            hired_on: optional(hired_on).map(|day| day.map(|day| day.0)),
        };
        Ok((id, i64::from(version), patch))
    }
}

/// Where a user moves in the tree of who reports to whom.
#[derive(Clone, Debug, InputObject)]
pub struct UserMoveInput {
    /// The user; everybody below them moves along.
    id: UserId,
    /// The version you saw.
    version: i32,
    /// Whom they report to from now on: a manager or an administrator; nobody, when null or absent.
    manager_id: Option<UserId>,
}

/// Names a user in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct UserVersionInput {
    /// The user.
    id: UserId,
    /// The version you saw.
    version: i32,
}

/// Another password for a user.
#[derive(Clone, InputObject)]
pub struct UserSetPasswordInput {
    /// The user.
    id: UserId,
    /// The password: 10 to 256 characters, not a common one, not the e-mail address.
    password: String,
}

/// What you change about yourself. A field that is absent stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct ViewerUpdateInput {
    /// The version of your user that you saw.
    version: i32,
    /// The language of your messages.
    locale: MaybeUndefined<Locale>,
    /// Your time zone by its IANA name, as in `Asia/Shanghai`.
    time_zone: MaybeUndefined<String>,
}

/// Another password for yourself.
#[derive(Clone, InputObject)]
pub struct PasswordChangeInput {
    /// The password you have now.
    present_password: String,
    /// The new one: 10 to 256 characters, not a common one, not your e-mail address.
    password: String,
}

/// The user after the change.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The user.
    user: User,
}

impl From<Visible<user::Model>> for UserPayload {
    fn from(row: Visible<user::Model>) -> Self {
        Self { user: User(row) }
    }
}

/// What a change of your password did.
#[derive(SimpleObject)]
pub struct PasswordChangePayload {
    /// How many of your other sessions it ended.
    ended_session_count: i32,
}

/// Writing users.
#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Adds a user. Administrators only.
    async fn user_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user to add.")] input: UserCreateInput,
    ) -> Result<UserPayload> {
        let UserCreateInput {
            id,
            external_id,
            email,
            name,
            title,
            role,
            manager_id,
            is_pool_keeper,
            time_zone,
            locale,
            hired_on,
        } = input;
        let new = NewUser {
            id,
            external_id,
            email,
            name,
            title,
            role,
            manager: manager_id,
            is_pool_keeper: is_pool_keeper.unwrap_or_default(),
            time_zone: time_zone.unwrap_or_else(|| "UTC".to_owned()),
            locale: locale.unwrap_or(Locale::En),
            hired_on: hired_on.map(|day| day.0),
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { users::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes a user. Administrators only.
    async fn user_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the changes.")] input: UserUpdateInput,
    ) -> Result<UserPayload> {
        let (id, version, patch) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let patch = patch.clone();
            async move { users::update(&tx, id, version, patch).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Puts a user, with everybody below them, under another manager. Administrators only.
    async fn user_move(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the manager.")] input: UserMoveInput,
    ) -> Result<UserPayload> {
        let UserMoveInput {
            id,
            version,
            manager_id,
        } = input;
        let row = write(ctx, move |tx| async move {
            users::place(&tx, id, i64::from(version), manager_id).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Takes a user's access away and ends all their sessions, and the keys of programs that act as them. Their clients stay theirs until they are handed over. Administrators only.
    async fn user_deactivate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user who leaves.")] input: UserVersionInput,
    ) -> Result<UserPayload> {
        let UserVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            users::deactivate(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Gives a user access again. Administrators only.
    async fn user_reactivate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user who comes back.")] input: UserVersionInput,
    ) -> Result<UserPayload> {
        let UserVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            users::reactivate(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Sets a user's password and ends all their sessions. Administrators only.
    async fn user_set_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the password.")] input: UserSetPasswordInput,
    ) -> Result<UserPayload> {
        let UserSetPasswordInput { id, password } = input;
        let row = users::reset_password(session(ctx)?, passwords(ctx)?, id, &password)
            .await
            .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes your own settings.
    async fn viewer_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: ViewerUpdateInput,
    ) -> Result<UserPayload> {
        let ViewerUpdateInput {
            version,
            locale,
            time_zone,
        } = input;
        let locale = required("input.locale", locale)?;
        let time_zone = required("input.timeZone", time_zone)?;
        let row = write(ctx, move |tx| {
            let zone = time_zone.clone();
            async move { users::update_own(&tx, i64::from(version), locale, zone.as_deref()).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes your own password and ends your other sessions.
    async fn password_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The present password and the new one.")] input: PasswordChangeInput,
    ) -> Result<PasswordChangePayload> {
        let PasswordChangeInput {
            present_password,
            password,
        } = input;
        let (session, passwords) = (session(ctx)?, passwords(ctx)?);
        let ended = users::change_password(session, passwords, &present_password, &password)
            .await
            .map_err(|error| error.under("input"))?;
        Ok(PasswordChangePayload {
            ended_session_count: int(i64::try_from(ended).unwrap_or(i64::MAX))?,
        })
    }
}
