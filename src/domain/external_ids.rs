//! Ids that rows have in another system. Whoever sets one learns, when it is taken, that some row has it,
//! perhaps one out of sight: so they are set by those who keep the systems in step, and by nobody else.

use super::text;
use crate::db::Session;
use crate::error::{Error, Result};
use crate::say;

/// The external id of a new row that reps write too, at most 100 characters; nothing for a blank one. Whether
/// it is taken, the database says when the row goes in: alike for rows in sight and out of it.
///
/// # Errors
/// `FORBIDDEN` field `externalId` unless a manager, an administrator or the service itself sets it;
/// `BAD_USER_INPUT`.
pub fn parse(session: &Session, given: Option<&str>) -> Result<Option<String>> {
    let external_id = text::optional_text("externalId", given, 100)?;
    if external_id.is_some() && !session.viewer().is_manager() {
        return Err(Error::forbidden(say!(
            "only managers, administrators and imports may set `externalId`; leave it out"
        ))
        .field("externalId"));
    }
    Ok(external_id)
}
