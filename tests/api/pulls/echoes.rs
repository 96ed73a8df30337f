//! Stock RxDB drops what it downloads of a row while its own write of that row is under way: it is sent once more.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Phone, Rx, contact, hand_over, put_away, whole};
use crate::pushes::office_changes;
use crate::support::{App, Person};

/// Longer than a push may take.
const ANSWERED: TimeDelta = TimeDelta::seconds(121);

/// Pushes what a phone with RxDB changed of contacts that it holds.
async fn push(app: &App, rx: &Rx, ids: &[&String], more: Value) {
    let query = "mutation($rows: [ContactPushRow!]!) { pushContacts(rows: $rows) { id deleted } }";
    let rows: Vec<Value> = ids
        .iter()
        .map(|id| {
            let held = &rx.held[*id];
            let assumed = json!({ "id": id, "clientId": held["clientId"], "name": held["name"],
                "likes": held["likes"], "version": held["version"], "deleted": false });
            let mut new = assumed.clone();
            for (name, value) in more.as_object().unwrap() {
                new[name] = value.clone();
            }
            json!({ "assumedMasterState": assumed, "newDocumentState": new })
        })
        .collect();
    let answer = app
        .gql(&rx.who.token, query, json!({ "rows": rows }))
        .await
        .ok();
    assert!(answer.list("/pushContacts").is_empty(), "{answer}");
}

/// Pulls while a write of the phone is under way: it stores nothing of what comes, and goes on after it.
async fn pull_in_vain(app: &App, rx: &mut Rx) -> Vec<usize> {
    let held = rx.held.clone();
    let sizes = rx.pull(app, 50).await;
    rx.held = held;
    sizes
}

async fn rx(app: &App, who: &Person) -> Rx {
    let mut rx = Rx::of(who, "CONTACTS");
    rx.pull(app, 50).await;
    rx
}

on_both!(
    what_came_while_a_push_was_under_way_comes_again,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        contact(&app, &team.ann, &client, "Thomas").await;
        let tablet = app.sign_in(team.ann.id, "Ann").await;
        let (mut ann, mut other) = (rx(&app, &team.ann).await, rx(&app, &tablet).await);
        let mut whole_phone = Phone::of(&tablet, 50);
        whole_phone.pull(&app).await;
        // Her push is done, and its answer on its way, when the office changes the same contact.
        push(&app, &ann, &[&maria], json!({ "likes": "coffee" })).await;
        let change = json!({ "id": maria, "version": 2, "name": "Maria Anders" });
        office_changes(&app, &team.left, change).await;
        assert_eq!(pull_in_vain(&app, &mut ann).await, [1]);
        assert_eq!(other.pull(&app, 50).await, [1]);
        // Before long nothing comes: the push may still be under way.
        assert_eq!(ann.pull(&app, 50).await, [0]);
        assert_eq!(ann.held[&maria]["name"], "Maria");
        app.server().clock.advance(ANSWERED);
        assert_eq!(ann.pull(&app, 50).await, [1]);
        assert_eq!(ann.held[&maria]["name"], "Maria Anders");
        assert_eq!(ann.held[&maria]["likes"], "coffee");
        // Once, and only to this phone.
        assert_eq!(ann.pull(&app, 50).await, [0]);
        assert_eq!(other.pull(&app, 50).await, [0]);
        whole_phone.pull(&app).await;
        assert_eq!(whole_phone.pull(&app).await, 1);
        app.server().clock.advance(ANSWERED);
        for rx in [&mut ann, &mut other] {
            assert_eq!(rx.pull(&app, 50).await, [0]);
            assert_eq!(rx.held, contacts_of(&app, &team.ann).await);
        }
        // A page that was lost on its way comes again; pushed again, it is sent again.
        push(&app, &ann, &[&maria], json!({ "likes": "juice" })).await;
        assert_eq!(ann.pull(&app, 50).await, [1]);
        let before = (ann.held.clone(), ann.checkpoint.clone());
        app.server().clock.advance(ANSWERED);
        assert_eq!(ann.pull(&app, 50).await, [1]);
        (ann.held, ann.checkpoint) = before;
        assert_eq!(ann.pull(&app, 50).await, [1]);
        push(&app, &ann, &[&maria], json!({ "likes": "water" })).await;
        assert_eq!(ann.pull(&app, 50).await, [1]);
        app.server().clock.advance(ANSWERED);
        assert_eq!(ann.pull(&app, 50).await, [1]);
        assert_eq!(ann.pull(&app, 50).await, [0]);
    }
);

