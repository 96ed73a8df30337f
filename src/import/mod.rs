//! Bringing the book of another system in: reps, products, clients, contacts and orders from CSV files in one
//! directory, keyed by their external ids, so that the same files may be imported again and again.
//!
//! Each file is planned first, row by row, against what is there and what the files before it bring; a dry
//! run ends there. What is planned is written in transactions of some hundred rows. A row that is wrong is
//! left out with a reason and stops no other. Knows the layout of the files; the rules are the domain's.

mod clients;
mod contacts;
mod lines;
mod orders;
mod products;
mod read;
mod report;
mod reps;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use entity::{ClientId, ProductId, UserId};
use sea_orm::{ActiveModelTrait, ActiveValue, Iterable, ModelTrait};

pub use self::report::{Counts, Refusal, Report};

use self::read::{Columns, Problem, Row, Table};
use crate::db::{Database, Session, Tx, Versioned, Visible};
use crate::error::{Code, Error, Result};

/// A file that may be in the directory. They are imported in this order, so that a row may name rows of
/// files before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum FileKind {
    /// `reps.csv`: the people, and who reports to whom.
    #[value(alias = "reps.csv")]
    Reps,
    /// `products.csv`: what is sold.
    #[value(alias = "products.csv")]
    Products,
    /// `clients.csv`: who buys, with one address each.
    #[value(alias = "clients.csv")]
    Clients,
    /// `contacts.csv`: people at clients.
    #[value(alias = "contacts.csv")]
    Contacts,
    /// `orders.csv`: orders without their lines.
    #[value(alias = "orders.csv")]
    Orders,
    /// `order_lines.csv`: the lines of orders.
    #[value(alias = "order_lines.csv")]
    OrderLines,
}

impl FileKind {
    /// All of them, in the order of import.
    pub const ALL: [Self; 6] = [
        Self::Reps,
        Self::Products,
        Self::Clients,
        Self::Contacts,
        Self::Orders,
        Self::OrderLines,
    ];

    /// The name of the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reps => "reps.csv",
            Self::Products => "products.csv",
            Self::Clients => "clients.csv",
            Self::Contacts => "contacts.csv",
            Self::Orders => "orders.csv",
            Self::OrderLines => "order_lines.csv",
        }
    }

    const fn columns(self) -> Columns {
        match self {
            Self::Reps => reps::COLUMNS,
            Self::Products => products::COLUMNS,
            Self::Clients => clients::COLUMNS,
            Self::Contacts => contacts::COLUMNS,
            Self::Orders => orders::COLUMNS,
            Self::OrderLines => lines::COLUMNS,
        }
    }
}

/// The columns of each file, for whoever writes one.
pub fn columns() -> String {
    let mut text = String::from("Columns, in any order (those in brackets may be missing):");
    for kind in FileKind::ALL {
        let columns = kind.columns();
        text.push_str(&format!(
            "\n  {}: {} [{}]",
            kind.name(),
            columns.required.join(", "),
            columns.optional.join(", ")
        ));
    }
    text.push_str(
        "\nDays are written 2026-03-01, amounts 1234.50, a discount of 5 % is 0.05. Rows name each other by \
         external_id.",
    );
    text
}

/// What to import, and whether to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Check everything, write nothing.
    pub is_dry_run: bool,
    /// Only these files; all when empty.
    pub only: Vec<FileKind>,
}

/// Hears how far the import is.
pub trait Progress: Send + Sync {
    /// `file` with that many rows begins.
    fn begin(&self, file: FileKind, rows: usize);
    /// That many more rows of it are done.
    fn advance(&self, rows: usize);
    /// It is done.
    fn end(&self, file: FileKind);
}

/// Imports the files in `directory` into `database`, as the service itself.
///
/// # Errors
/// `BAD_USER_INPUT` when there is no such directory, no file to import in it, or one that cannot be read;
/// `UNAVAILABLE`, `TIMEOUT` when the database fails: what was written until then stays, and the import can be
/// repeated.
pub async fn run(
    database: &Database,
    directory: &Path,
    options: Options,
    progress: &dyn Progress,
) -> Result<Report> {
    let mut run = Run {
        session: database.as_system("import"),
        tables: BTreeMap::new(),
        is_trial: options.is_dry_run,
        known: Known::default(),
        report: Report::default(),
        progress,
    };
    run.read(directory, &options.only)?;
    for kind in FileKind::ALL {
        match kind {
            FileKind::Reps => reps::import(&mut run).await?,
            FileKind::Products => products::import(&mut run).await?,
            FileKind::Clients => clients::import(&mut run).await?,
            FileKind::Contacts => contacts::import(&mut run).await?,
            // Orders take their lines with them.
            FileKind::Orders => orders::import(&mut run).await?,
            FileKind::OrderLines => {}
        }
    }
    let mut report = run.report;
    report
        .refusals
        .sort_by_key(|refusal| (refusal.file, refusal.line));
    Ok(report)
}

