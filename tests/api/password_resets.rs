//! A password that was lost: the code an administrator makes, and what it is good for.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Answer, App, Person};

const RESET: &str = "mutation($input: UserPasswordResetInput!) { userPasswordReset(input: $input) { code expiresAt } }";
const NEW: &str = "a long and winding road";

async fn code_for(app: &App, admin: &str, person: &Person) -> String {
    let input = json!({ "input": { "userId": person.id() } });
    let answer = app.gql(admin, RESET, input).await.ok();
    answer.text("/userPasswordReset/code").to_owned()
}

async fn redeem(app: &App, code: &str, password: &str) -> Answer {
    let body = json!({ "code": code, "password": password });
    app.post("", "/auth/reset", &body).await
}

async fn signs_in(app: &App, person: &Person, password: &str) -> bool {
    let query = "{ viewer { user { email } } }";
    let token = app.token(&app.sign_in(person.id, &person.name).await);
    let answer = app.gql(&token, query, json!({})).await.ok();
    let body = json!({ "email": answer.text("/viewer/user/email"), "password": password });
    app.post("", "/auth/sign-in", &body).await.status == 200
}

#[track_caller]
fn is_wrong(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer}");
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
    assert_eq!(
        answer.errors()[0]["message"],
        "this code is not valid, or no longer; ask an administrator for another"
    );
}

on_both!(a_code_sets_a_password_once, async |app: App| {
    let team = app.team().await;
    let code = code_for(&app, &team.admin.token, &team.ann).await;
    assert!(code.starts_with("clientele_pr_"));
    // A password that is refused costs nothing.
    let answer = redeem(&app, &code, "short").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code(0)),
        (400, "BAD_USER_INPUT")
    );
    assert_eq!(answer.fields(), ["password"]);
    assert_eq!(redeem(&app, &code, "qwertyuiop123").await.status, 400);
    assert_eq!(redeem(&app, &code, NEW).await.status, 204);
    // Every device was signed out; the new password lets in; nobody else's changed.
    let answer = app
        .gql(&team.ann.token, "{ viewer { user { id } } }", json!({}))
        .await;
    assert_eq!(answer.status, 401);
    app.gql(&team.ben.token, "{ viewer { user { id } } }", json!({}))
        .await
        .ok();
    assert!(signs_in(&app, &team.ann, NEW).await);
    assert!(!signs_in(&app, &team.ben, NEW).await);
    is_wrong(&redeem(&app, &code, "another and longer road").await);
    assert!(signs_in(&app, &team.ann, NEW).await);
});

on_both!(
    a_code_ends_and_a_new_one_takes_its_place,
    async |app: App| {
        let team = app.team().await;
        let first = code_for(&app, &team.admin.token, &team.ann).await;
        let second = code_for(&app, &team.admin.token, &team.ann).await;
        let bens = code_for(&app, &team.admin.token, &team.ben).await;
        is_wrong(&redeem(&app, &first, NEW).await);
        app.server().clock.advance(TimeDelta::hours(23));
        assert_eq!(redeem(&app, &second, NEW).await.status, 204);
        app.server().clock.advance(TimeDelta::hours(2));
        is_wrong(&redeem(&app, &bens, NEW).await);
        // Nothing tells a code that never was from one that is over.
        let mut other = bens.clone();
        other.pop();
        other.push('A');
        for wrong in [other.as_str(), "", "clientele_pr_", "rt_x"] {
            is_wrong(&redeem(&app, wrong, NEW).await);
        }
    }
);

on_both!(only_administrators_make_codes, async |app: App| {
    let team = app.team().await;
    for person in [&team.ann, &team.left, &team.top] {
        for target in [&team.ann, &team.admin] {
            let input = json!({ "input": { "userId": target.id() } });
            let answer = app.gql(&person.token, RESET, input).await;
            assert_eq!(answer.code(0), "FORBIDDEN");
        }
    }
    let input = json!({ "input": { "userId": format!("user_{}", uuid::Uuid::now_v7()) } });
    let answer = app.gql(&team.admin.token, RESET, input).await;
    assert_eq!(answer.code(0), "NOT_FOUND");
    let deactivate =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let code = code_for(&app, &team.admin.token, &team.ben).await;
    let input = json!({ "input": { "id": team.ben.id(), "version": 1 } });
    app.gql(&team.admin.token, deactivate, input).await.ok();
    is_wrong(&redeem(&app, &code, NEW).await);
    let input = json!({ "input": { "userId": team.ben.id() } });
    let answer = app.gql(&team.admin.token, RESET, input).await;
    assert_eq!(answer.rule(), "users.deactivated");
});

on_both!(
    a_code_ends_with_the_password_it_was_made_for,
    async |app: App| {
        let team = app.team().await;
        let admin = &team.admin.token;
        let set = async |person: &Person, password: &str| {
            let mutation = "mutation($input: UserSetPasswordInput!) { userSetPassword(input: $input) { user { id } } }";
            let input = json!({ "input": { "id": person.id(), "password": password } });
            app.gql(admin, mutation, input).await.ok();
        };
        // Set by an administrator.
        let code = code_for(&app, admin, &team.ann).await;
        set(&team.ann, "two green umbrellas").await;
        is_wrong(&redeem(&app, &code, NEW).await);
        // Changed by its user.
        let code = code_for(&app, admin, &team.ann).await;
        let ann = app.token(&app.sign_in(team.ann.id, "Ann").await);
        let change = "mutation($input: PasswordChangeInput!) { passwordChange(input: $input) { endedSessionCount } }";
        let input = json!({ "input": { "presentPassword": "two green umbrellas", "password": "nine blue kettles" } });
        app.gql(&ann, change, input).await.ok();
        is_wrong(&redeem(&app, &code, NEW).await);
        assert!(signs_in(&app, &team.ann, "nine blue kettles").await);
        // Made for somebody who then left, and came back.
        let code = code_for(&app, admin, &team.ben).await;
        for (step, version) in [("userDeactivate", 1), ("userReactivate", 2)] {
            let mutation = format!(
                "mutation($input: UserVersionInput!) {{ {step}(input: $input) {{ user {{ id }} }} }}"
            );
            let input = json!({ "input": { "id": team.ben.id(), "version": version } });
            app.gql(admin, &mutation, input).await.ok();
        }
        is_wrong(&redeem(&app, &code, NEW).await);
    }
);

on_both!(guessing_codes_is_slowed, async |app: App| {
    let mut statuses: Vec<u16> = Vec::new();
    for _ in 0..55 {
        statuses.push(
            redeem(&app, "clientele_pr_guess", NEW)
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[54], 429);
    let answer = redeem(&app, "clientele_pr_guess", NEW).await;
    assert_ne!(*answer.extension(0, "retryAfterSeconds"), Value::Null);
});

on_both!(one_of_many_at_once_uses_the_code, async |app: App| {
    let team = app.team().await;
    let code = code_for(&app, &team.admin.token, &team.ann).await;
    let tries = (0..4).map(|_| redeem(&app, &code, NEW));
    let answers = futures_util::future::join_all(tries).await;
    let done = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!(done, 1);
});
