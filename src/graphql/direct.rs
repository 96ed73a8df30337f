//! Objects whose fields are mostly in memory, written without a future on the heap for each of them.
//!
//! The executor makes a boxed future of every field, which costs more than all else where lists are long. Here
//! fields that are known to be at hand are asked once, in place; only the others are boxed. The rows of a list
//! after the first find what they share with it at hand, and are written in place as a whole. Names, arguments,
//! fragments, errors and their paths are those of the executor: what is not simple is left to it.

use std::borrow::Cow;
use std::pin::Pin;

use async_graphql::futures_util::future::try_join_all;
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_container;
use async_graphql::{
    ContainerType, ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
};

use super::keyed::errors_of;
use super::pace::{Mark, Pace};
use crate::db::{is_a_try, try_now};

/// An object that knows which of its fields are at hand.
pub trait Ready: ContainerType {
    /// Whether this field can be had without waiting for anything. `false` is always right, if slower.
    fn is_ready(&self, field: &Field) -> bool;
}

/// Shows an object as itself, faster.
#[derive(Clone, Debug)]
pub struct Direct<T>(pub T);

impl<T: Ready> OutputType for Direct<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        write(ctx, &self.0).await
    }
}

/// Says which fields of objects are at hand.
macro_rules! ready {
    ($($object:ty: $($field:literal)|+;)+) => {$(
        impl $crate::graphql::direct::Ready for $object {
            fn is_ready(&self, field: &async_graphql::parser::types::Field) -> bool {
                matches!(field.name.node.as_str(), $($field)|+)
            }
        }
    )+};
}
pub(super) use ready;

/// Has a type shown as what it holds.
macro_rules! shows {
    ($outer:ty as $inner:ty $(where $kind:ident: $bound:path)?) => {
        impl$(<$kind: $bound>)? async_graphql::OutputType for $outer {
            fn type_name() -> std::borrow::Cow<'static, str> {
                <$inner as async_graphql::OutputType>::type_name()
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                <$inner as async_graphql::OutputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                ctx: &async_graphql::ContextSelectionSet<'_>,
                field: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<async_graphql::Value> {
                self.0.resolve(ctx, field).await
            }
        }
    };
}
pub(super) use shows;

/// Whether everything selected of `object` is at hand.
pub(super) fn is_all_ready<T: Ready>(object: &T, selection: &SelectionSet) -> bool {
    selection.items.iter().all(|item| match &item.node {
        Selection::Field(field) => {
            field.node.name.node.as_str() == "__typename" || object.is_ready(&field.node)
        }
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
    })
}

type Fields = IndexMap<Name, Value>;
type Waiting<'a> = Pin<Box<dyn Future<Output = ServerResult<(usize, Value)>> + Send + 'a>>;

async fn write<T: Ready>(ctx: &ContextSelectionSet<'_>, object: &T) -> ServerResult<Value> {
    let selection = &ctx.item.node;
    let mut fields = Fields::with_capacity(selection.items.len());
    let mut waiting = Vec::new();
    let before = Before::of(ctx);
    if !collect(ctx, selection, object, &mut fields, &mut waiting)? {
        before.back(ctx);
        return resolve_container(ctx, object).await;
    }
    if !waiting.is_empty() {
        if is_a_try() {
            // It has failed.
            std::future::pending::<()>().await;
        }
        for (at, value) in try_join_all(waiting).await? {
            if let Some((_, slot)) = fields.get_index_mut(at) {
                *slot = value;
            }
        }
    }
    Ok(Value::Object(fields))
}

/// What an answer came to before something was written that may have to be written once more: the errors of fields
/// that may be null, and what was counted.
struct Before {
    errors: usize,
    pace: Option<Mark>,
}

impl Before {
    fn of(ctx: &ContextSelectionSet<'_>) -> Self {
        Self {
            errors: errors_of(&ctx.query_env.errors).len(),
            pace: ctx.data_opt::<Pace>().map(Pace::mark),
        }
    }

    /// Forgets what was told and counted since.
    fn back(&self, ctx: &ContextSelectionSet<'_>) {
        errors_of(&ctx.query_env.errors).truncate(self.errors);
        if let (Some(pace), Some(mark)) = (ctx.data_opt::<Pace>(), self.pace) {
            pace.back_to(mark);
        }
    }
}

