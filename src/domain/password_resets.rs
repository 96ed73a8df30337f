//! Codes with which somebody who lost their password sets a new one: an administrator makes the code and
//! hands it over; it is good once, for a day. No code can be asked for by e-mail address, so nothing tells
//! whether an account exists.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::UserId;

use crate::auth::passwords::{self, Passwords};
use crate::auth::{reset_codes, throttle};
use crate::db::{EndReason, Session, Tx};
use crate::error::{Error, Result};
use crate::say;

/// A code, shown this once.
pub struct ShownCode {
    /// The code.
    pub text: String,
    /// When it ends, UTC.
    pub expires_at: DateTime<Utc>,
}

/// Makes a code for a user; the one before is good no longer. Their password stays until the code is used.
///
/// # Errors
/// `FORBIDDEN` for anybody but administrators; `NOT_FOUND`; `RULE_VIOLATED` `users.deactivated`.
pub async fn make(tx: &Tx, user: UserId) -> Result<ShownCode> {
    if !tx.viewer().is_admin() {
        return Err(Error::forbidden(say!(
            "only administrators make codes for new passwords"
        )));
    }
    let account = tx.lock_account(user).await?;
    let account = account.ok_or_else(|| Error::not_found("user").field("userId"))?;
    if !account.is_active {
        return Err(Error::rule("users.deactivated", say!("this user has left")).field("userId"));
    }
    let code = reset_codes::make()?;
    let expires_at = tx.now() + reset_codes::LIFE;
    tx.store_reset(user, &code.hash, expires_at).await?;
    Ok(ShownCode {
        text: code.text,
        expires_at,
    })
}

/// Sets the password of whoever the code was made for, and ends all their sessions and tokens. The code is used
/// up by a success alone, so that a password which is not acceptable costs nothing.
///
/// # Errors
/// `UNAUTHENTICATED` with one sentence for a code that is wrong, used or over; `BAD_USER_INPUT` field
/// `password`; `THROTTLED` after too many tries from one address.
pub async fn redeem(
    system: &Session,
    hasher: &Passwords,
    code: &str,
    password: &str,
    address: Option<IpAddr>,
) -> Result<()> {
    let key = address.map(|address| format!("reset:{}", throttle::address_key(address)));
    if let Some(key) = key.clone() {
        // Who has to wait anyway takes nobody's turn to write.
        let failures = system.failures(&key).await?;
        throttle::admit(throttle::TRIES_PER_ADDRESS, failures.as_ref(), system.now())?;
        system
            .write(move |tx| {
                let key = key.clone();
                async move {
                    let failures = tx.lock_failures(&key).await?;
                    let free = throttle::TRIES_PER_ADDRESS;
                    let counted = throttle::admit(free, failures.as_ref(), tx.now())?;
                    tx.store_failures(&key, Some(counted)).await
                }
            })
            .await?;
    }
    let code = reset_codes::parse(code).ok_or_else(wrong)?;
    let account = system.account_by_reset(&code).await?.ok_or_else(wrong)?;
    passwords::check(password, &account.email)?;
    let hash = hasher.hash(password).await?;
    let account_key = throttle::account_key(&account.email);
    system
        .write(move |tx| {
            let (hash, account_key, key) = (hash.clone(), account_key.clone(), key.clone());
            async move {
                let present = tx.lock_account(account.user).await?;
                let is_active = present.is_some_and(|present| present.is_active);
                // Whoever takes the code away first uses it.
                if !(is_active && tx.take_reset(account.user, &code).await?) {
                    return Err(wrong());
                }
                tx.store_password(account.user, &hash).await?;
                tx.store_failures(&account_key, None).await?;
                if let Some(key) = &key {
                    tx.store_failures(key, None).await?;
                }
                tx.end_tokens(account.user).await?;
                tx.end_sessions(account.user, None, EndReason::PasswordReset)
                    .await?;
                Ok(())
            }
        })
        .await?;
    tracing::info!(user = %account.user, "set a new password with a code");
    Ok(())
}

fn wrong() -> Error {
    Error::unauthenticated(say!(
        "this code is not valid, or no longer; ask an administrator for another"
    ))
}
