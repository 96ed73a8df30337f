//! What a phone should hold of a table, by id and version alone: what it compares itself with.

use sea_orm::sea_query::{Condition, Query};
use sea_orm::{ColumnTrait, IntoSimpleExpr, Order, Value};
use uuid::Uuid;

use super::super::scope::{self, Span, Versioned};
use super::super::session::Session;
use crate::error::Result;

impl Session {
    /// The ids and versions of the rows of `E` in scope that meet `condition`, those after an id, in the order of
    /// ids; at most `limit`.
    ///
    /// # Errors
    /// From the database.
    pub async fn manifest<E: Versioned>(
        &self,
        condition: Condition,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<(Uuid, i64)>> {
        let mut all = condition;
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now(), Span::Whole) {
            all = all.add(scope);
        }
        if let Some(after) = after {
            all = all.add(E::ID.gt(Value::from(after)));
        }
        let mut statement = Query::select();
        statement
            .expr_as(E::ID.into_simple_expr(), "manifest_id")
            .expr_as(E::VERSION.into_simple_expr(), "manifest_version")
            .from(E::default())
            .cond_where(all)
            .order_by_expr(E::ID.into_simple_expr(), Order::Asc)
            .limit(limit);
        self.query_all(&statement)
            .await?
            .iter()
            .map(|row| {
                Ok((
                    row.try_get("", "manifest_id")?,
                    row.try_get("", "manifest_version")?,
                ))
            })
            .collect()
    }
}
