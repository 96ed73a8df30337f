//! A key that a program shows to be let in.

use sea_orm::entity::prelude::*;

use crate::ids::{ServiceAccountId, ServiceKeyId, UserId};

/// A key that a program shows to be let in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "service_keys")]
pub struct Model {
    /// The id; it is part of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ServiceKeyId,
    /// Whose key it is.
    pub account_id: ServiceAccountId,
    /// The SHA-256 of its secret part.
    pub secret_hash: Vec<u8>,
    /// Who made it. Null: the command line.
    pub created_by_id: Option<UserId>,
    /// When it was made, UTC.
    pub created_at: DateTimeUtc,
    /// When it ends by itself, UTC.
    pub expires_at: DateTimeUtc,
    /// The last day it was used, UTC.
    pub last_used_on: Option<Date>,
    /// When it was ended early, UTC.
    pub revoked_at: Option<DateTimeUtc>,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
