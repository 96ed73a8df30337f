//! Whose phones hear of a commit.

use std::collections::BTreeMap;

use super::*;
use crate::live::{News, Touch};

on_both!(
    whom_a_commit_is_for_hears_of_it_after_it,
    4,
    async |ground: Ground| {
        let system = ground.system();
        let ann = user(&system, UserRole::Rep, None).await;
        let ben = user(&system, UserRole::Rep, None).await;
        let id = client(&system, Some(ann)).await;
        phone(&ground, ann).await;
        phone(&ground, ben).await;
        // The devices came.
        told_of(&ground).await;
        on_client(&system, id, |tx, client| async move {
            tx.insert_under::<contact::Entity>(&client, contact_row(&tx))
                .await
        })
        .await;
        let news = told_of(&ground).await;
        assert_eq!(news.seq, Some(clock(&ground).await));
        let contacts = Touch::of([SyncCollection::Contacts].into_iter().collect());
        assert_eq!(news.poke.users, BTreeMap::from([(ann, contacts)]));
        assert_eq!(news.poke.everyone, Touch::NOTHING);
        // Each of what changed for them, and once, however many rows.
        let other = client(&system, Some(ben)).await;
        told_of(&ground).await;
        system
            .write(move |tx| async move {
                for (id, rows) in [(id, 50), (other, 1)] {
                    let client = tx.lock_client(id).await?;
                    let rows = (0..rows).map(|_| contact_row(&tx)).collect();
                    tx.insert_all_under::<contact::Entity>(&client, rows)
                        .await?;
                }
                let undone = tx.mark().await?;
                let rows = vec![issue(&tx, ben)];
                tx.insert_all::<sync_issue::Entity>(rows).await?;
                tx.undo_to(undone).await?;
                let rows = vec![issue(&tx, ann)];
                tx.insert_all::<sync_issue::Entity>(rows).await
            })
            .await
            .unwrap();
        let issues = Touch::of([SyncCollection::SyncIssues].into_iter().collect());
        let mut both = contacts;
        both.absorb(issues);
        let told = told_of(&ground).await.poke.users;
        assert_eq!(told, BTreeMap::from([(ann, both), (ben, contacts)]));
        system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                tx.change_owner(&[client], ben).await
            })
            .await
            .unwrap();
        let moved = Touch::of_other_clients();
        let told = told_of(&ground).await.poke.users;
        assert_eq!(told, BTreeMap::from([(ann, moved), (ben, moved)]));
        product(&system, 1, true).await;
        let products = Touch::of([SyncCollection::Products].into_iter().collect());
        let told = told_of(&ground).await.poke;
        assert_eq!((told.everyone, told.users.len()), (products, 0));
        let failed: Result<()> = system
            .write(move |tx| async move {
                let client = tx.lock_client(id).await?;
                tx.change_owner(&[client], ann).await?;
                Err(crate::Error::bug("on purpose"))
            })
            .await;
        assert!(failed.is_err());
        // The next that is told of is the next that is kept.
        product(&system, 2, true).await;
        let told = told_of(&ground).await.poke;
        assert_eq!((told.everyone, told.users.len()), (products, 0));
    }
);

/// What was told of since the last time. There is something.
async fn told_of(ground: &Ground) -> News {
    ground.database.news().next(Duration::ZERO).await.unwrap()
}
