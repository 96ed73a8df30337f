//! What devices pushed: the ledger of their operations, by which each is done once; what waits in it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ClientId, DeviceId, OpStatus, OrderId, SyncCollection, UserId};
use sea_orm::{ColumnTrait, QueryResult, Statement};
use uuid::Uuid;

use super::super::dialect;
use super::super::session::Session;
use super::super::tx::Tx;
use super::clock::tick;
use super::devices::must_forget;
use super::text::Text;
use crate::error::{Error, Result};
use crate::sync::Seq;
use crate::sync::push::{Parent, Recorded, RequestHash, Status};

/// How many rows one statement writes.
const CHUNK: usize = 500;

/// How long it is known of an operation what became of it.
pub const OPS_STAY: TimeDelta = TimeDelta::days(90);

/// How long it is known of one whose effect its device has said that it holds.
pub const ACKED_OPS_STAY: TimeDelta = TimeDelta::days(7);

/// How long what was refused stays on record after it was put aside: longer than any device may stay away and go on
/// where it was.
pub const ISSUES_STAY: TimeDelta = TimeDelta::days(180);

/// How many operations of a device wait at most.
pub const MAX_PARKED: usize = 500;

/// A device that is pushing: its row is held until the transaction ends, so that its operations are taken one batch
/// after the other.
#[derive(Clone, Copy, Debug)]
pub struct PushingDevice {
    id: DeviceId,
    forgotten: u64,
}

impl PushingDevice {
    /// Its id.
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The highest number of an operation of it that the ledger no longer holds.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// An operation on record.
#[derive(Clone, Debug)]
pub struct OpRecord {
    /// Its id, made by the device.
    pub op: Uuid,
    /// Its number, counted by the device.
    pub op_seq: i64,
    /// What became of it.
    pub recorded: Recorded,
    /// What it says, while it waits.
    pub payload: Option<serde_json::Value>,
}

/// An operation that waits, of whichever device.
#[derive(Clone, Debug)]
pub struct ParkedOp {
    /// Whose it is.
    pub user: UserId,
    /// The device that sent it.
    pub device: DeviceId,
    /// The operation.
    pub record: OpRecord,
}

/// What a row goes under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParentKey {
    /// A client.
    Client(ClientId),
    /// An order.
    Order(OrderId),
}

impl Tx {
    /// Takes the next position of the line now, for what has to know it. Nothing but the ledger is to be written
    /// after it: others wait.
    ///
    /// # Errors
    /// From the database.
    pub async fn take_position(&self) -> Result<i64> {
        let unit = self
            .within
            .as_ref()
            .ok_or_else(|| Error::bug("a position outside a unit of work"))?;
        if let Some(taken) = unit.position() {
            return Ok(taken);
        }
        let seq = tick(self).await?;
        unit.set_position(Some(seq));
        Ok(seq)
    }

