//! Long lists, row by row: nothing but the present row is held in memory.

use entity::EntityId;
use futures_util::TryStreamExt;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbBackend, FromQueryResult, Order, StreamTrait};

use super::scope::{Keyed, Scoped};
use super::select::ScopedSelect;
use super::session::Session;
use crate::error::{Error, Result};

impl<E: Scoped> ScopedSelect<E> {
    /// Hands every row in scope to `each`, in the order of `keys`, then of the orders given before; says how
    /// many there were. Only within [`Session::at_one_moment`].
    ///
    /// # Errors
    /// What `each` fails with; `UNAVAILABLE`, `TIMEOUT` or `INTERNAL` from the database.
    pub async fn each_by(
        self,
        keys: &[Expr],
        mut each: impl FnMut(E::Model) -> Result<()>,
    ) -> Result<u64> {
        let session = self.session.clone();
        let Some(unit) = &session.within else {
            return Err(Error::bug("a long list is read at one moment"));
        };
        let mut statement = self.bare_statement();
        for key in keys {
            statement.order_by_expr(key.clone(), Order::Asc);
        }
        self.add_order(&mut statement);
        let transaction = unit.transaction().await?;
        let statement = session.backend().build(&statement);
        let mut rows = std::pin::pin!(transaction.stream_raw(statement).await?);
        let mut count = 0_u64;
        while let Some(row) = rows.try_next().await? {
            each(E::Model::from_query_result(&row, "")?)?;
            count += 1;
        }
        Ok(count)
    }
}

impl Session {
    /// What a row of `E` is called outside: its `external_id`, else its id as it is written on the wire. Sorts
    /// by bytes on both databases.
    pub fn name_outside<E: Keyed>(&self) -> Expr
    where
        E::Id: EntityId,
    {
        let table = E::default().table_name().to_owned();
        let prefix = <E::Id as EntityId>::PREFIX;
        Expr::cust(if self.backend() == DbBackend::Postgres {
            format!(
                "(COALESCE({table}.external_id, '{prefix}_' || {table}.id::text) COLLATE \"C\")"
            )
        } else {
            let hex = format!("lower(hex({table}.id))");
            let parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)]
                .map(|(from, length)| format!("substr({hex}, {from}, {length})"));
            format!(
                "COALESCE({table}.external_id, '{prefix}_' || {})",
                parts.join(" || '-' || ")
            )
        })
    }
}

/// That the column `from` of one table holds what `target` of another does, for a join.
pub fn points_at<C: ColumnTrait>(from: C, target: impl ColumnTrait) -> Expr {
    Expr::col(from.as_column_ref()).equals(target.as_column_ref())
}
