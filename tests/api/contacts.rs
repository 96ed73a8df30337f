//! Contacts: recording, finding, the key person, birthdays, and whose they are.

use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Value, json};

use crate::support::people::Person;
use crate::support::{Answer, App};

const FACTS: &str = "id version name title isKey roles gender birthday likes socialStatus archivedAt \
    points { kind value label isPreferred } client { id }";
const LIST: &str = "query($filter: ContactFilter, $order: ContactOrder, $first: Int, $after: String, $last: Int, $before: String) { \
    contacts(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { id name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn create(app: &App, who: &Person, input: Value) -> Answer {
    let query = format!(
        "mutation($input: ContactCreateInput!) {{ contactCreate(input: $input) {{ contact {{ {FACTS} }} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn update(app: &App, who: &Person, input: Value) -> Answer {
    let query = format!(
        "mutation($input: ContactUpdateInput!) {{ contactUpdate(input: $input) {{ contact {{ {FACTS} }} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn put_away(app: &App, who: &Person, verb: &str, id: &str, version: i32) -> Answer {
    let query = format!(
        "mutation($input: ContactVersionInput!) {{ contact{verb}(input: $input) {{ contact {{ {FACTS} }} }} }}"
    );
    let input = json!({ "input": { "id": id, "version": version } });
    app.gql(&who.token, &query, input).await
}

async fn read(app: &App, who: &Person, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ contact(id: $id) {{ {FACTS} }} }}");
    let answer = app.gql(&who.token, &query, json!({ "id": id })).await.ok();
    answer.data("/contact").clone()
}

async fn named(app: &App, who: &Person, client: &str, name: &str) -> String {
    let answer = create(app, who, json!({ "clientId": client, "name": name }))
        .await
        .ok();
    answer.text("/contactCreate/contact/id").to_owned()
}

fn names(answer: &Answer) -> Vec<&str> {
    answer
        .list("/contacts/nodes")
        .iter()
        .map(|node| node["name"].as_str().unwrap())
        .collect()
}

on_both!(
    a_contact_is_read_back_as_it_was_recorded,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Bottom-Dollar").await;
        let answer = create(
        &app,
        &team.ann,
        json!({
            "clientId": client, "name": "Elizabeth Lincoln", "title": "Accounting Manager", "isKey": true,
            "roles": ["DECIDER", "USER", "DECIDER"], "gender": "FEMALE", "birthday": "1980-02-29",
            "likes": "Tea\r\nand jazz", "socialStatus": "chairs the guild",
            "points": [
                { "kind": "MOBILE", "value": "(604) 555-4729", "isPreferred": true },
                { "kind": "MOBILE", "value": "604 555 0000", "label": "night" },
                { "kind": "EMAIL", "value": "E.Lincoln@Example.com" },
                { "kind": "WECHAT", "value": "lincoln_88" }
            ]
        }),
    )
    .await
    .ok();
        let id = answer.text("/contactCreate/contact/id").to_owned();
        let contact = read(&app, &team.left, &id).await;
        assert_eq!(contact["roles"], json!(["DECIDER", "USER"]));
        assert_eq!(contact["birthday"], json!("1980-02-29"));
        assert_eq!(contact["likes"], json!("Tea\nand jazz"));
        assert_eq!(contact["isKey"], json!(true));
        assert_eq!(contact["client"]["id"], json!(client));
        assert_eq!(
            contact["points"][2]["value"],
            json!("e.lincoln@example.com")
        );
        assert_eq!(contact["points"][1]["label"], json!("night"));
        assert_eq!(contact["version"], json!(1));
        assert_eq!(read(&app, &team.ben, &id).await, Value::Null);
        assert_eq!(read(&app, &team.right, &id).await, Value::Null);
    }
);

