//! When a document that phones hold was last written.

use crate::sync_scope::ScopeKind;
use entity_derive::Row;
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveEnum, Iterable};

/// A kind of document that phones hold. The number is kept in rows and in tokens: below 32, and never used again for
/// another kind.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum SyncCollection {
    /// Clients, with their tags.
    #[sea_orm(num_value = 1)]
    Clients,
    /// The people at clients.
    #[sea_orm(num_value = 2)]
    Contacts,
    /// Addresses of clients.
    #[sea_orm(num_value = 3)]
    Addresses,
    /// Notes on clients.
    #[sea_orm(num_value = 4)]
    Notes,
    /// Orders, each with its lines.
    #[sea_orm(num_value = 5)]
    Orders,
    /// Payments on orders.
    #[sea_orm(num_value = 6)]
    Payments,
    /// The user themselves.
    #[sea_orm(num_value = 16)]
    Users,
    /// What could not be applied of what a device sent.
    #[sea_orm(num_value = 17)]
    SyncIssues,
    /// Products.
    #[sea_orm(num_value = 24)]
    Products,
    /// Categories of products.
    #[sea_orm(num_value = 25)]
    Categories,
    /// Tier schemes.
    #[sea_orm(num_value = 26)]
    TierSchemes,
    /// Tiers.
    #[sea_orm(num_value = 27)]
    Tiers,
}

impl SyncCollection {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        <Self as Iterable>::iter()
    }

    /// Its number as one bit of 32.
    pub fn bit(self) -> u32 {
        let number = u32::try_from(self.to_value()).unwrap_or(u32::MAX);
        1_u32.checked_shl(number).unwrap_or(0)
    }

    /// In which kind of scope its documents are.
    pub const fn scope_kind(self) -> ScopeKind {
        match self {
            Self::Clients
            | Self::Contacts
            | Self::Addresses
            | Self::Notes
            | Self::Orders
            | Self::Payments => ScopeKind::Client,
            Self::Users | Self::SyncIssues => ScopeKind::User,
            Self::Products | Self::Categories | Self::TierSchemes | Self::Tiers => {
                ScopeKind::Catalogue
            }
        }
    }
}

/// When a document that phones hold was last written.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Row)]
#[sea_orm(table_name = "sync_items")]
pub struct Model {
    /// The scope: the client's id, the user's, or that of the catalogue.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope_id: Uuid,
    /// What kind of document.
    #[sea_orm(primary_key, auto_increment = false)]
    pub collection: SyncCollection,
    /// The document: the id of its row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub row_id: Uuid,
    /// The position of its last change.
    pub seq: i64,
    /// The position at which it came into the scope first. It stays when the document leaves and comes back: a device
    /// may hold it from the first time.
    pub added_seq: i64,
    /// Whether there is something to hold: not once the row was hidden, deleted, or moved to another scope.
    pub live: bool,
}

/// Rows of other tables that a row leads to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
