//! What a resolver takes from its request.

use std::future::Future;

use async_graphql::Context;

use crate::auth::passwords::Passwords;
use crate::db::{Session, Tx};
use crate::error::{Error, Result};
use crate::messages::Locale;
use crate::say;

/// The session of whoever asks.
///
/// # Errors
/// `UNAUTHENTICATED` when nobody is signed in.
pub fn session<'a>(ctx: &Context<'a>) -> Result<&'a Session> {
    ctx.data_opt::<Session>().ok_or_else(|| {
        Error::unauthenticated(say!(
            "sign in first: send an access token in the header `Authorization: Bearer …`"
        ))
    })
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
