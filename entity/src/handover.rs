//! A hand-over of clients to another user.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::{HandoverId, UserId};

/// A hand-over of clients to another user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "handovers")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HandoverId,
    /// What the one who takes over should know.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// Who made it.
    pub made_by_id: UserId,
    /// Who took over.
    pub to_user_id: UserId,
    /// How many clients changed hands.
    pub client_count: i32,
    /// When, UTC.
    pub created_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
