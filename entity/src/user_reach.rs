//! Who sees whom: the closure of the tree of users. Holds a row for every user and everyone
//! above them, and (u, u, 0) for every user.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// Who sees whom: the closure of the tree of users. Holds a row for every user and everyone
/// above them, and (u, u, 0) for every user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "user_reach")]
pub struct Model {
    /// The one who sees.
    #[sea_orm(primary_key, auto_increment = false)]
    pub manager_id: UserId,
    /// The one who is seen.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Steps from the one down to the other: 0 for oneself, 1 for a direct report.
    pub depth: i32,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
