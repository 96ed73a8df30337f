//! The devices of users, and with them whose sight of clients is kept at all.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ClientId, DeviceId, UserId, client, sync_device};
use sea_orm::{FromQueryResult, QueryResult, Statement};

use super::super::session::Session;
use super::super::tx::Tx;
use super::super::viewer::Actor;
use super::text::Text;
use crate::error::{Code, Error, Result};
use crate::say;

/// A device that stayed away for longer is given up: when it comes again, it begins anew.
pub const DEVICE_STAYS: TimeDelta = TimeDelta::days(90);

/// How many clients a phone holds at most. Whoever sees more when they begin, or when their place in the tree of
/// users changes, reads clients online; one more by one more goes beyond it.
pub const STREAM_CAP: i64 = 5_000;

/// How many clients or devices one transaction of the job is about.
const CHUNK: u64 = 500;

/// How far the job that looks for shares that ended looks back behind where it was: a share may be committed a
/// little after the instant at which it was made.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

/// Up to when that job has looked.
const SHARES_SEEN: &str = "sync_shares_seen_until";

/// That a device of a session (`{session}`, of `{user}`) is to forget what it holds and has not said that it has: until
/// then the session is told nothing, by whatever name the device calls itself.
pub(super) fn must_forget(session: &str, user: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM sync_devices w WHERE w.session_id = {session} AND w.user_id = {user} \
         AND w.wipe_asked_at IS NOT NULL AND w.wiped_at IS NULL)"
    )
}

/// What a device is told that is to forget what it holds.
pub(super) fn wipe() -> Error {
    Error::forbidden(say!(
        "this device is to forget everything it holds; confirm with `deviceWiped`, then make a new device id"
    ))
    .with_rule("DEVICE_WIPE")
}

/// Refuses a device that is to forget what it holds, or was shut out.
///
/// # Errors
/// `FORBIDDEN` `DEVICE_WIPE`, `DEVICE_REVOKED`.
pub fn require_welcome(device: &sync_device::Model) -> Result<()> {
    if device.wipe_asked_at.is_some() {
        return Err(wipe());
    }
    if device.revoked_at.is_some() {
        return Err(Error::forbidden(say!(
            "this device was shut out; make a new device id after signing in again"
        ))
        .with_rule("DEVICE_REVOKED"));
    }
    Ok(())
}

