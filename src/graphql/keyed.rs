//! The root of all mutations. It lets them through, but those that came with an idempotency key: these are
//! done once and answered as they were then. No mutation reads from a replica.

use std::borrow::Cow;
use std::sync::PoisonError;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_container_serial;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerError,
    ServerResult, Value,
};

use super::Mutation;
use crate::db::{Recorded, Session};
use crate::error::{Error, Result};

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
        let Some(session) = ctx.data_opt::<Session>() else {
            return self.0.resolve_field(ctx).await;
        };
        session.stay_current();
        if session.is_keyed() {
            return self.resolve_once(ctx, session).await;
        }
        self.0.resolve_field(ctx).await
    }
}

impl Root {
    async fn resolve_once(
        &self,
        ctx: &Context<'_>,
        session: &Session,
    ) -> ServerResult<Option<Value>> {
        if let Some(recorded) = session.begin_keyed() {
            return repeat(session, recorded)
                .await
                .map_err(|error| placed(ctx, error));
        }
        let before = errors_of(ctx).len();
        let outcome = self.0.resolve_field(ctx).await;
        let mut raised = errors_of(ctx).split_off(before);
        let failed = match outcome {
            Ok(value) if raised.is_empty() => match keep(session, value.as_ref()).await {
                Ok(()) => return Ok(value),
                Err(error) => placed(ctx, error),
            },
            // It was done, and cannot be told whole: the next try would hear the same half for good.
            Ok(_) => raised.remove(0),
            Err(error) => match session.twin_answer() {
                Some(recorded) => {
                    return repeat(session, recorded)
                        .await
                        .map_err(|error| placed(ctx, error));
                }
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

async fn keep(session: &Session, value: Option<&Value>) -> Result<()> {
    let answer = serde_json::to_string(&value).map_err(Error::internal)?;
    session.keep_answer(&answer).await
}

/// What was answered then, unless it is about a client that is out of scope by now.
async fn repeat(session: &Session, recorded: Recorded) -> Result<Option<Value>> {
    let answer = session.heard_again(recorded).await?;
    serde_json::from_str(&answer).map_err(Error::internal)
}

fn placed(ctx: &Context<'_>, error: Error) -> ServerError {
    let error = async_graphql::Error::from(error).into_server_error(ctx.item.pos);
    ctx.set_error_path(error)
}
