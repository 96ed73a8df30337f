//! A request with a key is done once, however often it is sent, and is answered as it was the first time.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use clientele::db::{IdempotencyKey, Session};
use clientele::jobs;
use entity::idempotent_answer;
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use sea_orm::{ConnectionTrait, Database, EntityTrait, PaginatorTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::orders::{levels, product};
use crate::races::until_waiting;
use crate::support::{Answer, App, Backend, Person, Team};

const RECEIVE: &str = "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id stock { onHand } } } }";

fn asked(
    app: &App,
    token: &str,
    key: &str,
    query: &str,
    variables: &Value,
) -> reqwest::RequestBuilder {
    app.request(Method::POST, "/graphql")
        .bearer_auth(token)
        .header("Idempotency-Key", key)
        .json(&json!({ "query": query, "variables": variables }))
}

/// The answer to a request with a key.
pub async fn send(app: &App, token: &str, key: &str, query: &str, variables: Value) -> Answer {
    Answer::of(asked(app, token, key, query, &variables)).await
}

/// The data of the answer, byte for byte as it came.
async fn text(app: &App, token: &str, key: &str, query: &str, variables: &Value) -> String {
    let response = asked(app, token, key, query, variables)
        .send()
        .await
        .unwrap();
    data_of(&response.text().await.unwrap())
}

/// What stands under `data` in an answer that succeeded.
fn data_of(answer: &str) -> String {
    let rest = answer.strip_prefix("{\"data\":").expect(answer);
    let end = rest
        .rfind(",\"extensions\":")
        .unwrap_or_else(|| rest.len() - 1);
    rest[..end].to_owned()
}

fn units(product: &str, quantity: i32) -> Value {
    json!({ "input": { "productId": product, "quantity": quantity } })
}

async fn on_hand(app: &App, team: &Team, product: &str) -> i64 {
    let admin = Person {
        token: app.token(&team.admin),
        ..team.admin.clone()
    };
    let team = Team {
        admin,
        ..team.clone()
    };
    levels(app, &team, product).await.0
}

/// How many answers are on record.
async fn on_record(app: &App) -> u64 {
    let db = Database::connect(app.database_url()).await.unwrap();
    let count = idempotent_answer::Entity::find().count(&db).await.unwrap();
    db.close().await.unwrap();
    count
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

on_both!(
    a_storm_of_repeats_has_one_effect_per_key,
    async |app: App| {
        let keys: u64 = std::env::var("CLIENTELE_TEST_KEYS")
            .ok()
            .and_then(|keys| keys.parse().ok())
            .unwrap_or(100);
        let team = app.team().await;
        let id = product(&app, &team, "A", "1.00", json!({})).await;
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut tries = Vec::new();
        for key in 0..keys {
            for _ in 0..5 {
                tries.push((key, Duration::from_micros(random.below(20_000))));
            }
        }
        let variables = units(&id, 1);
        // Nobody hears an answer: some go away before it, some do not look.
        futures_util::stream::iter(tries)
            .for_each_concurrent(20, async |(key, patience)| {
                let request = asked(
                    &app,
                    &team.left.token,
                    &format!("key-{key}"),
                    RECEIVE,
                    &variables,
                );
                let _ = tokio::time::timeout(patience, request.send()).await;
            })
            .await;
        let answers = futures_util::stream::iter(0..keys)
            .map(|key| {
                let (app, team, variables) = (&app, &team, variables.clone());
                async move {
                    loop {
                        let key = format!("key-{key}");
                        let answer =
                            send(app, &team.left.token, &key, RECEIVE, variables.clone()).await;
                        if answer.errors().is_empty() {
                            return answer.ok();
                        }
                        assert_eq!(*answer.extension(0, "retryable"), json!(true), "{answer}");
                    }
                }
            })
            .buffer_unordered(8)
            .collect::<Vec<Answer>>()
            .await;
        assert_eq!(
            on_hand(&app, &team, &id).await,
            i64::try_from(keys).unwrap()
        );
        assert_eq!(on_record(&app).await, keys);
        // Each was answered with the stock that it left behind: no two alike.
        let seen: BTreeSet<i64> = answers
            .iter()
            .map(|answer| {
                answer
                    .data("/stockReceive/product/stock/onHand")
                    .as_i64()
                    .unwrap()
            })
            .collect();
        let count = seen.len();
        assert_eq!(u64::try_from(count).unwrap(), keys);
    }
);

on_both!(the_same_request_has_the_same_answer, async |app: App| {
    let team = app.team().await;
    let create = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { name version id owner { name } tags createdAt } } }";
    let variables = json!({ "input": { "kind": "ORGANIZATION", "name": "Çà et là 🙂", "currency": "EUR",
            "profile": { "tags": ["b", "a"] } } });
    let first = text(&app, &team.ann.token, "k", create, &variables).await;
    let parsed: Value = serde_json::from_str(&first).unwrap();
    let id = parsed["clientCreate"]["client"]["id"].clone();
    let update =
        "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { name } } }";
    let change = json!({ "input": { "id": id, "version": 1, "name": "Later" } });
    app.gql(&team.ann.token, update, change).await.ok();
    for _ in 0..2 {
        let again = text(&app, &team.ann.token, "k", create, &variables).await;
        assert_eq!(again, first);
    }
    // A new session of the same person asks too: a phone that signed in again.
    let again = app.sign_in(team.ann.id, "Ann").await;
    assert_eq!(
        text(&app, &again.token, "k", create, &variables).await,
        first
    );
    // With another key, and without one, it is another request.
    let other = text(&app, &team.ann.token, "K", create, &variables).await;
    assert_ne!(other, first);
    app.gql(&team.ann.token, create, variables).await.ok();
    let list = "{ clients { totalCount } }";
    let all = app.gql(&team.ann.token, list, json!({})).await.ok();
    assert_eq!(*all.data("/clients/totalCount"), json!(3));
    let none = app.gql(&team.ben.token, list, json!({})).await.ok();
    assert_eq!(*none.data("/clients/totalCount"), json!(0));
});

