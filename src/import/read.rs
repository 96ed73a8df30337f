//! Reading one CSV file: its encoding, its columns, its lines. Knows nothing of what the columns mean.

use std::path::Path;
use std::sync::Mutex;

use chrono::NaiveDate;
use encoding_rs::{Encoding, GB18030, UTF_8};
use sea_orm::ActiveValue::{self, NotSet, Set};

use crate::db::MAX_STOCK;
use crate::domain::dates;
use crate::error::{Code, Error, Result};

/// What stands for a character that could not be read.
const BROKEN: char = '\u{fffd}';

/// What is wrong with a row: the column, what it holds, and why that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub column: String,
    pub value: String,
    pub reason: String,
}

impl Problem {
    pub fn new(column: &str, value: &str, reason: impl Into<String>) -> Self {
        Self {
            column: column.to_owned(),
            value: value.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The columns a file may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// Without these there is nothing to import.
    pub required: &'static [&'static str],
    /// These may be missing.
    pub optional: &'static [&'static str],
}

/// One line of a file, and what was found to be wrong with it.
#[derive(Debug)]
struct Line {
    number: u64,
    fields: csv::StringRecord,
    faults: Mutex<Vec<Problem>>,
}

/// A file, read.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<String>,
    lines: Vec<Line>,
    /// Columns that mean nothing here.
    pub unknown: Vec<String>,
    /// Lines that are no rows, with what is wrong with them.
    pub broken: Vec<(u64, Problem)>,
}

impl Table {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when the file cannot be read; inside, the problem of its heading.
    pub fn read(path: &Path, columns: Columns) -> Result<Result<Self, Problem>> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(
                Code::BadUserInput,
                format!("{} cannot be read: {error}", path.display()),
            )
        })?;
        Ok(Self::parse(&decode(&bytes), columns))
    }

    /// Reads text. The first line names the columns, in any order.
    pub fn parse(text: &str, columns: Columns) -> Result<Self, Problem> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let heading = reader
            .headers()
            .map_err(|error| Problem::new("", "", error.to_string()))?;
        let names: Vec<String> = heading.iter().map(str::to_lowercase).collect();
        for (at, name) in names.iter().enumerate() {
            if name.contains(BROKEN) {
                return Err(Problem::new(
                    name,
                    name,
                    "the heading holds characters that cannot be read: save the file as UTF-8",
                ));
            }
            if names.iter().take(at).any(|other| other == name) && !name.is_empty() {
                return Err(Problem::new(name, name, "this column is there twice"));
            }
        }
        let missing: Vec<&str> = columns
            .required
            .iter()
            .filter(|name| !names.iter().any(|present| present == *name))
            .copied()
            .collect();
        if !missing.is_empty() {
            if let Some((name, other)) = other_separator(&names, &columns) {
                let reason = format!(
                    "the columns are separated by {name}: save the file as CSV with commas between them"
                );
                return Err(Problem::new("", other, reason));
            }
            let found: Vec<&str> = names.iter().map(String::as_str).collect();
            let reason = format!(
                "the file lacks the column {}; it has {}",
                missing.join(", "),
                found.join(", ")
            );
            return Err(Problem::new(&missing.join(", "), "", reason));
        }
        let unknown = names
            .iter()
            .filter(|name| {
                !name.is_empty()
                    && !columns.required.contains(&name.as_str())
                    && !columns.optional.contains(&name.as_str())
            })
            .cloned()
            .collect();
        let mut table = Self {
            columns: names,
            unknown,
            ..Self::default()
        };
        let mut lines = LineCounter::new(text);
        for record in reader.into_records() {
            match record {
                Ok(record) => {
                    let at = record.position().map_or(0, csv::Position::byte);
                    let line = lines.line_at(at);
                    match table.check(&record) {
                        None => table.lines.push(Line {
                            number: line,
                            fields: record,
                            faults: Mutex::default(),
                        }),
                        Some(problem) => table.broken.push((line, problem)),
                    }
                }
                Err(error) => {
                    let at = error.position().map_or(0, csv::Position::byte);
                    let problem = Problem::new("", "", error.to_string());
                    table.broken.push((lines.line_at(at), problem));
                }
            }
        }
        Ok(table)
    }

    /// The rows that could be read.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.lines.iter().map(|line| Row {
            table: self,
            line: line.number,
            fields: &line.fields,
            faults: &line.faults,
        })
    }

    fn check(&self, record: &csv::StringRecord) -> Option<Problem> {
        if record.len() != self.columns.len() {
            let (found, expected) = (record.len(), self.columns.len());
            let mut reason = format!("this line has {found} fields, the heading has {expected}");
            let column = self.columns.get(found).map_or("", String::as_str);
            reason.push_str(&if found < expected {
                format!(": from {column} on they are missing")
            } else {
                ": a field that holds a comma must stand in double quotes".to_owned()
            });
            return Some(Problem::new(column, &join(record), reason));
        }
        let (column, value) = self
            .columns
            .iter()
            .zip(record)
            .find(|(_, value)| value.contains(BROKEN))?;
        Some(Problem::new(
            column,
            value,
            "holds characters that cannot be read: save the file as UTF-8",
        ))
    }
}

