//! Categories: listing, nesting, changing, and who may.

use serde_json::{Value, json};

use crate::support::{Answer, App};

const CREATE: &str = "mutation($input: CategoryCreateInput!) { categoryCreate(input: $input) { category { id version name parent { id } } } }";
const UPDATE: &str = "mutation($input: CategoryUpdateInput!) { categoryUpdate(input: $input) { category { id version name parent { id } } } }";
const ARCHIVE: &str = "mutation($input: CategoryVersionInput!) { categoryArchive(input: $input) { category { version archivedAt } } }";
const RESTORE: &str = "mutation($input: CategoryVersionInput!) { categoryRestore(input: $input) { category { version archivedAt } } }";
const LIST: &str = "query($filter: CategoryFilter, $first: Int, $after: String, $last: Int, $before: String) { \
    categories(filter: $filter, first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { id name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// A category of `parent`, added by the one with `token`.
async fn category(app: &App, token: &str, name: &str, parent: Option<&str>) -> String {
    let input = json!({ "input": { "name": name, "parentId": parent } });
    let answer = app.gql(token, CREATE, input).await.ok();
    answer.text("/categoryCreate/category/id").to_owned()
}

fn names(answer: &Answer, list: &str) -> Vec<String> {
    answer
        .list(list)
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

on_both!(everybody_reads_categories_by_name, async |app: App| {
    let team = app.team().await;
    let manager = &team.left.token;
    let drinks = category(&app, manager, "Drinks", None).await;
    for (name, parent) in [
        ("tea", Some(&drinks)),
        ("Coffee", Some(&drinks)),
        ("白酒", Some(&drinks)),
        ("Produce", None),
    ] {
        category(&app, manager, name, parent.map(String::as_str)).await;
    }
    let reps = [&team.ann.token, &team.cleo.token];
    for token in reps {
        let all = app.gql(token, LIST, json!({})).await.ok();
        assert_eq!(
            names(&all, "/categories/nodes"),
            ["白酒", "Coffee", "Drinks", "Produce", "tea"]
        );
        assert_eq!(*all.data("/categories/totalCount"), json!(5));
    }
    let top = json!({ "filter": { "parentId": { "isNull": true } } });
    let top = app.gql(reps[0], LIST, top).await.ok();
    assert_eq!(names(&top, "/categories/nodes"), ["Drinks", "Produce"]);
    let first = app.gql(reps[0], LIST, json!({ "first": 2 })).await.ok();
    assert_eq!(names(&first, "/categories/nodes"), ["白酒", "Coffee"]);
    let end = first.data("/categories/pageInfo/endCursor").clone();
    let second = json!({ "first": 2, "after": end });
    let second = app.gql(reps[0], LIST, second).await.ok();
    assert_eq!(names(&second, "/categories/nodes"), ["Drinks", "Produce"]);
    let start = second.data("/categories/pageInfo/startCursor").clone();
    let back = json!({ "last": 1, "before": start });
    let back = app.gql(reps[0], LIST, back).await.ok();
    assert_eq!(names(&back, "/categories/nodes"), ["Coffee"]);

    let one = "query($id: ID!) { category(id: $id) { name parent { name } children { totalCount nodes { name parent { name } } } } node(id: $id) { __typename id } }";
    let answer = app.gql(reps[0], one, json!({ "id": drinks })).await.ok();
    assert_eq!(
        names(&answer, "/category/children/nodes"),
        ["白酒", "Coffee", "tea"]
    );
    assert_eq!(*answer.data("/category/children/totalCount"), json!(3));
    assert_eq!(*answer.data("/category/parent"), Value::Null);
    assert_eq!(*answer.data("/node/__typename"), json!("Category"));
});

on_both!(
    only_managers_and_administrators_write_categories,
    async |app: App| {
        let team = app.team().await;
        let id = category(&app, &team.admin.token, "Drinks", None).await;
        let version = json!({ "input": { "id": id, "version": 1 } });
        for rep in [&team.ann.token, &team.cleo.token] {
            for (mutation, input) in [
                (CREATE, json!({ "input": { "name": "Mine" } })),
                (CREATE, json!({ "input": { "name": "" } })),
                (
                    UPDATE,
                    json!({ "input": { "id": id, "version": 1, "name": "Mine" } }),
                ),
                (ARCHIVE, version.clone()),
                (RESTORE, version.clone()),
            ] {
                let answer = app.gql(rep, mutation, input).await;
                assert_eq!(answer.code(0), "FORBIDDEN", "{mutation}");
            }
        }
        let all = app.gql(&team.ann.token, LIST, json!({})).await.ok();
        assert_eq!(names(&all, "/categories/nodes"), ["Drinks"]);
    }
);

on_both!(
    a_category_is_renamed_and_moved_once_per_version,
    async |app: App| {
        let team = app.team().await;
        let token = &team.left.token;
        let drinks = category(&app, token, "Drinks", None).await;
        let tea = category(&app, token, "Tea", None).await;
        let change = |version: i32| json!({ "input": { "id": tea, "version": version, "name": "Teas", "parentId": drinks } });
        let answer = app.gql(token, UPDATE, change(1)).await.ok();
        assert_eq!(*answer.data("/categoryUpdate/category/version"), json!(2));
        assert_eq!(
            *answer.data("/categoryUpdate/category/parent/id"),
            json!(drinks)
        );
        let stale = app.gql(token, UPDATE, change(1)).await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        assert_eq!(*stale.extension(0, "presentVersion"), json!(2));
        // Absent keeps, null clears.
        let renamed = json!({ "input": { "id": tea, "version": 2, "name": "Tea" } });
        let answer = app.gql(token, UPDATE, renamed).await.ok();
        assert_eq!(
            *answer.data("/categoryUpdate/category/parent/id"),
            json!(drinks)
        );
        let unnamed = json!({ "input": { "id": tea, "version": 3, "name": null } });
        let answer = app.gql(token, UPDATE, unnamed).await;
        assert_eq!(
            (answer.code(0), answer.fields()),
            ("BAD_USER_INPUT", vec!["input.name"])
        );
        let to_top = json!({ "input": { "id": tea, "version": 3, "parentId": null } });
        let answer = app.gql(token, UPDATE, to_top).await.ok();
        assert_eq!(*answer.data("/categoryUpdate/category/parent"), Value::Null);
        assert_eq!(*answer.data("/categoryUpdate/category/name"), json!("Tea"));
        let nowhere = format!("category_{}", uuid::Uuid::now_v7());
        let lost = json!({ "input": { "id": tea, "version": 4, "parentId": nowhere } });
        let answer = app.gql(token, UPDATE, lost).await;
        assert_eq!(
            (answer.code(0), answer.fields()),
            ("NOT_FOUND", vec!["input.parentId"])
        );
    }
);

on_both!(categories_make_no_circle, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let top = category(&app, token, "Top", None).await;
    let middle = category(&app, token, "Middle", Some(&top)).await;
    let bottom = category(&app, token, "Bottom", Some(&middle)).await;
    for parent in [&top, &middle, &bottom] {
        let input = json!({ "input": { "id": top, "version": 1, "parentId": parent } });
        let answer = app.gql(token, UPDATE, input).await;
        assert_eq!(answer.rule(), "categories.circle");
        assert_eq!(answer.fields(), ["input.parentId"]);
    }
});

