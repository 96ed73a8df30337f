//! Tokens of an identity provider: whom they let in, and when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use clientele::app::ProviderOptions;
use clientele::auth::external::{Fetch, Provider};
use clientele::auth::keys::KeyRecord;
use jsonwebtoken::{Header, encode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::server::Setup;
use crate::support::{Answer, App, Person};

const RSA_PRIVATE: &str = include_str!("../../src/auth/testdata/only_for_tests_rsa_2048.pem");
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "clientele";
const LINK: &str = "mutation($input: UserIdentityLinkInput!) { userIdentityLink(input: $input) { identity { id issuer subject } } }";
const UNLINK: &str = "mutation($input: UserIdentityUnlinkInput!) { userIdentityUnlink(input: $input) { identity { id } } }";

/// Publishes keys, and counts how often they are fetched.
struct Publisher {
    url: String,
    keys: Arc<std::sync::Mutex<String>>,
    fetched: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Publisher {
    async fn start(keys: &[&KeyRecord]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let keys = Arc::new(std::sync::Mutex::new(set_of(keys)));
        let fetched = Arc::new(AtomicUsize::new(0));
        let (published, counted) = (Arc::clone(&keys), Arc::clone(&fetched));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let body = published.lock().unwrap().clone();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            url,
            keys,
            fetched,
            task,
        }
    }

    fn publish(&self, keys: &[&KeyRecord]) {
        *self.keys.lock().unwrap() = set_of(keys);
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}

fn set_of(keys: &[&KeyRecord]) -> String {
    let keys: Vec<Value> = keys.iter().filter_map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn rsa() -> KeyRecord {
    KeyRecord::from_pem(RSA_PRIVATE).unwrap()
}

fn ed25519() -> KeyRecord {
    use base64::Engine;
    let random = ring::rand::SystemRandom::new();
    let der = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    KeyRecord::from_pem(&format!(
        "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    ))
    .unwrap()
}

fn claims(subject: &str, now: DateTime<Utc>) -> Value {
    json!({
        "iss": ISSUER, "aud": [AUDIENCE, "others"], "sub": subject,
        "iat": now.timestamp(), "exp": now.timestamp() + 3_600
    })
}

fn sign(key: &KeyRecord, claims: &Value) -> String {
    clientele::auth::crypto::install();
    let mut header = Header::new(key.algorithm());
    header.kid = Some(key.kid().to_owned());
    encode(&header, claims, key.encoding().unwrap()).unwrap()
}

async fn serve(app: App, keys: &str, links_by_email: bool) -> App {
    app.again_with(Setup {
        provider: Some(ProviderOptions {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            keys: keys.to_owned(),
            links_by_email,
        }),
        ..Setup::default()
    })
    .await
}

async fn who(app: &App, token: &str) -> Answer {
    app.gql(
        token,
        "{ viewer { user { id email } } clients { nodes { name } } }",
        json!({}),
    )
    .await
}

async fn link(app: &App, admin: &Person, person: &Person, subject: &str) -> Answer {
    let input = json!({ "userId": person.id(), "issuer": ISSUER, "subject": subject });
    app.gql(&admin.token, LINK, json!({ "input": input })).await
}

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer}");
    assert_eq!(answer.code(0), "UNAUTHENTICATED");
}

on_both!(
    a_linked_user_is_let_in_and_sees_their_own,
    async |app: App| {
        let (rsa, ed25519) = (rsa(), ed25519());
        let publisher = Publisher::start(&[&rsa, &ed25519]).await;
        let app = serve(app, &publisher.url, false).await;
        let team = app.team().await;
        app.client_of(&team.ann, "Ann's").await;
        app.client_of(&team.ben, "Ben's").await;
        let now = app.server().clock.now();
        for key in [&rsa, &ed25519] {
            is_refused(&who(&app, &sign(key, &claims("a-1", now))).await);
        }
        link(&app, &team.admin, &team.ann, "a-1").await.ok();
        for key in [&rsa, &ed25519, &rsa] {
            let answer = who(&app, &sign(key, &claims("a-1", now))).await.ok();
            assert_eq!(answer.text("/viewer/user/id"), team.ann.id());
            assert_eq!(answer.list("/clients/nodes").len(), 1);
            assert_eq!(answer.text("/clients/nodes/0/name"), "Ann's");
        }
        assert_eq!(publisher.fetched(), 1, "the keys are remembered");
        // Our own tokens go on as before.
        who(&app, &team.ben.token).await.ok();
        is_refused(&who(&app, &sign(&rsa, &claims("b-1", now))).await);
    }
);

on_both!(a_token_that_is_not_right_is_refused, async |app: App| {
    let (rsa, stranger) = (rsa(), ed25519());
    let publisher = Publisher::start(&[&rsa]).await;
    let app = serve(app, &publisher.url, false).await;
    let team = app.team().await;
    link(&app, &team.admin, &team.ann, "a-1").await.ok();
    let now = app.server().clock.now();
    let good = claims("a-1", now);
    who(&app, &sign(&rsa, &good)).await.ok();
    for (name, value) in [
        ("iss", json!("https://other.example.com")),
        ("aud", json!("others")),
        ("aud", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
        ("sub", Value::Null),
        ("exp", json!(now.timestamp() - 31)),
        ("exp", Value::Null),
        ("iat", json!(now.timestamp() + 60)),
        ("iat", Value::Null),
        ("nbf", json!(now.timestamp() + 60)),
    ] {
        let mut claims = good.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        is_refused(&who(&app, &sign(&rsa, &claims)).await);
    }
    // A key that was never published, also under a name that was; and a public key taken for a secret.
    is_refused(&who(&app, &sign(&stranger, &good)).await);
    let forged = |algorithm, encoding: &jsonwebtoken::EncodingKey| {
        let mut header = Header::new(algorithm);
        header.kid = Some(rsa.kid().to_owned());
        encode(&header, &good, encoding).unwrap()
    };
    let with_stranger = forged(stranger.algorithm(), stranger.encoding().unwrap());
    is_refused(&who(&app, &with_stranger).await);
    let published = rsa.jwk().unwrap().to_string();
    let secret = jsonwebtoken::EncodingKey::from_secret(published.as_bytes());
    is_refused(&who(&app, &forged(jsonwebtoken::Algorithm::HS256, &secret)).await);
    let (message, _) = sign(&rsa, &good)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    is_refused(&who(&app, &format!("{message}.")).await);
    who(&app, &sign(&rsa, &good)).await.ok();
});

on_both!(
    a_token_ends_with_its_user_its_link_and_all_sessions,
    async |app: App| {
        let rsa = rsa();
        let publisher = Publisher::start(&[&rsa]).await;
        let app = serve(app, &publisher.url, false).await;
        let team = app.team().await;
        let clock = app.server().clock.clone();
        let token_of = |subject: &str| sign(&rsa, &claims(subject, clock.now()));
        let linked = link(&app, &team.admin, &team.ann, "a-1").await.ok();
        link(&app, &team.admin, &team.ben, "b-1").await.ok();
        let (ann, ben) = (token_of("a-1"), token_of("b-1"));
        who(&app, &ann).await.ok();

        // All sessions of one are ended: tokens until then are over, later ones are good, others' too.
        clock.advance(TimeDelta::seconds(5));
        let revoke = "mutation($input: SessionRevokeAllInput!) { sessionRevokeAll(input: $input) { endedSessionCount } }";
        let input = json!({ "input": { "userId": team.ann.id() } });
        app.gql(&team.admin.token, revoke, input).await.ok();
        is_refused(&who(&app, &ann).await);
        who(&app, &ben).await.ok();
        clock.advance(TimeDelta::seconds(5));
        let ann = token_of("a-1");
        who(&app, &ann).await.ok();
        // Asked for by such a token, it goes on itself, unless that is not wanted.
        app.gql(&ann, revoke, json!({ "input": {} })).await.ok();
        who(&app, &ann).await.ok();
        let input = json!({ "input": { "exceptThis": false } });
        app.gql(&ann, revoke, input).await.ok();
        is_refused(&who(&app, &ann).await);

        clock.advance(TimeDelta::seconds(5));
        let ann = token_of("a-1");
        who(&app, &ann).await.ok();
        let id = linked.text("/userIdentityLink/identity/id");
        for person in [&team.ann, &team.left] {
            let answer = app
                .gql(&person.token, UNLINK, json!({ "input": { "id": id } }))
                .await;
            assert!(matches!(answer.status.as_u16(), 200 | 401));
            assert_ne!(answer.errors(), Vec::<Value>::new());
        }
        app.gql(&team.admin.token, UNLINK, json!({ "input": { "id": id } }))
            .await
            .ok();
        is_refused(&who(&app, &ann).await);

        let deactivate =
            "mutation($input: UserVersionInput!) { userDeactivate(input: $input) { user { id } } }";
        let input = json!({ "input": { "id": team.ben.id(), "version": 1 } });
        who(&app, &ben).await.ok();
        app.gql(&team.admin.token, deactivate, input).await.ok();
        is_refused(&who(&app, &ben).await);
    }
);

on_both!(an_identity_belongs_to_one_user, async |app: App| {
    let team = app.team().await;
    link(&app, &team.admin, &team.ann, "a-1").await.ok();
    link(&app, &team.admin, &team.ann, "a-1").await.ok();
    let answer = link(&app, &team.admin, &team.ben, "a-1").await;
    assert_eq!(answer.code(0), "CONFLICT");
    for person in [&team.ann, &team.top] {
        assert_eq!(
            link(&app, person, person, "mine").await.code(0),
            "FORBIDDEN"
        );
    }
    let query = "query($id: ID!) { user(id: $id) { identities { issuer subject } } }";
    let id = json!({ "id": team.ann.id() });
    for (person, count) in [
        (&team.ann, 1),
        (&team.admin, 1),
        (&team.ben, 0),
        (&team.left, 0),
    ] {
        let answer = app.gql(&person.token, query, id.clone()).await.ok();
        assert_eq!(
            answer.list("/user/identities").len(),
            count,
            "{}",
            person.name
        );
    }
});

on_both!(
    a_verified_address_links_at_first_sight_where_that_is_on,
    async |app: App| {
        let rsa = rsa();
        let publisher = Publisher::start(&[&rsa]).await;
        let app = serve(app, &publisher.url, false).await;
        let team = app.team().await;
        let email = async |person: &Person| {
            let answer = who(&app, &person.token).await.ok();
            answer.text("/viewer/user/email").to_owned()
        };
        let (anns, bens) = (email(&team.ann).await, email(&team.ben).await);
        let now = app.server().clock.now();
        let token = |subject: &str, email: &str, verified: Value| {
            let mut claims = claims(subject, now);
            claims["email"] = json!(email.to_uppercase());
            claims["email_verified"] = verified;
            sign(&rsa, &claims)
        };
        is_refused(&who(&app, &token("a-1", &anns, json!(true))).await);
        let app = serve(app, &publisher.url, true).await;
        for unverified in [
            json!(false),
            json!("false"),
            json!(1),
            json!("yes"),
            Value::Null,
        ] {
            is_refused(&who(&app, &token("a-1", &anns, unverified)).await);
        }
        is_refused(&who(&app, &token("x", "nobody@example.com", json!(true))).await);
        let answer = who(&app, &token("a-1", &anns, json!(true))).await.ok();
        assert_eq!(answer.text("/viewer/user/id"), team.ann.id());
        // From now on the subject counts: another account with her address is not hers, and her own is still
        // hers with another address.
        is_refused(&who(&app, &token("a-2", &anns, json!(true))).await);
        let answer = who(&app, &token("a-1", &bens, json!(true))).await.ok();
        assert_eq!(answer.text("/viewer/user/id"), team.ann.id());
        // Some providers say yes in letters.
        let answer = who(&app, &token("b-1", &bens, json!("true"))).await.ok();
        assert_eq!(answer.text("/viewer/user/id"), team.ben.id());
    }
);

/// Waits for something that comes about by itself.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it never came about");
}

on_both!(
    another_key_under_the_same_name_ends_the_tokens_of_the_first,
    async |app: App| {
        let (first, second) = (rsa(), ed25519());
        let publisher = Publisher::start(&[&first]).await;
        let app = serve(app, &publisher.url, false).await;
        let team = app.team().await;
        link(&app, &team.admin, &team.ann, "a-1").await.ok();
        let clock = app.server().clock.clone();
        let mut claims = claims("a-1", clock.now());
        claims["exp"] = json!(clock.now().timestamp() + 8_000);
        let token = sign(&first, &claims);
        who(&app, &token).await.ok();
        let mut renamed = second.jwk().unwrap();
        renamed["kid"] = json!(first.kid());
        *publisher.keys.lock().unwrap() = json!({ "keys": [renamed] }).to_string();
        clock.advance(TimeDelta::minutes(61));
        until(async || who(&app, &token).await.status == 401).await;
    }
);

on_both!(
    what_a_provider_signs_beside_tokens_lets_nobody_in,
    async |app: App| {
        let rsa = rsa();
        let publisher = Publisher::start(&[&rsa]).await;
        let app = serve(app, &publisher.url, false).await;
        let team = app.team().await;
        link(&app, &team.admin, &team.ann, "a-1").await.ok();
        let good = claims("a-1", app.server().clock.now());
        let typed = |typ: Option<&str>, claims: &Value| {
            let mut header = Header::new(rsa.algorithm());
            header.kid = Some(rsa.kid().to_owned());
            header.typ = typ.map(str::to_owned);
            encode(&header, claims, rsa.encoding().unwrap()).unwrap()
        };
        for typ in [
            None,
            Some("JWT"),
            Some("at+jwt"),
            Some("application/at+JWT"),
        ] {
            who(&app, &typed(typ, &good)).await.ok();
        }
        for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "", "JWE"] {
            is_refused(&who(&app, &typed(Some(typ), &good)).await);
        }
        let mut logout = good.clone();
        logout["events"] = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
        is_refused(&who(&app, &typed(Some("JWT"), &logout)).await);
    }
);

on_both!(
    a_lost_password_ends_the_tokens_of_the_provider,
    async |app: App| {
        let rsa = rsa();
        let publisher = Publisher::start(&[&rsa]).await;
        let app = serve(app, &publisher.url, false).await;
        let team = app.team().await;
        link(&app, &team.admin, &team.ann, "a-1").await.ok();
        let clock = app.server().clock.clone();
        let token = sign(&rsa, &claims("a-1", clock.now()));
        who(&app, &token).await.ok();
        clock.advance(TimeDelta::seconds(5));
        let make = "mutation($input: UserPasswordResetInput!) { userPasswordReset(input: $input) { code } }";
        let input = json!({ "input": { "userId": team.ann.id() } });
        let made = app.gql(&team.admin.token, make, input).await.ok();
        let body = json!({
            "code": made.text("/userPasswordReset/code"), "password": "a long and winding road"
        });
        assert_eq!(app.post("", "/auth/reset", &body).await.status, 204);
        is_refused(&who(&app, &token).await);
        clock.advance(TimeDelta::seconds(5));
        who(&app, &sign(&rsa, &claims("a-1", clock.now())))
            .await
            .ok();
    }
);

/// A provider of one key whose fetches `fetch` makes, and a token of it.
fn provider(fetch: Fetch, now: DateTime<Utc>, key: &KeyRecord) -> (Arc<Provider>, String) {
    let provider = Provider::new(ISSUER, AUDIENCE, fetch);
    let mut claims = claims("a-1", now);
    claims["exp"] = json!(now.timestamp() + 80_000);
    (Arc::new(provider), sign(key, &claims))
}

/// Were the provider asked while somebody waits, this would never end.
#[tokio::test]
async fn a_provider_that_does_not_answer_keeps_nobody_waiting() {
    let key = ed25519();
    let text = set_of(&[&key]);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let fetch: Fetch = Arc::new(move || {
        let (text, first) = (text.clone(), counted.fetch_add(1, Ordering::SeqCst) == 0);
        Box::pin(async move {
            if !first {
                std::future::pending::<()>().await;
            }
            Ok::<_, String>(text.into_bytes())
        })
    });
    let now = Utc::now();
    let (provider, token) = provider(fetch, now, &key);
    provider.verify(&token, now).await.unwrap();
    for minutes in [90, 91, 92, 200] {
        let later = now + TimeDelta::minutes(minutes);
        provider.verify(&token, later).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

/// Whoever goes away while the keys are fetched does not have the next one fetch them again.
#[tokio::test]
async fn callers_who_go_away_do_not_multiply_fetches() {
    let key = ed25519();
    let text = set_of(&[&key]);
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (counted, closed) = (Arc::clone(&asked), Arc::clone(&gate));
    let fetch: Fetch = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let (text, closed) = (text.clone(), Arc::clone(&closed));
        Box::pin(async move {
            let _open = closed.acquire().await;
            Ok::<_, String>(text.into_bytes())
        })
    });
    let now = Utc::now();
    let (provider, token) = provider(fetch, now, &key);
    for _ in 0..20 {
        let (provider, token) = (Arc::clone(&provider), token.clone());
        let caller = tokio::spawn(async move { provider.verify(&token, now).await });
        until(async || asked.load(Ordering::SeqCst) > 0).await;
        caller.abort();
        let _ = caller.await;
    }
    gate.add_permits(1);
    provider.verify(&token, now).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

on_both!(keys_of_the_provider_may_change, async |app: App| {
    let (first, second) = (rsa(), ed25519());
    let publisher = Publisher::start(&[&first]).await;
    let app = serve(app, &publisher.url, false).await;
    let team = app.team().await;
    link(&app, &team.admin, &team.ann, "a-1").await.ok();
    let clock = app.server().clock.clone();
    let token = |key: &KeyRecord| sign(key, &claims("a-1", clock.now()));
    who(&app, &token(&first)).await.ok();
    publisher.publish(&[&second]);
    // Unknown keys have the set fetched again, but not more often than once a minute.
    for _ in 0..5 {
        is_refused(&who(&app, &token(&second)).await);
    }
    assert_eq!(publisher.fetched(), 1);
    clock.advance(TimeDelta::seconds(61));
    who(&app, &token(&second)).await.ok();
    assert_eq!(publisher.fetched(), 2);
    // The key that is gone is over, although its tokens were verified before.
    is_refused(&who(&app, &token(&first)).await);
    // Keys are fetched again after an hour, and serve for a day when that fails.
    clock.advance(TimeDelta::hours(2));
    // Whoever asks meanwhile does not wait for them.
    who(&app, &token(&second)).await.ok();
    until(async || publisher.fetched() == 3).await;
    *publisher.keys.lock().unwrap() = "no keys".to_owned();
    clock.advance(TimeDelta::hours(2));
    who(&app, &token(&second)).await.ok();
    until(async || publisher.fetched() == 4).await;
    clock.advance(TimeDelta::hours(23));
    let answer = who(&app, &token(&second)).await;
    assert_eq!(answer.code(0), "UNAVAILABLE", "{answer}");
    who(&app, &app.token(&team.ann)).await.ok();
});

on_both!(
    keys_of_the_provider_may_come_from_a_file,
    async |app: App| {
        let key = ed25519();
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("keys.json");
        let app = serve(app, file.to_str().unwrap(), false).await;
        let team = app.team().await;
        link(&app, &team.admin, &team.ann, "a-1").await.ok();
        let clock = app.server().clock.clone();
        let token = sign(&key, &claims("a-1", clock.now()));
        assert_eq!(who(&app, &token).await.code(0), "UNAVAILABLE");
        std::fs::write(&file, set_of(&[&key])).unwrap();
        clock.advance(TimeDelta::seconds(61));
        who(&app, &token).await.ok();
    }
);
