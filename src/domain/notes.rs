//! What people write down about a client. Everybody who sees the client reads it; its author answers for
//! it, and only they and those above them change it.

use entity::{ClientId, NoteId, UserId, note};
use sea_orm::ActiveValue::Set;

use super::clients::{self, set};
use super::text;
use crate::db::{Tx, Visible};
use crate::error::{Error, Result};
use crate::say;

/// The longest body, in characters.
pub const MAX_BODY_CHARS: usize = 10_000;

/// A note to be.
#[derive(Clone, Debug)]
pub struct NewNote {
    /// An id the caller chose, as a phone does offline.
    pub id: Option<NoteId>,
    /// The client.
    pub client: ClientId,
    /// Who wrote it, where the service itself records it, as an import does. A person writes for themselves:
    /// then it is not looked at.
    pub author: Option<UserId>,
    /// The text.
    pub body: String,
    /// Whether it stays on top.
    pub is_pinned: bool,
}

/// Writes a note down. With an id that exists and equal content it answers the note that is there.
///
/// # Errors
/// `NOT_FOUND` for the client; `BAD_USER_INPUT`; `CONFLICT` for an id that is taken; `RULE_VIOLATED`
/// `clients.archived`.
pub async fn create(tx: &Tx, new: NewNote) -> Result<Visible<note::Model>> {
    let NewNote {
        id,
        client,
        author,
        body,
        is_pinned,
    } = new;
    let client = tx
        .lock_client(client)
        .await
        .map_err(|error| error.field("clientId"))?;
    clients::require_active(&client)?;
    let author = tx
        .viewer()
        .user_id()
        .or(author)
        .ok_or_else(|| Error::bug("a note of the service itself names no author"))?;
    let now = tx.now();
    let row = note::ActiveModel {
        id: Set(id.unwrap_or_else(|| tx.new_id())),
        client_id: Set(client.id),
        author_id: Set(author),
        body: Set(text::long_text("body", &body, MAX_BODY_CHARS)?),
        is_pinned: Set(is_pinned),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        archived_at: Set(None),
    };
    tx.create_under::<note::Entity>(&client, id, row).await
}

/// Changes a note whose version is still `version`.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`, `BAD_USER_INPUT`; `FORBIDDEN` unless the viewer wrote it, is above its
/// author or an administrator.
pub async fn update(
    tx: &Tx,
    id: NoteId,
    version: i64,
    body: Option<String>,
    is_pinned: Option<bool>,
) -> Result<Visible<note::Model>> {
    let present = lock(tx, id).await?;
    let body = body
        .map(|body| text::long_text("body", &body, MAX_BODY_CHARS))
        .transpose()?;
    let row = note::ActiveModel {
        body: set(body),
        is_pinned: set(is_pinned),
        ..Default::default()
    };
    tx.update::<note::Entity>(&present, Some(version), row)
        .await
}

/// Hides a note from lists.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `FORBIDDEN` as in [`update`]; `RULE_VIOLATED` `notes.already_archived`.
pub async fn archive(tx: &Tx, id: NoteId, version: i64) -> Result<Visible<note::Model>> {
    let present = lock(tx, id).await?;
    if present.archived_at.is_some() {
        return Err(Error::rule(
            "notes.already_archived",
            say!("this note is archived already"),
        ));
    }
    let row = note::ActiveModel {
        archived_at: Set(Some(tx.now())),
        ..Default::default()
    };
    tx.update::<note::Entity>(&present, Some(version), row)
        .await
}

/// Brings an archived note back.
///
/// # Errors
/// `NOT_FOUND`, `STALE_VERSION`; `FORBIDDEN` as in [`update`]; `RULE_VIOLATED` `notes.not_archived`.
pub async fn restore(tx: &Tx, id: NoteId, version: i64) -> Result<Visible<note::Model>> {
    let present = lock(tx, id).await?;
    if present.archived_at.is_none() {
        return Err(Error::rule(
            "notes.not_archived",
            say!("this note is not archived"),
        ));
    }
    let row = note::ActiveModel {
        archived_at: Set(None),
        ..Default::default()
    };
    tx.update::<note::Entity>(&present, Some(version), row)
        .await
}

/// A note that the viewer may change; its client is held.
async fn lock(tx: &Tx, id: NoteId) -> Result<Visible<note::Model>> {
    let row = tx.select::<note::Entity>().id(id).get().await?;
    tx.lock_client(row.client_id).await?;
    let row = tx.select::<note::Entity>().id(id).get().await?;
    let viewer = tx.viewer();
    let may = match viewer.user_id() {
        None => true,
        Some(me) if me == row.author_id || viewer.is_admin() => true,
        Some(me) => viewer.is_manager() && tx.reaches(me, row.author_id).await?,
    };
    if may {
        return Ok(row);
    }
    Err(Error::forbidden(say!(
        "only its author, managers above them and administrators may change a note"
    )))
}
