//! Service accounts on the wire: programs that use the API in the name of a user. A key is shown once, in
//! the answer to the mutation that makes it.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{
    ServiceAccountId, ServiceKeyId, ServiceScope, UserId, service_account, service_key, user,
};
use sea_orm::Order;

use super::context::{session, write};
use super::pace::Listed;
use super::scalars::{Date, DateTime};
use super::users::User;
use crate::db::{Children, Visible, read_scopes};
use crate::domain::service_accounts::{self, NewServiceAccount};
use crate::error::{Error, Result};

/// A program that uses the API as one of the users does, within its scopes. For administrators.
#[derive(Clone)]
pub struct ServiceAccount(pub Visible<service_account::Model>);

/// A program that uses the API as one of the users does, within its scopes. For administrators.
#[Object]
impl ServiceAccount {
    /// The id.
    async fn id(&self) -> ServiceAccountId {
        self.0.id
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// As whom it acts: it sees what they see, and what it does is done in their name.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        session(ctx)?
            .one_of::<user::Entity, _, _>(&self.0, "user", |row| Some(row.user_id))
            .await?
            .map(User)
            .ok_or_else(|| Error::not_found("user"))
    }

    /// What it may do, never more than the user it acts as.
    async fn scopes(&self) -> Vec<ServiceScope> {
        read_scopes(&self.0.scopes)
    }

    /// Its keys, latest first, those that ended too.
    async fn keys(&self, ctx: &Context<'_>) -> Result<Listed<ServiceKey>> {
        let session = session(ctx)?;
        let children = Children {
            parent: service_key::Column::AccountId,
            select: session
                .select::<service_key::Entity>()
                .order_by(service_key::Column::CreatedAt, Order::Desc)
                .order_by(service_key::Column::Id, Order::Desc),
        };
        let own = |account: &service_account::Model| account.id.0;
        let keys = session
            .all_of(&self.0, "keys", own, children, |key| key.account_id.0)
            .await?;
        Ok(keys.into_iter().map(ServiceKey).collect())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was closed; null while it is in use.
    async fn closed_at(&self) -> Option<DateTime> {
        self.0.closed_at.map(DateTime)
    }
}

/// A key of a service account, without its secret.
#[derive(Clone)]
pub struct ServiceKey(pub Visible<service_key::Model>);

/// A key of a service account, without its secret.
#[Object]
impl ServiceKey {
    /// The id; the key itself begins with `clientele_sk_` and the digits of it.
    async fn id(&self) -> ServiceKeyId {
        self.0.id
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it ends by itself.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }

    /// The last day it was used, in UTC; null when it never was.
    async fn last_used_on(&self) -> Option<Date> {
        self.0.last_used_on.map(Date)
    }

    /// When it was revoked; null when it was not.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }
}

/// Reading service accounts.
#[derive(Default)]
pub struct ServiceAccountQuery;

#[Object]
impl ServiceAccountQuery {
    /// The programs that use the API, by name; closed ones too, last. Administrators see them, others see none.
    async fn service_accounts(&self, ctx: &Context<'_>) -> Result<Listed<ServiceAccount>> {
        let mut accounts = session(ctx)?
            .select::<service_account::Entity>()
            .order_by(service_account::Column::Name, Order::Asc)
            .limit(1_000)
            .all()
            .await?;
        accounts.sort_by_key(|account| account.closed_at.is_some());
        Ok(accounts.into_iter().map(ServiceAccount).collect())
    }
}

/// A service account to make.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceAccountCreateInput {
    /// An id made by the caller (`service_account_` and a UUID, best of version 7). Sending the same again with it answers the account that is there.
    id: Option<ServiceAccountId>,
    /// What it is called, 1 to 100 characters, unique.
    name: String,
    /// As whom it acts. Best a user of its own, at its place in the tree.
    user_id: UserId,
    /// What it may do beside reading, which it always may.
    scopes: Vec<ServiceScope>,
}

/// Names a service account.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceAccountCloseInput {
    /// The account to close.
    id: ServiceAccountId,
}

/// A key to make.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceKeyCreateInput {
    /// Whose key.
    service_account_id: ServiceAccountId,
    /// When it ends by itself: in the future, at most two years from now; in a year, when absent.
    expires_at: Option<DateTime>,
}

/// Names a key.
#[derive(Clone, Debug, InputObject)]
pub struct ServiceKeyRevokeInput {
    /// The key to end.
    id: ServiceKeyId,
}

/// The service account after the change.
#[derive(SimpleObject)]
pub struct ServiceAccountPayload {
    /// The account.
    service_account: ServiceAccount,
}

/// A key that was made.
#[derive(SimpleObject)]
pub struct ServiceKeyCreatePayload {
    /// The key as it is listed.
    service_key: ServiceKey,
    /// The key itself, for the header `Authorization: Bearer`. It is shown this once and kept nowhere.
    secret: String,
}

/// The key after the change.
#[derive(SimpleObject)]
pub struct ServiceKeyPayload {
    /// The key.
    service_key: ServiceKey,
}

/// Keeping service accounts.
#[derive(Default)]
pub struct ServiceAccountMutation;

#[Object]
impl ServiceAccountMutation {
    /// Makes a service account, without keys. Administrators only.
    async fn service_account_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to make.")] input: ServiceAccountCreateInput,
    ) -> Result<ServiceAccountPayload> {
        let ServiceAccountCreateInput {
            id,
            name,
            user_id,
            scopes,
        } = input;
        let new = NewServiceAccount {
            id,
            name,
            user: user_id,
            scopes,
        };
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { service_accounts::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ServiceAccountPayload {
            service_account: ServiceAccount(row),
        })
    }

    /// Closes a service account for good; all its keys end with the next request. Administrators only.
    async fn service_account_close(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to close.")] input: ServiceAccountCloseInput,
    ) -> Result<ServiceAccountPayload> {
        let ServiceAccountCloseInput { id } = input;
        let row = write(ctx, move |tx| async move {
            service_accounts::close(&tx, id).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ServiceAccountPayload {
            service_account: ServiceAccount(row),
        })
    }

    /// Makes a key of a service account and shows it, this once: repeated with the same `Idempotency-Key` it makes none and shows none. Administrators only.
    async fn service_key_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose key, and until when.")] input: ServiceKeyCreateInput,
    ) -> Result<ServiceKeyCreatePayload> {
        let ServiceKeyCreateInput {
            service_account_id,
            expires_at,
        } = input;
        let expires_at = expires_at.map(|instant| instant.0);
        let made = write(ctx, move |tx| async move {
            service_accounts::make_key(&tx, service_account_id, expires_at).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        session(ctx)?.answers_secret();
        Ok(ServiceKeyCreatePayload {
            service_key: ServiceKey(made.key),
            secret: made.text,
        })
    }

    /// Ends a key with its next request. Administrators only.
    async fn service_key_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key to end.")] input: ServiceKeyRevokeInput,
    ) -> Result<ServiceKeyPayload> {
        let ServiceKeyRevokeInput { id } = input;
        let row = write(ctx, move |tx| async move {
            service_accounts::revoke_key(&tx, id).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(ServiceKeyPayload {
            service_key: ServiceKey(row),
        })
    }
}
