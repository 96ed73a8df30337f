//! Users: the directory, the tree of who reports to whom, leaving and coming back, settings of one's own.

use std::collections::BTreeSet;

use clientele::domain::users::{self, Imported, NewUser};
use entity::{Locale, UserId, UserRole, user_reach};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::Person;
use crate::support::{Answer, App};

const CREATE: &str = "mutation($input: UserCreateInput!) { userCreate(input: $input) { user { id version name email title role timeZone locale hiredOn isPoolKeeper manager { id } } } }";
const UPDATE: &str = "mutation($input: UserUpdateInput!) { userUpdate(input: $input) { user { id version name email title role timeZone } } }";
const MOVE: &str = "mutation($input: UserMoveInput!) { userMove(input: $input) { user { version manager { id } } } }";
const DEACTIVATE: &str = "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { version deactivatedAt } } }";
const REACTIVATE: &str = "mutation($input: UserVersionInput!) { userReactivate(input: $input) { user { version deactivatedAt } } }";
const OWN: &str = "mutation($input: ViewerUpdateInput!) { viewerUpdate(input: $input) { user { id version locale timeZone } } }";
const LIST: &str = "query($filter: UserFilter, $order: UserOrder, $first: Int, $after: String, $last: Int, $before: String) { \
    users(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
    totalCount nodes { id name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
const CLIENTS: &str = "{ clients { nodes { name } } }";

fn names(answer: &Answer, at: &str) -> Vec<String> {
    answer
        .list(at)
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

fn new_user(name: &str, role: &str) -> Value {
    let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
    json!({ "name": name, "email": email, "role": role })
}

async fn version(app: &App, person: &Person) -> Value {
    let query = "query($id: ID!) { user(id: $id) { version } }";
    let answer = app
        .gql(&person.token, query, json!({ "id": person.id() }))
        .await
        .ok();
    answer.data("/user/version").clone()
}

on_both!(the_viewer_is_whoever_asks, async |app: App| {
    let team = app.team().await;
    let query =
        "{ viewer { role user { id name manager { name } } session { id current deviceName } } }";
    for (person, role, manager) in [
        (&team.ann, "REP", json!({ "name": "Left" })),
        (&team.cleo, "REP", json!({ "name": "Right" })),
        (&team.left, "MANAGER", json!({ "name": "Top" })),
        (&team.admin, "ADMIN", Value::Null),
    ] {
        let answer = app.gql(&person.token, query, json!({})).await.ok();
        assert_eq!(answer.text("/viewer/user/id"), person.id());
        assert_eq!(answer.text("/viewer/role"), role);
        assert_eq!(*answer.data("/viewer/user/manager"), manager);
        assert_eq!(
            answer.text("/viewer/session/id"),
            person.session.to_string()
        );
        assert_eq!(*answer.data("/viewer/session/current"), json!(true));
    }
    let nobody = app.gql("", query, json!({})).await;
    assert_eq!(nobody.code(0), "UNAUTHENTICATED");
});

on_both!(everybody_reads_the_directory, async |app: App| {
    let team = app.team().await;
    for person in [&team.ann, &team.cleo, &team.left, &team.admin] {
        let answer = app.gql(&person.token, LIST, json!({})).await.ok();
        assert_eq!(
            names(&answer, "/users/nodes"),
            ["Admin", "Ann", "Ben", "Cleo", "Left", "Right", "Top"]
        );
        assert_eq!(*answer.data("/users/totalCount"), json!(7));
    }
    let query = "query($id: ID!) { user(id: $id) { name email } node(id: $id) { id ... on User { name } } }";
    let answer = app
        .gql(&team.ann.token, query, json!({ "id": team.cleo.id() }))
        .await
        .ok();
    assert_eq!(answer.text("/user/name"), "Cleo");
    assert_eq!(answer.text("/node/name"), "Cleo");
    let nobody = format!("user_{}", Uuid::now_v7());
    let answer = app
        .gql(&team.ann.token, query, json!({ "id": nobody }))
        .await
        .ok();
    assert_eq!(*answer.data("/user"), Value::Null);
});

on_both!(
    the_directory_is_filtered_sorted_and_paged,
    async |app: App| {
        let team = app.team().await;
        app.person("林巧云", UserRole::Rep, Some(&team.left)).await;
        let token = &team.ann.token;
        for (filter, expected) in [
            (json!({ "search": "cle" }), vec!["Cleo"]),
            (json!({ "search": "linqiao" }), vec!["林巧云"]),
            (json!({ "search": "巧云" }), vec!["林巧云"]),
            (json!({ "search": "BEN" }), vec!["Ben"]),
            (
                json!({ "role": { "eq": "MANAGER" } }),
                vec!["Left", "Right", "Top"],
            ),
            (
                json!({ "managerId": { "eq": team.left.id() } }),
                vec!["Ann", "Ben", "林巧云"],
            ),
            (
                json!({ "managerId": { "isNull": true } }),
                vec!["Admin", "Top"],
            ),
            (
                json!({ "id": { "in": [team.ann.id(), team.cleo.id()] } }),
                vec!["Ann", "Cleo"],
            ),
            (
                json!({ "name": { "startsWith": "a" } }),
                vec!["Admin", "Ann"],
            ),
            (
                json!({ "and": [{ "name": { "startsWith": "a" } }, { "role": { "eq": "REP" } }] }),
                vec!["Ann"],
            ),
            (
                json!({ "or": [{ "name": { "eq": "Ben" } }, { "name": { "eq": "Top" } }] }),
                vec!["Ben", "Top"],
            ),
            (
                json!({ "not": { "role": { "in": ["REP", "MANAGER"] } } }),
                vec!["Admin"],
            ),
            (json!({ "isPoolKeeper": true }), vec![]),
        ] {
            let answer = app.gql(token, LIST, json!({ "filter": filter })).await.ok();
            assert_eq!(names(&answer, "/users/nodes"), expected, "{filter}");
        }
        let short = app
            .gql(token, LIST, json!({ "filter": { "search": "a" } }))
            .await;
        assert_eq!(short.code(0), "BAD_USER_INPUT");

        let first = app
            .gql(token, LIST, json!({ "first": 3, "order": "NAME_DESC" }))
            .await
            .ok();
        assert_eq!(names(&first, "/users/nodes"), ["Top", "Right", "林巧云"]);
        let after = first.data("/users/pageInfo/endCursor");
        let second = app
            .gql(
                token,
                LIST,
                json!({ "first": 3, "order": "NAME_DESC", "after": after }),
            )
            .await
            .ok();
        assert_eq!(names(&second, "/users/nodes"), ["Left", "Cleo", "Ben"]);
        let before = second.data("/users/pageInfo/startCursor");
        let back = app
            .gql(
                token,
                LIST,
                json!({ "last": 2, "order": "NAME_DESC", "before": before }),
            )
            .await
            .ok();
        assert_eq!(names(&back, "/users/nodes"), ["Right", "林巧云"]);
        let elsewhere = app
            .gql(token, LIST, json!({ "first": 3, "after": after }))
            .await;
        assert_eq!(elsewhere.rule(), "BAD_CURSOR");
    }
);

on_both!(administrators_add_users, async |app: App| {
    let team = app.team().await;
    let input = json!({
        "id": format!("user_{}", Uuid::now_v7()), "externalId": "7", "name": "Robert King",
        "email": "Robert.King@Example.com", "title": "Sales Representative", "role": "REP",
        "managerId": team.right.id(), "timeZone": "Europe/London", "locale": "ZH_CN", "hiredOn": "1994-01-02",
    });
    for _ in 0..2 {
        let answer = app
            .gql(&team.admin.token, CREATE, json!({ "input": input }))
            .await
            .ok();
        let user = answer.data("/userCreate/user");
        assert_eq!(user["email"], "robert.king@example.com");
        assert_eq!(user["timeZone"], "Europe/London");
        assert_eq!(user["locale"], "ZH_CN");
        assert_eq!(user["hiredOn"], "1994-01-02");
        assert_eq!(user["manager"]["id"], team.right.id());
        assert_eq!(user["version"], 1);
    }
    let reports = "query($id: ID!) { user(id: $id) { reports { nodes { name } totalCount } } }";
    let answer = app
        .gql(&team.ann.token, reports, json!({ "id": team.right.id() }))
        .await
        .ok();
    assert_eq!(
        names(&answer, "/user/reports/nodes"),
        ["Cleo", "Robert King"]
    );

    for person in [&team.ann, &team.cleo, &team.left, &team.top] {
        let answer = app
            .gql(
                &person.token,
                CREATE,
                json!({ "input": new_user("Somebody", "ADMIN") }),
            )
            .await;
        assert_eq!(answer.code(0), "FORBIDDEN", "{}", person.name);
    }
    let with = |changes: Value| {
        let mut input = new_user("Else", "REP");
        for (key, value) in changes.as_object().unwrap() {
            input[key] = value.clone();
        }
        json!({ "input": input })
    };
    for (changes, code, field) in [
        (
            json!({ "email": "robert.king@example.com" }),
            "CONFLICT",
            "input.email",
        ),
        (json!({ "externalId": "7" }), "CONFLICT", "input.externalId"),
        (
            json!({ "email": "nobody" }),
            "BAD_USER_INPUT",
            "input.email",
        ),
        (json!({ "name": " " }), "BAD_USER_INPUT", "input.name"),
        (
            json!({ "timeZone": "Mars/Olympus" }),
            "BAD_USER_INPUT",
            "input.timeZone",
        ),
        (
            json!({ "managerId": format!("user_{}", Uuid::now_v7()) }),
            "NOT_FOUND",
            "input.managerId",
        ),
        (
            json!({ "managerId": team.ann.id() }),
            "RULE_VIOLATED",
            "input.managerId",
        ),
    ] {
        let answer = app
            .gql(&team.admin.token, CREATE, with(changes.clone()))
            .await;
        assert_eq!(answer.code(0), code, "{changes}");
        assert_eq!(answer.fields(), [field], "{changes}");
    }
    let answer = app
        .gql(
            &team.admin.token,
            CREATE,
            with(json!({ "managerId": team.ann.id() })),
        )
        .await;
    assert_eq!(answer.rule(), "users.manager_role");
});

on_both!(
    administrators_change_users_once_per_version,
    async |app: App| {
        let team = app.team().await;
        let change = |version: i32, changes: Value| {
            let mut input = json!({ "id": team.ann.id(), "version": version });
            for (key, value) in changes.as_object().unwrap() {
                input[key] = value.clone();
            }
            json!({ "input": input })
        };
        let changes = json!({ "name": "Anna", "title": "Senior rep", "email": "anna@example.com" });
        let answer = app
            .gql(&team.admin.token, UPDATE, change(1, changes.clone()))
            .await
            .ok();
        assert_eq!(answer.text("/userUpdate/user/name"), "Anna");
        assert_eq!(*answer.data("/userUpdate/user/version"), json!(2));
        let stale = app
            .gql(&team.admin.token, UPDATE, change(1, changes.clone()))
            .await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        for person in [&team.ann, &team.ben, &team.left] {
            let answer = app
                .gql(&person.token, UPDATE, change(2, changes.clone()))
                .await;
            assert_eq!(answer.code(0), "FORBIDDEN", "{}", person.name);
        }
        // Absent keeps, null clears.
        let cleared = app
            .gql(
                &team.admin.token,
                UPDATE,
                change(2, json!({ "title": null })),
            )
            .await
            .ok();
        assert_eq!(*cleared.data("/userUpdate/user/title"), Value::Null);
        assert_eq!(cleared.text("/userUpdate/user/email"), "anna@example.com");
        let null = app
            .gql(
                &team.admin.token,
                UPDATE,
                change(3, json!({ "name": null })),
            )
            .await;
        assert_eq!(null.code(0), "BAD_USER_INPUT");
        let taken = app
            .gql(&team.ben.token, "{ viewer { user { email } } }", json!({}))
            .await
            .ok();
        let taken = taken.text("/viewer/user/email").to_owned();
        let answer = app
            .gql(
                &team.admin.token,
                UPDATE,
                change(3, json!({ "email": taken })),
            )
            .await;
        assert_eq!(answer.code(0), "CONFLICT");
    }
);

on_both!(a_new_role_bites_with_the_next_request, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Ann's").await;
    app.client_of(&team.cleo, "Cleo's").await;
    let promote = json!({ "input": { "id": team.ben.id(), "version": 1, "role": "ADMIN" } });
    app.gql(&team.admin.token, UPDATE, promote).await.ok();
    let seen = app.gql(&team.ben.token, CLIENTS, json!({})).await.ok();
    assert_eq!(names(&seen, "/clients/nodes"), ["Ann's", "Cleo's"]);
    let demote = json!({ "input": { "id": team.ben.id(), "version": 2, "role": "REP" } });
    app.gql(&team.admin.token, UPDATE, demote).await.ok();
    let seen = app.gql(&team.ben.token, CLIENTS, json!({})).await.ok();
    assert!(names(&seen, "/clients/nodes").is_empty());
    let answer = app
        .gql(
            &team.admin.token,
            UPDATE,
            json!({ "input": { "id": team.left.id(), "version": 1, "role": "REP" } }),
        )
        .await;
    assert_eq!(answer.rule(), "users.has_reports");
});

on_both!(the_last_administrator_stays, async |app: App| {
    let team = app.team().await;
    let demote = |version: i32| json!({ "input": { "id": team.admin.id(), "version": version, "role": "MANAGER" } });
    let leave = |version: i32| json!({ "input": { "id": team.admin.id(), "version": version } });
    let answer = app.gql(&team.admin.token, UPDATE, demote(1)).await;
    assert_eq!(answer.rule(), "users.last_admin");
    let answer = app.gql(&team.admin.token, DEACTIVATE, leave(1)).await;
    assert_eq!(answer.rule(), "users.last_admin");
    let second = app.person("Second", UserRole::Admin, None).await;
    app.gql(&team.admin.token, DEACTIVATE, leave(1)).await.ok();
    let answer = app
        .gql(
            &second.token,
            DEACTIVATE,
            json!({ "input": { "id": second.id(), "version": 1 } }),
        )
        .await;
    assert_eq!(answer.rule(), "users.last_admin");
});

on_both!(a_move_takes_everybody_below_along, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Ann's").await;
    app.client_of(&team.cleo, "Cleo's").await;
    let under = |person: &Person, version: i32, manager: Option<&Person>| json!({ "input": { "id": person.id(), "version": version, "managerId": manager.map(Person::id) } });
    let admin = &team.admin.token;
    let answer = app
        .gql(admin, MOVE, under(&team.left, 1, Some(&team.right)))
        .await
        .ok();
    assert_eq!(answer.text("/userMove/user/manager/id"), team.right.id());
    let seen = app.gql(&team.right.token, CLIENTS, json!({})).await.ok();
    assert_eq!(names(&seen, "/clients/nodes"), ["Ann's", "Cleo's"]);
    let seen = app.gql(&team.left.token, CLIENTS, json!({})).await.ok();
    assert_eq!(names(&seen, "/clients/nodes"), ["Ann's"]);
    for (person, manager) in [
        (&team.right, &team.left),
        (&team.right, &team.right),
        (&team.top, &team.left),
    ] {
        let answer = app.gql(admin, MOVE, under(person, 1, Some(manager))).await;
        assert_eq!(answer.rule(), "users.manager_circle");
    }
    let answer = app
        .gql(admin, MOVE, under(&team.cleo, 1, Some(&team.ann)))
        .await;
    assert_eq!(answer.rule(), "users.manager_role");
    let stale = app.gql(admin, MOVE, under(&team.left, 1, None)).await;
    assert_eq!(stale.code(0), "STALE_VERSION");
    let answer = app
        .gql(
            &team.right.token,
            MOVE,
            under(&team.cleo, 1, Some(&team.left)),
        )
        .await;
    assert_eq!(answer.code(0), "FORBIDDEN");
    app.gql(admin, MOVE, under(&team.left, 2, None)).await.ok();
    let seen = app.gql(&team.right.token, CLIENTS, json!({})).await.ok();
    assert_eq!(names(&seen, "/clients/nodes"), ["Cleo's"]);
});