on_both!(
    what_a_contact_says_is_checked_field_by_field,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let tomorrow = app.server().clock.now().date_naive() + Days::new(1);
        let many: Vec<Value> = (0..21)
            .map(|n| json!({ "kind": "OTHER", "value": format!("handle {n}") }))
            .collect();
        for (field, value, expected) in [
            ("name", json!(" "), "input.name"),
            ("birthday", json!(tomorrow.to_string()), "input.birthday"),
            ("points", json!(many), "input.points"),
            (
                "points",
                json!([{ "kind": "PHONE", "value": "call me" }]),
                "input.points.0.value",
            ),
            (
                "points",
                json!([{ "kind": "EMAIL", "value": "nobody" }]),
                "input.points.0.value",
            ),
            (
                "points",
                json!([{ "kind": "QQ", "value": "1".repeat(101) }]),
                "input.points.0.value",
            ),
            (
                "points",
                json!([
                    { "kind": "PHONE", "value": "604 555 0000", "isPreferred": true },
                    { "kind": "FAX", "value": "604 555 0001", "isPreferred": true },
                    { "kind": "PHONE", "value": "604 555 0002", "isPreferred": true }
                ]),
                "input.points.2.isPreferred",
            ),
            (
                "points",
                json!([{ "kind": "LINE", "value": "a" }, { "kind": "LINE", "value": "a" }]),
                "input.points.1.value",
            ),
            ("isKey", Value::Null, "input.isKey"),
            ("title", json!("x".repeat(101)), "input.title"),
        ] {
            let mut input = json!({ "clientId": client, "name": "Somebody" });
            input[field] = value;
            let answer = create(&app, &team.ann, input).await;
            assert_eq!(answer.code(0), "BAD_USER_INPUT", "{field}");
            assert_eq!(answer.fields(), [expected]);
        }
        let all: Vec<Value> = many.into_iter().take(20).collect();
        let input = json!({ "clientId": client, "name": "Somebody", "points": all });
        let _ = create(&app, &team.ann, input).await.ok();
    }
);

on_both!(a_client_has_one_key_contact_at_most, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let other = app.client_of(&team.ann, "B").await;
    let key = |client: &str, name: &str| json!({ "clientId": client, "name": name, "isKey": true });
    let elsewhere = create(&app, &team.ann, key(&other, "Elsewhere")).await.ok();
    let first = create(&app, &team.ann, key(&client, "First")).await.ok();
    let first = first.text("/contactCreate/contact/id").to_owned();
    let second = create(&app, &team.ann, key(&client, "Second")).await.ok();
    let second = second.text("/contactCreate/contact/id").to_owned();
    let query = "{ clients { nodes { name keyContact { id } } } }";
    let keys = app.gql(&team.ann.token, query, json!({})).await.ok();
    assert_eq!(*keys.data("/clients/nodes/0/keyContact/id"), json!(second));
    assert_eq!(
        keys.data("/clients/nodes/1/keyContact/id"),
        elsewhere.data("/contactCreate/contact/id")
    );
    let contact = read(&app, &team.ann, &first).await;
    assert_eq!(
        (&contact["isKey"], &contact["version"]),
        (&json!(false), &json!(2))
    );
    let back = json!({ "id": first, "version": 2, "isKey": true });
    let _ = update(&app, &team.ann, back).await.ok();
    assert_eq!(read(&app, &team.ann, &second).await["isKey"], json!(false));
    let archived = put_away(&app, &team.ann, "Archive", &first, 3).await.ok();
    assert_eq!(
        *archived.data("/contactArchive/contact/isKey"),
        json!(false)
    );
    let keys = app.gql(&team.ann.token, query, json!({})).await.ok();
    assert_eq!(*keys.data("/clients/nodes/0/keyContact"), Value::Null);
    let again = json!({ "id": first, "version": 4, "isKey": true });
    assert_eq!(
        update(&app, &team.ann, again).await.rule(),
        "contacts.archived"
    );
});

