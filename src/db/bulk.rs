//! Writing the subtrees of many clients at once, for imports: one statement for all of them.

use std::collections::HashSet;

use entity::ClientId;
use sea_orm::{ActiveModelTrait, ActiveValue};

use super::scope::UnderClient;
use super::tx::{LockedClient, Tx};
use super::visible::Visible;
use crate::error::{Error, Result};

impl Tx {
    /// Adds rows to the subtrees of `clients`; each row names its client, which must be one of them.
    ///
    /// # Errors
    /// `INTERNAL` when a row names another client; `FORBIDDEN`, `CONFLICT`.
    pub async fn insert_across<E>(
        &self,
        clients: &[LockedClient],
        rows: Vec<E::ActiveModel>,
    ) -> Result<Vec<Visible<E::Model>>>
    where
        E: UnderClient,
    {
        let held: HashSet<sea_orm::sea_query::Value> =
            clients.iter().map(|client| id_value(client.id)).collect();
        for row in &rows {
            let (ActiveValue::Set(client) | ActiveValue::Unchanged(client)) = row.get(E::CLIENT_ID)
            else {
                return Err(Error::bug("a row names no client"));
            };
            if !held.contains(&client) {
                return Err(Error::bug("a row names a client that is not held"));
            }
        }
        self.insert_all::<E>(rows).await
    }
}

fn id_value(id: ClientId) -> sea_orm::Value {
    id.into()
}
