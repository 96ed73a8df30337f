//! `clientele backup` and `clientele restore`: the whole book in a file.

use std::path::PathBuf;

use clap::Args;

use super::{opening, say};
use crate::backup::{self, Summary};
use crate::config::Config;
use crate::error::{Code, Error, Result};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let database = opening::existing_database(config).await?.ok_or_else(|| {
            Error::new(
                Code::BadUserInput,
                format!("there is nothing to back up in {}", opening::place(config)),
            )
        })?;
        let summary = backup::take(&database, &self.file).await?;
        say(format!(
            "{}: {} rows of {} tables, checked",
            self.file.display(),
            summary.rows,
            summary.tables.len()
        ))?;
        warn_of_later(&summary)
    }
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The file that `clientele backup` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Throw away what the database holds
    #[arg(long)]
    replace: bool,
    /// Only read the file and say what is in it; touch no database
    #[arg(long, conflicts_with = "replace")]
    check: bool,
}

impl Restore {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        if self.check {
            let summary = backup::verify(&self.file).await?;
            describe(&summary)?;
            return warn_of_later(&summary);
        }
        let database = opening::unsigned_database(config).await?;
        let summary = backup::restore(&database, &self.file, self.replace).await?;
        describe(&summary)?;
        say(format!(
            "Restored into {}. Everybody signs in again, and devices fetch everything anew.",
            database.kind()
        ))
    }
}

fn warn_of_later(summary: &Summary) -> Result<()> {
    match &summary.later_step {
        None => Ok(()),
        Some(step) => say(format!(
            "A later version made these tables: only one that knows the step {step} can restore this."
        )),
    }
}

fn describe(summary: &Summary) -> Result<()> {
    for table in summary.tables.iter().filter(|table| table.rows > 0) {
        say(format!("{:>10}  {}", table.rows, table.table))?;
    }
    say(format!(
        "{:>10}  rows, of {} at {}",
        summary.rows,
        summary.database,
        summary.taken_at.format("%Y-%m-%d %H:%M:%S UTC")
    ))
}
