//! `clientele import`: how far it is, what came of it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Outcome, opening, say};
use crate::config::Config;
use crate::error::Result;
use crate::import::{self, FileKind, Options, Progress};

/// Where refused rows are written when no file is named.
const DEFAULT_ERRORS: &str = "import-errors.csv";

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The directory with the files
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Check everything and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Where to write the rows that are refused, if there are any
    #[arg(long, value_name = "FILE", default_value = DEFAULT_ERRORS)]
    errors: PathBuf,
    /// Import only these files, with commas between them
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<FileKind>,
    /// Do not bring the tables up to date first
    #[arg(long)]
    no_migrate: bool,
}

impl Import {
    pub(super) async fn run(self, config: &Config) -> Result<Outcome> {
        let database = opening::unsigned_database(config).await?;
        if self.no_migrate || self.dry_run && !database.pending_migrations().await?.is_empty() {
            opening::require_migrated(&database).await?;
        } else {
            database.migrate().await?;
        }
        let options = Options {
            is_dry_run: self.dry_run,
            only: self.only,
        };
        let progress = Bars::default();
        let report = import::run(&database, &self.directory, options, &progress).await?;
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        say(report.table().trim_end())?;
        if self.dry_run {
            say("This was a dry run: nothing was written.")?;
        }
        if report.is_complete() {
            return Ok(Outcome::Done);
        }
        report.write_refusals(&self.errors)?;
        for refusal in report.refusals.iter().take(5) {
            say(format!(
                "refused: {} line {} {}: {}",
                refusal.file.name(),
                refusal.line,
                refusal.column,
                refusal.reason
            ))?;
        }
        if report.refusals.len() > 5 {
            say(format!("... and {} more", report.refusals.len() - 5))?;
        }
        say(format!("All of them are in {}", self.errors.display()))?;
        Ok(Outcome::Partly)
    }
}

/// A bar per file on a terminal; a line per file elsewhere.
#[derive(Default)]
struct Bars {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bars {
    fn with(&self, run: impl FnOnce(&mut Option<ProgressBar>)) {
        run(&mut self
            .bar
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Bars {
    fn begin(&self, file: FileKind, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let bar = ProgressBar::new(rows);
        if bar.is_hidden() {
            tracing::info!(file = file.name(), rows, "importing");
            return;
        }
        let style = ProgressStyle::with_template("{prefix:16} {bar:40} {pos}/{len} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_prefix(file.name());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.with(|present| *present = Some(bar));
    }

    fn advance(&self, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.with(|bar| {
            if let Some(bar) = bar {
                bar.inc(rows);
            }
        });
    }

    fn end(&self, _: FileKind) {
        self.with(|bar| {
            if let Some(bar) = bar.take() {
                bar.finish();
            }
        });
    }
}
