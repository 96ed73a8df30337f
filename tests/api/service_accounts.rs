//! Service accounts: what their keys open, what they do not, and how they end.

use chrono::TimeDelta;
use clientele::clock::Clock;
use clientele::db::{Database, DatabaseConfig};
use clientele::graphql::service_scopes::{NEEDS, need};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::idempotency::send;
use crate::support::database::TestDatabase;
use crate::support::{Answer, App, Backend, Person, Team, server};

const CREATE: &str = "mutation($input: ServiceAccountCreateInput!) { serviceAccountCreate(input: $input) { \
    serviceAccount { id name scopes user { id } closedAt } } }";
const KEY: &str = "mutation($input: ServiceKeyCreateInput!) { serviceKeyCreate(input: $input) { secret \
    serviceKey { id expiresAt lastUsedOn revokedAt } } }";
const REVOKE: &str = "mutation($input: ServiceKeyRevokeInput!) { serviceKeyRevoke(input: $input) { serviceKey { revokedAt } } }";
const CLOSE: &str = "mutation($input: ServiceAccountCloseInput!) { serviceAccountClose(input: $input) { serviceAccount { closedAt } } }";
const NOTE: &str =
    "mutation($input: NoteCreateInput!) { noteCreate(input: $input) { note { id } } }";

/// A key of a new account that acts as `person`; the account, the key's id and the key.
pub async fn key_of(
    app: &App,
    team: &Team,
    person: &Person,
    scopes: &[&str],
) -> (String, String, String) {
    let name = format!("{} {}", person.name, scopes.join(" "));
    let input = json!({ "input": { "name": name, "userId": person.id(), "scopes": scopes } });
    let made = app.gql(&team.admin.token, CREATE, input).await.ok();
    let account = made
        .text("/serviceAccountCreate/serviceAccount/id")
        .to_owned();
    let input = json!({ "input": { "serviceAccountId": account } });
    let made = app.gql(&team.admin.token, KEY, input).await.ok();
    let id = made.text("/serviceKeyCreate/serviceKey/id").to_owned();
    (
        account,
        id,
        made.text("/serviceKeyCreate/secret").to_owned(),
    )
}

async fn names(app: &App, token: &str) -> Vec<String> {
    let answer = app
        .gql(token, "{ clients { nodes { name } } }", json!({}))
        .await
        .ok();
    let nodes = answer.list("/clients/nodes").iter();
    nodes
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer}");
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
}

on_both!(a_key_sees_what_its_user_sees, async |app: App| {
    let team = app.team().await;
    app.client_of(&team.ann, "Ann's").await;
    app.client_of(&team.ben, "Ben's").await;
    app.client_of(&team.cleo, "Cleo's").await;
    let (_, _, ann) = key_of(&app, &team, &team.ann, &[]).await;
    let (_, _, left) = key_of(&app, &team, &team.left, &[]).await;
    assert_eq!(names(&app, &ann).await, ["Ann's"]);
    assert_eq!(names(&app, &left).await, ["Ann's", "Ben's"]);
    let answer = app
        .gql(&ann, "{ viewer { user { id } } }", json!({}))
        .await
        .ok();
    assert_eq!(answer.text("/viewer/user/id"), team.ann.id());
});

on_both!(a_key_does_what_its_scopes_say, async |app: App| {
    let team = app.team().await;
    let client = app.client_of(&team.ann, "Ann's").await;
    let bens = app.client_of(&team.ben, "Ben's").await;
    let note = |client: &str| json!({ "input": { "clientId": client, "body": "hello" } });
    let (_, _, reads) = key_of(&app, &team, &team.ann, &["READ"]).await;
    let (_, _, orders) = key_of(&app, &team, &team.ann, &["WRITE_ORDERS"]).await;
    let (_, _, clients) = key_of(&app, &team, &team.ann, &["WRITE_CLIENTS"]).await;
    for key in [&reads, &orders] {
        let answer = app.gql(key, NOTE, note(&client)).await;
        assert_eq!(answer.code(0), "FORBIDDEN");
        assert_eq!(answer.rule(), "service_accounts.scope_missing");
        // Another name in the answer changes nothing.
        let aliased = NOTE.replace("noteCreate(", "orderCreate: noteCreate(");
        let answer = app.gql(key, &aliased, note(&client)).await;
        assert_eq!(answer.rule(), "service_accounts.scope_missing");
        let spread = "mutation($input: NoteCreateInput!) { ...All } fragment All on Mutation { \
            noteCreate(input: $input) { note { id } } }";
        let answer = app.gql(key, spread, note(&client)).await;
        assert_eq!(answer.rule(), "service_accounts.scope_missing");
    }
    app.gql(&clients, NOTE, note(&client)).await.ok();
    let answer = app.gql(&clients, NOTE, note(&bens)).await;
    assert_eq!(answer.code(0), "NOT_FOUND");
    // Nothing is granted that the user may not.
    let (_, _, admin) = key_of(&app, &team, &team.left, &["ADMIN"]).await;
    let deactivate =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let input = json!({ "input": { "id": team.ben.id(), "version": 1 } });
    let answer = app.gql(&admin, deactivate, input).await;
    assert_eq!(answer.code(0), "FORBIDDEN");
    let answer = app
        .gql(
            &team.ann.token,
            "{ clients { nodes { notes { totalCount } } } }",
            json!({}),
        )
        .await
        .ok();
    assert_eq!(*answer.data("/clients/nodes/0/notes/totalCount"), 1);
});

