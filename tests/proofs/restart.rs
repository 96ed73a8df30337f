//! PostgreSQL restarts under load: the service goes on by itself, with fresh connections, and what was
//! answered is kept. The time until it serves again counts from when PostgreSQL takes connections again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{Connection, PgConnection};
use sea_orm::{ConnectionTrait, Database, Statement};

use crate::cluster::Cluster;
use crate::service::{Outcome, Place};
use crate::shop::{self, Ledger, Sent, Shop, keep_sending, new_order};
use crate::{Random, is_long, rounds};

/// Connections of each rep: more than the service has to its database.
const CONNECTIONS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_outlives_restarts_of_postgres() {
    let cluster = Arc::new(Cluster::start());
    let place = Place::over(cluster.url());
    let shop = Arc::new(Shop::open(&place, 900_000_000).await);
    let service = place.start().await;
    let mut ledger = Ledger::default();
    let mut random = Random::new(17);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds(2) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut sending = tokio::task::JoinSet::new();
        for at in 0..2 * CONNECTIONS {
            let (shop, stop) = (Arc::clone(&shop), Arc::clone(&stop));
            let caller = service.caller(&shop.reps[at % 2].token);
            sending.spawn(async move {
                let rep = &shop.reps[at % 2];
                (at % 2, keep_sending(&shop, rep, caller, stop, true).await)
            });
        }
        tokio::time::sleep(Duration::from_millis(200 + random.below(500))).await;
        let server = Arc::clone(&cluster);
        let mode = if round % 2 == 0 { "fast" } else { "immediate" };
        tokio::task::spawn_blocking(move || {
            server.stop(mode);
            server.begin_again();
        })
        .await
        .unwrap();
        // A connection of our own, past the service, says when.
        let starting = Instant::now();
        while PgConnection::connect(&cluster.url()).await.is_err() {
            assert!(
                starting.elapsed() < Duration::from_mins(1),
                "PostgreSQL does not come back"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut all = [Sent::default(), Sent::default()];
        let began = Instant::now();
        let caller = service.caller(&shop.reps[0].token);
        loop {
            let id = new_order();
            match shop::send(&caller, shop.order(&shop.reps[0], &id)).await {
                Outcome::Data(_) => {
                    all[0].kept.push(id);
                    break;
                }
                _ => all[0].unknown.push(id),
            }
            assert!(
                began.elapsed() < Duration::from_mins(1),
                "it never serves again"
            );
        }
        slowest = slowest.max(began.elapsed());
        // Time enough for every connection to be used.
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::Relaxed);
        for (rep, sent) in sending.join_all().await {
            all[rep].kept.extend(sent.kept);
            all[rep].unknown.extend(sent.unknown);
        }
        let at_once = join_all((0..100).map(|_| shop::levels(&caller, &shop.product))).await;
        assert_eq!(at_once.len(), 100, "every connection serves");
        ledger.check(&service, &shop, &all).await;
    }
    let outside = Database::connect(cluster.url()).await.unwrap();
    let open = Statement::from_string(
        outside.get_database_backend(),
        "SELECT count(*) AS open FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
    );
    let row = outside.query_one_raw(open).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "open").unwrap(), 0);
    println!("writing again at most {slowest:?} after PostgreSQL took connections");
    if is_long() {
        assert!(
            slowest < Duration::from_secs(3),
            "writing again only {slowest:?} after PostgreSQL took connections"
        );
    }
}
