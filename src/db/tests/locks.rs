//! Whoever holds a client holds it alone, sees it as it is now, and waits for nobody in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entity::{ClientMemberId, client, client_member};
use sea_orm::ActiveValue::Set;
use tokio::sync::Barrier;
use uuid::Uuid;

use super::*;
use crate::error::Code;

/// Two units that take `first` and `second` in opposite order, in the worst moment; how many runs it took.
async fn crossing(ground: &Ground, take_all: bool, first: ClientId, second: ClientId) -> u32 {
    let runs = Arc::new(AtomicU32::new(0));
    let meet = Arc::new(Barrier::new(2));
    let mut tasks = Vec::new();
    for (one, two) in [(first, second), (second, first)] {
        let (runs, meet, system) = (Arc::clone(&runs), Arc::clone(&meet), ground.system());
        let is_postgres = ground.is_postgres();
        tasks.push(tokio::spawn(async move {
            system
                .write(move |tx| {
                    let (runs, meet) = (Arc::clone(&runs), Arc::clone(&meet));
                    async move {
                        let run = runs.fetch_add(1, Ordering::SeqCst);
                        if take_all {
                            let held = tx.lock_clients(&[one, two]).await?;
                            assert_eq!(held.len(), 2);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            return Ok(());
                        }
                        tx.lock_client(one).await?;
                        // SQLite has one writer: the other is not in here.
                        if is_postgres && run < 2 {
                            meet.wait().await;
                        }
                        tx.lock_client(two).await?;
                        Ok(())
                    }
                })
                .await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    runs.load(Ordering::SeqCst)
}

on_both!(
    clients_taken_one_by_one_in_opposite_order_are_taken_again,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let (a, b) = (client(&system, None).await, client(&system, None).await);
        let runs = crossing(&ground, false, a, b).await;
        // Who was chosen to give way may have to again.
        let is_enough = if ground.is_postgres() {
            runs >= 3
        } else {
            runs == 2
        };
        assert!(is_enough, "{runs} runs");
        ground.assert_at_rest().await;
    }
);

on_both!(
    clients_taken_together_never_cross,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let (a, b) = (client(&system, None).await, client(&system, None).await);
        for _ in 0..30 {
            assert_eq!(crossing(&ground, true, a, b).await, 2);
        }
    }
);

/// Starts a unit that gives `client` to `to`, and waits a little before it commits.
fn hand_over(system: Session, id: ClientId, to: UserId) -> tokio::task::JoinHandle<Result<()>> {
    tokio::spawn(async move {
        system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                let change = client::ActiveModel {
                    owner_id: Set(Some(to)),
                    ..Default::default()
                };
                tx.update::<client::Entity>(&client, None, change).await?;
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok(())
            })
            .await
    })
}

/// Whether `session` gets hold of the client, and as whose, when it asks during a hand-over to `to`.
async fn taken_during_a_hand_over(
    ground: &Ground,
    session: &Session,
    id: ClientId,
    to: UserId,
    many: bool,
) -> Option<Option<UserId>> {
    let handing = hand_over(ground.system(), id, to);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let taken = session
        .write(move |tx| async move {
            if many {
                let held = tx.lock_clients(&[id]).await?;
                return Ok(held.first().map(|client| client.owner_id));
            }
            match tx.lock_client(id).await {
                Ok(client) => Ok(Some(client.owner_id)),
                Err(error) if error.code() == Code::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
        .unwrap();
    handing.await.unwrap().unwrap();
    taken
}

on_both!(
    a_client_that_changes_hands_is_taken_as_it_is_then,
    6,
    async |ground: Ground| {
        let system = ground.system();
        let manager = user(&system, UserRole::Manager, None).await;
        let keeper = user(&system, UserRole::Manager, None).await;
        let ann = user(&system, UserRole::Rep, Some(manager)).await;
        let ben = user(&system, UserRole::Rep, Some(manager)).await;
        let cleo = user(&system, UserRole::Rep, Some(keeper)).await;
        // Ann has a share somewhere, and so another way to the rows.
        let shared = client(&system, Some(cleo)).await;
        let plain = session(&ground, ann).await;
        system
            .write(move |tx| async move {
                let client = tx.lock_client(shared).await?;
                let row = client_member::ActiveModel {
                    id: Set(ClientMemberId(Uuid::now_v7())),
                    user_id: Set(ann),
                    granted_by_id: Set(cleo),
                    version: Set(1),
                    created_at: Set(tx.now()),
                    updated_at: Set(tx.now()),
                    ..Default::default()
                };
                tx.insert_under::<client_member::Entity>(&client, row).await
            })
            .await
            .unwrap();
        let sharing = session(&ground, ann).await;
        let above = session(&ground, manager).await;
        for many in [false, true] {
            for (name, who) in [("ann", &plain), ("ann with a share", &sharing)] {
                let id = client(&system, Some(ann)).await;
                let taken = taken_during_a_hand_over(&ground, who, id, ben, many).await;
                assert_eq!(taken, None, "{name}, {many}");
            }
            let id = client(&system, Some(ann)).await;
            // From one report to another: the manager sees it all along.
            let taken = taken_during_a_hand_over(&ground, &above, id, ben, many).await;
            assert_eq!(taken, Some(Some(ben)), "the manager, {many}");
            let taken = taken_during_a_hand_over(&ground, &above, id, cleo, many).await;
            assert_eq!(taken, None, "the manager, to another team, {many}");
        }
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_into_sight_while_waiting_is_held_as_well() {
    run(DbBackend::Postgres, 6, async |ground: Ground| {
        let system = ground.system();
        let manager = user(&system, UserRole::Manager, None).await;
        let ann = user(&system, UserRole::Rep, Some(manager)).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let above = session(&ground, manager).await;
        let (anns, bens) = (
            client(&system, Some(ann)).await,
            client(&system, Some(ben)).await,
        );
        // While the manager waits for Ann's client, Ben's becomes Ann's.
        let moving = system.clone();
        let handing = tokio::spawn(async move {
            moving
                .write(move |tx| async move {
                    tx.lock_client(anns).await?;
                    let client = tx.lock_client(bens).await?;
                    let change = client::ActiveModel {
                        owner_id: Set(Some(ann)),
                        ..Default::default()
                    };
                    tx.update::<client::Entity>(&client, None, change).await?;
                    tokio::time::sleep(Duration::from_millis(400)).await;
                    Ok(())
                })
                .await
        });
        tokio::time::sleep(Duration::from_millis(150)).await;
        let outside = ground.outside().await;
        above
            .write(move |tx| {
                let outside = outside.clone();
                async move {
                    let held = tx.lock_clients(&[anns, bens]).await?;
                    assert_eq!(held.len(), 2);
                    let free = ask(
                        &outside,
                        "SELECT count(*) AS answer FROM (SELECT 1 FROM clients FOR UPDATE SKIP LOCKED) AS free",
                    )
                    .await;
                    assert_eq!(free, 0, "a client that nobody holds was given as held");
                    Ok(())
                }
            })
            .await
            .unwrap();
        handing.await.unwrap().unwrap();
    })
    .await;
}
