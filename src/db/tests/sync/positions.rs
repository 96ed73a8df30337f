//! Positions are in the order of commits: a reader that saw one never sees, later, something at or below it that
//! was not there before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use sea_orm::{AccessMode, IsolationLevel, TransactionTrait};

use super::super::*;
use crate::db::sync::{ChangeClock, Changes, Inline, write};
use crate::live::News;

/// Takes positions as a sequence gives them: not in the transaction that writes, and so before its commit.
struct Outside(DatabaseConnection);

impl ChangeClock for Outside {
    fn keep<'a>(&'a self, session: &'a Session, changes: Changes) -> BoxFuture<'a, Result<News>> {
        Box::pin(async move {
            let statement = Statement::from_string(
                DbBackend::Postgres,
                "UPDATE sync_clock SET seq = seq + 1 RETURNING seq",
            );
            let row = self.0.query_one_raw(statement).await?.unwrap();
            let seq: i64 = row.try_get("", "seq")?;
            tokio::time::sleep(Duration::from_millis(seq.unsigned_abs() % 5)).await;
            write(session, seq, &changes).await
        })
    }
}

/// Puts what is written where the clock was before it.
struct Behind;

impl ChangeClock for Behind {
    fn keep<'a>(&'a self, session: &'a Session, changes: Changes) -> BoxFuture<'a, Result<News>> {
        Box::pin(async move {
            let statement = Statement::from_string(
                session.backend(),
                "UPDATE sync_clock SET seq = seq + 1 RETURNING seq - 1 AS seq",
            );
            let row = session.query_one_raw(statement).await?.unwrap();
            write(session, row.try_get("", "seq")?, &changes).await
        })
    }
}

/// What one look at the database shows: the clock, and the position of each document.
async fn look(reader: &DatabaseConnection) -> (i64, HashMap<Uuid, i64>) {
    let backend = reader.get_database_backend();
    let is_postgres = backend == DbBackend::Postgres;
    let transaction = reader
        .begin_with_config(
            is_postgres.then_some(IsolationLevel::RepeatableRead),
            is_postgres.then_some(AccessMode::ReadOnly),
        )
        .await
        .unwrap();
    let statement = |sql: &str| Statement::from_string(backend, sql);
    let clock = statement("SELECT seq FROM sync_clock");
    let clock = transaction.query_one_raw(clock).await.unwrap().unwrap();
    let items = statement("SELECT row_id, seq FROM sync_items WHERE collection = 1");
    let items = transaction.query_all_raw(items).await.unwrap();
    transaction.commit().await.unwrap();
    let items = items
        .iter()
        .map(|row| {
            (
                row.try_get("", "row_id").unwrap(),
                row.try_get("", "seq").unwrap(),
            )
        })
        .collect();
    (clock.try_get("", "seq").unwrap(), items)
}

/// Lets ten write at once while one reads. Says how often the reader was shown something too late, and how often
/// it looked.
async fn watched(ground: &Ground, clock: Arc<dyn ChangeClock>) -> (usize, usize) {
    let mut config = ground.config.clone();
    config.max_connections = 10;
    let database = Database::connect_by(&config, Clock::default(), clock)
        .await
        .unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..10 {
        let system = database.as_system("a test");
        writers.spawn(async move {
            let mut random = Random::new(seed + 1);
            let mut own = Vec::new();
            for _ in 0..30 {
                let before = random.below(4);
                if own.is_empty() || random.chance(60) {
                    own.push(client(&system, None).await);
                } else {
                    let id = random.pick(&own);
                    system
                        .write(move |tx| async move {
                            let row = tx.lock_client(id).await?;
                            tokio::time::sleep(Duration::from_millis(before)).await;
                            let change = client::ActiveModel {
                                industry: Set(Some(before.to_string())),
                                ..Default::default()
                            };
                            tx.update::<client::Entity>(&row, None, change).await
                        })
                        .await
                        .unwrap();
                }
            }
        });
    }
    let reader = tokio::spawn({
        let (done, reader) = (Arc::clone(&done), ground.outside().await);
        async move {
            let (mut late, mut looks) = (0, 0);
            let (mut seen, mut known) = look(&reader).await;
            while !done.load(Ordering::SeqCst) {
                let (now, items) = look(&reader).await;
                looks += 1;
                late += items
                    .iter()
                    .filter(|(row, seq)| **seq <= seen && known.get(*row) != Some(seq))
                    .count();
                (seen, known) = (now, items);
            }
            (late, looks)
        }
    });
    while let Some(outcome) = writers.join_next().await {
        outcome.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_later_stands_later() {
    run(DbBackend::Postgres, 4, async |ground: Ground| {
        let (late, looks) = watched(&ground, Arc::new(Inline)).await;
        println!("{looks} looks, {late} late");
        assert_eq!(late, 0);
        assert!(looks > 20, "{looks} looks");
        // The test would see it: a position taken before the commit shows what it stands for too late.
        let (late, looks) = watched(&ground, Arc::new(Outside(ground.outside().await))).await;
        println!("taken before the commit: {looks} looks, {late} late");
        assert!(late > 0, "{looks} looks");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_is_one_line() {
    run(DbBackend::Sqlite, 4, async |ground: Ground| {
        // Nobody who reads meanwhile is shown anything late.
        let (late, looks) = watched(&ground, Arc::new(Inline)).await;
        println!("{looks} looks, {late} late");
        assert_eq!(late, 0);
        assert!(looks > 20, "{looks} looks");
        let (late, looks) = watched(&ground, Arc::new(Behind)).await;
        println!("put behind the clock: {looks} looks, {late} late");
        assert!(late > 0, "{looks} looks");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_write_of_one_writer_has_a_place_of_its_own() {
    run(DbBackend::Sqlite, 4, async |ground: Ground| {
        let system = ground.system();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let system = system.clone();
            tasks.spawn(async move { client(&system, None).await });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.unwrap();
        }
        let positions = "SELECT count(DISTINCT seq) AS answer FROM sync_items";
        assert_eq!(ground.ask(positions).await, 20);
        assert_eq!(ground.ask("SELECT seq AS answer FROM sync_clock").await, 21);
    })
    .await;
}