on_both!(
    who_left_is_out_at_once_and_can_come_back,
    async |app: App| {
        let team = app.team().await;
        let again = app.sign_in(team.ann.id, "Ann").await;
        let leave = |person: &Person, version: i32| json!({ "input": { "id": person.id(), "version": version } });
        let answer = app
            .gql(&team.left.token, DEACTIVATE, leave(&team.ann, 1))
            .await;
        assert_eq!(answer.code(0), "FORBIDDEN");
        let answer = app
            .gql(&team.admin.token, DEACTIVATE, leave(&team.ann, 1))
            .await
            .ok();
        assert!(
            answer
                .data("/userDeactivate/user/deactivatedAt")
                .is_string()
        );
        for token in [&team.ann.token, &again.token] {
            let answer = app.gql(token, CLIENTS, json!({})).await;
            assert_eq!(answer.code(0), "UNAUTHENTICATED");
        }
        app.gql(&team.ben.token, CLIENTS, json!({})).await.ok();
        let answer = app
            .gql(&team.admin.token, DEACTIVATE, leave(&team.ann, 2))
            .await;
        assert_eq!(answer.rule(), "users.already_deactivated");
        let listed = app.gql(&team.ben.token, LIST, json!({})).await.ok();
        assert!(!names(&listed, "/users/nodes").contains(&"Ann".to_owned()));
        let left = app
            .gql(
                &team.ben.token,
                LIST,
                json!({ "filter": { "deactivated": "ONLY" } }),
            )
            .await
            .ok();
        assert_eq!(names(&left, "/users/nodes"), ["Ann"]);
        let answer = app
            .gql(&team.admin.token, REACTIVATE, leave(&team.ann, 2))
            .await
            .ok();
        assert_eq!(
            *answer.data("/userReactivate/user/deactivatedAt"),
            Value::Null
        );
        let answer = app
            .gql(&team.admin.token, REACTIVATE, leave(&team.ann, 3))
            .await;
        assert_eq!(answer.rule(), "users.not_deactivated");
        let answer = app.gql(&team.ann.token, CLIENTS, json!({})).await;
        assert_eq!(
            answer.code(0),
            "UNAUTHENTICATED",
            "sessions that ended stay ended"
        );
        let back = app.sign_in(team.ann.id, "Ann").await;
        app.gql(&back.token, CLIENTS, json!({})).await.ok();
    }
);