/// The separator that a heading seems to use where a comma is expected: its name, and the heading.
fn other_separator<'h>(
    heading: &'h [String],
    columns: &Columns,
) -> Option<(&'static str, &'h str)> {
    let [only] = heading else {
        return None;
    };
    let separators = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];
    separators.into_iter().find_map(|(separator, name)| {
        let mut parts = only
            .split(separator)
            .map(|part| part.trim().trim_matches('"'));
        let is_known = parts.clone().count() > 1
            && parts.any(|part| {
                let part = part.to_lowercase();
                columns.required.contains(&part.as_str())
                    || columns.optional.contains(&part.as_str())
            });
        is_known.then_some((name, only.as_str()))
    })
}

fn join(record: &csv::StringRecord) -> String {
    record.iter().collect::<Vec<_>>().join(",")
}

/// Finds line numbers of places that only move forward.
struct LineCounter<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            line: 1,
        }
    }

    /// The line of the first byte at or after `byte` that is no line end: blank lines are no rows.
    fn line_at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.text.get(self.at) {
            let is_end = matches!(next, b'\n' | b'\r');
            if self.at >= byte && !is_end {
                break;
            }
            if *next == b'\n' {
                self.line += 1;
            }
            self.at += 1;
        }
        self.line
    }
}

/// One line of a file.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    table: &'a Table,
    /// Its number in the file; the heading is 1.
    pub line: u64,
    fields: &'a csv::StringRecord,
    faults: &'a Mutex<Vec<Problem>>,
}

impl<'a> Row<'a> {
    /// Notes that `problem` keeps the row out, so that all that is wrong with it can be told at once.
    pub fn note(&self, problem: &Problem) {
        let mut faults = self.faults();
        if !faults.contains(problem) {
            faults.push(problem.clone());
        }
    }

    /// What was noted, which is then forgotten.
    pub fn take_faults(&self) -> Vec<Problem> {
        std::mem::take(&mut *self.faults())
    }

    fn faults(&self) -> std::sync::MutexGuard<'a, Vec<Problem>> {
        self.faults
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether the file has this column.
    pub fn has(&self, column: &str) -> bool {
        self.table.columns.iter().any(|name| name == column)
    }

    /// What the column holds; empty when the file lacks it.
    pub fn raw(&self, column: &str) -> &'a str {
        let at = self.table.columns.iter().position(|name| name == column);
        at.and_then(|at| self.fields.get(at)).unwrap_or_default()
    }

    /// What the column holds, if anything.
    pub fn text(&self, column: &str) -> Option<&'a str> {
        Some(self.raw(column)).filter(|text| !text.is_empty())
    }

    /// A problem with this column.
    pub fn problem(&self, column: &str, reason: impl Into<String>) -> Problem {
        Problem::new(column, self.raw(column), reason)
    }

    /// What the column holds, parsed, if anything.
    pub fn parse<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Option<T>, Problem> {
        let parsed = self.text(column).map(|text| {
            parse(text).map_err(|error| {
                let problem = self.problem(column, error.message());
                self.note(&problem);
                problem
            })
        });
        parsed.transpose()
    }

    /// What the column must hold, parsed.
    pub fn demand<T>(&self, column: &str, parse: impl Fn(&str) -> Result<T>) -> Result<T, Problem> {
        self.parse(column, parse)?.ok_or_else(|| {
            let problem = self.problem(column, "must not be empty");
            self.note(&problem);
            problem
        })
    }

    /// What the row says about a value that may be absent: nothing when the file lacks the column, that it
    /// is absent when the field is blank.
    pub fn value<T>(
        &self,
        column: &str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<ActiveValue<Option<T>>, Problem>
    where
        Option<T>: Into<sea_orm::Value>,
    {
        Ok(if self.has(column) {
            Set(self.parse(column, parse)?)
        } else {
            NotSet
        })
    }
}

