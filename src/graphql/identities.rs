//! How users are let in, on the wire: who they are to an identity provider, and codes for a new password.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{UserId, UserIdentityId, user, user_identity};
use sea_orm::Order;

use super::context::{session, write};
use super::pace::Listed;
use super::scalars::DateTime;
use crate::db::{Children, Visible};
use crate::domain::{identities, password_resets};
use crate::error::Result;

/// Who a user is to an identity provider.
#[derive(Clone)]
pub struct UserIdentity(pub Visible<user_identity::Model>);

/// Who a user is to an identity provider.
#[Object]
impl UserIdentity {
    /// The id.
    async fn id(&self) -> UserIdentityId {
        self.0.id
    }

    /// The provider, as its tokens name it (`iss`).
    async fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// What the provider calls the user (`sub`).
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// When it was linked.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

/// The identities of a user, oldest first: only for themselves and for administrators, none for others.
///
/// # Errors
/// From the database.
pub async fn of_user(
    ctx: &Context<'_>,
    user: &Visible<user::Model>,
) -> Result<Listed<UserIdentity>> {
    let session = session(ctx)?;
    let children = Children {
        parent: user_identity::Column::UserId,
        select: session
            .select::<user_identity::Entity>()
            .order_by(user_identity::Column::CreatedAt, Order::Asc)
            .order_by(user_identity::Column::Id, Order::Asc),
    };
    let own = |user: &user::Model| user.id.0;
    let rows = session
        .all_of(user, "identities", own, children, |row| row.user_id.0)
        .await?;
    Ok(rows.into_iter().map(UserIdentity).collect())
}

/// Who a user is to an identity provider.
#[derive(Clone, Debug, InputObject)]
pub struct UserIdentityLinkInput {
    /// The user.
    user_id: UserId,
    /// The provider, as its tokens name it (`iss`).
    issuer: String,
    /// What the provider calls the user (`sub`).
    subject: String,
}

/// Names an identity.
#[derive(Clone, Debug, InputObject)]
pub struct UserIdentityUnlinkInput {
    /// The identity to forget.
    id: UserIdentityId,
}

/// Whose password is lost.
#[derive(Clone, Debug, InputObject)]
pub struct UserPasswordResetInput {
    /// The user.
    user_id: UserId,
}

/// The identity that was linked, or was.
#[derive(SimpleObject)]
pub struct UserIdentityPayload {
    /// The identity.
    identity: UserIdentity,
}

/// A code for a new password.
#[derive(SimpleObject)]
pub struct UserPasswordResetPayload {
    /// The code, for `POST /auth/reset`. It is shown this once and kept nowhere: hand it over in person.
    code: String,
    /// When it ends.
    expires_at: DateTime,
}

/// Keeping how users are let in.
#[derive(Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Links a user to who they are at an identity provider, whose tokens then stand for them. Administrators only.
    async fn user_identity_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user, and who they are to the provider.")]
        input: UserIdentityLinkInput,
    ) -> Result<UserIdentityPayload> {
        let UserIdentityLinkInput {
            user_id,
            issuer,
            subject,
        } = input;
        let row = write(ctx, move |tx| {
            let (issuer, subject) = (issuer.clone(), subject.clone());
            async move { identities::link(&tx, user_id, &issuer, &subject).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(UserIdentityPayload {
            identity: UserIdentity(row),
        })
    }

    /// Forgets who a user is to an identity provider; its tokens no longer stand for them. Administrators only.
    async fn user_identity_unlink(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identity to forget.")] input: UserIdentityUnlinkInput,
    ) -> Result<UserIdentityPayload> {
        let UserIdentityUnlinkInput { id } = input;
        let row = write(
            ctx,
            move |tx| async move { identities::unlink(&tx, id).await },
        )
        .await
        .map_err(|error| error.under("input"))?;
        Ok(UserIdentityPayload {
            identity: UserIdentity(row),
        })
    }

    /// Makes a code with which a user sets a new password, once and within 24 hours, and shows it, this once: repeated with the same `Idempotency-Key` it makes none and shows none. The code before is good no longer, and neither is this one once the password is set otherwise. Administrators only.
    async fn user_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose password is lost.")] input: UserPasswordResetInput,
    ) -> Result<UserPasswordResetPayload> {
        let UserPasswordResetInput { user_id } = input;
        let shown = write(ctx, move |tx| async move {
            password_resets::make(&tx, user_id).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        session(ctx)?.answers_secret();
        Ok(UserPasswordResetPayload {
            code: shown.text,
            expires_at: DateTime(shown.expires_at),
        })
    }
}
