//! Shares that end and are renewed, and what a client belongs to while other clients come and go.

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::{Held, Phone, Rx, act, contact, hand_over, new_id, note, whole};
use crate::support::{App, Person};

fn after(app: &App, time: TimeDelta) -> String {
    let at = app.server().clock.now() + time;
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

async fn share(app: &App, client: &str, with: &Person, by: &Person) {
    let input = json!({ "clientId": client, "userIds": [with.id()], "expiresAt": after(app, TimeDelta::hours(1)) });
    act(
        app,
        by,
        "clientShare",
        "ClientShareInput",
        input,
        "__typename",
    )
    .await;
}

on_both!(
    a_share_that_is_renewed_before_its_end_is_stamped_brings_all_back,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        share(&app, &client, &team.ben, &team.ann).await;
        for under_an_id in [false, true] {
            let (mut ben, mut left) = (Phone::of(&team.ben, 50), Phone::of(&team.left, 50));
            let mut rx = Rx::of(&team.ben, "NOTES");
            ben.pull(&app).await;
            left.pull(&app).await;
            rx.pull(&app, 5).await;
            assert!(ben.held.contains_key(&maria));
            app.server().clock.advance(TimeDelta::minutes(50));
            let late = note(&app, &team.ann, &client, "late").await;
            // It is over, and nobody has said so yet.
            app.server().clock.advance(TimeDelta::minutes(11));
            ben.pull(&app).await;
            rx.pull(&app, 5).await;
            assert!(!ben.held.contains_key(&late) && !rx.held.contains_key(&late));
            if under_an_id {
                let input = json!({ "id": new_id("client_member"), "clientId": client, "userId": team.ben.id(),
                    "expiresAt": after(&app, TimeDelta::hours(1)) });
                act(
                    &app,
                    &team.ann,
                    "clientMemberAdd",
                    "ClientMemberAddInput",
                    input,
                    "__typename",
                )
                .await;
            } else {
                share(&app, &client, &team.ben, &team.ann).await;
            }
            clientele::jobs::sync::sweep(&app.server().database)
                .await
                .unwrap();
            left.events.clear();
            for phone in [&mut ben, &mut left] {
                phone.pull(&app).await;
                assert_eq!(phone.held, whole(&app, &phone.who).await);
            }
            rx.pull(&app, 5).await;
            assert!(ben.held.contains_key(&late) && rx.held.contains_key(&late));
            assert!(
                left.events.is_empty(),
                "who sees it all along is told nothing"
            );
        }
        // Who was never let in has nothing of it.
        assert_eq!(whole(&app, &team.cleo).await.len(), 1);
    }
);

on_both!(
    what_a_client_belongs_to_is_shown_as_far_as_it_is_seen,
    async |app: App| {
        let team = app.team().await;
        let branch = app.client_of(&team.ann, "Branch").await;
        let head = app.client_of(&team.ben, "Headquarters").await;
        let other = app.client_of(&team.ben, "Another of Ben's").await;
        let belongs = json!({ "id": branch, "version": 1, "profile": { "parentId": head } });
        act(
            &app,
            &team.left,
            "clientUpdate",
            "ClientUpdateInput",
            belongs,
            "client { id }",
        )
        .await;
        let mut phones: Vec<Phone> = [&team.ann, &team.ben, &team.left, &team.cleo]
            .into_iter()
            .map(|who| Phone::of(who, 50))
            .collect();
        let mut rx = Rx::of(&team.ann, "CLIENTS");
        for phone in &mut phones {
            phone.pull(&app).await;
        }
        rx.pull(&app, 5).await;
        let parent = |held: &Held| held[&branch]["parentId"].clone();
        assert_eq!(
            (parent(&phones[0].held), parent(&phones[2].held)),
            (Value::Null, json!(head))
        );
        // Handed over, shared and taken back: whoever has the branch has the same of it as a fresh phone.
        for step in 0..4 {
            match step {
                0 => hand_over(&app, &team.left, &head, &team.ann).await,
                1 => hand_over(&app, &team.left, &head, &team.ben).await,
                2 => share(&app, &head, &team.ann, &team.ben).await,
                _ => {
                    app.server().clock.advance(TimeDelta::minutes(61));
                    clientele::jobs::sync::sweep(&app.server().database)
                        .await
                        .unwrap();
                }
            }
            for phone in &mut phones {
                phone.pull(&app).await;
                assert_eq!(phone.held, whole(&app, &phone.who).await, "step {step}");
            }
            rx.pull(&app, 5).await;
            let seen = if step % 2 == 0 {
                json!(head)
            } else {
                Value::Null
            };
            assert_eq!(
                (parent(&phones[0].held), parent(&rx.held)),
                (seen.clone(), seen),
                "step {step}"
            );
        }
        assert!(!phones[0].held.contains_key(&other) && phones[3].held.len() == 1);
    }
);
