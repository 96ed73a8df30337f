//! Every row of every table as text, read past the service, to see that nothing changed.

use std::collections::BTreeMap;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};

/// A connection of the tests' own.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options)
        .await
        .expect("the database of the test should be there")
}

/// Reads all tables in one statement.
pub struct Dump {
    statement: String,
}

/// Columns that reading may write.
const TOUCHED: &[(&str, &str)] = &[
    ("sessions", "last_used_at"),
    ("service_keys", "last_used_on"),
];

impl Dump {
    /// Looks up which tables there are.
    pub async fn of(db: &DatabaseConnection) -> Self {
        let columns = match db.get_database_backend() {
            DbBackend::Postgres => {
                "SELECT table_name AS t, column_name AS c FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
            }
            _ => {
                "SELECT m.name AS t, i.name AS c FROM sqlite_master m, pragma_table_info(m.name) i \
                 WHERE m.type = 'table' ORDER BY m.name, i.cid"
            }
        };
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in query(db, columns).await {
            let (table, column): (String, String) =
                (row.try_get("", "t").unwrap(), row.try_get("", "c").unwrap());
            if !TOUCHED.contains(&(table.as_str(), column.as_str())) {
                tables.entry(table).or_default().push(column);
            }
        }
        assert!(tables.len() > 20, "the tables of the service: {tables:?}");
        let postgres = db.get_database_backend() == DbBackend::Postgres;
        let parts: Vec<String> = tables
            .iter()
            .map(|(table, columns)| {
                let quoted: Vec<String> = columns
                    .iter()
                    .map(|column| {
                        if postgres {
                            format!("coalesce(\"{column}\"::text, '')")
                        } else {
                            format!("quote(\"{column}\")")
                        }
                    })
                    .collect();
                let row = quoted.join(" || '|' || ");
                let lines = if postgres {
                    "string_agg(x, E'\\n' ORDER BY x)"
                } else {
                    "group_concat(x, char(10))"
                };
                format!(
                    "SELECT '{table}' AS t, {lines} AS x FROM \
                     (SELECT {row} AS x FROM \"{table}\" ORDER BY 1) r"
                )
            })
            .collect();
        Self {
            statement: parts.join(" UNION ALL "),
        }
    }

    /// All rows there are now, by table.
    pub async fn take(&self, db: &DatabaseConnection) -> BTreeMap<String, String> {
        query(db, &self.statement)
            .await
            .iter()
            .map(|row| {
                let rows: Option<String> = row.try_get("", "x").unwrap();
                (row.try_get("", "t").unwrap(), rows.unwrap_or_default())
            })
            .collect()
    }
}

/// The rows that one dump has and the other lacks.
pub fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (table, rows) in before {
        let (was, is): (Vec<&str>, Vec<&str>) =
            (rows.lines().collect(), after[table].lines().collect());
        for row in was.iter().filter(|row| !is.contains(row)) {
            text.push_str(&format!("{table} - {row}\n"));
        }
        for row in is.iter().filter(|row| !was.contains(row)) {
            text.push_str(&format!("{table} + {row}\n"));
        }
    }
    text
}

async fn query(db: &DatabaseConnection, sql: &str) -> Vec<sea_orm::QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}
