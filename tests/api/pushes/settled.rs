//! What could not be done is put aside once the same was done after all.

use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::{Value, json};

use super::{Phone, contact_of, issues, new_id, office_changes, statuses};
use crate::pulls;
use crate::races::until_waiting;
use crate::support::{App, Backend, Person};

/// The codes of what is kept for somebody: of what waits for them, and of what was put aside.
async fn kept(app: &App, who: &Person) -> (Vec<String>, Vec<String>) {
    let all = issues(app, who).await;
    let codes = |is_open: bool| {
        let some = all
            .iter()
            .filter(|issue| issue.archived_at.is_none() == is_open);
        some.map(|issue| issue.code.clone()).collect()
    };
    (codes(true), codes(false))
}

/// How many issues the phones of somebody hold.
async fn held(app: &App, phone: &mut pulls::Phone) -> usize {
    phone.pull(app).await;
    let issues = phone.held.keys();
    issues.filter(|id| id.starts_with("sync_issue_")).count()
}

on_both!(what_is_done_at_last_is_no_issue, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
    let change = json!({ "id": id, "version": 1, "title": "Owner" });
    office_changes(&app, &team.left, change).await;
    let mut phone = Phone::of(&team.ann);
    let stale = phone.op(
        "UPDATE",
        &id,
        json!({ "baseVersion": 1, "contact": { "title": "Manager", "note": "tea" },
            "baseContact": { "title": "Clerk", "note": null } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&stale]).await), ["CONFLICT"]);
    let mut tablet = pulls::Phone::of(&app.sign_in(team.ann.id, "Ann").await, 50);
    assert_eq!(held(&app, &mut tablet).await, 1);
    // Something else of the same document, and the same of another.
    let other = contact_of(&app, &team.ann, &client, json!({})).await;
    let note = phone.op(
        "UPDATE",
        &id,
        json!({ "baseVersion": 2, "contact": { "note": "coffee" } }),
    );
    let of_other = phone.op(
        "UPDATE",
        &other,
        json!({ "baseVersion": 1, "contact": { "title": "Manager", "note": "tea" } }),
    );
    let results = phone.push(&app, &[&note, &of_other]).await;
    assert_eq!(statuses(&results), ["APPLIED", "APPLIED"]);
    assert_eq!(held(&app, &mut tablet).await, 1);
    // Ben has nothing to do with it: what he says of it in vain settles nothing.
    let mut bens = Phone::of(&team.ben);
    let guess = bens.op(
        "UPDATE",
        &id,
        json!({ "baseVersion": 3, "contact": { "title": "Manager", "note": "tea" } }),
    );
    assert_eq!(statuses(&bens.push(&app, &[&guess]).await), ["CONFLICT"]);
    assert_eq!(held(&app, &mut tablet).await, 1);
    // The person decides: once more, on what there is now.
    let again = phone.op(
        "UPDATE",
        &id,
        json!({ "baseVersion": 3, "contact": { "title": "Manager", "note": "tea" } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&again]).await), ["APPLIED"]);
    assert_eq!(held(&app, &mut tablet).await, 0);
    assert_eq!(
        kept(&app, &team.ann).await,
        (vec![], vec!["STALE_FIELDS".to_owned()])
    );
    assert_eq!(kept(&app, &team.ben).await.0, ["NOT_VISIBLE"]);
    // What comes twice settles nothing that came between, and is told as before.
    let refused = phone.op(
        "UPDATE",
        &id,
        json!({ "baseVersion": 4, "contact": { "title": "x".repeat(5_000) } }),
    );
    assert_eq!(statuses(&phone.push(&app, &[&refused]).await), ["REJECTED"]);
    let results = phone.push(&app, &[&again, &stale]).await;
    assert_eq!(statuses(&results), ["DUPLICATE", "CONFLICT"]);
    assert_eq!(results[1]["error"]["code"], "STALE_FIELDS");
    assert_eq!(kept(&app, &team.ann).await.0.len(), 1);
    // Put away, nothing about it matters any more.
    let away = phone.op("DELETE", &id, json!({ "baseVersion": 4 }));
    assert_eq!(statuses(&phone.push(&app, &[&away]).await), ["APPLIED"]);
    assert_eq!(held(&app, &mut tablet).await, 0);
});

