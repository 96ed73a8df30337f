//! One setting of the whole company.

use entity_derive::Row;
use sea_orm::entity::prelude::*;

/// One setting of the whole company.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "settings")]
pub struct Model {
    /// Its name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Its value as text; what it means is for its reader to say.
    #[sea_orm(column_type = "Text")]
    pub value: String,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
