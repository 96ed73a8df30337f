//! One subscription: it begins by saying what it wants to hear of, and runs its document for each thing it hears.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection,
};
use async_graphql::{ErrorExtensionValues, Executor, Response, ServerError, Value};
use axum::extract::ws::Message;
use entity::UserId;
use tokio::sync::mpsc;

use super::super::answer;
use super::super::ask::Ask;
use super::super::cost;
use super::super::errors::{self, Phase};
use super::super::gateway::{Caller, Gateway};
use super::super::graphql::{Endpoint, Prepared};
use super::super::limits::CallerKind;
use super::super::meter;
use super::super::negotiate;
use super::super::refusal::Refusal;
use super::connection::{About, Owner, end_of};
use super::protocol::{self, End, Kind};
use crate::auth::random_bytes;
use crate::graphql::context::Masked;
use crate::graphql::pace::Pace;
use crate::live::{Happening, Inbox, Interest, Opening};
use crate::messages::Locale;
use crate::{Code, Error, say};

/// How long to wait before something is tried again that could not be done now.
const AGAIN: Duration = Duration::from_secs(1);

/// What a subscription says to its socket.
pub(super) struct Report {
    pub(super) id: Arc<str>,
    /// Which one, of those that had this id one after the other.
    pub(super) serial: u64,
    pub(super) what: What,
}

/// What is said.
pub(super) enum What {
    /// Something happened.
    Next(Message),
    /// It cannot be, or not any more.
    Error(Message),
    /// The whole socket must end.
    End(End),
}

/// A subscription.
pub(super) struct Subscription<G, E> {
    pub(super) endpoint: Arc<Endpoint<G, E>>,
    pub(super) about: Arc<About>,
    pub(super) owner: Arc<Owner>,
    pub(super) id: Arc<str>,
    pub(super) serial: u64,
    pub(super) reports: mpsc::Sender<Report>,
}

/// Why a step was not done.
enum Stop {
    /// It cannot be.
    Refused(Box<Refusal>),
    /// It cannot be, for these reasons, ready to be sent.
    Errors(Vec<ServerError>),
    /// Not now, for this reason.
    Later(Duration, Box<Refusal>),
    /// The socket must end.
    End(End),
    /// Nobody listens any more.
    Unheard,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// What there is to tell of something that happened.
struct Event {
    message: Message,
    /// Whether it holds data, and not only why there is none.
    has_data: bool,
}

/// What an operation runs with: that it begins, or what happened.
enum Cause {
    Opening(Opening),
    Happening(Happening),
}

impl<G: Gateway, E: Executor> Subscription<G, E> {
    /// Runs until it is given up, or cannot go on.
    pub(super) async fn run(self, ask: Ask) {
        let what = match self.follow(ask).await {
            Ok(never) => match never {},
            Err(Stop::Unheard) => return,
            Err(Stop::End(end)) => What::End(end),
            Err(Stop::Refused(refusal) | Stop::Later(_, refusal)) => {
                What::Error(self.refused(&refusal))
            }
            Err(Stop::Errors(errors)) => What::Error(self.told(Kind::Error, &list(&errors))),
        };
        // A socket that is gone needs no telling.
        let _ = self.reports.send(self.report(what)).await;
    }

    async fn follow(&self, ask: Ask) -> Result<Infallible, Stop> {
        let place = self.endpoint.own_place(self.owner.identity.user).await?;
        let prepared = self.endpoint.prepare(ask, CallerKind::SignedIn)?;
        drop(place);
        require_subscription(operation(&prepared)?)?;
        let opening = Opening::default();
        // What cannot begin now is for the client to try again.
        self.step(&prepared, Cause::Opening(opening.clone()))
            .await?;
        self.endpoint.register(&prepared.found);
        let Some(interest) = opening.take() else {
            return Err(Refusal::from(Error::bug("a subscription follows nothing")).into());
        };
        let inbox = self.inbox(interest);
        let limits = &self.endpoint.options().limits.sockets;
        let (gather, spread) = (limits.gather, limits.spread);
        // It is told at once that it has begun.
        let mut is_first = true;
        loop {
            inbox.wait().await;
            if !std::mem::take(&mut is_first) {
                tokio::time::sleep(gather).await;
                if inbox.is_one_of_many() {
                    tokio::time::sleep(part_of(spread)).await;
                }
            }
            loop {
                // Nothing is read before it can be said: what waits for a slow client waits as hints.
                let room = self.reports.reserve().await;
                let room = room.map_err(|_| Stop::Unheard)?;
                let Some(happening) = inbox.take() else {
                    break;
                };
                // A phone pulls once for all that comes until it is told again.
                let is_poke = matches!(happening, Happening::Poke { .. });
                let outcome = self
                    .step(&prepared, Cause::Happening(happening.clone()))
                    .await;
                self.endpoint.options().metrics.looked(match &outcome {
                    Ok(Some(_)) => "told",
                    Ok(None) => "hidden",
                    Err(Stop::Later(..)) => "put_off",
                    Err(_) => "failed",
                });
                let is_told = match outcome {
                    Ok(None) => true,
                    Ok(Some(event)) => {
                        room.send(self.report(What::Next(event.message)));
                        event.has_data
                    }
                    Err(Stop::Later(pause, _)) => {
                        inbox.put_back(happening);
                        // Others of this socket may say something meanwhile.
                        drop(room);
                        tokio::time::sleep(pause.saturating_add(part_of(AGAIN))).await;
                        continue;
                    }
                    Err(Stop::Refused(refusal)) => {
                        let errors = list(&[self.error_of(&refusal.error)]);
                        let payload = format!("{{\"errors\":{errors}}}");
                        let message = self.told(Kind::Next, &payload);
                        room.send(self.report(What::Next(message)));
                        false
                    }
                    Err(stop) => return Err(stop),
                };
                // Its client knows that there was something, and not what. Where it cannot be told that either, it
                // has heard of the errors: to tell it again would go on for ever.
                if !is_told && happening != Happening::Missed {
                    inbox.put_back(Happening::Missed);
                }
                if is_poke {
                    break;
                }
            }
        }
    }