/// What `work` comes to if all of it is at hand. If not, it was not there.
fn tried<T>(ctx: &ContextSelectionSet<'_>, work: impl Future<Output = T>) -> Option<T> {
    let before = Before::of(ctx);
    let done = try_now(work);
    if done.is_none() {
        before.back(ctx);
    }
    done
}

/// Writes the rows of a list: the first waits for what all of them share, which the others then have at hand.
pub(super) async fn write_rows<'a, T: OutputType + 'a>(
    ctx: &ContextSelectionSet<'a>,
    field: &Positioned<Field>,
    rows: impl IntoIterator<Item = T>,
) -> ServerResult<Value> {
    let mut values = Vec::new();
    let mut waiting = Vec::new();
    for (at, row) in rows.into_iter().enumerate() {
        let ctx_row = ctx.with_index(at);
        let value = if at == 0 {
            Some(row.resolve(&ctx_row, field).await)
        } else {
            tried(&ctx_row, row.resolve(&ctx_row, field))
        };
        values.push(if let Some(value) = value {
            value.map_err(|error| ctx_row.set_error_path(error))?
        } else {
            waiting.push(async move {
                let value = row.resolve(&ctx_row, field).await;
                let value = value.map_err(|error| ctx_row.set_error_path(error))?;
                ServerResult::Ok((at, value))
            });
            Value::Null
        });
    }
    for (at, value) in try_join_all(waiting).await? {
        if let Some(slot) = values.get_mut(at) {
            *slot = value;
        }
    }
    Ok(Value::List(values))
}

/// Puts what is at hand into `fields` and the rest, with a place kept for it, into `waiting`. Answers whether the
/// selection is simple: plain fields, each with a name of its own in the answer, in fragments on this very type.
fn collect<'a, T: Ready>(
    ctx: &'a ContextSelectionSet<'a>,
    selection: &'a SelectionSet,
    object: &'a T,
    fields: &mut Fields,
    waiting: &mut Vec<Waiting<'a>>,
) -> ServerResult<bool> {
    for item in &selection.items {
        let (condition, inner) = match &item.node {
            Selection::Field(field) => {
                let name = field.node.response_key().node.clone();
                if !field.node.directives.is_empty() || fields.contains_key(&name) {
                    return Ok(false);
                }
                let value = if field.node.name.node.as_str() == "__typename" {
                    Some(Value::String(object.introspection_type_name().into_owned()))
                } else if is_a_try() || object.is_ready(&field.node) {
                    at_once(ctx, field, object).transpose()?
                } else {
                    None
                };
                let (at, _) = fields.insert_full(name, Value::Null);
                match (value, fields.get_index_mut(at)) {
                    (Some(value), Some((_, slot))) => *slot = value,
                    _ => waiting.push(Box::pin(async move {
                        let field_ctx = ctx.with_field(field);
                        let value = object.resolve_field(&field_ctx).await?;
                        Ok((at, value.unwrap_or_default()))
                    })),
                }
                continue;
            }
            Selection::InlineFragment(fragment) => (
                fragment.node.type_condition.as_ref(),
                &fragment.node.selection_set.node,
            ),
            Selection::FragmentSpread(spread) => {
                match ctx.query_env.fragments.get(&spread.node.fragment_name.node) {
                    Some(fragment) => (
                        Some(&fragment.node.type_condition),
                        &fragment.node.selection_set.node,
                    ),
                    None => return Ok(false),
                }
            }
        };
        let is_own =
            condition.is_none_or(|condition| T::type_name() == condition.node.on.node.as_str());
        if !is_own || !collect(ctx, inner, object, fields, waiting)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The value of a field that does not wait; nothing if it does.
fn at_once<T: Ready>(
    ctx: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
    object: &T,
) -> Option<ServerResult<Value>> {
    let field_ctx = ctx.with_field(field);
    let work = object.resolve_field(&field_ctx);
    // A leaf says and counts nothing before it is there.
    let value = if field.node.selection_set.node.items.is_empty() {
        try_now(work)
    } else {
        tried(ctx, work)
    };
    Some(value?.map(Option::unwrap_or_default))
}
