//! The root of all mutations. It lets them through, but those that came with an idempotency key: these are
//! done once and answered as they were then. With an answer is kept which fields were masked, and which groups
//! of confidential facts it shows; an answer that holds a secret is not kept at all. No mutation reads from a
//! replica.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_container_serial;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, PathSegment, Positioned,
    ServerError, ServerResult, Value,
};
use serde::{Deserialize, Serialize};

use super::context::Masked;
use super::{Mutation, service_scopes};
use crate::db::{Confidential, Recorded, Session};
use crate::error::{Code, Error, Result};
use crate::say;

/// The largest answer that is kept with a key, bytes: it is kept for 30 days.
const MAX_ANSWER: usize = 64 * 1024;

/// In place of an answer that held a secret. No answer looks like it, being JSON.
const SHOWN_ONCE: &str = "shown once";

/// Before what is kept beside an answer, on a line of its own before it; likewise no JSON.
const BESIDE: &str = "beside ";

/// What is kept beside an answer.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct Beside {
    /// The paths of its masked fields.
    masked: Vec<Vec<PathSegment>>,
    /// The groups of confidential facts that it may show.
    shown: Vec<Confidential>,
}

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
        // A program hears nothing of what it may not do itself, though its user did it.
        service_scopes::check(ctx, session.viewer()).map_err(|error| placed(ctx, error))?;
        if let Some(recorded) = session.begin_keyed() {
            return repeat(ctx, session, &recorded)
                .await
                .map_err(|error| placed(ctx, error));
        }
        let before = errors_of(&ctx.query_env.errors).len();
        let masked = ctx.data_opt::<Masked>().map_or(0, Masked::count);
        let outcome = self.0.resolve_field(ctx).await;
        let mut raised = errors_of(&ctx.query_env.errors).split_off(before);
        let failed = match outcome {
            Ok(value) if raised.is_empty() => {
                let noted = ctx.data_opt::<Masked>();
                let beside = noted.map(|noted| Beside {
                    masked: noted.since(masked),
                    shown: noted.shown(),
                });
                match keep(session, value.as_ref(), &beside.unwrap_or_default()).await {
                    Ok(()) => return Ok(value),
                    Err(error) => placed(ctx, error),
                }
            }
            // It was done, and cannot be told whole: the next try would hear the same half for good.
            Ok(_) => raised.remove(0),
            Err(error) => match session.twin_answer() {
                Some(recorded) => {
                    return repeat(ctx, session, &recorded)
                        .await
                        .map_err(|error| placed(ctx, error));
                }
                None => error,
            },
        };
        errors_of(&ctx.query_env.errors).append(&mut raised);
        match session.undo_keyed().await {
            Ok(()) => Err(failed),
            Err(error) => Err(placed(ctx, error)),
        }
    }
}

/// The errors that nullable fields have raised so far. Mutations run one after the other, so those that are
/// new belong to the one that ran.
pub(super) fn errors_of(raised: &Mutex<Vec<ServerError>>) -> MutexGuard<'_, Vec<ServerError>> {
    raised.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep(session: &Session, value: Option<&Value>, beside: &Beside) -> Result<()> {
    if session.is_answer_secret() {
        return session.keep_answer(SHOWN_ONCE).await;
    }
    let mut answer = serde_json::to_string(&value).map_err(Error::internal)?;
    if answer.len() > MAX_ANSWER {
        let message = say!(
            "the answer is larger than the {most} bytes that are kept with an Idempotency-Key, so nothing was done: select less, and read the rest by a query",
            most = MAX_ANSWER
        );
        return Err(Error::new(Code::LimitExceeded, message)
            .with_rule("idempotency.answer_too_large")
            .detail("limit", MAX_ANSWER));
    }
    if *beside != Beside::default() {
        let beside = serde_json::to_string(beside).map_err(Error::internal)?;
        answer = format!("{BESIDE}{beside}\n{answer}");
    }
    session.keep_answer(&answer).await
}

/// What was answered then, to whoever may still hear it. The fields that were masked then are named again.
async fn repeat(
    ctx: &Context<'_>,
    session: &Session,
    recorded: &Recorded,
) -> Result<Option<Value>> {
    let answer = recorded.answer();
    if answer == SHOWN_ONCE {
        return Err(Error::rule(
            "idempotency.shown_once",
            say!(
                "this was done already, and its answer held a secret, which is shown once and kept nowhere: make another in its place"
            ),
        ));
    }
    let (beside, answer) = match answer
        .strip_prefix(BESIDE)
        .and_then(|kept| kept.split_once('\n'))
    {
        Some((beside, answer)) => (
            serde_json::from_str(beside).map_err(Error::internal)?,
            answer,
        ),
        None => (Beside::default(), answer),
    };
    let Beside { masked, shown } = beside;
    session.require_heard(recorded, &shown).await?;
    if let Some(noted) = ctx.data_opt::<Masked>() {
        for path in masked {
            noted.add(path);
        }
    }
    serde_json::from_str(answer).map_err(Error::internal)
}

fn placed(ctx: &Context<'_>, error: Error) -> ServerError {
    let error = async_graphql::Error::from(error).into_server_error(ctx.item.pos);
    ctx.set_error_path(error)
}