on_both!(
    what_is_made_good_in_the_same_push_is_no_issue,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let mut phone = Phone::of(&team.ann);
        let id = new_id("contact");
        let make = |name: &str| json!({ "contact": { "clientId": client, "name": name } });
        let nameless = phone.op("CREATE", &id, make(""));
        let named = phone.op("CREATE", &id, make("Ana Trujillo"));
        let results = phone.push(&app, &[&named, &nameless]).await;
        assert_eq!(statuses(&results), ["APPLIED", "REJECTED"]);
        let (open, aside) = kept(&app, &team.ann).await;
        assert_eq!((open.len(), aside), (0, vec!["BAD_USER_INPUT".to_owned()]));
        // What became of it is told again as it was.
        let results = phone.push(&app, &[&nameless]).await;
        assert_eq!(results[0]["error"]["code"], "BAD_USER_INPUT");
        // Undone with the rest, it makes nothing good.
        let there = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
        let change = json!({ "id": there, "version": 1, "title": "Owner" });
        office_changes(&app, &team.left, change).await;
        let other = new_id("contact");
        let nameless = phone.op("CREATE", &other, make(""));
        let named = phone.op("CREATE", &other, make("Howard"));
        let stale = phone.op(
            "UPDATE",
            &there,
            json!({ "baseVersion": 1, "contact": { "title": "x" }, "baseContact": { "title": "Clerk" } }),
        );
        let ops = [&nameless, &named, &stale];
        let results = phone.push_as(&app, "ALL_OR_NOTHING", &ops).await;
        assert_eq!(statuses(&results), ["REJECTED", "RETRY", "CONFLICT"]);
        assert_eq!(kept(&app, &team.ann).await.0, ["BAD_USER_INPUT"]);
    }
);

on_both!(rows_of_stock_clients_settle_issues_too, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
    let change = json!({ "id": id, "version": 1, "title": "Owner" });
    office_changes(&app, &team.left, change).await;
    let row = |title: &str, note: Value, version: i32| {
        json!({ "id": id, "clientId": client, "name": "Maria Anders", "title": title,
            "note": note, "version": version, "deleted": false })
    };
    let push = async |assumed: Value, new: Value| {
        let query = "mutation($rows: [ContactPushRow!]!) { pushContacts(rows: $rows) { title } }";
        let rows = json!([{ "assumedMasterState": assumed, "newDocumentState": new }]);
        let answer = app.gql(&team.ann.token, query, json!({ "rows": rows }));
        answer.await.ok().list("/pushContacts").len()
    };
    let (clerk, owner) = (row("Clerk", json!(null), 1), row("Owner", json!(null), 2));
    assert_eq!(push(clerk.clone(), row("Manager", json!(null), 1)).await, 1);
    assert_eq!(kept(&app, &team.ann).await.0, ["STALE_FIELDS"]);
    // Something else; then the same, on what there is now.
    let noted = row("Owner", json!("tea"), 2);
    assert_eq!(push(owner, noted.clone()).await, 0);
    assert_eq!(kept(&app, &team.ann).await.0, ["STALE_FIELDS"]);
    assert_eq!(push(noted, row("Manager", json!("tea"), 3)).await, 0);
    assert!(kept(&app, &team.ann).await.0.is_empty());
    // The same in vain again is there again, as one.
    let change = json!({ "id": id, "version": 4, "title": "Boss" });
    office_changes(&app, &team.left, change).await;
    assert_eq!(push(clerk, row("Manager", json!(null), 1)).await, 1);
    let (open, aside) = kept(&app, &team.ann).await;
    assert_eq!((open.len(), aside.len()), (1, 0));
});

