//! Account teams and shares: who sees a client beside its owner, until when, and who decides that.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entity::UserRole;
use serde_json::{Value, json};

use crate::support::people::Person;
use crate::support::{Answer, App};

const TEAM: &str = "query($id: ID!) { client(id: $id) { team { id role expiresAt note version user { name } grantedBy { name } } } }";
const ADD: &str = "mutation($input: ClientMemberAddInput!) { clientMemberAdd(input: $input) { client { id } member { id role version expiresAt note user { id } grantedBy { id } } } }";
const UPDATE: &str = "mutation($input: ClientMemberUpdateInput!) { clientMemberUpdate(input: $input) { client { id } member { role version expiresAt note } } }";
const REMOVE: &str = "mutation($input: ClientMemberRemoveInput!) { clientMemberRemove(input: $input) { client { id } } }";
const SHARE: &str = "mutation($input: ClientShareInput!) { clientShare(input: $input) { client { id } members { id role expiresAt user { name } } } }";

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn after(app: &App, time: TimeDelta) -> String {
    instant(app.server().clock.now() + time)
}

async fn sees(app: &App, person: &Person, client: &str) -> bool {
    let query = "query($id: ID!) { client(id: $id) { id } clients { totalCount nodes { id } } }";
    let answer = app
        .gql(&app.token(person), query, json!({ "id": client }))
        .await
        .ok();
    let listed = answer
        .list("/clients/nodes")
        .iter()
        .any(|node| node["id"] == client);
    assert_eq!(listed, answer.data("/client").is_object());
    listed
}

fn add(client: &str, person: &Person, more: &Value) -> Value {
    let mut input = json!({ "clientId": client, "userId": person.id() });
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    json!({ "input": input })
}

fn names(answer: &Answer) -> Vec<&str> {
    answer
        .list("/client/team")
        .iter()
        .map(|member| member["user"]["name"].as_str().unwrap())
        .collect()
}

on_both!(an_owner_builds_a_team, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Shared").await;
    let own = app.client_of(&team.cleo, "Cleo's own").await;
    assert!(!sees(&app, &team.cleo, &client).await);
    let input = add(
        &client,
        &team.cleo,
        &json!({ "role": "SPECIALIST", "note": "Knows the machines" }),
    );
    let added = app.gql(&team.ann.token, ADD, input).await.ok();
    assert_eq!(
        added.text("/clientMemberAdd/member/grantedBy/id"),
        team.ann.id()
    );
    assert!(sees(&app, &team.cleo, &client).await);
    assert!(sees(&app, &team.cleo, &own).await);
    assert!(
        sees(&app, &team.right, &client).await,
        "who is above a member sees it too"
    );
    assert!(!sees(&app, &team.ben, &client).await);
    assert!(!sees(&app, &team.ann, &own).await);
    let answer = app
        .gql(&team.cleo.token, TEAM, json!({ "id": client }))
        .await
        .ok();
    assert_eq!(names(&answer), ["Ann", "Cleo"]);
    let owner = answer.data("/client/team/0");
    assert_eq!(owner["role"], "OWNER");
    assert_eq!(owner["id"], Value::Null);
    assert_eq!(owner["grantedBy"], Value::Null);
    let member = answer.data("/client/team/1");
    assert_eq!(member["role"], "SPECIALIST");
    assert_eq!(member["note"], "Knows the machines");
    assert_eq!(member["grantedBy"]["name"], "Ann");
});