    /// The position of the last change of a document in the subtree of a client; none where it is not there.
    ///
    /// # Errors
    /// From the database.
    pub async fn last_change(
        &self,
        client: ClientId,
        collection: SyncCollection,
        row: Uuid,
    ) -> Result<Option<i64>> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT seq FROM sync_items WHERE scope_id = $1 AND collection = $2 AND row_id = $3",
            [client.into(), collection.into(), row.into()],
        );
        let found = self.query_one_raw(statement).await?;
        Ok(found.map(|row| row.try_get("", "seq")).transpose()?)
    }

    /// Holds the row of the viewer's device, which is made when it comes for the first time.
    ///
    /// # Errors
    /// As [`Tx::check_in`].
    pub async fn begin_push(&self, device: DeviceId) -> Result<PushingDevice> {
        for _ in 0..2 {
            let hold = format!(
                "UPDATE sync_devices SET last_seen_at = $1 WHERE id = $2 AND user_id = $3 \
                 AND expired_at IS NULL AND wipe_asked_at IS NULL AND revoked_at IS NULL AND NOT {} \
                 RETURNING forgotten_op_seq",
                must_forget("$4", "$3")
            );
            let hold = Statement::from_sql_and_values(
                self.backend(),
                hold,
                [
                    self.now().into(),
                    device.into(),
                    self.viewer().user_id().into(),
                    self.viewer().session_id().into(),
                ],
            );
            if let Some(row) = self.query_one_raw(hold).await? {
                let forgotten: i64 = row.try_get("", "forgotten_op_seq")?;
                return Ok(PushingDevice {
                    id: device,
                    forgotten: u64::try_from(forgotten).unwrap_or(0),
                });
            }
            self.check_in(device, None).await?;
        }
        Err(Error::bug("a device that came is not there"))
    }

    /// What is on record of these operations of the device.
    ///
    /// # Errors
    /// From the database.
    pub async fn ops_on_record(
        &self,
        device: &PushingDevice,
        ops: &[Uuid],
    ) -> Result<BTreeMap<Uuid, OpRecord>> {
        let mut found = BTreeMap::new();
        for chunk in ops.chunks(CHUNK) {
            let mut text = Text::new(self.backend());
            let id = text.value(device.id);
            let ops = text.list(chunk.iter().copied());
            text.push(&format!(
                "SELECT * FROM op_ledger WHERE device_id = {id} AND op_id IN ({ops})"
            ));
            for row in self.query_all_raw(text.done()).await? {
                let record = record(&row)?;
                found.insert(record.op, record);
            }
        }
        Ok(found)
    }

    /// The operations of the device that wait, in the order of their numbers.
    ///
    /// # Errors
    /// From the database.
    pub async fn parked_ops(&self, device: &PushingDevice) -> Result<Vec<OpRecord>> {
        let mut text = Text::new(self.backend());
        let (id, status) = (text.value(device.id), text.value(OpStatus::Deferred));
        let most = text.value(i64::try_from(MAX_PARKED).unwrap_or(i64::MAX));
        text.push(&format!(
            "SELECT * FROM op_ledger WHERE device_id = {id} AND status = {status} \
             ORDER BY op_seq, op_id LIMIT {most}"
        ));
        let rows = self.query_all_raw(text.done()).await?;
        rows.iter().map(record).collect()
    }

    /// Puts what became of operations on record; what waited and is settled loses its payload.
    ///
    /// # Errors
    /// From the database.
    pub async fn record_ops(&self, device: DeviceId, records: &[OpRecord]) -> Result<()> {
        for chunk in records.chunks(CHUNK) {
            let mut text = Text::new(self.backend());
            let (id, now) = (text.value(device), text.value(self.now()));
            let rows: Vec<String> = chunk
                .iter()
                .map(|record| {
                    let recorded = &record.recorded;
                    let values = [
                        text.value(record.op),
                        text.value(record.op_seq),
                        text.value(recorded.hash.to_vec()),
                        text.value(status_of(recorded.status)),
                        text.value(recorded.version),
                        text.value(i64::try_from(recorded.seq.get()).unwrap_or(i64::MAX)),
                        text.value(record.payload.clone()),
                    ];
                    format!("({id}, {}, {now})", values.join(", "))
                })
                .collect();
            text.push(&format!(
                "INSERT INTO op_ledger (device_id, op_id, op_seq, request_hash, status, version, seq, payload, \
                 created_at) VALUES {} ON CONFLICT (device_id, op_id) DO UPDATE SET status = excluded.status, \
                 version = excluded.version, seq = excluded.seq, payload = excluded.payload",
                rows.join(", ")
            ));
            self.execute_raw(text.done()).await?;
        }
        Ok(())
    }

    /// Forgets operations: those from before `before`, and of those that were done the ones from before `acked_before`
    /// whose effect the device has said that it holds. What waits is kept. Of what failed, the issue that is kept of it
    /// says so to a device that asks again. Says how many. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn forget_ops(
        &self,
        before: DateTime<Utc>,
        acked_before: DateTime<Utc>,
    ) -> Result<u64> {
        self.require_service()?;
        let mut text = Text::new(self.backend());
        let done = text.list([OpStatus::Applied, OpStatus::Merged]);
        let failed = text.list([OpStatus::Conflict, OpStatus::Rejected]);
        let (before, acked_before) = (text.value(before), text.value(acked_before));
        let most = text.value(i64::try_from(CHUNK).unwrap_or(i64::MAX));
        text.push(&format!(
            "DELETE FROM op_ledger WHERE (device_id, op_id) IN (SELECT l.device_id, l.op_id FROM op_ledger l \
             JOIN sync_devices d ON d.id = l.device_id WHERE l.created_at < {acked_before} \
             AND (l.status IN ({done}) AND (l.created_at < {before} OR l.seq <= d.acked_seq) \
             OR l.status IN ({failed}) AND l.created_at < {before}) \
             ORDER BY l.created_at LIMIT {most}) RETURNING device_id, op_seq"
        ));
        let rows = self.query_all_raw(text.done()).await?;
        let mut highest: BTreeMap<DeviceId, i64> = BTreeMap::new();
        for row in &rows {
            let seq: i64 = row.try_get("", "op_seq")?;
            let mark = highest.entry(row.try_get("", "device_id")?).or_insert(seq);
            *mark = seq.max(*mark);
        }
        for (device, seq) in highest {
            let raise = Statement::from_sql_and_values(
                self.backend(),
                "UPDATE sync_devices SET forgotten_op_seq = $1 WHERE id = $2 AND forgotten_op_seq < $1",
                [seq.into(), device.into()],
            );
            self.execute_raw(raise).await?;
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// Forgets issues that were put aside before `before`; says how many. To phones they have been gone since then. For
    /// the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn forget_issues(&self, before: DateTime<Utc>) -> Result<u64> {
        self.require_service()?;
        let mut text = Text::new(self.backend());
        let before = text.value(before);
        let most = text.value(i64::try_from(CHUNK).unwrap_or(i64::MAX));
        text.push(&format!(
            "DELETE FROM sync_issues WHERE id IN (SELECT id FROM sync_issues WHERE archived_at < {before} \
             ORDER BY archived_at LIMIT {most})"
        ));
        Ok(self.execute_raw(text.done()).await?.rows_affected())
    }

    /// Some operations that have waited since before `before`. Their devices are held until the transaction ends, so
    /// that none of them is done by a push meanwhile. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn overdue_ops(&self, before: DateTime<Utc>) -> Result<Vec<ParkedOp>> {
        self.require_service()?;
        let most = i64::try_from(CHUNK).unwrap_or(i64::MAX);
        let devices = self.hold_overdue(before, most).await?;
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        // Only now, since a push that was waited for may have done them.
        let mut text = Text::new(self.backend());
        let (before, status) = (text.value(before), text.value(OpStatus::Deferred));
        let devices = text.list(devices);
        let most = text.value(most);
        text.push(&format!(
            "SELECT l.*, d.user_id FROM op_ledger l JOIN sync_devices d ON d.id = l.device_id \
             WHERE l.status = {status} AND l.created_at < {before} AND l.device_id IN ({devices}) \
             ORDER BY l.created_at LIMIT {most}"
        ));
        self.query_all_raw(text.done())
            .await?
            .iter()
            .map(|row| {
                Ok(ParkedOp {
                    user: row.try_get("", "user_id")?,
                    device: row.try_get("", "device_id")?,
                    record: record(row)?,
                })
            })
            .collect()
    }

    /// Holds the devices of the operations that have waited longest, in the order of their ids: as pushes do, before
    /// anything else of them is touched.
    async fn hold_overdue(&self, before: DateTime<Utc>, most: i64) -> Result<Vec<DeviceId>> {
        let mut text = Text::new(self.backend());
        let (before, status) = (text.value(before), text.value(OpStatus::Deferred));
        let most = text.value(most);
        let hold = dialect::for_update(self.backend());
        text.push(&format!(
            "SELECT id FROM sync_devices WHERE id IN (SELECT device_id FROM op_ledger WHERE status = {status} \
             AND created_at < {before} ORDER BY created_at LIMIT {most}) ORDER BY id{hold}"
        ));
        let rows = self.query_all_raw(text.done()).await?;
        rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
    }
}

