//! What nobody needs any more goes by itself.

use std::time::Duration;

use chrono::TimeDelta;
use clientele::jobs;
use entity::session;
use sea_orm::ColumnTrait;

use crate::support::{App, Person};

async fn sessions(app: &App, person: &Person) -> u64 {
    app.server()
        .database
        .as_system("a test counts rows")
        .select::<session::Entity>()
        .filter(session::Column::UserId.eq(person.id))
        .count(99)
        .await
        .unwrap()
}

on_both!(sessions_that_ended_long_ago_go, async |app: App| {
    let team = app.team().await;
    let database = &app.server().database;
    app.sign_in(team.ann.id, "Ann").await;
    let query =
        "mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { session { id } } }";
    let input = serde_json::json!({ "input": { "id": team.ann.session.to_string() } });
    app.gql(&team.ann.token, query, input).await.ok();
    assert_eq!(jobs::housekeeping::sweep(database).await.unwrap(), 0);
    app.server().clock.advance(TimeDelta::days(91));
    // Of several processes one does it.
    let (one, two) = futures_util::future::join(
        jobs::housekeeping::sweep(database),
        jobs::housekeeping::sweep(database),
    )
    .await;
    assert_eq!(one.unwrap() + two.unwrap(), 1);
    assert_eq!(sessions(&app, &team.ann).await, 1);
    assert_eq!(sessions(&app, &team.ben).await, 1);
});

on_both!(the_job_runs_until_it_is_told_to_stop, async |app: App| {
    let team = app.team().await;
    let database = app.server().database.clone();
    app.server().clock.advance(TimeDelta::days(3_741));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let job = jobs::housekeeping::spawn(database, Duration::from_hours(1), stopped);
    let mut left = 1;
    for _ in 0..1_000 {
        left = sessions(&app, &team.ann).await;
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(left, 0);
    stop.send(true).unwrap();
    job.await.unwrap();
});
