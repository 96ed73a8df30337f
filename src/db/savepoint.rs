//! Parts of a unit of work that may fail without the rest: what a part wrote is undone, the unit goes on.

use std::future::Future;

use sea_orm::Statement;

use super::classify::is_transient;
use super::sync::Changes;
use super::tx::Tx;
use super::unit::Unit;
use crate::error::{Error, Result};
use crate::live::News;

/// A place in a unit of work to which it can go back. Of several, the last is ended first.
#[must_use = "a place that is neither kept nor undone stays open to the end of the transaction"]
pub struct Mark {
    changes: Changes,
    news: News,
    position: Option<i64>,
    has_failed: bool,
}

impl Tx {
    /// Runs `work` as a part of its own. The inner result is what came of it: when that is an error, nothing of the
    /// part is kept, and the transaction goes on.
    ///
    /// # Errors
    /// What is not of the part alone: the whole unit of work has to be run again, or the service is busy.
    pub async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<Result<T>> {
        let mark = self.mark().await?;
        match work.await {
            Ok(value) => {
                self.keep_since(mark).await?;
                Ok(Ok(value))
            }
            Err(error) if is_transient(&error) || error.code().retryable() => Err(error),
            Err(error) => {
                self.undo_to(mark).await?;
                Ok(Err(error))
            }
        }
    }

    /// Marks this place, to come back to by [`Self::undo_to`].
    ///
    /// # Errors
    /// From the database.
    pub async fn mark(&self) -> Result<Mark> {
        self.say("SAVEPOINT part").await?;
        let unit = self.unit_of_work()?;
        Ok(Mark {
            changes: unit.changes_so_far(),
            news: unit.news_so_far(),
            position: unit.position(),
            has_failed: unit.has_failed(),
        })
    }

    /// Keeps what was written since `mark`.
    ///
    /// # Errors
    /// From the database.
    pub async fn keep_since(&self, _mark: Mark) -> Result<()> {
        self.say("RELEASE SAVEPOINT part").await
    }

    /// Undoes what was written since `mark`.
    ///
    /// # Errors
    /// From the database.
    pub async fn undo_to(&self, mark: Mark) -> Result<()> {
        self.say("ROLLBACK TO SAVEPOINT part").await?;
        self.say("RELEASE SAVEPOINT part").await?;
        self.unit_of_work()?
            .go_back(mark.changes, mark.news, mark.position, mark.has_failed);
        Ok(())
    }

    async fn say(&self, sql: &str) -> Result<()> {
        let statement = Statement::from_string(self.backend(), sql);
        self.execute_raw(statement).await.map(|_| ())
    }

    fn unit_of_work(&self) -> Result<&Unit> {
        self.within
            .as_deref()
            .ok_or_else(|| Error::bug("a part of no unit of work"))
    }
}
