//! What goes wrong in the database becomes a code that a caller can act on, and harms nobody else.

use std::time::Duration;

use entity::client;
use sea_orm::ColumnTrait;

use super::*;
use crate::error::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_stopped() {
    run(DbBackend::Postgres, 1, async |ground: Ground| {
        let hasty = ground
            .again(|config| config.statement_timeout = Duration::from_millis(200))
            .await;
        let outcome = hasty
            .as_system("a test")
            .write(|tx| async move {
                tx.insert::<client::Entity>(client_row(&tx, ClientId(Uuid::now_v7()), None))
                    .await?;
                raw(&tx, "SELECT pg_sleep(3)").await
            })
            .await;
        assert_eq!(outcome.unwrap_err().code(), Code::Timeout);
        assert_eq!(
            ground.ask("SELECT count(*) AS answer FROM clients").await,
            0
        );
        client(&hasty.as_system("a test"), None).await;
        ground.assert_at_rest().await;
    })
    .await;
}

/// A statement that reads and does not end by itself.
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000000) \
     SELECT count(*) AS answer FROM n";

/// Reads something, as a request does.
async fn read(session: &Session) -> Result<u64> {
    session.select::<client::Entity>().count(10).await
}

on_both!(
    a_read_that_takes_too_long_is_stopped_and_its_connection_free,
    1,
    async |ground: Ground| {
        let hasty = ground
            .again(|config| config.statement_timeout = Duration::from_millis(300))
            .await;
        let session = hasty.as_system("a test");
        for _ in 0..3 {
            let endless = Statement::from_string(session.backend(), ENDLESS);
            let outcome = tokio::time::timeout(
                Duration::from_secs(30),
                session.query_one_raw(endless.clone()),
            );
            let outcome = outcome.await.expect("it goes on and on");
            assert_eq!(outcome.unwrap_err().code(), Code::Timeout);
            assert_eq!(read(&session).await.unwrap(), 0);
        }
        // A time that is over is that of one statement, not of those after it.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(read(&session).await.unwrap(), 0);
        }
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_nobody_waits_for_keeps_no_connection() {
    run(DbBackend::Sqlite, 2, async |ground: Ground| {
        let patient = ground
            .again(|config| config.statement_timeout = Duration::from_mins(10))
            .await;
        let session = patient.as_system("a test");
        for _ in 0..5 {
            let endless =
                || session.query_one_raw(Statement::from_string(session.backend(), ENDLESS));
            let both = async { tokio::join!(endless(), endless()) };
            let left = tokio::time::timeout(Duration::from_millis(100), both).await;
            assert!(left.is_err());
            let reads = async {
                for _ in 0..4 {
                    assert_eq!(read(&session).await.unwrap(), 0);
                }
            };
            tokio::time::timeout(Duration::from_secs(30), reads)
                .await
                .expect("no reader is free");
        }
        let all_are_back = async {
            loop {
                let figures = patient.pools();
                let read = figures.iter().find(|pool| pool.name == "read").unwrap();
                if (read.most, read.idle) == (2, 2) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all_are_back)
            .await
            .expect("a reader is lost");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_takes_too_long_is_given_up() {
    run(DbBackend::Postgres, 2, async |ground: Ground| {
        let id = client(&ground.system(), None).await;
        let outside = ground.outside().await;
        outside.execute_unprepared("BEGIN").await.unwrap();
        outside
            .execute_unprepared("SELECT 1 FROM clients FOR UPDATE")
            .await
            .unwrap();
        let started = std::time::Instant::now();
        let outcome = ground
            .system()
            .write(move |tx| async move { tx.lock_client(id).await })
            .await;
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
        let waited = started.elapsed();
        assert!(
            (Duration::from_millis(1_900)..Duration::from_secs(4)).contains(&waited),
            "waited {waited:?}"
        );
        outside.execute_unprepared("ROLLBACK").await.unwrap();
        ground.assert_at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_told_as_such_and_replaced() {
    run(DbBackend::Postgres, 1, async |ground: Ground| {
        let outside = ground.outside().await;
        let cut = "SELECT count(pg_terminate_backend(pid)) AS answer FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = 'clientele'";
        for _ in 0..10 {
            // At rest: the next statement finds out.
            ask(&outside, cut).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Err(error) = ground.database.ping().await {
                assert_eq!(error.code(), Code::Unavailable, "{error:?}");
            }
            tokio::time::timeout(Duration::from_secs(3), async {
                while ground.database.ping().await.is_err() {}
            })
            .await
            .unwrap();
            // In the middle of a unit.
            let killer = ground.outside().await;
            let outcome = ground
                .system()
                .write(move |tx| {
                    let killer = killer.clone();
                    async move {
                        tx.insert::<client::Entity>(client_row(
                            &tx,
                            ClientId(Uuid::now_v7()),
                            None,
                        ))
                        .await?;
                        ask(&killer, cut).await;
                        tx.select::<client::Entity>().all().await?;
                        Ok(())
                    }
                })
                .await;
            let error = outcome.unwrap_err();
            assert_eq!(error.code(), Code::Unavailable, "{error:?}");
        }
        ground.assert_at_rest().await;
        assert_eq!(
            ground.ask("SELECT count(*) AS answer FROM clients").await,
            0
        );
    })
    .await;
}

on_both!(
    text_that_a_database_cannot_hold_is_wrong_input,
    2,
    async |ground: Ground| {
        let found = ground
            .system()
            .select::<client::Entity>()
            .filter(client::Column::Name.eq("a\0b"))
            .all()
            .await;
        match found {
            Ok(found) => assert!(found.is_empty() && !ground.is_postgres()),
            Err(error) => assert_eq!(error.code(), Code::BadUserInput),
        }
    }
);
