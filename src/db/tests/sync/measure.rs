//! What the projection costs: the same writes with it and without. `cargo nextest run --run-ignored only measure`.

use std::time::Instant;

use futures_util::future::BoxFuture;

use super::super::*;
use crate::db::sync::{ChangeClock, Changes, Inline};
use crate::live::News;

/// Writes nothing down.
struct Nothing;

impl ChangeClock for Nothing {
    fn keep<'a>(&'a self, _: &'a Session, _: Changes) -> BoxFuture<'a, Result<News>> {
        Box::pin(async { Ok(News::default()) })
    }
}

/// How many writes per second `writers` do together: each writes a note on a client of its own.
async fn writes(ground: &Ground, clock: Arc<dyn ChangeClock>, writers: usize) -> f64 {
    let mut config = ground.config.clone();
    config.max_connections = 16;
    let database = Database::connect_by(&config, Clock::default(), clock)
        .await
        .unwrap();
    let system = database.as_system("a test");
    let author = user(&system, UserRole::Rep, None).await;
    let each = 400 / writers;
    let mut clients = Vec::new();
    for _ in 0..writers {
        clients.push(client(&system, Some(author)).await);
    }
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for id in clients {
        let system = system.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                system
                    .write(move |tx| async move {
                        let client = tx.lock_client(id).await?;
                        let row = note_row(&tx, author);
                        tx.insert_under::<entity::note::Entity>(&client, row).await
                    })
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    let count = u32::try_from(each * writers).unwrap();
    f64::from(count) / started.elapsed().as_secs_f64()
}

fn note_row(tx: &Tx, author: UserId) -> entity::note::ActiveModel {
    entity::note::ActiveModel {
        id: Set(tx.new_id()),
        author_id: Set(author),
        body: Set("as agreed by telephone".to_owned()),
        is_pinned: Set(false),
        version: Set(1),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
        ..Default::default()
    }
}

async fn compare(backend: DbBackend) {
    run(backend, 4, async |ground: Ground| {
        for writers in [1, 8] {
            let (mut without, mut with) = (0.0_f64, 0.0_f64);
            // In turn, so that what else the machine does falls on both.
            for _ in 0..3 {
                without = without.max(writes(&ground, Arc::new(Nothing), writers).await);
                with = with.max(writes(&ground, Arc::new(Inline), writers).await);
            }
            println!(
                "{:?}, {writers} at once: {without:.0} writes/s without, {with:.0} with, ratio {:.2}",
                ground.database.kind(),
                with / without
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it alone"]
async fn writes_with_and_without_on_sqlite() {
    compare(DbBackend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it alone"]
async fn writes_with_and_without_on_postgres() {
    compare(DbBackend::Postgres).await;
}
