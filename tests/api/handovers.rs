//! Hand-overs: some clients or a whole book change their owner, within the reach of whoever does it.

use chrono::{SecondsFormat, TimeDelta};
use clientele::domain::handovers::{self, Book, NewHandover};
use clientele::domain::text;
use entity::{ClientId, ClientKind, Lifecycle, PartyClass, client};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use serde_json::{Value, json};

use crate::support::people::Person;
use crate::support::{Answer, App};

const MAKE: &str = "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount handover { id note clientCount createdAt madeBy { name } toUser { name } } } }";
const PREVIEW: &str = "query($ids: [ID!], $from: ID, $to: ID!) { handoverPreview(clientIds: $ids, fromUserId: $from, toUserId: $to) { clientCount openOrderCount receivables { amount currency } clients { name } problems { kind message } } }";
const HISTORY: &str = "query($id: ID!) { client(id: $id) { version owner { name } team { user { name } expiresAt } handovers { fromUser { name } toUser { name } handover { note clientCount madeBy { name } } } } }";

async fn names(app: &App, person: &Person) -> Vec<String> {
    let answer = app
        .gql(
            &app.token(person),
            "{ clients { nodes { name } } }",
            json!({}),
        )
        .await
        .ok();
    answer
        .list("/clients/nodes")
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

fn some(ids: &[&String], to: &Person) -> Value {
    json!({ "input": { "clientIds": ids, "toUserId": to.id(), "note": "Likes tea" } })
}

fn all_of(from: &Person, to: &Person) -> Value {
    json!({ "input": { "fromUserId": from.id(), "toUserId": to.id() } })
}

fn problems(answer: &Answer) -> Vec<&str> {
    answer
        .list("/handoverPreview/problems")
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect()
}

on_both!(a_manager_hands_over_within_the_team, async |app: App| {
    let team = app.team().await;
    let one = app.client_of(&team.ann, "One").await;
    let two = app.client_of(&team.ann, "Two").await;
    app.client_of(&team.ann, "Three").await;
    let answer = app
        .gql(&team.left.token, MAKE, some(&[&one, &two, &one], &team.ben))
        .await
        .ok();
    assert_eq!(*answer.data("/clientHandOver/clientCount"), json!(2));
    assert_eq!(
        *answer.data("/clientHandOver/handover/clientCount"),
        json!(2)
    );
    assert_eq!(answer.text("/clientHandOver/handover/madeBy/name"), "Left");
    assert_eq!(names(&app, &team.ann).await, ["Three"]);
    assert_eq!(names(&app, &team.ben).await, ["One", "Two"]);
    assert_eq!(names(&app, &team.left).await.len(), 3);
    let history = app
        .gql(&team.ben.token, HISTORY, json!({ "id": one }))
        .await
        .ok();
    assert_eq!(*history.data("/client/version"), json!(2));
    assert_eq!(history.text("/client/owner/name"), "Ben");
    let part = history.data("/client/handovers/0");
    assert_eq!(part["fromUser"]["name"], "Ann");
    assert_eq!(part["toUser"]["name"], "Ben");
    assert_eq!(part["handover"]["note"], "Likes tea");
    let made = answer.text("/clientHandOver/handover/id");
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for (person, is_seen) in [
        (&team.ben, true),
        (&team.left, true),
        (&team.ann, false),
        (&team.cleo, false),
        (&team.right, false),
    ] {
        let answer = app
            .gql(&person.token, node, json!({ "id": made }))
            .await
            .ok();
        assert_eq!(answer.data("/node").is_object(), is_seen, "{}", person.name);
    }
    let stale =
        "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }";
    let input = json!({ "input": { "id": one, "version": 1, "name": "Other" } });
    let answer = app.gql(&team.ben.token, stale, input).await;
    assert_eq!(answer.code(0), "STALE_VERSION");
});

on_both!(reps_hand_nothing_over, async |app: App| {
    let team = app.team().await;
    let anns = app.client_of(&team.ann, "Ann's").await;
    for person in [&team.ann, &team.cleo] {
        let answer = app
            .gql(&person.token, MAKE, some(&[&anns], &team.ben))
            .await;
        assert_eq!(answer.code(0), "FORBIDDEN");
        let preview = json!({ "ids": [anns], "to": team.ben.id() });
        let answer = app.gql(&person.token, PREVIEW, preview).await;
        assert_eq!(answer.code(0), "FORBIDDEN");
    }
    assert_eq!(names(&app, &team.ann).await, ["Ann's"]);
});

on_both!(
    a_manager_reaches_no_further_than_the_team,
    async |app: App| {
        let team = app.team().await;
        let anns = app.client_of(&team.ann, "Ann's").await;
        let cleos = app.client_of(&team.cleo, "Cleo's").await;
        let token = &team.left.token;
        let outside = app.gql(token, MAKE, some(&[&anns], &team.cleo)).await;
        assert_eq!(outside.code(0), "FORBIDDEN");
        assert_eq!(outside.fields(), ["input.toUserId"]);
        let unseen = app
            .gql(token, MAKE, some(&[&anns, &cleos], &team.ben))
            .await;
        assert_eq!(unseen.code(0), "NOT_FOUND");
        let book = app.gql(token, MAKE, all_of(&team.cleo, &team.ben)).await;
        assert_eq!(book.code(0), "FORBIDDEN");
        assert_eq!(book.rule(), "handovers.not_owner");
        // Seen by a share to somebody of the team, and still not the team's to give away.
        let share =
            "mutation($input: ClientShareInput!) { clientShare(input: $input) { client { id } } }";
        let until = app.server().clock.now() + TimeDelta::days(3);
        let until = until.to_rfc3339_opts(SecondsFormat::Micros, true);
        let input = json!({ "input": { "clientId": cleos, "userIds": [team.ann.id()], "expiresAt": until } });
        app.gql(&team.cleo.token, share, input).await.ok();
        let shared = app.gql(token, MAKE, some(&[&cleos], &team.ben)).await;
        assert_eq!(shared.rule(), "handovers.not_owner");
        assert_eq!(names(&app, &team.cleo).await, ["Cleo's"]);
        // Whoever is above both may.
        app.gql(&team.top.token, MAKE, some(&[&anns, &cleos], &team.ben))
            .await
            .ok();
        assert_eq!(names(&app, &team.ben).await, ["Ann's", "Cleo's"]);
        app.gql(&team.admin.token, MAKE, all_of(&team.ben, &team.cleo))
            .await
            .ok();
        assert_eq!(names(&app, &team.cleo).await, ["Ann's", "Cleo's"]);
    }
);

on_both!(a_hand_over_says_what_it_wants, async |app: App| {
    let team = app.team().await;
    let anns = app.client_of(&team.ann, "Ann's").await;
    let token = &team.left.token;
    let many: Vec<String> = (0..501)
        .map(|_| format!("client_{}", uuid::Uuid::now_v7()))
        .collect();
    let later = |days: i64| {
        let at = app.server().clock.now() + TimeDelta::days(days);
        at.to_rfc3339_opts(SecondsFormat::Micros, true)
    };
    for input in [
        json!({ "toUserId": team.ben.id() }),
        json!({ "toUserId": team.ben.id(), "clientIds": [] }),
        json!({ "toUserId": team.ben.id(), "clientIds": many }),
        json!({ "toUserId": team.ben.id(), "clientIds": [anns], "fromUserId": team.ann.id() }),
        json!({ "toUserId": team.ben.id(), "clientIds": [anns], "note": "x".repeat(2_001) }),
        json!({ "toUserId": team.ben.id(), "clientIds": [anns], "keepFormerOwnerUntil": later(-1) }),
        json!({ "toUserId": team.ben.id(), "clientIds": [anns], "keepFormerOwnerUntil": later(367) }),
    ] {
        let answer = app.gql(token, MAKE, json!({ "input": input })).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT", "{answer}");
    }
    let nobody = json!({ "input": { "clientIds": [anns], "toUserId": format!("user_{}", uuid::Uuid::now_v7()) } });
    let answer = app.gql(token, MAKE, nobody).await;
    assert_eq!(answer.code(0), "NOT_FOUND");
    assert_eq!(answer.fields(), ["input.toUserId"]);
    for input in [some(&[&anns], &team.ann), all_of(&team.ben, &team.ann)] {
        let answer = app.gql(token, MAKE, input).await;
        assert_eq!(answer.rule(), "handovers.nothing_to_hand_over");
    }
    let leave =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let input = json!({ "input": { "id": team.ben.id(), "version": 1 } });
    app.gql(&team.admin.token, leave, input).await.ok();
    let answer = app.gql(token, MAKE, some(&[&anns], &team.ben)).await;
    assert_eq!(answer.rule(), "users.deactivated");
    let preview = json!({ "ids": [anns], "to": team.ben.id() });
    let answer = app.gql(token, PREVIEW, preview).await.ok();
    assert_eq!(problems(&answer), ["TARGET_DEACTIVATED"]);
    assert_eq!(names(&app, &team.ann).await, ["Ann's"]);
});

on_both!(the_former_owner_may_stay_for_a_time, async |app: App| {
    let team = app.team().await;
    let one = app.client_of(&team.ann, "One").await;
    let two = app.client_of(&team.ann, "Two").await;
    // Ben is on the team of one already; as its owner he is on it by that.
    let add = "mutation($input: ClientMemberAddInput!) { clientMemberAdd(input: $input) { member { id } } }";
    let input =
        json!({ "input": { "clientId": one, "userId": team.ben.id(), "role": "SPECIALIST" } });
    app.gql(&team.ann.token, add, input).await.ok();
    let until = app.server().clock.now() + TimeDelta::days(30);
    let until = until.to_rfc3339_opts(SecondsFormat::Micros, true);
    let input = json!({ "input": { "fromUserId": team.ann.id(), "toUserId": team.ben.id(), "keepFormerOwnerUntil": until } });
    app.gql(&team.left.token, MAKE, input).await.ok();
    for person in [&team.ann, &team.ben] {
        assert_eq!(names(&app, person).await, ["One", "Two"]);
    }
    for id in [&one, &two] {
        let answer = app
            .gql(&team.ben.token, HISTORY, json!({ "id": id }))
            .await
            .ok();
        let members: Vec<&str> = answer
            .list("/client/team")
            .iter()
            .map(|member| member["user"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(members, ["Ben", "Ann"]);
    }
    // And back again, and forth: the share is renewed.
    app.gql(&team.left.token, MAKE, all_of(&team.ben, &team.ann))
        .await
        .ok();
    assert_eq!(names(&app, &team.ann).await, ["One", "Two"]);
    assert!(names(&app, &team.ben).await.is_empty());
    app.server().clock.advance(TimeDelta::days(10));
    let until = app.server().clock.now() + TimeDelta::days(30);
    let until = until.to_rfc3339_opts(SecondsFormat::Micros, true);
    let input = json!({ "input": { "fromUserId": team.ann.id(), "toUserId": team.ben.id(), "keepFormerOwnerUntil": until } });
    app.gql(&app.token(&team.left), MAKE, input).await.ok();
    app.server().clock.advance(TimeDelta::days(25));
    assert_eq!(names(&app, &team.ann).await, ["One", "Two"]);
    app.server().clock.advance(TimeDelta::days(5));
    assert!(names(&app, &team.ann).await.is_empty());
    assert_eq!(names(&app, &team.ben).await, ["One", "Two"]);
    let history = app
        .gql(&app.token(&team.ben), HISTORY, json!({ "id": one }))
        .await
        .ok();
    let to: Vec<&str> = history
        .list("/client/handovers")
        .iter()
        .map(|part| part["toUser"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(to, ["Ben", "Ann", "Ben"]);
});

on_both!(a_preview_tells_what_would_happen, async |app: App| {
    let team = app.team().await;
    let mut ids = Vec::new();
    for at in 0..22 {
        ids.push(app.client_of(&team.ann, &format!("Client {at:02}")).await);
    }
    let cleos = app.client_of(&team.cleo, "Cleo's").await;
    let token = &team.left.token;
    let book = json!({ "from": team.ann.id(), "to": team.ben.id() });
    let answer = app.gql(token, PREVIEW, book.clone()).await.ok();
    assert_eq!(*answer.data("/handoverPreview/clientCount"), json!(22));
    assert_eq!(answer.list("/handoverPreview/clients").len(), 20);
    assert_eq!(answer.text("/handoverPreview/clients/0/name"), "Client 00");
    assert_eq!(*answer.data("/handoverPreview/openOrderCount"), json!(0));
    assert_eq!(
        *answer.data("/handoverPreview/receivables"),
        json!([{ "amount": "0.00", "currency": "EUR" }])
    );
    assert!(problems(&answer).is_empty());
    for (variables, expected) in [
        (
            json!({ "ids": [ids[0], cleos], "to": team.ben.id() }),
            vec!["CLIENTS_NOT_FOUND"],
        ),
        (
            json!({ "ids": [ids[0]], "to": team.cleo.id() }),
            vec!["TARGET_OUT_OF_REACH"],
        ),
        (
            json!({ "ids": [ids[0]], "to": team.ann.id() }),
            vec!["NOTHING_TO_HAND_OVER"],
        ),
        (
            json!({ "from": team.cleo.id(), "to": team.ben.id() }),
            vec!["CLIENTS_OUT_OF_REACH", "NOTHING_TO_HAND_OVER"],
        ),
    ] {
        let answer = app.gql(token, PREVIEW, variables).await.ok();
        assert_eq!(problems(&answer), expected);
    }
    let right = app.gql(&team.right.token, PREVIEW, book).await.ok();
    assert_eq!(*right.data("/handoverPreview/clientCount"), json!(0));
});

on_both!(
    the_book_of_a_leaver_of_five_thousand_changes_hands,
    async |app: App| {
        const CLIENTS: usize = 5_000;
        let team = app.team().await;
        app.client_of(&team.ben, "Ben's own").await;
        let (from, to) = (team.ann.id, team.ben.id);
        let system = app.server().database.as_system("a test of a large book");
        system
            .write(move |tx| async move {
                let rows = (0..CLIENTS)
                    .map(|at| {
                        let name = format!("Client {at:04}");
                        client::ActiveModel {
                            id: Set(tx.new_id::<ClientId>()),
                            kind: Set(ClientKind::Organization),
                            name_sort: Set(text::name_sort(&name)),
                            search_text: Set(String::new()),
                            name: Set(name),
                            owner_id: Set(Some(from)),
                            party_class: Set(PartyClass::EndCustomer),
                            lifecycle: Set(Lifecycle::Customer),
                            currency: Set("EUR".to_owned()),
                            version: Set(1),
                            created_at: Set(tx.now()),
                            updated_at: Set(tx.now()),
                            ..Default::default()
                        }
                    })
                    .collect();
                tx.insert_all::<client::Entity>(rows).await
            })
            .await
            .unwrap();
        let until = app.server().clock.now() + TimeDelta::days(14);
        let until = until.to_rfc3339_opts(SecondsFormat::Micros, true);
        let input = json!({ "input": { "fromUserId": from.to_string(), "toUserId": to.to_string(), "keepFormerOwnerUntil": until } });
        let answer = app.gql(&team.left.token, MAKE, input).await.ok();
        assert_eq!(*answer.data("/clientHandOver/clientCount"), json!(CLIENTS));
        assert!(answer.statements() < 25, "{}", answer.statements());
        let owned = system
            .select::<client::Entity>()
            .filter(client::Column::OwnerId.eq(to))
            .filter(client::Column::Version.eq(2))
            .count(10_000)
            .await
            .unwrap();
        assert_eq!(owned, 5_000);
        let count = "{ clients { totalCount } }";
        let anns = app.gql(&team.ann.token, count, json!({})).await.ok();
        assert_eq!(*anns.data("/clients/totalCount"), json!(5_000));
        let bens = app.gql(&team.ben.token, count, json!({})).await.ok();
        assert_eq!(*bens.data("/clients/totalCount"), json!(5_001));
        let back = NewHandover {
            book: Book::AllOf(to),
            to: from,
            note: None,
            keep_former_owner_until: None,
        };
        let (_, count) = system
            .write(move |tx| {
                let back = back.clone();
                async move { handovers::make(&tx, back).await }
            })
            .await
            .unwrap();
        assert_eq!(count, 5_001);
    }
);
