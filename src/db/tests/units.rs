//! A unit of work happens whole or not at all, and leaves its connection fit for the next, however it ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entity::{ClientId, UserId, client};
use uuid::Uuid;

use super::*;
use crate::db::unit::begin;
use crate::error::{Code, Error};

/// Gives way `times` times: somewhere between two answers of the database.
async fn a_moment(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

async fn rows(ground: &Ground) -> i64 {
    ground.ask("SELECT count(*) AS answer FROM clients").await
}

fn new_client() -> ClientId {
    ClientId(Uuid::now_v7())
}

on_both!(
    a_begin_that_is_given_up_leaves_nothing_open,
    1,
    async |ground: Ground| {
        let mut random = Random::new(1);
        let mut given_up = 0;
        for _ in 0..400 {
            let moment = a_moment(random.below(40));
            tokio::select! {
                biased;
                transaction = begin(&ground.database.inner.write) => drop(transaction),
                () = moment => given_up += 1,
            }
        }
        assert!(given_up > 20, "only {given_up} were given up");
        ground.assert_at_rest().await;
    }
);

on_both!(
    a_write_whose_caller_goes_away_is_done_whole,
    1,
    async |ground: Ground| {
        let system = ground.system();
        let done = Arc::new(AtomicU32::new(0));
        let mut random = Random::new(2);
        for _ in 0..300 {
            let (one, two) = (new_client(), new_client());
            let done = Arc::clone(&done);
            let write = system.write(move |tx| {
                let done = Arc::clone(&done);
                async move {
                    tx.insert::<client::Entity>(client_row(&tx, one, None))
                        .await?;
                    tx.insert::<client::Entity>(client_row(&tx, two, None))
                        .await?;
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            });
            tokio::select! {
                biased;
                written = write => written.unwrap(),
                () = a_moment(random.below(30)) => {}
            }
        }
        while done.load(Ordering::SeqCst) < 300 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ground.assert_at_rest().await;
        assert_eq!(rows(&ground).await, 600);
    }
);

on_both!(
    a_read_whose_caller_goes_away_frees_its_connection,
    1,
    async |ground: Ground| {
        let system = ground.system();
        let mut random = Random::new(3);
        for _ in 0..400 {
            let read = system.select::<client::Entity>().all();
            tokio::select! {
                biased;
                found = read => drop(found.unwrap()),
                () = a_moment(random.below(20)) => {}
            }
        }
        ground.assert_at_rest().await;
    }
);

on_both!(
    what_may_have_been_kept_is_told_of_and_what_was_not_is_not,
    2,
    async |ground: Ground| {
        let outside = ground.outside().await;
        let is_postgres = ground.is_postgres();
        if is_postgres {
            let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RAISE EXCEPTION ''no''; END'; \
                 CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON clients \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()";
            outside.execute_unprepared(refuse).await.unwrap();
        }
        let system = ground.system();
        let undone: Result<()> = system
            .write(|tx| async move {
                tx.insert::<client::Entity>(client_row(&tx, new_client(), None))
                    .await?;
                Err(Error::rule("tests.refused", "no"))
            })
            .await;
        assert_eq!(undone.unwrap_err().rule_name(), Some("tests.refused"));
        // The end itself fails: by what is only asked then.
        let id = new_client();
        let failed = system
            .write(move |tx| async move {
                let owner = (!is_postgres).then(|| UserId(Uuid::now_v7()));
                if !is_postgres {
                    raw(&tx, "PRAGMA defer_foreign_keys = ON").await?;
                }
                tx.insert::<client::Entity>(client_row(&tx, id, owner))
                    .await?;
                Ok(())
            })
            .await;
        assert!(failed.is_err());
        let news = ground.database.news().next(Duration::ZERO);
        let news = tokio::time::timeout(Duration::from_secs(10), news).await;
        let news = news.expect("nothing was told").unwrap();
        assert_eq!(news.clients, [id].into());
        ground.assert_at_rest().await;
    }
);

on_both!(
    a_unit_that_fails_or_panics_leaves_nothing_behind,
    1,
    async |ground: Ground| {
        let system = ground.system();
        let refused: Result<()> = system
            .write(|tx| async move {
                tx.insert::<client::Entity>(client_row(&tx, new_client(), None))
                    .await?;
                Err(Error::rule("tests.refused", "no"))
            })
            .await;
        assert_eq!(refused.unwrap_err().rule_name(), Some("tests.refused"));
        let panicked: Result<()> = system
            .write(|tx| async move {
                tx.insert::<client::Entity>(client_row(&tx, new_client(), None))
                    .await?;
                panic!("a unit of work that panics, as it should in this test");
            })
            .await;
        assert_eq!(panicked.unwrap_err().code(), Code::Internal);
        // While statements of its own are on their way.
        let panicked: Result<()> = system
            .write(|tx| async move {
                let insert = tx.insert::<client::Entity>(client_row(&tx, new_client(), None));
                let panic = async {
                    tokio::task::yield_now().await;
                    panic!("a unit of work that panics, as it should in this test");
                };
                let (inserted, ()) = tokio::join!(insert, panic);
                inserted.map(drop)
            })
            .await;
        assert_eq!(panicked.unwrap_err().code(), Code::Internal);
        ground.assert_at_rest().await;
        assert_eq!(rows(&ground).await, 0);
    }
);

on_both!(
    a_unit_that_keeps_its_transaction_loses_it,
    1,
    async |ground: Ground| {
        let kept: Arc<Mutex<Vec<Tx>>> = Arc::default();
        let keep = Arc::clone(&kept);
        let outcome = ground
            .system()
            .write(move |tx| {
                let keep = Arc::clone(&keep);
                async move {
                    tx.insert::<client::Entity>(client_row(&tx, new_client(), None))
                        .await?;
                    keep.lock().unwrap().push(tx);
                    Ok(())
                }
            })
            .await;
        assert_eq!(outcome.unwrap_err().code(), Code::Internal);
        // It is still kept: that must not cost the connection.
        ground.assert_at_rest().await;
        let tx = kept.lock().unwrap().pop().unwrap();
        let late = tx.select::<client::Entity>().all().await;
        assert_eq!(late.unwrap_err().code(), Code::Internal);
        drop(tx);
        ground.assert_at_rest().await;
        assert_eq!(rows(&ground).await, 0);
    }
);

on_both!(
    a_unit_within_a_unit_is_refused_at_once,
    1,
    async |ground: Ground| {
        let system = ground.system();
        let work = system.write(|tx| async move {
            let inner: Result<()> = tx.write(|_| async { Ok(()) }).await;
            inner
        });
        let outcome = tokio::time::timeout(Duration::from_secs(2), work).await;
        assert_eq!(
            outcome.expect("it waits for itself").unwrap_err().code(),
            Code::Internal
        );
        ground.assert_at_rest().await;
    }
);

on_both!(
    a_session_writes_nothing_outside_a_unit,
    2,
    async |ground: Ground| {
        let statement = Statement::from_string(ground.database.backend(), "DELETE FROM clients");
        let outcome = ground.system().execute_raw(statement).await;
        assert_eq!(outcome.unwrap_err().code(), Code::Internal);
    }
);

on_both!(
    twins_of_one_create_answer_the_same_row,
    8,
    async |ground: Ground| {
        let system = ground.system();
        for _ in 0..20 {
            let id = new_client();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let system = system.clone();
                tasks.spawn(async move {
                    system
                        .write(move |tx| async move {
                            let row = client_row(&tx, id, None);
                            tx.create::<client::Entity>(Some(id), row).await
                        })
                        .await
                });
            }
            while let Some(done) = tasks.join_next().await {
                assert_eq!(done.unwrap().unwrap().id, id);
            }
        }
        assert_eq!(rows(&ground).await, 20);
    }
);

on_both!(
    a_row_that_changed_meanwhile_is_not_overwritten,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let id = client(&system, None).await;
        let before = system.select::<client::Entity>().id(id).get().await;
        let before = before.unwrap();
        let change = |name: &str| client::ActiveModel {
            name: Set(name.to_owned()),
            ..Default::default()
        };
        let first = change("first");
        system
            .write(move |tx| {
                let first = first.clone();
                async move {
                    let row = tx.lock_client(id).await?;
                    tx.update::<client::Entity>(&row, None, first).await
                }
            })
            .await
            .unwrap();
        // The row in hand says 1, and so does its reader; the row there says 2.
        for expected in [None, Some(1), Some(2)] {
            let (row, second) = (before.clone(), change("second"));
            let late = system
                .write(move |tx| {
                    let (row, second) = (row.clone(), second.clone());
                    async move { tx.update::<client::Entity>(&row, expected, second).await }
                })
                .await;
            assert_eq!(late.unwrap_err().code(), Code::StaleVersion, "{expected:?}");
        }
        let row = system
            .select::<client::Entity>()
            .id(id)
            .get()
            .await
            .unwrap();
        assert_eq!((row.name.as_str(), row.version), ("first", 2));
    }
);

