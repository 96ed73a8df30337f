//! How much of an answer is put together before others get their turn, and how much at all.
//!
//! What an answer holds is multiplied by its lists, and by nothing else: between two lists there are no more
//! fields than the document has. So fields are counted where lists are written ([`Listed`]), rows times what is
//! selected of each, and there a request gives way to others once it has written its share: its deadline, and
//! everybody else, get their turn however much is at hand. A list within rows counts with the rows, once for
//! each of them, and again by itself.

use std::any::TypeId;
use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, Data, InputType, InputValueError, InputValueResult, OutputType, Pos,
    Positioned, Response, ServerResult, Value,
};
use tokio::time::Instant;

use super::direct::write_rows;
use crate::error::{Code, Error};
use crate::say;

/// Fields that are written in one turn, or few more than that.
const TURN: u64 = 512;

/// Rows with more fields than this give way one by one, not as a list.
const LARGE_ROW: u64 = 64;

/// The work of one request: one per request, in its data. It belongs to one task at a time, so that counting
/// needs no locks.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// Fields that may be written at all.
    most: u64,
    /// Fields written so far.
    fields: AtomicU64,
    /// Objects among them, rows included.
    objects: AtomicU64,
    /// Fields left of this turn.
    left: AtomicU64,
    /// How long the request may take, and until when that is.
    patience: Duration,
    deadline: Instant,
    is_over: AtomicBool,
    is_late: AtomicBool,
}

/// How much was counted at some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark([u64; 3]);

/// What is selected of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    fields: u64,
    objects: u64,
}

impl Pace {
    /// For a request that may write `most` fields, and may take as long as `patience` from now.
    pub fn new(most: u64, patience: Duration) -> Self {
        let now = Instant::now();
        Self(Arc::new(Counts {
            most,
            patience,
            deadline: now.checked_add(patience).unwrap_or(now),
            fields: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            left: AtomicU64::new(TURN),
            is_over: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
        }))
    }

    /// Objects that were begun, rows of lists and what is selected in them.
    pub fn objects(&self) -> u64 {
        self.0.objects.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }

