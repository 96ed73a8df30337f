//! Who is told of which clients, and for how long: owners, shares, the tree, roles, devices.

use entity::sync_stream;

use super::*;
use crate::db::EndedShare;
use crate::db::sync;
use crate::error::Code;

on_both!(
    who_sees_a_client_is_told_and_who_lost_it_too,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let admin = user(&system, UserRole::Admin, None).await;
        let top = user(&system, UserRole::Manager, None).await;
        let left = user(&system, UserRole::Manager, Some(top)).await;
        let right = user(&system, UserRole::Manager, Some(top)).await;
        let ann = user(&system, UserRole::Rep, Some(left)).await;
        let ben = user(&system, UserRole::Rep, Some(left)).await;
        let cleo = user(&system, UserRole::Rep, Some(right)).await;
        let id = client(&system, Some(ann)).await;
        let all = [admin, top, left, right, ann, ben, cleo];
        // Nobody has a device yet.
        for who in all {
            assert!(told(&ground, who).await.is_empty());
        }
        for who in [admin, top, left, right, ann, ben] {
            phone(&ground, who).await;
        }
        let see = async |expected: &[UserId], what: &str| {
            for who in all {
                let sees = told(&ground, who).await.contains(&id);
                assert_eq!(sees, expected.contains(&who), "{what}");
            }
        };
        see(&[admin, top, left, ann], "at first").await;
        let entered = scope_of(&ground, ann, id).await;
        assert_eq!(entered.entered_seq, entered.head_seq);
        // A change of the client moves it for all who see it.
        on_client(&system, id, |tx, client| async move {
            tx.insert_under::<contact::Entity>(&client, contact_row(&tx))
                .await
        })
        .await;
        let seq = clock(&ground).await;
        for who in [admin, top, left, ann] {
            let scope = scope_of(&ground, who, id).await;
            assert_eq!((scope.head_seq, scope.left_seq), (seq, None));
        }
        // It changes hands.
        let give = async |to: UserId| {
            system
                .write(move |tx| async move {
                    let client = tx.lock_client(id).await?;
                    tx.change_owner(&[client], to).await
                })
                .await
                .unwrap();
        };
        give(ben).await;
        see(&[admin, top, left, ben], "given to Ben").await;
        let seq = clock(&ground).await;
        let lost = scope_of(&ground, ann, id).await;
        assert_eq!((lost.left_seq, lost.head_seq), (Some(seq), seq));
        assert_eq!(scope_of(&ground, ben, id).await.entered_seq, seq);
        // What happens there now moves nothing for who lost it.
        on_client(&system, id, |tx, client| async move {
            tx.insert_under::<contact::Entity>(&client, contact_row(&tx))
                .await
        })
        .await;
        assert_eq!(scope_of(&ground, ann, id).await, lost);
        // A share lets a manager in through somebody below them.
        let let_in = async |who: UserId, days: Option<i64>| {
            system
                .write(move |tx| async move {
                    let client = tx.lock_client(id).await?;
                    let row = share(&tx, who, ben, days);
                    tx.insert_under::<client_member::Entity>(&client, row).await
                })
                .await
                .unwrap();
        };
        let_in(cleo, None).await;
        see(
            &[admin, top, left, ben, right],
            "shared with Cleo, who has no device",
        )
        .await;
        phone(&ground, cleo).await;
        see(&[admin, top, left, ben, right, cleo], "Cleo has one").await;
        system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                tx.leave_teams(&[client], cleo).await
            })
            .await
            .unwrap();
        see(&[admin, top, left, ben], "off the team").await;
        // A share that ends by itself is stamped by the job.
        let clock_of = ground.database.clock().clone();
        let_in(ann, Some(3)).await;
        see(
            &[admin, top, left, ben, ann],
            "shared with Ann for three days",
        )
        .await;
        let sweep = async || {
            let mut after: Option<EndedShare> = None;
            loop {
                let next = system
                    .write(move |tx| async move { tx.end_shares(after).await })
                    .await
                    .unwrap();
                if next.is_none() {
                    return;
                }
                after = next;
            }
        };
        sweep().await;
        see(&[admin, top, left, ben, ann], "not over yet").await;
        clock_of.advance(TimeDelta::days(4));
        sweep().await;
        see(&[admin, top, left, ben], "over").await;
        // The tree, roles and the pool.
        system
            .write(move |tx| async move {
                tx.lock_tree().await?;
                tx.tree_move(ben, Some(right)).await
            })
            .await
            .unwrap();
        see(&[admin, top, right, ben], "Ben works for Right").await;
        let change = async |who: UserId, change: user::ActiveModel| {
            system
                .write(move |tx| {
                    let change = change.clone();
                    async move {
                        let row = tx.select::<user::Entity>().id(who).get().await?;
                        tx.update::<user::Entity>(&row, None, change).await
                    }
                })
                .await
                .unwrap();
        };
        let role = |role| user::ActiveModel {
            role: Set(role),
            ..Default::default()
        };
        change(cleo, role(UserRole::Admin)).await;
        see(&[admin, top, right, ben, cleo], "Cleo became administrator").await;
        change(cleo, role(UserRole::Rep)).await;
        see(&[admin, top, right, ben], "and is none again").await;
        on_client(&system, id, |tx, client| async move {
            let pool = client::ActiveModel {
                owner_id: Set(None),
                ..Default::default()
            };
            tx.update::<client::Entity>(&client, None, pool).await
        })
        .await;
        see(&[admin], "in the pool").await;
        let keeper = user::ActiveModel {
            is_pool_keeper: Set(true),
            ..Default::default()
        };
        change(left, keeper).await;
        see(&[admin, left], "Left keeps the pool").await;
        let gone = user::ActiveModel {
            deactivated_at: Set(Some(ground.database.clock().now())),
            ..Default::default()
        };
        change(left, gone).await;
        see(&[admin], "Left has left").await;
    }
);