impl Session {
    /// How what new rows are to go under stands for the viewer, each.
    ///
    /// # Errors
    /// From the database.
    pub async fn parents_standing(
        &self,
        parents: &BTreeSet<ParentKey>,
    ) -> Result<BTreeMap<ParentKey, Parent>> {
        let mut standing = BTreeMap::new();
        let (mut clients, mut orders) = (Vec::new(), Vec::new());
        for parent in parents {
            standing.insert(*parent, Parent::Unknown);
            match parent {
                ParentKey::Client(id) => clients.push(*id),
                ParentKey::Order(id) => orders.push(*id),
            }
        }
        for chunk in clients.chunks(CHUNK) {
            let is_among = entity::client::Column::Id.is_in(chunk.iter().copied());
            let seen = self.select::<entity::client::Entity>().filter(is_among);
            for client in seen.all().await? {
                standing.insert(ParentKey::Client(client.id), Parent::Visible);
            }
        }
        for chunk in orders.chunks(CHUNK) {
            let is_among = entity::order::Column::Id.is_in(chunk.iter().copied());
            let seen = self.select::<entity::order::Entity>().filter(is_among);
            for order in seen.all().await? {
                standing.insert(ParentKey::Order(order.id), Parent::Visible);
            }
        }
        clients.retain(|id| standing.get(&ParentKey::Client(*id)) == Some(&Parent::Unknown));
        orders.retain(|id| standing.get(&ParentKey::Order(*id)) == Some(&Parent::Unknown));
        for chunk in clients.chunks(CHUNK) {
            let mut text = Text::new(self.backend());
            let user = text.value(self.viewer().user_id());
            let ids = text.list(chunk.iter().copied());
            text.push(&format!(
                "SELECT scope_id FROM stream_scopes WHERE user_id = {user} AND scope_id IN ({ids})"
            ));
            for row in self.query_all_raw(text.done()).await? {
                let client = ParentKey::Client(row.try_get("", "scope_id")?);
                standing.insert(client, Parent::Lost);
            }
        }
        for chunk in orders.chunks(CHUNK) {
            let mut text = Text::new(self.backend());
            let user = text.value(self.viewer().user_id());
            let kind = text.value(SyncCollection::Orders);
            let ids = text.list(chunk.iter().map(|id| id.0));
            text.push(&format!(
                "SELECT i.row_id FROM stream_scopes s JOIN sync_items i ON i.scope_id = s.scope_id \
                 WHERE s.user_id = {user} AND i.collection = {kind} AND i.row_id IN ({ids}) \
                 AND i.added_seq <= s.left_seq"
            ));
            for row in self.query_all_raw(text.done()).await? {
                let order = ParentKey::Order(OrderId(row.try_get("", "row_id")?));
                standing.insert(order, Parent::Lost);
            }
        }
        Ok(standing)
    }
}

