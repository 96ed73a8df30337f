//! Rows that a device pushed without ids of the pushes, to be sent to it once more: stock RxDB drops what it downloads of
//! a row while its own write of that row is under way, and still moves its checkpoint past it.
//!
//! A push is noted with its time. The first pull after it was answered or given up for sure puts the row at a position of
//! the line, for that device alone; pages bring it like anything else that changed, until the device has come past it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::SyncCollection;
use sea_orm::{FromQueryResult, Statement};
use uuid::Uuid;

use super::super::session::Session;
use super::super::tx::Tx;
use super::opening::KnownDevice;
use super::ops::PushingDevice;
use super::read::{Place, SyncItem};
use super::text::Text;
use crate::error::{Error, Result};
use crate::sync::push::RequestHash;

/// How many rows one statement writes.
const CHUNK: usize = 500;

/// What a push of a device made of a row, where the device knew all that was in it before.
#[derive(Clone, Copy, Debug)]
pub struct OwnWrite {
    /// The version that came of it.
    pub version: i64,
    /// What tells the state that it pushed from another.
    pub state: RequestHash,
}

impl Tx {
    /// Notes rows that a device pushed without ids of the pushes, each with what this made of it, where the device knew
    /// all that was in it before. One that it pushed before is sent after the last time.
    ///
    /// # Errors
    /// From the database.
    pub async fn note_pushed(
        &self,
        device: &PushingDevice,
        collection: SyncCollection,
        rows: &BTreeMap<Uuid, Option<OwnWrite>>,
    ) -> Result<()> {
        let rows: Vec<(Uuid, Option<OwnWrite>)> =
            rows.iter().map(|(id, own)| (*id, *own)).collect();
        for chunk in rows.chunks(CHUNK) {
            let mut text = Text::new(self.backend());
            let (id, now) = (text.value(device.id()), text.value(self.now()));
            let collection = text.value(collection);
            let rows: Vec<String> = chunk
                .iter()
                .map(|(row, own)| {
                    let row = text.value(*row);
                    let version = text.value(own.map(|own| own.version));
                    let hash = text.value(own.map(|own| own.state.to_vec()));
                    format!("({id}, {collection}, {row}, {now}, {version}, {hash})")
                })
                .collect();
            text.push(&format!(
                "INSERT INTO device_echoes (device_id, collection, row_id, pushed_at, own_version, own_hash) VALUES {} \
                 ON CONFLICT (device_id, collection, row_id) DO UPDATE SET pushed_at = excluded.pushed_at, \
                 own_version = COALESCE(excluded.own_version, device_echoes.own_version), \
                 own_hash = COALESCE(excluded.own_hash, device_echoes.own_hash), stamped_seq = NULL",
                rows.join(", ")
            ));
            self.execute_raw(text.done()).await?;
        }
        Ok(())
    }

    /// What the last push of the device made of these rows, of those that it may not have been sent yet.
    ///
    /// # Errors
    /// From the database.
    pub async fn own_writes(
        &self,
        device: &PushingDevice,
        collection: SyncCollection,
        rows: impl Iterator<Item = Uuid>,
    ) -> Result<BTreeMap<Uuid, OwnWrite>> {
        let rows: BTreeSet<Uuid> = rows.collect();
        let rows: Vec<Uuid> = rows.into_iter().collect();
        let mut found = BTreeMap::new();
        for chunk in rows.chunks(CHUNK) {
            let mut text = Text::new(self.backend());
            let (id, collection) = (text.value(device.id()), text.value(collection));
            let rows = text.list(chunk.iter().copied());
            text.push(&format!(
                "SELECT row_id, own_version, own_hash FROM device_echoes WHERE device_id = {id} \
                 AND collection = {collection} AND row_id IN ({rows}) AND own_version IS NOT NULL"
            ));
            for row in self.query_all_raw(text.done()).await? {
                let state: Vec<u8> = row.try_get("", "own_hash")?;
                let own = OwnWrite {
                    version: row.try_get("", "own_version")?,
                    state: state
                        .try_into()
                        .map_err(|_| Error::bug("a hash of another length is on record"))?,
                };
                found.insert(row.try_get("", "row_id")?, own);
            }
        }
        Ok(found)
    }

