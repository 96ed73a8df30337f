//! `clientele export`: the book as the files that `clientele import` reads.

use std::path::PathBuf;

use clap::Args;

use super::{opening, say};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::export::{self, Cells};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The directory to write into; it is made when absent
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write an apostrophe before what a spreadsheet would take for a formula; do not import such files
    #[arg(long)]
    for_spreadsheets: bool,
}

impl Export {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let database = opening::existing_database(config).await?.ok_or_else(|| {
            Error::new(
                Code::BadUserInput,
                format!("there is nothing to export in {}", opening::shown(config)),
            )
        })?;
        opening::require_migrated(&database).await?;
        let cells = if self.for_spreadsheets {
            Cells::ForSpreadsheets
        } else {
            Cells::Exact
        };
        for (kind, rows) in export::run_as(&database, &self.directory, cells).await? {
            say(format!("{rows:>10}  {}", kind.name()))?;
        }
        Ok(())
    }
}
