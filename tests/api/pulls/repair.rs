//! What repairs: digests and manifests, and beginning anew after a restore or a long time away.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use clientele::backup;
use entity::ContactId;
use ring::digest;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use super::{COLLECTIONS, Phone, Rx, contact, hand_over, note, put_away, whole};
use crate::support::{App, process};

/// The digest of documents as a phone makes it.
fn digest_of<'a>(documents: impl Iterator<Item = &'a Value>) -> (u64, String) {
    let (mut count, mut xor) = (0, 0_u64);
    for document in documents {
        let line = format!(
            "{}:{}",
            document["id"].as_str().unwrap(),
            document["version"]
        );
        let hash = digest::digest(&digest::SHA256, line.as_bytes());
        xor ^= u64::from_be_bytes(hash.as_ref()[..8].try_into().unwrap());
        count += 1;
    }
    (count, format!("{xor:016x}"))
}

on_both!(
    digests_and_manifests_are_those_of_a_phone_that_has_all,
    async |app: App| {
        let team = app.team().await;
        for number in 0..3 {
            let client = app.client_of(&team.ann, &format!("Client {number}")).await;
            contact(&app, &team.ann, &client, "Maria").await;
            let thomas = contact(&app, &team.ann, &client, "Thomas").await;
            put_away(&app, &team.ann, &thomas, 1).await;
            note(&app, &team.ann, &client, "something").await;
        }
        let lost = app.client_of(&team.ann, "Lost").await;
        contact(&app, &team.ann, &lost, "Gone").await;
        hand_over(&app, &team.left, &lost, &team.ben).await;
        for who in [&team.ann, &team.ben, &team.left, &team.admin] {
            let held = whole(&app, who).await;
            let query = "{ syncDigest { collection count xor watermark } }";
            let answer = app.gql(&who.token, query, json!({})).await.ok();
            let digests: BTreeMap<&str, &Value> = answer
                .list("/syncDigest")
                .iter()
                .map(|digest| (digest["collection"].as_str().unwrap(), digest))
                .collect();
            assert_eq!(digests.len(), COLLECTIONS.len());
            for (collection, list, field, _) in COLLECTIONS {
                let mut rx = Rx::of(who, collection);
                rx.pull(&app, 500).await;
                let (count, xor) = digest_of(rx.held.values());
                let digest = digests[collection];
                assert_eq!(
                    (&digest["count"], &digest["xor"]),
                    (&json!(count), &json!(xor)),
                    "{list} {field}"
                );
                // Row by row.
                let mut rows = BTreeMap::new();
                let mut after = Value::Null;
                loop {
                    let query = "query($of: SyncCollection!, $after: ID) { syncManifest(collection: $of, after: $after, limit: 2) \
                    { rows { id version } end hasMore } }";
                    let variables = json!({ "of": collection, "after": after });
                    let page = app.gql(&who.token, query, variables).await.ok();
                    for row in page.list("/syncManifest/rows") {
                        rows.insert(
                            row["id"].as_str().unwrap().to_owned(),
                            row["version"].clone(),
                        );
                    }
                    after = page.data("/syncManifest/end").clone();
                    if page.data("/syncManifest/hasMore") == false {
                        break;
                    }
                }
                let expected: BTreeMap<String, Value> = rx
                    .held
                    .iter()
                    .map(|(id, document)| (id.clone(), document["version"].clone()))
                    .collect();
                assert_eq!(rows, expected);
                assert!(rows.keys().all(|id| held.contains_key(id)));
            }
        }
        let query = "{ syncManifest(collection: NOTES, after: \"client_0192f4c0-7c3e-7d54-9b43-2c5a8f1f6e01\", limit: 2) { hasMore } }";
        assert_eq!(
            app.gql(&team.ann.token, query, json!({})).await.fields(),
            ["after"]
        );
        let query = "{ syncManifest(collection: NOTES, limit: 5001) { hasMore } }";
        assert_eq!(
            app.gql(&team.ann.token, query, json!({})).await.fields(),
            ["limit"]
        );
    }
);