    /// Puts what the device pushed before `before` at the next position, and forgets what it has: everything of these
    /// kinds up to `has`.
    ///
    /// # Errors
    /// From the database.
    pub async fn stamp_echoes(
        &self,
        device: &KnownDevice,
        collections: &BTreeSet<SyncCollection>,
        has: i64,
        before: DateTime<Utc>,
    ) -> Result<()> {
        // A push holds the device while it notes what it brought, and only then takes the next position: so does this.
        let hold = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE sync_devices SET last_seen_at = $1 WHERE id = $2 AND user_id = $3",
            [
                self.now().into(),
                device.id().into(),
                self.viewer().user_id().into(),
            ],
        );
        self.execute_raw(hold).await?;
        let mut text = Text::new(self.backend());
        let (id, has) = (text.value(device.id()), text.value(has));
        let kinds = text.list(collections.iter().copied());
        text.push(&format!(
            "DELETE FROM device_echoes WHERE device_id = {id} AND collection IN ({kinds}) AND stamped_seq <= {has}"
        ));
        self.execute_raw(text.done()).await?;
        let seq = self.take_position().await?;
        let mut text = Text::new(self.backend());
        let (id, seq, before) = (text.value(device.id()), text.value(seq), text.value(before));
        let kinds = text.list(collections.iter().copied());
        text.push(&format!(
            "UPDATE device_echoes SET stamped_seq = {seq} WHERE device_id = {id} AND collection IN ({kinds}) \
             AND stamped_seq IS NULL AND pushed_at < {before}"
        ));
        self.execute_raw(text.done()).await?;
        Ok(())
    }

    /// Forgets what devices pushed that were given up: they begin anew. Not in a unit of work that took a position: a
    /// push of one that comes again may hold its rows, and wait for the next. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn forget_echoes(&self) -> Result<()> {
        self.require_service()?;
        let mut text = Text::new(self.backend());
        text.push(
            "DELETE FROM device_echoes WHERE device_id IN \
             (SELECT id FROM sync_devices WHERE expired_at IS NOT NULL)",
        );
        self.execute_raw(text.done()).await?;
        Ok(())
    }
}

impl Session {
    /// What the device pushed and is sent once more: of these kinds, after a place and up to a position, in the order of
    /// places; at most `limit`.
    ///
    /// # Errors
    /// From the database.
    pub async fn sync_echoes(
        &self,
        device: &KnownDevice,
        collections: &BTreeSet<SyncCollection>,
        after: Place,
        until: i64,
        limit: u64,
    ) -> Result<Vec<SyncItem>> {
        let mut text = Text::new(self.backend());
        let Place {
            seq,
            collection,
            row,
        } = after;
        let id = text.value(device.id());
        let kinds = text.list(collections.iter().copied());
        let place = [text.value(seq), text.value(collection), text.value(row)].join(", ");
        let until = text.value(until);
        let limit = text.value(i64::try_from(limit).unwrap_or(i64::MAX));
        text.push(&format!(
            "SELECT collection, row_id, stamped_seq AS seq, stamped_seq AS added_seq, TRUE AS live \
             FROM device_echoes WHERE device_id = {id} AND collection IN ({kinds}) AND stamped_seq <= {until} \
             AND (stamped_seq, collection, row_id) > ({place}) \
             ORDER BY stamped_seq, collection, row_id LIMIT {limit}"
        ));
        self.query_all_raw(text.done())
            .await?
            .iter()
            .map(|row| Ok(SyncItem::from_query_result(row, "")?))
            .collect()
    }
}
