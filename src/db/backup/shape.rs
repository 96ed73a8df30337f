//! What tables there are, with which columns, read off the database; and which of them are ours.

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement,
};
use serde::{Deserialize, Serialize};

use crate::db::{steps, unit};
use crate::error::{Code, Error, Result};

/// A table: what it is called, what it holds, what its rows are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Its name.
    pub name: String,
    /// Its columns, by name.
    pub columns: Vec<ColumnShape>,
    /// The columns of its primary key, in the order of the key.
    pub key: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// What values are, the same on both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A UUID.
    Id,
    /// An instant to the microsecond.
    Instant,
    /// A day.
    Day,
    /// True or false.
    Flag,
    /// A whole number of up to 64 bits.
    Whole,
    /// Text.
    Text,
    /// JSON.
    Json,
    /// Bytes.
    Bytes,
}

impl Kind {
    fn of(declared: &str) -> Option<Self> {
        let declared = declared.to_ascii_lowercase();
        let begins = |words: &[&str]| words.iter().any(|word| declared.starts_with(word));
        Some(match () {
            () if begins(&["uuid"]) => Self::Id,
            () if begins(&["timestamp", "datetime"]) => Self::Instant,
            () if begins(&["date"]) => Self::Day,
            () if begins(&["bool"]) => Self::Flag,
            () if begins(&["int", "bigint", "smallint"]) => Self::Whole,
            () if begins(&["json"]) => Self::Json,
            () if begins(&["blob", "bytea", "binary", "varbinary"]) => Self::Bytes,
            () if begins(&["text", "varchar", "char"]) => Self::Text,
            () => return None,
        })
    }
}

impl TableShape {
    /// Reads all rows in the order of the key, the same order on both databases.
    pub(super) fn query(&self, backend: DbBackend) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| match column.kind {
                // Whatever width it is stored in.
                Kind::Whole => format!("CAST(\"{}\" AS bigint)", column.name),
                _ => format!("\"{}\"", column.name),
            })
            .collect();
        let order: Vec<String> = self
            .key
            .iter()
            .map(|name| {
                let column = self.columns.iter().find(|column| column.name == *name);
                let is_text = column.is_some_and(|column| column.kind == Kind::Text);
                match backend {
                    DbBackend::Postgres if is_text => format!("\"{name}\" COLLATE \"C\""),
                    _ => format!("\"{name}\""),
                }
            })
            .collect();
        format!(
            "SELECT {} FROM \"{}\" ORDER BY {}",
            columns.join(", "),
            self.name,
            order.join(", ")
        )
    }
}

/// One row per column: table, column, declared type, place in the key (0 when it is not part of it).
const SQLITE: &str = "SELECT t.name AS table_, c.name AS column_, c.type AS type_, \
     CAST(c.pk AS bigint) AS key_ \
     FROM pragma_table_list t JOIN pragma_table_info(t.name) c \
     WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
     ORDER BY t.name, c.name";

const POSTGRES: &str = "SELECT t.relname::text AS table_, a.attname::text AS column_, \
     format_type(a.atttypid, NULL) AS type_, \
     COALESCE(array_position(i.indkey::int2[], a.attnum), -1)::bigint + 1 AS key_ \
     FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary \
     WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace \
     ORDER BY t.relname COLLATE \"C\", a.attname COLLATE \"C\"";

/// A table as the database has it, ours or not.
pub(super) struct Present {
    name: String,
    /// Columns with their declared types, by name.
    columns: Vec<(String, String)>,
    key: Vec<(i64, String)>,
}

impl Present {
    fn kind_of(&self, name: &str) -> Option<Kind> {
        let mut columns = self.columns.iter();
        let (_, declared) = columns.find(|(column, _)| column == name)?;
        Kind::of(declared)
    }

