//! What is confidential can only be changed by those who see it.

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
    require(tx.sees(group, owner).await?, field)
}

/// The same for `field` of a row of the catalogue.
///
/// # Errors
/// `FORBIDDEN` `confidentiality.masked_field` naming `field`.
pub fn require_seen_in_catalogue(tx: &Tx, group: Confidential, field: &str) -> Result<()> {
    require(tx.sees_in_catalogue(group), field)
}

fn require(sees: bool, field: &str) -> Result<()> {
    if sees {
        return Ok(());
    }
    Err(Error::forbidden(say!(
        "you may not see what is here, so you cannot change it"
    ))
    .field(field)
    .with_rule("confidentiality.masked_field"))
}
