//! Service accounts: programs that use the API in the name of a user, within scopes, by keys that end.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    ServiceAccountId, ServiceKeyId, ServiceScope, UserId, service_account, service_key, user,
};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use super::text;
use crate::auth::service_keys;
use crate::db::{Tx, Visible, write_scopes};
use crate::error::{Code, Error, Result};
use crate::say;

/// How long a key lasts unless said otherwise.
pub const DEFAULT_KEY_LIFE: TimeDelta = TimeDelta::days(365);

/// How long a key lasts at most.
pub const MAX_KEY_LIFE: TimeDelta = TimeDelta::days(730);

/// How many keys of one account are good at the same time, at most.
pub const MAX_KEYS: u64 = 10;

/// How many service accounts there are at most, closed ones not counted.
pub const MAX_ACCOUNTS: u64 = 200;

/// A service account to be.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// An id the caller chose.
    pub id: Option<ServiceAccountId>,
    /// What it is called, 1 to 100 characters, unique.
    pub name: String,
    /// As whom it acts.
    pub user: UserId,
    /// What it may do beside reading.
    pub scopes: Vec<ServiceScope>,
}

/// A key with its text, which is shown this once.
pub struct ShownKey {
    /// The key as it is kept.
    pub key: Visible<service_key::Model>,
    /// The key itself.
    pub text: String,
}

/// Makes a service account without keys. With an id that exists and equal content it answers the account
/// that is there.
///
/// # Errors
/// `FORBIDDEN` for anybody but administrators; `NOT_FOUND` for the user; `BAD_USER_INPUT`; `CONFLICT` for a
/// name or id that is taken; `RULE_VIOLATED` `users.deactivated`, `service_accounts.too_many`.
pub async fn create(tx: &Tx, new: NewServiceAccount) -> Result<Visible<service_account::Model>> {
    tx.require_writer::<service_account::Entity>()?;
    let NewServiceAccount {
        id,
        name,
        user,
        scopes,
    } = new;
    let name = text::text("name", &name, 100)?;
    let scopes = write_scopes(&all_scopes(&scopes));
    let user = tx
        .select::<user::Entity>()
        .id(user)
        .get()
        .await
        .map_err(|error| error.field("userId"))?;
    if let Some(id) = id
        && let Some(existing) = tx.select::<service_account::Entity>().id(id).find().await?
    {
        let is_equal =
            existing.name == name && existing.user_id == user.id && existing.scopes == scopes;
        if is_equal {
            return Ok(existing);
        }
        return Err(Error::new(
            Code::Conflict,
            say!("this id belongs to another service account already"),
        )
        .field("id"));
    }
    if user.deactivated_at.is_some() {
        return Err(Error::rule("users.deactivated", say!("this user has left")).field("userId"));
    }
    let named = tx
        .select::<service_account::Entity>()
        .filter(service_account::Column::Name.eq(name.as_str()));
    if named.exists().await? {
        return Err(Error::new(
            Code::Conflict,
            say!("another service account has this name"),
        )
        .field("name"));
    }
    let open = tx
        .select::<service_account::Entity>()
        .filter(service_account::Column::ClosedAt.is_null());
    if open.count(MAX_ACCOUNTS).await? >= MAX_ACCOUNTS {
        return Err(Error::rule(
            "service_accounts.too_many",
            say!(
                "there are {count} service accounts already: close some of them",
                count = MAX_ACCOUNTS
            ),
        ));
    }
    tx.insert::<service_account::Entity>(service_account::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        name: Set(name),
        user_id: Set(user.id),
        scopes: Set(scopes),
        created_by_id: Set(tx.viewer().user_id()),
        created_at: Set(tx.now()),
        closed_at: Set(None),
    })
    .await
}

