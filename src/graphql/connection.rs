//! Relay connections over scoped pages.

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use async_graphql::parser::types::{Field, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Context, Name, Object, Positioned, TypeName};
use entity::row::Picked;

use super::context::session;

use super::direct::{Direct, Ready, is_all_ready, ready, shows};
use super::pace::Listed;
use super::scalars::TotalCount;
use crate::db::{self, Asked, Cursor, Keyed, Page, PageRequest, ScopedSelect, Sort, Visible};
use crate::error::Result;

/// A GraphQL object that shows one row.
pub trait Node: Ready + From<Visible<<Self::Entity as sea_orm::EntityTrait>::Model>> {
    /// The table of the row.
    type Entity: Keyed;

    /// The columns that a field is made of; nothing when it takes the whole row.
    fn columns(field: &str) -> Option<Picked> {
        let _ = field;
        None
    }
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
    /// A page of `select`, of which no more is read than the request shows.
    ///
    /// # Errors
    /// As [`ScopedSelect::page`].
    pub async fn list(
        ctx: &Context<'_>,
        select: ScopedSelect<N::Entity>,
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<Self> {
        let page = select.clone().only(shown::<N>(ctx)).page(sort, request);
        let page = Arc::new(page.await?);
        let count: Counter = Arc::new(move || Box::pin(select.clone().count(TotalCount::CAP)));
        Ok(Self(Direct(Rows { page, count })))
    }

    /// A page of the children of `from`, read together with those of its siblings. `edge` names the edge;
    /// the binding of what is asked must name filter and order.
    ///
    /// # Errors
    /// As [`crate::db::Session::pages_of`].
    pub async fn children<M>(
        ctx: &Context<'_>,
        from: &Visible<M>,
        edge: &'static str,
        own: fn(&M) -> uuid::Uuid,
        asked: impl Future<Output = Result<Asked<N::Entity>>> + Send,
    ) -> Result<Self>
    where
        M: Send + Sync + 'static,
    {
        let at = ctx.item.pos;
        let asked = async {
            let mut asked = asked.await?;
            asked.children.select = asked.children.select.only(shown::<N>(ctx));
            Ok(asked)
        };
        let pages = session(ctx)?.pages_of(from, edge, at, own, asked).await?;
        let page = pages.page(own(from));
        let from = from.clone();
        let count: Counter = Arc::new(move || {
            let (pages, from) = (Arc::clone(&pages), from.clone());
            Box::pin(async move { pages.count(&from, edge, own).await })
        });
        Ok(Self(Direct(Rows { page, count })))
    }
}

/// The columns that the rows of a connection show in this request.
fn shown<N: Node>(ctx: &Context<'_>) -> Picked {
    let fragments = &ctx.query_env.fragments;
    let rows = |field: &Field| match field.name.node.as_str() {
        "nodes" => of_selection(fragments, &field.selection_set.node, &|field| {
            N::columns(field.name.node.as_str())
        }),
        "edges" => of_selection(fragments, &field.selection_set.node, &|field| match field
            .name
            .node
            .as_str()
        {
            "node" => of_selection(fragments, &field.selection_set.node, &|field| {
                N::columns(field.name.node.as_str())
            }),
            _ => Some(Picked::NONE),
        }),
        _ => Some(Picked::NONE),
    };
    of_selection(fragments, &ctx.item.node.selection_set.node, &rows).unwrap_or(Picked::ALL)
}

/// What all fields of a selection are made of together; nothing where that of one is not known.
fn of_selection(
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    selection: &SelectionSet,
    of_field: &dyn Fn(&Field) -> Option<Picked>,
) -> Option<Picked> {
    let mut picked = Picked::NONE;
    for item in &selection.items {
        let inner = match &item.node {
            Selection::Field(field) if field.node.name.node.as_str() == "__typename" => continue,
            Selection::Field(field) => {
                picked = picked.union(of_field(&field.node)?);
                continue;
            }
            Selection::InlineFragment(fragment) => &fragment.node.selection_set.node,
            Selection::FragmentSpread(spread) => {
                let fragment = fragments.get(&spread.node.fragment_name.node)?;
                &fragment.node.selection_set.node
            }
        };
        picked = picked.union(of_selection(fragments, inner, of_field)?);
    }
    Some(picked)
}

/// Says which columns fields are made of, so that a list reads no others. What is not named is made of all.
macro_rules! made_of {
    ($table:ident: $($($field:literal)|+ => $($column:ident)+;)+) => {
        fn columns(field: &str) -> Option<entity::row::Picked> {
            use entity::row::Picked;
            match field {
                $($($field)|+ => {
                    Some(const { Picked::NONE$(.and($table::Column::$column as usize))+ })
                })+
                _ => None,
            }
        }
    };
}
pub(super) use made_of;

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