    fn inbox(&self, interest: Interest) -> Inbox {
        let user = UserId(self.owner.identity.user);
        self.endpoint.options().hub.follow(user, interest)
    }

    /// Runs the document for `cause`, as whoever the owner is now. Answers what there is to tell, if anything.
    async fn step(&self, prepared: &Prepared, cause: Cause) -> Result<Option<Event>, Stop> {
        // Many may have been woken at once: the database is asked nothing before it is their turn.
        let place = self.endpoint.place(self.owner.identity.user).await;
        let _place = place.map_err(later)?;
        let caller = self.endpoint.authenticate(&self.owner.token).await;
        let Caller {
            identity,
            data,
            locale,
            ..
        } = caller.map_err(|error| match end_of(&error) {
            End::TryAgain => Stop::Later(wait_for(&error), Box::new(error.into())),
            end => Stop::End(end),
        })?;
        if identity.map(|identity| identity.user) != Some(self.owner.identity.user) {
            return Err(Stop::End(End::Forbidden));
        }
        let locale = negotiate::locale(&self.about.language, locale);
        let operation = operation(prepared)?;
        let requested = cost::points(prepared.weight.cost(operation.ty));
        let purse = self.endpoint.purse(self.owner.identity);
        let held = purse.map(|purse| purse.hold(requested)).transpose();
        let mut held = held.map_err(later)?;
        let mut run = async_graphql::Request::new("").variables(prepared.variables.clone());
        run.operation_name.clone_from(&prepared.operation_name);
        run.data = data;
        run.data.insert(self.about.request_id.clone());
        run.data.insert(locale);
        let masked = Masked::default();
        run.data.insert(masked.clone());
        let limits = &self.endpoint.options().limits;
        let bounds = limits.of(CallerKind::SignedIn);
        let pace = Pace::new(bounds.written_fields, bounds.query_deadline);
        run.data.insert(pace.clone());
        let is_opening = match cause {
            Cause::Opening(opening) => {
                run.data.insert(opening);
                true
            }
            Cause::Happening(happening) => {
                run.data.insert(happening);
                false
            }
        };
        run.set_parsed_query(ExecutableDocument::clone(&prepared.document));
        if let Some(held) = &mut held {
            held.runs(&pace);
        }
        let done = self.endpoint.run_step(run, &pace).await;
        let Some(mut done) = done.map_err(later)? else {
            if let Some(held) = held {
                held.settle(1);
            }
            return Ok(None);
        };
        let phase = if is_opening {
            Phase::Request
        } else {
            Phase::Execution
        };
        let actual = match phase {
            Phase::Request => 1,
            Phase::Execution => {
                let actual =
                    cost::actual(&done.data, &prepared.document, operation, &prepared.weight);
                actual.max(if done.is_err() { pace.objects() } else { 0 })
            }
        };
        let told = held.map(|held| held.settle(actual));
        if let Some(error) = unavailable(&done) {
            return Err(later(error.into()));
        }
        let request_id = &self.about.request_id;
        let document = &prepared.document;
        errors::finish(
            &mut done.errors,
            phase,
            CallerKind::SignedIn,
            document,
            operation,
            request_id,
            locale,
        );
        if is_opening {
            return if done.is_err() {
                Err(Stop::Errors(done.errors))
            } else {
                Ok(None)
            };
        }
        if let Some(paths) = masked.take() {
            done.extensions.insert("masked".to_owned(), paths);
        }
        if let Some(told) = told {
            done.extensions.insert("cost".to_owned(), told);
        }
        let payload = answer::event(&done, limits.response_bytes)?;
        Ok(Some(Event {
            message: self.told(Kind::Next, &payload),
            has_data: done.data != Value::Null,
        }))
    }

