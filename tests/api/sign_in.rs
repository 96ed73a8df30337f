//! Signing in, staying signed in, passwords, and devices in a list.

use chrono::TimeDelta;
use clientele::app::{AUDIENCE, ISSUER};
use clientele::auth::keys::Keyring;
use clientele::auth::passwords::Passwords;
use clientele::auth::tokens::Tokens;
use clientele::domain::sign_in::{MAX_SESSIONS, SignIn};
use clientele::domain::users;
use clientele::jobs;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::people::Person;
use crate::support::{Answer, App};

const PASSWORD: &str = "two green umbrellas";
const VIEWER: &str = "{ viewer { user { id } session { id } } }";
const CHANGE: &str = "mutation($input: PasswordChangeInput!) { passwordChange(input: $input) { endedSessionCount } }";
const SESSIONS: &str = "query($ended: Boolean) { viewer { sessions(includeEnded: $ended) { totalCount nodes { id deviceName userAgent current createdAt lastUsedAt expiresAt revokedAt user { id } } } } }";
const REVOKE: &str = "mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { session { id revokedAt } } }";
const REVOKE_ALL: &str = "mutation($input: SessionRevokeAllInput!) { sessionRevokeAll(input: $input) { endedSessionCount } }";

async fn with_password(app: &App, person: &Person) -> String {
    let passwords = Passwords::new().unwrap();
    let database = &app.server().database;
    users::set_password(database, &passwords, person.id, PASSWORD)
        .await
        .unwrap();
    let row = database
        .as_system("a test")
        .select::<entity::user::Entity>()
        .id(person.id)
        .get()
        .await
        .unwrap();
    row.email.clone()
}

async fn sign_in(app: &App, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password, "deviceName": "Ann's phone" });
    app.post("", "/auth/sign-in", &body).await
}

async fn clean_up(app: &App) -> u64 {
    jobs::housekeeping::sweep(&app.server().database)
        .await
        .unwrap()
}

async fn refresh(app: &App, token: &str) -> Answer {
    app.post("", "/auth/refresh", &json!({ "refreshToken": token }))
        .await
}

fn at<'a>(answer: &'a Answer, pointer: &str) -> &'a str {
    answer
        .json
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} in {answer}"))
}

on_both!(a_password_opens_a_session, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let answer = sign_in(&app, &email.to_uppercase(), PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(at(&answer, "/user/id"), team.ann.id());
    assert_eq!(at(&answer, "/user/name"), "Ann");
    assert_eq!(at(&answer, "/user/email"), email);
    assert_eq!(at(&answer, "/user/role"), "REP");
    assert_eq!(answer.json["expiresInSeconds"], 600);
    let viewer = app
        .gql(at(&answer, "/accessToken"), VIEWER, json!({}))
        .await
        .ok();
    assert_eq!(viewer.text("/viewer/user/id"), team.ann.id());
    assert_eq!(viewer.text("/viewer/session/id"), at(&answer, "/sessionId"));
    let sessions = app
        .gql(at(&answer, "/accessToken"), SESSIONS, json!({}))
        .await
        .ok();
    assert_eq!(
        sessions.text("/viewer/sessions/nodes/0/deviceName"),
        "Ann's phone"
    );
});

