//! Sessions, that is devices: ending them, one or all.

use entity::{SessionId, UserId, session, user};
use sea_orm::ActiveValue::Set;

use crate::db::{EndReason, Tx, Visible, Way};
use crate::error::{Error, Result};
use crate::say;

/// Ends a session. One that ended before stays as it is.
///
/// # Errors
/// `NOT_FOUND` for a session of somebody else, unless an administrator asks.
pub async fn end(tx: &Tx, id: SessionId, reason: EndReason) -> Result<Visible<session::Model>> {
    let Some(row) = tx.lock_session(id).await? else {
        return Err(Error::not_found("session"));
    };
    if row.revoked_at.is_some() {
        return Ok(row);
    }
    let changes = session::ActiveModel {
        revoked_at: Set(Some(tx.now())),
        revoked_reason: Set(Some(reason.as_str().to_owned())),
        ..Default::default()
    };
    tx.amend::<session::Entity>(&row, changes).await
}

/// Ends all sessions of a user, but that of this request when it is to go on (`keeps_this`); says how many were
/// alive. Tokens of an identity provider end too, unless the one of this request is to go on.
///
/// # Errors
/// `FORBIDDEN` for another user, unless an administrator asks; `NOT_FOUND`.
pub async fn end_all(tx: &Tx, user: UserId, keeps_this: bool) -> Result<u64> {
    if !tx.viewer().is_admin() && tx.viewer().user_id() != Some(user) {
        return Err(
            Error::forbidden(say!("only administrators may end sessions of others"))
                .field("userId"),
        );
    }
    tx.select::<user::Entity>()
        .id(user)
        .get()
        .await
        .map_err(|error| error.field("userId"))?;
    let keeps_own = keeps_this
        && matches!(tx.viewer().way(), Way::Provider)
        && tx.viewer().user_id() == Some(user);
    if !keeps_own {
        tx.end_tokens(user).await?;
    }
    let except = tx.viewer().session_id().filter(|_| keeps_this);
    tx.end_sessions(user, except, EndReason::Revoked).await
}
