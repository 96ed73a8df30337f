//! The few expressions that differ between SQLite and PostgreSQL.

use sea_orm::DbBackend;

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
