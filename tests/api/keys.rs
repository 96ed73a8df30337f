//! Keys of access tokens: changed while the service runs, without anybody being signed out.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clientele::auth::keys::{KeyKind, KeyState, Keyring, NewKey};
use clientele::auth::tokens::Tokens;
use serde_json::{Value, json};

use crate::support::server::Setup;
use crate::support::{App, Backend};

const RSA_PRIVATE: &str = include_str!("../../src/auth/testdata/only_for_tests_rsa_2048.pem");
const RSA_PUBLIC: &str = include_str!("../../src/auth/testdata/only_for_tests_rsa_2048.pub.pem");

fn keyring(place: &Path, pems: &[PathBuf]) -> Keyring {
    Keyring::open_or_create(place)
        .unwrap()
        .watching(place, pems.to_vec())
        .unwrap()
}

/// The service over the keys in `place`, with somebody of a team signed in by password.
async fn serve(app: App, place: &Path, pems: &[PathBuf]) -> App {
    app.again_with(Setup {
        keyring: keyring(place, pems),
        provider: None,
    })
    .await
}

async fn status(app: &App, token: &str) -> u16 {
    let answer = app
        .gql(token, "{ viewer { user { id } } }", json!({}))
        .await;
    assert_eq!(answer.status == 200, answer.errors().is_empty(), "{answer}");
    answer.status.as_u16()
}