on_both!(
    absent_keeps_null_clears_and_a_value_sets,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let input = json!({ "clientId": client, "name": "N", "title": "T", "likes": "L", "gender": "MALE", "roles": ["USER"] });
        let id = create(&app, &team.ann, input).await.ok();
        let id = id.text("/contactCreate/contact/id").to_owned();
        let input = json!({ "id": id, "version": 1, "title": null, "likes": "M", "roles": null });
        let _ = update(&app, &team.ann, input).await.ok();
        let contact = read(&app, &team.ann, &id).await;
        assert_eq!(contact["title"], Value::Null);
        assert_eq!(contact["likes"], json!("M"));
        assert_eq!(contact["gender"], json!("MALE"));
        assert_eq!(contact["roles"], json!([]));
        let stale = update(
            &app,
            &team.ann,
            json!({ "id": id, "version": 1, "name": "X" }),
        )
        .await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        let other = update(
            &app,
            &team.ben,
            json!({ "id": id, "version": 2, "name": "X" }),
        )
        .await;
        assert_eq!(other.code(0), "NOT_FOUND");
        let foreign = create(&app, &team.ben, json!({ "clientId": client, "name": "X" })).await;
        assert_eq!(foreign.code(0), "NOT_FOUND");
        assert_eq!(foreign.fields(), ["input.clientId"]);
    }
);

on_both!(
    the_same_contact_sent_twice_is_recorded_once,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let id = format!("contact_{}", uuid::Uuid::now_v7());
        let input = |name: &str| {
            json!({ "id": id, "clientId": client, "externalId": "e1", "name": name, "isKey": true,
            "points": [{ "kind": "PHONE", "value": "604 555 0000", "label": "desk" }] })
        };
        for _ in 0..2 {
            let answer = create(&app, &team.left, input("N")).await.ok();
            assert_eq!(*answer.data("/contactCreate/contact/version"), json!(1));
        }
        assert_eq!(
            create(&app, &team.left, input("M")).await.code(0),
            "CONFLICT"
        );
        let taken = json!({ "clientId": client, "externalId": "e1", "name": "Q" });
        assert_eq!(create(&app, &team.left, taken).await.code(0), "CONFLICT");
    }
);

on_both!(contacts_are_archived_and_restored, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let id = named(&app, &team.ann, &client, "Zhang Wei").await;
    let other = put_away(&app, &team.ben, "Archive", &id, 1).await;
    assert_eq!(other.code(0), "NOT_FOUND");
    let stale = put_away(&app, &team.ann, "Archive", &id, 7).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    let early = put_away(&app, &team.ann, "Restore", &id, 1).await;
    assert_eq!(early.rule(), "contacts.not_archived");
    let _ = put_away(&app, &team.ann, "Archive", &id, 1).await.ok();
    let twice = put_away(&app, &team.ann, "Archive", &id, 2).await;
    assert_eq!(twice.rule(), "contacts.already_archived");
    for (archived, expected) in [("EXCLUDE", 0), ("INCLUDE", 1), ("ONLY", 1)] {
        let filter = json!({ "filter": { "archived": archived } });
        let list = app.gql(&team.ann.token, LIST, filter).await.ok();
        assert_eq!(names(&list).len(), expected, "{archived}");
    }
    let search = "{ clients(filter: { search: \"zhang\" }) { totalCount } }";
    let found = app.gql(&team.ann.token, search, json!({})).await.ok();
    assert_eq!(*found.data("/clients/totalCount"), json!(0));
    let _ = put_away(&app, &team.ann, "Restore", &id, 2).await.ok();
    let found = app.gql(&team.ann.token, search, json!({})).await.ok();
    assert_eq!(*found.data("/clients/totalCount"), json!(1));
    let archive =
        "mutation($id: ID!) { clientArchive(input: { id: $id, version: 1 }) { client { id } } }";
    let _ = app
        .gql(&team.ann.token, archive, json!({ "id": client }))
        .await
        .ok();
    let late = create(
        &app,
        &team.ann,
        json!({ "clientId": client, "name": "Late" }),
    )
    .await;
    assert_eq!(late.rule(), "clients.archived");
});

