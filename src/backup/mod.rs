//! The whole book in one file, taken while the service goes on, and put back.
//!
//! The file is gzip over lines of JSON: what it is and which tables it holds; then, table by table, one array
//! per row and a line that says how many there were and what their bytes sum up to (SHA-256); at the end the
//! sum over all lines. It holds what the tables hold, so also the hashes of passwords, and not the secret of
//! the service. It knows the layout of the file; the rows are `db`'s.

mod file;

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::file::{Input, Line, Output};
use crate::db::{self, Database, Restore, TableShape};
use crate::error::{Code, Error, Result};

/// The number of this layout; files of a later one are refused.
const LAYOUT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    clientele_backup: u32,
    program: String,
    database: String,
    taken_at: DateTime<Utc>,
    /// The steps that made the tables.
    steps: Vec<String>,
    tables: Vec<TableShape>,
}

/// After the rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// The table.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of their lines, in hexadecimal digits.
    pub sha256: String,
}

/// The last line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tail {
    rows: u64,
    sha256: String,
}

/// What a backup holds.
#[derive(Clone, Debug)]
pub struct Summary {
    /// When it was taken, UTC.
    pub taken_at: DateTime<Utc>,
    /// From which kind of database.
    pub database: String,
    /// The last step that made its tables.
    pub step: String,
    /// The first of its steps that this version does not know: only a later one can put it back.
    pub later_step: Option<String>,
    /// Its tables.
    pub tables: Vec<TableSum>,
    /// Rows of all tables.
    pub rows: u64,
}

impl Summary {
    fn new(head: &Head, tables: Vec<TableSum>) -> Self {
        Self {
            taken_at: head.taken_at,
            database: head.database.clone(),
            step: head.steps.last().cloned().unwrap_or_default(),
            later_step: db::later_step(&head.steps).map(str::to_owned),
            rows: tables.iter().map(|table| table.rows).sum(),
            tables,
        }
    }
}

/// Writes all there is into a new file, as it is at one moment, and reads it back. Tables that somebody else put beside ours stay
/// out.
///
/// # Errors
/// `BAD_USER_INPUT` when the file exists or cannot be written; `CONFLICT` when a table is not as we make it;
/// `UNAVAILABLE`, `INTERNAL` from the database. No file is left then.
pub async fn take(database: &Database, path: &Path) -> Result<Summary> {
    let mut output = Output::create(path)?;
    let kind = database.kind().to_owned();
    let session = database.as_system("backup");
    let summary = session
        .at_one_moment(async |session| {
            let steps = session.steps_run().await?;
            let head = Head {
                clientele_backup: LAYOUT,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                database: kind,
                taken_at: session.now(),
                tables: session.table_shapes(&steps).await?,
                steps,
            };
            output.line(&head)?;
            let mut sums = Vec::with_capacity(head.tables.len());
            for table in &head.tables {
                output.begin_table();
                let rows = session
                    .each_row(table, |values| output.line(&values))
                    .await?;
                let sum = TableSum {
                    table: table.name.clone(),
                    rows,
                    sha256: output.table_sum(),
                };
                output.line(&sum)?;
                sums.push(sum);
            }
            Ok(Summary::new(&head, sums))
        })
        .await?;
    let tail = Tail {
        rows: summary.rows,
        sha256: output.sum(),
    };
    output.line(&tail)?;
    let written = output.finish()?;
    // What was written is what can be read: a full disk may say so late.
    verify(written.draft()).await?;
    written.name()?;
    Ok(summary)
}

/// Reads a file to its end and checks its sums, without any database.
///
/// # Errors
/// `BAD_USER_INPUT` when it is no backup, is damaged, or of a later layout.
pub fn check(path: &Path) -> Result<Summary> {
    read_through(path).map(|(_, summary)| summary)
}

/// As [`check`], and demands that its tables are those that its steps make: that it can be put back. Of a backup of
/// a later version only that version can say so ([`Summary::later_step`]).
///
/// # Errors
/// As [`check`]; `BAD_USER_INPUT` when its tables are others.
pub async fn verify(path: &Path) -> Result<Summary> {
    let (head, summary) = read_through(path)?;
    if summary.later_step.is_none() {
        db::require_complete(&head.tables, &head.steps).await?;
    }
    Ok(summary)
}