on_both!(whatever_is_wrong_the_answer_is_one, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let left = with_password(&app, &team.cleo).await;
    let leave =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let input = json!({ "input": { "id": team.cleo.id(), "version": 1 } });
    app.gql(&team.admin.token, leave, input).await.ok();
    let none = app
        .gql(&team.ben.token, "{ viewer { user { email } } }", json!({}))
        .await
        .ok();
    let none = none.text("/viewer/user/email").to_owned();
    let mut answers = Vec::new();
    for (email, password) in [
        (email.as_str(), "two green umbrella"),
        ("nobody@example.com", PASSWORD),
        (left.as_str(), PASSWORD),
        (none.as_str(), PASSWORD),
        (none.as_str(), ""),
    ] {
        let answer = sign_in(&app, email, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{email}");
        assert_eq!(at(&answer, "/errors/0/extensions/code"), "UNAUTHENTICATED");
        assert!(answer.json["errors"][0]["extensions"]["requestId"].is_string());
        answers.push(at(&answer, "/errors/0/message").to_owned());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
});

on_both!(
    guessing_has_to_wait_and_the_right_one_ends_the_count,
    async |app: App| {
        let team = app.team().await;
        let email = with_password(&app, &team.ann).await;
        let other = with_password(&app, &team.cleo).await;
        for _ in 0..5 {
            let answer = sign_in(&app, &email, "a wrong password").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let answer = sign_in(&app, &email, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
        assert_eq!(at(&answer, "/errors/0/extensions/code"), "THROTTLED");
        let wait = answer.json["errors"][0]["extensions"]["retryAfterSeconds"]
            .as_i64()
            .unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        assert_eq!(answer.headers["retry-after"], wait.to_string());
        // Others are not held up, and names that do not exist are counted alike.
        assert_eq!(sign_in(&app, &other, PASSWORD).await.status, StatusCode::OK);
        for at in 0..6 {
            let answer = sign_in(&app, "nobody@example.com", PASSWORD).await;
            let expected = if at < 5 { 401 } else { 429 };
            assert_eq!(answer.status.as_u16(), expected);
        }
        app.server().clock.advance(TimeDelta::seconds(31));
        assert_eq!(sign_in(&app, &email, PASSWORD).await.status, StatusCode::OK);
        for _ in 0..5 {
            let answer = sign_in(&app, &email, "a wrong password").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
);

on_both!(
    a_hundred_tries_at_once_are_counted_one_by_one,
    async |app: App| {
        let team = app.team().await;
        let email = with_password(&app, &team.ann).await;
        let tries = (0..12).map(|_| sign_in(&app, &email, "a wrong password"));
        let answers = futures_util::future::join_all(tries).await;
        let refused = answers
            .iter()
            .filter(|answer| answer.status == StatusCode::UNAUTHORIZED)
            .count();
        assert_eq!(refused, 5, "only the free tries may reach the password");
    }
);

on_both!(
    bad_requests_are_refused_before_anything_is_counted,
    async |app: App| {
        let team = app.team().await;
        let email = with_password(&app, &team.ann).await;
        let post = |kind: &str, body: String| {
            app.request(Method::POST, "/auth/sign-in")
                .header("content-type", kind)
                .body(body)
        };
        let good = json!({ "email": email, "password": PASSWORD }).to_string();
        for (kind, body, status) in [
            ("text/plain", good.clone(), 415),
            ("application/x-www-form-urlencoded", good.clone(), 415),
            ("application/json", "{".to_owned(), 400),
            ("application/json", "{}".to_owned(), 400),
            (
                "application/json",
                json!({ "email": email, "password": 7 }).to_string(),
                400,
            ),
            (
                "application/json",
                json!({ "email": "nobody", "password": PASSWORD }).to_string(),
                400,
            ),
            (
                "application/json",
                json!({ "email": email, "password": PASSWORD, "deviceName": "x".repeat(101) })
                    .to_string(),
                400,
            ),
            (
                "application/json",
                json!({ "email": email, "password": "x".repeat(17_000) }).to_string(),
                413,
            ),
            ("application/json; charset=utf-8", good, 200),
        ] {
            let answer = Answer::of(post(kind, body)).await;
            assert_eq!(answer.status.as_u16(), status, "{kind} {answer}");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert!(!answer.json.to_string().contains(PASSWORD));
        }
        let answer = Answer::of(app.request(Method::GET, "/auth/sign-in")).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
);

on_both!(refreshing_goes_on_and_rotates, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let begun = sign_in(&app, &email, PASSWORD).await;
    let mut token = at(&begun, "/refreshToken").to_owned();
    for _ in 0..3 {
        app.server().clock.advance(TimeDelta::minutes(10));
        let answer = refresh(&app, &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        assert_eq!(at(&answer, "/sessionId"), at(&begun, "/sessionId"));
        assert_eq!(at(&answer, "/user/id"), team.ann.id());
        assert_ne!(at(&answer, "/refreshToken"), token);
        // The answer was lost: the same request gets the same token.
        let repeated = refresh(&app, &token).await;
        assert_eq!(at(&repeated, "/refreshToken"), at(&answer, "/refreshToken"));
        app.gql(at(&answer, "/accessToken"), VIEWER, json!({}))
            .await
            .ok();
        token = at(&answer, "/refreshToken").to_owned();
    }
    for wrong in ["", "rt_", "rt_AAAA", token.get(1..).unwrap()] {
        assert_eq!(refresh(&app, wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    app.server().clock.advance(TimeDelta::days(31));
    assert_eq!(refresh(&app, &token).await.status, StatusCode::UNAUTHORIZED);
});

on_both!(
    a_token_that_comes_back_late_ends_the_session,
    async |app: App| {
        let team = app.team().await;
        let email = with_password(&app, &team.ann).await;
        let begun = sign_in(&app, &email, PASSWORD).await;
        let other = sign_in(&app, &email, PASSWORD).await;
        let stolen = at(&begun, "/refreshToken").to_owned();
        app.server().clock.advance(TimeDelta::minutes(5));
        let honest = refresh(&app, &stolen).await;
        app.server().clock.advance(TimeDelta::seconds(61));
        assert_eq!(
            refresh(&app, &stolen).await.status,
            StatusCode::UNAUTHORIZED
        );
        let next = refresh(&app, at(&honest, "/refreshToken")).await;
        assert_eq!(next.status, StatusCode::UNAUTHORIZED, "it ended for both");
        let answer = app
            .gql(at(&honest, "/accessToken"), VIEWER, json!({}))
            .await;
        assert_eq!(answer.code(0), "UNAUTHENTICATED");
        assert_eq!(
            refresh(&app, at(&other, "/refreshToken")).await.status,
            StatusCode::OK,
            "other devices go on"
        );
    }
);

on_both!(refreshes_at_once_lead_to_one_token, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let begun = sign_in(&app, &email, PASSWORD).await;
    let token = at(&begun, "/refreshToken").to_owned();
    app.server().clock.advance(TimeDelta::minutes(9));
    let answers = futures_util::future::join_all((0..8).map(|_| refresh(&app, &token))).await;
    let mut tokens: Vec<&str> = answers
        .iter()
        .map(|answer| at(answer, "/refreshToken"))
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    app.server().clock.advance(TimeDelta::minutes(9));
    assert_eq!(refresh(&app, tokens[0]).await.status, StatusCode::OK);
});

on_both!(signing_out_ends_this_session_only, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let here = sign_in(&app, &email, PASSWORD).await;
    let there = sign_in(&app, &email, PASSWORD).await;
    let token = at(&here, "/accessToken");
    let out = app.post(token, "/auth/sign-out", &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{out}");
    assert_eq!(out.json, Value::Null);
    assert_eq!(
        app.gql(token, VIEWER, json!({})).await.code(0),
        "UNAUTHENTICATED"
    );
    let gone = refresh(&app, at(&here, "/refreshToken")).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED);
    app.gql(at(&there, "/accessToken"), VIEWER, json!({}))
        .await
        .ok();
    for token in ["", "nonsense"] {
        let answer = app.post(token, "/auth/sign-out", &json!({})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
});

on_both!(people_see_and_end_their_own_devices, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    // Setting the password ended the session of the test.
    let here = sign_in(&app, &email, PASSWORD).await;
    let token = at(&here, "/accessToken");
    app.server().clock.advance(TimeDelta::seconds(1));
    let there = sign_in(&app, &email, PASSWORD).await;
    let listed = app.gql(token, SESSIONS, json!({})).await.ok();
    assert_eq!(*listed.data("/viewer/sessions/totalCount"), json!(2));
    let nodes = listed.list("/viewer/sessions/nodes");
    assert_eq!(nodes[0]["id"], at(&there, "/sessionId"));
    assert_eq!(nodes[0]["current"], false);
    assert_eq!(nodes[1]["current"], true);
    assert_eq!(nodes[1]["user"]["id"], team.ann.id());
    let input = json!({ "input": { "id": at(&there, "/sessionId") } });
    for person in [&team.ben, &team.left] {
        let answer = app.gql(&person.token, REVOKE, input.clone()).await;
        assert_eq!(answer.code(0), "NOT_FOUND", "{}", person.name);
    }
    for _ in 0..2 {
        let answer = app.gql(token, REVOKE, input.clone()).await.ok();
        assert!(answer.data("/sessionRevoke/session/revokedAt").is_string());
    }
    let answer = app.gql(at(&there, "/accessToken"), VIEWER, json!({})).await;
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
    let listed = app.gql(token, SESSIONS, json!({})).await.ok();
    assert_eq!(*listed.data("/viewer/sessions/totalCount"), json!(1));
    let all = app
        .gql(token, SESSIONS, json!({ "ended": true }))
        .await
        .ok();
    assert_eq!(*all.data("/viewer/sessions/totalCount"), json!(3));
});

on_both!(all_devices_end_at_once_but_this, async |app: App| {
    let team = app.team().await;
    for _ in 0..3 {
        app.sign_in(team.ann.id, "Ann").await;
    }
    let answer = app
        .gql(&team.ann.token, REVOKE_ALL, json!({ "input": {} }))
        .await
        .ok();
    assert_eq!(
        *answer.data("/sessionRevokeAll/endedSessionCount"),
        json!(3)
    );
    app.gql(&team.ann.token, VIEWER, json!({})).await.ok();
    app.gql(&team.cleo.token, VIEWER, json!({})).await.ok();
    let of_cleo = json!({ "input": { "userId": team.cleo.id() } });
    for person in [&team.ann, &team.right] {
        let answer = app.gql(&person.token, REVOKE_ALL, of_cleo.clone()).await;
        assert_eq!(answer.code(0), "FORBIDDEN");
    }
    app.gql(&team.admin.token, REVOKE_ALL, of_cleo).await.ok();
    let answer = app.gql(&team.cleo.token, VIEWER, json!({})).await;
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
    let last = json!({ "input": { "exceptThis": false } });
    app.gql(&team.ann.token, REVOKE_ALL, last).await.ok();
    let answer = app.gql(&team.ann.token, VIEWER, json!({})).await;
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
});

on_both!(
    only_administrators_see_devices_of_others,
    async |app: App| {
        let team = app.team().await;
        let query = "query($id: ID!) { user(id: $id) { name sessions { nodes { id } } } }";
        let of_ann = json!({ "id": team.ann.id() });
        for person in [&team.ann, &team.admin] {
            let answer = app.gql(&person.token, query, of_ann.clone()).await.ok();
            assert_eq!(
                answer.text("/user/sessions/nodes/0/id"),
                team.ann.session.to_string()
            );
        }
        for person in [&team.ben, &team.cleo, &team.left, &team.top] {
            let answer = app.gql(&person.token, query, of_ann.clone()).await;
            assert_eq!(answer.code(0), "FORBIDDEN", "{}", person.name);
            assert_eq!(*answer.data("/user/sessions"), Value::Null);
            assert_eq!(answer.text("/user/name"), "Ann");
        }
        let node = "query($id: ID!) { node(id: $id) { id } }";
        let id = json!({ "id": team.ann.session.to_string() });
        let answer = app.gql(&team.ben.token, node, id.clone()).await.ok();
        assert_eq!(*answer.data("/node"), Value::Null);
        let answer = app.gql(&team.ann.token, node, id).await.ok();
        assert!(answer.data("/node/id").is_string());
    }
);

on_both!(people_change_their_own_password, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let here = sign_in(&app, &email, PASSWORD).await;
    let there = sign_in(&app, &email, PASSWORD).await;
    let token = at(&here, "/accessToken");
    let change = |present: &str, new: &str| json!({ "input": { "presentPassword": present, "password": new } });
    let wrong = app
        .gql(token, CHANGE, change("not it at all", "three red kettles"))
        .await;
    assert_eq!(wrong.rule(), "users.wrong_password");
    assert_eq!(wrong.fields(), ["input.presentPassword"]);
    for weak in ["short", "password123", &email] {
        let answer = app.gql(token, CHANGE, change(PASSWORD, weak)).await;
        assert_eq!(answer.fields(), ["input.password"], "{weak}");
    }
    let answer = app
        .gql(token, CHANGE, change(PASSWORD, "three red kettles"))
        .await
        .ok();
    assert_eq!(*answer.data("/passwordChange/endedSessionCount"), json!(1));
    app.gql(token, VIEWER, json!({})).await.ok();
    let gone = refresh(&app, at(&there, "/refreshToken")).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        sign_in(&app, &email, PASSWORD).await.status,
        StatusCode::UNAUTHORIZED
    );
    let again = sign_in(&app, &email, "three red kettles").await;
    assert_eq!(again.status, StatusCode::OK);
    for _ in 0..5 {
        let answer = app
            .gql(token, CHANGE, change("guessing still", "four blue spoons"))
            .await;
        assert_eq!(answer.rule(), "users.wrong_password");
    }
    let answer = app
        .gql(
            token,
            CHANGE,
            change("three red kettles", "four blue spoons"),
        )
        .await;
    assert_eq!(answer.code(0), "THROTTLED");
    // Ben has no password, and Ann's is none of his.
    let answer = app
        .gql(
            &team.ben.token,
            CHANGE,
            change(PASSWORD, "four blue spoons"),
        )
        .await;
    assert_eq!(answer.rule(), "users.wrong_password");
});

on_both!(administrators_set_passwords, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.cleo).await;
    let set = "mutation($input: UserSetPasswordInput!) { userSetPassword(input: $input) { user { id } } }";
    let input = |password: &str| json!({ "input": { "id": team.cleo.id(), "password": password } });
    let here = sign_in(&app, &email, PASSWORD).await;
    for person in [&team.ann, &team.right] {
        let answer = app
            .gql(&person.token, set, input("three red kettles"))
            .await;
        assert_eq!(answer.code(0), "FORBIDDEN");
    }
    let answer = app.gql(&team.admin.token, set, input("short")).await;
    assert_eq!(answer.fields(), ["input.password"]);
    app.gql(&team.admin.token, set, input("three red kettles"))
        .await
        .ok();
    let gone = refresh(&app, at(&here, "/refreshToken")).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED);
    let again = sign_in(&app, &email, "three red kettles").await;
    assert_eq!(again.status, StatusCode::OK);
    app.gql(&team.admin.token, VIEWER, json!({})).await.ok();
});

on_both!(scripts_get_a_session_of_their_own, async |app: App| {
    let team = app.team().await;
    let keyring = Keyring::from_secret(b"a secret of the tests, 32 bytes and more").unwrap();
    let keyring = Arc::new(keyring);
    let tokens = Arc::new(Tokens::new(Arc::clone(&keyring), ISSUER, AUDIENCE));
    let service = SignIn::new(app.server().database.clone(), &keyring, tokens).unwrap();
    let issued = service
        .issue_access_token(team.ann.id, TimeDelta::days(2))
        .await
        .unwrap();
    app.server().clock.advance(TimeDelta::hours(47));
    let listed = app.gql(&issued.token, SESSIONS, json!({})).await.ok();
    let names: Vec<&str> = listed
        .list("/viewer/sessions/nodes")
        .iter()
        .map(|node| node["deviceName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["command line", "a test"]);
    app.server().clock.advance(TimeDelta::hours(2));
    let answer = app.gql(&issued.token, VIEWER, json!({})).await;
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
    let other = app.token(&team.ben);
    app.gql(&other, VIEWER, json!({})).await.ok();
    for ttl in [TimeDelta::seconds(59), TimeDelta::days(181)] {
        let refused = service.issue_access_token(team.ann.id, ttl).await;
        assert!(refused.is_err());
    }
    assert_eq!(clean_up(&app).await, 0);
    app.server().clock.advance(TimeDelta::days(91));
    assert_eq!(clean_up(&app).await, 1);
});

on_both!(every_refusal_has_one_shape, async |app: App| {
    let post = |path: &'static str, body: Value| {
        let request = app.request(Method::POST, path);
        Answer::of(request.json(&body))
    };
    let told = |answer: &Answer| {
        assert!(answer.errors()[0]["message"].is_string(), "{answer}");
        assert!(answer.extension(0, "requestId").is_string(), "{answer}");
        let fields = answer.fields().join(" ");
        (answer.status.as_u16(), answer.code(0).to_owned(), fields)
    };
    let wrong = |status, fields: &str| (status, "BAD_USER_INPUT".to_owned(), fields.to_owned());
    let email = json!({ "email": "ann@example.com" });
    let answer = post("/auth/sign-in", email).await;
    assert_eq!(told(&answer), wrong(400, "password"));
    assert_eq!(answer.json["errors"][0]["message"], "`password` is missing");
    let answer = post("/auth/sign-in", json!({ "password": 7, "eMail": "x" })).await;
    assert_eq!(told(&answer), wrong(400, "email password eMail"));
    let answer = post("/auth/refresh", json!({})).await;
    assert_eq!(told(&answer), wrong(400, "refreshToken"));
    let answer = post("/auth/refresh", json!([])).await;
    assert_eq!(told(&answer), wrong(400, ""));
    let answer = post("/auth/sign-out", json!({})).await;
    assert_eq!(told(&answer).1, "UNAUTHENTICATED");
    let answer = app.get("", "/nothing/here").await;
    assert_eq!(told(&answer), (404, "NOT_FOUND".to_owned(), String::new()));
    for (path, allowed) in [("/auth/sign-in", "POST"), ("/livez", "GET,HEAD")] {
        let request = app.request(Method::DELETE, path);
        let answer = Answer::of(request).await;
        assert_eq!(told(&answer), wrong(405, ""), "{path}");
        assert_eq!(answer.headers["allow"], allowed);
        assert_eq!(answer.rule(), "METHOD_NOT_ALLOWED");
    }
    let answer = app.get("", "/").await;
    assert_eq!(answer.status, StatusCode::OK);
    let said = answer.json.as_str().unwrap();
    assert!(
        said.contains("/graphql") && said.contains("--public-explorer"),
        "{said}"
    );
});

on_both!(a_user_has_so_many_devices, async |app: App| {
    let team = app.team().await;
    let email = with_password(&app, &team.ann).await;
    let first = app.sign_in(team.ann.id, "the first").await;
    let ask = async |token: &str| app.gql(token, VIEWER, json!({})).await;
    let next = async || {
        app.server().clock.advance(TimeDelta::seconds(1));
        let answer = sign_in(&app, &email, PASSWORD).await.ok();
        at(&answer, "/accessToken").to_owned()
    };
    let mut tokens = Vec::new();
    for _ in 0..MAX_SESSIONS {
        tokens.push(next().await);
    }
    // The one that was not used for the longest has ended; all others go on.
    assert_eq!(ask(&first.token).await.code(0), "UNAUTHENTICATED");
    for token in &tokens {
        let _ = ask(token).await.ok();
    }
    tokens.push(next().await);
    assert_eq!(ask(&tokens[0]).await.code(0), "UNAUTHENTICATED");
    let _ = ask(&tokens[1]).await.ok();
    // Nobody else's.
    let _ = ask(&team.ben.token).await.ok();
});
