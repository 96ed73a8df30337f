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
        assert_eq!(told[0]["theirs"], json!({ "title": "Owner", "likes": null }));
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
        assert_eq!(payloads(&app, &team.ben).await, [] as [Value; 0]);
    }
);
