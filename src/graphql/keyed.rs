//! The root of all mutations. It lets them through, but those that came with an idempotency key: these are
//! done once and answered as they were then. With an answer the paths of its masked fields are kept; an answer
//! that holds a secret is not kept at all.

use std::borrow::Cow;
use std::sync::PoisonError;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_container_serial;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, PathSegment, Positioned,
    ServerError, ServerResult, Value,
};

use super::context::Masked;
use super::{Mutation, service_scopes};
use crate::db::Session;
use crate::error::{Error, Result};
use crate::say;

/// In place of an answer that held a secret. No answer looks like it, being JSON.
const SHOWN_ONCE: &str = "shown once";

/// Before the paths of masked fields, on a line of their own before the answer; likewise no JSON.
const MASKED: &str = "masked ";

/// All mutations, each done once per key.
#[derive(Default)]
pub struct Root(Mutation);

impl OutputType for Root {
    fn type_name() -> Cow<'static, str> {
        Mutation::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Mutation::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container_serial(ctx, self).await
    }
}

impl ObjectType for Root {}

impl ContainerType for Root {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        match ctx.data_opt::<Session>() {
            Some(session) if session.is_keyed() => self.resolve_once(ctx, session).await,
            _ => self.0.resolve_field(ctx).await,
        }
    }
}

impl Root {
    async fn resolve_once(
        &self,
        ctx: &Context<'_>,
        session: &Session,
    ) -> ServerResult<Option<Value>> {
        // A program hears nothing of what it may not do itself, though its user did it.
        service_scopes::check(ctx, session.viewer()).map_err(|error| placed(ctx, error))?;
        if let Some(answer) = session.begin_keyed() {
            return read(ctx, &answer).map_err(|error| placed(ctx, error));
        }
        let before = errors_of(ctx).len();
        let masked = ctx.data_opt::<Masked>().map_or(0, Masked::count);
        let outcome = self.0.resolve_field(ctx).await;
        let mut raised = errors_of(ctx).split_off(before);
        let failed = match outcome {
            Ok(value) if raised.is_empty() => {
                let paths = ctx.data_opt::<Masked>().map(|all| all.since(masked));
                match keep(session, value.as_ref(), &paths.unwrap_or_default()).await {
                    Ok(()) => return Ok(value),
                    Err(error) => placed(ctx, error),
                }
            }
            // It was done, and cannot be told whole: the next try would hear the same half for good.
            Ok(_) => raised.remove(0),
            Err(error) => match session.twin_answer() {
                Some(answer) => return read(ctx, &answer).map_err(|error| placed(ctx, error)),
                None => error,
            },
        };
        errors_of(ctx).append(&mut raised);
        match session.undo_keyed().await {
            Ok(()) => Err(failed),
            Err(error) => Err(placed(ctx, error)),
        }
    }
}

/// The errors that nullable fields have raised so far. Mutations run one after the other, so those that are
/// new belong to the one that ran.
fn errors_of<'c>(ctx: &'c Context<'_>) -> std::sync::MutexGuard<'c, Vec<ServerError>> {
    let errors = ctx.query_env.errors.lock();
    errors.unwrap_or_else(PoisonError::into_inner)
}

async fn keep(session: &Session, value: Option<&Value>, masked: &[Vec<PathSegment>]) -> Result<()> {
    if session.is_answer_secret() {
        return session.keep_answer(SHOWN_ONCE).await;
    }
    let mut answer = serde_json::to_string(&value).map_err(Error::internal)?;
    if !masked.is_empty() {
        let paths = serde_json::to_string(masked).map_err(Error::internal)?;
        answer = format!("{MASKED}{paths}\n{answer}");
    }
    session.keep_answer(&answer).await
}

/// What was answered then. The fields that were masked then are named again.
fn read(ctx: &Context<'_>, answer: &str) -> Result<Option<Value>> {
    if answer == SHOWN_ONCE {
        return Err(Error::rule(
            "idempotency.shown_once",
            say!(
                "this was done already, and its answer held a secret, which is shown once and kept nowhere: make another in its place"
            ),
        ));
    }
    let Some((paths, answer)) = answer
        .strip_prefix(MASKED)
        .and_then(|kept| kept.split_once('\n'))
    else {
        return serde_json::from_str(answer).map_err(Error::internal);
    };
    let paths: Vec<Vec<PathSegment>> = serde_json::from_str(paths).map_err(Error::internal)?;
    if let Some(masked) = ctx.data_opt::<Masked>() {
        for path in paths {
            masked.add(path);
        }
    }
    serde_json::from_str(answer).map_err(Error::internal)
}

fn placed(ctx: &Context<'_>, error: Error) -> ServerError {
    let error = async_graphql::Error::from(error).into_server_error(ctx.item.pos);
    ctx.set_error_path(error)
}
