//! Clients change hands while phones are away, or in the middle of a pull.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Phone, Rx, act, contact, hand_over, note, put_away, whole};
use crate::support::App;

on_both!(who_loses_a_client_loses_it_whole, async |app: App| {
    let team = app.team().await;
    let mut clients = Vec::new();
    for number in 0..4 {
        let client = app.client_of(&team.ann, &format!("Client {number}")).await;
        for name in ["Maria", "Thomas"] {
            contact(&app, &team.ann, &client, name).await;
        }
        note(&app, &team.ann, &client, "something").await;
        clients.push(client);
    }
    let (mut ann, mut ben) = (Phone::of(&team.ann, 2), Phone::of(&team.ben, 3));
    let mut left = Phone::of(&team.left, 5);
    for phone in [&mut ann, &mut ben, &mut left] {
        phone.pull(&app).await;
    }
    assert_eq!((ann.ids("client").len(), ben.ids("client").len()), (4, 0));
    let mut rx = Rx::of(&team.ann, "CONTACTS");
    rx.pull(&app, 3).await;
    let before = left.held.clone();
    for client in &clients[..2] {
        hand_over(&app, &team.left, client, &team.ben).await;
    }
    for phone in [&mut ann, &mut ben, &mut left] {
        phone.events.clear();
        phone.gone.clear();
        phone.pull(&app).await;
    }
    let moved: BTreeSet<String> = clients[..2].iter().cloned().collect();
    let told = |phone: &Phone, kind: &str| -> BTreeSet<String> {
        let of_kind = phone.events.iter().filter(|(what, _)| what == kind);
        of_kind.map(|(_, client)| client.clone()).collect()
    };
    assert_eq!(
        (told(&ann, "LEFT"), told(&ann, "ENTERED")),
        (moved.clone(), BTreeSet::new())
    );
    assert_eq!(
        (told(&ben, "ENTERED"), told(&ben, "LEFT")),
        (moved.clone(), BTreeSet::new())
    );
    assert_eq!(ann.gone.len(), 8);
    assert!(
        ann.gone.iter().all(|(_, why)| why == "SCOPE_LEFT"),
        "{:?}",
        ann.gone
    );
    assert_eq!((ann.held.len(), ben.held.len()), (9, 9));
    // Their manager keeps them, and is told who answers for them now.
    assert!(left.events.is_empty() && left.gone.is_empty());
    let changed = left
        .held
        .iter()
        .filter(|(id, now)| before.get(*id) != Some(*now));
    assert_eq!(changed.count(), 2);
    rx.pull(&app, 3).await;
    assert_eq!(rx.held.len(), 4);
    for phone in [&ann, &ben, &left] {
        assert_eq!(phone.held, whole(&app, &phone.who).await);
    }
});

on_both!(
    a_client_that_goes_in_the_middle_of_a_pull_is_gone_in_the_end,
    async |app: App| {
        let team = app.team().await;
        let mut clients = Vec::new();
        for number in 0..3 {
            let client = app.client_of(&team.ann, &format!("Client {number}")).await;
            for name in ["Maria", "Thomas", "Yang"] {
                contact(&app, &team.ann, &client, name).await;
            }
            clients.push(client);
        }
        for gone in &clients {
            // It goes after each number of pages.
            for pages in 1..6 {
                let mut ann = Phone::of(&team.ann, 2);
                let mut rx = Rx::of(&team.ann, "CONTACTS");
                rx.pull(&app, 2).await;
                for _ in 0..pages {
                    assert!(ann.page(&app).await);
                }
                hand_over(&app, &team.left, gone, &team.ben).await;
                // No document of it comes any more.
                let before = ann.held.clone();
                while ann.page(&app).await {}
                let fresh = ann.held.iter().filter(|(id, _)| !before.contains_key(*id));
                for (id, document) in fresh {
                    assert!(
                        id != gone && document["clientId"] != json!(gone),
                        "{document}"
                    );
                }
                ann.pull(&app).await;
                rx.pull(&app, 2).await;
                assert_eq!(ann.held, whole(&app, &team.ann).await, "{pages} pages");
                assert_eq!(ann.ids("contact"), rx.held.keys().cloned().collect());
                assert_eq!(rx.held.len(), 6);
                // And back again.
                hand_over(&app, &team.left, gone, &team.ann).await;
                ann.pull(&app).await;
                assert_eq!(ann.held, whole(&app, &team.ann).await);
            }
        }
    }
);

