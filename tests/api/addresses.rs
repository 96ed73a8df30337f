//! Addresses: where clients are, which one is primary, and whose they are.

use serde_json::{Value, json};

use crate::support::people::Person;
use crate::support::{Answer, App};

const FACTS: &str = "id version kind label street city region postalCode country isPrimary archivedAt \
    coordinates { latitude longitude } client { id }";

async fn create(app: &App, who: &Person, input: Value) -> Answer {
    let query = format!(
        "mutation($input: AddressCreateInput!) {{ addressCreate(input: $input) {{ address {{ {FACTS} }} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn update(app: &App, who: &Person, input: Value) -> Answer {
    let query = format!(
        "mutation($input: AddressUpdateInput!) {{ addressUpdate(input: $input) {{ address {{ {FACTS} }} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn put_away(app: &App, who: &Person, verb: &str, id: &str, version: i32) -> Answer {
    let query = format!(
        "mutation($input: AddressVersionInput!) {{ address{verb}(input: $input) {{ address {{ {FACTS} }} }} }}"
    );
    let input = json!({ "input": { "id": id, "version": version } });
    app.gql(&who.token, &query, input).await
}

async fn read(app: &App, who: &Person, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ address(id: $id) {{ {FACTS} }} }}");
    let answer = app.gql(&who.token, &query, json!({ "id": id })).await.ok();
    answer.data("/address").clone()
}

async fn in_city(app: &App, who: &Person, client: &str, city: &str, is_primary: bool) -> String {
    let input =
        json!({ "clientId": client, "kind": "OFFICE", "city": city, "isPrimary": is_primary });
    let answer = create(app, who, input).await.ok();
    answer.text("/addressCreate/address/id").to_owned()
}

on_both!(
    an_address_is_read_back_as_it_was_recorded,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let input = json!({ "clientId": client, "kind": "WAREHOUSE", "label": "North gate", "street": "23 Tsawassen Blvd.\nDock 4",
        "city": "Tsawassen", "region": "BC", "postalCode": "T2F 8M4", "country": "ca",
        "coordinates": { "latitude": 49.016_666_7, "longitude": -123.083_333_3 } });
        let answer = create(&app, &team.ann, input).await.ok();
        let id = answer.text("/addressCreate/address/id").to_owned();
        let address = read(&app, &team.left, &id).await;
        assert_eq!(address["country"], json!("CA"));
        assert_eq!(address["street"], json!("23 Tsawassen Blvd.\nDock 4"));
        assert_eq!(
            address["coordinates"],
            json!({ "latitude": 49.016_666_7, "longitude": -123.083_333_3 })
        );
        assert_eq!(address["isPrimary"], json!(false));
        assert_eq!(address["client"]["id"], json!(client));
        assert_eq!(read(&app, &team.ben, &id).await, Value::Null);
        let input =
            json!({ "id": id, "version": 1, "coordinates": null, "label": null, "kind": "SHOP" });
        let _ = update(&app, &team.ann, input).await.ok();
        let address = read(&app, &team.ann, &id).await;
        assert_eq!(address["coordinates"], Value::Null);
        assert_eq!(address["label"], Value::Null);
        assert_eq!(address["kind"], json!("SHOP"));
        assert_eq!(address["city"], json!("Tsawassen"));
    }
);

on_both!(
    what_an_address_says_is_checked_field_by_field,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        for (field, value, expected) in [
            ("label", json!("no place"), "input.street"),
            ("city", json!(" "), "input.street"),
            ("country", json!("XX"), "input.country"),
            (
                "coordinates",
                json!({ "latitude": 90.1, "longitude": 0 }),
                "input.coordinates.latitude",
            ),
            (
                "coordinates",
                json!({ "latitude": 0, "longitude": -180.5 }),
                "input.coordinates.longitude",
            ),
            ("postalCode", json!("1".repeat(21)), "input.postalCode"),
            ("isPrimary", Value::Null, "input.isPrimary"),
        ] {
            let mut input = json!({ "clientId": client, "kind": "HOME" });
            input[field] = value;
            let answer = create(&app, &team.ann, input).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{field}");
            assert_eq!(answer.fields(), [expected]);
        }
        let half =
            json!({ "clientId": client, "kind": "HOME", "coordinates": { "latitude": 1.0 } });
        assert!(!create(&app, &team.ann, half).await.errors().is_empty());
        let id = in_city(&app, &team.ann, &client, "Lyon", false).await;
        let emptied = update(
            &app,
            &team.ann,
            json!({ "id": id, "version": 1, "city": null }),
        )
        .await;
        assert_eq!(emptied.fields(), ["input.street"]);
        let foreign = json!({ "clientId": client, "kind": "HOME", "city": "Lyon" });
        assert_eq!(
            create(&app, &team.ben, foreign).await.fields(),
            ["input.clientId"]
        );
    }
);

