//! A row and its parts, written by one statement: each statement of a transaction is a way to the database and
//! back.

use entity::ClientId;
use sea_orm::{
    ActiveModelTrait, DbBackend, EntityTrait, Insert, Iterable, QueryTrait, Statement, TryIntoModel,
};

use super::scope::UnderClient;
use super::select::decode_all;
use super::sync::Changes;
use super::tx::{CHUNK_PARAMETERS, LockedClient, Tx};
use super::visible::Visible;
use crate::error::{Error, Result};

/// Rows of one table, to be written together with others.
pub struct Part {
    client: ClientId,
    statement: Statement,
    /// What phones hold of it.
    changes: Changes,
}

impl Tx {
    /// Rows for the subtree of `client`, not written yet; nothing when there are none. Their client is set here.
    ///
    /// # Errors
    /// `FORBIDDEN`; `INTERNAL` when phones hold such rows, or parts of them, and a row lacks a column.
    pub fn part_under<E>(
        &self,
        client: &LockedClient,
        mut rows: Vec<E::ActiveModel>,
    ) -> Result<Option<Part>>
    where
        E: UnderClient<ActiveModel: TryIntoModel<E::Model>>,
    {
        self.require_writer::<E>()?;
        if rows.is_empty() {
            return Ok(None);
        }
        for row in &mut rows {
            row.set(E::CLIENT_ID, client.id.into());
        }
        let mut changes = Changes::default();
        if Self::must_note::<E>() {
            for row in &rows {
                changes.made::<E>(&row.clone().try_into_model()?);
            }
        }
        Ok(Some(Part {
            client: client.id,
            changes,
            statement: self.backend().build(&Insert::many(rows).into_query()),
        }))
    }

    /// Adds a row to the subtree of `client` with its parts, which may point at it; all by one statement. The
    /// client of the row is set here.
    ///
    /// # Errors
    /// `FORBIDDEN`, `CONFLICT`; `INTERNAL` when a part is of another client.
    pub async fn insert_with_parts<E>(
        &self,
        client: &LockedClient,
        mut row: E::ActiveModel,
        parts: Vec<Part>,
    ) -> Result<Visible<E::Model>>
    where
        E: UnderClient,
    {
        self.require_writer::<E>()?;
        if parts.iter().any(|part| part.client != client.id) {
            return Err(Error::bug("a part belongs to another client"));
        }
        row.set(E::CLIENT_ID, client.id.into());
        let mut insert = Insert::one(row).into_query();
        insert.returning(sea_orm::sea_query::Query::returning().columns(E::Column::iter()));
        let (parts, changes): (Vec<Statement>, Vec<Changes>) = parts
            .into_iter()
            .map(|part| (part.statement, part.changes))
            .unzip();
        let whole = joined(self.backend(), self.backend().build(&insert), parts);
        let parameters = whole.values.as_ref().map_or(0, |values| values.0.len());
        if parameters > CHUNK_PARAMETERS {
            return Err(Error::bug("too many rows for one statement"));
        }
        let rows = self.query_all_raw(whole).await?;
        let row = decode::<E>(&rows)?;
        self.tell_of_clients([client.id]);
        self.note_parts(changes);
        self.note_made::<E>(std::slice::from_ref(&row));
        Ok(row)
    }
}

fn decode<E: EntityTrait<Model: Send + Sync + 'static>>(
    rows: &[sea_orm::QueryResult],
) -> Result<Visible<E::Model>> {
    decode_all::<E>(rows)?
        .into_iter()
        .next()
        .map(Visible::single)
        .ok_or_else(|| Error::bug("an insert gave no row"))
}

/// One text for all: on PostgreSQL the parts are clauses of the statement of the row, on SQLite they follow it.
fn joined(backend: DbBackend, main: Statement, parts: Vec<Statement>) -> Statement {
    let mut values = Vec::new();
    let mut take = |statement: &mut Statement| {
        let own = statement.values.take().map_or_else(Vec::new, |own| own.0);
        values.extend(own);
    };
    let mut sql = String::new();
    let mut main = main;
    if backend == DbBackend::Postgres {
        let mut before = 0;
        for (at, mut part) in parts.into_iter().enumerate() {
            let count = part.values.as_ref().map_or(0, |own| own.0.len());
            sql.push_str(if at == 0 { "WITH " } else { ", " });
            sql.push_str(&format!("part_{at} AS ({})", renumbered(&part.sql, before)));
            take(&mut part);
            before += count;
        }
        sql.push(' ');
        sql.push_str(&renumbered(&main.sql, before));
        take(&mut main);
    } else {
        sql.push_str(&main.sql);
        take(&mut main);
        for mut part in parts {
            sql.push_str("; ");
            sql.push_str(&part.sql);
            take(&mut part);
        }
    }
    Statement::from_sql_and_values(backend, sql, values)
}

/// `sql` with its parameters `$1`, `$2` and so on counted from `before` + 1. The texts that are built here hold no
/// dollar signs but those.
fn renumbered(sql: &str, before: usize) -> String {
    if before == 0 {
        return sql.to_owned();
    }
    let mut pieces = sql.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = piece.split_at(digits);
        let number = number.parse::<usize>().unwrap_or_default();
        text.push_str(&format!("${}{rest}", number.saturating_add(before)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_on() {
        let sql = "INSERT INTO \"a\" (\"b\", \"c\") VALUES ($1, $2), ($10, $11)";
        assert_eq!(renumbered(sql, 0), sql);
        assert_eq!(
            renumbered(sql, 7),
            "INSERT INTO \"a\" (\"b\", \"c\") VALUES ($8, $9), ($17, $18)"
        );
    }

    #[test]
    fn parts_come_before_the_row_on_postgres_and_after_it_on_sqlite() {
        let statement = |backend, sql: &str, value: i64| {
            Statement::from_sql_and_values(backend, sql, [value.into()])
        };
        for (backend, expected, order) in [
            (
                DbBackend::Postgres,
                "WITH part_0 AS (b $1), part_1 AS (c $2) a $3",
                [2, 3, 1],
            ),
            (DbBackend::Sqlite, "a $1; b $1; c $1", [1, 2, 3]),
        ] {
            let parts = vec![statement(backend, "b $1", 2), statement(backend, "c $1", 3)];
            let whole = joined(backend, statement(backend, "a $1", 1), parts);
            assert_eq!(whole.sql, expected);
            let values: Vec<i64> = whole
                .values
                .unwrap()
                .0
                .into_iter()
                .map(sea_orm::Value::unwrap)
                .collect();
            assert_eq!(values, order);
        }
    }
}
