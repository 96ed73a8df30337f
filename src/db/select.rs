//! Scoped reads. A [`ScopedSelect`] is built up by filters and orders of the caller; the scope is added
//! last, when it runs, so that no filter can widen it.

use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Func, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, IntoSimpleExpr, QueryFilter, QueryResult, QueryTrait,
};

use super::cursor::{self, KeyValue, PageRequest, PageSize, Position};
use super::scope::{self, Keyed, Scoped};
use super::session::Session;
use super::visible::Visible;
use crate::error::{Error, Result};

/// What kind of value a sort key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Text.
    Text,
    /// A whole number of 64 bits.
    Number,
    /// A day.
    Day,
    /// An instant.
    Instant,
}

/// One expression to sort by; never NULL (wrap what may be NULL in COALESCE).
#[derive(Clone, Debug)]
pub struct SortKey {
    /// The expression.
    pub expr: Expr,
    /// The kind of its value.
    pub kind: KeyKind,
}

impl SortKey {
    /// A column that is never NULL.
    pub fn column<C: ColumnTrait>(column: C, kind: KeyKind) -> Self {
        Self {
            expr: column.into_simple_expr(),
            kind,
        }
    }
}

/// An order of rows: some keys, then the id, all in one direction, so that a page starts by one row-value
/// comparison.
#[derive(Clone, Debug)]
pub struct Sort {
    /// The keys, most significant first.
    pub keys: Vec<SortKey>,
    /// Up or down, for all of them and the id.
    pub direction: Order,
}

impl Sort {
    /// Smallest first.
    pub fn ascending(keys: Vec<SortKey>) -> Self {
        Self {
            keys,
            direction: Order::Asc,
        }
    }

    /// Largest first.
    pub fn descending(keys: Vec<SortKey>) -> Self {
        Self {
            keys,
            direction: Order::Desc,
        }
    }
}

/// One row of a page with its place.
#[derive(Debug)]
pub struct Edge<M> {
    /// Where the row stands; pass it as `after` or `before`.
    pub cursor: String,
    /// The row.
    pub node: Visible<M>,
}

