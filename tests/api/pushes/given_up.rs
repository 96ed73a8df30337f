//! Operations that waited too long are given up, unless what they waited for comes in that very moment.

use clientele::domain::pushes;
use clientele::graphql::sync::push::CONCEPTS;
use entity::op_ledger;
use sea_orm::{ConnectionTrait, Database, EntityTrait, TransactionTrait};
use serde_json::{Value, json};

use super::{Phone, contact, issues, new_id, statuses};
use crate::races::until_waiting;
use crate::support::{App, Backend};

/// Gives up what waited too long; says how many.
async fn give_up(app: &App) -> usize {
    let service = app.server().database.as_system("the night of a test");
    let given_up = service.write(|tx| async move { pushes::give_up(&tx, CONCEPTS).await });
    given_up.await.unwrap()
}

on_both!(
    what_is_done_in_that_moment_is_not_given_up,
    async |app: App| {
        let team = app.team().await;
        let client = new_id("client");
        let mut phone = Phone::of(&team.ann);
        let make = json!({ "client": { "kind": "INDIVIDUAL", "currency": "EUR", "name": "Ana" } });
        let make = phone.op("CREATE", &client, make);
        let id = new_id("contact");
        let child = json!({ "contact": { "clientId": client, "name": "Her assistant" } });
        let child = phone.op("CREATE", &id, child);
        assert_eq!(statuses(&phone.push(&app, &[&child]).await), ["DEFERRED"]);
        // The other rep's waits for what never comes.
        let mut bens = Phone::of(&team.ben);
        let his = json!({ "note": { "clientId": new_id("client"), "body": "early" } });
        let his = bens.op("CREATE", &new_id("note"), his);
        assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["DEFERRED"]);
        assert_eq!(give_up(&app).await, 0, "they have just come");
        let db = Database::connect(app.database_url()).await.unwrap();
        let long_ago = "UPDATE op_ledger SET created_at = '2020-01-01 00:00:00+00:00'";
        db.execute_unprepared(long_ago).await.unwrap();
        let ops = [&make];
        if app.backend() == Backend::Postgres {
            // Both are stopped where each has looked and written, and before it commits.
            let gate = db.begin().await.unwrap();
            let hold = "SELECT seq FROM sync_clock FOR UPDATE";
            gate.query_all_raw(sea_orm::Statement::from_string(
                sea_orm::DbBackend::Postgres,
                hold,
            ))
            .await
            .unwrap();
            let late = async {
                until_waiting(&db, 1).await;
                give_up(&app).await
            };
            let opening = async {
                until_waiting(&db, 2).await;
                gate.rollback().await.unwrap();
            };
            let pushed = phone.push(&app, &ops);
            let (pushed, given_up, ()) = futures_util::future::join3(pushed, late, opening).await;
            assert_eq!(statuses(&pushed), ["APPLIED"]);
            assert_eq!(given_up, 1);
        } else {
            assert_eq!(statuses(&phone.push(&app, &ops).await), ["APPLIED"]);
            assert_eq!(give_up(&app).await, 1);
        }
        assert_eq!(statuses(&phone.push(&app, &[&child]).await), ["DUPLICATE"]);
        assert_eq!(
            contact(&app, &team.ann, &id).await["name"],
            json!("Her assistant")
        );
        assert!(issues(&app, &team.ann).await.is_empty());
        // What he typed is kept for him.
        let results = bens.push(&app, &[&his]).await;
        assert_eq!(
            (&results[0]["status"], &results[0]["error"]["code"]),
            (&json!("REJECTED"), &json!("sync.parent_missing"))
        );
        let kept = issues(&app, &team.ben).await;
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].payload["mine"]["body"], json!("early"));
        assert_eq!(contact(&app, &team.ben, &id).await, Value::Null);
        let left = op_ledger::Entity::find().all(&db).await.unwrap();
        assert!(left.iter().all(|op| op.payload.is_none()), "{left:?}");
        db.close().await.unwrap();
    }
);

on_both!(
    what_was_refused_long_ago_is_told_from_what_was_done,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let mut phone = Phone::of(&team.ann);
        let make = |phone: &mut Phone, name: &str| {
            let contact = json!({ "contact": { "clientId": client, "name": name } });
            phone.op("CREATE", &new_id("contact"), contact)
        };
        let refused = make(&mut phone, "");
        let mut bens = Phone::of(&team.ben);
        let his = bens.op("DELETE", refused["id"].as_str().unwrap(), json!({}));
        assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["CONFLICT"]);
        let done = make(&mut phone, "Ana");
        // Refused, and then made good: put aside.
        let mut settled = make(&mut phone, "");
        let id = settled["id"].as_str().unwrap().to_owned();
        let good = phone.op(
            "CREATE",
            &id,
            json!({ "contact": { "clientId": client, "name": "Ben" } }),
        );
        let results = phone.push(&app, &[&refused, &done, &settled, &good]).await;
        assert_eq!(
            statuses(&results),
            ["REJECTED", "APPLIED", "REJECTED", "APPLIED"]
        );
        let sweep = async |sql: &str| {
            let db = Database::connect(app.database_url()).await.unwrap();
            db.execute_unprepared(sql).await.unwrap();
            clientele::jobs::sync::sweep(&app.server().database)
                .await
                .unwrap();
            let left = op_ledger::Entity::find().all(&db).await.unwrap().len();
            db.close().await.unwrap();
            left
        };
        let left = sweep("UPDATE op_ledger SET created_at = '2020-01-01 00:00:00+00:00'").await;
        assert_eq!(left, 0);
        let results = phone.push(&app, &[&refused, &done, &settled]).await;
        assert_eq!(statuses(&results), ["REJECTED", "DUPLICATE", "REJECTED"]);
        assert_eq!(results[0]["error"]["code"], json!("BAD_USER_INPUT"));
        assert_eq!(statuses(&bens.push(&app, &[&his]).await), ["REJECTED"]);
        assert_eq!(issues(&app, &team.ann).await.len(), 2);
        // What was put aside goes in the end; what nobody has settled stays.
        let old = "UPDATE sync_issues SET archived_at = '2020-01-01 00:00:00+00:00' WHERE archived_at IS NOT NULL";
        let _ = sweep(old).await;
        let kept = issues(&app, &team.ann).await;
        assert_eq!(kept.len(), 1);
        assert!(kept[0].archived_at.is_none());
        assert_eq!(issues(&app, &team.ben).await.len(), 1);
        settled["contact"]["name"] = json!("Cleo");
        assert_eq!(
            statuses(&phone.push(&app, &[&settled]).await),
            ["DUPLICATE"]
        );
    }
);
