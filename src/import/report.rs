//! What an import did: counts per file, and every row that was refused, for people and as CSV.

use std::fmt::Write as _;
use std::path::Path;

use super::FileKind;
use crate::error::{Code, Error, Result};

/// The columns of the file of refusals.
const HEADING: [&str; 5] = ["file", "line", "column", "value", "reason"];

/// How many rows of one file went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that were new.
    pub created: usize,
    /// Rows that changed what was there.
    pub updated: usize,
    /// Rows that said what was there already.
    pub unchanged: usize,
    /// Rows that were left out.
    pub refused: usize,
}

/// A row that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub file: FileKind,
    /// The line in it; the heading is 1.
    pub line: u64,
    /// The column that is wrong; empty when the whole line is.
    pub column: String,
    /// What the column holds.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What an import did, or, as a dry run, would have done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The files that were there, in the order they were imported.
    pub files: Vec<(FileKind, Counts)>,
    /// What was left out, in that order too.
    pub refusals: Vec<Refusal>,
    /// What is odd but did no harm.
    pub warnings: Vec<String>,
}

impl Report {
    /// The counts of `file`; zeros when it was not there.
    pub fn counts(&self, file: FileKind) -> Counts {
        let found = self.files.iter().find(|(kind, _)| *kind == file);
        found.map(|(_, counts)| *counts).unwrap_or_default()
    }

    /// Whether every row of every file went in.
    pub fn is_complete(&self) -> bool {
        self.files.iter().all(|(_, counts)| counts.refused == 0)
    }

    /// A table of the counts.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<16}{:>9}{:>9}{:>11}{:>9}\n",
            "file", "created", "updated", "unchanged", "refused"
        );
        for (file, counts) in &self.files {
            let Counts {
                created,
                updated,
                unchanged,
                refused,
            } = counts;
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "{:<16}{created:>9}{updated:>9}{unchanged:>11}{refused:>9}",
                file.name()
            );
        }
        table
    }

    /// Whether a text is what [`Self::write_refusals`] writes.
    pub fn wrote(text: &str) -> bool {
        text.lines().next() == Some(HEADING.join(",").as_str())
    }

    /// Writes the refusals as CSV with the columns file, line, column, value, reason.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when the file cannot be written.
    pub fn write_refusals(&self, path: &Path) -> Result<()> {
        let failed = |error: csv::Error| {
            Error::new(
                Code::BadUserInput,
                format!("{} cannot be written: {error}", path.display()),
            )
        };
        let mut writer = csv::Writer::from_path(path).map_err(failed)?;
        writer.write_record(HEADING).map_err(failed)?;
        for refusal in &self.refusals {
            let Refusal {
                file,
                line,
                column,
                value,
                reason,
            } = refusal;
            writer
                .write_record([file.name(), &line.to_string(), column, value, reason])
                .map_err(failed)?;
        }
        writer.flush().map_err(|error| failed(error.into()))
    }

    pub(super) fn refuse(&mut self, file: FileKind, line: u64, problem: super::read::Problem) {
        let super::read::Problem {
            column,
            value,
            reason,
        } = problem;
        self.refusals.push(Refusal {
            file,
            line,
            column,
            value,
            reason,
        });
    }

    pub(super) fn count(&mut self, file: FileKind, add: impl FnOnce(&mut Counts)) {
        if let Some((_, counts)) = self.files.iter_mut().find(|(kind, _)| *kind == file) {
            add(counts);
        }
    }
}