on_both!(
    people_set_their_own_language_and_zone_and_nothing_else,
    async |app: App| {
        let team = app.team().await;
        let change = |version: i32| json!({ "input": { "version": version, "locale": "ZH_CN", "timeZone": "Asia/Shanghai" } });
        let answer = app.gql(&team.ann.token, OWN, change(1)).await.ok();
        assert_eq!(answer.text("/viewerUpdate/user/id"), team.ann.id());
        assert_eq!(answer.text("/viewerUpdate/user/locale"), "ZH_CN");
        assert_eq!(answer.text("/viewerUpdate/user/timeZone"), "Asia/Shanghai");
        assert_eq!(version(&app, &team.ann).await, json!(2));
        assert_eq!(version(&app, &team.ben).await, json!(1));
        let stale = app.gql(&team.ann.token, OWN, change(1)).await;
        assert_eq!(stale.code(0), "STALE_VERSION");
        let zone = json!({ "input": { "version": 2, "timeZone": "Mars" } });
        let answer = app.gql(&team.ann.token, OWN, zone).await;
        assert_eq!(answer.fields(), ["input.timeZone"]);
        let role = json!({ "input": { "version": 2, "role": "ADMIN" } });
        let answer = app.gql(&team.ann.token, OWN, role).await;
        assert_eq!(answer.code(0), "BAD_USER_INPUT");
    }
);

