//! The only owner of connections. Above it nothing can reach the database but through a [`Session`]
//! (scoped reads) or a [`Tx`] (scoped writes), and both carry the [`Viewer`] whose scope is added to
//! every statement. Knows rows and scope; knows no rules and no GraphQL.
//!
//! A connection cannot be had from outside:
//!
//! ```compile_fail
//! fn connection(database: &clientele::db::Database) -> &sea_orm::DatabaseConnection {
//!     &database.inner.write
//! }
//! ```
//!
//! Neither a session nor a transaction can run a query of one's own:
//!
//! ```compile_fail
//! async fn everything(session: &clientele::db::Session) {
//!     use sea_orm::EntityTrait;
//!     let _ = entity::client::Entity::find().all(session).await;
//! }
//! ```
//!
//! And nobody can claim that a row is visible:
//!
//! ```compile_fail
//! fn forge(row: entity::client::Model) -> clientele::db::Visible<entity::client::Model> {
//!     clientele::db::Visible { row: std::sync::Arc::new(row), family: unreachable!() }
//! }
//! ```

mod accounts;
mod at_hand;
mod backup;
mod bulk;
mod buying;
mod classify;
mod client_stats;
mod confidential;
mod connect;
mod cursor;
mod dialect;
mod edges;
mod figures;
mod guards;
mod handovers;
mod idempotency;
mod identities;
mod lag;
mod month_day;
mod news;
mod page;
mod parents;
mod passes;
mod products;
mod readers;
mod replica;
mod savepoint;
mod scope;
mod select;
mod session;
mod snapshot;
mod steps;
mod stock;
mod stream;
mod sync;
#[cfg(test)]
mod tests;
mod tiers;
mod together;
mod tree;
mod tx;
mod unit;
mod unreachable;
mod viewer;
mod visible;
mod wire;

pub use accounts::{Account, Administrator, EndReason, OwnSettings};
pub use at_hand::{is_a_try, try_now};
pub use backup::{ColumnShape, Kind, Restore, TableShape, later_step, require_complete};
pub use buying::Buying;
pub(crate) use classify::classify;
pub use confidential::{Audience, Confidential, ConfidentialPolicy};
pub use connect::{Database, DatabaseConfig};
pub use cursor::{PageRequest, PageSize};
pub use edges::{Asked, Children, Pages, Through};
pub use figures::PoolFigures;
pub use guards::Guard;
pub use idempotency::{IdempotencyKey, KEEP_ANSWERS, Recorded};
pub use lag::MAX_LAG;
pub use page::Cursor;
pub use savepoint::Mark;
pub use scope::{Keyed, Rule, Scoped, UnderClient, Versioned, Writers};
pub use select::{Edge, KeyKind, Page, ScopedSelect, Sort, SortKey, like, like_without_spaces};
pub use session::Session;
pub use snapshot::Snapshot;
pub use stock::{MAX_STOCK, StockChange, below_reorder_level};
pub use stream::points_at;
pub use sync::{
    ACKED_OPS_STAY, DEVICE_STAYS, Document, EndedShare, Head, Held, ISSUES_STAY, KnownDevice,
    MAX_PARKED, OPS_STAY, OpRecord, Opening, OwnWrite, ParentKey, ParkedOp, Place, Position,
    PushingDevice, STREAM_CAP, Sight, Stream, Stretch, SyncItem, SyncScope, Synced, collection_of,
    number_of, status_of,
};
pub use tiers::{default_scheme_ids, tier_holds};
pub use together::Part;
pub use tx::{LockedClient, Tx, require_version};
pub use unreachable::place;
pub use viewer::{Actor, Viewer, Way};
pub(crate) use viewer::{read_scopes, write_scopes};
pub use visible::Visible;
pub use wire::Wire;
