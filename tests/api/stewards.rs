//! Seeing a client is not deciding over it: that is for its owner, those above the owner, and administrators.

use serde_json::json;

use crate::orders::mutate;
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

on_both!(
    a_manager_through_a_share_sells_as_a_rep_does,
    async |app: App| {
        let shop = crate::orders::shop(&app).await;
        let team = &shop.team;
        let ends = app.server().clock.now() + chrono::TimeDelta::days(3);
        let share =
            json!({ "clientId": shop.client, "userIds": [team.cleo.id()], "expiresAt": ends });
        let _ = app
            .gql(&team.ann.token, SHARE, json!({ "input": share }))
            .await
            .ok();
        let order = |price: Option<&str>, discount: i32| {
            let mut line = json!({ "productId": shop.chai, "quantity": 1, "discountBp": discount });
            if let Some(price) = price {
                line["unitPrice"] = json!({ "amount": price, "currency": "EUR" });
            }
            json!({ "clientId": shop.client, "submit": true, "lines": [line] })
        };
        for (who, decides) in [
            (&team.right, false),
            (&team.cleo, false),
            (&team.left, true),
            (&team.admin, true),
        ] {
            let priced = mutate(&app, who, "orderCreate", order(Some("9.00"), 0)).await;
            let large = mutate(&app, who, "orderCreate", order(None, 3_001))
                .await
                .ok();
            let reasons = large.data("/orderCreate/order/approvalReasons");
            if decides {
                let _ = priced.ok();
                assert_eq!(*reasons, json!([]), "{}", who.name);
            } else {
                assert_eq!(priced.code(0), "FORBIDDEN", "{}", who.name);
                assert_eq!(priced.fields(), ["input.lines.0.unitPrice"]);
                assert_eq!(*reasons, json!(["DISCOUNT"]), "{}", who.name);
            }
            // The list price in so many words is no price of one's own.
            let _ = mutate(&app, who, "orderCreate", order(Some("10.00"), 0))
                .await
                .ok();
        }
        // A draft with a large discount waits too when such a manager submits it.
        let mut draft = order(None, 3_001);
        draft["submit"] = json!(false);
        let draft = mutate(&app, &team.ann, "orderCreate", draft).await.ok();
        let seen = json!({ "id": draft.text("/orderCreate/order/id"), "version": 1 });
        let submitted = mutate(&app, &team.right, "orderSubmit", seen).await.ok();
        assert_eq!(submitted.text("/orderSubmit/order/status"), "SUBMITTED");
    }
);