on_both!(two_moves_at_once_make_no_circle, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    for round in 0..5 {
        let left = category(&app, token, &format!("Left {round}"), None).await;
        let right = category(&app, token, &format!("Right {round}"), None).await;
        let into = |id: &str, parent: &str| json!({ "input": { "id": id, "version": 1, "parentId": parent } });
        let (one, other) = tokio::join!(
            app.gql(token, UPDATE, into(&left, &right)),
            app.gql(token, UPDATE, into(&right, &left)),
        );
        let refused: Vec<&Answer> = [&one, &other]
            .into_iter()
            .filter(|answer| !answer.errors().is_empty())
            .collect();
        assert_eq!(refused.len(), 1, "{one} {other}");
        assert_eq!(refused[0].rule(), "categories.circle");
    }
});

on_both!(categories_nest_ten_deep, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let mut path: Vec<String> = Vec::new();
    for depth in 1..=10 {
        let parent = path.last().map(String::as_str);
        let id = category(&app, token, &format!("Level {depth}"), parent).await;
        path.push(id);
    }
    let eleventh = json!({ "input": { "name": "Level 11", "parentId": path[9] } });
    let answer = app.gql(token, CREATE, eleventh).await;
    assert_eq!(answer.rule(), "categories.too_deep");
    // What lies below moves along: two levels fit below the eighth, not below the ninth.
    let branch = category(&app, token, "Branch", None).await;
    category(&app, token, "Twig", Some(&branch)).await;
    let below =
        |parent: &str| json!({ "input": { "id": branch, "version": 1, "parentId": parent } });
    let answer = app.gql(token, UPDATE, below(&path[8])).await;
    assert_eq!(answer.rule(), "categories.too_deep");
    app.gql(token, UPDATE, below(&path[7])).await.ok();
});