impl<M> Clone for Edge<M> {
    fn clone(&self) -> Self {
        Self {
            cursor: self.cursor.clone(),
            node: self.node.clone(),
        }
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<M> {
    /// The rows, in order.
    pub edges: Vec<Edge<M>>,
    /// Whether more follow.
    pub has_next_page: bool,
    /// Whether some come before.
    pub has_previous_page: bool,
}

impl<M> Clone for Page<M> {
    fn clone(&self) -> Self {
        Self {
            edges: self.edges.clone(),
            has_next_page: self.has_next_page,
            has_previous_page: self.has_previous_page,
        }
    }
}

impl<M> Default for Page<M> {
    fn default() -> Self {
        Self {
            edges: Vec::new(),
            has_next_page: false,
            has_previous_page: false,
        }
    }
}

/// A query on one table that cannot run without its scope.
#[derive(Clone)]
pub struct ScopedSelect<E: Scoped> {
    pub(super) session: Session,
    pub(super) condition: Condition,
    pub(super) joins: Vec<(&'static str, Expr)>,
    order: Vec<(Expr, Order)>,
    limit: Option<u64>,
    entity: std::marker::PhantomData<E>,
}

pub(super) const CHUNK: usize = 10_000;
const ROW_NUMBER: &str = "row_number_";
const PARENT: &str = "parent_";

impl<E: Scoped> ScopedSelect<E> {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            condition: Condition::all(),
            joins: Vec::new(),
            order: Vec::new(),
            limit: None,
            entity: std::marker::PhantomData,
        }
    }

    /// Keeps rows that meet `condition` too.
    #[must_use]
    pub fn filter(mut self, condition: impl sea_orm::sea_query::IntoCondition) -> Self {
        self.condition = self.condition.add(condition.into_condition());
        self
    }

    /// Joins `table`, at most one row of it per row here, for orders that need it.
    #[must_use]
    pub fn join(mut self, table: &'static str, on: Expr) -> Self {
        if !self.joins.iter().any(|(joined, _)| *joined == table) {
            self.joins.push((table, on));
        }
        self
    }

    /// Sorts by `column`, after the orders given before.
    #[must_use]
    pub fn order_by(mut self, column: E::Column, order: Order) -> Self {
        self.order.push((column.into_simple_expr(), order));
        self
    }

    /// At most `limit` rows.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// All rows, in order.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `TIMEOUT` or `INTERNAL` from the database.
    pub async fn all(self) -> Result<Vec<Visible<E::Model>>> {
        let statement = self.statement();
        let rows = self.session.query_all(&statement).await?;
        Ok(Visible::family(decode_all::<E>(&rows)?))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn find(self) -> Result<Option<Visible<E::Model>>> {
        let rows = self.limit(1).all().await?;
        Ok(rows.into_iter().next())
    }

    /// The first row.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none in scope; else as [`Self::all`].
    pub async fn get(self) -> Result<Visible<E::Model>> {
        self.find().await?.ok_or_else(|| Error::not_found(E::NAME))
    }

    /// How many rows, counted up to `cap`.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn count(self, cap: u64) -> Result<u64> {
        let session = self.session.clone();
        let mut inner = self.limit(cap).bare_statement();
        inner.clear_selects().expr(Expr::val(1));
        let mut outer = Query::select();
        outer
            .expr_as(Func::count(Expr::cust("*")), Alias::new("count_"))
            .from_subquery(inner, Alias::new("rows_"));
        let row = session.query_one(&outer).await?;
        let count: i64 = match row {
            Some(row) => row.try_get("", "count_")?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Whether there is any row.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn exists(self) -> Result<bool> {
        Ok(self.count(1).await? > 0)
    }

    /// The query with scope, before order and limit are rendered.
    pub(super) fn bare_statement(&self) -> SelectStatement {
        let mut condition = self.condition.clone();
        let session = &self.session;
        if let Some(scope) = scope::condition::<E>(session.viewer(), session.now()) {
            condition = condition.add(scope);
        }
        let mut statement = E::find().filter(condition).into_query();
        for (table, on) in &self.joins {
            statement.left_join(Alias::new(*table), on.clone());
        }
        if let Some(limit) = self.limit {
            statement.limit(limit);
        }
        statement
    }

    fn statement(&self) -> SelectStatement {
        let mut statement = self.bare_statement();
        self.add_order(&mut statement);
        statement
    }

    pub(super) fn add_order(&self, statement: &mut SelectStatement) {
        for (expr, order) in &self.order {
            statement.order_by_expr(expr.clone(), order.clone());
        }
    }
}

impl<E: Keyed> ScopedSelect<E> {
    /// Keeps the row with this id.
    #[must_use]
    pub fn id(self, id: E::Id) -> Self {
        self.filter(E::ID.eq(id))
    }

    /// Keeps the rows with these ids.
    #[must_use]
    pub fn ids(self, ids: impl IntoIterator<Item = E::Id>) -> Self {
        self.filter(E::ID.is_in(ids))
    }

    /// One page.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` with rule `BAD_CURSOR` for a cursor of elsewhere; else as [`Self::all`].
    pub async fn page(self, sort: &Sort, request: &PageRequest) -> Result<Page<E::Model>> {
        let plan = Plan::new::<E>(&self.session, sort, request)?;
        let session = self.session.clone();
        let statement = self.paged(&plan);
        let rows = session.query_all(&statement).await?;
        let positions = plan.positions::<E>(&rows)?;
        let nodes = Visible::family(decode_all::<E>(&rows)?);
        plan.page(&session, positions.into_iter().zip(nodes).collect())
    }

    fn paged(&self, plan: &Plan<'_>) -> SelectStatement {
        let mut statement = self.bare_statement();
        plan.restrict(&mut statement);
        plan.select_keys(&mut statement);
        plan.order(&mut statement);
        statement.limit(plan.fetch());
        statement
    }

    #[cfg(test)]
    pub(super) fn page_statement(
        &self,
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<SelectStatement> {
        Ok(self.paged(&Plan::new::<E>(&self.session, sort, request)?))
    }

    #[cfg(test)]
    pub(super) fn pages_statement(
        &self,
        parent: E::Column,
        parents: &[uuid::Uuid],
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<SelectStatement> {
        let plan = Plan::new::<E>(&self.session, sort, request)?;
        Ok(self.paged_by(&parent.into_simple_expr(), parents, &plan))
    }

    /// One page per parent, for all `parents` in one statement. `parent` is what holds the
    /// parent's id. Rows of all parents are siblings.
    pub(super) async fn pages(
        self,
        parent: Expr,
        parents: Vec<uuid::Uuid>,
        sort: &Sort,
        request: &PageRequest,
    ) -> Result<Vec<(uuid::Uuid, Page<E::Model>)>> {
        let plan = Plan::new::<E>(&self.session, sort, request)?;
        let session = self.session.clone();
        let mut found = Vec::new();
        for chunk in parents.chunks(CHUNK) {
            let outer = self.paged_by(&parent, chunk, &plan);
            found.extend(session.query_all(&outer).await?);
        }
        let mut owners: Vec<uuid::Uuid> = Vec::with_capacity(found.len());
        for row in &found {
            owners.push(row.try_get("", PARENT)?);
        }
        let positions = plan.positions::<E>(&found)?;
        let nodes = Visible::family(decode_all::<E>(&found)?);
        let mut groups: Vec<(uuid::Uuid, Vec<Placed<E::Model>>)> = Vec::new();
        for ((owner, position), node) in owners.into_iter().zip(positions).zip(nodes) {
            match groups.last_mut() {
                Some((last, rows)) if *last == owner => rows.push((position, node)),
                _ => groups.push((owner, vec![(position, node)])),
            }
        }
        groups
            .into_iter()
            .map(|(owner, rows)| Ok((owner, plan.page(&session, rows)?)))
            .collect()
    }

    fn paged_by(&self, parent: &Expr, parents: &[uuid::Uuid], plan: &Plan<'_>) -> SelectStatement {
        let mut inner = self
            .clone()
            .filter(parent.clone().is_in(padded(parents)))
            .bare_statement();
        plan.restrict(&mut inner);
        plan.select_keys(&mut inner);
        inner.expr_as(parent.clone(), Alias::new(PARENT));
        inner.expr_window_as(
            Expr::cust("ROW_NUMBER()"),
            plan.window(parent.clone()),
            Alias::new(ROW_NUMBER),
        );
        let mut outer = Query::select();
        outer
            .column(sea_orm::sea_query::Asterisk)
            .from_subquery(inner, Alias::new("ranked_"))
            .and_where(
                Expr::col(Alias::new(ROW_NUMBER))
                    .lte(i64::try_from(plan.fetch()).unwrap_or(i64::MAX)),
            )
            .order_by(Alias::new(PARENT), Order::Asc)
            .order_by(Alias::new(ROW_NUMBER), Order::Asc);
        outer
    }
}

/// A list of ids, repeated up to the next power of two: few statement shapes, so that prepared statements
/// are found again.
pub(super) fn padded(ids: &[uuid::Uuid]) -> Vec<uuid::Uuid> {
    let mut list = ids.to_vec();
    if let Some(last) = list.last().copied() {
        list.resize(ids.len().next_power_of_two(), last);
    }
    list
}

pub(super) fn decode_all<E: EntityTrait>(rows: &[QueryResult]) -> Result<Vec<E::Model>> {
    rows.iter()
        .map(|row| Ok(E::Model::from_query_result(row, "")?))
        .collect()
}

/// A row with its place.
type Placed<M> = (Position, Visible<M>);

/// How a page is read: which way, from where, how many.
struct Plan<'a> {
    sort: &'a Sort,
    id: Expr,
    after: Option<Position>,
    before: Option<Position>,
    size: u64,
    backward: bool,
    binding: &'a str,
}

impl<'a> Plan<'a> {
    fn new<E: Keyed>(session: &Session, sort: &'a Sort, request: &'a PageRequest) -> Result<Self> {
        let position = |field: &str, cursor: &Option<String>| {
            let Some(cursor) = cursor else {
                return Ok(None);
            };
            session
                .decode_cursor(&request.binding, field, cursor)
                .map(Some)
        };
        let (size, backward) = match request.size {
            PageSize::First(size) => (size, false),
            PageSize::Last(size) => (size, true),
        };
        Ok(Self {
            sort,
            id: E::ID.into_simple_expr(),
            after: position("after", &request.after)?,
            before: position("before", &request.before)?,
            size,
            backward,
            binding: &request.binding,
        })
    }

    /// One row more than asked for tells whether there are more.
    fn fetch(&self) -> u64 {
        self.size.saturating_add(1)
    }

    fn ascending(&self) -> bool {
        matches!(self.sort.direction, Order::Asc) != self.backward
    }

    fn restrict(&self, statement: &mut SelectStatement) {
        let rising = matches!(self.sort.direction, Order::Asc);
        for (position, beyond) in [(&self.after, rising), (&self.before, !rising)] {
            let Some(Position(keys, id)) = position else {
                continue;
            };
            let columns = self.sort.keys.iter().map(|key| key.expr.clone());
            let row = Expr::tuple(columns.chain([self.id.clone()]));
            let values = keys.iter().cloned().map(Expr::val);
            let bound = Expr::tuple(values.chain([Expr::val(*id)]));
            statement.and_where(if beyond { row.gt(bound) } else { row.lt(bound) });
        }
    }

    fn select_keys(&self, statement: &mut SelectStatement) {
        for (at, key) in self.sort.keys.iter().enumerate() {
            statement.expr_as(key.expr.clone(), Alias::new(format!("key_{at}_")));
        }
    }

    fn order(&self, statement: &mut SelectStatement) {
        let order = if self.ascending() {
            Order::Asc
        } else {
            Order::Desc
        };
        for key in &self.sort.keys {
            statement.order_by_expr(key.expr.clone(), order.clone());
        }
        statement.order_by_expr(self.id.clone(), order);
    }

    fn window(&self, partition: Expr) -> sea_orm::sea_query::WindowStatement {
        let order = if self.ascending() {
            Order::Asc
        } else {
            Order::Desc
        };
        let mut window = sea_orm::sea_query::WindowStatement::new();
        sea_orm::sea_query::OverStatement::add_partition_by(&mut window, partition);
        for key in &self.sort.keys {
            sea_orm::sea_query::OrderedStatement::order_by_expr(
                &mut window,
                key.expr.clone(),
                order.clone(),
            );
        }
        sea_orm::sea_query::OrderedStatement::order_by_expr(&mut window, self.id.clone(), order);
        window
    }

    fn positions<E: Keyed>(&self, rows: &[QueryResult]) -> Result<Vec<Position>> {
        rows.iter()
            .map(|row| {
                let mut keys = Vec::with_capacity(self.sort.keys.len());
                for (at, key) in self.sort.keys.iter().enumerate() {
                    let name = format!("key_{at}_");
                    keys.push(match key.kind {
                        KeyKind::Text => KeyValue::Text(row.try_get("", &name)?),
                        KeyKind::Number => KeyValue::Number(row.try_get("", &name)?),
                        KeyKind::Day => KeyValue::Day(row.try_get("", &name)?),
                        KeyKind::Instant => KeyValue::Instant(row.try_get("", &name)?),
                    });
                }
                let id: uuid::Uuid = row.try_get("", E::ID.as_str_())?;
                Ok(Position(keys, id))
            })
            .collect()
    }

    fn page<M>(&self, session: &Session, mut rows: Vec<(Position, Visible<M>)>) -> Result<Page<M>> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        if self.backward {
            rows.reverse();
        }
        let (has_next_page, has_previous_page) = if self.backward {
            (self.before.is_some(), more)
        } else {
            (more, self.after.is_some())
        };
        let edges = rows
            .into_iter()
            .map(|(position, node)| {
                Ok(Edge {
                    cursor: session.encode_cursor(self.binding, &position)?,
                    node,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Page {
            edges,
            has_next_page,
            has_previous_page,
        })
    }
}

/// The bare name of a column.
trait ColumnName {
    fn as_str_(&self) -> &str;
}

impl<C: ColumnTrait> ColumnName for C {
    fn as_str_(&self) -> &str {
        sea_orm::IdenStatic::as_str(self)
    }
}

pub(super) fn cursor_codec(session: &Session) -> (&ring::hmac::Key, uuid::Uuid) {
    (session.cursor_key(), session.viewer().binding())
}

impl Session {
    fn decode_cursor(&self, binding: &str, field: &str, text: &str) -> Result<Position> {
        let (key, viewer) = cursor_codec(self);
        cursor::decode(key, viewer, binding, field, text)
    }

    fn encode_cursor(&self, binding: &str, position: &Position) -> Result<String> {
        let (key, viewer) = cursor_codec(self);
        cursor::encode(key, viewer, binding, position)
    }
}

/// A pattern match on `column` with `\` as escape, the same on both databases; `pattern` is escaped by
/// the caller.
pub fn like(column: impl ColumnTrait, pattern: String) -> Expr {
    column
        .into_simple_expr()
        .like(sea_orm::sea_query::LikeExpr::new(pattern).escape('\\'))
}

/// As [`like`], on `column` without its spaces: sort keys hold one between the syllables of a name, and
/// people type none. No index helps, so this is for small tables.
pub fn like_without_spaces(column: impl ColumnTrait, pattern: String) -> Expr {
    Expr::expr(Func::cust("REPLACE").args([
        column.into_simple_expr(),
        Expr::val(" "),
        Expr::val(""),
    ]))
    .like(sea_orm::sea_query::LikeExpr::new(pattern).escape('\\'))
}
