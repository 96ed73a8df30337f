//! Access tokens: short-lived JWTs (RFC 9068 in form) that say who and which session, and nothing
//! about what they may do: the role is read from the database on each request.
//!
//! The algorithm is that of the key record found by `kid`; a header that says otherwise is refused.
//! Time is an argument, so `jsonwebtoken`'s own clock checks are off and made here. Every refusal is
//! the same sentence, whatever was wrong; the reason is kept for the log.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use quick_cache::sync::Cache;
use ring::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crypto;
use super::keys::{KeyRecord, Keyring};
use crate::say;
use crate::{Error, Result};

/// How long an access token is valid unless said otherwise.
pub const DEFAULT_TTL: TimeDelta = TimeDelta::minutes(10);

/// How far the clocks of two machines may differ, in seconds.
pub const LEEWAY_SECS: i64 = 5;

/// Longer tokens are refused unread, in bytes. Ours have about 400.
pub const MAX_TOKEN_BYTES: usize = 4 * 1024;

/// How many tokens that were verified are remembered.
const REMEMBERED: usize = 20_000;

/// The `typ` of an access token (RFC 9068 section 2.1): no other kind of token passes for one.
const TOKEN_TYPE: &str = "at+jwt";

const USER_PREFIX: &str = "user_";
const SESSION_PREFIX: &str = "session_";

/// What a verified access token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user (`sub`).
    pub user: Uuid,
    /// The session, that is the device, the token was issued to (`sid`).
    pub session: Uuid,
    /// This token (`jti`).
    pub token: Uuid,
    /// When it was issued (`iat`), UTC, whole seconds.
    pub issued_at: DateTime<Utc>,
    /// From when on it is refused (`exp`, before leeway), UTC, whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// Issues and verifies access tokens of one issuer for one audience.
#[derive(Clone)]
pub struct Tokens {
    keyring: Arc<Keyring>,
    issuer: String,
    audience: String,
    /// One per algorithm, made once: each holds several sets.
    validations: Vec<Validation>,
    /// Tokens under a public key whose signature was found right: that is dear to find, and never changes.
    /// By SHA-256 of the token, with the name of the key.
    verified: Arc<Cache<[u8; 32], Verified>>,
}

/// The name of the key of a token, and what the token claims.
type Verified = (Arc<str>, WireClaims);

#[derive(Clone, Serialize, Deserialize)]
struct WireClaims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

impl Tokens {
    /// For tokens that say `iss: issuer` and `aud: audience`, signed and verified with `keyring`.
    pub fn new(
        keyring: Arc<Keyring>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        crypto::install();
        let (issuer, audience) = (issuer.into(), audience.into());
        let validation = |algorithm| {
            let mut validation = Validation::new(algorithm);
            validation.set_issuer(&[&issuer]);
            validation.set_audience(&[&audience]);
            validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
            // Both by the system clock; `check_times` does it by ours.
            validation.validate_exp = false;
            validation.validate_nbf = false;
            validation
        };
        let algorithms = [Algorithm::HS256, Algorithm::EdDSA, Algorithm::RS256];
        let validations = algorithms.into_iter().map(validation).collect();
        Self {
            keyring,
            issuer,
            audience,
            validations,
            verified: Arc::new(Cache::new(REMEMBERED)),
        }
    }

