//! What was written before a client was handed over, and arrives after it.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Phone, contact, contact_of, hand_over, issues, new_id, office_changes, statuses};
use crate::pulls;
use crate::support::App;

fn text(at: DateTime<Utc>) -> Value {
    json!(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The bodies of the notes on a client, as somebody sees them.
async fn notes(app: &App, who: &crate::support::Person, client: &str) -> Vec<(String, String)> {
    let query = "query($id: ID!) { client(id: $id) { notes { nodes { body author { id } } } team { user { id } } } }";
    let answer = app
        .gql(&who.token, query, json!({ "id": client }))
        .await
        .ok();
    assert!(answer.list("/client/team").is_empty(), "nobody was let in");
    let notes = answer.list("/client/notes/nodes").iter();
    let texts = notes.map(|note| {
        let of = |value: &Value| value.as_str().unwrap().to_owned();
        (of(&note["body"]), of(&note["author"]["id"]))
    });
    let mut texts: Vec<_> = texts.collect();
    texts.sort();
    texts
}

on_both!(what_was_written_in_time_is_taken_late, async |app: App| {
    let mut app = app;
    app.restart_over(|config| config.late_grace = TimeDelta::hours(72))
        .await;
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
    let id = contact_of(&app, &team.ann, &client, json!({ "title": "Clerk" })).await;
    let mut phone = Phone::of(&team.ann);
    let mut stranger = Phone::of(&team.cleo);
    let mut pulling = pulls::Phone::of(&team.ann, 100);
    pulling.pull(&app).await;
    let clock = app.server().clock.clone();
    let before = clock.now();
    clock.advance(TimeDelta::hours(1));
    hand_over(&app, &team.left, &client, &team.ben).await;
    let theirs = contact_of(&app, &team.ben, &client, json!({ "title": "New" })).await;
    clock.advance(TimeDelta::hours(1));
    let note = |body: &str, at: Value| json!({ "occurredAt": at, "note": { "clientId": client, "body": body } });
    let in_time = phone.op("CREATE", &new_id("note"), note("in time", text(before)));
    let retitled = phone.op(
        "UPDATE",
        &id,
        json!({ "occurredAt": text(before), "baseVersion": 1, "contact": { "title": "Owner" } }),
    );
    let results = phone.push(&app, &[&in_time, &retitled]).await;
    assert_eq!(statuses(&results), ["APPLIED", "APPLIED"]);
    assert_eq!(contact(&app, &team.ben, &id).await["title"], "Owner");
    assert_eq!(
        notes(&app, &team.ben, &client).await,
        [("in time".to_owned(), team.ann.id())]
    );
    // Sent again it is not done again, and none of it is hers to see.
    let results = phone.push(&app, &[&in_time, &retitled]).await;
    assert_eq!(statuses(&results), ["DUPLICATE", "DUPLICATE"]);
    assert_eq!(contact(&app, &team.ann, &id).await, Value::Null);
    pulling.pull(&app).await;
    assert!(pulling.ids("note").is_empty() && pulling.ids("client").is_empty());
    assert!(issues(&app, &team.ann).await.is_empty());
    // Too late by her own word, or without one; what came after her; what was never hers.
    let now = text(clock.now());
    let early = text(before);
    let after = phone.op("CREATE", &new_id("note"), note("after", now.clone()));
    let unsaid = phone.op("CREATE", &new_id("note"), note("unsaid", Value::Null));
    let unknown = phone.op(
        "UPDATE",
        &theirs,
        json!({ "occurredAt": early, "baseVersion": 1, "contact": { "title": "Guess" } }),
    );
    let results = phone.push(&app, &[&after, &unsaid, &unknown]).await;
    assert_eq!(statuses(&results), ["CONFLICT", "CONFLICT", "CONFLICT"]);
    let guess = stranger.op(
        "UPDATE",
        &id,
        json!({ "occurredAt": early, "baseVersion": 2, "contact": { "title": "Guess" } }),
    );
    let results = stranger.push(&app, &[&guess]).await;
    assert_eq!(results[0]["conflict"]["reason"], "NOT_VISIBLE");
    // What meets a change of others is not done, and what they wrote stays theirs.
    let change = json!({ "id": id, "version": 2, "title": "Zanzibar" });
    office_changes(&app, &team.ben, change).await;
    let stale = phone.op(
        "UPDATE",
        &id,
        json!({ "occurredAt": early, "baseVersion": 2, "contact": { "title": "Boss" },
                "baseContact": { "title": "Owner" } }),
    );
    let results = phone.push(&app, &[&stale]).await;
    assert_eq!(
        results[0]["conflict"],
        json!({ "reason": "NOT_VISIBLE", "fields": [], "serverVersion": null })
    );
    let kept = issues(&app, &team.ann).await;
    assert_eq!(kept.len(), 4);
    for issue in &kept {
        assert_eq!(
            (issue.code.as_str(), &issue.payload["theirs"]),
            ("NOT_VISIBLE", &Value::Null)
        );
    }
    assert_eq!(contact(&app, &team.ben, &id).await["title"], "Zanzibar");
    // A phone whose clock is two hours fast says so by when it sends.
    let fast = phone.op(
        "CREATE",
        &new_id("note"),
        note("fast", text(before + TimeDelta::hours(2))),
    );
    let sent = text(clock.now() + TimeDelta::hours(2));
    let input = json!({ "deviceId": phone.id, "sentAt": sent, "ops": [fast] });
    let answer = phone.send(&app, input).await.ok();
    assert_eq!(statuses(answer.list("/syncPush/results")), ["APPLIED"]);
    assert_eq!(notes(&app, &team.ben, &client).await.len(), 2);
    // Three days later it is over.
    clock.advance(TimeDelta::hours(72));
    let ann = app.sign_in(team.ann.id, "Ann").await;
    phone.who = ann;
    let over = phone.op("CREATE", &new_id("note"), note("over", early));
    assert_eq!(statuses(&phone.push(&app, &[&over]).await), ["CONFLICT"]);
});

on_both!(
    nothing_is_taken_late_unless_it_was_allowed,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds Futterkiste").await;
        let mut phone = Phone::of(&team.ann);
        pulls::Phone::of(&team.ann, 100).pull(&app).await;
        let before = app.server().clock.now();
        app.server().clock.advance(TimeDelta::hours(1));
        hand_over(&app, &team.left, &client, &team.ben).await;
        let note = json!({ "occurredAt": text(before), "note": { "clientId": client, "body": "in time" } });
        let note = phone.op("CREATE", &new_id("note"), note);
        let results = phone.push(&app, &[&note]).await;
        assert_eq!(results[0]["conflict"]["reason"], "NOT_VISIBLE");
        // What was said of the time is kept with it.
        let kept = issues(&app, &team.ann).await;
        assert_eq!(kept[0].payload["occurredAt"], kept[0].payload["madeAt"]);
        assert!(kept[0].payload["occurredAt"].is_string());
    }
);
