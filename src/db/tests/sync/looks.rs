//! Looks at the database at one moment, and what is put in the line beside them: by whom, when, and in which order.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use std::collections::BTreeMap;

use super::*;

on_both!(
    a_look_is_later_than_the_wait_for_it,
    2,
    async |ground: Ground| {
        let database = ground.again(|config| config.max_connections = 1).await;
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ben)).await;
        let own = session(&ground, ann).await.viewer().session_id().unwrap();
        let viewer = database.viewer(ann, own).await.unwrap();
        let waits = database.session(viewer, Arc::default());
        assert!(!waits.viewer().has_shares());
        // The one connection is lent, and the other look waits for it.
        let first = waits.snapshot().await.unwrap();
        let asked = waits.now();
        let second = tokio::spawn({
            let waits = waits.clone();
            async move { waits.snapshot().await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                let row = share(&tx, ann, ben, None);
                tx.insert_under::<client_member::Entity>(&client, row).await
            })
            .await
            .unwrap();
        database.clock().advance(TimeDelta::hours(1));
        assert!(
            first
                .select::<client::Entity>()
                .id(id)
                .find()
                .await
                .unwrap()
                .is_none()
        );
        first.end().await.unwrap();
        let second = second.await.unwrap();
        assert!(second.now() >= asked + TimeDelta::hours(1));
        assert!(second.viewer().has_shares());
        assert!(
            second
                .select::<client::Entity>()
                .id(id)
                .find()
                .await
                .unwrap()
                .is_some()
        );
        second.end().await.unwrap();
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_of_a_look_has_its_time() {
    run(DbBackend::Sqlite, 2, async |ground: Ground| {
        let database = ground
            .again(|config| config.statement_timeout = Duration::from_millis(1_500))
            .await;
        let look = database.as_system("a test").snapshot().await.unwrap();
        // Long enough that SQLite asks whether to go on.
        let counting = |most: u64| {
            let sql = format!(
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {most}) \
                 SELECT count(*) AS answer FROM c"
            );
            Statement::from_string(DbBackend::Sqlite, sql)
        };
        for _ in 0..3 {
            look.query_one_raw(counting(50_000)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(800)).await;
        }
        // And no more than its time.
        assert!(look.query_one_raw(counting(1_000_000_000)).await.is_err());
        look.end().await.unwrap();
    })
    .await;
}

on_both!(
    what_is_sent_once_more_waits_for_the_push_that_brings_it,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let phone = session(&ground, ann).await;
        let device = DeviceId(Uuid::now_v7());
        come(&phone, device).await;
        let known = phone.device_that_asks(Some(device)).await.unwrap().unwrap();
        let row = Uuid::now_v7();
        let push = move |tx: Tx| async move {
            let held = tx.begin_push(device).await?;
            let rows = BTreeMap::from([(row, None)]);
            tx.note_pushed(&held, SyncCollection::Notes, &rows).await?;
            Ok(held)
        };
        phone.write(push).await.unwrap();
        let tries = Arc::new(AtomicU32::new(0));
        let (begun, has_begun) = oneshot::channel();
        let begun = Arc::new(std::sync::Mutex::new(Some(begun)));
        let pushing = tokio::spawn({
            let (phone, tries) = (phone.clone(), Arc::clone(&tries));
            async move {
                let work = move |tx: Tx| {
                    let (tries, begun) = (Arc::clone(&tries), Arc::clone(&begun));
                    async move {
                        tries.fetch_add(1, Ordering::SeqCst);
                        push(tx.clone()).await?;
                        if let Some(begun) = begun.lock().unwrap().take() {
                            begun.send(()).unwrap();
                        }
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        tx.take_position().await.map(drop)
                    }
                };
                phone.write(work).await
            }
        });
        has_begun.await.unwrap();
        let stamp = tries.clone();
        let stamped = phone.write(move |tx| {
            let (known, tries) = (known.clone(), Arc::clone(&stamp));
            async move {
                tries.fetch_add(1, Ordering::SeqCst);
                let later = tx.now() + TimeDelta::minutes(1);
                let notes = BTreeSet::from([SyncCollection::Notes]);
                tx.stamp_echoes(&known, &notes, 0, later).await
            }
        });
        stamped.await.unwrap();
        pushing.await.unwrap().unwrap();
        // Neither had to be run again.
        assert_eq!(tries.load(Ordering::SeqCst), 2);
    }
);

on_both!(
    a_position_that_was_undone_is_none,
    2,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let before = clock(&ground).await;
        let id = ClientId(Uuid::now_v7());
        system
            .write(move |tx| async move {
                let undone = tx.mark().await?;
                tx.take_position().await?;
                tx.undo_to(undone).await?;
                tx.insert::<client::Entity>(client_row(&tx, id, Some(ann)))
                    .await
            })
            .await
            .unwrap();
        let seq = clock(&ground).await;
        assert_eq!(seq, before + 1);
        assert_eq!(items(&ground, id.0).await[0].seq, seq);
        // One that was taken before stays.
        let other = ClientId(Uuid::now_v7());
        system
            .write(move |tx| async move {
                let taken = tx.take_position().await?;
                let undone = tx.mark().await?;
                tx.undo_to(undone).await?;
                tx.insert::<client::Entity>(client_row(&tx, other, Some(ann)))
                    .await?;
                assert_eq!(tx.take_position().await?, taken);
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(items(&ground, other.0).await[0].seq, seq + 1);
    }
);