    /// A token for `user` on `session`, valid from `now` for `ttl` (whole seconds); with the instant it
    /// expires.
    ///
    /// # Errors
    /// Internal when the key cannot sign or there is no randomness.
    pub fn issue(
        &self,
        user: Uuid,
        session: Uuid,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<(String, DateTime<Utc>)> {
        let issued_at = whole_seconds(now.timestamp())?;
        let expires_at = whole_seconds(now.timestamp().saturating_add(ttl.num_seconds()))?;
        let claims = WireClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: format!("{USER_PREFIX}{user}"),
            sid: format!("{SESSION_PREFIX}{session}"),
            iat: issued_at.timestamp(),
            nbf: issued_at.timestamp(),
            exp: expires_at.timestamp(),
            jti: uuid::Builder::from_random_bytes(super::random_bytes()?).into_uuid(),
        };
        let keys = self.keyring.keys();
        let key = keys
            .signing(now)
            .ok_or_else(|| Error::bug("no key signs access tokens now"))?;
        let mut header = Header::new(key.algorithm());
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        let encoding = key
            .encoding()
            .ok_or_else(|| Error::bug("the signing key cannot sign"))?;
        let token = encode(&header, &claims, encoding).map_err(Error::internal)?;
        Ok((token, expires_at))
    }

    /// What `token` says, if it is one of ours and valid at `now`, give or take [`LEEWAY_SECS`].
    ///
    /// # Errors
    /// Unauthenticated, with the same sentence whatever is wrong.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims> {
        self.read(token, now).map_err(|reason| {
            Error::unauthenticated(say!("sign in again")).with_source(Refused(reason))
        })
    }

    fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, String> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err("too long".into());
        }
        let header = decode_header(token).map_err(|error| error.to_string())?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) {
            return Err("not an access token".into());
        }
        // An extension we must understand but do not (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err("critical header".into());
        }
        let kid = header.kid.ok_or("no key is named")?;
        let mut keys = self.keyring.keys();
        if keys.find(&kid, now).is_none() {
            keys = self.keyring.look_again();
        }
        let key = keys.find(&kid, now).ok_or("no such key")?;
        let claims = self.claims(token, key)?;
        check_times(&claims, now)?;
        Ok(Claims {
            user: parse_id(&claims.sub, USER_PREFIX).ok_or("sub is not a user id")?,
            session: parse_id(&claims.sid, SESSION_PREFIX).ok_or("sid is not a session id")?,
            token: claims.jti,
            issued_at: DateTime::from_timestamp_secs(claims.iat).ok_or("iat is out of range")?,
            expires_at: DateTime::from_timestamp_secs(claims.exp).ok_or("exp is out of range")?,
        })
    }

    /// What a token says whose signature under `key` is right.
    fn claims(&self, token: &str, key: &KeyRecord) -> Result<WireClaims, String> {
        let validation =
            find_validation(&self.validations, key.algorithm()).ok_or("no such algorithm")?;
        let decoded = || {
            decode::<WireClaims>(token, key.decoding(), validation)
                .map(|token| token.claims)
                .map_err(|error| error.to_string())
        };
        if key.algorithm() == Algorithm::HS256 {
            return decoded();
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        if let Some((kid, claims)) = self.verified.get(&hash)
            && *kid == *key.kid()
        {
            return Ok(claims);
        }
        let claims = decoded()?;
        self.verified
            .insert(hash, (key.kid().into(), claims.clone()));
        Ok(claims)
    }

    /// The public halves of the keys whose tokens are accepted, as a JSON Web Key Set.
    pub fn public_keys(&self, now: DateTime<Utc>) -> serde_json::Value {
        self.keyring.keys().public_keys(now)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("keyring", &self.keyring)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Why a token was refused, for the log.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access token refused: {}", self.0)
    }
}

impl std::error::Error for Refused {}

fn find_validation(validations: &[Validation], algorithm: Algorithm) -> Option<&Validation> {
    validations
        .iter()
        .find(|validation| validation.algorithms == [algorithm])
}

fn check_times(claims: &WireClaims, now: DateTime<Utc>) -> Result<(), String> {
    let now = now.timestamp();
    if now >= claims.exp.saturating_add(LEEWAY_SECS) {
        return Err("expired".into());
    }
    if now < claims.nbf.saturating_sub(LEEWAY_SECS) {
        return Err("not valid yet".into());
    }
    Ok(())
}