on_both!(contacts_are_found_by_what_people_type, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let other = app.client_of(&team.ann, "B").await;
    let bens = app.client_of(&team.ben, "C").await;
    let input = json!({ "clientId": client, "name": "张伟", "roles": ["APPROVER"], "isKey": true,
        "points": [{ "kind": "MOBILE", "value": "+86 138 0013 8000" }] });
    let _ = create(&app, &team.ann, input).await.ok();
    named(&app, &team.ann, &other, "Carlos").await;
    named(&app, &team.ben, &bens, "张力").await;
    for (filter, expected) in [
        (json!({ "search": "张" }), vec!["张伟"]),
        (json!({ "search": "zhangwei" }), vec!["张伟"]),
        (json!({ "search": "1380013" }), vec!["张伟"]),
        (json!({ "search": "carl" }), vec!["Carlos"]),
        (json!({ "clientId": { "eq": other } }), vec!["Carlos"]),
        (json!({ "isKey": true }), vec!["张伟"]),
        (json!({ "isKey": false }), vec!["Carlos"]),
        (json!({ "role": "APPROVER" }), vec!["张伟"]),
        (json!({ "role": "USER" }), vec![]),
        (json!({}), vec!["Carlos", "张伟"]),
    ] {
        let list = app
            .gql(&team.ann.token, LIST, json!({ "filter": filter }))
            .await;
        assert_eq!(names(&list.ok()), expected, "{filter}");
    }
    // A client is found by the number of its contact.
    let query = "{ clients(filter: { search: \"138 0013\" }) { nodes { name } } }";
    let found = app.gql(&team.ann.token, query, json!({})).await.ok();
    assert_eq!(*found.data("/clients/nodes"), json!([{ "name": "A" }]));
});

on_both!(
    birthdays_are_found_across_the_end_of_the_year,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        for birthday in [
            "1980-12-20",
            "1990-12-31",
            "1985-01-05",
            "1970-02-28",
            "1988-02-29",
            "1971-03-01",
        ] {
            let input = json!({ "clientId": client, "name": birthday, "birthday": birthday });
            let _ = create(&app, &team.ann, input).await.ok();
        }
        named(&app, &team.ann, &client, "unknown").await;
        let today =
            |year: i32, month: u32, day: u32| NaiveDate::from_ymd_opt(year, month, day).unwrap();
        let now = app.server().clock.now().date_naive();
        // Neither this year nor the next has a 29 February.
        let year = (now.year() + 1..now.year() + 9)
            .find(|year| !today(*year, 1, 1).leap_year() && !today(year + 1, 1, 1).leap_year())
            .unwrap();
        for (at, days, expected) in [
            (today(year, 2, 27), 1, vec!["1970-02-28", "1988-02-29"]),
            (today(year, 2, 27), 0, vec![]),
            (today(year, 3, 1), 0, vec!["1971-03-01"]),
            (today(year, 12, 21), 14, vec!["1990-12-31"]),
            (today(year, 12, 21), 15, vec!["1985-01-05", "1990-12-31"]),
            (
                today(year, 12, 31),
                60,
                vec![
                    "1970-02-28",
                    "1985-01-05",
                    "1988-02-29",
                    "1990-12-31",
                    "1971-03-01",
                ],
            ),
        ] {
            let clock = &app.server().clock;
            clock.advance(at.and_hms_opt(12, 0, 0).unwrap().and_utc() - clock.now());
            let token = app.token(&team.ann);
            let filter = json!({ "filter": { "birthdayWithinDays": days } });
            let list = app.gql(&token, LIST, filter).await.ok();
            let mut expected: Vec<&str> = expected;
            expected.sort_unstable();
            assert_eq!(names(&list), expected, "{at} + {days}");
        }
        for days in [-1, 61] {
            let filter = json!({ "filter": { "birthdayWithinDays": days } });
            let list = app.gql(&app.token(&team.ann), LIST, filter).await;
            assert_eq!(list.code(0), "BAD_USER_INPUT");
        }
    }
);