fn header(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').next().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

on_both!(a_new_key_signs_nobody_out, async |app: App| {
    let place = tempfile::tempdir().unwrap();
    let app = serve(app, place.path(), &[]).await;
    let clock = app.server().clock.clone();
    // As another process does it.
    let other = keyring(place.path(), &[]);
    let team = app.team().await;
    let mut tokens = vec![team.ann.token.clone()];
    let mut kids = vec![header(&team.ann.token)["kid"].clone()];
    for kind in [KeyKind::Hs256, KeyKind::EdDsa, KeyKind::Hs256] {
        let wait = TimeDelta::seconds(10);
        let kid = other
            .rotate(
                place.path(),
                &NewKey::Fresh(kind),
                clock.now(),
                wait,
                TimeDelta::days(180),
            )
            .unwrap();
        // The key is known before it signs.
        app.server().keyring.look_again();
        let before = app.token(&team.ann);
        assert_eq!(header(&before)["kid"], *kids.last().unwrap());
        // A process that did sign with it already is understood.
        let early = Tokens::new(
            std::sync::Arc::new(keyring(place.path(), &[])),
            clientele::app::ISSUER,
            clientele::app::AUDIENCE,
        );
        let later = clock.now() + wait;
        let (early, _) = early
            .issue(
                team.ann.id.0,
                team.ann.session.0,
                later,
                TimeDelta::hours(1),
            )
            .unwrap();
        assert_eq!(header(&early)["kid"], kid);
        clock.advance(wait);
        assert_eq!(status(&app, &early).await, 200);
        let after = app.token(&team.ann);
        assert_eq!(header(&after)["kid"], kid);
        kids.push(json!(kid));
        tokens.extend([before, early, after]);
        for token in &tokens {
            assert_eq!(status(&app, token).await, 200);
        }
    }
    // A key that is retired is over at once; one that signs cannot be.
    let now = clock.now();
    let listed = other.list(place.path(), now).unwrap();
    assert_eq!(listed.len(), 4);
    assert_eq!(listed[3].state, KeyState::Signs);
    assert!(other.retire(place.path(), &listed[3].kid, now).is_err());
    assert!(other.retire(place.path(), "nothing", now).is_err());
    other.retire(place.path(), &listed[0].kid, now).unwrap();
    app.server().keyring.look_again();
    assert_eq!(status(&app, &team.ann.token).await, 401);
    assert_eq!(status(&app, tokens.last().unwrap()).await, 200);
    // Those before the last are over when their time is.
    clock.advance(TimeDelta::days(181));
    let now = clock.now();
    let listed = other.list(place.path(), now).unwrap();
    let over = listed
        .iter()
        .filter(|key| matches!(key.state, KeyState::Over(_)));
    assert_eq!(over.count(), 3);
    let fresh = app.token(&team.ann);
    assert_eq!(status(&app, &fresh).await, 200);
});

on_both!(
    refresh_and_pages_outlive_a_change_of_keys,
    async |app: App| {
        let place = tempfile::tempdir().unwrap();
        let app = serve(app, place.path(), &[]).await;
        let clock = app.server().clock.clone();
        let team = app.team().await;
        let set = "mutation($input: UserSetPasswordInput!) { userSetPassword(input: $input) { user { email } } }";
        let input =
            json!({ "input": { "id": team.ann.id(), "password": "a long and winding road" } });
        let answer = app.gql(&team.admin.token, set, input).await.ok();
        let email = answer.text("/userSetPassword/user/email").to_owned();
        let body = json!({ "email": email, "password": "a long and winding road" });
        let granted = app.post("", "/auth/sign-in", &body).await.json;
        let access = granted["accessToken"].as_str().unwrap();
        for name in ["A", "B"] {
            let create = "mutation($input: ClientCreateInput!) { clientCreate(input: $input) { client { id } } }";
            let input =
                json!({ "input": { "kind": "ORGANIZATION", "name": name, "currency": "EUR" } });
            app.gql(access, create, input).await.ok();
        }
        let page = "query($after: String) { clients(first: 1, after: $after) { nodes { name } pageInfo { endCursor } } }";
        let first = app.gql(access, page, json!({})).await.ok();
        let cursor = first.text("/clients/pageInfo/endCursor").to_owned();

        let new = NewKey::Fresh(KeyKind::EdDsa);
        keyring(place.path(), &[])
            .rotate(
                place.path(),
                &new,
                clock.now(),
                TimeDelta::zero(),
                TimeDelta::days(1),
            )
            .unwrap();
        app.server().keyring.look_again();
        let body = json!({ "refreshToken": granted["refreshToken"] });
        let again = app.post("", "/auth/refresh", &body).await;
        assert_eq!(again.status, 200, "{again}");
        let renewed = again.json["accessToken"].as_str().unwrap();
        assert_eq!(header(renewed)["alg"], "EdDSA");
        let second = app
            .gql(renewed, page, json!({ "after": cursor }))
            .await
            .ok();
        assert_eq!(second.text("/clients/nodes/0/name"), "B");
    }
);

on_both!(
    keys_in_pem_sign_and_their_public_halves_are_published,
    async |app: App| {
        let place = tempfile::tempdir().unwrap();
        let app = serve(app, place.path(), &[]).await;
        let published = app.get("", "/.well-known/jwks.json").await;
        assert_eq!(
            published.json,
            json!({ "keys": [] }),
            "a secret is not for others"
        );
        let team = app.team().await;
        let pem = place.path().join("rsa.pem");
        write(&pem, RSA_PRIVATE);
        let app = serve(app, place.path(), std::slice::from_ref(&pem)).await;
        // Tokens from before are good, new ones are signed with the key.
        assert_eq!(status(&app, &team.ann.token).await, 200);
        let token = app.token(&team.ann);
        assert_eq!(header(&token)["alg"], "RS256");
        for _ in 0..3 {
            assert_eq!(status(&app, &token).await, 200);
        }
        let published = app.get("", "/.well-known/jwks.json").await;
        assert_eq!(published.headers["cache-control"], "public, max-age=30");
        let keys = published.json["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0]["kid"], header(&token)["kid"]);
        for private in ["d", "p", "q", "k"] {
            assert!(keys[0].get(private).is_none());
        }
        // What is published verifies the token.
        let key = jsonwebtoken::DecodingKey::from_rsa_components(
            keys[0]["n"].as_str().unwrap(),
            keys[0]["e"].as_str().unwrap(),
        );
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&[clientele::app::AUDIENCE]);
        validation.validate_exp = false;
        jsonwebtoken::decode::<Value>(&token, &key.unwrap(), &validation).unwrap();

        // A service that has the public half alone takes the tokens and signs with its own.
        let public = place.path().join("rsa.pub.pem");
        std::fs::write(&public, RSA_PUBLIC).unwrap();
        let app = serve(app, place.path(), &[public]).await;
        assert_eq!(status(&app, &token).await, 200);
        assert_eq!(header(&app.token(&team.ann))["alg"], "HS256");
        // And one without it does not, however often the token was verified before.
        let app = serve(app, place.path(), &[]).await;
        assert_eq!(status(&app, &token).await, 401);
    }
);

on_both!(
    an_ended_session_ends_a_remembered_token,
    async |app: App| {
        let place = tempfile::tempdir().unwrap();
        let pem = place.path().join("rsa.pem");
        write(&pem, RSA_PRIVATE);
        let app = serve(app, place.path(), &[pem]).await;
        let team = app.team().await;
        assert_eq!(status(&app, &team.ann.token).await, 200);
        let clock = app.server().clock.clone();
        clock.advance(TimeDelta::days(2));
        assert_eq!(status(&app, &team.ann.token).await, 401, "it ran out");
        let token = app.token(&team.ann);
        assert_eq!(status(&app, &token).await, 200);
        assert_eq!(
            app.post(&token, "/auth/sign-out", &json!({})).await.status,
            204
        );
        assert_eq!(status(&app, &token).await, 401);
        assert_eq!(status(&app, &app.token(&team.ben)).await, 200);
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_of_keys_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let app = serve(App::start(Backend::Sqlite).await, place.path(), &[]).await;
    let team = app.team().await;
    write(
        &place.path().join(clientele::auth::keys::KEY_FILE),
        "{ half",
    );
    app.server().keyring.look_again();
    assert_eq!(status(&app, &team.ann.token).await, 200);
    assert_eq!(status(&app, &app.token(&team.ann)).await, 200);
    // But a service does not start with it.
    let error = Keyring::open(place.path())
        .unwrap()
        .watching(place.path(), Vec::new());
    assert!(error.unwrap_err().to_string().contains("token-keys.json"));
}
