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
                format!("there is nothing to back up in {}", opening::shown(config)),
            )
        })?;
        let summary = backup::take(&database, &self.file).await?;
        // What was written is what can be read: a full disk may say so late.
        backup::check(&self.file)?;
        say(format!(
            "{}: {} rows of {} tables, checked",
            self.file.display(),
            summary.rows,
            summary.tables.len()
        ))
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
            return describe(&backup::check(&self.file)?);
        }
        let database = opening::unsigned_database(config).await?;
        let summary = backup::restore(&database, &self.file, self.replace).await?;
        describe(&summary)?;
        say(format!(
            "Restored into {}. Devices will fetch everything anew.",
            database.kind()
        ))
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
