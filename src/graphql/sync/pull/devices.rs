//! Devices on the wire: phones that hold documents.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use entity::{DeviceId, SessionId, UserId, sync_device};
use sea_orm::{ColumnTrait, Order};

use crate::db::Visible;
use crate::domain::devices;
use crate::error::{Error, Result};
use crate::graphql::context::{session, write};
use crate::graphql::pace::Listed;
use crate::graphql::scalars::DateTime;

/// How many devices are listed: the ones that came last.
const MOST: u64 = 100;

/// A phone that holds documents of a user, or did.
#[derive(Clone, Debug, SimpleObject)]
pub struct Device {
    /// The id, made by the phone for this user.
    id: DeviceId,
    /// Whose documents it holds.
    user_id: UserId,
    /// The session that it came with last.
    session_id: Option<SessionId>,
    /// What the person calls it; null when nobody has said.
    name: Option<String>,
    /// The version of the documents that its app was made for.
    schema_version: i32,
    /// When it came first.
    created_at: DateTime,
    /// When it came last, within an hour.
    last_seen_at: DateTime,
    /// When it was given up: after 90 days away, or when it was shut out. When it comes again it begins anew.
    expired_at: Option<DateTime>,
    /// When it was shut out for good.
    revoked_at: Option<DateTime>,
    /// When it was told to forget what it holds.
    wipe_asked_at: Option<DateTime>,
    /// When it said that it has.
    wiped_at: Option<DateTime>,
}

impl Device {
    fn of(row: &Visible<sync_device::Model>) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            session_id: row.session_id,
            name: Some(row.name.clone()).filter(|name| !name.is_empty()),
            schema_version: row.schema_version,
            created_at: DateTime(row.created_at),
            last_seen_at: DateTime(row.last_seen_at),
            expired_at: row.expired_at.map(DateTime),
            revoked_at: row.revoked_at.map(DateTime),
            wipe_asked_at: row.wipe_asked_at.map(DateTime),
            wiped_at: row.wiped_at.map(DateTime),
        }
    }
}

/// Reading devices.
#[derive(Default)]
pub struct DeviceQuery;

#[Object]
impl DeviceQuery {
    /// The phones that hold documents of a user, those that came last first; at most 100.
    async fn devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; yours when absent. Administrators may name anybody.")]
        user_id: Option<UserId>,
    ) -> Result<Listed<Device>> {
        use sync_device::Column;
        let session = session(ctx)?;
        let viewer = session.viewer();
        let user = user_id
            .or(viewer.user_id())
            .ok_or_else(|| Error::not_found("user"))?;
        if !viewer.is_admin() && viewer.user_id() != Some(user) {
            return Err(Error::not_found("user").field("userId"));
        }
        let rows = session
            .select::<sync_device::Entity>()
            .filter(Column::UserId.eq(user))
            .order_by(Column::LastSeenAt, Order::Desc)
            .order_by(Column::Id, Order::Asc)
            .limit(MOST)
            .all()
            .await?;
        Ok(rows.iter().map(Device::of).collect())
    }
}

/// A phone that comes.
#[derive(Clone, Debug, InputObject)]
pub struct DeviceRegisterInput {
    /// An id that the phone made for this user, and keeps.
    id: DeviceId,
    /// What to call it, 1 to 100 characters.
    name: String,
    /// The version of the documents that its app was made for, from 1.
    schema_version: i32,
}

/// Names a phone.
#[derive(Clone, Debug, InputObject)]
pub struct DeviceIdInput {
    /// The phone.
    id: DeviceId,
}

/// A phone after the change.
#[derive(SimpleObject)]
pub struct DevicePayload {
    /// The phone.
    device: Device,
}

impl DevicePayload {
    fn of(row: &Visible<sync_device::Model>) -> Self {
        Self {
            device: Device::of(row),
        }
    }
}

/// Changing devices.
#[derive(Default)]
pub struct DeviceMutation;

#[Object]
impl DeviceMutation {
    /// Takes note of this phone, by which it is known whenever this session pulls. A phone that pulls without is noted by its session. For people.
    async fn device_register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone.")] input: DeviceRegisterInput,
    ) -> Result<DevicePayload> {
        let DeviceRegisterInput {
            id,
            name,
            schema_version,
        } = input;
        let row = write(ctx, move |tx| {
            let name = name.clone();
            async move { devices::register(&tx, id, &name, schema_version).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(DevicePayload::of(&row))
    }

    /// Shuts a phone out for good and ends its session: yours, or for administrators anybody's. What it holds stays on it; to have that removed, use `deviceWipe`. For people.
    async fn device_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone.")] input: DeviceIdInput,
    ) -> Result<DevicePayload> {
        let DeviceIdInput { id } = input;
        let row = write(ctx, move |tx| async move { devices::revoke(&tx, id).await })
            .await
            .map_err(|error| error.under("input"))?;
        Ok(DevicePayload::of(&row))
    }

    /// Has a phone forget everything it holds: yours, or for administrators anybody's. Whatever it asks of sync is answered with `DEVICE_WIPE` from then on. For people.
    async fn device_wipe(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone.")] input: DeviceIdInput,
    ) -> Result<DevicePayload> {
        let DeviceIdInput { id } = input;
        let row = write(ctx, move |tx| async move { devices::wipe(&tx, id).await })
            .await
            .map_err(|error| error.under("input"))?;
        Ok(DevicePayload::of(&row))
    }

    /// A phone of yours says that it has forgotten everything. Its session ends. For people.
    async fn device_wiped(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone.")] input: DeviceIdInput,
    ) -> Result<DevicePayload> {
        let DeviceIdInput { id } = input;
        let row = write(ctx, move |tx| async move { devices::wiped(&tx, id).await })
            .await
            .map_err(|error| error.under("input"))?;
        Ok(DevicePayload::of(&row))
    }
}