/// One import.
struct Run<'a> {
    session: Session,
    tables: BTreeMap<FileKind, Table>,
    is_trial: bool,
    known: Known,
    report: Report,
    progress: &'a dyn Progress,
}

/// What rows may refer to: what is in the database (as far as it was looked up) and what this import brings.
#[derive(Default)]
struct Known {
    users: HashMap<String, UserId>,
    products: HashMap<String, ProductId>,
    clients: HashMap<String, KnownClient>,
    /// Rows of this import that were refused, with their lines.
    refused: HashMap<(FileKind, String), u64>,
}

#[derive(Clone)]
struct KnownClient {
    id: ClientId,
    currency: String,
    owner_id: Option<UserId>,
}

impl Known {
    /// Why a reference to `external_id` leads nowhere.
    fn dangling(&self, file: FileKind, external_id: &str) -> String {
        let what = match file {
            FileKind::Reps => "rep",
            FileKind::Products => "product",
            FileKind::Clients => "client",
            FileKind::Contacts => "contact",
            FileKind::Orders => "order",
            FileKind::OrderLines => "order line",
        };
        match self.refused.get(&(file, external_id.to_owned())) {
            Some(line) => format!("this {what} was refused ({} line {line})", file.name()),
            None => format!("there is no such {what}"),
        }
    }
}

/// A row that can be written: what for, and from which line.
#[derive(Clone, Debug)]
struct Planned<T> {
    line: u64,
    external_id: String,
    work: T,
}

/// What is to be done with a row of `E`.
enum Work<E: Versioned> {
    Create(E::ActiveModel),
    Update(Visible<E::Model>, E::ActiveModel),
}

impl<E: Versioned> Clone for Work<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Create(row) => Self::Create(row.clone()),
            Self::Update(present, row) => Self::Update(present.clone(), row.clone()),
        }
    }
}

/// Why something cannot be read, in words for whoever may give leave.
fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let shown = path.display();
    if error.kind() == ErrorKind::PermissionDenied {
        return format!(
            "{shown} cannot be read: the user that runs this has no permission ({error})"
        );
    }
    format!("{shown} cannot be read: {error}")
}

