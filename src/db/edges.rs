//! Edges between rows, each loaded once for all siblings.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
use sea_orm::{ColumnTrait, IntoSimpleExpr, QueryFilter, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::cursor::PageRequest;
use super::scope::{self, Keyed, Scoped, Span};
use super::select::{CHUNK, Page, ScopedSelect, Sort, padded};
use super::session::Session;
use super::visible::Visible;
use crate::error::Result;

/// The rows of `E` under each of some parents: which column holds the parent's id, filtered how.
#[derive(Clone)]
pub struct Children<E: Scoped> {
    /// The column that holds the parent's id.
    pub parent: E::Column,
    /// Which children.
    pub select: ScopedSelect<E>,
}

/// The rows of `E` that a joined table ties to each of some parents.
#[derive(Clone)]
pub struct Through<E: Scoped> {
    /// The expression, of the joined table, that holds the parent's id.
    pub parent: Expr,
    /// Which rows, with the join.
    pub select: ScopedSelect<E>,
}

impl<E: Scoped> From<Children<E>> for Through<E> {
    fn from(children: Children<E>) -> Self {
        Self {
            parent: children.parent.into_simple_expr(),
            select: children.select,
        }
    }
}

impl Session {
    /// The row of `E` that `from` points at by `key`; nothing when `key` is nothing or the row is out of
    /// scope. `edge` names the edge.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `TIMEOUT` or `INTERNAL` from the database.
    pub async fn one_of<E, M, K>(
        &self,
        from: &Visible<M>,
        edge: &'static str,
        key: K,
    ) -> Result<Option<Visible<E::Model>>>
    where
        E: Keyed,
        M: Send + Sync + 'static,
        K: Fn(&M) -> Option<E::Id>,
    {
        let Some(wanted) = key(from) else {
            return Ok(None);
        };
        let found = from
            .shared(edge, |siblings| async move {
                let mut ids: Vec<E::Id> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                for id in siblings.iter().filter_map(|row| key(row)) {
                    if seen.insert(id) {
                        ids.push(id);
                    }
                }
                let mut found = HashMap::with_capacity(ids.len());
                for chunk in ids.chunks(CHUNK) {
                    let mut chunk = chunk.to_vec();
                    if let Some(last) = chunk.last().copied() {
                        chunk.resize(chunk.len().next_power_of_two(), last);
                    }
                    for row in self.select::<E>().ids(chunk).all().await? {
                        found.insert(E::id(&row), row);
                    }
                }
                Ok(found)
            })
            .await?;
        Ok(found.get(&wanted).cloned())
    }

    /// One page of children of `from`, read for all siblings in one statement.
    ///
    /// # Errors
    /// As [`ScopedSelect::page`].
    pub async fn page_of<E, M>(
        &self,
        from: &Visible<M>,
        edge: &'static str,
        own: impl Fn(&M) -> Uuid,
        children: impl Into<Through<E>>,
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<Arc<Page<E::Model>>>
    where
        E: Keyed,
        M: Send + Sync + 'static,
    {
        let wanted = own(from);
        let children = children.into();
        let name = format!("{edge}/{}", request.key());
        let pages = from
            .shared(&name, |siblings| async move {
                let parents = distinct(&siblings, own);
                let pages = children
                    .select
                    .pages(children.parent, parents, sort, request)
                    .await?;
                Ok(pages
                    .into_iter()
                    .map(|(owner, page)| (owner, Arc::new(page)))
                    .collect::<HashMap<Uuid, Arc<Page<E::Model>>>>())
            })
            .await?;
        Ok(pages.get(&wanted).cloned().unwrap_or_default())
    }

    /// All children of `from`, read for all siblings in one statement, in the order of `children`. For
    /// edges that are small by nature, such as the lines of an order.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `TIMEOUT` or `INTERNAL` from the database.
    pub async fn all_of<E, M>(
        &self,
        from: &Visible<M>,
        edge: &str,
        own: impl Fn(&M) -> Uuid,
        children: Children<E>,
        parent_of: impl Fn(&E::Model) -> Uuid,
    ) -> Result<Vec<Visible<E::Model>>>
    where
        E: Scoped,
        M: Send + Sync + 'static,
    {
        let wanted = own(from);
        let groups = from
            .shared(edge, |siblings| async move {
                let parents = distinct(&siblings, own);
                let mut groups: HashMap<Uuid, Vec<Visible<E::Model>>> = HashMap::new();
                for chunk in parents.chunks(CHUNK) {
                    let rows = children
                        .select
                        .clone()
                        .few()
                        .filter(children.parent.is_in(padded(chunk)))
                        .all()
                        .await?;
                    for row in rows {
                        groups.entry(parent_of(&row)).or_default().push(row);
                    }
                }
                Ok(groups)
            })
            .await?;
        Ok(groups.get(&wanted).cloned().unwrap_or_default())
    }

    /// How many children `from` has, counted for all siblings in one statement.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `TIMEOUT` or `INTERNAL` from the database.
    pub async fn count_of<E, M>(
        &self,
        from: &Visible<M>,
        edge: &str,
        own: impl Fn(&M) -> Uuid,
        children: impl Into<Through<E>>,
    ) -> Result<u64>
    where
        E: Scoped,
        M: Send + Sync + 'static,
    {
        let wanted = own(from);
        let children = children.into();
        let counts = from
            .shared(&format!("{edge}#count"), |siblings| async move {
                let parents = distinct(&siblings, own);
                let mut counts: HashMap<Uuid, u64> = HashMap::new();
                for chunk in parents.chunks(CHUNK) {
                    counts.extend(self.grouped_counts(&children, padded(chunk)).await?);
                }
                Ok(counts)
            })
            .await?;
        Ok(counts.get(&wanted).copied().unwrap_or_default())
    }

    async fn grouped_counts<E: Scoped>(
        &self,
        children: &Through<E>,
        parents: Vec<Uuid>,
    ) -> Result<Vec<(Uuid, u64)>> {
        let mut condition = children
            .select
            .condition
            .clone()
            .add(children.parent.clone().is_in(parents));
        if let Some(scope) = scope::condition::<E>(self.viewer(), self.now(), Span::Few) {
            condition = condition.add(scope);
        }
        let mut statement = E::find().select_only().filter(condition).into_query();
        for (table, on) in &children.select.joins {
            statement.inner_join(Alias::new(*table), on.clone());
        }
        statement
            .expr_as(children.parent.clone(), Alias::new("parent_"))
            .expr_as(Func::count(Expr::cust("*")), Alias::new("count_"))
            .add_group_by([children.parent.clone()]);
        self.query_all(&statement)
            .await?
            .iter()
            .map(|row| {
                let count: i64 = row.try_get("", "count_")?;
                Ok((
                    row.try_get("", "parent_")?,
                    u64::try_from(count).unwrap_or_default(),
                ))
            })
            .collect()
    }
}

fn distinct<M>(siblings: &[Arc<M>], own: impl Fn(&M) -> Uuid) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = siblings.iter().map(|row| own(row)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
