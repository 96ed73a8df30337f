//! Whoever reads all tables at one moment keeps others from emptying them meanwhile: PostgreSQL shows a table that
//! was emptied as empty at every moment, also at those before.

use std::sync::Arc;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, ConnectOptions, Connection, Executor, Row};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr};

use crate::db::steps;
use crate::error::{Error, Result};

/// Nobody changes tables while this is there. It is held by a connection of its own: to wait for it within a
/// transaction would fix what that transaction sees before the wait is over.
pub(super) struct Shared(PgConnection);

impl Shared {
    /// Waits for it, however long others take.
    pub(super) async fn wait(pool: &DatabaseConnection) -> Result<Self> {
        let options = pool.get_postgres_connection_pool().connect_options();
        let options = options.as_ref().clone().disable_statement_logging();
        let waiting = async {
            let mut connection = options.connect().await?;
            for statement in [
                "SET statement_timeout = 0",
                "SET lock_timeout = 0",
                steps::SHARE_TURN,
            ] {
                connection.execute(statement).await?;
            }
            Ok(connection)
        };
        waiting.await.map(Self).map_err(failed)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it was lost on the way: what was read meanwhile may not be all there was.
    pub(super) async fn give_back(mut self) -> Result<()> {
        let row = self.0.fetch_one(steps::GIVE_BACK_TURN).await;
        let is_held = row.and_then(|row| row.try_get::<bool, _>("held"));
        match is_held {
            Ok(true) => {}
            Ok(false) => return Err(failed(sqlx::Error::PoolClosed)),
            Err(error) => return Err(failed(error)),
        }
        self.0.close().await.map_err(failed)
    }
}

fn failed(error: sqlx::Error) -> Error {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))).into()
}