on_both!(
    somebodys_clients_are_those_the_viewer_sees,
    async |app: App| {
        let team = app.team().await;
        app.client_of(&team.ann, "Ann's").await;
        app.client_of(&team.ann, "Another of Ann's").await;
        app.client_of(&team.cleo, "Cleo's").await;
        let query = "query($id: ID!) { user(id: $id) { clientCount clients { totalCount nodes { name owner { id } } } } }";
        for (viewer, of, expected) in [
            (&team.ann, &team.ann, vec!["Ann's", "Another of Ann's"]),
            (&team.left, &team.ann, vec!["Ann's", "Another of Ann's"]),
            (&team.ben, &team.ann, vec![]),
            (&team.cleo, &team.ann, vec![]),
            (&team.left, &team.cleo, vec![]),
            (&team.admin, &team.cleo, vec!["Cleo's"]),
        ] {
            let answer = app
                .gql(&viewer.token, query, json!({ "id": of.id() }))
                .await
                .ok();
            assert_eq!(names(&answer, "/user/clients/nodes"), expected);
            assert_eq!(*answer.data("/user/clientCount"), json!(expected.len()));
            for client in answer.list("/user/clients/nodes") {
                assert_eq!(client["owner"]["id"], of.id());
            }
        }
    }
);

on_both!(edges_of_users_cost_the_same_for_many, async |app: App| {
    let team = app.team().await;
    for person in [&team.ann, &team.ben, &team.cleo] {
        app.client_of(person, "One").await;
        app.client_of(person, "Two").await;
    }
    let query = "query($first: Int) { users(first: $first) { nodes { manager { name } reports { nodes { id } } clientCount clients(orderBy: TRAILING_REVENUE_DESC) { nodes { owner { name manager { name } } } } } } }";
    let few = app
        .gql(&team.admin.token, query, json!({ "first": 3 }))
        .await
        .ok();
    let many = app
        .gql(&team.admin.token, query, json!({ "first": 7 }))
        .await
        .ok();
    assert_eq!(few.statements(), many.statements());
});

