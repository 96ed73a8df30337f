//! Who changes what somebody else changed meanwhile hears what is there now.

use serde_json::{Value, json};

use crate::support::App;

const UPDATE: &str = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id version updatedAt } } }";

on_both!(
    a_stale_version_is_answered_with_the_present_row,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let change = |name: &str| json!({ "input": { "id": client, "version": 1, "name": name } });
        let made = app.gql(&team.left.token, UPDATE, change("B")).await.ok();
        let stale = app.gql(&team.ann.token, UPDATE, change("C")).await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        assert_eq!(*stale.extension(0, "presentVersion"), json!(2));
        let row = made.data("/clientUpdate/client");
        let expected = json!({ "id": client, "version": 2, "updatedAt": row["updatedAt"] });
        assert_eq!(*stale.extension(0, "present"), expected);
        // To whom the row is none of theirs it is not there.
        let other = app.gql(&team.ben.token, UPDATE, change("D")).await;
        assert_eq!(other.code(0), "NOT_FOUND");
        assert_eq!(*other.extension(0, "present"), Value::Null);
    }
);

on_both!(rules_that_look_first_say_it_alike, async |app: App| {
    let shop = crate::orders::shop(&app).await;
    let order = crate::orders::placed(&app, &shop, json!({})).await;
    let input = json!({ "id": order["id"], "version": 7 });
    let stale = crate::orders::mutate(&app, &shop.team.ann, "orderSubmit", input).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    let present = stale.extension(0, "present");
    assert_eq!(present["id"], order["id"]);
    assert_eq!(present["version"], 1);
    assert!(present["updatedAt"].as_str().unwrap().ends_with('Z'));
});