fn record(row: &QueryResult) -> Result<OpRecord> {
    let hash: Vec<u8> = row.try_get("", "request_hash")?;
    let hash: RequestHash = hash
        .try_into()
        .map_err(|_| Error::bug("a hash of another length is on record"))?;
    let status: OpStatus = row.try_get("", "status")?;
    let seq: i64 = row.try_get("", "seq")?;
    Ok(OpRecord {
        op: row.try_get("", "op_id")?,
        op_seq: row.try_get("", "op_seq")?,
        recorded: Recorded {
            hash,
            status: status_from(status),
            version: row.try_get("", "version")?,
            seq: Seq::try_from(seq).unwrap_or(Seq::ZERO),
        },
        payload: row.try_get("", "payload")?,
    })
}

/// A status as the tables name it.
pub const fn status_of(status: Status) -> OpStatus {
    match status {
        Status::Applied => OpStatus::Applied,
        Status::Merged => OpStatus::Merged,
        Status::Duplicate => OpStatus::Duplicate,
        Status::Conflict => OpStatus::Conflict,
        Status::Rejected => OpStatus::Rejected,
        Status::Deferred => OpStatus::Deferred,
        Status::Retry => OpStatus::Retry,
    }
}

const fn status_from(status: OpStatus) -> Status {
    match status {
        OpStatus::Applied => Status::Applied,
        OpStatus::Merged => Status::Merged,
        OpStatus::Duplicate => Status::Duplicate,
        OpStatus::Conflict => Status::Conflict,
        OpStatus::Rejected => Status::Rejected,
        OpStatus::Deferred => Status::Deferred,
        OpStatus::Retry => Status::Retry,
    }
}
