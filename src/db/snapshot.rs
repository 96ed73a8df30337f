//! The database as it is at one moment, for reading several things that belong together.

use std::ops::Deref;
use std::sync::Arc;

use sea_orm::{AccessMode, DbBackend, IsolationLevel, SqliteTransactionMode, TransactionOptions};

use super::readers::Lent;
use super::session::Session;
use super::unit::{self, Unit};
use crate::error::{Error, Result};

/// The database as it is at one moment, whatever is written meanwhile. It reads what its viewer sees, and cannot
/// write. Where it is dropped before its end, the connection is given back all the same.
pub struct Snapshot {
    session: Session,
    unit: Arc<Unit>,
    // Dropped last: what was read by is given back before.
    _reading: Option<Lent>,
}

impl Deref for Snapshot {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Session {
    /// Takes a look at the database as it is now, never at a replica. The viewer is who they are in it, and its instant
    /// is one after it: what the rows say of roles, shares and their ends holds for what is read by them.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the viewer was deactivated since they were let in; from the database.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        if self.within.is_some() {
            // It would wait for the connection that its own caller may hold.
            return Err(Error::bug("a snapshot within a unit of work"));
        }
        let is_postgres = self.backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: is_postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: is_postgres.then_some(AccessMode::ReadOnly),
            sqlite_transaction_mode: (!is_postgres).then_some(SqliteTransactionMode::Deferred),
        };
        let reading = self.database().reading().await?;
        let transaction = unit::begin_with(&reading, options).await?;
        let before = self.now();
        let reading = reading.lent();
        let unit = Unit::new(transaction, &self.database().inner, before);
        let unit = Arc::new(unit.watched(reading.as_ref().map(Lent::watch)));
        let session = self.inside(Arc::clone(&unit), before);
        // The first statement is the moment. A share that it takes for live and that ends by `now` lets in to nothing.
        let viewer = session.viewer_anew().await?;
        let now = self.now();
        Ok(Snapshot {
            session: session.known_as(viewer).inside(Arc::clone(&unit), now),
            unit,
            _reading: reading,
        })
    }
}

impl Snapshot {
    /// Gives the connection back.
    ///
    /// # Errors
    /// From the database.
    pub async fn end(self) -> Result<()> {
        self.unit.undo().await
    }
}