fn whole_seconds(timestamp: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_secs(timestamp)
        .ok_or_else(|| Error::bug("a token time is out of range"))
}

/// Only the form we write: `Uuid` alone would also read braces, upper case and no hyphens.
fn parse_id(wire: &str, prefix: &str) -> Option<Uuid> {
    let text = wire.strip_prefix(prefix)?;
    let id: Uuid = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use jsonwebtoken::EncodingKey;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::Code;
    use crate::auth::keys::KeyRecord;

    const USER: Uuid = Uuid::from_u128(1);
    const SESSION: Uuid = Uuid::from_u128(2);
    const RSA_PRIVATE: &str = include_str!("testdata/only_for_tests_rsa_2048.pem");
    const RSA_PUBLIC: &str = include_str!("testdata/only_for_tests_rsa_2048.pub.pem");

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 250_000_000).unwrap()
    }

    fn keyring() -> Keyring {
        Keyring::from_secret(&(0..32).collect::<Vec<u8>>()).unwrap()
    }

    fn tokens_with(keyring: Keyring) -> Tokens {
        Tokens::new(Arc::new(keyring), "https://issuer", "clientele")
    }

    fn tokens() -> Tokens {
        tokens_with(keyring())
    }

    fn issue(tokens: &Tokens) -> String {
        tokens.issue(USER, SESSION, now(), DEFAULT_TTL).unwrap().0
    }

    fn part(token: &str, index: usize) -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
    }

    /// A token with these parts, rightly signed with HS256 under the service's own key.
    fn signed(header: &Value, claims: &Value) -> String {
        crypto::install();
        let message = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let key = EncodingKey::from_secret(&keyring().derive("access-tokens"));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn good_parts() -> (Value, Value) {
        let token = issue(&tokens());
        (part(&token, 0), part(&token, 1))
    }

    fn refused(token: &str) -> bool {
        refused_at(token, now())
    }

    fn refused_at(token: &str, now: DateTime<Utc>) -> bool {
        match tokens().verify(token, now) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.code(), Code::Unauthenticated);
                assert_eq!(error.message(), "sign in again");
                true
            }
        }
    }

    #[test]
    fn a_token_says_who_and_which_session_and_nothing_more() {
        let (token, expires_at) = tokens()
            .issue(USER, SESSION, now(), TimeDelta::minutes(10))
            .unwrap();
        let claims = tokens().verify(&token, now()).unwrap();
        assert_eq!((claims.user, claims.session), (USER, SESSION));
        assert_eq!(claims.expires_at, expires_at);
        assert_eq!(expires_at.timestamp() - now().timestamp(), 600);
        assert_eq!(claims.issued_at.timestamp(), now().timestamp());

        assert_eq!(part(&token, 0)["typ"], "at+jwt");
        let payload = part(&token, 1);
        let mut names: Vec<_> = payload.as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(
            names,
            ["aud", "exp", "iat", "iss", "jti", "nbf", "sid", "sub"]
        );
        assert_eq!(payload["sub"], format!("user_{USER}"));
        assert_eq!(payload["sid"], format!("session_{SESSION}"));
    }

    #[test]
    fn two_tokens_of_one_instant_differ() {
        assert_ne!(issue(&tokens()), issue(&tokens()));
    }

    #[test]
    fn a_rightly_signed_token_made_by_hand_passes() {
        let (header, claims) = good_parts();
        assert!(!refused(&signed(&header, &claims)));
    }

    #[test]
    fn the_algorithm_none_is_refused() {
        let (mut header, claims) = good_parts();
        for none in ["none", "None", "NONE", ""] {
            header["alg"] = none.into();
            let token = signed(&header, &claims);
            assert!(refused(&token));
            let (message, _) = token.rsplit_once('.').unwrap();
            assert!(refused(&format!("{message}.")));
        }
    }

    #[test]
    fn a_header_with_another_algorithm_than_the_key_is_refused() {
        let (mut header, claims) = good_parts();
        for algorithm in ["HS384", "HS512", "RS256", "EdDSA", "ES256"] {
            header["alg"] = algorithm.into();
            assert!(refused(&signed(&header, &claims)), "{algorithm}");
        }
        // Signed with what the header says, under the right secret, still refused.
        header["alg"] = "HS512".into();
        let header: Header = serde_json::from_value(header).unwrap();
        let key = EncodingKey::from_secret(&keyring().derive("access-tokens"));
        assert!(refused(&encode(&header, &claims, &key).unwrap()));
    }

    #[test]
    fn a_public_key_used_as_hmac_secret_is_refused() {
        let key = KeyRecord::from_pem(RSA_PRIVATE).unwrap();
        let tokens = tokens_with(keyring().signing_with(key.clone()).unwrap());
        let (_, claims) = good_parts();
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".into());
        header.kid = Some(key.kid().into());
        for public in [
            RSA_PUBLIC.as_bytes(),
            key.decoding().try_get_as_bytes().unwrap(),
        ] {
            let forged = encode(&header, &claims, &EncodingKey::from_secret(public)).unwrap();
            assert!(tokens.verify(&forged, now()).is_err());
        }
    }

    #[test]
    fn rs256_keys_sign_and_their_public_half_verifies() {
        let private = KeyRecord::from_pem(RSA_PRIVATE).unwrap();
        let public = KeyRecord::from_pem(RSA_PUBLIC).unwrap();
        let token = issue(&tokens_with(keyring().signing_with(private).unwrap()));
        assert_eq!(part(&token, 0)["alg"], "RS256");
        assert!(
            tokens_with(keyring().accepting(public).unwrap())
                .verify(&token, now())
                .is_ok()
        );
        assert!(refused(&token), "a service without the key");
    }

    #[test]
    fn eddsa_keys_sign_and_tokens_of_the_key_before_stay_valid() {
        let random = ring::rand::SystemRandom::new();
        let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pem = base64::engine::general_purpose::STANDARD.encode(key.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----");
        let before = issue(&tokens());
        let key = KeyRecord::from_pem(&pem).unwrap();
        let tokens = tokens_with(keyring().signing_with(key).unwrap());
        let after = issue(&tokens);
        assert_eq!(part(&after, 0)["alg"], "EdDSA");
        assert!(tokens.verify(&after, now()).is_ok());
        assert!(tokens.verify(&before, now()).is_ok());
    }

    #[test]
    fn a_wrong_or_missing_kid_is_refused() {
        let (mut header, claims) = good_parts();
        for kid in [json!("other"), json!(""), json!(null), json!(7)] {
            header["kid"] = kid;
            assert!(refused(&signed(&header, &claims)));
        }
        header.as_object_mut().unwrap().remove("kid");
        assert!(refused(&signed(&header, &claims)));
    }

    #[test]
    fn another_secret_is_refused() {
        let other = Keyring::from_secret(&(1..33).collect::<Vec<u8>>()).unwrap();
        assert!(refused(&issue(&tokens_with(other))));
    }

    #[test]
    fn expiry_has_a_leeway_of_five_seconds() {
        let token = issue(&tokens());
        let second = |s: i64| DateTime::from_timestamp_secs(1_800_000_000 + s).unwrap();
        assert!(!refused_at(&token, second(604)));
        assert!(refused_at(&token, second(605)));
        assert!(refused_at(&token, second(1_000_000)));
        assert!(!refused_at(&token, second(-5)));
        assert!(refused_at(&token, second(-6)));
    }

    #[test]
    fn another_issuer_or_audience_is_refused() {
        for (issuer, audience) in [("https://other", "clientele"), ("https://issuer", "other")] {
            let other = Tokens::new(Arc::new(keyring()), issuer, audience);
            assert!(refused(&issue(&other)));
        }
        let (header, mut claims) = good_parts();
        claims["aud"] = json!(["clientele", "other"]);
        assert!(refused(&signed(&header, &claims)), "we never write a list");
    }

    #[test]
    fn every_claim_is_required_and_of_its_type() {
        let (header, claims) = good_parts();
        for name in ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti"] {
            let mut without = claims.clone();
            without.as_object_mut().unwrap().remove(name);
            assert!(refused(&signed(&header, &without)), "without {name}");
            for wrong in [json!(null), json!(true), json!({}), json!(-1.5), json!("x")] {
                let mut claims = claims.clone();
                claims[name] = wrong.clone();
                assert!(refused(&signed(&header, &claims)), "{name}: {wrong}");
            }
        }
    }

    #[test]
    fn ids_of_another_kind_or_spelling_are_refused() {
        let (header, claims) = good_parts();
        let upper = format!("user_{}", Uuid::from_u128(u128::MAX)).to_uppercase();
        for sub in [
            USER.to_string(),
            format!("session_{USER}"),
            format!("user_{}", USER.simple()),
            format!("user_{}", USER.braced()),
            upper.replace("USER_", "user_"),
        ] {
            let mut claims = claims.clone();
            claims["sub"] = sub.clone().into();
            assert!(refused(&signed(&header, &claims)), "{sub}");
        }
    }

    #[test]
    fn another_type_of_token_is_refused() {
        let (mut header, claims) = good_parts();
        for typ in [json!("JWT"), json!("rt+jwt"), json!("AT+JWT"), json!(null)] {
            header["typ"] = typ;
            assert!(refused(&signed(&header, &claims)));
        }
        assert!(refused("rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    }

    #[test]
    fn a_critical_header_is_refused() {
        let (mut header, claims) = good_parts();
        header["crit"] = json!(["exp"]);
        assert!(refused(&signed(&header, &claims)));
    }

    #[test]
    fn a_key_carried_in_the_header_is_not_used() {
        let (mut header, claims) = good_parts();
        header["kid"] = "mine".into();
        header["jku"] = "https://attacker/keys".into();
        header["jwk"] = json!({"kty": "oct", "alg": "HS256", "k": BASE64.encode([9; 32])});
        let header: Header = serde_json::from_value(header).unwrap();
        let token = encode(&header, &claims, &EncodingKey::from_secret(&[9; 32])).unwrap();
        assert!(refused(&token));
    }

    #[test]
    fn a_changed_payload_is_refused() {
        let token = issue(&tokens());
        let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        let mut claims = part(&token, 1);
        claims["sub"] = format!("user_{SESSION}").into();
        parts[1] = BASE64.encode(claims.to_string());
        assert!(refused(&parts.join(".")));
    }

    #[test]
    fn a_token_over_the_size_limit_is_refused_even_when_rightly_signed() {
        let (header, mut claims) = good_parts();
        claims["padding"] = "x".repeat(1_000).into();
        assert!(!refused(&signed(&header, &claims)));
        claims["padding"] = "x".repeat(MAX_TOKEN_BYTES).into();
        assert!(refused(&signed(&header, &claims)));
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [
            "", ".", "..", "...", "a.b.c", "Bearer x", "\0\0\0", "é.é.é", "e30.e30.",
        ] {
            assert!(refused(garbage), "{garbage:?}");
        }
        let token = issue(&tokens());
        assert!(refused(&format!("{token}.")) && refused(&format!(" {token}")));
        assert!(refused(&format!("{token}=")) && refused(&format!("{token}\n")));
        let (message, _) = token.rsplit_once('.').unwrap();
        assert!(refused(message) && refused(&format!("{message}.")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_change_of_one_byte_is_refused(at in 0_usize..10_000, to in 0_u8..128) {
            let token = issue(&tokens());
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(refused(&changed), changed != token);
        }

        #[test]
        fn any_text_is_refused(text in ".{0,200}") {
            prop_assert!(refused(&text));
        }
    }
}
