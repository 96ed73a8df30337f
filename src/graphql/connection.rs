//! Relay connections over scoped pages.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use async_graphql::parser::types::{Field, SelectionSet};
use async_graphql::{Object, TypeName};

use super::direct::{Direct, Ready, is_all_ready, ready, shows};
use super::pace::Listed;
use super::scalars::TotalCount;
use crate::db::{
    self, Cursor, Keyed, Page, PageRequest, ScopedSelect, Session, Sort, Through, Visible,
};
use crate::error::Result;

/// A GraphQL object that shows one row.
pub trait Node: Ready + From<Visible<<Self::Entity as sea_orm::EntityTrait>::Model>> {
    /// The table of the row.
    type Entity: Keyed;
}

type Row<N> = <<N as Node>::Entity as sea_orm::EntityTrait>::Model;
type Counting = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;
type Counter = Arc<dyn Fn() -> Counting + Send + Sync>;

/// One page of a list.
pub struct Connection<N: Node>(Direct<Rows<N>>);

shows!(Connection<N> as Direct<Rows<N>> where N: Node);

/// What a connection shows.
struct Rows<N: Node> {
    page: Arc<Page<Row<N>>>,
    count: Counter,
}

impl<N: Node> Connection<N> {
    /// A page of `select`.
    ///
    /// # Errors
    /// As [`ScopedSelect::page`].
    pub async fn list(
        select: ScopedSelect<N::Entity>,
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<Self> {
        let page = Arc::new(select.clone().page(sort, request).await?);
        let count: Counter = Arc::new(move || Box::pin(select.clone().count(TotalCount::CAP)));
        Ok(Self(Direct(Rows { page, count })))
    }

    /// A page of the children of `from`, read together with those of its siblings. `edge` names the edge;
    /// the request's binding must name filter and order.
    ///
    /// # Errors
    /// As [`Session::page_of`].
    pub async fn children<M>(
        session: &Session,
        from: &Visible<M>,
        edge: &'static str,
        own: fn(&M) -> uuid::Uuid,
        children: impl Into<Through<N::Entity>>,
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<Self>
    where
        M: Send + Sync + 'static,
    {
        let children: Through<N::Entity> = children.into();
        let page = session
            .page_of(from, edge, own, children.clone(), sort, request)
            .await?;
        let name = format!("{edge}/{}", request.binding());
        let (session, from) = (session.clone(), from.clone());
        let count: Counter = Arc::new(move || {
            let (session, from) = (session.clone(), from.clone());
            let (children, name) = (children.clone(), name.clone());
            Box::pin(async move { session.count_of(&from, &name, own, children).await })
        });
        Ok(Self(Direct(Rows { page, count })))
    }
}

impl<N: Node> Rows<N> {
    /// Whether what is selected of each row is at hand.
    fn is_all_ready(&self, selection: &SelectionSet) -> bool {
        // Rows of one list are all alike.
        self.page
            .edges
            .first()
            .is_none_or(|edge| is_all_ready(&N::from(edge.node.clone()), selection))
    }
}

impl<N: Node> Ready for Rows<N> {
    fn is_ready(&self, field: &Field) -> bool {
        let selection = &field.selection_set.node;
        match field.name.node.as_str() {
            "nodes" => self.is_all_ready(selection),
            "edges" => self
                .page
                .edges
                .first()
                .is_none_or(|edge| is_all_ready(&Edge::<N>(edge.clone()), selection)),
            "pageInfo" => true,
            _ => false,
        }
    }
}

impl<N: Node> TypeName for Rows<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

/// One page of a list, in the form of the Relay cursor connections specification.
#[Object(name_type)]
impl<N: Node> Rows<N> {
    /// The rows of this page, each with its cursor.
    async fn edges(&self) -> Listed<Direct<Edge<N>>> {
        self.page
            .edges
            .iter()
            .map(|edge| Direct(Edge(edge.clone())))
            .collect()
    }

    /// The rows of this page without cursors.
    async fn nodes(&self) -> Listed<Direct<N>> {
        self.page
            .edges
            .iter()
            .map(|edge| Direct(N::from(edge.node.clone())))
            .collect()
    }

    /// Where this page stands in the list.
    async fn page_info(&self) -> Direct<PageInfo> {
        let edges = &self.page.edges;
        Direct(PageInfo {
            has_next_page: self.page.has_next_page,
            has_previous_page: self.page.has_previous_page,
            start: edges.first().map(|edge| edge.cursor.clone()),
            end: edges.last().map(|edge| edge.cursor.clone()),
        })
    }

    /// How many rows the whole list has with this filter. Counted only when asked for, up to 10,000; 10001 stands for "more than 10,000".
    async fn total_count(&self) -> Option<Result<TotalCount>> {
        Some((self.count)().await.map(TotalCount))
    }
}

/// One row of a page with its cursor.
pub struct Edge<N: Node>(db::Edge<Row<N>>);

impl<N: Node> Ready for Edge<N> {
    fn is_ready(&self, field: &Field) -> bool {
        match field.name.node.as_str() {
            "cursor" => true,
            "node" => is_all_ready(&N::from(self.0.node.clone()), &field.selection_set.node),
            _ => false,
        }
    }
}

impl<N: Node> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

/// One row of a page with its cursor.
#[Object(name_type)]
impl<N: Node> Edge<N> {
    /// Where the row stands in the list; pass it as `after` or `before` to read on from here.
    async fn cursor(&self) -> Result<String> {
        self.0.cursor.text()
    }

    /// The row.
    async fn node(&self) -> Direct<N> {
        Direct(N::from(self.0.node.clone()))
    }
}

/// Where a page stands in its list.
#[derive(Clone, Debug)]
pub struct PageInfo {
    has_next_page: bool,
    has_previous_page: bool,
    start: Option<Cursor>,
    end: Option<Cursor>,
}

/// Where a page stands in its list.
#[Object]
impl PageInfo {
    /// Whether rows follow this page.
    async fn has_next_page(&self) -> bool {
        self.has_next_page
    }

    /// Whether rows come before this page.
    async fn has_previous_page(&self) -> bool {
        self.has_previous_page
    }

    /// The cursor of the first row of the page; null when the page is empty.
    async fn start_cursor(&self) -> Option<Result<String>> {
        self.start.as_ref().map(Cursor::text)
    }

    /// The cursor of the last row of the page; null when the page is empty.
    async fn end_cursor(&self) -> Option<Result<String>> {
        self.end.as_ref().map(Cursor::text)
    }
}

ready!(PageInfo: "hasNextPage" | "hasPreviousPage" | "startCursor" | "endCursor";);

/// What binds the cursors of a list: its name, its order and its filter.
pub fn binding(list: &str, filter: &impl std::fmt::Debug, order: &impl std::fmt::Debug) -> String {
    let text = format!("{filter:?}/{order:?}");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut binding = String::with_capacity(list.len() + 33);
    binding.push_str(list);
    binding.push('/');
    for byte in digest.as_ref().iter().take(16) {
        binding.push_str(&format!("{byte:02x}"));
    }
    binding
}
