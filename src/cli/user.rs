//! user
use crate::config::Config;
use crate::error::Result;
#[derive(Debug, clap::Subcommand)]
pub(super) enum User {
    A,
}
impl User {
    pub(super) async fn run(self, _config: &Config) -> Result<()> {
        Ok(())
    }
}
