//! What is confidential of a client can only be changed by those who see it.

use entity::UserId;

use crate::db::{Confidential, Tx};
use crate::error::{Error, Result};
use crate::say;

/// Demands that the viewer sees a group of facts of a client whose owner is `owner`, to change `field` of it:
/// whoever was shown nothing would wipe out what is there.
///
/// # Errors
/// `FORBIDDEN` `confidentiality.masked_field` naming `field`; from the database.
pub async fn require_seen(
    tx: &Tx,
    group: Confidential,
    owner: Option<UserId>,
    field: &str,
) -> Result<()> {
    if tx.sees(group, owner).await? {
        return Ok(());
    }
    Err(Error::forbidden(say!(
        "you may not see what is here, so you cannot change it"
    ))
    .field(field)
    .with_rule("confidentiality.masked_field"))
}
