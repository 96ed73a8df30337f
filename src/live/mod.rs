//! What was just committed, told to whoever waits for it: hints, from which everybody reads again what they may
//! see. Knows ids and nothing else: no database, no GraphQL, no sockets.
//!
//! ```text
//! commit  ->  Bus  ->  Hub  ->  Inbox  ->  whoever follows
//!   |         merged for a moment  |  for those who may see it, merged again
//!   other processes, by way of the database
//! ```
//!
//! * A unit of work collects [`News`] while it runs and publishes it on the [`Bus`] once it is committed, never
//!   before.
//! * A [`Hub`] hands news to those who follow it. Who may see which client is asked of the database for each
//!   piece of news, so that few are woken; what they get to see is decided again when they read.
//! * An [`Inbox`] holds what its owner has not taken yet: each thing once, and so many at most. Beyond that it
//!   says that something was missed.
//!
//! To follow something else, give it a field of [`News`], a variant of [`Interest`] and one of [`Happening`].
//! Phones are told by [`Poke`]: which users, which kinds of documents of each, up to which position. Nobody hears of kinds
//! in which nothing changed for them; where more than a hundred came to see other clients, each hears of it after a
//! while of their own.

mod bus;
mod hub;
mod news;
mod poke;

pub use bus::Bus;
pub use hub::{Happening, Hub, Inbox, Interest, MAX_CLIENTS_AT_ONCE, MAX_WAITING, Opening};
pub use news::{News, Placed};
pub use poke::{Kinds, Poke, Touch};