    /// All of it; nothing when it has no key, or a column whose kind has no form.
    fn shape(&self) -> Option<TableShape> {
        let columns = self.columns.iter().map(|(name, declared)| {
            Some(ColumnShape {
                name: name.clone(),
                kind: Kind::of(declared)?,
            })
        });
        Some(TableShape {
            name: self.name.clone(),
            columns: columns.collect::<Option<_>>()?,
            key: self.key.iter().map(|(_, name)| name.clone()).collect(),
        })
        .filter(|shape| !shape.key.is_empty())
    }
}

/// All tables, by name.
pub(super) async fn read(
    transaction: &DatabaseTransaction,
    backend: DbBackend,
) -> Result<Vec<Present>> {
    let sql = match backend {
        DbBackend::Postgres => POSTGRES,
        _ => SQLITE,
    };
    let statement = Statement::from_string(backend, sql);
    let steps = Migrator::migration_table_name().to_string();
    let mut tables: Vec<Present> = Vec::new();
    for row in transaction.query_all_raw(statement).await? {
        let (table, column, declared, key) = column(&row)?;
        // Which steps have run is no content.
        if table == steps {
            continue;
        }
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(Present {
                name: table,
                columns: Vec::new(),
                key: Vec::new(),
            });
        }
        if let Some(table) = tables.last_mut() {
            if key > 0 {
                table.key.push((key, column.clone()));
            }
            table.columns.push((column, declared));
        }
    }
    for table in &mut tables {
        table.key.sort();
    }
    Ok(tables)
}

fn column(row: &QueryResult) -> Result<(String, String, String, i64)> {
    Ok((
        row.try_get("", "table_")?,
        row.try_get("", "column_")?,
        row.try_get("", "type_")?,
        row.try_get("", "key_")?,
    ))
}

/// The tables that the first so many steps of this program make. They are made in memory to see.
pub(super) async fn made_by(steps: usize) -> Result<Vec<TableShape>> {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let memory = sea_orm::Database::connect(options).await?;
    let transaction = unit::begin(&memory).await?;
    Migrator::up(&transaction, Some(u32::try_from(steps).unwrap_or(u32::MAX))).await?;
    let tables = read(&transaction, DbBackend::Sqlite).await?;
    transaction.rollback().await?;
    memory.close().await?;
    tables
        .iter()
        .map(|table| {
            let lacks = || format!("the table {} has no form in a backup", table.name);
            table.shape().ok_or_else(|| Error::bug(lacks()))
        })
        .collect()
}

/// Which of the tables that are `present` are kept after these steps have `run`: those that the steps make.
/// Others are somebody else's. When a later version has run steps of its own, what they made is not known here,
/// and all tables are kept.
///
/// # Errors
/// `CONFLICT` when a table is not as the steps make it.
pub(super) async fn kept(present: &[Present], run: &[String]) -> Result<Vec<TableShape>> {
    if steps::unknown(run).is_some() {
        let shapes = present.iter().map(|table| {
            table.shape().ok_or_else(|| {
                let message = format!(
                    "a later version made the tables, and this one cannot read the table {}; use that version",
                    table.name
                );
                Error::new(Code::Conflict, message)
            })
        });
        return shapes.collect();
    }
    let made = made_by(run.len()).await?;
    require_present(present, &made)?;
    Ok(made)
}

/// Demands that each of these tables is `present`, with at least its columns.
pub(super) fn require_present(present: &[Present], made: &[TableShape]) -> Result<()> {
    let is_there = |table: &TableShape, column: &ColumnShape| {
        let mut present = present.iter();
        let found = present.find(|found| found.name == table.name);
        found.and_then(|found| found.kind_of(&column.name)) == Some(column.kind)
    };
    for table in made {
        let missing = table.columns.iter().find(|column| !is_there(table, column));
        if let Some(column) = missing {
            let message = format!(
                "the table {} is not as this service makes it: its column {} is missing or of another type",
                table.name, column.name
            );
            return Err(Error::new(Code::Conflict, message));
        }
    }
    Ok(())
}