on_both!(a_restored_backup_revives_nothing, async |app: App| {
    let team = app.team().await;
    let (_, id, revoked) = key_of(&app, &team, &team.ann, &[]).await;
    let (_, _, kept) = key_of(&app, &team, &team.ben, &[]).await;
    let reset =
        "mutation($input: UserPasswordResetInput!) { userPasswordReset(input: $input) { code } }";
    let input = json!({ "input": { "userId": team.ann.id() } });
    let made = app.gql(&team.admin.token, reset, input).await.ok();
    let code = made.text("/userPasswordReset/code");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("book.backup");
    clientele::backup::take(&app.server().database, &file)
        .await
        .unwrap();
    let input = json!({ "input": { "id": id } });
    app.gql(&team.admin.token, REVOKE, input).await.ok();
    let password = json!({ "code": code, "password": "a long and winding road" });
    let answer = app.post("", "/auth/reset", &password).await;
    assert_eq!(answer.status, 204);
    let target = TestDatabase::create(app.backend()).await;
    let config = DatabaseConfig::new(target.url(), [7; 32]);
    let database = Database::connect(&config, Clock::default()).await.unwrap();
    clientele::backup::restore(&database, &file, false)
        .await
        .unwrap();
    let served = server::spawn(target.url(), server::generous(), |_| {}).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for key in [revoked, kept] {
        let answer = http
            .post(format!("{}/graphql", served.base_url))
            .bearer_auth(key)
            .json(&json!({ "query": "{ viewer { user { id } } }" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
    }
    let answer = http
        .post(format!("{}/auth/reset", served.base_url))
        .json(&password)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
});

on_both!(keys_make_no_keys, async |app: App| {
    let team = app.team().await;
    let scopes = [
        "WRITE_CLIENTS",
        "WRITE_SHARING",
        "WRITE_ORDERS",
        "WRITE_CATALOGUE",
        "ADMIN",
    ];
    let (account, _, key) = key_of(&app, &team, &team.admin, &scopes).await;
    let input = json!({ "input": { "serviceAccountId": account } });
    let answer = app.gql(&key, KEY, input).await;
    assert_eq!(answer.code(0), "FORBIDDEN");
    assert_eq!(answer.rule(), "service_accounts.person_only");
    let answer = app.post(&key, "/auth/sign-out", &json!({})).await;
    assert_eq!(answer.status, 401);
    names(&app, &key).await;
});

on_both!(
    only_administrators_keep_service_accounts,
    async |app: App| {
        let team = app.team().await;
        let (account, id, _) = key_of(&app, &team, &team.ann, &[]).await;
        for person in [&team.ann, &team.left, &team.top] {
            for (mutation, input) in [
                (
                    CREATE,
                    json!({ "name": "X", "userId": person.id(), "scopes": [] }),
                ),
                (KEY, json!({ "serviceAccountId": account })),
                (REVOKE, json!({ "id": id })),
                (CLOSE, json!({ "id": account })),
            ] {
                let answer = app
                    .gql(&person.token, mutation, json!({ "input": input }))
                    .await;
                assert_eq!(answer.code(0), "FORBIDDEN", "{mutation}");
            }
            let query = "{ serviceAccounts { id } }";
            let answer = app.gql(&person.token, query, json!({})).await.ok();
            assert!(answer.list("/serviceAccounts").is_empty());
        }
    }
);

on_both!(keys_end, async |app: App| {
    let team = app.team().await;
    let admin = &team.admin.token;
    let clock = app.server().clock.clone();
    let (account, id, key) = key_of(&app, &team, &team.ann, &[]).await;
    names(&app, &key).await;
    // Neither another secret nor another id opens anything.
    let mut wrong = key.clone();
    wrong.pop();
    wrong.push(if key.ends_with('A') { 'B' } else { 'A' });
    for wrong in [
        wrong,
        key.replace("clientele_sk_0", "clientele_sk_1"),
        "clientele_sk_".to_owned(),
    ] {
        is_refused(
            &app.gql(&wrong, "{ viewer { user { id } } }", json!({}))
                .await,
        );
    }
    let input = json!({ "input": { "id": id } });
    app.gql(admin, REVOKE, input).await.ok();
    is_refused(&app.gql(&key, "{ viewer { user { id } } }", json!({})).await);

    // By time.
    let end = clock.now() + TimeDelta::days(2);
    let input = json!({ "input": { "serviceAccountId": account, "expiresAt": end.to_rfc3339() } });
    let made = app.gql(admin, KEY, input).await.ok();
    let key = made.text("/serviceKeyCreate/secret").to_owned();
    names(&app, &key).await;
    clock.advance(TimeDelta::days(3));
    let admin = &app.token(&team.admin);
    is_refused(&app.gql(&key, "{ viewer { user { id } } }", json!({})).await);
    for days in [-1, 731] {
        let end = clock.now() + TimeDelta::days(days);
        let input =
            json!({ "input": { "serviceAccountId": account, "expiresAt": end.to_rfc3339() } });
        let answer = app.gql(admin, KEY, input).await;
        assert_eq!(answer.fields(), ["input.expiresAt"]);
    }

    // With the account, and with the user.
    let input = json!({ "input": { "serviceAccountId": account } });
    let made = app.gql(admin, KEY, input.clone()).await.ok();
    let key = made.text("/serviceKeyCreate/secret").to_owned();
    names(&app, &key).await;
    app.gql(admin, CLOSE, json!({ "input": { "id": account } }))
        .await
        .ok();
    is_refused(&app.gql(&key, "{ viewer { user { id } } }", json!({})).await);
    let answer = app.gql(admin, KEY, input).await;
    assert_eq!(answer.rule(), "service_accounts.closed");
    let answer = app
        .gql(admin, CLOSE, json!({ "input": { "id": account } }))
        .await;
    assert_eq!(answer.rule(), "service_accounts.closed");
    let team = Team {
        admin: Person {
            token: admin.clone(),
            ..team.admin.clone()
        },
        ..team
    };
    let (_, _, key) = key_of(&app, &team, &team.ben, &["READ"]).await;
    names(&app, &key).await;
    let deactivate =
        "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
    let input = json!({ "input": { "id": team.ben.id(), "version": 1 } });
    app.gql(admin, deactivate, input).await.ok();
    is_refused(&app.gql(&key, "{ viewer { user { id } } }", json!({})).await);
    // Nor does it begin again with the user.
    let reactivate = deactivate.replace("userDeactivate", "userReactivate");
    let input = json!({ "input": { "id": team.ben.id(), "version": 2 } });
    app.gql(admin, &reactivate, input).await.ok();
    names(&app, &app.token(&app.sign_in(team.ben.id, "Ben").await)).await;
    is_refused(&app.gql(&key, "{ viewer { user { id } } }", json!({})).await);
});

on_both!(a_key_is_shown_once_and_kept_nowhere, async |app: App| {
    let team = app.team().await;
    let (account, _, _) = key_of(&app, &team, &team.ann, &[]).await;
    let admin = &team.admin.token;
    let ask = async || {
        let input = json!({ "input": { "serviceAccountId": account } });
        send(&app, admin, "lost", KEY, input).await
    };
    let made = ask().await.ok();
    let secret = made.text("/serviceKeyCreate/secret");
    // After the id, which is no secret.
    let (_, secret) = secret.split_at("clientele_sk_".len() + 33);
    for _ in 0..2 {
        let again = ask().await;
        assert_eq!(again.code(0), "RULE_VIOLATED");
        assert_eq!(again.rule(), "idempotency.shown_once");
        assert!(!again.to_string().contains(secret));
    }
    let query = "{ serviceAccounts { keys { id } } }";
    let listed = app.gql(admin, query, json!({})).await.ok();
    assert_eq!(
        listed.list("/serviceAccounts/0/keys").len(),
        2,
        "it was made once"
    );
    let db = sea_orm::Database::connect(app.database_url())
        .await
        .unwrap();
    let kept = entity::idempotent_answer::Entity::find()
        .all(&db)
        .await
        .unwrap();
    db.close().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(
        kept.iter().all(|row| !row.answer.contains(secret)),
        "{kept:?}"
    );
});

on_both!(
    a_key_repeats_nothing_that_it_may_not_do,
    async |app: App| {
        let team = app.team().await;
        let client = app.client_of(&team.ann, "Ann's").await;
        let (_, _, reads) = key_of(&app, &team, &team.ann, &[]).await;
        let (_, _, orders) = key_of(&app, &team, &team.ann, &["WRITE_ORDERS"]).await;
        let (_, _, clients) = key_of(&app, &team, &team.ann, &["WRITE_CLIENTS"]).await;
        let note = json!({ "input": { "clientId": client, "body": "hello" } });
        send(&app, &team.ann.token, "k", NOTE, note.clone())
            .await
            .ok();
        for key in [&reads, &orders] {
            let answer = send(&app, key, "k", NOTE, note.clone()).await;
            assert_eq!(answer.code(0), "FORBIDDEN", "{answer}");
            assert_eq!(answer.rule(), "service_accounts.scope_missing");
        }
        // One that may do it is answered as its user was.
        send(&app, &clients, "k", NOTE, note).await.ok();
        let query = "{ clients { nodes { notes { totalCount } } } }";
        let answer = app.gql(&reads, query, json!({})).await.ok();
        assert_eq!(*answer.data("/clients/nodes/0/notes/totalCount"), 1);
    }
);

on_both!(accounts_and_the_use_of_keys_are_listed, async |app: App| {
    let team = app.team().await;
    let (account, id, key) = key_of(&app, &team, &team.ann, &["WRITE_ORDERS"]).await;
    let query = "{ serviceAccounts { id name scopes user { id } closedAt keys { id lastUsedOn expiresAt revokedAt } } }";
    let list = async || app.gql(&team.admin.token, query, json!({})).await.ok();
    let before = list().await;
    let listed = before.data("/serviceAccounts/0");
    assert_eq!(listed["id"], account);
    assert_eq!(listed["scopes"], json!(["READ", "WRITE_ORDERS"]));
    assert_eq!(listed["user"]["id"], team.ann.id());
    assert_eq!(listed["keys"][0]["id"], id);
    assert_eq!(listed["keys"][0]["lastUsedOn"], Value::Null);
    names(&app, &key).await;
    let today = app.server().clock.now().date_naive().to_string();
    assert_eq!(
        *list().await.data("/serviceAccounts/0/keys/0/lastUsedOn"),
        json!(today)
    );
    // The same again with an id answers what is there; a name is taken once.
    let input = json!({ "input": { "id": account, "name": listed["name"], "userId": team.ann.id(), "scopes": ["WRITE_ORDERS"] } });
    app.gql(&team.admin.token, CREATE, input.clone()).await.ok();
    let mut other = input;
    other["input"]["id"] = Value::Null;
    let answer = app.gql(&team.admin.token, CREATE, other).await;
    assert_eq!(answer.code(0), "CONFLICT");
    assert_eq!(answer.fields(), ["input.name"]);
});

on_both!(an_account_has_ten_keys_at_most, async |app: App| {
    let team = app.team().await;
    let (account, id, _) = key_of(&app, &team, &team.ann, &[]).await;
    let input = json!({ "input": { "serviceAccountId": account } });
    for _ in 1..10 {
        app.gql(&team.admin.token, KEY, input.clone()).await.ok();
    }
    let answer = app.gql(&team.admin.token, KEY, input.clone()).await;
    assert_eq!(answer.rule(), "service_accounts.too_many_keys");
    app.gql(&team.admin.token, REVOKE, json!({ "input": { "id": id } }))
        .await
        .ok();
    app.gql(&team.admin.token, KEY, input).await.ok();
});

/// Every mutation of the schema has its scope. That a key without it is refused is shown for each where
/// nobody writes what belongs to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_has_a_scope() {
    let app = App::start(Backend::Sqlite).await;
    let team = app.team().await;
    let query = "{ __type(name: \"Mutation\") { fields { name } } }";
    let answer = app.gql(&team.admin.token, query, json!({})).await.ok();
    let mutations: Vec<String> = answer
        .list("/__type/fields")
        .iter()
        .map(|field| field["name"].as_str().unwrap().to_owned())
        .collect();
    let missing: Vec<&String> = mutations
        .iter()
        .filter(|name| need(name).is_none())
        .collect();
    assert!(
        missing.is_empty(),
        "service_scopes::NEEDS lacks {missing:?}"
    );
    for (_, names) in NEEDS {
        for name in *names {
            assert!(
                mutations.iter().any(|known| known == name),
                "there is no mutation {name}: remove it from NEEDS"
            );
        }
    }
}