on_both!(
    what_somebody_else_wrote_settles_nothing,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let id = pulls::note(&app, &team.left, &client, "by the manager").await;
        let mut phone = Phone::of(&team.ann);
        let away = phone.op("DELETE", &id, json!({ "baseVersion": 1 }));
        let said = |body: &str| json!({ "baseVersion": 1, "note": { "body": body } });
        let changed = phone.op("UPDATE", &id, said("by Ann"));
        let results = phone.push(&app, &[&away, &changed]).await;
        assert_eq!(statuses(&results), ["REJECTED", "REJECTED"]);
        let refused = vec!["FORBIDDEN".to_owned(), "FORBIDDEN".to_owned()];
        assert_eq!(kept(&app, &team.ann).await.0, refused);
        // Her phone takes what there is: what she typed was still not done.
        let taken = phone.op("UPDATE", &id, said("by the manager"));
        let empty = phone.op("UPDATE", &id, json!({ "baseVersion": 1, "note": {} }));
        let results = phone.push(&app, &[&taken, &empty]).await;
        assert!(
            statuses(&results)
                .iter()
                .all(|status| *status != "REJECTED"),
            "{results:?}"
        );
        assert_eq!(kept(&app, &team.ann).await.0, refused);
        // A note of her own: that she changes it does not mean that it could be put away.
        let own = pulls::note(&app, &team.ann, &client, "of Ann").await;
        let stale = phone.op("DELETE", &own, json!({ "baseVersion": 7 }));
        let results = phone.push(&app, &[&stale]).await;
        assert_ne!(statuses(&results), ["APPLIED"]);
        let before = kept(&app, &team.ann).await.0.len();
        let other = phone.op("UPDATE", &own, said("of Ann, changed"));
        assert_eq!(statuses(&phone.push(&app, &[&other]).await), ["APPLIED"]);
        assert_eq!(kept(&app, &team.ann).await.0.len(), before);
        assert_eq!(kept(&app, &team.ben).await, (vec![], vec![]));
    }
);

on_both!(two_phones_settle_one_issue_at_once, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
    let change = json!({ "id": id, "version": 1, "title": "Owner" });
    office_changes(&app, &team.left, change).await;
    let (mut phone, mut tablet) = (Phone::of(&team.ann), Phone::of(&team.ann));
    let says = |device: &mut Phone| {
        let contact = json!({ "title": "Manager" });
        let seen = json!({ "title": "Clerk" });
        let more = json!({ "baseVersion": 1, "contact": contact, "baseContact": seen });
        device.op("UPDATE", &id, more)
    };
    let stale = says(&mut phone);
    assert_eq!(statuses(&phone.push(&app, &[&stale]).await), ["CONFLICT"]);
    // The office comes to say so, too: then it is so already, on whichever device she says it.
    let change = json!({ "id": id, "version": 2, "title": "Manager" });
    office_changes(&app, &team.left, change).await;
    let (first, second) = (says(&mut phone), says(&mut tablet));
    let (first, second) = ([&first], [&second]);
    let both = futures_util::future::join(phone.push(&app, &first), tablet.push(&app, &second));
    let (first, second) = if app.backend() == Backend::Postgres {
        // Both have seen it open before either settles it.
        let db = Database::connect(app.database_url()).await.unwrap();
        let gate = db.begin().await.unwrap();
        gate.execute_unprepared("LOCK TABLE sync_issues IN SHARE MODE")
            .await
            .unwrap();
        let opening = async {
            until_waiting(&db, 2).await;
            gate.rollback().await.unwrap();
        };
        let (both, ()) = futures_util::future::join(both, opening).await;
        db.close().await.unwrap();
        both
    } else {
        both.await
    };
    assert_eq!(
        (statuses(&first), statuses(&second)),
        (vec!["MERGED"], vec!["MERGED"])
    );
    let (open, aside) = kept(&app, &team.ann).await;
    assert_eq!((open.len(), aside.len()), (0, 1));
    assert!(issues(&app, &team.ben).await.is_empty());
});
