//! What the projection costs: the same writes with it and without, and that it is what makes the difference. Prints the
//! ratio; for one that means something, alone on the machine and of a release build:
//! `CLIENTELE_MEASURED_WRITES=4000 cargo nextest run --release -p clientele --lib measure --no-capture`.

use std::time::Instant;

use futures_util::future::BoxFuture;

use super::super::*;
use super::clock;
use crate::db::sync::{ChangeClock, Changes, Inline};
use crate::live::News;

/// Writes nothing down.
struct Nothing;

impl ChangeClock for Nothing {
    fn keep<'a>(&'a self, _: &'a Session, _: Changes) -> BoxFuture<'a, Result<News>> {
        Box::pin(async { Ok(News::default()) })
    }
}

/// How many writes are measured, of all writers together.
fn count() -> u32 {
    std::env::var("CLIENTELE_MEASURED_WRITES").map_or(16, |count| {
        count
            .parse()
            .expect("CLIENTELE_MEASURED_WRITES is no count of writes")
    })
}

/// How many writes per second `writers` do together: each writes notes on a client of its own. And by how much the line of
/// changes grew.
async fn writes(ground: &Ground, keep: Arc<dyn ChangeClock>, writers: u32) -> (f64, i64) {
    let mut config = ground.config.clone();
    config.max_connections = 16;
    let database = Database::connect_by(&config, Clock::default(), keep)
        .await
        .unwrap();
    let system = database.as_system("a test");
    let author = user(&system, UserRole::Rep, None).await;
    let each = count() / writers;
    let mut clients = Vec::new();
    for _ in 0..writers {
        clients.push(client(&system, Some(author)).await);
    }
    let before = clock(ground).await;
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
    let rate = f64::from(each * writers) / started.elapsed().as_secs_f64();
    (rate, clock(ground).await - before)
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
                let (rate, moved) = writes(&ground, Arc::new(Nothing), writers).await;
                assert_eq!(moved, 0);
                without = without.max(rate);
                let (rate, moved) = writes(&ground, Arc::new(Inline), writers).await;
                assert_eq!(moved, i64::from(count() / writers * writers));
                with = with.max(rate);
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
async fn writes_with_and_without_on_sqlite() {
    compare(DbBackend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_with_and_without_on_postgres() {
    compare(DbBackend::Postgres).await;
}