on_both!(
    a_member_serves_the_client_but_does_not_decide_over_it,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Shared").await;
        let added = app
            .gql(
                &team.ann.token,
                ADD,
                add(&client, &team.cleo, &json!({ "role": "RESIDENT" })),
            )
            .await
            .ok();
        let id = added.text("/clientMemberAdd/member/id");
        let change = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { name } } }";
        let input = json!({ "input": { "id": client, "version": 1, "profile": { "phone": "604 555 4729" } } });
        app.gql(&team.cleo.token, change, input).await.ok();
        // Right sees the client through Cleo, but is not above Ann.
        for person in [&team.cleo, &team.right] {
            let answer = app
                .gql(&person.token, ADD, add(&client, &team.ben, &json!({})))
                .await;
            assert_eq!(answer.code(0), "FORBIDDEN");
            assert_eq!(answer.rule(), "members.not_owner");
            let share = json!({ "input": { "clientId": client, "userIds": [team.ben.id()], "expiresAt": after(&app, TimeDelta::days(1)) } });
            let answer = app.gql(&person.token, SHARE, share).await;
            assert_eq!(answer.rule(), "members.not_owner");
            let update = json!({ "input": { "id": id, "version": 1, "role": "SPECIALIST" } });
            let answer = app.gql(&person.token, UPDATE, update).await;
            assert_eq!(answer.rule(), "members.not_owner");
            let remove = json!({ "input": { "id": id, "version": 1 } });
            let answer = app.gql(&person.token, REMOVE, remove).await;
            assert_eq!(answer.rule(), "members.not_owner");
        }
        // Who does not see the client at all learns nothing.
        let answer = app
            .gql(&team.ben.token, ADD, add(&client, &team.ben, &json!({})))
            .await;
        assert_eq!(answer.code(0), "NOT_FOUND");
        let remove = json!({ "input": { "id": id, "version": 1 } });
        let answer = app.gql(&team.ben.token, REMOVE, remove).await;
        assert_eq!(answer.code(0), "NOT_FOUND");
        // Those above the owner and administrators decide.
        for (at, person) in [&team.left, &team.top, &team.admin].into_iter().enumerate() {
            let update = json!({ "input": { "id": id, "version": at + 1, "note": person.name } });
            let answer = app.gql(&person.token, UPDATE, update).await.ok();
            assert_eq!(answer.text("/clientMemberUpdate/member/note"), person.name);
        }
    }
);

on_both!(joining_a_team_has_rules, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Shared").await;
    let gone = app.person("Gone", UserRole::Rep, Some(&team.right)).await;
    let leave =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let input = json!({ "input": { "id": gone.id(), "version": 1 } });
    app.gql(&team.admin.token, leave, input).await.ok();
    let token = &team.ann.token;
    for (person, more, code, rule) in [
        (
            &team.cleo,
            json!({ "role": "OWNER" }),
            "RULE_VIOLATED",
            Some("members.owner_role"),
        ),
        (
            &team.ann,
            json!({}),
            "RULE_VIOLATED",
            Some("members.is_owner"),
        ),
        (&gone, json!({}), "RULE_VIOLATED", Some("users.deactivated")),
        (
            &team.cleo,
            json!({ "expiresAt": after(&app, TimeDelta::seconds(-1)) }),
            "BAD_USER_INPUT",
            None,
        ),
        (
            &team.cleo,
            json!({ "note": "x".repeat(501) }),
            "BAD_USER_INPUT",
            None,
        ),
        (
            &team.cleo,
            json!({ "userId": format!("user_{}", uuid::Uuid::now_v7()) }),
            "NOT_FOUND",
            None,
        ),
    ] {
        let answer = app.gql(token, ADD, add(&client, person, &more)).await;
        assert_eq!(answer.code(0), code, "{more}");
        if let Some(rule) = rule {
            assert_eq!(answer.rule(), rule);
        }
    }
    let chosen = format!("client_member_{}", uuid::Uuid::now_v7());
    let input = add(
        &client,
        &team.cleo,
        &json!({ "id": chosen, "role": "RESIDENT" }),
    );
    for _ in 0..2 {
        let answer = app.gql(token, ADD, input.clone()).await.ok();
        assert_eq!(answer.text("/clientMemberAdd/member/id"), chosen);
        assert_eq!(*answer.data("/clientMemberAdd/member/version"), json!(1));
    }
    let answer = app
        .gql(token, ADD, add(&client, &team.cleo, &json!({})))
        .await;
    assert_eq!(answer.rule(), "members.already_member");
    let other = add(&client, &team.ben, &json!({ "id": chosen }));
    assert_eq!(app.gql(token, ADD, other).await.code(0), "CONFLICT");
    let archive =
        "mutation($input: ClientVersionInput!) { clientArchive(input: $input) { client { id } } }";
    let input = json!({ "input": { "id": client, "version": 1 } });
    app.gql(token, archive, input).await.ok();
    let answer = app
        .gql(token, ADD, add(&client, &team.ben, &json!({})))
        .await;
    assert_eq!(answer.rule(), "clients.archived");
});

