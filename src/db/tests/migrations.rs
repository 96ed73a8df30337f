//! The tables come up to date once, however many processes start at once and however few connections
//! they have.

use migration::{Migrator, MigratorTrait};

use super::*;

async fn tables(ground: &Ground) -> i64 {
    let sql = if ground.is_postgres() {
        "SELECT count(*) AS answer FROM pg_tables WHERE schemaname = 'public'"
    } else {
        "SELECT count(*) AS answer FROM sqlite_master WHERE type = 'table'"
    };
    ground.ask(sql).await
}

async fn up_down_up(backend: DbBackend) {
    on_empty(backend, 1, async |ground: Ground| {
        assert!(
            !ground
                .database
                .pending_migrations()
                .await
                .unwrap()
                .is_empty()
        );
        ground.database.migrate().await.unwrap();
        assert!(
            ground
                .database
                .pending_migrations()
                .await
                .unwrap()
                .is_empty()
        );
        let up = tables(&ground).await;
        ground.assert_at_rest().await;
        let outside = ground.outside().await;
        outside
            .execute_unprepared("DELETE FROM user_reach")
            .await
            .unwrap();
        outside
            .execute_unprepared("DELETE FROM users")
            .await
            .unwrap();
        Migrator::down(&outside, None).await.unwrap();
        // What is left is the list of the steps itself.
        assert_eq!(tables(&ground).await, 1);
        ground.database.migrate().await.unwrap();
        ground.database.migrate().await.unwrap();
        assert_eq!(tables(&ground).await, up);
        ground.assert_at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_down_up_with_one_connection_on_sqlite() {
    up_down_up(DbBackend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_down_up_with_one_connection_on_postgres() {
    up_down_up(DbBackend::Postgres).await;
}

async fn all_at_once(backend: DbBackend) {
    on_empty(backend, 2, async |ground: Ground| {
        let mut starts = tokio::task::JoinSet::new();
        for connections in [1, 2, 4, 1, 2, 4] {
            let database = ground
                .again(|config| config.max_connections = connections)
                .await;
            starts.spawn(async move { database.migrate().await });
        }
        while let Some(outcome) = starts.join_next().await {
            outcome.unwrap().unwrap();
        }
        assert!(
            ground
                .database
                .pending_migrations()
                .await
                .unwrap()
                .is_empty()
        );
        ground.assert_at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_on_sqlite_all_succeed() {
    all_at_once(DbBackend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_on_postgres_all_succeed() {
    all_at_once(DbBackend::Postgres).await;
}

/// Longer than a statement or a lock may take in service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_waits_for_the_steps_of_another_however_long() {
    on_empty(DbBackend::Postgres, 2, async |ground: Ground| {
        let outside = ground.outside().await;
        outside
            .execute_unprepared("SELECT pg_advisory_lock(7300517)")
            .await
            .unwrap();
        let database = ground.database.clone();
        let migrating = tokio::spawn(async move { database.migrate().await });
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        assert!(!migrating.is_finished(), "{:?}", migrating.await);
        outside
            .execute_unprepared("SELECT pg_advisory_unlock(7300517)")
            .await
            .unwrap();
        migrating.await.unwrap().unwrap();
        ground.assert_at_rest().await;
    })
    .await;
}

on_both!(
    a_migration_that_is_given_up_leaves_nothing_open,
    1,
    async |ground: Ground| {
        for _ in 0..20 {
            let mut patience = Random::new(4);
            tokio::select! {
                biased;
                done = ground.database.migrate() => done.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(patience.below(3))) => {}
            }
        }
        ground.assert_at_rest().await;
    }
);