on_both!(
    nobody_is_told_of_more_than_a_phone_holds,
    4,
    async |ground: Ground| {
        let database = ground.again(|config| config.stream_cap = 3).await;
        let system = database.as_system("a test");
        let boss = user(&system, UserRole::Manager, None).await;
        let ann = user(&system, UserRole::Rep, Some(boss)).await;
        let far = user(&system, UserRole::Rep, None).await;
        for _ in 0..3 {
            client(&system, Some(ann)).await;
        }
        let own = client(&system, Some(boss)).await;
        let phone = async |who: UserId| {
            let id = session(&ground, who).await.viewer().session_id().unwrap();
            let viewer = database.viewer(who, id).await.unwrap();
            let session = database.session(viewer, Arc::default());
            come(&session, DeviceId(Uuid::now_v7())).await;
            session
        };
        let anns = phone(ann).await;
        let bosses = phone(boss).await;
        assert!(!anns.stream().await.unwrap().unwrap().is_capped);
        assert!(bosses.stream().await.unwrap().unwrap().is_capped);
        assert_eq!(told(&ground, ann).await.len(), 3);
        assert!(told(&ground, boss).await.is_empty());
        assert!(anns.fits_a_phone().await.unwrap() && !bosses.fits_a_phone().await.unwrap());
        // Whoever sees too much makes nobody wait when another phone of theirs comes.
        let before = clock(&ground).await;
        come(&bosses, DeviceId(Uuid::now_v7())).await;
        come(&anns, DeviceId(Uuid::now_v7())).await;
        assert_eq!(clock(&ground).await, before);
        // One more by one more goes beyond it.
        client(&system, Some(ann)).await;
        assert_eq!(told(&ground, ann).await.len(), 4);
        assert!(told(&ground, boss).await.is_empty());
        // Whoever sees less is told again, when a device comes or the tree changes.
        system
            .write(move |tx| async move {
                tx.lock_tree().await?;
                tx.tree_move(ann, Some(far)).await
            })
            .await
            .unwrap();
        assert_eq!(told(&ground, boss).await, BTreeSet::from([own]));
        assert!(!bosses.stream().await.unwrap().unwrap().is_capped);
        system
            .write(move |tx| async move {
                tx.lock_tree().await?;
                tx.tree_move(ann, Some(boss)).await
            })
            .await
            .unwrap();
        assert!(told(&ground, boss).await.is_empty());
        let lost = scope_of(&ground, boss, own).await;
        assert_eq!(lost.left_seq, Some(clock(&ground).await));
    }
);

on_both!(
    devices_come_stay_away_and_come_again,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ann)).await;
        let (anns, bens) = (session(&ground, ann).await, session(&ground, ben).await);
        let (device, second) = (DeviceId(Uuid::now_v7()), DeviceId(Uuid::now_v7()));
        assert!(anns.stream().await.unwrap().is_none());
        come(&anns, device).await;
        let opened = anns.stream().await.unwrap().unwrap();
        assert_eq!(opened.opened_seq, clock(&ground).await);
        // Nothing is opened twice.
        come(&anns, device).await;
        come(&anns, second).await;
        assert_eq!(clock(&ground).await, opened.opened_seq);
        let stolen: Result<_> = bens
            .write(move |tx| async move { tx.check_in(device, Some(1)).await })
            .await;
        assert_eq!(stolen.unwrap_err().code(), Code::Conflict);
        assert!(bens.device(device).await.unwrap().is_none());
        anns.write(move |tx| async move { tx.acknowledge(device, 7).await })
            .await
            .unwrap();
        bens.write(move |tx| async move { tx.acknowledge(device, 9).await })
            .await
            .unwrap();
        anns.write(move |tx| async move { tx.acknowledge(device, 5).await })
            .await
            .unwrap();
        assert_eq!(anns.device(device).await.unwrap().unwrap().acked_seq, 7);
        let expire = async || {
            system
                .write(|tx| async move { tx.expire_devices(tx.now() - sync::DEVICE_STAYS).await })
                .await
                .unwrap()
        };
        ground.database.clock().advance(TimeDelta::days(80));
        come(&anns, second).await;
        assert_eq!(expire().await, 0);
        ground.database.clock().advance(TimeDelta::days(20));
        // One is left.
        assert_eq!(expire().await, 1);
        assert!(told(&ground, ann).await.contains(&id));
        assert!(
            anns.device(device)
                .await
                .unwrap()
                .unwrap()
                .expired_at
                .is_some()
        );
        ground.database.clock().advance(TimeDelta::days(80));
        assert_eq!(expire().await, 1);
        assert!(told(&ground, ann).await.is_empty());
        let streams = sync_stream::Entity::find()
            .all(&ground.outside().await)
            .await;
        assert!(streams.unwrap().is_empty());
        // It is told of what is there now, from now on.
        let back = anns
            .write(move |tx| async move { tx.check_in(device, Some(1)).await })
            .await
            .unwrap();
        assert!(back.unwrap().expired_at.is_some());
        assert!(
            anns.device(device)
                .await
                .unwrap()
                .unwrap()
                .expired_at
                .is_none()
        );
        let again = anns.stream().await.unwrap().unwrap();
        assert_eq!(again.opened_seq, clock(&ground).await);
        assert!(told(&ground, ann).await.contains(&id));
    }
);
