//! The rules, fed with what they must find and with what they must let pass.

use super::*;

fn file(path: &str, text: &str) -> Vec<Source> {
    vec![Source::new(path, text)]
}

#[test]
fn imports_upward_are_found_in_every_spelling() {
    for bad in [
        "use crate::graphql::Thing;",
        "use crate::{error::Error, http, Result};",
        "use crate::{\n    db::{Tx, scope::{A, B}},\n    graphql::types,\n};",
        "fn f() -> crate::http::Router { g() }",
        "use super::super::graphql;",
        "fn f() { let q = \"//\"; crate::http::serve() }",
        "fn f() { let q = '\"'; crate::http::serve() }",
        "fn f<'a>() { crate::http::serve() }",
    ] {
        assert_eq!(
            imports_that_point_up(&file("src/domain/orders.rs", bad), &[]).len(),
            1,
            "{bad}"
        );
    }
    assert_eq!(
        imports_that_point_up(&file("src/clock.rs", "use super::auth;"), &[]).len(),
        1
    );
    assert_eq!(
        imports_that_point_up(&file("src/db/mod.rs", "use super::domain;"), &[]).len(),
        1
    );
    assert_eq!(
        imports_that_point_up(&file("src/unknown.rs", ""), &[]).len(),
        1
    );
}

#[test]
fn imports_downward_and_sideways_pass() {
    for good in [
        "use crate::db::{Tx, graphql};",
        "use crate::domain::money;",
        "use super::money;",
        "use crate::{Error, Result};",
        "// use crate::graphql;",
        "/* use crate::graphql; /* nested */ crate::http */",
        "const A: &str = \"crate::graphql::x\";",
        "const A: &str = r#\"crate::\"graphql\"::x\"#;",
        "#[cfg(test)]\nmod tests { use crate::graphql; }",
        "use graphql_client::crate_thing;",
    ] {
        assert_none(&imports_that_point_up(
            &file("src/domain/orders.rs", good),
            &[],
        ));
    }
    assert_none(&imports_that_point_up(
        &file("src/main.rs", "use crate::http;"),
        &[],
    ));
}

#[test]
fn an_exception_excuses_and_must_be_needed() {
    let source = file("src/error.rs", "fn f() { crate::db::classify() }");
    assert_none(&imports_that_point_up(&source, &[("src/error.rs", "db")]));
    assert_eq!(
        imports_that_point_up(&source, &[("src/clock.rs", "db")]).len(),
        2
    );
    assert_eq!(
        imports_that_point_up(&[], &[("src/error.rs", "db")]).len(),
        1
    );
}

#[test]
fn crates_away_from_home_are_found() {
    assert_eq!(
        crates_away_from_home(&file("src/domain/a.rs", "use async_graphql::Context;")).len(),
        1
    );
    assert_eq!(
        crates_away_from_home(&file("src/db/mod.rs", "fn f(r: axum::Router) {}")).len(),
        1
    );
    assert_none(&crates_away_from_home(&file(
        "src/graphql/a.rs",
        "use async_graphql::Context;",
    )));
    assert_none(&crates_away_from_home(&file(
        "src/http.rs",
        "use axum::Router;",
    )));
    assert_none(&crates_away_from_home(&file(
        "src/db/a.rs",
        "// async_graphql\nlet axum_like = 1;",
    )));
}

#[test]
fn connections_and_sql_outside_db_are_found() {
    for bad in [
        "use sea_orm::DatabaseConnection;",
        "fn f(c: &impl ConnectionTrait) {}",
        "use sea_orm::{Statement, DbErr};",
        "fn f() { run(\"SELECT 1\") }",
        "fn f() { run(r#\"\n  DELETE FROM users\"#) }",
        "fn f() { run(\"PRAGMA foreign_keys = OFF\") }",
    ] {
        assert_eq!(
            connections_outside_db(&file("src/graphql/a.rs", bad)).len(),
            1,
            "{bad}"
        );
        assert_none(&connections_outside_db(&file("src/db/a.rs", bad)));
        assert_none(&connections_outside_db(&file("migration/src/a.rs", bad)));
    }
    for good in [
        "/// A Statement of the client.\nstruct StatementCount;",
        "fn f() { say(\"Select one\") }",
        "#[cfg(test)] mod tests { fn f() { run(\"SELECT 1\") } }",
        "fn f() { say(\"SELECTED\") }",
    ] {
        assert_none(&connections_outside_db(&file("src/graphql/a.rs", good)));
    }
}

