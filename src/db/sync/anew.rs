//! Naming the line of changes anew, where phones may be ahead of the database: it came back as it was at another time.

use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::super::{Database, unit};
use crate::error::Result;

/// How far this moves the clock of changes: further than changes are made in years.
const BEYOND: i64 = 1 << 32;

impl Database {
    /// Has all phones fetch everything anew, and send what they hold back of what was written on them. For a database
    /// that came back by other means than [`restore`](crate::backup::restore), which does the same.
    ///
    /// # Errors
    /// From the database.
    pub async fn have_phones_begin_anew(&self) -> Result<()> {
        let transaction = unit::begin(&self.inner.write).await?;
        begin_anew(&transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// Names the line of changes anew. A device that says no more than how far it came is told apart by the clock, which
/// goes on far beyond any position that was given out in what was lost, and by the horizons, which are beyond all of
/// them.
pub(in super::super) async fn begin_anew(connection: &impl ConnectionTrait) -> Result<()> {
    let epoch = Statement::from_sql_and_values(
        connection.get_database_backend(),
        "UPDATE sync_clock SET epoch = $1, seq = seq + $2",
        [Uuid::now_v7().into(), BEYOND.into()],
    );
    connection.execute_raw(epoch).await?;
    for sql in [
        "UPDATE sync_horizons SET purged_seq = (SELECT seq FROM sync_clock)",
        "UPDATE sync_streams SET opened_seq = (SELECT seq FROM sync_clock)",
    ] {
        connection.execute_unprepared(sql).await?;
    }
    Ok(())
}
