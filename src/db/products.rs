//! Holding products while an order is written with them.

use entity::{ProductId, product};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, Order, QueryFilter, QueryOrder, QueryTrait};

use super::select::decode_all;
use super::tx::Tx;
use super::visible::Visible;
use crate::error::Result;

impl Tx {
    /// The products with these ids as they are now, held with others that read them until the transaction
    /// ends: nobody changes, archives or withdraws one meanwhile. In one statement and in the order of their
    /// ids, so that two such transactions cannot wait for each other; take the client before, stock after.
    /// Those that do not exist are missing.
    ///
    /// # Errors
    /// From the database; `UNAVAILABLE` when one is being changed for too long.
    pub async fn share_products(&self, ids: &[ProductId]) -> Result<Vec<Visible<product::Model>>> {
        let mut statement = product::Entity::find()
            .filter(product::Column::Id.is_in(ids.iter().copied()))
            .order_by(product::Column::Id, Order::Asc)
            .into_query();
        if self.backend() == DbBackend::Postgres {
            statement.lock(LockType::Share);
        }
        let rows = self.query_all(&statement).await?;
        Ok(Visible::family(decode_all::<product::Entity>(&rows)?))
    }
}
