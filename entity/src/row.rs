//! Rows read by the place of their columns, whole or in part.
//!
//! A name is looked up for each cell of each row where rows are read by name. A list that shows a few columns of
//! many reads just these: the others stay with the database, and their fields hold nothing of worth.

use std::sync::Arc;

use sea_orm::sqlx::{Row as _, ValueRef as _};
use sea_orm::{DbErr, QueryResult, RuntimeErr};
use uuid::Uuid;

use crate::contact::{ContactPoints, ContactRoles};
use crate::sync_item::SyncCollection;
use crate::sync_scope::ScopeKind;

/// Columns of one table, by their place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Picked(u64);

impl Picked {
    /// Every column.
    pub const ALL: Self = Self(u64::MAX);
    /// No column.
    pub const NONE: Self = Self(0);

    /// These and the column at `place`, counted from 0; all where there is no such place.
    #[must_use]
    pub const fn and(self, place: usize) -> Self {
        if place < 64 {
            Self(self.0 | 1 << place)
        } else {
            Self::ALL
        }
    }

    /// The columns of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the column at `place` is among them.
    #[must_use]
    pub const fn contains(self, place: usize) -> bool {
        place < 64 && self.0 & (1 << place) != 0
    }
}

/// A row of a table that can be read by the place of its columns.
pub trait Row: Sized {
    /// Reads the columns `picked`, which come first in the row, in the order of the table. The fields of all others
    /// hold [`Cell::unread`].
    ///
    /// # Errors
    /// From the database, for a cell that does not hold such a value.
    fn read(row: &QueryResult, picked: Picked) -> Result<Self, DbErr>;
}

/// The cells of a row, one after the other.
pub struct Cells<'a> {
    row: &'a QueryResult,
    picked: Picked,
    column: usize,
    at: usize,
}

impl<'a> Cells<'a> {
    /// The cells of `row`, which holds the columns `picked`.
    #[must_use]
    pub fn new(row: &'a QueryResult, picked: Picked) -> Self {
        Self {
            row,
            picked,
            column: 0,
            at: 0,
        }
    }

    /// The value of the next column of the table, or what stands for it where it was not picked.
    ///
    /// # Errors
    /// As [`Row::read`].
    #[expect(clippy::should_implement_trait, reason = "each has a type of its own")]
    pub fn next<T: Cell>(&mut self) -> Result<T, DbErr> {
        let column = self.column;
        self.column += 1;
        if !self.picked.contains(column) {
            return Ok(T::unread());
        }
        let at = self.at;
        self.at += 1;
        T::read(self.row, at)
    }
}

/// A value of one column.
pub trait Cell: Sized {
    /// Reads the value at a place in the row.
    ///
    /// # Errors
    /// As [`Row::read`].
    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr>;

    /// What stands for a value that was not read.
    fn unread() -> Self;
}

impl<T: Cell> Cell for Option<T> {
    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        if is_null(row, at)? {
            return Ok(None);
        }
        T::read(row, at).map(Some)
    }

    fn unread() -> Self {
        None
    }
}

fn is_null(row: &QueryResult, at: usize) -> Result<bool, DbErr> {
    let is_null = if let Some(row) = row.try_as_pg_row() {
        row.try_get_raw(at).map(|value| value.is_null())
    } else if let Some(row) = row.try_as_sqlite_row() {
        row.try_get_raw(at).map(|value| value.is_null())
    } else {
        return Ok(false);
    };
    is_null.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
}

/// Has values read as the library reads them.
macro_rules! cells {
    ($($kind:ty: $unread:expr;)+) => {$(
        impl $crate::row::Cell for $kind {
            fn read(row: &::sea_orm::QueryResult, at: usize) -> Result<Self, ::sea_orm::DbErr> {
                <$kind as ::sea_orm::TryGetable>::try_get_by(row, at).map_err(Into::into)
            }

            fn unread() -> Self {
                $unread
            }
        }
    )+};
}
pub(crate) use cells;

cells! {
    String: Self::new();
    Vec<u8>: Self::new();
    bool: false;
    i32: 0;
    i64: 0;
    Uuid: Self::nil();
    sea_orm::prelude::Date: Self::default();
    sea_orm::prelude::DateTimeUtc: Self::default();
    ContactRoles: Self::default();
    ContactPoints: Self::default();
    sea_orm::prelude::Json: Self::Null;
    SyncCollection: Self::Clients;
    ScopeKind: Self::Client;
}
