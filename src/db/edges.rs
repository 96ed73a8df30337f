//! Edges between rows, each loaded once for all siblings.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, Func};
use sea_orm::{IntoSimpleExpr, QueryFilter, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::cursor::PageRequest;
use super::dialect;
use super::scope::{self, Keyed, Scoped, Span};
use super::select::{CHUNK, Page, ScopedSelect, Sort};
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

/// What is asked of the children of each of some rows.
pub struct Asked<E: Scoped> {
    /// Which rows.
    pub children: Through<E>,
    /// In which order.
    pub sort: Sort,
    /// How many, and from where on.
    pub request: PageRequest,
}

impl<E: Scoped> Asked<E> {
    /// Asks for a page of `children`.
    pub fn new(children: impl Into<Through<E>>, sort: Sort, request: PageRequest) -> Self {
        Self {
            children: children.into(),
            sort,
            request,
        }
    }

    fn key(&self) -> String {
        format!("{}/{:?}", self.request.key(), self.children.select.picked)
    }
}

/// A page of children for each of some rows.
pub struct Pages<E: Scoped> {
    asked: Asked<E>,
    pages: Arc<HashMap<Uuid, Arc<Page<E::Model>>>>,
}

impl<E: Keyed> Pages<E> {
    /// The page of the row with the id `own`.
    pub fn page(&self, own: Uuid) -> Arc<Page<E::Model>> {
        self.pages.get(&own).cloned().unwrap_or_default()
    }

    /// How many children `from` has on all pages, counted for all siblings in one statement. `edge` names the edge.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `TIMEOUT` or `INTERNAL` from the database.
    pub async fn count<M>(
        &self,
        from: &Visible<M>,
        edge: &str,
        own: impl Fn(&M) -> Uuid,
    ) -> Result<u64>
    where
        M: Send + Sync + 'static,
    {
        let name = format!("{edge}/{}", self.asked.request.binding());
        let children = self.asked.children.clone();
        let session = children.select.session.clone();
        session.count_of(from, &name, own, children).await
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
                    for row in self.select::<E>().ids(chunk.iter().copied()).all().await? {
                        found.insert(E::id(&row), row);
                    }
                }
                Ok(found)
            })
            .await?;
        Ok(found.get(&wanted).cloned())
    }

    /// Pages of the children of `from` and of its siblings, read for all of them in one statement. `place` tells
    /// where in the request they are asked for: what `asked` makes of it is worked out once for all siblings.
    ///
    /// # Errors
    /// What `asked` fails with; else as [`ScopedSelect::page`].
    pub async fn pages_of<E, M>(
        &self,
        from: &Visible<M>,
        edge: &'static str,
        place: impl std::fmt::Display,
        own: impl Fn(&M) -> Uuid + Send,
        asked: impl Future<Output = Result<Asked<E>>> + Send,
    ) -> Result<Arc<Pages<E>>>
    where
        E: Keyed,
        M: Send + Sync + 'static,
    {
        let place = format!("{edge}@{place}");
        if let Some(pages) = from.made(&place) {
            return pages;
        }
        // Boxed: it is made for each sibling, and runs for one.
        Box::pin(from.shared(&place, |_| async move {
            let asked = asked.await?;
            // The same may be asked for in several places.
            let name = format!("{edge}/{}", asked.key());
            let Through { parent, select } = asked.children.clone();
            let (sort, request) = (&asked.sort, &asked.request);
            let pages = from
                .shared(&name, |siblings| async move {
                    let parents = distinct(&siblings, own);
                    let pages = select.pages(parent, parents, sort, request).await?;
                    Ok(pages
                        .into_iter()
                        .map(|(owner, page)| (owner, Arc::new(page)))
                        .collect::<HashMap<Uuid, Arc<Page<E::Model>>>>())
                })
                .await?;
            Ok(Pages { asked, pages })
        }))
        .await
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
        children: impl FnOnce() -> Children<E> + Send,
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
                let children = children();
                let mut groups: HashMap<Uuid, Vec<Visible<E::Model>>> = HashMap::new();
                for chunk in parents.chunks(CHUNK) {
                    let parent = children.parent.into_simple_expr();
                    let rows = children
                        .select
                        .clone()
                        .few()
                        .filter(dialect::among(self.backend(), parent, chunk))
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
                    counts.extend(self.grouped_counts(&children, chunk).await?);
                }
                Ok(counts)
            })
            .await?;
        Ok(counts.get(&wanted).copied().unwrap_or_default())
    }

    async fn grouped_counts<E: Scoped>(
        &self,
        children: &Through<E>,
        parents: &[Uuid],
    ) -> Result<Vec<(Uuid, u64)>> {
        let parent = children.parent.clone();
        let mut condition =
            children
                .select
                .condition
                .clone()
                .add(dialect::among(self.backend(), parent, parents));
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