on_both!(after_a_restore_phones_begin_anew, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    contact(&app, &team.ann, &client, "Maria").await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("book.backup");
    let mut ann = Phone::of(&team.ann, 50);
    ann.pull(&app).await;
    backup::take(&app.server().database, &file).await.unwrap();
    let lost = contact(&app, &team.ann, &client, "Thomas").await;
    let mut rx = Rx::of(&team.ann, "CONTACTS");
    let mut early = Rx::of(&team.ann, "CONTACTS");
    early.pull(&app, 50).await;
    rx.pull(&app, 50).await;
    ann.pull(&app).await;
    let number = ann.ask(&app, json!({})).await.ok();
    let number = number.data("/sync/watermark").clone();
    assert!(ann.held.contains_key(&lost));
    backup::restore(&app.server().database, &file, true)
        .await
        .unwrap();
    // Sessions ended with it.
    let again = app.sign_in(team.ann.id, "Ann").await;
    ann.who = again.clone();
    rx.who = again.clone();
    let refused = rx.ask(&app, 50).await;
    assert_eq!(refused.rule(), "SYNC_RESYNC_REQUIRED");
    let mut by_number = Phone::of(&again, 50);
    by_number.held.clone_from(&ann.held);
    let answer = by_number.ask(&app, json!({ "since": number })).await.ok();
    assert_eq!(answer.data("/sync/strategy"), "REPLACE");
    by_number.store(&answer);
    ann.pull(&app).await;
    for phone in [&ann, &by_number] {
        assert!(!phone.held.contains_key(&lost));
        assert_eq!(phone.held, whole(&app, &again).await);
    }
});

on_both!(phones_begin_anew_when_they_are_told_to, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    let (mut ann, mut ben) = (Phone::of(&team.ann, 50), Phone::of(&team.ben, 50));
    let mut rx = Rx::of(&team.ann, "CONTACTS");
    let kept = contact(&app, &team.ann, &client, "Maria").await;
    ann.pull(&app).await;
    ben.pull(&app).await;
    rx.pull(&app, 50).await;
    let number = ann.ask(&app, json!({})).await.ok();
    let number = number.data("/sync/watermark").clone();
    // As a standby does that had not heard of the last changes: the row is gone, and nothing says so.
    let lost = contact(&app, &team.ann, &client, "Thomas").await;
    ann.pull(&app).await;
    rx.pull(&app, 50).await;
    let db = Database::connect(app.database_url()).await.unwrap();
    for (table, column) in [("sync_items", "row_id"), ("contacts", "id")] {
        let id: ContactId = lost.parse().unwrap();
        let sql = format!("DELETE FROM {table} WHERE {column} = $1");
        let gone = Statement::from_sql_and_values(db.get_database_backend(), sql, [id.0.into()]);
        assert_eq!(db.execute_raw(gone).await.unwrap().rows_affected(), 1);
    }
    db.close().await.unwrap();
    ann.pull(&app).await;
    assert!(ann.held.contains_key(&lost) && rx.held.contains_key(&lost));
    let place = tempfile::tempdir().unwrap();
    let said = process::done(place.path(), app.database_url(), &["phones", "begin-anew"]);
    assert!(said.contains("anew"), "{said}");
    assert_eq!(rx.ask(&app, 50).await.rule(), "SYNC_RESYNC_REQUIRED");
    let mut by_number = Phone::of(&team.ann, 50);
    by_number.held.clone_from(&ann.held);
    let answer = by_number.ask(&app, json!({ "since": number })).await.ok();
    assert_eq!(answer.data("/sync/strategy"), "REPLACE");
    by_number.store(&answer);
    ann.pull(&app).await;
    ben.pull(&app).await;
    for phone in [&ann, &by_number] {
        assert!(phone.held.contains_key(&kept) && !phone.held.contains_key(&lost));
        assert_eq!(phone.held, whole(&app, &team.ann).await);
    }
    assert_eq!(ben.held, whole(&app, &team.ben).await);
    assert!(!ben.held.contains_key(&kept));
});

on_both!(a_phone_that_stayed_away_begins_anew, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    let gone = app.client_of(&team.ann, "Gone").await;
    let mut ann = Phone::of(&team.ann, 50);
    let mut rx = Rx::of(&team.ann, "CLIENTS");
    ann.pull(&app).await;
    rx.pull(&app, 50).await;
    app.server().clock.advance(TimeDelta::days(91));
    clientele::jobs::sync::sweep(&app.server().database)
        .await
        .unwrap();
    let mut team = team;
    team.ann.token = app.token(&team.ann);
    team.left.token = app.token(&team.left);
    hand_over(&app, &team.left, &gone, &team.ben).await;
    ann.who = team.ann.clone();
    rx.who = team.ann.clone();
    assert_eq!(rx.ask(&app, 50).await.extension(0, "reason"), "TOO_OLD");
    let answer = ann.ask(&app, json!({})).await.ok();
    assert_eq!(answer.data("/sync/strategy"), "REPLACE");
    ann.store(&answer);
    assert!(ann.held.contains_key(&client) && !ann.held.contains_key(&gone));
    assert_eq!(ann.held, whole(&app, &team.ann).await);
});
