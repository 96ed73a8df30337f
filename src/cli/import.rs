//! `clientele import`: how far it is, what came of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Outcome, opening, say};
use crate::config::Config;
use crate::db::Database;
use crate::error::{Code, Error, Result};
use crate::import::{self, FileKind, Options, Progress, Report};

/// Where refused rows are written when no file is named.
const DEFAULT_ERRORS: &str = "import-errors.csv";

#[derive(Debug, Args)]
#[command(after_long_help = import::columns())]
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
        let scratch;
        let database = if self.dry_run {
            if let Some(database) = opening::existing_database(config).await? {
                database
            } else {
                scratch = Scratch::make()?;
                scratch.database(config).await?
            }
        } else {
            let database = opening::unsigned_database(config).await?;
            if !self.no_migrate {
                database.migrate().await?;
            }
            database
        };
        opening::require_migrated(&database).await?;
        let options = Options {
            is_dry_run: self.dry_run,
            only: self.only,
        };
        let progress = Bars::default();
        let report = import::run(&database, &self.directory, options, &progress).await?;
        for warning in &report.warnings {
            note(&format!("warning: {warning}"));
        }
        say(report.table().trim_end())?;
        if self.dry_run {
            say("This was a dry run: nothing was written.")?;
        }
        if report.is_complete() {
            forget_refusals(&self.errors)?;
            return Ok(Outcome::Done);
        }
        let written = report.write_refusals(&self.errors);
        // What cannot be kept in a file is told here, all of it.
        let most = if written.is_ok() { 5 } else { usize::MAX };
        for refusal in report.refusals.iter().take(most) {
            say(format!(
                "refused: {} line {}{}: {}",
                refusal.file.name(),
                refusal.line,
                match refusal.column.as_str() {
                    "" => String::new(),
                    column => format!(", column {column}"),
                },
                refusal.reason
            ))?;
        }
        if report.refusals.len() > most {
            say(format!("... and {} more", report.refusals.len() - most))?;
        }
        match written {
            Ok(()) => say(format!("All of them are in {}", self.errors.display()))?,
            Err(error) => note(&format!("{}; all refusals are told above", error.message())),
        }
        Ok(Outcome::Partly)
    }
}

/// Takes away the refusals of an earlier import, which this one has shown to be mended. A file that is none of ours
/// is left alone.
fn forget_refusals(path: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(());
    };
    if !Report::wrote(&text) {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| {
        let message = format!("{} cannot be removed: {error}", path.display());
        Error::new(Code::BadUserInput, message)
    })?;
    say(format!(
        "{} held the refusals of an earlier import and was removed.",
        path.display()
    ))
}

/// Says something that is not the answer on standard error.
fn note(text: &str) {
    // Nobody is left to hear that standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
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
            note(&format!("{}: writing {rows} rows", file.name()));
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

/// A place for a database that a dry run checks against when there is none yet. It goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let place = std::env::temp_dir().join(format!("clientele-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&place).map_err(Error::internal)?;
        Ok(Self(place))
    }

    async fn database(&self, config: &Config) -> Result<Database> {
        let config = Config {
            database_url: format!("sqlite://{}", self.0.join("dry-run.sqlite").display()),
            ..config.clone()
        };
        let database = opening::unsigned_database(&config).await?;
        database.migrate().await?;
        Ok(database)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(place = %self.0.display(), %error, "a scratch database was left behind");
        }
    }
}