fn read_through(path: &Path) -> Result<(Head, Summary)> {
    let mut input = Input::open(path)?;
    let head = head(&mut input)?;
    let mut sums = Vec::with_capacity(head.tables.len());
    for table in &head.tables {
        input.begin_table();
        let mut rows = 0;
        sums.push(loop {
            match input.line()? {
                Line::Row(_) => rows += 1,
                Line::Other(text) => break table_sum(&input, &text, table, rows)?,
            }
        });
    }
    let summary = Summary::new(&head, sums);
    tail(&mut input, &summary)?;
    Ok((head, summary))
}

/// Puts what a file holds in the place of what the database holds, which must be nothing unless it
/// `may_replace` it. All of it is there at the end, or nothing has changed. Devices that sync are told to begin
/// anew, and everybody to sign in. Tables that are not ours are left alone, in the file and in the database.
///
/// # Errors
/// `BAD_USER_INPUT` when the file is no backup, is damaged, or comes from a later version; `CONFLICT` when the
/// database is not empty; `UNAVAILABLE`, `INTERNAL` from the database.
pub async fn restore(database: &Database, path: &Path, may_replace: bool) -> Result<Summary> {
    // All of it, before anything is touched; what is read again below is compared again.
    check(path)?;
    let mut input = Input::open(path)?;
    let head = head(&mut input)?;
    let restore = database
        .as_system("restore")
        .begin_restore(&head.steps, &head.tables, may_replace)
        .await?;
    let mut sums = Vec::with_capacity(head.tables.len());
    for table in &head.tables {
        let is_wanted = restore.wants(table);
        if !is_wanted {
            tracing::warn!(table = table.name, "a table that is not ours is left out");
        }
        let most = (Restore::CHUNK_VALUES / table.columns.len().max(1)).max(1);
        input.begin_table();
        let mut rows = 0;
        let mut chunk = Vec::new();
        sums.push(loop {
            match input.line()? {
                Line::Row(values) => {
                    rows += 1;
                    if !is_wanted {
                        continue;
                    }
                    chunk.push(values);
                    if chunk.len() >= most {
                        restore.insert(table, &chunk).await?;
                        chunk.clear();
                    }
                }
                Line::Other(text) => break table_sum(&input, &text, table, rows)?,
            }
        });
        restore.insert(table, &chunk).await?;
    }
    let summary = Summary::new(&head, sums);
    tail(&mut input, &summary)?;
    restore.finish().await?;
    Ok(summary)
}

fn head(input: &mut Input) -> Result<Head> {
    let Line::Other(text) = input.line()? else {
        return Err(file::damaged("it does not begin as a backup does"));
    };
    #[derive(Deserialize)]
    struct Layout {
        clientele_backup: u32,
    }
    let layout: Layout = serde_json::from_str(&text)
        .map_err(|_| file::damaged("it does not begin as a backup does"))?;
    if layout.clientele_backup > LAYOUT {
        return Err(Error::new(
            Code::BadUserInput,
            "this backup was made by a later version; restore it with that version",
        ));
    }
    serde_json::from_str(&text).map_err(|_| file::damaged("its first line lacks something"))
}

fn table_sum(input: &Input, text: &str, table: &TableShape, rows: u64) -> Result<TableSum> {
    let said: Option<TableSum> = serde_json::from_str(text).ok();
    let found = TableSum {
        table: table.name.clone(),
        rows,
        sha256: input.table_sum(),
    };
    match said {
        Some(said) if said == found => Ok(found),
        _ => Err(file::damaged(&format!(
            "the rows of {} are not those that were written",
            table.name
        ))),
    }
}

fn tail(input: &mut Input, summary: &Summary) -> Result<()> {
    let sum = input.sum();
    let said: Option<Tail> = match input.line()? {
        Line::Other(text) => serde_json::from_str(&text).ok(),
        Line::Row(_) => None,
    };
    let is_right = said.is_some_and(|said| said.sha256 == sum && said.rows == summary.rows);
    if is_right && input.is_at_end()? {
        return Ok(());
    }
    Err(file::damaged("its end is not the one that was written"))
}