on_both!(
    a_place_is_changed_once_per_version_and_cleared,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Shared").await;
        let added = app
            .gql(
                &team.ann.token,
                ADD,
                add(
                    &client,
                    &team.cleo,
                    &json!({ "role": "RESIDENT", "note": "a" }),
                ),
            )
            .await
            .ok();
        let id = added.text("/clientMemberAdd/member/id");
        let change = |version: i32, changes: Value| {
            let mut input = json!({ "id": id, "version": version });
            for (key, value) in changes.as_object().unwrap() {
                input[key] = value.clone();
            }
            json!({ "input": input })
        };
        let answer = app
            .gql(&team.ann.token, UPDATE, change(1, json!({ "role": null })))
            .await
            .ok();
        assert_eq!(*answer.data("/clientMemberUpdate/member/role"), Value::Null);
        assert_eq!(answer.text("/clientMemberUpdate/member/note"), "a");
        let stale = app
            .gql(
                &team.ann.token,
                UPDATE,
                change(1, json!({ "role": "SPECIALIST" })),
            )
            .await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        let owner = app
            .gql(
                &team.ann.token,
                UPDATE,
                change(2, json!({ "role": "OWNER" })),
            )
            .await;
        assert_eq!(owner.rule(), "members.owner_role");
        let past = json!({ "expiresAt": after(&app, TimeDelta::zero()) });
        let answer = app.gql(&team.ann.token, UPDATE, change(2, past)).await;
        assert_eq!(answer.fields(), ["input.expiresAt"]);
        let stale = app.gql(&team.ann.token, REMOVE, change(1, json!({}))).await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        assert!(sees(&app, &team.cleo, &client).await);
        app.gql(&team.ann.token, REMOVE, change(2, json!({})))
            .await
            .ok();
        assert!(!sees(&app, &team.cleo, &client).await);
        let again = app.gql(&team.ann.token, REMOVE, change(2, json!({}))).await;
        assert_eq!(again.code(0), "NOT_FOUND");
    }
);

on_both!(a_share_ends_by_itself, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Shared").await;
    let share = |days: i64| json!({ "input": { "clientId": client, "userIds": [team.cleo.id(), team.ben.id(), team.cleo.id()], "expiresAt": after(&app, TimeDelta::days(days)), "note": "Holiday" } });
    let answer = app.gql(&team.ann.token, SHARE, share(7)).await.ok();
    assert_eq!(answer.list("/clientShare/members").len(), 2);
    assert_eq!(*answer.data("/clientShare/members/0/role"), Value::Null);
    for person in [&team.cleo, &team.ben, &team.right] {
        assert!(sees(&app, person, &client).await);
    }
    app.server().clock.advance(TimeDelta::days(6));
    assert!(sees(&app, &team.cleo, &client).await);
    app.server().clock.advance(TimeDelta::days(1));
    for person in [&team.cleo, &team.ben, &team.right] {
        assert!(!sees(&app, person, &client).await, "{}", person.name);
    }
    assert!(sees(&app, &team.ann, &client).await);
    let ann = app.token(&team.ann);
    let answer = app.gql(&ann, TEAM, json!({ "id": client })).await.ok();
    assert_eq!(names(&answer), ["Ann"]);
    // The same people can be let in again, and longer.
    app.gql(&ann, SHARE, share(2)).await.ok();
    app.gql(&ann, SHARE, share(4)).await.ok();
    app.server().clock.advance(TimeDelta::days(3));
    assert!(sees(&app, &team.cleo, &client).await);
    let ann = app.token(&team.ann);
    let answer = app.gql(&ann, TEAM, json!({ "id": client })).await.ok();
    assert_eq!(names(&answer).len(), 3);
});

