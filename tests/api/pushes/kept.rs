//! What is kept of a change that could not be made: what the person typed, and of what is there no more than they may
//! see whenever they look.

use serde_json::{Value, json};

use super::rows::{push, with};
use super::{Phone, contact_of, hand_over, issues, new_id, office_changes, statuses};
use crate::pulls::{act, whole};
use crate::support::{App, Person};

/// The payloads of the issues that a new phone of `who` is sent.
async fn payloads(app: &App, who: &Person) -> Vec<Value> {
    let held = whole(app, who).await;
    let issues = held.iter().filter(|(id, _)| id.starts_with("sync_issue_"));
    issues
        .map(|(_, issue)| serde_json::from_str(issue["payload"].as_str().unwrap()).unwrap())
        .collect()
}

on_both!(
    an_issue_shows_what_its_person_may_see_by_now,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let first = json!({ "title": "Clerk", "likes": "tea" });
        let id = contact_of(&app, &team.ann, &client, first).await;
        let change = json!({ "id": id, "version": 1, "title": "Owner", "likes": "Zanzibar" });
        office_changes(&app, &team.left, change).await;
        let mut phone = Phone::of(&team.ann);
        let op = phone.op(
            "UPDATE",
            &id,
            json!({
                "baseVersion": 1,
                "contact": { "title": "Manager", "likes": "coffee" },
                "baseContact": { "title": "Clerk", "likes": "tea" },
            }),
        );
        assert_eq!(statuses(&phone.push(&app, &[&op]).await), ["CONFLICT"]);
        let told = payloads(&app, &team.ann).await;
        assert_eq!(
            told[0]["theirs"],
            json!({ "title": "Owner", "likes": "Zanzibar" })
        );
        // A phone that is new finds what she may see now.
        let rule = async |audience: &str| {
            let policy = json!({ "group": "PERSONAL", "audience": audience });
            let (mutation, kind) = ("confidentialitySet", "ConfidentialitySetInput");
            act(&app, &team.admin, mutation, kind, policy, "__typename").await
        };
        rule("ADMINS").await;
        let told = payloads(&app, &team.ann).await;
        assert_eq!(
            told[0]["theirs"],
            json!({ "title": "Owner", "likes": null })
        );
        rule("OWNER_AND_ABOVE").await;
        let told = payloads(&app, &team.ann).await;
        assert_eq!(told[0]["theirs"]["likes"], json!("Zanzibar"));
        hand_over(&app, &team.left, &client, &team.ben).await;
        let told = payloads(&app, &team.ann).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["theirs"], Value::Null);
        assert_eq!(
            told[0]["mine"],
            json!({ "title": "Manager", "likes": "coffee" }),
            "what was typed stays"
        );
        assert!(payloads(&app, &team.ben).await.is_empty());
    }
);

on_both!(
    text_that_no_database_holds_is_refused_and_kept,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let mut phone = Phone::of(&team.ann);
        let contact = |name: &str| json!({ "contact": { "clientId": client, "name": name } });
        let refused = phone.op("CREATE", &new_id("contact"), contact("a\u{0}b"));
        let fine = phone.op("CREATE", &new_id("contact"), contact("Ana"));
        // It would wait, if it could be kept meanwhile.
        let waits = phone.op(
            "CREATE",
            &new_id("note"),
            json!({ "note": { "clientId": new_id("client"), "body": "a\u{0}b" } }),
        );
        let results = phone.push(&app, &[&refused, &fine, &waits]).await;
        assert_eq!(
            statuses(&results),
            ["REJECTED", "APPLIED", "REJECTED"],
            "{results:?}"
        );
        assert_eq!(results[2]["error"]["fields"], json!(["body"]));
        let again = phone.push(&app, &[&refused, &fine, &waits]).await;
        assert_eq!(statuses(&again), ["REJECTED", "DUPLICATE", "REJECTED"]);
        let kept = issues(&app, &team.ann).await;
        assert_eq!(kept.len(), 2);
        let typed = |field: &str| {
            kept.iter()
                .any(|issue| issue.payload["mine"][field] == "a\u{fffd}b")
        };
        assert!(typed("name") && typed("body"), "{kept:?}");
        // As stock RxDB pushes it, new and as a change.
        let id = contact_of(&app, &team.ann, &client, json!({})).await;
        let there =
            json!({ "id": id, "clientId": client, "name": "Maria Anders", "deleted": false });
        let bad = with(&there, json!({ "title": "a\u{0}b" }));
        let answer = push(&app, &team.ann, "Contact", there, bad.clone()).await;
        assert_eq!(answer[0]["name"], "Maria Anders");
        let new = with(&bad, json!({ "id": new_id("contact") }));
        let answer = push(&app, &team.ann, "Contact", Value::Null, new).await;
        assert_eq!(answer[0]["deleted"], true);
        assert_eq!(issues(&app, &team.ann).await.len(), 4);
        assert!(issues(&app, &team.ben).await.is_empty());
    }
);