on_both!(
    the_list_of_contacts_pages_both_ways_in_every_order,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        for name in ["Delta", "alpha", "Charlie", "bravo"] {
            named(&app, &team.ann, &client, name).await;
        }
        for (order, expected) in [
            ("NAME_ASC", ["alpha", "bravo", "Charlie", "Delta"]),
            ("NAME_DESC", ["Delta", "Charlie", "bravo", "alpha"]),
            ("UPDATED_AT_ASC", ["Delta", "alpha", "Charlie", "bravo"]),
            ("UPDATED_AT_DESC", ["bravo", "Charlie", "alpha", "Delta"]),
        ] {
            let page = json!({ "order": order, "first": 3 });
            let first = app.gql(&team.ann.token, LIST, page).await.ok();
            assert_eq!(names(&first), expected[..3]);
            let end = first.data("/contacts/pageInfo/endCursor");
            let page = json!({ "order": order, "first": 3, "after": end });
            let rest = app.gql(&team.ann.token, LIST, page).await.ok();
            assert_eq!(names(&rest), expected[3..]);
            let start = rest.data("/contacts/pageInfo/startCursor");
            let page = json!({ "order": order, "last": 2, "before": start });
            let back = app.gql(&team.ann.token, LIST, page).await.ok();
            assert_eq!(names(&back), expected[1..3]);
            assert_eq!(
                *back.data("/contacts/pageInfo/hasPreviousPage"),
                json!(true)
            );
        }
    }
);

on_both!(
    edges_of_contacts_cost_the_same_for_one_and_for_many,
    async |app: App| {
        let team = app.team().await;
        let query = "{ clients { nodes { contacts(first: 2, filter: { isKey: false }) { totalCount nodes { name client { name } } } keyContact { name } } } }";
        let mut costs = Vec::new();
        for round in 0..3 {
            let client = app.client_of(&team.ann, &format!("Client {round}")).await;
            for name in ["c", "a", "b"] {
                named(&app, &team.ann, &client, name).await;
            }
            let input = json!({ "clientId": client, "name": "key", "isKey": true });
            let _ = create(&app, &team.ann, input).await.ok();
            let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
            let node = answer.data(&format!("/clients/nodes/{round}"));
            assert_eq!(node["contacts"]["totalCount"], json!(3));
            assert_eq!(node["contacts"]["nodes"][1]["name"], json!("b"));
            assert_eq!(node["keyContact"]["name"], json!("key"));
            costs.push(answer.statements());
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    }
);

on_both!(a_client_has_200_contacts_at_most, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let id: entity::ClientId = client.parse().unwrap();
    app.server()
        .database
        .as_system("contacts of a test")
        .write(move |tx| async move {
            for number in 0..199 {
                let new = clientele::domain::contacts::NewContact {
                    id: None,
                    client: id,
                    external_id: None,
                    name: format!("Contact {number}"),
                    profile: clientele::domain::contacts::ContactPatch::default(),
                };
                clientele::domain::contacts::create(&tx, new).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let last = named(&app, &team.ann, &client, "The last").await;
    let input = json!({ "clientId": client, "name": "One more" });
    let more = create(&app, &team.ann, input.clone()).await;
    assert_eq!(more.rule(), "contacts.too_many");
    let _ = put_away(&app, &team.ann, "Archive", &last, 1).await.ok();
    let _ = create(&app, &team.ann, input).await.ok();
    let back = put_away(&app, &team.ann, "Restore", &last, 2).await;
    assert_eq!(back.rule(), "contacts.too_many");
});
