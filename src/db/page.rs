//! How one page is read: from where, which way, in which order, and how many rows.

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, SelectStatement};
use sea_orm::{ColumnTrait, IntoSimpleExpr, QueryResult};
use uuid::Uuid;

use super::connect::Database;
use super::cursor::{self, KeyValue, PageRequest, PageSize, Position};
use super::scope::Keyed;
use super::select::{Edge, KeyKind, Page, Sort};
use super::session::Session;
use super::visible::Visible;
use crate::error::Result;

/// A row with its place.
pub(super) type Placed<M> = (Position, Visible<M>);

/// How a page is read: which way, from where, how many.
pub(super) struct Plan<'a> {
    sort: &'a Sort,
    id: Expr,
    after: Option<Position>,
    before: Option<Position>,
    size: u64,
    backward: bool,
    binding: &'a str,
}

impl<'a> Plan<'a> {
    /// The plan of `request`; its cursors must fit.
    pub(super) fn new<E: Keyed>(
        session: &Session,
        sort: &'a Sort,
        request: &'a PageRequest,
    ) -> Result<Self> {
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
            id: match &sort.id {
                Some(id) => id.clone(),
                None => E::ID.into_simple_expr(),
            },
            after: position("after", &request.after)?,
            before: position("before", &request.before)?,
            size,
            backward,
            binding: &request.binding,
        })
    }

    /// One row more than asked for tells whether there are more.
    pub(super) fn fetch(&self) -> u64 {
        self.size.saturating_add(1)
    }

    /// Whether rows come smallest first.
    pub(super) fn ascending(&self) -> bool {
        matches!(self.sort.direction, Order::Asc) != self.backward
    }

    /// Keeps the rows beyond the cursors.
    pub(super) fn restrict(&self, statement: &mut SelectStatement) {
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

    /// Has the keys of each row come along.
    pub(super) fn select_keys(&self, statement: &mut SelectStatement) {
        for (at, key) in self.sort.keys.iter().enumerate() {
            statement.expr_as(key.expr.clone(), Alias::new(format!("key_{at}_")));
        }
    }

    /// Sorts the rows.
    pub(super) fn order(&self, statement: &mut SelectStatement) {
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

    /// Ranks the rows of each `partition`.
    pub(super) fn window(&self, partition: Expr) -> sea_orm::sea_query::WindowStatement {
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

    /// The places of the rows.
    pub(super) fn positions<E: Keyed>(&self, rows: &[QueryResult]) -> Result<Vec<Position>> {
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
                let id: Uuid = row.try_get("", E::ID.as_str_())?;
                Ok(Position(keys, id))
            })
            .collect()
    }

    /// The page that these rows make: sorted, one more than asked for when there are more.
    pub(super) fn page<M>(
        &self,
        session: &Session,
        mut rows: Vec<(Position, Visible<M>)>,
    ) -> Page<M> {
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
        let list = Arc::new(List {
            database: session.database().clone(),
            viewer: session.viewer().binding(),
            binding: self.binding.to_owned(),
        });
        let edges = rows
            .into_iter()
            .map(|(position, node)| Edge {
                cursor: Cursor {
                    position,
                    list: Arc::clone(&list),
                },
                node,
            })
            .collect();
        Page {
            edges,
            has_next_page,
            has_previous_page,
        }
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

/// Where a row stands in its list; signed and written out only when somebody asks.
#[derive(Clone)]
pub struct Cursor {
    position: Position,
    list: Arc<List>,
}

/// What cursors are good for.
struct List {
    database: Database,
    viewer: Uuid,
    binding: String,
}

impl Cursor {
    /// The cursor in writing; pass it as `after` or `before`.
    ///
    /// # Errors
    /// `INTERNAL` for a place that cannot be written.
    pub fn text(&self) -> Result<String> {
        let Self { position, list } = self;
        let key = &list.database.inner.cursor_key;
        cursor::encode(key, list.viewer, &list.binding, position)
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.position.fmt(f)
    }
}

impl Session {
    fn decode_cursor(&self, binding: &str, field: &str, text: &str) -> Result<Position> {
        let viewer = self.viewer().binding();
        cursor::decode(self.cursor_key(), viewer, binding, field, text)
    }
}
