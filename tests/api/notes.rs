//! Notes: written by one, read by all who see the client, changed by few.

use serde_json::{Value, json};

use crate::support::people::Person;
use crate::support::{Answer, App};

const FACTS: &str = "id version body isPinned archivedAt author { id } client { id }";

async fn create(app: &App, who: &Person, input: Value) -> Answer {
    let query = format!(
        "mutation($input: NoteCreateInput!) {{ noteCreate(input: $input) {{ note {{ {FACTS} }} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn update(app: &App, who: &Person, input: Value) -> Answer {
    let query = format!(
        "mutation($input: NoteUpdateInput!) {{ noteUpdate(input: $input) {{ note {{ {FACTS} }} }} }}"
    );
    app.gql(&who.token, &query, json!({ "input": input })).await
}

async fn put_away(app: &App, who: &Person, verb: &str, id: &str, version: i32) -> Answer {
    let query = format!(
        "mutation($input: NoteVersionInput!) {{ note{verb}(input: $input) {{ note {{ {FACTS} }} }} }}"
    );
    let input = json!({ "input": { "id": id, "version": version } });
    app.gql(&who.token, &query, input).await
}

async fn read(app: &App, who: &Person, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ note(id: $id) {{ {FACTS} }} }}");
    let answer = app.gql(&who.token, &query, json!({ "id": id })).await.ok();
    answer.data("/note").clone()
}

async fn written(app: &App, who: &Person, client: &str, body: &str) -> String {
    let answer = create(app, who, json!({ "clientId": client, "body": body }))
        .await
        .ok();
    answer.text("/noteCreate/note/id").to_owned()
}

on_both!(a_note_is_of_whoever_wrote_it, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let id = written(&app, &team.ann, &client, " First line\r\nsecond ").await;
    let note = read(&app, &team.left, &id).await;
    assert_eq!(note["body"], json!("First line\nsecond"));
    assert_eq!(note["author"]["id"], json!(team.ann.id.to_string()));
    assert_eq!(note["client"]["id"], json!(client));
    assert_eq!(read(&app, &team.ben, &id).await, Value::Null);
    assert_eq!(read(&app, &team.cleo, &id).await, Value::Null);
    for body in [String::new(), "x".repeat(10_001)] {
        let answer = create(&app, &team.ann, json!({ "clientId": client, "body": body })).await;
        assert_eq!(answer.fields(), ["input.body"]);
    }
    written(&app, &team.ann, &client, &"x".repeat(10_000)).await;
    let foreign = create(&app, &team.ben, json!({ "clientId": client, "body": "x" })).await;
    assert_eq!(
        (foreign.code(0), foreign.fields()),
        ("NOT_FOUND", vec!["input.clientId"])
    );
});

on_both!(
    only_its_author_and_those_above_change_a_note,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let by_ann = written(&app, &team.ann, &client, "by Ann").await;
        let by_left = written(&app, &team.left, &client, "by her manager").await;
        let change =
            |id: &str, version: i32| json!({ "id": id, "version": version, "body": "changed" });
        assert_eq!(
            update(&app, &team.ann, change(&by_left, 1)).await.code(0),
            "FORBIDDEN"
        );
        assert_eq!(
            put_away(&app, &team.ann, "Archive", &by_left, 1)
                .await
                .code(0),
            "FORBIDDEN"
        );
        assert_eq!(
            update(&app, &team.ben, change(&by_ann, 1)).await.code(0),
            "NOT_FOUND"
        );
        assert_eq!(
            put_away(&app, &team.cleo, "Archive", &by_ann, 1)
                .await
                .code(0),
            "NOT_FOUND"
        );
        for (version, who) in [
            (1, &team.ann),
            (2, &team.left),
            (3, &team.top),
            (4, &team.admin),
        ] {
            let _ = update(&app, who, change(&by_ann, version)).await.ok();
        }
        let stale = update(&app, &team.ann, change(&by_ann, 1)).await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        let note = read(&app, &team.ann, &by_ann).await;
        assert_eq!(
            (&note["version"], &note["author"]["id"]),
            (&json!(5), &json!(team.ann.id.to_string()))
        );
        let null = update(
            &app,
            &team.ann,
            json!({ "id": by_ann, "version": 5, "body": null }),
        )
        .await;
        assert_eq!(null.fields(), ["input.body"]);
    }
);

