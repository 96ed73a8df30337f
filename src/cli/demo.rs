//! `clientele demo`
use crate::config::Config;
use crate::error::Result;
use clap::Args;
#[derive(Debug, Args)]
pub(super) struct Demo {}
impl Demo {
    pub(super) async fn run(self, _config: Config) -> Result<()> {
        Ok(())
    }
}