on_both!(
    what_was_put_away_while_others_had_it_does_not_stay,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        let thomas = contact(&app, &team.ann, &client, "Thomas").await;
        let mut ann = Phone::of(&team.ann, 2);
        let mut rx = Rx::of(&team.ann, "CONTACTS");
        ann.pull(&app).await;
        rx.pull(&app, 1).await;
        assert_eq!(
            ann.ids("contact"),
            BTreeSet::from([maria.clone(), thomas.clone()])
        );
        // To Ben and back, before her phone comes again.
        hand_over(&app, &team.left, &client, &team.ben).await;
        put_away(&app, &team.ben, &maria, 1).await;
        let yang = contact(&app, &team.ben, &client, "Yang").await;
        hand_over(&app, &team.left, &client, &team.ann).await;
        ann.pull(&app).await;
        rx.pull(&app, 1).await;
        let expected = BTreeSet::from([thomas, yang]);
        assert_eq!(ann.ids("contact"), expected);
        assert_eq!(rx.held.keys().cloned().collect::<BTreeSet<_>>(), expected);
        assert!(ann.gone.contains(&(maria, "DELETED".to_owned())));
        assert_eq!(ann.held, whole(&app, &team.ann).await);
        assert_eq!(whole(&app, &team.ben).await.len(), 1);
    }
);

on_both!(
    guests_hold_no_secrets_until_they_answer_for_the_client,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        let share = json!({ "clientId": client, "userId": team.ben.id() });
        act(
            &app,
            &team.ann,
            "clientMemberAdd",
            "ClientMemberAddInput",
            share,
            "__typename",
        )
        .await;
        let (mut ann, mut ben) = (Phone::of(&team.ann, 100), Phone::of(&team.ben, 100));
        ann.pull(&app).await;
        ben.pull(&app).await;
        let likes = |phone: &Phone| phone.held[&maria]["likes"].clone();
        assert_eq!((likes(&ann), likes(&ben)), (json!("tea"), json!(null)));
        // The contact itself is not written, and yet other facts of it are Ben's to know.
        hand_over(&app, &team.left, &client, &team.ben).await;
        ben.pull(&app).await;
        assert_eq!(likes(&ben), json!("tea"));
        // What administrators decide on what is confidential reaches phones, too.
        let policy = json!({ "group": "PERSONAL", "audience": "ADMINS" });
        act(
            &app,
            &team.admin,
            "confidentialitySet",
            "ConfidentialitySetInput",
            policy,
            "__typename",
        )
        .await;
        ben.pull(&app).await;
        assert_eq!(likes(&ben), json!(null));
        assert_eq!(ben.held, whole(&app, &team.ben).await);
    }
);

on_both!(
    what_died_before_somebody_came_is_not_told_to_them,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Alfreds").await;
        let maria = contact(&app, &team.ann, &client, "Maria").await;
        let thomas = contact(&app, &team.ann, &client, "Thomas").await;
        let bens = app.client_of(&team.ben, "Ben's").await;
        let own = contact(&app, &team.ben, &bens, "Howard").await;
        let mut ben = Phone::of(&team.ben, 50);
        let mut rx = Rx::of(&team.ben, "CONTACTS");
        ben.pull(&app).await;
        rx.pull(&app, 50).await;
        put_away(&app, &team.ann, &maria, 1).await;
        hand_over(&app, &team.left, &client, &team.ben).await;
        // Not even the id of what he never saw.
        let page = rx.ask(&app, 50).await.ok();
        let told = page.list("/page/documents").iter();
        let told: BTreeSet<&str> = told.map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(told, BTreeSet::from([thomas.as_str()]));
        ben.pull(&app).await;
        assert!(ben.gone.is_empty(), "{:?}", ben.gone);
        assert_eq!(ben.ids("contact"), BTreeSet::from([thomas, own]));
        assert_eq!(ben.held, whole(&app, &team.ben).await);
    }
);