/// A day: `1996-07-04`, or `1996/7/4` as spreadsheets write it.
pub(super) fn day(text: &str) -> Result<NaiveDate> {
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .or_else(|_| NaiveDate::parse_from_str(text, "%Y/%m/%d"))
        .map_err(|_| wrong("not a day: expected one such as 1996-07-04"))?;
    dates::day("", parsed)
}

/// A number of goods: whole, from 0 to [`MAX_STOCK`].
pub(super) fn count(text: &str) -> Result<i64> {
    text.parse()
        .ok()
        .filter(|count| (0..=MAX_STOCK).contains(count))
        .ok_or_else(|| wrong(&format!("not a whole number from 0 to {MAX_STOCK}")))
}

/// Yes or no.
pub(super) fn flag(text: &str) -> Result<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "1" | "是" => Ok(true),
        "false" | "no" | "n" | "0" | "否" => Ok(false),
        _ => Err(wrong("expected true or false")),
    }
}

/// An amount of `currency` of 0 or more, in minor units. Zeros after the digits of the currency are let
/// pass: exports write `14.0000`.
pub(super) fn amount(text: &str, currency: crate::domain::money::CurrencyCode) -> Result<i64> {
    let digits = usize::try_from(currency.digits()).unwrap_or_default();
    let plain = match text.split_once('.') {
        Some((whole, decimals)) if decimals.len() > digits => {
            let kept = decimals.trim_end_matches('0');
            if kept.is_empty() && !decimals.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{kept}")
            }
        }
        _ => text.to_owned(),
    };
    let minor = crate::domain::money::parse_minor(&plain, currency)?;
    if minor < 0 {
        return Err(wrong("must be 0 or more"));
    }
    Ok(minor)
}

/// An amount of a currency that nobody could read: only whether it is a number at all.
pub(super) fn any_amount(text: &str) -> Result<i64> {
    if crate::domain::money::is_decimal(text) && !text.starts_with('-') {
        return Ok(0);
    }
    Err(wrong("not an amount of 0 or more, such as 14.00"))
}

/// A share from 0 to 1 (`0.05` is 5 %) in basis points, exactly.
pub(super) fn rate_bp(text: &str) -> Result<i32> {
    let garbage = || wrong("not a rate: expected a number from 0 to 1, as in 0.05");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let decimals = decimals.trim_end_matches('0');
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || (whole.is_empty() && decimals.is_empty()) {
        return Err(garbage());
    }
    if decimals.len() > 4 {
        return Err(wrong("finer than a basis point (0.0001)"));
    }
    let whole: i32 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| garbage())?
    };
    let decimals: i32 = format!("{decimals:0<4}").parse().map_err(|_| garbage())?;
    whole
        .checked_mul(10_000)
        .and_then(|whole| whole.checked_add(decimals))
        .filter(|bp| *bp <= 10_000)
        .ok_or_else(garbage)
}

/// A phone or fax number as it stands, if it has three digits at least.
pub(super) fn number_as_written(text: &str) -> Result<String> {
    let text = crate::domain::text::text("", text, 100)?;
    if text.chars().filter(char::is_ascii_digit).count() < 3 {
        return Err(wrong("not a phone number: expected three digits or more"));
    }
    Ok(text)
}

pub(super) fn wrong(reason: &str) -> Error {
    Error::new(Code::BadUserInput, reason)
}