on_both!(an_import_can_be_repeated, async |app: App| {
    let team = app.team().await;
    let manager = team.left.id;
    let row = move |name: &str, manager| NewUser {
        id: None,
        external_id: Some("E-9".to_owned()),
        email: "anne@example.com".to_owned(),
        name: name.to_owned(),
        title: Some("Rep".to_owned()),
        role: UserRole::Rep,
        manager,
        is_pool_keeper: false,
        time_zone: "Europe/London".to_owned(),
        locale: Locale::En,
        hired_on: None,
    };
    let system = app.server().database.as_system("a test of imports");
    for (name, manager, expected) in [
        ("Anne", None, Imported::Created),
        ("Anne", None, Imported::Unchanged),
        ("Anne D.", None, Imported::Updated),
        ("Anne D.", Some(manager), Imported::Updated),
        ("Anne D.", Some(manager), Imported::Unchanged),
    ] {
        let (user, outcome) = system
            .write(move |tx| async move { users::import(&tx, row(name, manager)).await })
            .await
            .unwrap();
        assert_eq!(outcome, expected);
        assert_eq!(user.name, name);
        assert_eq!(user.manager_id, manager);
    }
});

/// A small generator, so that a failing schedule is the same on each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

on_both!(
    random_moves_keep_the_closure_equal_to_the_tree,
    async |app: App| {
        const USERS: usize = 14;
        let mut ids = Vec::new();
        for at in 0..USERS {
            let person = app
                .person(&format!("Manager {at}"), UserRole::Manager, None)
                .await;
            ids.push(person.id);
        }
        let mut above: Vec<Option<usize>> = vec![None; USERS];
        let mut dice = Dice(20_261_122);
        let system = app.server().database.as_system("a test of the tree");
        let mut circles = 0;
        for step in 0..150 {
            let who = dice.below(USERS);
            let manager = Some(dice.below(USERS + 2)).filter(|at| *at < USERS);
            let (id, manager_id) = (ids[who], manager.map(|at| ids[at]));
            let moved = system
                .write(move |tx| async move {
                    let row = tx.select::<entity::user::Entity>().id(id).get().await?;
                    users::place(&tx, id, row.version, manager_id).await
                })
                .await;
            let mut up = manager;
            let closes_circle = loop {
                match up {
                    Some(at) if at == who => break true,
                    Some(at) => up = above[at],
                    None => break false,
                }
            };
            // Staying where one is is no move.
            match moved {
                Ok(_) => {
                    assert!(!closes_circle, "step {step}");
                    above[who] = manager;
                }
                Err(error) => {
                    assert!(closes_circle, "step {step}: {error:?}");
                    assert_eq!(error.rule_name(), Some("users.manager_circle"));
                    circles += 1;
                }
            }
            if step % 10 == 9 {
                let mut expected: BTreeSet<(UserId, UserId, i32)> = BTreeSet::new();
                for at in 0..USERS {
                    let (mut up, mut depth) = (Some(at), 0);
                    while let Some(manager) = up {
                        expected.insert((ids[manager], ids[at], depth));
                        up = above[manager];
                        depth += 1;
                    }
                }
                let rows = system.select::<user_reach::Entity>().all().await.unwrap();
                let found: BTreeSet<_> = rows
                    .iter()
                    .map(|row| (row.manager_id, row.user_id, row.depth))
                    .collect();
                assert_eq!(found.len(), rows.len());
                assert_eq!(found, expected, "step {step}");
            }
        }
        assert!(circles > 5, "{circles} moves would have closed a circle");
    }
);