#[test]
fn unlisted_doors_are_found() {
    let source = file(
        "src/jobs/a.rs",
        "fn f() { db.as_system(\"nightly tiers\").select() }",
    );
    assert_eq!(unscoped_doors(&source, &[]).len(), 1);
    assert_none(&unscoped_doors(
        &source,
        &[("src/jobs/a.rs", "nightly tiers")],
    ));
    // A reason may be passed on within db, where that is listed, and nowhere else.
    let passing = "fn f(reason: &str) { Viewer::system(reason) }";
    let listed = |path| unscoped_doors(&file(path, passing), &[(path, "")]);
    assert_none(&listed("src/db/a.rs"));
    assert_eq!(unscoped_doors(&file("src/db/a.rs", passing), &[]).len(), 1);
    assert_eq!(listed("src/jobs/a.rs").len(), 2);
    // A bracket or a comment in the call changes nothing.
    let bracket = file(
        "src/jobs/a.rs",
        "fn f() { db.as_system(/* ) */ \"a (b) c\") }",
    );
    assert_none(&unscoped_doors(&bracket, &[("src/jobs/a.rs", "a (b) c")]));
    // The reason is part of the entry, and an entry without a use fails.
    assert_eq!(
        unscoped_doors(&source, &[("src/jobs/a.rs", "other")]).len(),
        2
    );
    assert_eq!(
        unscoped_doors(&[], &[("src/jobs/a.rs", "nightly tiers")]).len(),
        1
    );
    for bad in [
        "fn f() { db.system(\"a reason\") }",
        "fn f() { Session::system(reason) }",
        "fn f() { db.as_system(WHY) }",
    ] {
        assert_eq!(
            unscoped_doors(&file("src/http/a.rs", bad), &[]).len(),
            1,
            "{bad}"
        );
    }
    for good in [
        "pub fn system(reason: &str) {}",
        "// db.system(\"x\")",
        "mod system;",
        "use db::system::Door;",
    ] {
        assert_none(&unscoped_doors(&file("src/db/a.rs", good), &[]));
    }
}

#[test]
fn leftovers_are_found() {
    for bad in [
        "fn f() { x.unwrap(); }",
        "fn f() { todo!() }",
        "fn f() { dbg!(x); }",
        "fn f() { unimplemented!() }",
    ] {
        assert_eq!(leftovers(&file("src/a.rs", bad)).len(), 1, "{bad}");
        assert_eq!(leftovers(&file("entity/src/a.rs", bad)).len(), 1, "{bad}");
        assert_none(&leftovers(&file("tests/api/a.rs", bad)));
        assert_none(&leftovers(&file(
            "src/a.rs",
            &format!("#[cfg(test)]\nmod tests {{ {bad} }}"),
        )));
    }
    // What follows a test module is looked at again.
    let after = "#[cfg(test)]\nmod tests;\nfn f() { x.unwrap(); }";
    assert_eq!(
        leftovers(&file("src/a.rs", after)),
        ["src/a.rs:3: `.unwrap()` must not ship"]
    );
    assert_none(&leftovers(&file(
        "src/a.rs",
        "fn f() { x.unwrap_or(1); say(\"todo!\"); } // dbg!",
    )));
}

#[test]
fn long_files_are_found() {
    let short = "//! a\n".repeat(MAX_LINES);
    let long = "//! a\n".repeat(MAX_LINES + 1);
    assert_none(&long_files(&file("src/a.rs", &short), &[]));
    assert_eq!(long_files(&file("src/a.rs", &long), &[]).len(), 1);
    assert_none(&long_files(
        &file("src/a.rs", &long),
        &[("src/a.rs", MAX_LINES + 1)],
    ));
    assert_eq!(
        long_files(&file("src/a.rs", &long), &[("src/a.rs", MAX_LINES)]).len(),
        2
    );
    assert_eq!(
        long_files(&file("src/a.rs", &short), &[("src/a.rs", 900)]).len(),
        1
    );
}

#[test]
fn modules_without_a_purpose_are_found() {
    for bad in ["", "use x;", "// a\n//! b", "\n//! b", "//!\nuse x;"] {
        assert_eq!(
            modules_without_a_purpose(&file("src/a.rs", bad)).len(),
            1,
            "{bad:?}"
        );
    }
    assert_none(&modules_without_a_purpose(&file(
        "src/a.rs",
        "//! What it is for.\n",
    )));
}
