//! `clientele migrate`: the tables of the database.

use clap::Args;

use super::{opening, say};
use crate::config::Config;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Only say which steps are missing; change nothing
    #[arg(long)]
    status: bool,
}

impl Migrate {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        if self.status {
            opening::require_database(config)?;
        }
        let database = opening::unsigned_database(config).await?;
        let pending = database.pending_migrations().await?;
        let kind = database.kind();
        if pending.is_empty() {
            return say(format!("{kind}: the tables are up to date"));
        }
        for step in &pending {
            let what = if self.status { "missing" } else { "running" };
            say(format!("{what}: {step}"))?;
        }
        if self.status {
            return Ok(());
        }
        database.migrate().await?;
        say(format!("{kind}: the tables are up to date now"))
    }
}