/// The contacts that a fresh phone of somebody holds.
async fn contacts_of(app: &App, who: &Person) -> super::Held {
    let mut held = whole(app, who).await;
    held.retain(|id, _| id.starts_with("contact_"));
    held
}

on_both!(
    what_comes_again_fills_pages_like_anything_else,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(contact(&app, &team.ann, &client, &format!("Contact {number}")).await);
        }
        let mut ann = rx(&app, &team.ann).await;
        let all: Vec<&String> = ids.iter().collect();
        push(&app, &ann, &all, json!({ "likes": "coffee" })).await;
        assert_eq!(pull_in_vain(&app, &mut ann).await, [5]);
        app.server().clock.advance(ANSWERED);
        // Beside what is new, and each row once on a page.
        let fresh = contact(&app, &team.ann, &client, "Fresh").await;
        assert_eq!(ann.pull(&app, 2).await, [2, 2, 2, 0]);
        assert_eq!(ann.held, contacts_of(&app, &team.ann).await);
        assert!(ann.held.contains_key(&fresh));
        assert_eq!(ann.pull(&app, 2).await, [0]);
    }
);

on_both!(what_was_lost_comes_as_lost, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Alfreds").await;
    let stays = app.client_of(&team.ann, "Stays").await;
    let moved = contact(&app, &team.ann, &client, "Moved").await;
    let gone = contact(&app, &team.ann, &stays, "Gone").await;
    let mut ann = rx(&app, &team.ann).await;
    push(&app, &ann, &[&moved, &gone], json!({ "likes": "coffee" })).await;
    hand_over(&app, &team.left, &client, &team.ben).await;
    put_away(&app, &team.ann, &gone, 2).await;
    assert_eq!(pull_in_vain(&app, &mut ann).await, [2]);
    assert_eq!(ann.held.len(), 2);
    app.server().clock.advance(ANSWERED);
    // `Rx` demands that a tombstone says nothing but its id.
    assert_eq!(ann.pull(&app, 50).await, [2]);
    assert!(ann.held.is_empty());
    // Whose it is now never hears of it that way.
    let mut ben = rx(&app, &team.ben).await;
    assert_eq!(ben.held.len(), 1);
    app.server().clock.advance(ANSWERED);
    assert_eq!(ben.pull(&app, 50).await, [0]);
});

on_both!(
    what_a_phone_dropped_is_not_forgotten_while_it_is_away,
    async |app: App| {
        let mut team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        let mut tablet = app.sign_in(team.ann.id, "Ann").await;
        let (mut ann, mut other) = (rx(&app, &team.ann).await, rx(&app, &tablet).await);
        let mut bens = rx(&app, &team.ben).await;
        push(&app, &ann, &[&maria], json!({ "likes": "coffee" })).await;
        let change = json!({ "id": maria, "version": 2, "name": "Maria Anders" });
        office_changes(&app, &team.left, change).await;
        assert_eq!(pull_in_vain(&app, &mut ann).await, [1]);
        // It lies in a drawer; her tablet and Ben's phone are in use all along.
        for days in [60, 31] {
            app.server().clock.advance(TimeDelta::days(days));
            for person in [&mut team.ann, &mut team.ben, &mut tablet] {
                person.token = app.token(person);
            }
            other.who = tablet.clone();
            bens.who = team.ben.clone();
            other.pull(&app, 50).await;
            bens.pull(&app, 50).await;
            clientele::jobs::sync::sweep(&app.server().database)
                .await
                .unwrap();
        }
        ann.who = team.ann.clone();
        let refused = ann.ask(&app, 50).await;
        assert_eq!(refused.extension(0, "reason"), "TOO_OLD");
        ann.held.clear();
        ann.checkpoint = None;
        ann.pull(&app, 50).await;
        assert_eq!(ann.held, contacts_of(&app, &team.ann).await);
        assert_eq!(ann.held[&maria]["name"], "Maria Anders");
        // From then on it goes on like any other; the others never had to begin anew.
        for rx in [&mut ann, &mut other, &mut bens] {
            assert_eq!(rx.pull(&app, 50).await, [0]);
        }
    }
);