on_both!(notes_are_archived_and_restored, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "A").await;
    let id = written(&app, &team.ann, &client, "n").await;
    assert_eq!(
        put_away(&app, &team.ann, "Restore", &id, 1).await.rule(),
        "notes.not_archived"
    );
    assert_eq!(
        put_away(&app, &team.ann, "Archive", &id, 5).await.code(0),
        "STALE_VERSION"
    );
    let _ = put_away(&app, &team.ann, "Archive", &id, 1).await.ok();
    assert_eq!(
        put_away(&app, &team.ann, "Archive", &id, 2).await.rule(),
        "notes.already_archived"
    );
    let _ = put_away(&app, &team.ann, "Restore", &id, 2).await.ok();
    assert_eq!(read(&app, &team.ann, &id).await["archivedAt"], Value::Null);
});

on_both!(
    the_same_note_sent_twice_is_written_once,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "A").await;
        let id = format!("note_{}", uuid::Uuid::now_v7());
        let input = |body: &str| json!({ "id": id, "clientId": client, "body": body });
        for _ in 0..2 {
            let answer = create(&app, &team.ann, input("n")).await.ok();
            assert_eq!(*answer.data("/noteCreate/note/version"), json!(1));
        }
        assert_eq!(
            create(&app, &team.ann, input("m")).await.code(0),
            "CONFLICT"
        );
    }
);

on_both!(
    notes_come_newest_first_and_page_both_ways,
    async |app: App| {
        let team = app.team().await;
        let query = "query($filter: NoteFilter, $first: Int, $after: String, $last: Int, $before: String) { clients { nodes { \
        notes(filter: $filter, first: $first, after: $after, last: $last, before: $before) { totalCount nodes { body author { name } client { name } } pageInfo { startCursor endCursor hasNextPage } } } } }";
        let bodies = |answer: &Answer| -> Vec<String> {
            answer
                .list("/clients/nodes/0/notes/nodes")
                .iter()
                .map(|node| node["body"].as_str().unwrap().to_owned())
                .collect()
        };
        let mut costs = Vec::new();
        for round in 0..2 {
            let client = app.client_of(&team.ann, &format!("Client {round}")).await;
            for (body, pinned) in [("1", false), ("2", true), ("3", false)] {
                let input = json!({ "clientId": client, "body": body, "isPinned": pinned });
                let _ = create(&app, &team.ann, input).await.ok();
            }
            let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
            assert_eq!(bodies(&answer), ["3", "2", "1"]);
            costs.push(answer.statements());
        }
        assert_eq!(costs[0], costs[1]);
        let pinned = json!({ "filter": { "isPinned": true } });
        let pinned = app.gql(&team.ann.token, query, pinned).await.ok();
        assert_eq!(bodies(&pinned), ["2"]);
        let first = app
            .gql(&team.ann.token, query, json!({ "first": 2 }))
            .await
            .ok();
        assert_eq!(bodies(&first), ["3", "2"]);
        assert_eq!(*first.data("/clients/nodes/0/notes/totalCount"), json!(3));
        let end = first.data("/clients/nodes/0/notes/pageInfo/endCursor");
        let rest = app
            .gql(&team.ann.token, query, json!({ "first": 2, "after": end }))
            .await
            .ok();
        assert_eq!(bodies(&rest), ["1"]);
        let start = rest.data("/clients/nodes/0/notes/pageInfo/startCursor");
        let back = app
            .gql(
                &team.ann.token,
                query,
                json!({ "last": 1, "before": start }),
            )
            .await
            .ok();
        assert_eq!(bodies(&back), ["2"]);
    }
);
