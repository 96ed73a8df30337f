//! What stands beside accounts: codes to set a new password, the instant before which a provider's tokens
//! are refused, and who users are to a provider. Only these functions reach the tables without a rule of
//! scope, and each says for whom it works.

use chrono::{DateTime, Utc};
use entity::{UserId, user_identity};
use sea_orm::Statement;

use super::accounts::{Account, refused};
use super::session::Session;
use super::tx::Tx;
use super::viewer::Actor;
use super::visible::Visible;
use crate::error::Result;

impl Session {
    /// The active account whose code to set a new password has this hash and is not over. For the service
    /// itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn account_by_reset(&self, code_hash: &[u8; 32]) -> Result<Option<Account>> {
        match self.viewer().actor() {
            Actor::System { .. } => {}
            Actor::User { .. } => return Err(refused()),
        }
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT user_id FROM password_resets WHERE code_hash = $1 AND expires_at > $2",
            [code_hash.to_vec().into(), self.now().into()],
        );
        let Some(row) = self.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let user: UserId = row.try_get("", "user_id")?;
        let account = self.account_of(user).await?;
        Ok(account.filter(|account| account.is_active))
    }
}

impl Tx {
    /// Keeps the hash of a user's code to set a new password, in place of the one before. For whom
    /// [`Session::account_of`] works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn store_reset(
        &self,
        user: UserId,
        code_hash: &[u8; 32],
        expires_at: DateTime<Utc>,
    ) -> Result<()> {
        self.require_own_account(user)?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO password_resets (user_id, code_hash, created_at, expires_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO UPDATE SET \
             code_hash = excluded.code_hash, created_at = excluded.created_at, \
             expires_at = excluded.expires_at",
            [
                user.into(),
                code_hash.to_vec().into(),
                self.now().into(),
                expires_at.into(),
            ],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Takes a user's code away; says whether it was there and not over. For whom [`Session::account_of`]
    /// works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn take_reset(&self, user: UserId, code_hash: &[u8; 32]) -> Result<bool> {
        self.require_own_account(user)?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM password_resets WHERE user_id = $1 AND code_hash = $2 AND expires_at > $3",
            [user.into(), code_hash.to_vec().into(), self.now().into()],
        );
        Ok(self.execute_raw(statement).await?.rows_affected() > 0)
    }

    /// Takes away the code that a user may have to set a new password. For whom [`Session::account_of`] works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn drop_reset(&self, user: UserId) -> Result<()> {
        self.require_own_account(user)?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM password_resets WHERE user_id = $1",
            [user.into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Forgets codes that ended at `before` or earlier; says how many.
    ///
    /// # Errors
    /// From the database.
    pub async fn forget_resets(&self, before: DateTime<Utc>) -> Result<u64> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM password_resets WHERE expires_at <= $1",
            [before.into()],
        );
        Ok(self.execute_raw(statement).await?.rows_affected())
    }

    /// Refuses from now on the tokens of a provider that were issued to a user up to now. For whom
    /// [`Session::account_of`] works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn end_tokens(&self, user: UserId) -> Result<()> {
        self.require_own_account(user)?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO token_cutoffs (user_id, revoked_before) VALUES ($1, $2) \
             ON CONFLICT (user_id) DO UPDATE SET revoked_before = excluded.revoked_before",
            [user.into(), self.now().into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Revokes the keys of all programs that act as a user. For whom [`Session::account_of`] works.
    ///
    /// # Errors
    /// As [`Session::account_of`].
    pub async fn end_service_keys(&self, user: UserId) -> Result<()> {
        self.require_own_account(user)?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE service_keys SET revoked_at = $2 WHERE revoked_at IS NULL AND account_id IN \
             (SELECT id FROM service_accounts WHERE user_id = $1)",
            [user.into(), self.now().into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Removes who a user is to a provider.
    ///
    /// # Errors
    /// `FORBIDDEN`; from the database.
    pub async fn forget_identity(&self, identity: &Visible<user_identity::Model>) -> Result<()> {
        self.require_writer::<user_identity::Entity>()?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "DELETE FROM user_identities WHERE id = $1",
            [identity.id.into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }
}
