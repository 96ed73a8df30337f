//! The few expressions that differ between SQLite and PostgreSQL.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use uuid::Uuid;

/// Whether `expr` is one of `ids`, by a statement that is the same for few and for many of them, so that it is
/// prepared once.
pub(super) fn among(backend: DbBackend, expr: Expr, ids: &[Uuid]) -> Expr {
    if backend == DbBackend::Postgres {
        return expr.eq(Func::cust("ANY").arg(array(ids)));
    }
    // The last again, up to the next power of two.
    let mut list = ids.to_vec();
    if let Some(last) = list.last().copied() {
        list.resize(ids.len().next_power_of_two(), last);
    }
    expr.is_in(list)
}

/// Ids as one value of PostgreSQL.
pub(super) fn array(ids: &[Uuid]) -> Expr {
    let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    Expr::cust_with_values("CAST($1 AS uuid[])", [format!("{{{}}}", texts.join(","))])
}

/// Whole days from `earlier` to `later`, two SQL expressions of type date.
pub(super) fn days_between(backend: DbBackend, earlier: &str, later: &str) -> String {
    match backend {
        DbBackend::Postgres => format!("({later} - {earlier})"),
        _ => format!("CAST(julianday({later}) - julianday({earlier}) AS INTEGER)"),
    }
}

/// The day `days` after an SQL expression of type date.
pub(super) fn add_days(backend: DbBackend, date: &str, days: u64) -> String {
    match backend {
        DbBackend::Postgres => format!("({date} + {days})"),
        _ => format!("date({date}, '+{days} days')"),
    }
}

/// A sum of whole numbers as a 64-bit number (PostgreSQL makes `numeric` of a sum of `bigint`).
pub(super) fn sum(backend: DbBackend, expr: &str) -> String {
    match backend {
        DbBackend::Postgres => format!("COALESCE(SUM({expr}), 0)::bigint"),
        _ => format!("COALESCE(SUM({expr}), 0)"),
    }
}

/// The lock clause of a select, where there are row locks.
pub(super) fn for_update(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => " FOR UPDATE",
        _ => "",
    }
}
