//! What a pull asks first, in one statement: where the line of changes is, what is known of the device, whether it
//! has to begin anew, and whether there is anything to tell at all.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{DeviceId, ScopeKind, SyncCollection, sync_device};
use sea_orm::{FromQueryResult, QueryResult};

use super::super::session::Session;
use super::devices::{must_forget, require_welcome, wipe};
use super::held::SyncScope;
use super::read::{Position, Stream, any_of};
use super::text::Text;
use crate::error::{Error, Result};
use crate::sync::checkpoint::Sealer;

/// A device that came within so long need not be noted again.
const NOTED: TimeDelta = TimeDelta::hours(1);

/// What a pull begins with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Where the line of changes is.
    pub position: Position,
    /// What is kept of the viewer's sight of clients, where anything is.
    pub stream: Option<Stream>,
    /// The device, where it is known.
    pub device: Option<KnownDevice>,
    /// The last removed trace that could concern documents of these kinds, on this device.
    pub purged_seq: i64,
    /// Whether anything happened to documents of these kinds in scopes of the viewer since what the device has.
    pub has_news: bool,
    /// Whether the device pushed what is to be sent to it once more, and has no position yet.
    pub is_echo_due: bool,
    /// Whether something is sent to it once more, since what it has.
    pub has_echoes: bool,
}

/// A device that is known.
#[derive(Clone, Debug)]
pub struct KnownDevice(sync_device::Model);

impl KnownDevice {
    /// Its id.
    pub fn id(&self) -> DeviceId {
        self.0.id
    }

    /// Up to where it said, last, that it has everything.
    pub fn acked_seq(&self) -> i64 {
        self.0.acked_seq
    }

    /// Refuses it where it is to forget what it holds, or was shut out.
    ///
    /// # Errors
    /// `FORBIDDEN` `DEVICE_WIPE`, `DEVICE_REVOKED`.
    pub fn require_welcome(&self) -> Result<()> {
        require_welcome(&self.0)
    }

    /// Whether it is to forget what it holds.
    pub fn must_forget(&self) -> bool {
        self.0.wipe_asked_at.is_some()
    }

    /// Whether nothing about it has to be written down at `now`.
    pub fn is_noted(&self, schema_version: Option<i32>, now: DateTime<Utc>) -> bool {
        self.0.expired_at.is_none()
            && now - self.0.last_seen_at < NOTED
            && schema_version.is_none_or(|version| version == self.0.schema_version)
    }
}

impl Session {
    /// What a pull of documents of these kinds begins with, for `device`, or for the device of the viewer's session
    /// where none is named; `since` is up to where it has everything. What it pushed before `echoed` is to be sent to it
    /// once more; nothing when absent.
    ///
    /// # Errors
    /// `FORBIDDEN` `DEVICE_WIPE` where a device of the viewer's session is to forget what it holds; from the database.
    pub async fn sync_opening(
        &self,
        device: Option<DeviceId>,
        since: i64,
        collections: &BTreeSet<SyncCollection>,
        echoed: Option<DateTime<Utc>>,
    ) -> Result<Opening> {
        let has = |kind: ScopeKind| collections.iter().any(|one| one.scope_kind() == kind);
        let mut text = Text::new(self.backend());
        let user = text.value(self.viewer().user_id());
        let which = self.which_device(&mut text, device, &user);
        let kinds = text.list(collections.iter().copied());
        let since = text.value(since);
        let mut news = Vec::new();
        if let Some(any) = any_of(&mut text, ScopeKind::Client, collections, &since) {
            news.push(format!(
                "EXISTS (SELECT 1 FROM stream_scopes n WHERE n.user_id = {user} AND n.head_seq > {since} AND {any})"
            ));
        }
        for (kind, id) in [
            (ScopeKind::User, user.clone()),
            (ScopeKind::Catalogue, text.value(SyncScope::Catalogue.id())),
        ] {
            if let Some(any) = any_of(&mut text, kind, collections, &since) {
                let kind = text.value(kind);
                news.push(format!(
                    "EXISTS (SELECT 1 FROM sync_scopes n WHERE n.kind = {kind} AND n.id = {id} \
                     AND n.head_seq > {since} AND {any})"
                ));
            }
        }
        let news = if news.is_empty() {
            "FALSE".to_owned()
        } else {
            news.join(" OR ")
        };
        let echoes = match echoed {
            Some(before) => {
                let before = text.value(before);
                let some = |what: &str| {
                    format!(
                        "EXISTS (SELECT 1 FROM device_echoes e WHERE e.device_id = d.id \
                         AND e.collection IN ({kinds}) AND {what})"
                    )
                };
                format!(
                    "{} AS is_echo_due, {} AS has_echoes",
                    some(&format!("e.stamped_seq IS NULL AND e.pushed_at < {before}")),
                    some(&format!("e.stamped_seq > {since}"))
                )
            }
            None => "FALSE AS is_echo_due, FALSE AS has_echoes".to_owned(),
        };
        let forgets = match self.viewer().session_id() {
            Some(session) => must_forget(&text.value(session), &user),
            None => "FALSE".to_owned(),
        };
        text.push(&format!(
            "SELECT c.epoch, c.seq, st.opened_seq, st.is_capped, \
             (SELECT MAX(h.purged_seq) FROM sync_horizons h WHERE h.collection IN ({kinds})) AS purged_seq, \
             ({news}) AS has_news, {echoes}, {forgets} AS must_forget, d.* \
             FROM sync_clock c LEFT JOIN sync_streams st ON st.user_id = {user} \
             LEFT JOIN sync_devices d ON d.user_id = {user} AND d.id = {which}"
        ));
        let row = self
            .query_one_raw(text.done())
            .await?
            .ok_or_else(|| Error::bug("there is no clock"))?;
        read(&row, has(ScopeKind::Client))
    }

