//! What tables there are, with which columns, read off the database.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The table in which the steps that have run are kept; it is no content.
const STEPS: &str = "seaql_migrations";

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

/// All tables, by name.
pub(super) async fn read(
    transaction: &DatabaseTransaction,
    backend: DbBackend,
) -> Result<Vec<TableShape>> {
    let sql = match backend {
        DbBackend::Postgres => POSTGRES,
        _ => SQLITE,
    };
    let statement = Statement::from_string(backend, sql);
    let mut tables: Vec<(TableShape, Vec<(i64, String)>)> = Vec::new();
    for row in transaction.query_all_raw(statement).await? {
        let (table, column, key) = column(&row)?;
        if table == STEPS {
            continue;
        }
        if tables.last().is_none_or(|(last, _)| last.name != table) {
            let shape = TableShape {
                name: table,
                columns: Vec::new(),
                key: Vec::new(),
            };
            tables.push((shape, Vec::new()));
        }
        if let Some((shape, keys)) = tables.last_mut() {
            if key > 0 {
                keys.push((key, column.name.clone()));
            }
            shape.columns.push(column);
        }
    }
    Ok(tables
        .into_iter()
        .map(|(mut shape, mut keys)| {
            keys.sort();
            shape.key = keys.into_iter().map(|(_, name)| name).collect();
            shape
        })
        .collect())
}

fn column(row: &QueryResult) -> Result<(String, ColumnShape, i64)> {
    let table: String = row.try_get("", "table_")?;
    let name: String = row.try_get("", "column_")?;
    let declared: String = row.try_get("", "type_")?;
    let kind = Kind::of(&declared).ok_or_else(|| {
        Error::bug(format!(
            "the column {table}.{name} of type {declared} has no form in a backup"
        ))
    })?;
    let key: i64 = row.try_get("", "key_")?;
    Ok((table, ColumnShape { name, kind }, key))
}
