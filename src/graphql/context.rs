//! What a resolver takes from its request.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{Context, PathSegment, QueryPathNode, QueryPathSegment, Value};

use super::service_scopes;
use crate::auth::passwords::Passwords;
use crate::db::{Confidential, Session, Tx};
use crate::error::{Error, Result};
use crate::messages::Locale;
use crate::say;

/// The session of whoever asks.
///
/// # Errors
/// `UNAUTHENTICATED` when nobody is signed in; `FORBIDDEN` for a mutation that a program's key is not good for.
pub fn session<'a>(ctx: &Context<'a>) -> Result<&'a Session> {
    let session = ctx.data_opt::<Session>().ok_or_else(sign_in_first)?;
    service_scopes::check(ctx, session.viewer())?;
    Ok(session)
}

/// What somebody hears who is not signed in.
pub(super) fn sign_in_first() -> Error {
    Error::unauthenticated(say!(
        "sign in first: send an access token in the header `Authorization: Bearer …`"
    ))
}

/// The hasher of passwords.
///
/// # Errors
/// `UNAUTHENTICATED` when nobody is signed in.
pub fn passwords<'a>(ctx: &Context<'a>) -> Result<&'a Passwords> {
    session(ctx)?;
    ctx.data_opt::<Passwords>()
        .ok_or_else(|| Error::bug("the request came without the hasher of passwords"))
}

/// Runs `work` in a transaction of whoever asks ([`Session::write`]).
///
/// # Errors
/// `UNAUTHENTICATED` when nobody is signed in; what `work` fails with.
pub async fn write<T, F, Fut>(ctx: &Context<'_>, work: F) -> Result<T>
where
    F: Fn(Tx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    session(ctx)?.write(work).await
}

/// The language whoever asks reads.
pub fn locale(ctx: &Context<'_>) -> Locale {
    ctx.data_opt::<Locale>().copied().unwrap_or(Locale::En)
}

/// The outcome of a fallible value as a nullable field wants it: a failure nulls the field, not its
/// parent.
pub fn nullable<T>(outcome: Result<Option<T>>) -> Option<Result<T>> {
    outcome.transpose()
}

/// The fields of one answer that are null because the viewer may not see them: one per request, in its data.
/// The edge lists their paths in `extensions.masked`, so that a client can tell "not for you" from "not there".
/// Beside them stands which groups of confidential facts were shown.
#[derive(Clone, Debug, Default)]
pub struct Masked(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    paths: Vec<Vec<PathSegment>>,
    /// The groups of confidential facts that were shown.
    shown: BTreeSet<Confidential>,
}

impl Masked {
    /// Notes a path: response keys and list indices from the root, as in the `path` of an error.
    pub fn add(&self, path: Vec<PathSegment>) {
        self.notes().paths.push(path);
    }

    /// How many paths were noted so far.
    pub fn count(&self) -> usize {
        self.notes().paths.len()
    }

    /// The paths that were noted after the first `count`.
    pub fn since(&self, count: usize) -> Vec<Vec<PathSegment>> {
        self.notes().paths.iter().skip(count).cloned().collect()
    }

    /// Notes that a confidential fact was shown.
    pub fn add_shown(&self, group: Confidential) {
        self.notes().shown.insert(group);
    }

    /// The groups of confidential facts that were shown so far.
    pub fn shown(&self) -> Vec<Confidential> {
        self.notes().shown.iter().copied().collect()
    }

    /// Takes out the paths as the answer lists them, sorted; `None` if no field was masked.
    pub fn take(&self) -> Option<Value> {
        let mut paths = std::mem::take(&mut self.notes().paths);
        if paths.is_empty() {
            return None;
        }
        // Fields are resolved at the same time: only sorting makes equal requests give equal answers.
        paths.sort_by(|a, b| compare_paths(a, b));
        paths.dedup();
        let path = |path: Vec<PathSegment>| Value::List(path.into_iter().map(value_of).collect());
        Some(Value::List(paths.into_iter().map(path).collect()))
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compare_paths(a: &[PathSegment], b: &[PathSegment]) -> Ordering {
    let segments = a.iter().zip(b).map(|pair| match pair {
        (PathSegment::Field(a), PathSegment::Field(b)) => a.cmp(b),
        (PathSegment::Index(a), PathSegment::Index(b)) => a.cmp(b),
        (PathSegment::Field(_), PathSegment::Index(_)) => Ordering::Less,
        (PathSegment::Index(_), PathSegment::Field(_)) => Ordering::Greater,
    });
    segments
        .fold(Ordering::Equal, Ordering::then)
        .then(a.len().cmp(&b.len()))
}

fn value_of(segment: PathSegment) -> Value {
    match segment {
        PathSegment::Field(name) => Value::String(name),
        PathSegment::Index(index) => Value::from(index),
    }
}

/// The value of a field that this viewer may not see: null, with its path in `extensions.masked`. A resolver
/// of a nullable field returns it in place of the value. Where an object writes its fields itself, `ctx` is
/// that of the selection set `with_field(field)`.
pub fn mask<T>(ctx: &Context<'_>) -> Option<T> {
    if let (Some(masked), Some(node)) = (ctx.data_opt::<Masked>(), &ctx.path_node) {
        masked.add(path_of(node));
    }
    None
}

fn path_of(node: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let mut path: Vec<PathSegment> = std::iter::once(node)
        .chain(node.parents())
        .map(|node| match node.segment {
            QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
            QueryPathSegment::Index(index) => PathSegment::Index(index),
        })
        .collect();
    path.reverse();
    path
}
