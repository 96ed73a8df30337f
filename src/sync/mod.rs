//! The rules of offline sync, pure: what a page of a pull holds, what a pushed change does, how two edits of
//! one document meet, and the token that says how far a device has come.
//!
//! Nothing here reads or writes: the callers bring rows, memberships and ledger entries out of one snapshot and
//! carry out what they are told. The same functions therefore run in the service and in the model that proves
//! them (`tests/model`), against which every rule is also tried broken.
//!
//! The terms: each synced row belongs to one *scope* (a client's subtree, a user's private rows, the
//! catalogue); an *item* records the last change of a row in a scope; a *membership* says since when, and until
//! when, a user sees a scope; [`Seq`] numbers the committed changes.

pub mod checkpoint;
pub mod merge;
pub mod plan;
pub mod push;
pub mod rules;
mod terms;

pub use rules::{Protocol, Rules};
pub use terms::{Collection, CollectionSet, RowKey, ScopeKey, Seq};