impl Tx {
    /// Takes note of a device of the viewer that has come, and keeps what they see from now on, if that is not
    /// done already. `schema_version` is that of the documents that its app was made for; what is known stays where it
    /// does not say. The answer is the device as it was before, none when it is new. One that had expired begins anew: of
    /// no use to it is what it had below its `floor_seq`.
    ///
    /// # Errors
    /// `CONFLICT` when the device is somebody else's; `FORBIDDEN` `DEVICE_WIPE` when it is to forget what it holds,
    /// and `DEVICE_REVOKED` when it was shut out; `INTERNAL` unless a person asks; from the database.
    pub async fn check_in(
        &self,
        device: DeviceId,
        schema_version: Option<i32>,
    ) -> Result<Option<sync_device::Model>> {
        let user = self
            .viewer()
            .user_id()
            .ok_or_else(|| Error::bug("a device without a person"))?;
        let session = self.viewer().session_id();
        let known = self.device(device).await?;
        if let Some(known) = &known {
            require_welcome(known)?;
        }
        self.require_kept_session().await?;
        let put = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO sync_devices (id, user_id, session_id, name, created_at, last_seen_at, acked_seq, \
             forgotten_op_seq, schema_version) VALUES ($1, $2, $3, '', $4, $4, 0, 0, \
             COALESCE(CAST($5 AS INTEGER), 1)) ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, \
             last_seen_at = excluded.last_seen_at, \
             schema_version = COALESCE(CAST($5 AS INTEGER), sync_devices.schema_version), \
             expired_at = NULL WHERE sync_devices.user_id = excluded.user_id RETURNING user_id",
            [
                device.into(),
                user.into(),
                session.into(),
                self.now().into(),
                schema_version.into(),
            ],
        );
        if self.query_one_raw(put).await?.is_none() {
            return Err(Error::new(
                Code::Conflict,
                say!(
                    "this device belongs to somebody else; a device takes another id for each user"
                ),
            )
            .field("deviceId"));
        }
        // Whoever sees too much is looked at anew each time: it may have become less. All that they see is not counted,
        // and what is counted is before everybody else waits.
        match self.stream().await? {
            None => {
                let is_capped = !self.fits_a_phone().await?;
                self.note_opening(user, is_capped);
            }
            Some(stream) if stream.is_capped && self.fits_a_phone().await? => {
                self.note_viewers([user]);
            }
            Some(_) => {}
        }
        Ok(known)
    }

    /// Notes that a device of the viewer has everything up to `seq`.
    ///
    /// # Errors
    /// From the database.
    pub async fn acknowledge(&self, device: DeviceId, seq: i64) -> Result<()> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE sync_devices SET acked_seq = $1, last_seen_at = $2 \
             WHERE id = $3 AND user_id = $4 AND acked_seq < $1",
            [
                seq.into(),
                self.now().into(),
                device.into(),
                self.viewer().user_id().into(),
            ],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Keeps what a user sees no longer, unless a device of theirs is in use.
    pub fn close_stream(&self, user: UserId) {
        self.note_closing([user]);
    }

    /// Gives up devices that came last at `before` or earlier, some hundred at once; says how many, and is to be asked
    /// until that is none. What they have by then is of no use to them any more. Where somebody has no other, what they
    /// see is kept no longer. For the service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn expire_devices(&self, before: DateTime<Utc>) -> Result<u64> {
        self.require_service()?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "UPDATE sync_devices SET expired_at = $1 WHERE expired_at IS NULL AND last_seen_at <= $2 \
             AND id IN (SELECT id FROM sync_devices WHERE expired_at IS NULL AND last_seen_at <= $2 \
             ORDER BY last_seen_at, id LIMIT $3) RETURNING id, user_id",
            [
                self.now().into(),
                before.into(),
                i64::try_from(CHUNK).unwrap_or(i64::MAX).into(),
            ],
        );
        let rows = self.query_all_raw(statement).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let devices = rows
            .iter()
            .map(|row| Ok(row.try_get("", "id")?))
            .collect::<Result<Vec<DeviceId>>>()?;
        let users = rows
            .iter()
            .map(|row| Ok(row.try_get("", "user_id")?))
            .collect::<Result<Vec<UserId>>>()?;
        let gone = u64::try_from(users.len()).unwrap_or(u64::MAX);
        self.note_closing(users);
        // All that they were told until now is below it.
        let seq = self.take_position().await?;
        let mut text = Text::new(self.backend());
        let seq = text.value(seq);
        let list = text.list(devices);
        text.push(&format!(
            "UPDATE sync_devices SET floor_seq = {seq} WHERE id IN ({list})"
        ));
        self.execute_raw(text.done()).await?;
        Ok(gone)
    }

    /// Compares what people see of clients whose shares ended with what is kept, some hundred clients at once,
    /// those after `after` (what the last call answered). Answers where to go on, or nothing at the end. For the
    /// service itself.
    ///
    /// # Errors
    /// `INTERNAL` when a person asks; from the database.
    pub async fn end_shares(&self, after: Option<EndedShare>) -> Result<Option<EndedShare>> {
        self.require_service()?;
        let from = match after {
            Some(after) => after,
            None => EndedShare {
                expires_at: self.shares_seen_until().await? - OVERLAP,
                client: ClientId(uuid::Uuid::nil()),
            },
        };
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT DISTINCT expires_at, client_id FROM client_members WHERE expires_at <= $1 \
             AND (expires_at, client_id) > ($2, $3) ORDER BY expires_at, client_id LIMIT $4",
            [
                self.now().into(),
                from.expires_at.into(),
                from.client.into(),
                i64::try_from(CHUNK).unwrap_or(i64::MAX).into(),
            ],
        );
        let rows = self.query_all_raw(statement).await?;
        let ended = rows
            .iter()
            .map(EndedShare::read)
            .collect::<Result<Vec<EndedShare>>>()?;
        let last = ended.last().copied();
        if last.is_none() {
            self.keep_shares_seen().await?;
        }
        self.note_sight_of(ended.into_iter().map(|share| share.client));
        Ok(last)
    }

    async fn keep_shares_seen(&self) -> Result<()> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO settings (key, value) VALUES ($1, $2) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [SHARES_SEEN.into(), self.now().to_rfc3339().into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    async fn shares_seen_until(&self) -> Result<DateTime<Utc>> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT value FROM settings WHERE key = $1",
            [SHARES_SEEN.into()],
        );
        let Some(row) = self.query_one_raw(statement).await? else {
            return Ok(DateTime::UNIX_EPOCH);
        };
        let text: String = row.try_get("", "value")?;
        Ok(text.parse().unwrap_or(DateTime::UNIX_EPOCH))
    }

    pub(super) fn require_service(&self) -> Result<()> {
        match self.viewer().actor() {
            Actor::System { .. } => Ok(()),
            Actor::User { .. } => Err(Error::bug("somebody would do what the service does")),
        }
    }
}

/// A share that ended: where the job that looks for them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedShare {
    expires_at: DateTime<Utc>,
    client: ClientId,
}

impl EndedShare {
    fn read(row: &QueryResult) -> Result<Self> {
        Ok(Self {
            expires_at: row.try_get("", "expires_at")?,
            client: row.try_get("", "client_id")?,
        })
    }
}

impl Session {
    /// Refuses the viewer where a device of their session is to forget what it holds.
    ///
    /// # Errors
    /// `FORBIDDEN` `DEVICE_WIPE`; from the database.
    pub async fn require_kept_session(&self) -> Result<()> {
        let Some(session) = self.viewer().session_id() else {
            return Ok(());
        };
        let mut text = Text::new(self.backend());
        let (session, user) = (text.value(session), text.value(self.viewer().user_id()));
        let must_forget = must_forget(&session, &user);
        text.push(&format!("SELECT {must_forget} AS must_forget"));
        let row = self.query_one_raw(text.done()).await?;
        let is_to = row.map(|row| row.try_get("", "must_forget")).transpose()?;
        if is_to == Some(true) {
            return Err(wipe());
        }
        Ok(())
    }

    /// Whether a phone holds all the clients that the viewer sees. No more of them are counted than that.
    ///
    /// # Errors
    /// From the database.
    pub async fn fits_a_phone(&self) -> Result<bool> {
        let most = u64::try_from(self.database().inner.stream_cap).unwrap_or(0);
        let clients = self.select::<client::Entity>();
        Ok(clients.count(most.saturating_add(1)).await? <= most)
    }

    /// A device of the viewer, as it is known.
    ///
    /// # Errors
    /// From the database.
    pub async fn device(&self, device: DeviceId) -> Result<Option<sync_device::Model>> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT * FROM sync_devices WHERE id = $1 AND user_id = $2",
            [device.into(), self.viewer().user_id().into()],
        );
        let row = self.query_one_raw(statement).await?;
        row.map(|row| Ok(sync_device::Model::from_query_result(&row, "")?))
            .transpose()
    }
}