impl Run<'_> {
    fn read(&mut self, directory: &Path, only: &[FileKind]) -> Result<()> {
        let shown = directory.display();
        let wrong = |message| Err(Error::new(Code::BadUserInput, message));
        match std::fs::metadata(directory) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return wrong(format!(
                    "{shown} is no directory: name the directory that holds the CSV files"
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return wrong(format!("there is no directory {shown}"));
            }
            Err(error) => return wrong(unreadable(directory, &error)),
        }
        let mut seen = 0;
        for kind in FileKind::ALL {
            let path = directory.join(kind.name());
            // What is there and cannot be looked at must not pass for absent.
            let is_there = match path.try_exists() {
                Ok(is_there) => is_there,
                Err(error) => return wrong(unreadable(&path, &error)),
            };
            if (!only.is_empty() && !only.contains(&kind)) || !is_there {
                if only.contains(&kind) {
                    let message = format!(
                        "there is no {} in {}, and --only asks for it",
                        kind.name(),
                        directory.display()
                    );
                    return Err(Error::new(Code::BadUserInput, message));
                }
                continue;
            }
            seen += 1;
            self.report.files.push((kind, Counts::default()));
            match Table::read(&path, kind.columns())? {
                Ok(mut table) => {
                    for column in &table.unknown {
                        self.report
                            .warnings
                            .push(format!("{}: unknown column {column}", kind.name()));
                    }
                    for (line, problem) in std::mem::take(&mut table.broken) {
                        self.refuse(kind, line, "", problem);
                    }
                    self.tables.insert(kind, table);
                }
                Err(problem) => self.refuse(kind, 1, "", problem),
            }
        }
        if seen == 0 {
            let names: Vec<&str> = FileKind::ALL.iter().map(|kind| kind.name()).collect();
            return Err(Error::new(
                Code::BadUserInput,
                format!(
                    "nothing to import in {}: expected one of {}",
                    directory.display(),
                    names.join(", ")
                ),
            ));
        }
        if self.tables.is_empty() {
            let reasons: Vec<String> = self
                .report
                .refusals
                .iter()
                .map(|refusal| {
                    format!(
                        "{} line {}: {}",
                        refusal.file.name(),
                        refusal.line,
                        refusal.reason
                    )
                })
                .collect();
            return Err(Error::new(Code::BadUserInput, reasons.join("; ")));
        }
        Ok(())
    }

    /// The rows of a file, out of this run so that it can be written to meanwhile.
    fn take(&mut self, kind: FileKind) -> Option<Table> {
        self.tables.remove(&kind)
    }

    fn refuse(&mut self, kind: FileKind, line: u64, external_id: &str, problem: Problem) {
        self.report.count(kind, |counts| counts.refused += 1);
        self.report.refuse(kind, line, problem);
        if !external_id.is_empty() {
            let key = (kind, external_id.to_owned());
            self.known.refused.entry(key).or_insert(line);
        }
    }

    /// Leaves a row out, for `problem` and for all else that was noted of it.
    fn refuse_row(&mut self, kind: FileKind, row: Row<'_>, external_id: &str, problem: Problem) {
        let mut problems = row.take_faults();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        let last = problems.pop();
        for problem in problems {
            self.report.refuse(kind, row.line, problem);
        }
        if let Some(last) = last {
            self.refuse(kind, row.line, external_id, last);
        }
    }

    /// Plans the rows of a file that stand for one row of `E` each.
    ///
    /// `plan` says what a row wants, given the row that is there; only what differs is kept.
    fn plan<E, F>(
        &mut self,
        kind: FileKind,
        table: &Table,
        present: &HashMap<String, Visible<E::Model>>,
        mut plan: F,
    ) -> Vec<Planned<Work<E>>>
    where
        E: Versioned,
        F: FnMut(
            &mut Known,
            Row<'_>,
            Option<&Visible<E::Model>>,
        ) -> Result<E::ActiveModel, Problem>,
    {
        let mut seen: HashMap<&str, u64> = HashMap::new();
        let mut planned = Vec::new();
        for row in table.rows() {
            let external_id = row.raw("external_id");
            if let Some(problem) = key_problem(row, external_id, &mut seen) {
                self.refuse(kind, row.line, "", problem);
                continue;
            }
            let found = present.get(external_id);
            match plan(&mut self.known, row, found) {
                Err(problem) => self.refuse_row(kind, row, external_id, problem),
                Ok(wanted) => {
                    let work = match found {
                        None => Some(Work::Create(wanted)),
                        Some(found) => differing::<E>(found, wanted)
                            .map(|changes| Work::Update(found.clone(), changes)),
                    };
                    match work {
                        None => self.report.count(kind, |counts| counts.unchanged += 1),
                        Some(work) => planned.push(Planned {
                            line: row.line,
                            external_id: external_id.to_owned(),
                            work,
                        }),
                    }
                }
            }
        }
        planned
    }

    /// Writes what was planned, `size` rows per transaction; a transaction that fails is repeated row by row, so
    /// that only the rows that are to blame stay out. Answers what was written.
    async fn write<T, F, Fut>(
        &mut self,
        kind: FileKind,
        planned: Vec<Planned<T>>,
        size: usize,
        work: F,
    ) -> Result<Vec<Planned<T>>>
    where
        T: Clone + Send + Sync + 'static,
        F: Fn(Tx, Arc<Vec<Planned<T>>>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        if self.is_trial || planned.is_empty() {
            return Ok(planned);
        }
        self.progress.begin(kind, planned.len());
        let mut written = Vec::with_capacity(planned.len());
        for chunk in planned.chunks(size.max(1)) {
            match transact(&self.session, chunk, &work).await {
                Ok(()) => written.extend_from_slice(chunk),
                Err(error) if chunk.len() == 1 => self.blame(kind, chunk, error)?,
                Err(error) if is_fatal(&error) => return Err(error),
                Err(_) => {
                    for one in chunk {
                        let one = std::slice::from_ref(one);
                        match transact(&self.session, one, &work).await {
                            Ok(()) => written.extend_from_slice(one),
                            Err(error) => self.blame(kind, one, error)?,
                        }
                    }
                }
            }
            self.progress.advance(chunk.len());
        }
        self.progress.end(kind);
        Ok(written)
    }

    fn blame<T>(&mut self, kind: FileKind, chunk: &[Planned<T>], error: Error) -> Result<()> {
        if is_fatal(&error) {
            return Err(error);
        }
        for planned in chunk {
            let column = error
                .fields()
                .first()
                .map(String::as_str)
                .unwrap_or_default();
            let mut reason = error.message();
            if let (Code::Internal, Some(source)) = (error.code(), error.source()) {
                reason = source.to_string();
            }
            let problem = Problem::new(column, &planned.external_id, reason);
            self.refuse(kind, planned.line, &planned.external_id, problem);
        }
        Ok(())
    }

    /// Counts what was written, or would have been.
    fn count_written<E: Versioned>(&mut self, kind: FileKind, written: &[Planned<Work<E>>]) {
        for planned in written {
            self.report.count(kind, |counts| match planned.work {
                Work::Create(_) => counts.created += 1,
                Work::Update(..) => counts.updated += 1,
            });
        }
    }
}