    /// `device` of the viewer, or the one that the viewer's session came with last where none is named; nothing where
    /// there is none.
    ///
    /// # Errors
    /// From the database.
    pub async fn device_that_asks(&self, device: Option<DeviceId>) -> Result<Option<KnownDevice>> {
        let mut text = Text::new(self.backend());
        let user = text.value(self.viewer().user_id());
        let which = self.which_device(&mut text, device, &user);
        text.push(&format!(
            "SELECT d.* FROM sync_devices d WHERE d.user_id = {user} AND d.id = {which}"
        ));
        let row = self.query_one_raw(text.done()).await?;
        row.map(|row| {
            Ok(KnownDevice(sync_device::Model::from_query_result(
                &row, "",
            )?))
        })
        .transpose()
    }

    /// What stands for the id of that device.
    fn which_device(&self, text: &mut Text, device: Option<DeviceId>, user: &str) -> String {
        match (device, self.viewer().session_id()) {
            (Some(device), _) => text.value(device),
            (None, Some(session)) => {
                let session = text.value(session);
                format!(
                    "(SELECT id FROM sync_devices WHERE session_id = {session} AND user_id = {user} \
                     ORDER BY last_seen_at DESC, id LIMIT 1)"
                )
            }
            (None, None) => "NULL".to_owned(),
        }
    }

    /// Makes and reads the tokens of pulls.
    pub fn sealer(&self) -> Sealer {
        let secret = ring::hmac::sign(self.cursor_key(), b"checkpoints of sync");
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(secret.as_ref()) {
            *to = *from;
        }
        Sealer::new(&key)
    }
}

fn read(row: &QueryResult, holds_clients: bool) -> Result<Opening> {
    if row.try_get("", "must_forget")? {
        return Err(wipe());
    }
    let opened_seq: Option<i64> = row.try_get("", "opened_seq")?;
    let stream = match opened_seq {
        Some(opened_seq) => Some(Stream {
            opened_seq,
            is_capped: row.try_get("", "is_capped")?,
        }),
        None => None,
    };
    let device: Option<DeviceId> = row.try_get("", "id")?;
    let device = match device {
        Some(_) => Some(KnownDevice(sync_device::Model::from_query_result(row, "")?)),
        None => None,
    };
    let purged: Option<i64> = row.try_get("", "purged_seq")?;
    let lost = stream.filter(|_| holds_clients);
    let floor = device.as_ref().map_or(0, |device| device.0.floor_seq);
    Ok(Opening {
        position: Position {
            epoch: row.try_get("", "epoch")?,
            seq: row.try_get("", "seq")?,
        },
        stream,
        device,
        purged_seq: purged
            .unwrap_or(0)
            .max(floor)
            .max(lost.map_or(0, |stream| stream.opened_seq)),
        has_news: row.try_get("", "has_news")?,
        is_echo_due: row.try_get("", "is_echo_due")?,
        has_echoes: row.try_get("", "has_echoes")?,
    })
}
