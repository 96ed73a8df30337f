//! One subscription: it begins by saying what it wants to hear of, and runs its document for each thing it hears.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection,
};
use async_graphql::{ErrorExtensionValues, Executor, Response, ServerError};
use axum::extract::ws::Message;
use entity::UserId;
use tokio::sync::mpsc;
use uuid::Uuid;

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
        let _ = self.report(what).await;
    }

    async fn follow(&self, ask: Ask) -> Result<Infallible, Stop> {
        let prepared = self.endpoint.prepare(ask, CallerKind::SignedIn)?;
        require_subscription(operation(&prepared)?)?;
        let opening = Opening::default();
        // What cannot begin now is for the client to try again.
        self.step(&prepared, Cause::Opening(opening.clone()))
            .await?;
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
            while let Some(happening) = inbox.take() {
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
                match outcome {
                    Ok(None) => {}
                    Ok(Some(message)) => self.report(What::Next(message)).await?,
                    Err(Stop::Later(pause, _)) => {
                        inbox.put_back(happening);
                        tokio::time::sleep(pause).await;
                    }
                    Err(Stop::Refused(refusal)) => {
                        let errors = list(&[self.error_of(&refusal.error)]);
                        let payload = format!("{{\"errors\":{errors}}}");
                        let message = self.told(Kind::Next, &payload);
                        self.report(What::Next(message)).await?;
                    }
                    Err(stop) => return Err(stop),
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

    /// Runs the document for `cause`, as whoever the owner is now. Answers the message to send, if there is
    /// anything to say.
    async fn step(&self, prepared: &Prepared, cause: Cause) -> Result<Option<Message>, Stop> {
        let Caller {
            identity,
            data,
            locale,
            ..
        } = match self.endpoint.authenticate(&self.owner.token).await {
            Ok(caller) => caller,
            Err(error) => {
                return Err(match end_of(&error) {
                    End::TryAgain => Stop::Later(AGAIN, Box::new(error.into())),
                    end => Stop::End(end),
                });
            }
        };
        if identity.map(|identity| identity.user) != Some(self.owner.identity.user) {
            return Err(Stop::End(End::Forbidden));
        }
        let locale = negotiate::locale(&self.about.language, locale);
        let operation = operation(prepared)?;
        let requested = cost::points(prepared.weight.cost(operation.ty));
        let purse = self.endpoint.purse(self.owner.identity);
        if let Some(purse) = &purse {
            purse.reserve(requested).map_err(later)?;
        }
        let settle = |actual| {
            if let Some(purse) = &purse {
                purse.settle(requested, actual);
            }
        };
        let place = self.endpoint.place(self.owner.identity.user).await;
        let _place = place.map_err(|refusal| {
            settle(0);
            later(refusal)
        })?;
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
        let done = self.endpoint.run_step(run, &pace).await;
        let done = done.inspect_err(|_| settle(pace.objects().max(requested)));
        let Some(mut done) = done.map_err(later)? else {
            settle(1);
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
        settle(actual);
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
        if let Some(purse) = &purse {
            let told = purse.told(requested, actual);
            done.extensions.insert("cost".to_owned(), told);
        }
        let payload = answer::event(&done, limits.response_bytes)?;
        Ok(Some(self.told(Kind::Next, &payload)))
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

    /// Says something to the socket, as soon as that takes it.
    async fn report(&self, what: What) -> Result<(), Stop> {
        let report = Report {
            id: Arc::clone(&self.id),
            serial: self.serial,
            what,
        };
        self.reports.send(report).await.map_err(|_| Stop::Unheard)
    }
}

/// A part of `most` by chance.
fn part_of(most: Duration) -> Duration {
    let [.., a, b, c, d] = *Uuid::now_v7().as_bytes();
    let chance = f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX);
    most.mul_f64(chance)
}

/// The operation that runs.
fn operation(prepared: &Prepared) -> Result<&OperationDefinition, Refusal> {
    meter::operation(&prepared.document, prepared.operation_name.as_deref())
}

/// Demands a subscription to one thing.
fn require_subscription(operation: &OperationDefinition) -> Result<(), Refusal> {
    if operation.ty != OperationType::Subscription {
        let message =
            say!("only subscriptions run on a socket: send queries and mutations by POST");
        return Err(Refusal::bad_request("SUBSCRIPTIONS_ONLY", message));
    }
    match operation.selection_set.node.items.as_slice() {
        [only] if matches!(only.node, Selection::Field(_)) => Ok(()),
        _ => Err(Refusal::validation(say!(
            "a subscription selects one field of Subscription, written out and not in a fragment"
        ))),
    }
}

/// What to do about a refusal: wait, where that helps.
fn later(refusal: Refusal) -> Stop {
    match refusal.error.code() {
        Code::Throttled => {
            let mut extensions = ErrorExtensionValues::default();
            refusal.error.write_extensions(&mut extensions);
            let seconds = errors::retry_after(&extensions);
            let pause = seconds.map_or(AGAIN, Duration::from_secs);
            Stop::Later(pause.max(AGAIN), Box::new(refusal))
        }
        Code::Unavailable => Stop::Later(AGAIN, Box::new(refusal)),
        _ => Stop::Refused(Box::new(refusal)),
    }
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
