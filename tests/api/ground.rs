//! The test ground itself: two databases, one body, nothing shared between tests.

use migration::MigratorTrait;
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use crate::support::{App, Backend};

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
