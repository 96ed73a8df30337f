//! One sign-in on one device, which lives as long as it is refreshed.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{SessionId, UserId};

/// One sign-in on one device, which lives as long as it is refreshed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// What the device calls itself.
    #[sea_orm(column_type = "Text")]
    pub device_name: String,
    /// The software that signed in, as it said.
    #[sea_orm(column_type = "Text", nullable)]
    pub user_agent: Option<String>,
    /// The hash of the refresh token that is good now; unique.
    pub refresh_hash: Vec<u8>,
    /// The hash of the token before it. Its use again betrays a theft.
    pub previous_refresh_hash: Option<Vec<u8>>,
    /// When the refresh token was last replaced, UTC.
    pub rotated_at: DateTimeUtc,
    /// When they signed in, UTC.
    pub created_at: DateTimeUtc,
    /// When the session was last used, UTC.
    pub last_used_at: DateTimeUtc,
    /// When it ends unless it is refreshed before, UTC.
    pub idle_expires_at: DateTimeUtc,
    /// When it ends whatever happens, UTC.
    pub expires_at: DateTimeUtc,
    /// When it was ended early, UTC.
    pub revoked_at: Option<DateTimeUtc>,
    /// Why it was ended early.
    #[sea_orm(column_type = "String(StringLen::N(32))", nullable)]
    pub revoked_reason: Option<String>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