    fn told(&self, kind: Kind, payload: &str) -> Message {
        protocol::told(kind, &self.id, payload)
    }

    fn refused(&self, refusal: &Refusal) -> Message {
        let mut error = self.error_of(&refusal.error);
        error.locations.extend(refusal.at);
        if let (Some(code), Some(extensions)) = (refusal.protocol_code, &mut error.extensions) {
            extensions.set("code", code);
        }
        self.told(Kind::Error, &list(&[error]))
    }

    fn error_of(&self, error: &Error) -> ServerError {
        let locale = negotiate::locale(&self.about.language, None);
        errors::from_error(error, None, &self.about.request_id, locale)
    }

    fn report(&self, what: What) -> Report {
        Report {
            id: Arc::clone(&self.id),
            serial: self.serial,
            what,
        }
    }
}

/// The operation that runs.
fn operation(prepared: &Prepared) -> Result<&OperationDefinition, Refusal> {
    meter::operation(&prepared.document, prepared.operation_name.as_deref())
}

/// Demands a subscription to one thing, which is not left out under a condition: nothing would be followed then.
fn require_subscription(operation: &OperationDefinition) -> Result<(), Refusal> {
    if operation.ty != OperationType::Subscription {
        let message =
            say!("only subscriptions run on a socket: send queries and mutations by POST");
        return Err(Refusal::bad_request("SUBSCRIPTIONS_ONLY", message));
    }
    match operation.selection_set.node.items.as_slice() {
        [only] if matches!(&only.node, Selection::Field(field) if field.node.directives.is_empty()) => {
            Ok(())
        }
        _ => Err(Refusal::validation(say!(
            "a subscription selects one field of Subscription, written out, neither in a fragment nor under @skip or @include"
        ))),
    }
}

/// What to do about a refusal: wait, where that helps.
fn later(refusal: Refusal) -> Stop {
    match refusal.error.code() {
        Code::Throttled | Code::Unavailable => {
            Stop::Later(wait_for(&refusal.error), Box::new(refusal))
        }
        _ => Stop::Refused(Box::new(refusal)),
    }
}

/// How long to wait before something is tried again that ended with `error`: as long as that says.
fn wait_for(error: &Error) -> Duration {
    let mut extensions = ErrorExtensionValues::default();
    error.write_extensions(&mut extensions);
    let seconds = errors::retry_after(&extensions);
    seconds.map_or(AGAIN, Duration::from_secs).max(AGAIN)
}

/// A part of `longest`, another each time, so that not all do the same at the same moment.
fn part_of(longest: Duration) -> Duration {
    let part = random_bytes::<1>().map_or(u8::MAX, |[byte]| byte);
    longest.mul_f32(f32::from(part) / f32::from(u8::MAX))
}

/// That the database was away.
fn unavailable(done: &Response) -> Option<Error> {
    let mut errors = done.errors.iter().filter_map(ServerError::source::<Error>);
    errors
        .find(|error| error.code() == Code::Unavailable)
        .cloned()
}

/// Errors as JSON.
fn list(errors: &[ServerError]) -> String {
    // Keys are strings and numbers finite, so that it can be written.
    serde_json::to_string(errors).unwrap_or_else(|_| "[]".to_owned())
}

/// What a client is told that has as many subscriptions as it may.
pub(super) fn too_many(most: usize, about: &About) -> String {
    let message = say!(
        "this socket has {most} subscriptions, which is as many as it may: end one first, or open another socket",
        most
    );
    let error = Error::new(Code::LimitExceeded, message)
        .with_rule("SUBSCRIPTIONS")
        .detail("limit", most);
    let locale: Locale = negotiate::locale(&about.language, None);
    list(&[errors::from_error(&error, None, &about.request_id, locale)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_to_wait_waits_as_long_as_it_is_told() {
        let told = |code, seconds: u64| {
            let error = Error::new(code, "not now").detail("retryAfterSeconds", seconds);
            match later(error.into()) {
                Stop::Later(pause, _) => Some(pause),
                _ => None,
            }
        };
        for code in [Code::Throttled, Code::Unavailable] {
            assert_eq!(told(code, 4), Some(Duration::from_secs(4)));
            assert_eq!(told(code, 0), Some(AGAIN));
        }
        assert_eq!(told(Code::Internal, 4), None);
        let longest = Duration::from_secs(2);
        let parts: Vec<Duration> = (0..100).map(|_| part_of(longest)).collect();
        assert!(parts.iter().all(|part| *part <= longest));
        assert!(parts.iter().any(|part| *part != parts[0]));
    }
}
