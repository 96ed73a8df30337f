//! Clients: recording, finding, changing, and whose they are.

use serde_json::{Value, json};

use crate::support::App;

const CREATE: &str = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id version name tags phone owner: version stats { orderCount receivable { amount currency } } } } }";
const UPDATE: &str = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id version name phone tags } } }";
const NAMES: &str = "query($filter: ClientFilter, $order: ClientOrder, $first: Int, $after: String, $last: Int, $before: String) { \
    clients(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { id name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

fn names(answer: &crate::support::Answer) -> Vec<String> {
    answer
        .list("/clients/nodes")
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

on_both!(each_sees_exactly_their_own_clients, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Ann's").await;
    app.client_of(&team.ben, "Ben's").await;
    let cleos = app.client_of(&team.cleo, "Cleo's").await;
    for (who, expected) in [
        (&team.ann, vec!["Ann's"]),
        (&team.ben, vec!["Ben's"]),
        (&team.left, vec!["Ann's", "Ben's"]),
        (&team.right, vec!["Cleo's"]),
        (&team.top, vec!["Ann's", "Ben's", "Cleo's"]),
        (&team.admin, vec!["Ann's", "Ben's", "Cleo's"]),
    ] {
        let answer = app.gql(&who.token, NAMES, json!({})).await.ok();
        assert_eq!(names(&answer), expected, "{}", who.name);
        assert_eq!(*answer.data("/clients/totalCount"), json!(expected.len()));
    }
    let one = "query($id: ID!) { client(id: $id) { name } node(id: $id) { id } }";
    let answer = app
        .gql(&team.ann.token, one, json!({ "id": cleos }))
        .await
        .ok();
    assert_eq!(*answer.data("/client"), Value::Null);
    assert_eq!(*answer.data("/node"), Value::Null);
    let answer = app
        .gql(&team.cleo.token, one, json!({ "id": cleos }))
        .await
        .ok();
    assert_eq!(*answer.data("/client/name"), json!("Cleo's"));
    assert_eq!(*answer.data("/node/id"), json!(cleos));
});

on_both!(a_list_pages_both_ways_without_gaps, async |app: App| {
    let team = app.team().await;
    for name in ["Delta", "alpha", "Charlie", "bravo", "Écho"] {
        app.client_of(&team.ann, name).await;
    }
    app.client_of(&team.ben, "Between").await;
    let token = &team.ann.token;
    let first = app.gql(token, NAMES, json!({ "first": 2 })).await.ok();
    assert_eq!(names(&first), ["alpha", "bravo"]);
    assert_eq!(*first.data("/clients/pageInfo/hasNextPage"), json!(true));
    let end = first.data("/clients/pageInfo/endCursor").clone();
    let second = app
        .gql(token, NAMES, json!({ "first": 2, "after": end }))
        .await
        .ok();
    assert_eq!(names(&second), ["Charlie", "Delta"]);
    let end = second.data("/clients/pageInfo/endCursor").clone();
    let third = app
        .gql(token, NAMES, json!({ "first": 2, "after": end }))
        .await
        .ok();
    assert_eq!(names(&third), ["Écho"]);
    assert_eq!(*third.data("/clients/pageInfo/hasNextPage"), json!(false));
    let start = third.data("/clients/pageInfo/startCursor").clone();
    let back = app
        .gql(token, NAMES, json!({ "last": 3, "before": start }))
        .await
        .ok();
    assert_eq!(names(&back), ["bravo", "Charlie", "Delta"]);
    assert_eq!(*back.data("/clients/pageInfo/hasPreviousPage"), json!(true));
    let stolen = app
        .gql(
            &team.ben.token,
            NAMES,
            json!({ "first": 2, "after": first.data("/clients/pageInfo/endCursor") }),
        )
        .await;
    assert_eq!(stolen.rule(), "BAD_CURSOR");
    let both = app
        .gql(token, NAMES, json!({ "first": 2, "last": 2 }))
        .await;
    assert_eq!(both.rule(), "BAD_PAGE_SIZE");
    let large = app.gql(token, NAMES, json!({ "first": 101 })).await;
    assert!(large.json["errors"][0]["extensions"]["rule"].is_string());
});

on_both!(a_client_is_changed_once_per_version, async |app: App| {
    let team = app.team().await;
    let id = app.client_of(&team.ann, "Before").await;
    let change = |version: i32| json!({ "input": { "id": id, "version": version, "name": "After", "profile": { "phone": "(604) 555-4729", "tags": ["Gold", "gold", "vip"] } } });
    let answer = app.gql(&team.ann.token, UPDATE, change(1)).await.ok();
    assert_eq!(*answer.data("/clientUpdate/client/version"), json!(2));
    assert_eq!(
        *answer.data("/clientUpdate/client/tags"),
        json!(["gold", "vip"])
    );
    let stale = app.gql(&team.ann.token, UPDATE, change(1)).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    assert_eq!(*stale.extension(0, "presentVersion"), json!(2));
    let other = app.gql(&team.ben.token, UPDATE, change(2)).await;
    assert_eq!(other.code(0), "NOT_FOUND");
    let found = app
        .gql(
            &team.ann.token,
            NAMES,
            json!({ "filter": { "search": "555-47" } }),
        )
        .await
        .ok();
    assert_eq!(names(&found), ["After"]);
});

on_both!(two_chinese_characters_find_a_hospital, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "同仁医院").await;
    app.client_of(&team.ann, "Bottom-Dollar Markets").await;
    app.client_of(&team.ben, "协和医院").await;
    for search in ["医院", "tongren", "tryy", "仁医", "TONGREN"] {
        let found = app
            .gql(
                &team.ann.token,
                NAMES,
                json!({ "filter": { "search": search } }),
            )
            .await
            .ok();
        assert_eq!(names(&found), ["同仁医院"], "{search}");
    }
    let found = app
        .gql(
            &team.left.token,
            NAMES,
            json!({ "filter": { "search": "医院" } }),
        )
        .await
        .ok();
    assert_eq!(names(&found), ["同仁医院", "协和医院"]);
});

on_both!(the_same_create_twice_makes_one_client, async |app: App| {
    let team = app.team().await;
    let id = format!("client_{}", uuid::Uuid::now_v7());
    let input = |name: &str| json!({ "input": { "id": id, "kind": "INDIVIDUAL", "name": name, "currency": "CNY", "profile": { "individual": { "birthday": "1980-02-29" } } } });
    for _ in 0..2 {
        let answer = app.gql(&team.ann.token, CREATE, input("李雷")).await.ok();
        assert_eq!(*answer.data("/clientCreate/client/id"), json!(id));
    }
    let other = app.gql(&team.ann.token, CREATE, input("韩梅梅")).await;
    assert_eq!(other.code(0), "CONFLICT");
    let stolen = app.gql(&team.ben.token, CREATE, input("李雷")).await;
    assert_eq!(stolen.code(0), "CONFLICT");
    let count = app.gql(&team.ann.token, NAMES, json!({})).await.ok();
    assert_eq!(names(&count), ["李雷"]);
});
