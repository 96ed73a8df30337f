//! The rows of the database: their columns, their closed lists of values and their ids, one module per
//! table. Rows say what is kept and nothing more: no queries, no rules, no hooks. The ids and closed lists
//! also know their GraphQL form, so that each is written once.

pub mod address;
pub mod client;
pub mod client_member;
pub mod client_stats;
pub mod client_tag;
pub mod contact;
pub mod credential;
pub mod device_echo;
pub mod enums;
pub mod handover;
pub mod handover_client;
pub mod idempotent_answer;
pub mod ids;
pub mod note;
pub mod op_ledger;
pub mod order;
pub mod order_event;
pub mod order_line;
pub mod order_return;
pub mod order_return_line;
pub mod payment;
pub mod product;
pub mod product_category;
pub mod row;
pub mod service_account;
pub mod service_key;
pub mod session;
pub mod setting;
pub mod sign_in_failure;
pub mod stock_level;
pub mod stock_movement;
pub mod stream_scope;
pub mod sync_clock;
pub mod sync_device;
pub mod sync_horizon;
pub mod sync_issue;
pub mod sync_item;
pub mod sync_scope;
pub mod sync_stream;
pub mod tier;
pub mod tier_assignment;
pub mod tier_scheme;
pub mod user;
pub mod user_identity;
pub mod user_reach;

pub use enums::*;
pub use ids::*;
pub use sync_item::SyncCollection;
pub use sync_scope::ScopeKind;
