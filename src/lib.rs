//! Clientele: the book of clients of a field sales team, served as GraphQL.
//!
//! # The layers, lowest first
//!
//! | layer | what it knows |
//! |---|---|
//! | [`error`], [`messages`], [`clock`], [`config`] | what went wrong; in which words, in which language; what time it is; the settings |
//! | [`auth`] | passwords, tokens, refresh: pure, no database, no HTTP |
//! | [`live`] | what was just committed, on its way to those who follow it |
//! | [`sync`] | the rules by which phones are kept in step: pure, too |
//! | [`db`] | the only owner of connections; every read and write is held to the viewer's scope |
//! | [`domain`] | the rules of the business, one file per concept |
//! | [`graphql`] | the schema: types, inputs, queries, mutations, one file per concept |
//! | [`jobs`] | what runs by time, asked for by nobody |
//! | [`http`] | sockets, routes, the GraphQL endpoint with its limits |
//! | [`app`] | puts them together |
//! | [`import`], [`demo`] | fill a database: from files, or with a team made up |
//! | [`export`], [`backup`] | the same files again; everything in one file, and back |
//! | [`cli`] | the program: commands and what they print |
//!
//! A request goes down through them once: HTTP checks size, token and cost; the token becomes a
//! [`db::Viewer`]; a resolver makes one domain call; the domain reads through a [`db::Session`] or writes
//! through a [`db::Tx`], which add the viewer's scope to every statement. Imports point down only.

pub mod app;
pub mod auth;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod error;
pub mod export;
pub mod graphql;
pub mod http;
pub mod import;
pub mod jobs;
pub mod live;
pub mod messages;
pub mod sync;

pub use error::{Code, Error, Result};
