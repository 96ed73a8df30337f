//! `clientele export`: the book as the files that `clientele import` reads.

use std::path::PathBuf;

use clap::Args;

use super::{opening, say};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::export;

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The directory to write into; it is made when absent
    #[arg(value_name = "DIR")]
    directory: PathBuf,
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
        for (kind, rows) in export::run(&database, &self.directory).await? {
            say(format!("{rows:>10}  {}", kind.name()))?;
        }
        Ok(())
    }
}
