//! The devices of users that hold documents: named, shut out, told to forget what they hold.

use entity::{DeviceId, SessionId, sync_device};
use sea_orm::ActiveValue::Set;

use super::sessions;
use super::text;
use crate::db::{EndReason, Tx, Visible};
use crate::error::{Code, Error, Result};
use crate::say;

/// Takes note of a device of the viewer, by an id that it made for this user and keeps.
///
/// # Errors
/// `BAD_USER_INPUT`; `CONFLICT` when the id is that of somebody else's device; `FORBIDDEN` `DEVICE_WIPE`,
/// `DEVICE_REVOKED`.
pub async fn register(
    tx: &Tx,
    id: DeviceId,
    name: &str,
    schema_version: i32,
) -> Result<Visible<sync_device::Model>> {
    let name = text::text("name", name, 100)?;
    if schema_version < 1 {
        return Err(Error::bad_input(
            "schemaVersion",
            say!("versions are counted from 1"),
        ));
    }
    tx.check_in(id, Some(schema_version)).await?;
    let row = tx.lock::<sync_device::Entity>(id).await?;
    let changes = sync_device::ActiveModel {
        name: Set(name),
        ..Default::default()
    };
    tx.amend::<sync_device::Entity>(&row, changes).await
}

/// Shuts a device out for good and ends the session it came with last. One that was shut out stays so.
///
/// # Errors
/// `NOT_FOUND` for a device of somebody else, unless an administrator asks.
pub async fn revoke(tx: &Tx, id: DeviceId) -> Result<Visible<sync_device::Model>> {
    let row = tx.lock::<sync_device::Entity>(id).await?;
    let now = tx.now();
    let changes = sync_device::ActiveModel {
        revoked_at: Set(Some(row.revoked_at.unwrap_or(now))),
        expired_at: Set(Some(row.expired_at.unwrap_or(now))),
        ..Default::default()
    };
    let session = row.session_id;
    let row = tx.amend::<sync_device::Entity>(&row, changes).await?;
    end_session(tx, session).await?;
    tx.close_stream(row.user_id);
    Ok(row)
}

/// Has a device forget everything it holds: it is told so whenever it comes, until it says that it has.
///
/// # Errors
/// As [`revoke`].
pub async fn wipe(tx: &Tx, id: DeviceId) -> Result<Visible<sync_device::Model>> {
    let row = tx.lock::<sync_device::Entity>(id).await?;
    let now = tx.now();
    let changes = sync_device::ActiveModel {
        wipe_asked_at: Set(Some(row.wipe_asked_at.unwrap_or(now))),
        expired_at: Set(Some(row.expired_at.unwrap_or(now))),
        ..Default::default()
    };
    let row = tx.amend::<sync_device::Entity>(&row, changes).await?;
    tx.tell_phones_of(row.user_id);
    tx.close_stream(row.user_id);
    Ok(row)
}

/// A device of the viewer says that it has forgotten everything. The session it came with ends.
///
/// # Errors
/// `NOT_FOUND`; `RULE_VIOLATED` `devices.not_to_be_wiped`.
pub async fn wiped(tx: &Tx, id: DeviceId) -> Result<Visible<sync_device::Model>> {
    let row = tx.lock::<sync_device::Entity>(id).await?;
    if tx.viewer().user_id() != Some(row.user_id) {
        return Err(Error::not_found("device"));
    }
    if row.wipe_asked_at.is_none() {
        return Err(Error::rule(
            "devices.not_to_be_wiped",
            say!("nobody asked this device to forget what it holds"),
        ));
    }
    let changes = sync_device::ActiveModel {
        wiped_at: Set(Some(row.wiped_at.unwrap_or(tx.now()))),
        ..Default::default()
    };
    let session = row.session_id;
    let row = tx.amend::<sync_device::Entity>(&row, changes).await?;
    end_session(tx, session).await?;
    Ok(row)
}

async fn end_session(tx: &Tx, session: Option<SessionId>) -> Result<()> {
    let Some(session) = session else {
        return Ok(());
    };
    match sessions::end(tx, session, EndReason::Revoked).await {
        // It is forgotten already.
        Err(error) if error.code() == Code::NotFound => Ok(()),
        outcome => outcome.map(drop),
    }
}