/// The text of a file: by its byte order mark, else UTF-8, else GB18030, which Chinese spreadsheets write.
/// What cannot be read becomes U+FFFD, which the row that holds it answers for.
fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(mark..).unwrap_or_default();
        return encoding.decode_without_bom_handling(rest).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let encoding = if is_mostly_utf8(bytes) {
        UTF_8
    } else {
        GB18030
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Whether more lines that are not plain ASCII read as UTF-8 than do not: then a broken line is a broken
/// line, not a sign of another encoding.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.is_ascii() {
            continue;
        }
        match std::str::from_utf8(line) {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    good > bad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::CurrencyCode;

    const COLUMNS: Columns = Columns {
        required: &["external_id", "name"],
        optional: &["note"],
    };

    fn names(bytes: &[u8]) -> Vec<(u64, String)> {
        let table = Table::parse(&decode(bytes), COLUMNS).unwrap();
        let rows = table.rows();
        rows.map(|row| (row.line, row.raw("name").to_owned()))
            .collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "external_id,name\r\n1,北京大客户\r\n2,Blondesddsl père et fils\r\n";
        let expected = names(text.as_bytes());
        assert_eq!(expected[0], (2, "北京大客户".to_owned()));
        let with_mark = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
        assert_eq!(names(&with_mark), expected);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(names(&[b"\xff\xfe".as_slice(), &little].concat()), expected);
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(names(&[b"\xfe\xff".as_slice(), &big].concat()), expected);
        assert_eq!(names(&GB18030.encode(text).0), expected);
    }

    #[test]
    fn a_broken_line_is_named_and_the_others_are_read() {
        let bytes = b"external_id,name\n1,M\xc3\xbcnster\n2,M\xfcnster\n3,K\xc3\xb6ln\n";
        let table = Table::parse(&decode(bytes), COLUMNS).unwrap();
        assert_eq!(table.rows().count(), 2);
        assert_eq!(table.broken.len(), 1);
        assert_eq!(table.broken[0].0, 3);
        assert_eq!(table.broken[0].1.column, "name");
    }

    #[test]
    fn lines_are_counted_through_blank_lines_and_line_breaks_in_quotes() {
        let text = "external_id,name\n\n1,\"a\nb\"\n\r\n2,c\n";
        assert_eq!(
            names(text.as_bytes()),
            [(3, "a\nb".to_owned()), (6, "c".to_owned())]
        );
    }

    #[test]
    fn a_heading_may_have_any_order_and_must_have_what_is_needed() {
        let table = Table::parse("Name,extra,EXTERNAL_ID\nx,y,1", COLUMNS).unwrap();
        assert_eq!(table.unknown, ["extra"]);
        let row = table.rows().next().unwrap();
        assert_eq!((row.raw("external_id"), row.raw("name")), ("1", "x"));
        assert!(!row.has("note"));
        let problem = Table::parse("name\nx", COLUMNS).unwrap_err();
        assert_eq!(
            problem.reason,
            "the file lacks the column external_id; it has name"
        );
        assert!(Table::parse("external_id,name,name\n", COLUMNS).is_err());
        assert!(Table::parse("", COLUMNS).is_err());
    }

    #[test]
    fn a_line_with_too_few_fields_is_no_row() {
        let table = Table::parse("external_id,name\n1\n2,b", COLUMNS).unwrap();
        assert_eq!((table.broken.len(), table.rows().count()), (1, 1));
        assert_eq!(table.broken[0].0, 2);
    }

    #[test]
    fn rates_are_exact() {
        for (text, bp) in [
            ("0.05", 500),
            ("0", 0),
            ("0.00", 0),
            ("1", 10_000),
            (".15", 1_500),
            ("0.0001", 1),
            ("0.2500000", 2_500),
        ] {
            assert_eq!(rate_bp(text).unwrap(), bp, "{text}");
        }
        for text in ["", "-0.1", "1.01", "5%", "0.00001", "a", ".", "1e-2"] {
            assert!(rate_bp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_may_have_zeros_too_many() {
        let dollar = CurrencyCode::parse("USD").unwrap();
        let yen = CurrencyCode::parse("JPY").unwrap();
        assert_eq!(amount("14.0000", dollar).unwrap(), 1_400);
        assert_eq!(amount("14.5", dollar).unwrap(), 1_450);
        assert_eq!(amount("14.00", yen).unwrap(), 14);
        for text in ["14.005", "-1", "1,000.00", "$5", ""] {
            assert!(amount(text, dollar).is_err(), "{text}");
        }
    }

    #[test]
    fn days_have_two_spellings() {
        let expected = NaiveDate::from_ymd_opt(1996, 7, 4).unwrap();
        assert_eq!(day("1996-07-04").unwrap(), expected);
        assert_eq!(day("1996/7/4").unwrap(), expected);
        for text in ["1996-02-30", "04.07.1996", "soon", "19960704"] {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
