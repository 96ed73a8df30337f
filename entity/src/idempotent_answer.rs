//! What was answered to a mutation that came with an idempotency key, to be answered again.

use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// What was answered to a mutation that came with an idempotency key, to be answered again.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotent_answers")]
pub struct Model {
    /// Who asked; nobody else is answered from it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The SHA-256 of the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_hash: Vec<u8>,
    /// Which of the mutations of the document, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: i32,
    /// The SHA-256 of the whole request.
    pub request_hash: Vec<u8>,
    /// The value of the field, as JSON.
    #[sea_orm(column_type = "Text")]
    pub answer: String,
    /// The ids of the clients it is about, with spaces between: it is answered again only to who sees them.
    #[sea_orm(column_type = "Text")]
    pub client_ids: String,
    /// When the mutation was done, UTC.
    pub created_at: DateTimeUtc,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
