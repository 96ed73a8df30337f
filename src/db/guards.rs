//! Guards of what no single row stands for, held until the transaction ends. On PostgreSQL they are
//! advisory locks; on SQLite the single writer is the guard of everything.

use sea_orm::{DbBackend, Statement};

use super::tx::Tx;
use crate::error::Result;

/// What is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The tier schemes and their tiers: which one is the default, which are in use.
    TierSchemes,
    /// The job that refreshes statistics: one process leads.
    StatsSweep,
    /// Which client belongs to which.
    ClientParents,
    /// Who reports to whom, and who has left.
    Tree,
    /// The job that forgets what nobody needs any more: one process leads.
    Housekeeping,
    /// The job that stamps what ends by time for phones: one process leads.
    Streams,
}

impl Guard {
    /// Numbers of this service; no two guards share one.
    const fn key(self) -> i64 {
        match self {
            Self::Tree => 7_300_518,
            Self::TierSchemes => 7_300_519,
            Self::StatsSweep => 7_300_520,
            Self::ClientParents => 7_300_521,
            Self::Housekeeping => 7_300_522,
            Self::Streams => 7_300_530,
        }
    }
}

impl Tx {
    /// Waits until nobody else holds `guard` in any way, then holds it alone.
    ///
    /// # Errors
    /// From the database; `UNAVAILABLE` when others hold it for too long.
    pub async fn hold(&self, guard: Guard) -> Result<()> {
        self.advise("SELECT pg_advisory_xact_lock($1)", guard).await
    }

    /// Waits until nobody holds `guard` alone, then holds it with others who share it.
    ///
    /// # Errors
    /// As [`Self::hold`].
    pub async fn share(&self, guard: Guard) -> Result<()> {
        self.advise("SELECT pg_advisory_xact_lock_shared($1)", guard)
            .await
    }

    /// Holds `guard` if nobody else does; says whether. It does not wait.
    ///
    /// # Errors
    /// From the database.
    pub async fn lead(&self, guard: Guard) -> Result<bool> {
        if self.backend() != DbBackend::Postgres {
            return Ok(true);
        }
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT pg_try_advisory_xact_lock($1) AS leads",
            [guard.key().into()],
        );
        Ok(match self.query_one_raw(statement).await? {
            Some(row) => row.try_get("", "leads")?,
            None => false,
        })
    }

    async fn advise(&self, sql: &str, guard: Guard) -> Result<()> {
        if self.backend() == DbBackend::Postgres {
            let key = guard.key().into();
            let statement = Statement::from_sql_and_values(self.backend(), sql, [key]);
            self.query_one_raw(statement).await?;
        }
        Ok(())
    }
}