on_both!(
    of_each_kind_one_address_is_primary_at_most,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let first = in_city(&app, &team.ann, &client, "Lyon", true).await;
        let home = json!({ "clientId": client, "kind": "HOME", "city": "Nice", "isPrimary": true });
        let home = create(&app, &team.ann, home).await.ok();
        let home = home.text("/addressCreate/address/id").to_owned();
        let second = in_city(&app, &team.ann, &client, "Lille", true).await;
        assert_eq!(
            read(&app, &team.ann, &first).await["isPrimary"],
            json!(false)
        );
        assert_eq!(read(&app, &team.ann, &home).await["isPrimary"], json!(true));
        // A primary address that changes its kind stays primary, and takes the place there.
        let moved = json!({ "id": home, "version": 1, "kind": "OFFICE" });
        let _ = update(&app, &team.ann, moved).await.ok();
        assert_eq!(
            read(&app, &team.ann, &second).await["isPrimary"],
            json!(false)
        );
        let _ = put_away(&app, &team.ann, "Archive", &home, 2).await.ok();
        assert_eq!(
            read(&app, &team.ann, &home).await["isPrimary"],
            json!(false)
        );
        let archived = json!({ "id": home, "version": 3, "isPrimary": true });
        assert_eq!(
            update(&app, &team.ann, archived).await.rule(),
            "addresses.archived"
        );
    }
);

on_both!(addresses_are_archived_and_restored, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let id = in_city(&app, &team.ann, &client, "Lyon", false).await;
    assert_eq!(
        put_away(&app, &team.ben, "Archive", &id, 1).await.code(0),
        "NOT_FOUND"
    );
    assert_eq!(
        put_away(&app, &team.ann, "Archive", &id, 9).await.code(0),
        "STALE_VERSION"
    );
    assert_eq!(
        put_away(&app, &team.ann, "Restore", &id, 1).await.rule(),
        "addresses.not_archived"
    );
    let _ = put_away(&app, &team.ann, "Archive", &id, 1).await.ok();
    assert_eq!(
        put_away(&app, &team.ann, "Archive", &id, 2).await.rule(),
        "addresses.already_archived"
    );
    let query = "query($archived: Archived) { clients { nodes { addresses(archived: $archived) { city } } } }";
    for (archived, expected) in [
        (Value::Null, 0),
        (json!("EXCLUDE"), 0),
        (json!("INCLUDE"), 1),
        (json!("ONLY"), 1),
    ] {
        let answer = app
            .gql(&team.ann.token, query, json!({ "archived": archived }))
            .await
            .ok();
        assert_eq!(answer.list("/clients/nodes/0/addresses").len(), expected);
    }
    let _ = put_away(&app, &team.ann, "Restore", &id, 2).await.ok();
    let stale = update(
        &app,
        &team.ann,
        json!({ "id": id, "version": 2, "city": "Nice" }),
    )
    .await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    let other = update(
        &app,
        &team.ben,
        json!({ "id": id, "version": 3, "city": "Nice" }),
    )
    .await;
    assert_eq!(other.code(0), "NOT_FOUND");
});

on_both!(
    a_client_has_50_addresses_in_use_at_most,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let first = in_city(&app, &team.ann, &client, "Lyon", false).await;
        for number in 1..50 {
            in_city(&app, &team.ann, &client, &format!("City {number}"), false).await;
        }
        let more = json!({ "clientId": client, "kind": "OFFICE", "city": "One more" });
        assert_eq!(
            create(&app, &team.ann, more.clone()).await.rule(),
            "addresses.too_many"
        );
        let _ = put_away(&app, &team.ann, "Archive", &first, 1).await.ok();
        let _ = create(&app, &team.ann, more).await.ok();
        assert_eq!(
            put_away(&app, &team.ann, "Restore", &first, 2).await.rule(),
            "addresses.too_many"
        );
    }
);

on_both!(
    the_same_address_sent_twice_is_recorded_once,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let id = format!("address_{}", uuid::Uuid::now_v7());
        let input = |city: &str| json!({ "id": id, "clientId": client, "kind": "HOME", "city": city, "isPrimary": true });
        for _ in 0..2 {
            let answer = create(&app, &team.ann, input("Lyon")).await.ok();
            assert_eq!(*answer.data("/addressCreate/address/version"), json!(1));
        }
        assert_eq!(
            create(&app, &team.ann, input("Nice")).await.code(0),
            "CONFLICT"
        );
    }
);

on_both!(
    addresses_of_many_clients_cost_as_much_as_of_one,
    async |app: App| {
        let team = app.team().await;
        let query = "{ clients { nodes { addresses { city isPrimary client { name } } } } }";
        let mut costs = Vec::new();
        for round in 0..3 {
            let client = app.client_of(&team.ann, &format!("Client {round}")).await;
            in_city(&app, &team.ann, &client, "Lyon", false).await;
            in_city(&app, &team.ann, &client, "Nice", true).await;
            let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
            let cities = answer.list(&format!("/clients/nodes/{round}/addresses"));
            assert_eq!(cities[0]["city"], json!("Nice"));
            assert_eq!(cities[1]["city"], json!("Lyon"));
            costs.push(answer.statements());
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    }
);