on_both!(
    nobody_inserts_beyond_what_they_see,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let bens = client(&system, Some(ben)).await;
        let session = session(&ground, ann).await;
        let for_ben = session
            .write(move |tx| async move {
                let row = client_row(&tx, new_client(), Some(ben));
                tx.insert_all::<client::Entity>(vec![row]).await
            })
            .await;
        assert_eq!(for_ben.unwrap_err().code(), Code::Forbidden);
        let order = session
            .write(move |tx| async move {
                let row = order_row(&tx, bens, ann, OrderStatus::Draft, day("2026-01-01"), 1);
                tx.insert::<order::Entity>(row).await
            })
            .await;
        assert_eq!(order.unwrap_err().code(), Code::Forbidden);
        assert_eq!(rows(&ground).await, 1);
        assert_eq!(ground.ask("SELECT count(*) AS answer FROM orders").await, 0);
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_is_run_again_starts_afresh() {
    run(DbBackend::Postgres, 2, async |ground: Ground| {
        let runs = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&runs);
        let written: Result<UserId> =
            ground
                .system()
                .write(move |tx| {
                    let seen = Arc::clone(&seen);
                    async move {
                        let before = tx.select::<client::Entity>().count(10).await?;
                        tx.insert::<client::Entity>(client_row(&tx, new_client(), None))
                            .await?;
                        let run = {
                            let mut seen = seen.lock().unwrap();
                            seen.push((tx.now(), before));
                            seen.len()
                        };
                        match run {
                            1 => raw(
                                &tx,
                                "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$",
                            )
                            .await?,
                            2 => raw(
                                &tx,
                                "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$",
                            )
                            .await?,
                            _ => {}
                        }
                        Ok(UserId(Uuid::nil()))
                    }
                })
                .await;
        written.unwrap();
        let runs = runs.lock().unwrap().clone();
        assert_eq!(runs.len(), 3);
        assert!(runs.iter().all(|(_, before)| *before == 0));
        assert!(runs.is_sorted() && runs[0].0 < runs[2].0);
        assert_eq!(rows(&ground).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_is_run_four_times_at_most() {
    run(DbBackend::Postgres, 1, async |ground: Ground| {
        let runs = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&runs);
        let outcome: Result<()> = ground
            .system()
            .write(move |tx| {
                count.fetch_add(1, Ordering::SeqCst);
                async move {
                    raw(
                        &tx,
                        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$",
                    )
                    .await
                }
            })
            .await;
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
        assert_eq!(runs.load(Ordering::SeqCst), 4);
        ground.assert_at_rest().await;
    })
    .await;
}
