//! From optional inputs to patches: absent keeps, null clears, a value sets.

use async_graphql::MaybeUndefined;

use crate::error::{Error, Result};
use crate::say;

/// A patch of something that may be cleared.
pub fn optional<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// A patch of something that cannot be cleared.
///
/// # Errors
/// `BAD_USER_INPUT` naming `field` for null.
pub fn required<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(Error::bad_input(
            field,
            say!(
                "`{field}` cannot be null; leave it out to keep it as it is",
                field
            ),
        )),
        MaybeUndefined::Value(value) => Ok(Some(value)),
    }
}
