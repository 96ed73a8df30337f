//! The test ground itself: two databases, one body, nothing shared between tests.

use chrono::TimeDelta;
use migration::MigratorTrait;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::support::{Answer, App, Backend};

on_both!(an_app_answers_on_its_own_database, async |app: App| {
    let answer = app.gql("", "{ __typename }", json!({})).await.ok();
    assert_eq!(answer.text("/__typename"), "Query");
    assert_eq!(answer.statements(), 0);
    let scheme = match app.backend() {
        Backend::Sqlite => "sqlite://",
        Backend::Postgres => "postgres://",
    };
    assert!(app.database_url().starts_with(scheme));
});

on_both!(two_apps_share_no_rows, async |first: App| {
    let second = App::start(first.backend()).await;
    let rows = "CREATE TABLE only_here (id integer)";
    for app in [&first, &second] {
        let database = Database::connect(app.database_url()).await.unwrap();
        database.execute_unprepared(rows).await.unwrap();
        database.close().await.unwrap();
    }
});

on_both!(a_new_database_is_migrated_and_empty, async |app: App| {
    let database = Database::connect(app.database_url()).await.unwrap();
    let status = migration::Migrator::get_pending_migrations(&database)
        .await
        .unwrap();
    assert!(status.is_empty());
    database.close().await.unwrap();
});

on_both!(
    what_the_server_does_not_have_is_no_success,
    async |app: App| {
        let answer = app.get("", "/nowhere").await;
        assert_eq!(answer.status, 404);
        assert_eq!(app.post("", "/nowhere", &json!({})).await.status, 404);
    }
);

on_both!(a_test_moves_the_time_of_its_own_server, async |app: App| {
    let clock = &app.server().clock;
    let before = clock.now();
    clock.advance(TimeDelta::days(400));
    assert!(clock.now() - before >= TimeDelta::days(400));
});

fn answer(json: Value) -> Answer {
    Answer {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter([(
            HeaderName::from_static("clientele-statements"),
            HeaderValue::from_static("7"),
        )]),
        json,
    }
}

#[test]
fn an_answer_is_read_by_pointer() {
    let answer = answer(json!({ "data": { "clients": [{ "name": "Bottom-Dollar" }] } })).ok();
    assert_eq!(answer.text("/clients/0/name"), "Bottom-Dollar");
    assert_eq!(answer.list("/clients").len(), 1);
    assert_eq!(answer.statements(), 7);
    assert!(answer.errors().is_empty());
}

#[test]
fn an_answer_tells_code_rule_and_fields() {
    let extensions =
        json!({ "code": "RULE_VIOLATED", "rule": "orders.over_credit", "fields": ["a"] });
    let answer = answer(json!({ "data": null, "errors": [{ "extensions": extensions }] }));
    assert_eq!(answer.code(0), "RULE_VIOLATED");
    assert_eq!(answer.rule(), "orders.over_credit");
    assert_eq!(answer.fields(), ["a"]);
    assert_eq!(answer.extension(0, "absent"), &Value::Null);
}

#[test]
#[should_panic(expected = "no such client")]
fn an_answer_with_errors_is_not_ok() {
    let _ = answer(json!({ "data": null, "errors": [{ "message": "no such client" }] })).ok();
}