on_both!(only_an_empty_category_is_archived, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let drinks = category(&app, token, "Drinks", None).await;
    let tea = category(&app, token, "Tea", Some(&drinks)).await;
    let at = |id: &str, version: i32| json!({ "input": { "id": id, "version": version } });
    let answer = app.gql(token, ARCHIVE, at(&drinks, 1)).await;
    assert_eq!(answer.rule(), "categories.not_empty");
    let answer = app.gql(token, RESTORE, at(&tea, 1)).await;
    assert_eq!(answer.rule(), "categories.not_archived");
    let product = app
        .product_of(&team.left, "TEA-1", json!({ "categoryId": tea }))
        .await;
    let answer = app.gql(token, ARCHIVE, at(&tea, 1)).await;
    assert_eq!(answer.rule(), "categories.not_empty");
    let away =
        "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { product { id } } }";
    let input = json!({ "input": { "id": product, "version": 1, "categoryId": null } });
    app.gql(token, away, input).await.ok();

    let stale = app.gql(token, ARCHIVE, at(&tea, 7)).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    let answer = app.gql(token, ARCHIVE, at(&tea, 1)).await.ok();
    assert!(
        answer
            .data("/categoryArchive/category/archivedAt")
            .is_string()
    );
    let answer = app.gql(token, ARCHIVE, at(&tea, 2)).await;
    assert_eq!(answer.rule(), "categories.already_archived");
    app.gql(token, ARCHIVE, at(&drinks, 1)).await.ok();
    let all = app.gql(&team.ann.token, LIST, json!({})).await.ok();
    assert!(names(&all, "/categories/nodes").is_empty());
    let only = json!({ "filter": { "archived": "ONLY" } });
    let only = app.gql(&team.ann.token, LIST, only).await.ok();
    assert_eq!(names(&only, "/categories/nodes"), ["Drinks", "Tea"]);

    // Nothing is put into what is archived.
    let inside = json!({ "input": { "name": "Green", "parentId": drinks } });
    let answer = app.gql(token, CREATE, inside).await;
    assert_eq!(answer.rule(), "categories.archived");
    let answer = app.gql(token, RESTORE, at(&tea, 2)).await;
    assert_eq!(answer.rule(), "categories.archived");
    app.gql(token, RESTORE, at(&drinks, 2)).await.ok();
    let answer = app.gql(token, RESTORE, at(&tea, 2)).await.ok();
    assert_eq!(
        *answer.data("/categoryRestore/category/archivedAt"),
        Value::Null
    );
});

on_both!(the_same_category_sent_twice_is_one, async |app: App| {
    let team = app.team().await;
    let token = &team.left.token;
    let id = format!("category_{}", uuid::Uuid::now_v7());
    let input = |name: &str| json!({ "input": { "id": id, "externalId": "C-1", "name": name } });
    for _ in 0..2 {
        let answer = app.gql(token, CREATE, input("Drinks")).await.ok();
        assert_eq!(*answer.data("/categoryCreate/category/id"), json!(id));
    }
    let other = app.gql(token, CREATE, input("Food")).await;
    assert_eq!(
        (other.code(0), other.fields()),
        ("CONFLICT", vec!["input.id"])
    );
    let taken = json!({ "input": { "externalId": "C-1", "name": "Food" } });
    let taken = app.gql(token, CREATE, taken).await;
    assert_eq!(
        (taken.code(0), taken.fields()),
        ("CONFLICT", vec!["input.externalId"])
    );
    let blank = app
        .gql(token, CREATE, json!({ "input": { "name": " " } }))
        .await;
    assert_eq!(
        (blank.code(0), blank.fields()),
        ("BAD_USER_INPUT", vec!["input.name"])
    );
});

on_both!(
    edges_of_categories_cost_the_same_for_many,
    async |app: App| {
        let team = app.team().await;
        let token = &team.left.token;
        let query = "{ categories(first: 100, filter: { parentId: { isNull: true } }) { nodes { name \
        children { totalCount nodes { name parent { name } } } products { totalCount nodes { name category { name } } } } } }";
        let mut costs = Vec::new();
        for round in 1..=3 {
            let group = category(&app, token, &format!("Group {round}"), None).await;
            for part in 0..round {
                category(&app, token, &format!("Part {part}"), Some(&group)).await;
                let sku = format!("P-{round}-{part}");
                app.product_of(&team.left, &sku, json!({ "categoryId": group }))
                    .await;
            }
            let answer = app.gql(&team.ann.token, query, json!({})).await.ok();
            let groups = answer.list("/categories/nodes");
            assert_eq!(groups.len(), round);
            let last = groups.last().unwrap();
            assert_eq!(last["children"]["totalCount"], json!(round));
            assert_eq!(last["products"]["nodes"].as_array().unwrap().len(), round);
            assert_eq!(
                last["products"]["nodes"][0]["category"]["name"],
                last["name"]
            );
            costs.push(answer.statements());
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    }
);