on_both!(a_share_has_bounds, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Shared").await;
    let share = |users: Vec<String>, expires_at: String| json!({ "input": { "clientId": client, "userIds": users, "expiresAt": expires_at } });
    let soon = after(&app, TimeDelta::days(1));
    let token = &team.ann.token;
    for expires_at in [
        after(&app, TimeDelta::seconds(-1)),
        after(&app, TimeDelta::days(367)),
    ] {
        let answer = app
            .gql(token, SHARE, share(vec![team.cleo.id()], expires_at))
            .await;
        assert_eq!(answer.fields(), ["input.expiresAt"]);
    }
    let many = (0..21)
        .map(|_| format!("user_{}", uuid::Uuid::now_v7()))
        .collect();
    for users in [vec![], many] {
        let answer = app.gql(token, SHARE, share(users, soon.clone())).await;
        assert_eq!(answer.fields(), ["input.userIds"]);
    }
    let answer = app
        .gql(token, SHARE, share(vec![team.ann.id()], soon.clone()))
        .await;
    assert_eq!(answer.rule(), "members.is_owner");
    app.gql(
        token,
        ADD,
        add(&client, &team.cleo, &json!({ "role": "SPECIALIST" })),
    )
    .await
    .ok();
    let both = share(vec![team.ben.id(), team.cleo.id()], soon.clone());
    let answer = app.gql(token, SHARE, both).await;
    assert_eq!(answer.rule(), "members.already_member");
    assert!(
        !sees(&app, &team.ben, &client).await,
        "all of it is kept, or nothing"
    );
    let answer = app
        .gql(&team.ben.token, SHARE, share(vec![team.ben.id()], soon))
        .await;
    assert_eq!(answer.code(0), "NOT_FOUND");
});

on_both!(a_team_has_an_end, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Shared").await;
    for at in 0..50 {
        let person = app
            .person(&format!("Member {at}"), UserRole::Rep, Some(&team.right))
            .await;
        let more =
            json!({ "expiresAt": after(&app, TimeDelta::days(if at == 0 { 1 } else { 9 })) });
        app.gql(&team.ann.token, ADD, add(&client, &person, &more))
            .await
            .ok();
    }
    let input = add(&client, &team.ben, &json!({}));
    let answer = app.gql(&team.ann.token, ADD, input.clone()).await;
    assert_eq!(answer.rule(), "members.team_full");
    app.server().clock.advance(TimeDelta::days(2));
    app.gql(&app.token(&team.ann), ADD, input).await.ok();
    assert!(sees(&app, &team.ben, &client).await);
});

on_both!(a_team_costs_the_same_for_many_clients, async |app: App| {
    let team = app.team().await;
    for at in 0..6 {
        let client = app.client_of(&team.ann, &format!("Client {at}")).await;
        for person in [&team.cleo, &team.ben] {
            app.gql(&team.ann.token, ADD, add(&client, person, &json!({})))
                .await
                .ok();
        }
    }
    let query = "query($first: Int) { clients(first: $first) { nodes { owner { name } team { role user { name } grantedBy { name } } handovers { toUser { name } } } } }";
    let few = app
        .gql(&team.ann.token, query, json!({ "first": 2 }))
        .await
        .ok();
    let many = app
        .gql(&team.ann.token, query, json!({ "first": 6 }))
        .await
        .ok();
    assert_eq!(many.list("/clients/nodes").len(), 6);
    assert_eq!(few.statements(), many.statements());
});

on_both!(
    who_joins_again_has_the_id_that_was_chosen,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Shared").await;
        let chosen = |at: &str| format!("client_member_{}", uuid::Uuid::parse_str(at).unwrap());
        let (first, second) = (
            chosen("0192f4c0-7c3e-7d54-9b43-000000000001"),
            chosen("0192f4c0-7c3e-7d54-9b43-000000000002"),
        );
        let soon = after(&app, TimeDelta::days(1));
        let input = add(
            &client,
            &team.cleo,
            &json!({ "id": first, "expiresAt": soon }),
        );
        let answer = app.gql(&team.ann.token, ADD, input).await.ok();
        assert_eq!(answer.text("/clientMemberAdd/member/id"), first);
        app.server().clock.advance(TimeDelta::days(2));
        let ann = app.token(&team.ann);
        let input = add(
            &client,
            &team.cleo,
            &json!({ "id": second, "role": "SPECIALIST" }),
        );
        for _ in 0..2 {
            let answer = app.gql(&ann, ADD, input.clone()).await.ok();
            assert_eq!(answer.text("/clientMemberAdd/member/id"), second);
            assert_eq!(*answer.data("/clientMemberAdd/member/version"), json!(1));
        }
        let answer = app.gql(&ann, TEAM, json!({ "id": client })).await.ok();
        assert_eq!(names(&answer), ["Ann", "Cleo"]);
        assert_eq!(answer.text("/client/team/1/id"), second);
        assert!(sees(&app, &team.cleo, &client).await);
        assert!(!sees(&app, &team.ben, &client).await);
    }
);
