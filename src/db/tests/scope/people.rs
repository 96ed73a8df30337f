//! Who is who: sessions, accounts, the tree of people, shares and the pool.

use entity::session as device;

use super::rows::{keep_the_pool, share};
use super::*;

on_both!(
    a_share_and_the_pool_open_what_they_name_and_no_more,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let left = user(&system, UserRole::Manager, None).await;
        let right = user(&system, UserRole::Manager, None).await;
        let keeper = user(&system, UserRole::Manager, None).await;
        keep_the_pool(&ground, keeper).await;
        let ann = user(&system, UserRole::Rep, Some(left)).await;
        let trainee = user(&system, UserRole::Rep, Some(ann)).await;
        let ben = user(&system, UserRole::Rep, Some(right)).await;
        let cleo = user(&system, UserRole::Rep, None).await;
        let pooled = client(&system, None).await;
        let bens = client(&system, Some(ben)).await;
        let trainees = client(&system, Some(trainee)).await;
        let (for_ann, for_trainee) = (
            client(&system, Some(cleo)).await,
            client(&system, Some(cleo)).await,
        );
        let shares = [
            share(&system, for_ann, ann, cleo, Some(1)),
            share(&system, for_trainee, trainee, cleo, None),
            share(&system, bens, ann, ben, Some(-1)),
        ];
        system
            .write(move |tx| {
                let rows = shares.to_vec();
                async move { tx.insert_all::<client_member::Entity>(rows).await.map(drop) }
            })
            .await
            .unwrap();
        for (who, name, expected) in [
            // A rep sees nothing through those below them.
            (ann, "ann", vec![for_ann]),
            (trainee, "the trainee", vec![trainees, for_trainee]),
            (ben, "ben", vec![bens]),
            (cleo, "cleo", vec![for_ann, for_trainee]),
            (left, "left", vec![trainees, for_ann, for_trainee]),
            (right, "right", vec![bens]),
            (keeper, "the keeper", vec![pooled]),
        ] {
            let viewer = session(&ground, who).await;
            let mut found: Vec<ClientId> = seen::<client::Entity>(&viewer)
                .await
                .iter()
                .map(|row| row.id)
                .collect();
            let mut expected = expected;
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{name}");
        }
    }
);

on_both!(
    an_account_is_for_its_user_and_administrators,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let boss = user(&system, UserRole::Manager, None).await;
        let ann = user(&system, UserRole::Rep, Some(boss)).await;
        let ben = user(&system, UserRole::Rep, Some(boss)).await;
        let own = session(&ground, ann).await;
        let device = own.viewer().session_id().unwrap();
        assert!(own.account_of(ann).await.unwrap().is_some());
        for who in [boss, ben] {
            let stranger = session(&ground, who).await;
            each!(hidden(&own, &stranger): device);
            each!(untouched(&own, &stranger): device);
            assert_refused(stranger.account_of(ann).await, Code::Internal, "an account");
            let by_email = stranger.account_by_email("a@example.com").await;
            assert_refused(by_email, Code::Internal, "an account by its address");
            let outcome = stranger
                .write(move |tx| async move { tx.lock_account(ann).await.map(drop) })
                .await;
            assert_refused(outcome, Code::Internal, "holding an account");
            let outcome = stranger
                .write(move |tx| async move { tx.store_password(ann, "a hash").await })
                .await;
            assert_refused(outcome, Code::Internal, "setting a password");
            let outcome = stranger
                .write(|tx| async move { tx.forget_sessions(tx.now()).await.map(drop) })
                .await;
            assert_refused(outcome, Code::Internal, "forgetting sessions");
            let (held, ended) = stranger
                .write(move |tx| async move {
                    let held = tx.lock_session(device).await?.is_some();
                    let reason = crate::db::EndReason::Revoked;
                    Ok((held, tx.end_sessions(ann, None, reason).await?))
                })
                .await
                .unwrap();
            assert!(!held && ended == 0, "a session of somebody else");
            for outcome in [
                stranger
                    .write(move |tx| async move { tx.tree_insert(ann, None).await })
                    .await,
                stranger
                    .write(move |tx| async move { tx.tree_move(ann, None).await })
                    .await,
            ] {
                assert_refused(outcome, Code::Forbidden, "a change of the tree");
            }
            let row = stranger
                .select::<user::Entity>()
                .id(who)
                .get()
                .await
                .unwrap();
            let settings = crate::db::OwnSettings {
                locale: Some(Locale::ZhCn),
                time_zone: None,
            };
            let version = row.version;
            let changed = stranger
                .write(move |tx| async move { tx.update_own_settings(version, settings).await })
                .await
                .unwrap();
            assert_eq!(changed.id, who);
        }
        // Nobody puts a session under the name of somebody else.
        let bens = session(&ground, ben).await;
        let forged = bens
            .write(move |tx| async move {
                let row = device::ActiveModel {
                    id: Set(SessionId(Uuid::now_v7())),
                    user_id: Set(ann),
                    device_name: Set("forged".to_owned()),
                    refresh_hash: Set(Uuid::now_v7().as_bytes().to_vec()),
                    rotated_at: Set(tx.now()),
                    created_at: Set(tx.now()),
                    last_used_at: Set(tx.now()),
                    idle_expires_at: Set(tx.now() + TimeDelta::days(30)),
                    expires_at: Set(tx.now() + TimeDelta::days(30)),
                    ..Default::default()
                };
                tx.insert::<device::Entity>(row).await.map(drop)
            })
            .await;
        assert_refused(forged, Code::Forbidden, "a session of somebody else");
    }
);

/// Changes a session past everything that would end it.
async fn change(ground: &Ground, id: SessionId, changes: device::ActiveModel) {
    ground
        .system()
        .write(move |tx| {
            let changes = changes.clone();
            async move {
                let row = tx.select::<device::Entity>().id(id).get().await?;
                tx.amend::<device::Entity>(&row, changes).await.map(drop)
            }
        })
        .await
        .unwrap();
}

on_both!(
    a_session_stands_for_its_user_while_both_are_alive,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let open = || async {
            let session = session(&ground, ann).await;
            session.viewer().session_id().unwrap()
        };
        let viewer = |user: UserId, id: SessionId| ground.database.viewer(user, id);
        let device = open().await;
        assert_eq!(viewer(ann, device).await.unwrap().user_id(), Some(ann));
        assert_refused(
            viewer(ben, device).await,
            Code::Unauthenticated,
            "the session of another",
        );
        let now = system.now();
        let revoked = device::ActiveModel {
            revoked_at: Set(Some(now)),
            ..Default::default()
        };
        change(&ground, device, revoked).await;
        assert_refused(
            viewer(ann, device).await,
            Code::Unauthenticated,
            "a revoked session",
        );
        let device = open().await;
        let expired = device::ActiveModel {
            expires_at: Set(now),
            ..Default::default()
        };
        change(&ground, device, expired).await;
        assert_refused(
            viewer(ann, device).await,
            Code::Unauthenticated,
            "an expired session",
        );
        let device = open().await;
        system
            .write(move |tx| async move {
                let row = tx.select::<user::Entity>().id(ann).get().await?;
                let gone = user::ActiveModel {
                    deactivated_at: Set(Some(now)),
                    ..Default::default()
                };
                tx.update::<user::Entity>(&row, None, gone).await.map(drop)
            })
            .await
            .unwrap();
        assert_refused(
            viewer(ann, device).await,
            Code::Unauthenticated,
            "who has left",
        );
    }
);
