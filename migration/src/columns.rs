//! What the steps share: kinds of columns, keys and indexes beyond those of `sea_orm_migration::schema`.
//!
//! Steps that have run somewhere depend on these functions: change what one makes only by a new function.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;
use sea_orm_migration::sea_orm::DbBackend;

/// A text that rows are ordered by. PostgreSQL would compare by the rules of some language; SQLite
/// compares bytes, and cursors need the same order on both.
pub(crate) fn sort_key(manager: &SchemaManager, name: &'static str) -> ColumnDef {
    let mut column = text(name);
    if manager.get_database_backend() == DbBackend::Postgres {
        column.extra(r#"COLLATE "C""#);
    }
    column
}

/// One of a closed list of values, by its name.
pub(crate) fn choice(name: &'static str) -> ColumnDef {
    string_len(name, 32)
}

/// One of a closed list of values, or none.
pub(crate) fn choice_null(name: &'static str) -> ColumnDef {
    string_len_null(name, 32)
}

/// A constraint that no two rows are equal in `columns`.
pub(crate) fn unique(name: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).unique();
    for column in columns {
        index.col(*column);
    }
    index
}

/// A reference that keeps the row it points at from being deleted.
pub(crate) fn keeps(
    table: &'static str,
    column: &'static str,
    target: &'static str,
) -> ForeignKeyCreateStatement {
    reference(table, column, target, ForeignKeyAction::Restrict)
}

/// A reference from a part to its whole: deleting the whole deletes the part.
pub(crate) fn dies_with(
    table: &'static str,
    column: &'static str,
    target: &'static str,
) -> ForeignKeyCreateStatement {
    reference(table, column, target, ForeignKeyAction::Cascade)
}

fn reference(
    table: &'static str,
    column: &'static str,
    target: &'static str,
    on_delete: ForeignKeyAction,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_{column}_fkey"))
        .from(table, column)
        .to(target, "id")
        .on_delete(on_delete)
        .take()
}

/// Makes an index.
pub(crate) async fn index(
    manager: &SchemaManager<'_>,
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}

/// Makes the index that keeps `external_id` unique among the rows that have one.
pub(crate) async fn external_id_index(
    manager: &SchemaManager<'_>,
    table: &'static str,
) -> Result<(), DbErr> {
    manager
        .create_index(
            Index::create()
                .name(format!("{table}_by_external_id"))
                .table(table)
                .col("external_id")
                .unique()
                .and_where(Expr::col("external_id").is_not_null())
                .take(),
        )
        .await
}

/// Drops `tables` in the order given, which must be parts before wholes.
pub(crate) async fn drop_tables(
    manager: &SchemaManager<'_>,
    tables: &[&'static str],
) -> Result<(), DbErr> {
    for table in tables {
        manager
            .drop_table(Table::drop().table(*table).take())
            .await?;
    }
    Ok(())
}
