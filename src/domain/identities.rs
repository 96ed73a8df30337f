//! Who users are to an identity provider: linking, unlinking, and finding somebody by a provider's token.

use entity::{UserId, UserIdentityId, user, user_identity};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use super::text;
use crate::db::{Session, Tx, Visible};
use crate::error::{Code, Error, Result};
use crate::say;

/// How many identities one user has at most.
pub const MAX_PER_USER: u64 = 10;

/// Records that the provider `issuer` calls a user `subject`. The same again answers what is there.
///
/// # Errors
/// `FORBIDDEN` for anybody but administrators; `NOT_FOUND` for the user; `BAD_USER_INPUT`; `CONFLICT` when it
/// is linked to somebody else; `RULE_VIOLATED` `identities.too_many`.
pub async fn link(
    tx: &Tx,
    user: UserId,
    issuer: &str,
    subject: &str,
) -> Result<Visible<user_identity::Model>> {
    tx.require_writer::<user_identity::Entity>()?;
    let issuer = text::text("issuer", issuer, 300)?;
    let subject = text::text("subject", subject, 255)?;
    let user = tx
        .lock::<user::Entity>(user)
        .await
        .map_err(|error| error.field("userId"))?;
    let same = Condition::all()
        .add(user_identity::Column::Issuer.eq(issuer.as_str()))
        .add(user_identity::Column::Subject.eq(subject.as_str()));
    if let Some(present) = tx
        .select::<user_identity::Entity>()
        .filter(same)
        .find()
        .await?
    {
        if present.user_id == user.id {
            return Ok(present);
        }
        return Err(Error::new(
            Code::Conflict,
            say!("this identity is linked to another user"),
        )
        .field("subject"));
    }
    let own = tx
        .select::<user_identity::Entity>()
        .filter(user_identity::Column::UserId.eq(user.id));
    if own.count(MAX_PER_USER).await? >= MAX_PER_USER {
        return Err(Error::rule(
            "identities.too_many",
            say!(
                "a user has at most {count} identities",
                count = MAX_PER_USER
            ),
        )
        .field("userId"));
    }
    tx.insert::<user_identity::Entity>(user_identity::ActiveModel {
        id: Set(tx.new_id()),
        user_id: Set(user.id),
        issuer: Set(issuer),
        subject: Set(subject),
        created_at: Set(tx.now()),
    })
    .await
}

/// Forgets an identity: the provider's tokens no longer stand for the user.
///
/// # Errors
/// `FORBIDDEN` for anybody but administrators; `NOT_FOUND`.
pub async fn unlink(tx: &Tx, id: UserIdentityId) -> Result<Visible<user_identity::Model>> {
    tx.require_writer::<user_identity::Entity>()?;
    let identity = tx.lock::<user_identity::Entity>(id).await?;
    tx.forget_identity(&identity).await?;
    Ok(identity)
}

/// Whether an active user has this e-mail address, as a provider would write it.
///
/// # Errors
/// From the database.
pub async fn is_known(session: &Session, email: &str) -> Result<bool> {
    session
        .select::<user::Entity>()
        .filter(user::Column::Email.eq(email))
        .filter(user::Column::DeactivatedAt.is_null())
        .exists()
        .await
}

/// Links whoever the provider calls `subject` to the active user with this e-mail address, at first sight.
/// Says whether there is such a user. One who has an identity of this provider already is left alone: a
/// second account there with the same address must not become theirs.
///
/// # Errors
/// As [`link`].
pub async fn link_at_first_sight(
    tx: &Tx,
    issuer: &str,
    subject: &str,
    email: &str,
) -> Result<bool> {
    let user = tx
        .select::<user::Entity>()
        .filter(user::Column::Email.eq(email))
        .filter(user::Column::DeactivatedAt.is_null())
        .find()
        .await?;
    let Some(user) = user else {
        return Ok(false);
    };
    // Held, so that two first sights at once are one after the other.
    let user = tx.lock::<user::Entity>(user.id).await?;
    let known = tx
        .select::<user_identity::Entity>()
        .filter(user_identity::Column::UserId.eq(user.id))
        .filter(user_identity::Column::Issuer.eq(issuer))
        .find()
        .await?;
    if let Some(known) = known {
        return Ok(known.subject == subject);
    }
    link(tx, user.id, issuer, subject).await?;
    tracing::info!(user = %user.id, issuer, "linked to an identity by e-mail address");
    Ok(true)
}
