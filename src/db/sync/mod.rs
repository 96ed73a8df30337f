//! What phones are told by: a projection of the business tables, kept in the same transaction by the one place
//! that writes. The business tables are the truth.
//!
//! # How it is kept
//!
//! * [`held`] says of every table what phones hold of it ([`Synced`]): rows that are documents, rows that are part of
//!   one (an order's lines), or nothing, and why; in which scope a document is; and whose sight of clients the
//!   rows decide on.
//! * [`changes`]: each write of [`Tx`](super::Tx) notes which rows it touched. Statements that write past those
//!   functions note it themselves (`note_clients`, `note_sight_of`, `note_viewers`).
//! * [`clock`]: the last statements before the commit take the clock, the next position, and put every touched
//!   document, its scope and whoever holds that at this position. A unit of work that touched nothing of this
//!   takes no clock. Positions are in the order of commits: a reader that saw one will see nothing new at or
//!   below it.
//! * [`sight`]: which users see which clients is kept for users with a device in use, up to a cap, and compared
//!   whenever an owner, a team, the tree of users or a role changed. What ends by time alone, a job compares; a share that is renewed before lets in anew.
//! * [`devices`]: who has a device.
//!
//! Whose phones should look for what was written goes out with the other news of the unit of work, once it is committed
//! ([`Poke`](crate::live::Poke)).
//!
//! Three statements on PostgreSQL: the clock; who sees what, where that may have changed; documents with their scopes.
//! Only a unit that changes both who holds clients and who sees whom takes one more, and one that touches thousands of
//! rows some. On SQLite, where a statement is no way to anywhere, the second is up to four and the third up to three.
//!
//! # What is read from it
//!
//! All of one page is read in one snapshot. The log says where to look; the current row, read by its scope, decides
//! what is sent.
//!
//! | what | by |
//! |---|---|
//! | epoch and position, the watermark of a snapshot | [`Session::sync_position`](super::Session::sync_position) |
//! | scopes of the viewer with something after a position | [`Session::sync_heads`](super::Session::sync_heads) |
//! | whether there is anything to do for a device, in one statement | [`Session::sync_opening`](super::Session::sync_opening) |
//! | documents of scopes after places, in order | [`Session::sync_items`](super::Session::sync_items) |
//! | since when it is known what the viewer lost; whether they see too much | [`Session::stream`](super::Session::stream) |
//! | up to where traces were cleared away | [`Session::sync_horizons`](super::Session::sync_horizons) |
//! | ids and versions of what a phone holds | [`Session::manifest`](super::Session::manifest) |
//! | what a device pushed, and is sent once more | [`Session::sync_echoes`](super::Session::sync_echoes) |
//! | a device comes; has everything up to a position | [`Tx::check_in`](super::Tx::check_in), [`Tx::acknowledge`](super::Tx::acknowledge) |
//!
//! A scope of a client that was left (`left_seq`) tells which documents to take back; one that was entered after a
//! device's position is sent whole, with the dead items after that position. The user's own rows and the catalogue are
//! scopes that are neither entered nor left. A device begins anew when the epoch is another, when its position is
//! below `opened_seq`, below a horizon, or beyond the clock, and when it is below that at which the device was given up
//! (`floor_seq`).

mod anew;
mod changes;
mod clock;
mod devices;
mod echoes;
mod held;
mod manifest;
mod opening;
mod ops;
mod read;
mod sight;
mod text;

pub(super) use anew::begin_anew;
pub(super) use changes::Changes;
#[cfg(test)]
pub(super) use clock::write;
pub(super) use clock::{ChangeClock, Inline};
pub use devices::{DEVICE_STAYS, EndedShare, STREAM_CAP};
pub use echoes::OwnWrite;
#[cfg(test)]
pub(super) use held::tables;
pub use held::{Document, Held, Sight, SyncScope, Synced};
pub use opening::{KnownDevice, Opening};
pub use ops::{
    ACKED_OPS_STAY, ISSUES_STAY, MAX_PARKED, OPS_STAY, OpRecord, ParentKey, ParkedOp,
    PushingDevice, status_of,
};
pub use read::{Head, Place, Position, Stream, Stretch, SyncItem, collection_of, number_of};

use std::sync::Arc;

use super::session::Session;
use super::unit::Unit;
use crate::error::Result;

/// Writes down what `unit` has touched: the last act before its commit. Notes whom to tell after it.
pub(super) async fn keep(session: &Session, unit: &Arc<Unit>) -> Result<()> {
    let changes = unit.take_changes();
    if changes.is_empty() {
        return Ok(());
    }
    let within = session.inside(Arc::clone(unit), unit.at());
    let clock = &session.database().inner.change_clock;
    let news = clock.keep(&within, changes).await?;
    unit.note_news(|noted| noted.absorb(news));
    Ok(())
}