async fn transact<T, F, Fut>(session: &Session, chunk: &[Planned<T>], work: &F) -> Result<()>
where
    T: Clone + Send + Sync + 'static,
    F: Fn(Tx, Arc<Vec<Planned<T>>>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let chunk = Arc::new(chunk.to_vec());
    let work = work.clone();
    session.write(move |tx| work(tx, Arc::clone(&chunk))).await
}

/// Whether no row is to blame for an error.
fn is_fatal(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Unavailable | Code::Timeout | Code::Unauthenticated | Code::Forbidden
    )
}

fn key_problem<'a>(
    row: Row<'a>,
    external_id: &'a str,
    seen: &mut HashMap<&'a str, u64>,
) -> Option<Problem> {
    const COLUMN: &str = "external_id";
    if external_id.is_empty() {
        return Some(row.problem(COLUMN, "must not be empty"));
    }
    if let Err(error) = crate::domain::text::text(COLUMN, external_id, 100) {
        return Some(row.problem(COLUMN, error.message()));
    }
    if let Some(line) = seen.get(external_id) {
        return Some(row.problem(COLUMN, format!("line {line} has this key already")));
    }
    seen.insert(external_id, row.line);
    None
}

/// What of `wanted` is not so yet; nothing when all of it is.
fn differing<E: Versioned>(
    present: &E::Model,
    mut wanted: E::ActiveModel,
) -> Option<E::ActiveModel> {
    let mut differs = false;
    for column in E::Column::iter() {
        if let ActiveValue::Set(value) = wanted.get(column) {
            if value == present.get(column) {
                wanted.not_set(column);
            } else {
                differs = true;
            }
        }
    }
    differs.then_some(wanted)
}

/// Rows by a key of theirs.
fn by_key<M: Send + Sync + 'static, K: Eq + Hash>(
    rows: Vec<Visible<M>>,
    key: impl Fn(&M) -> Option<K>,
) -> HashMap<K, Visible<M>> {
    rows.into_iter()
        .filter_map(|row| key(&row).map(|key| (key, row)))
        .collect()
}

/// All rows of `E` whose `column` holds one of `values`.
async fn look_up<E: Versioned>(
    session: &Session,
    column: E::Column,
    values: Vec<String>,
) -> Result<Vec<Visible<E::Model>>> {
    const CHUNK: usize = 5_000;
    let mut values = values;
    values.sort_unstable();
    values.dedup();
    let mut rows = Vec::new();
    for chunk in values.chunks(CHUNK) {
        let among = sea_orm::ColumnTrait::is_in(&column, chunk.iter().map(String::as_str));
        rows.extend(session.select::<E>().filter(among).all().await?);
    }
    Ok(rows)
}

/// What a column of a file holds, each value once.
fn values_of(table: &Table, column: &str) -> Vec<String> {
    table
        .rows()
        .filter_map(|row| row.text(column).map(str::to_owned))
        .collect()
}
