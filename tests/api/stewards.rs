//! Seeing a client is not deciding over it: that is for its owner, those above the owner, and administrators.

use serde_json::json;

use crate::support::App;

const SHARE: &str =
    "mutation($input: ClientShareInput!) { clientShare(input: $input) { __typename } }";
const ARCHIVE: &str =
    "mutation($input: ClientVersionInput!) { clientArchive(input: $input) { client { version } } }";
const UPDATE: &str = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { version tags } } }";

on_both!(
    who_sees_a_client_through_a_share_decides_nothing_over_it,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Shared").await;
        let ends = app.server().clock.now() + chrono::TimeDelta::days(3);
        let share = json!({ "clientId": client, "userIds": [team.cleo.id()], "expiresAt": ends });
        let _ = app
            .gql(&team.ann.token, SHARE, json!({ "input": share }))
            .await
            .ok();
        // `right` sees it because `cleo`, who reports to them, does.
        let limit = json!({ "creditLimit": { "amount": "1.00", "currency": "EUR" } });
        let terms = json!({ "input": { "id": client, "version": 1, "profile": limit } });
        let answer = app.gql(&team.right.token, UPDATE, terms.clone()).await;
        assert_eq!(answer.code(0), "FORBIDDEN");
        let archive = json!({ "input": { "id": client, "version": 1 } });
        for who in [&team.cleo, &team.right] {
            let answer = app.gql(&who.token, ARCHIVE, archive.clone()).await;
            assert_eq!(answer.code(0), "FORBIDDEN", "{}", who.name);
            assert_eq!(answer.rule(), "clients.not_owner");
        }
        let answer = app.gql(&team.ben.token, ARCHIVE, archive.clone()).await;
        assert_eq!(answer.code(0), "NOT_FOUND");
        let _ = app.gql(&team.left.token, UPDATE, terms).await.ok();
        let archive = json!({ "input": { "id": client, "version": 2 } });
        let _ = app.gql(&team.ann.token, ARCHIVE, archive).await.ok();
    }
);

on_both!(
    a_late_repeat_of_a_create_changes_nothing,
    async |app: App| {
        let team = app.team().await;
        let id = format!("client_{}", uuid::Uuid::now_v7());
        let create = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { version tags } } }";
        let input = json!({ "input": { "id": id, "kind": "ORGANIZATION", "name": "A", "currency": "EUR",
            "profile": { "tags": ["first"] } } });
        let _ = app.gql(&team.ann.token, create, input.clone()).await.ok();
        let change =
            json!({ "input": { "id": id, "version": 1, "profile": { "tags": ["second"] } } });
        let _ = app.gql(&team.ann.token, UPDATE, change).await.ok();
        let answer = app.gql(&team.ann.token, create, input.clone()).await.ok();
        assert_eq!(*answer.data("/clientCreate/client/tags"), json!(["second"]));
        assert_eq!(*answer.data("/clientCreate/client/version"), json!(2));
        let stranger = app.gql(&team.ben.token, create, input).await;
        assert_eq!(stranger.code(0), "CONFLICT");
    }
);