    /// Runs `work` until the deadline. `None` when it is not done by then: it is dropped, wherever it stands.
    pub async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let done = tokio::time::timeout_at(self.0.deadline, work).await.ok();
        if done.is_none() {
            self.0.is_late.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Why the request was ended before it was done; `None` if it was not.
    pub fn refusal(&self) -> Option<Error> {
        if self.is_over() {
            return Some(self.too_much());
        }
        let is_late = self.0.is_late.load(Ordering::Relaxed);
        is_late.then(|| {
            let seconds = self.0.patience.as_secs_f32();
            let message = say!("it took longer than the {seconds} s it may", seconds);
            Error::new(Code::Timeout, message)
        })
    }

    /// The answer of a request that was ended before it was done.
    pub fn ended(&self) -> Response {
        let refusal = self.refusal().unwrap_or_else(|| {
            Error::bug("a request was ended that had neither written too much nor taken too long")
        });
        let error: async_graphql::Error = refusal.into();
        Response::from_errors(vec![error.into_server_error(Pos::default())])
    }

    /// That of a request with this `data`.
    pub fn of(data: &Data) -> Option<&Self> {
        data.get(&TypeId::of::<Self>())?.downcast_ref()
    }

    fn too_much(&self) -> Error {
        let message = say!(
            "the answer would hold more than {most} fields: ask for smaller pages, fewer lists, or in several requests",
            most = self.0.most
        );
        Error::new(Code::LimitExceeded, message)
            .with_rule("QUERY_TOO_COMPLEX")
            .detail("limit", self.0.most)
    }

    /// Runs `work`, which counts here, in turns. `None` when it would write more than it may: it is dropped.
    pub async fn in_turns<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.0.left.store(TURN, Ordering::Relaxed);
            let polled = work.as_mut().poll(cx);
            if self.is_over() {
                return Poll::Ready(None);
            }
            polled.map(Some)
        })
        .await
    }

    /// How much was counted until now.
    pub(super) fn mark(&self) -> Mark {
        let Counts {
            fields,
            objects,
            left,
            ..
        } = &*self.0;
        Mark([fields, objects, left].map(|count| count.load(Ordering::Relaxed)))
    }

    /// Forgets what was counted since, for it will be written once more.
    pub(super) fn back_to(&self, Mark([fields, objects, left]): Mark) {
        self.0.fields.store(fields, Ordering::Relaxed);
        self.0.objects.store(objects, Ordering::Relaxed);
        self.0.left.store(left, Ordering::Relaxed);
    }

    /// Counts `rows` of a list.
    fn count(&self, rows: usize, row: Row) {
        // A load and a store, no more: nobody else writes meanwhile.
        let add = |to: &AtomicU64, more: u64| {
            let sum = to.load(Ordering::Relaxed).saturating_add(more);
            to.store(sum, Ordering::Relaxed);
            sum
        };
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        add(&self.0.objects, rows.saturating_mul(row.objects));
        if add(&self.0.fields, rows.saturating_mul(row.fields)) > self.0.most {
            self.0.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// Waits for the next turn if this one is used up, and takes `fields` of it.
    async fn take(&self, fields: u64) {
        poll_fn(|cx| {
            // Who waits here once it is over is dropped by `in_turns`.
            if self.is_over() {
                return Poll::Pending;
            }
            let left = self.0.left.load(Ordering::Relaxed);
            if left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let left = left.saturating_sub(fields);
            self.0.left.store(left, Ordering::Relaxed);
            Poll::Ready(())
        })
        .await;
    }
}

/// A list of objects that counts what it writes. Lists of single values need none of this: their rows are
/// written as they are.
#[derive(Clone, Debug, Default)]
pub struct Listed<T>(pub Vec<T>);

impl<T> From<Vec<T>> for Listed<T> {
    fn from(rows: Vec<T>) -> Self {
        Self(rows)
    }
}

impl<T> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl<T: InputType> InputType for Listed<T> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <Vec<T> as InputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as InputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let rows = <Vec<T> as InputType>::parse(value);
        rows.map(Self).map_err(InputValueError::propagate)
    }

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

impl<T: OutputType> OutputType for Listed<T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let rows = &self.0;
        let Some(pace) = ctx.data_opt::<Pace>().filter(|_| !rows.is_empty()) else {
            return write_rows(ctx, field, rows).await;
        };
        let row = selected(ctx, &ctx.item.node);
        let all = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        pace.take(all.saturating_mul(row.fields)).await;
        pace.count(rows.len(), row);
        if row.fields <= LARGE_ROW && !pace.is_over() {
            return write_rows(ctx, field, rows).await;
        }
        let mut one_by_one = Vec::with_capacity(rows.len());
        for inner in rows {
            one_by_one.push(OneByOne {
                inner,
                pace,
                fields: row.fields,
            });
        }
        write_rows(ctx, field, one_by_one).await
    }
}

/// A row that waits for its turn.
struct OneByOne<'a, T> {
    inner: &'a T,
    pace: &'a Pace,
    fields: u64,
}

impl<T: OutputType> OutputType for OneByOne<'_, T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        self.pace.take(self.fields).await;
        self.inner.resolve(ctx, field).await
    }
}

/// What `set` selects of one object, at all levels, that object included. Fragments are walked wherever they
/// are spread: the edge has bounded what they come to.
fn selected(ctx: &ContextSelectionSet<'_>, set: &SelectionSet) -> Row {
    let mut row = Row {
        fields: 0,
        objects: 1,
    };
    let mut open = vec![set];
    while let Some(set) = open.pop() {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    row.fields = row.fields.saturating_add(1);
                    let inner = &field.node.selection_set.node;
                    if !inner.items.is_empty() {
                        row.objects = row.objects.saturating_add(1);
                        open.push(inner);
                    }
                }
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let fragments = &ctx.query_env.fragments;
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        open.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    row
}