on_both!(
    what_was_asked_cannot_be_guessed_from_the_record,
    async |app: App| {
        let team = app.team().await;
        let set = "mutation($input: UserSetPasswordInput!) { userSetPassword(input: $input) { user { id } } }";
        let input = json!({ "input": { "id": team.ann.id(), "password": "nine blue kettles" } });
        let body = json!({ "query": set, "variables": input }).to_string();
        let request = app
            .request(Method::POST, "/graphql")
            .bearer_auth(&team.admin.token)
            .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
            .header("Content-Type", "application/json")
            .body(body.clone());
        Answer::of(request).await.ok();
        let db = Database::connect(app.database_url()).await.unwrap();
        let kept = idempotent_answer::Entity::find().one(&db).await.unwrap();
        db.close().await.unwrap();
        let plain = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
        assert_ne!(kept.unwrap().request_hash, plain.as_ref().to_vec());
    }
);

on_both!(a_key_is_for_one_request_of_one_person, async |app: App| {
    let team = app.team().await;
    let id = product(&app, &team, "A", "1.00", json!({})).await;
    let (left, right) = (&team.left.token, &team.right.token);
    send(&app, left, "k", RECEIVE, units(&id, 1)).await.ok();
    // The key of one is nothing to another.
    send(&app, right, "k", RECEIVE, units(&id, 10)).await.ok();
    assert_eq!(on_hand(&app, &team, &id).await, 11);
    let other = send(&app, left, "k", RECEIVE, units(&id, 2)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (other.code(0), other.rule()),
        ("RULE_VIOLATED", "idempotency.other_request")
    );
    let strict = asked(&app, left, "k", RECEIVE, &units(&id, 2))
        .header("Accept", "application/graphql-response+json");
    assert_eq!(
        Answer::of(strict).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(on_hand(&app, &team, &id).await, 11);
    // Somebody who may not write hears so, key or not.
    let refused = send(&app, &team.ann.token, "k", RECEIVE, units(&id, 1)).await;
    assert_eq!(refused.code(0), "FORBIDDEN");
    let nobody = app
        .request(Method::POST, "/graphql")
        .header("Idempotency-Key", "k")
        .json(&json!({ "query": RECEIVE, "variables": units(&id, 1) }));
    assert_eq!(Answer::of(nobody).await.status, StatusCode::UNAUTHORIZED);
    for bad in ["", "a b", &"k".repeat(256)] {
        let answer = send(&app, left, bad, RECEIVE, units(&id, 1)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad:?}");
        assert_eq!(answer.rule(), "IDEMPOTENCY_KEY_INVALID");
        // Reading takes no key, and minds none.
        send(&app, left, bad, "{ clients { totalCount } }", json!({}))
            .await
            .ok();
    }
    assert_eq!(on_hand(&app, &team, &id).await, 11);
    assert_eq!(on_record(&app).await, 2);
});

on_both!(what_is_refused_is_not_on_record, async |app: App| {
    let team = app.team().await;
    let id = product(&app, &team, "A", "1.00", json!({})).await;
    let token = &team.left.token;
    let refused = send(&app, token, "k", RECEIVE, units(&id, 0)).await;
    assert_eq!(refused.code(0), "BAD_USER_INPUT");
    assert_eq!(on_record(&app).await, 0);
    // Mended, it takes the key.
    let done = send(&app, token, "k", RECEIVE, units(&id, 3)).await.ok();
    assert_eq!(*done.data("/stockReceive/product/stock/onHand"), json!(3));
    // What cannot be answered whole is not done.
    let torn = "mutation($input: StockReceiveInput!) { stockReceive(input: $input) { product { id \
        stockMovements(first: 1, after: \"nonsense\") { nodes { id } } } } }";
    let answer = send(&app, token, "torn", torn, units(&id, 5)).await;
    assert_eq!(answer.code(0), "BAD_USER_INPUT", "{answer}");
    assert!(answer.json["data"].is_null(), "{answer}");
    assert_eq!(on_hand(&app, &team, &id).await, 3);
    assert_eq!(on_record(&app).await, 1);
    // Without a key the effect stands, and the answer says what it could.
    let _ = app.gql(token, torn, units(&id, 5)).await;
    assert_eq!(on_hand(&app, &team, &id).await, 8);
});

on_both!(
    each_mutation_of_a_document_is_done_once,
    async |app: App| {
        let team = app.team().await;
        let a = product(&app, &team, "A", "1.00", json!({})).await;
        let b = product(&app, &team, "B", "1.00", json!({})).await;
        let token = &team.left.token;
        let step = |name: &str| {
            format!(
                "mutation($input: ProductVersionInput!) {{ {name}(input: $input) {{ product {{ id }} }} }}"
            )
        };
        let put_away = json!({ "input": { "id": b, "version": 1 } });
        app.gql(token, &step("productArchive"), put_away).await.ok();
        let both = "mutation($a: StockReceiveInput!, $b: StockReceiveInput!) { \
        a: stockReceive(input: $a) { product { stock { onHand } } } __typename \
        b: stockReceive(input: $b) { product { stock { onHand } } } }";
        let input = |id: &str, quantity: i32| json!({ "productId": id, "quantity": quantity });
        let variables = json!({ "a": input(&a, 1), "b": input(&b, 2) });
        let torn = send(&app, token, "k", both, variables.clone()).await;
        assert_eq!(torn.rule(), "products.archived");
        assert_eq!(on_record(&app).await, 1);
        // The first was done, so the key is taken.
        let other = json!({ "a": input(&a, 1), "b": input(&a, 2) });
        let refused = send(&app, token, "k", both, other).await;
        assert_eq!(refused.rule(), "idempotency.other_request");
        let bring_back = json!({ "input": { "id": b, "version": 2 } });
        app.gql(token, &step("productRestore"), bring_back)
            .await
            .ok();
        app.gql(token, RECEIVE, units(&a, 10)).await.ok();
        for _ in 0..2 {
            let whole = send(&app, token, "k", both, variables.clone()).await.ok();
            assert_eq!(
                *whole.data("/a/product/stock/onHand"),
                json!(1),
                "as it was then"
            );
            assert_eq!(*whole.data("/b/product/stock/onHand"), json!(2));
        }
        assert_eq!(on_hand(&app, &team, &a).await, 11);
        assert_eq!(on_hand(&app, &team, &b).await, 2);
        let theirs = send(&app, &team.right.token, "k", both, variables)
            .await
            .ok();
        assert_eq!(*theirs.data("/a/product/stock/onHand"), json!(12));
    }
);

on_both!(an_answer_is_kept_for_thirty_days, async |app: App| {
    let team = app.team().await;
    let id = product(&app, &team, "A", "1.00", json!({})).await;
    let sweep = async || {
        jobs::housekeeping::sweep(&app.server().database)
            .await
            .unwrap()
    };
    send(&app, &team.left.token, "k", RECEIVE, units(&id, 1))
        .await
        .ok();
    app.server()
        .clock
        .advance(TimeDelta::days(30) - TimeDelta::minutes(1));
    send(&app, &app.token(&team.left), "k", RECEIVE, units(&id, 1))
        .await
        .ok();
    assert_eq!(sweep().await, 0);
    assert_eq!(on_hand(&app, &team, &id).await, 1);
    app.server().clock.advance(TimeDelta::minutes(2));
    // Whether or not the record was cleared away by then.
    send(&app, &app.token(&team.left), "k", RECEIVE, units(&id, 1))
        .await
        .ok();
    assert_eq!(on_hand(&app, &team, &id).await, 2);
    app.server().clock.advance(TimeDelta::days(31));
    send(&app, &app.token(&team.right), "new", RECEIVE, units(&id, 1))
        .await
        .ok();
    assert_eq!(sweep().await, 1);
    assert_eq!(on_record(&app).await, 1);
});

on_both!(
    tries_at_a_password_count_with_a_key_too,
    async |app: App| {
        use clientele::auth::passwords::Passwords;
        let team = app.team().await;
        let passwords = Passwords::new().unwrap();
        let database = &app.server().database;
        clientele::domain::users::set_password(
            database,
            &passwords,
            team.ann.id,
            "two green umbrellas",
        )
        .await
        .unwrap();
        let ann = app.sign_in(team.ann.id, "Ann").await;
        let change = "mutation($input: PasswordChangeInput!) { passwordChange(input: $input) { endedSessionCount } }";
        let input = |present: &str| json!({ "input": { "presentPassword": present, "password": "nine blue kettles" } });
        // The right one, twice: the second time it is no longer the present one.
        for _ in 0..2 {
            send(
                &app,
                &ann.token,
                "right",
                change,
                input("two green umbrellas"),
            )
            .await
            .ok();
        }
        let mut codes = Vec::new();
        for at in 0..7 {
            let answer = send(
                &app,
                &ann.token,
                &format!("{at}"),
                change,
                input("wrong wrong"),
            )
            .await;
            codes.push(answer.code(0).to_owned());
        }
        assert_eq!(codes[0], "RULE_VIOLATED");
        assert_eq!(codes[6], "THROTTLED", "{codes:?}");
    }
);

async fn session(app: &App, person: &Person, key: &str) -> Session {
    let database = &app.server().database;
    let viewer = database.viewer(person.id, person.session).await.unwrap();
    let session = database.session(viewer, std::sync::Arc::default());
    session
        .keyed(IdempotencyKey::new(key, b"request"))
        .await
        .unwrap()
}

async fn receive(session: &Session, product: &str) -> clientele::Result<()> {
    let product: entity::ProductId = product.parse().unwrap();
    session
        .write(move |tx| async move {
            clientele::domain::stock::receive(&tx, product, 1, None).await?;
            Ok(())
        })
        .await
}

on_both!(
    an_effect_and_its_answer_are_kept_together_or_not_at_all,
    async |app: App| {
        let team = app.team().await;
        let id = product(&app, &team, "A", "1.00", json!({})).await;
        // Whoever is gone before the answer is put together has done nothing.
        for _ in 0..3 {
            let gone = session(&app, &team.left, "k").await;
            assert_eq!(gone.begin_keyed(), None);
            receive(&gone, &id).await.unwrap();
            drop(gone);
            assert_eq!(on_hand(&app, &team, &id).await, 0);
            assert_eq!(on_record(&app).await, 0);
        }
        let undone = session(&app, &team.left, "k").await;
        assert_eq!(undone.begin_keyed(), None);
        receive(&undone, &id).await.unwrap();
        undone.undo_keyed().await.unwrap();
        assert_eq!(on_hand(&app, &team, &id).await, 0);
        // Of twins one does it; the other hears what the first said.
        let (one, two) = (
            session(&app, &team.left, "k").await,
            session(&app, &team.left, "k").await,
        );
        assert_eq!((one.begin_keyed(), two.begin_keyed()), (None, None));
        receive(&one, &id).await.unwrap();
        let waiting = tokio::spawn({
            let (two, id) = (two.clone(), id.clone());
            async move { receive(&two, &id).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        one.keep_answer("\"said\"").await.unwrap();
        assert!(waiting.await.unwrap().is_err());
        assert_eq!(two.twin_answer().unwrap().answer(), "\"said\"");
        assert_eq!(on_hand(&app, &team, &id).await, 1);
        assert_eq!(on_record(&app).await, 1);
        let later = session(&app, &team.left, "k").await;
        assert_eq!(later.begin_keyed().unwrap().answer(), "\"said\"");
        let other = session(&app, &team.right, "k").await;
        assert_eq!(other.begin_keyed(), None);
    }
);

on_both!(
    a_twin_that_waits_too_long_is_told_to_come_again,
    async |app: App| {
        let team = app.team().await;
        let id = product(&app, &team, "A", "1.00", json!({})).await;
        if app.backend() == Backend::Sqlite {
            // One writer: a twin waits for it as every other write does.
            return;
        }
        // The request of the test itself: the same key, held open.
        let body = json!({ "query": RECEIVE, "variables": units(&id, 1) }).to_string();
        let database = &app.server().database;
        let viewer = database
            .viewer(team.left.id, team.left.session)
            .await
            .unwrap();
        let held = database.session(viewer, std::sync::Arc::default());
        let held = held
            .keyed(IdempotencyKey::new("k", body.as_bytes()))
            .await
            .unwrap();
        assert_eq!(held.begin_keyed(), None);
        receive(&held, &id).await.unwrap();
        let twin = app
            .request(Method::POST, "/graphql")
            .bearer_auth(&team.left.token)
            .header("Idempotency-Key", "k")
            .header("Content-Type", "application/json")
            .body(body.clone());
        let answer = Answer::of(twin).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer}");
        assert_eq!(
            (answer.code(0), answer.rule()),
            ("CONFLICT", "idempotency.in_progress")
        );
        assert_eq!(*answer.extension(0, "retryable"), json!(true));
        assert_eq!(answer.headers["retry-after"], "1");
        held.undo_keyed().await.unwrap();
    }
);

on_both!(
    an_answer_about_a_client_is_for_who_sees_the_client,
    async |app: App| {
        let team = app.team().await;
        let (ann, ben, left) = (&team.ann, &team.ben, &team.left);
        let create = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id name phone } } }";
        let input = json!({ "input": { "kind": "ORGANIZATION", "name": "Tongren", "currency": "CNY",
            "profile": { "phone": "+86 10 6525 0000" } } });
        let made = text(&app, &ann.token, "make", create, &input).await;
        assert_eq!(text(&app, &ann.token, "make", create, &input).await, made);
        let client = send(&app, &ann.token, "make", create, input.clone()).await;
        let client = client.text("/clientCreate/client/id").to_owned();
        let update = "mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { name } } }";
        let change =
            json!({ "input": { "id": client, "version": 1, "profile": { "fax": "1234567" } } });
        let changed = text(&app, &ann.token, "change", update, &change).await;
        let hand_over = async |to: &Person| {
            let query = "mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }";
            let input = json!({ "clientIds": [client], "toUserId": to.id.to_string() });
            let _ = app
                .gql(&left.token, query, json!({ "input": input }))
                .await
                .ok();
        };
        hand_over(ben).await;
        for (key, query, input) in [("make", create, &input), ("change", update, &change)] {
            let again = send(&app, &ann.token, key, query, input.clone()).await;
            assert_eq!(again.code(0), "NOT_FOUND");
            assert_eq!(again.rule(), "idempotency.out_of_reach");
            let told = format!("{again:?}");
            assert!(
                !told.contains("Tongren") && !told.contains("6525"),
                "{told}"
            );
        }
        hand_over(ann).await;
        assert_eq!(text(&app, &ann.token, "make", create, &input).await, made);
        assert_eq!(
            text(&app, &ann.token, "change", update, &change).await,
            changed
        );
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_given_anew_is_not_forgotten() {
    let app = App::start(Backend::Postgres).await;
    let team = app.team().await;
    let database = &app.server().database;
    let product = product(&app, &team, "TEA", "1.00", json!({})).await;
    let token = &team.admin.token;
    send(&app, token, "old", RECEIVE, units(&product, 5))
        .await
        .ok();
    app.server().clock.advance(TimeDelta::days(40));
    // Somebody takes the key anew, and is not done with it when what is old is swept away.
    let db = Database::connect(app.database_url()).await.unwrap();
    let anew = db.begin().await.unwrap();
    let sql = "UPDATE idempotent_answers SET created_at = created_at + interval '40 days'";
    anew.execute_unprepared(sql).await.unwrap();
    let sweep = tokio::spawn({
        let database = database.clone();
        async move { jobs::housekeeping::sweep(&database).await }
    });
    until_waiting(&db, 1).await;
    anew.commit().await.unwrap();
    sweep.await.unwrap().unwrap();
    assert_eq!(on_record(&app).await, 1);
}
