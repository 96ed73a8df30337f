//! `clientele phones`: what an operator does for the phones of all users.

use clap::Subcommand;

use super::{opening, say};
use crate::config::Config;
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Phones {
    /// Have all phones fetch everything anew: after the database came back as it was before by other means than
    /// `restore`, as by a copy of its file, `pg_restore`, or a standby that took over and had not heard everything.
    /// What was written on phones and not sent yet is kept, and sent
    BeginAnew,
}

impl Phones {
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let database = opening::kept_database(config).await?;
        match self {
            Self::BeginAnew => {
                database.have_phones_begin_anew().await?;
                say("all phones fetch everything anew the next time they come".to_owned())
            }
        }
    }
}