/// Makes a key of an account. It ends at `expires_at`, in a year when nothing is said.
///
/// # Errors
/// `FORBIDDEN`; `NOT_FOUND`; `BAD_USER_INPUT` for an end in the past or more than two years away;
/// `RULE_VIOLATED` `service_accounts.closed`, `service_accounts.too_many_keys`.
pub async fn make_key(
    tx: &Tx,
    account: ServiceAccountId,
    expires_at: Option<DateTime<Utc>>,
) -> Result<ShownKey> {
    tx.require_writer::<service_key::Entity>()?;
    let account = tx
        .lock::<service_account::Entity>(account)
        .await
        .map_err(|error| error.field("serviceAccountId"))?;
    if account.closed_at.is_some() {
        return Err(Error::rule(
            "service_accounts.closed",
            say!("this service account is closed"),
        )
        .field("serviceAccountId"));
    }
    let expires_at = expires_at.unwrap_or(tx.now() + DEFAULT_KEY_LIFE);
    if expires_at <= tx.now() || expires_at > tx.now() + MAX_KEY_LIFE {
        return Err(Error::bad_input(
            "expiresAt",
            say!("a key ends in the future, at most two years from now"),
        ));
    }
    let alive = Condition::all()
        .add(service_key::Column::AccountId.eq(account.id))
        .add(service_key::Column::RevokedAt.is_null())
        .add(service_key::Column::ExpiresAt.gt(tx.now()));
    let alive = tx.select::<service_key::Entity>().filter(alive);
    if alive.count(MAX_KEYS).await? >= MAX_KEYS {
        return Err(Error::rule(
            "service_accounts.too_many_keys",
            say!(
                "this account has {count} keys already: revoke some of them",
                count = MAX_KEYS
            ),
        )
        .field("serviceAccountId"));
    }
    let id: ServiceKeyId = tx.new_id();
    let made = service_keys::make(id.0)?;
    let key = tx
        .insert::<service_key::Entity>(service_key::ActiveModel {
            id: Set(id),
            account_id: Set(account.id),
            secret_hash: Set(made.secret_hash.to_vec()),
            created_by_id: Set(tx.viewer().user_id()),
            created_at: Set(tx.now()),
            expires_at: Set(expires_at),
            last_used_on: Set(None),
            revoked_at: Set(None),
        })
        .await?;
    Ok(ShownKey {
        key,
        text: made.text,
    })
}

/// Ends a key with the next request. One that was revoked before stays as it is.
///
/// # Errors
/// `FORBIDDEN`; `NOT_FOUND`.
pub async fn revoke_key(tx: &Tx, key: ServiceKeyId) -> Result<Visible<service_key::Model>> {
    tx.require_writer::<service_key::Entity>()?;
    let key = tx.lock::<service_key::Entity>(key).await?;
    if key.revoked_at.is_some() {
        return Ok(key);
    }
    let revoked = service_key::ActiveModel {
        revoked_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.amend::<service_key::Entity>(&key, revoked).await
}

/// Closes an account for good: all its keys end with the next request.
///
/// # Errors
/// `FORBIDDEN`; `NOT_FOUND`; `RULE_VIOLATED` `service_accounts.closed`.
pub async fn close(tx: &Tx, account: ServiceAccountId) -> Result<Visible<service_account::Model>> {
    tx.require_writer::<service_account::Entity>()?;
    let account = tx.lock::<service_account::Entity>(account).await?;
    if account.closed_at.is_some() {
        return Err(Error::rule(
            "service_accounts.closed",
            say!("this service account is closed already"),
        )
        .field("id"));
    }
    let closed = service_account::ActiveModel {
        closed_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.amend::<service_account::Entity>(&account, closed).await
}

/// The scopes in a fixed order, each once; reading is always among them.
fn all_scopes(scopes: &[ServiceScope]) -> Vec<ServiceScope> {
    use sea_orm::Iterable;
    ServiceScope::iter()
        .filter(|scope| *scope == ServiceScope::Read || scopes.contains(scope))
        .collect()
}
