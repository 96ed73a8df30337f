//! Tokens of an identity provider: JWTs that somebody else signs, verified with the keys that the provider
//! publishes as a JSON Web Key Set (RFC 7517). Whom such a token stands for here is for others to say.
//!
//! The algorithm is that of the published key found by `kid`. Keys are kept for an hour; an unknown `kid`
//! has them fetched again, at most once a minute, so that made-up tokens cannot turn the service against the
//! provider. When the provider cannot be reached, the keys known before serve for a day, and nobody whose key
//! is among them waits for the provider. A fetch goes on when the request that asked for it is gone.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use quick_cache::sync::Cache;
use ring::digest;
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::crypto;
use super::tokens::MAX_TOKEN_BYTES;
use crate::say;
use crate::{Error, Result};

/// How long fetched keys are used before they are fetched again.
pub const KEEP_KEYS: TimeDelta = TimeDelta::hours(1);

/// How long keys are used at most when they cannot be fetched again.
pub const KEEP_KEYS_UNREACHED: TimeDelta = TimeDelta::hours(24);

/// How soon after a try keys may be fetched again.
pub const FETCH_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// How far the provider's clock and ours may differ, in seconds.
const LEEWAY_SECS: i64 = 30;

/// How many verified tokens are remembered.
const REMEMBERED: usize = 20_000;

/// How many keys of a set are looked at.
const MAX_KEYS: usize = 100;

/// The longest `sub` that is taken, in bytes (OpenID Connect Core section 2 says 255 characters).
const MAX_SUBJECT_BYTES: usize = 255;

/// Gets the set of keys, whole.
pub type Fetch = Arc<dyn Fn() -> Fetching + Send + Sync>;

/// The set of keys to be, or why there is none, in words for the log.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// An identity provider.
pub struct Provider {
    issuer: String,
    audience: String,
    source: Arc<Source>,
    /// Tokens whose signature was found right, by SHA-256.
    verified: Cache<[u8; 32], Arc<Remembered>>,
}

/// Where the keys come from, and what is known of them.
struct Source {
    issuer: String,
    fetch: Fetch,
    keys: RwLock<Keys>,
    /// One fetch at a time.
    fetching: Arc<Mutex<()>>,
}

struct Remembered {
    /// The keys it was verified with, counted.
    edition: u64,
    claims: ExternalClaims,
}

#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, Key>,
    /// How often the keys turned out to be others.
    edition: u64,
    /// What the keys were read from.
    text: Vec<u8>,
    fetched_at: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
}

#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    decoding: DecodingKey,
}

/// What is known of one key.
struct Known {
    key: Option<Key>,
    edition: u64,
    /// Whether the keys need no fetching for their age.
    is_fresh: bool,
    /// Whether the keys may be used at all.
    is_usable: bool,
    /// Whether the keys may be fetched again.
    may_try: bool,
}

/// What a verified token of the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalClaims {
    /// Whom the provider means (`sub`).
    pub subject: String,
    /// Their e-mail address in lower case, when the provider says that it verified it.
    pub verified_email: Option<String>,
    /// When the token was issued, UTC.
    pub issued_at: DateTime<Utc>,
    /// From when on it is refused, before leeway.
    pub expires_at: DateTime<Utc>,
    not_before: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct WireClaims {
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    /// Whatever is here, those who use no e-mail addresses are not shut out by it.
    #[serde(default)]
    email: serde_json::Value,
    #[serde(default)]
    email_verified: serde_json::Value,
    /// Only tokens that tell of something, as of signing out, have this (RFC 8417 section 2.2).
    #[serde(default)]
    events: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct WireSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
}

impl Provider {
    /// For tokens that say `iss: issuer` and whose `aud` holds `audience`, with the keys that `fetch` gets.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, fetch: Fetch) -> Self {
        crypto::install();
        let issuer = issuer.into();
        Self {
            source: Arc::new(Source {
                issuer: issuer.clone(),
                fetch,
                keys: RwLock::default(),
                fetching: Arc::default(),
            }),
            issuer,
            audience: audience.into(),
            verified: Cache::new(REMEMBERED),
        }
    }

    /// The provider as its tokens name it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether a token says that it is of this provider. Nothing is proven by that.
    pub fn claims(&self, token: &str) -> bool {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        if token.len() > MAX_TOKEN_BYTES {
            return false;
        }
        let payload = token.split('.').nth(1);
        let bytes = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let said = bytes.and_then(|bytes| serde_json::from_slice::<Issuer>(&bytes).ok());
        said.is_some_and(|said| said.iss == self.issuer)
    }

    /// What `token` says, if it is of this provider, for us, and valid at `now`, give or take half a minute.
    ///
    /// # Errors
    /// Unauthenticated, with the same sentence whatever is wrong; unavailable when the provider's keys
    /// were never to be had.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<ExternalClaims> {
        let refused = |reason: String| {
            Error::unauthenticated(say!("sign in again")).with_source(Refused(reason))
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused("too long".into()));
        }
        let header = decode_header(token).map_err(|error| refused(error.to_string()))?;
        let kid = header
            .kid
            .ok_or_else(|| refused("no key is named".into()))?;
        // An extension we must understand but do not (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err(refused("critical header".into()));
        }
        // A provider signs other things with the same key: a notice of signing out names the same people.
        if !header.typ.as_deref().is_none_or(is_token_type) {
            return Err(refused("not a token of somebody who signed in".into()));
        }
        let known = self.source.key(&kid, now).await?;
        let key = known.key.ok_or_else(|| refused("no such key".into()))?;
        let edition = known.edition;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        // The token itself names its key, so that the same token under the same keys is right again.
        let known = self.verified.get(&hash);
        let claims = if let Some(known) = known.filter(|known| known.edition == edition) {
            known.claims.clone()
        } else {
            let claims = self.read(token, &key).map_err(refused)?;
            let known = Remembered {
                edition,
                claims: claims.clone(),
            };
            self.verified.insert(hash, Arc::new(known));
            claims
        };
        let leeway = TimeDelta::seconds(LEEWAY_SECS);
        if now >= claims.expires_at + leeway {
            return Err(refused("expired".into()));
        }
        let from = claims.not_before.unwrap_or(claims.issued_at);
        if now + leeway < from.max(claims.issued_at) {
            return Err(refused("not valid yet".into()));
        }
        Ok(claims)
    }

    fn read(&self, token: &str, key: &Key) -> Result<ExternalClaims, String> {
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Both by the system clock; the caller does it by ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let WireClaims {
            sub,
            iat,
            exp,
            nbf,
            email,
            email_verified,
            events,
        } = decode::<WireClaims>(token, &key.decoding, &validation)
            .map_err(|error| error.to_string())?
            .claims;
        if events.is_some() {
            return Err("it tells of events".into());
        }
        if sub.is_empty() || sub.len() > MAX_SUBJECT_BYTES {
            return Err("sub is empty or too long".into());
        }
        let instant =
            |seconds| DateTime::from_timestamp_secs(seconds).ok_or("a time is out of range");
        Ok(ExternalClaims {
            subject: sub,
            verified_email: email
                .as_str()
                .filter(|_| is_yes(&email_verified))
                .map(|email| email.trim().to_lowercase()),
            issued_at: instant(iat)?,
            expires_at: instant(exp)?,
            not_before: nbf.map(instant).transpose()?,
        })
    }
}

impl Source {
    /// The key with this name. Keys that are known are used at once, and fetched again beside it when they
    /// are old; for one that is not known the keys are fetched first, if they may be.
    async fn key(self: &Arc<Self>, kid: &str, now: DateTime<Utc>) -> Result<Known> {
        let known = self.known(kid, now);
        let is_here = known.is_usable && known.key.is_some();
        if is_here {
            if !known.is_fresh
                && known.may_try
                && let Ok(turn) = Arc::clone(&self.fetching).try_lock_owned()
            {
                self.fetch_in(turn, now);
            }
            return Ok(known);
        }
        // After the fetch that is on its way, if there is one.
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        let mut known = self.known(kid, now);
        let is_here = known.is_usable && known.key.is_some();
        if !is_here && known.may_try {
            // Whether it came to its end is seen from what is known then.
            let _ = self.fetch_in(turn, now).await;
            known = self.known(kid, now);
        }
        if known.is_usable {
            return Ok(known);
        }
        Err(Error::new(
            crate::Code::Unavailable,
            say!("the keys of the identity provider cannot be had now; try again later"),
        ))
    }

    /// Fetches the keys, in a task of its own: a caller that goes away must not have the next one ask again.
    fn fetch_in(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        now: DateTime<Utc>,
    ) -> tokio::task::JoinHandle<()> {
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = turn;
            source.change(|keys| keys.tried_at = Some(now));
            let fetched = (source.fetch)().await;
            let read = fetched.and_then(|text| Ok((parse_set(&text)?, text)));
            let issuer = source.issuer.as_str();
            match read {
                Ok((by_kid, text)) => {
                    tracing::info!(issuer, keys = by_kid.len(), "keys of the provider fetched");
                    source.change(|keys| {
                        if keys.text != text {
                            keys.edition = keys.edition.wrapping_add(1);
                        }
                        keys.text = text;
                        keys.by_kid = by_kid;
                        keys.fetched_at = Some(now);
                    });
                }
                Err(error) => {
                    tracing::warn!(issuer, error, "keys of the provider cannot be fetched");
                }
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Keys)) {
        change(&mut self.keys.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn known(&self, kid: &str, now: DateTime<Utc>) -> Known {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_within = |life: TimeDelta| keys.fetched_at.is_some_and(|at| now < at + life);
        Known {
            key: keys.by_kid.get(kid).cloned(),
            edition: keys.edition,
            is_fresh: is_within(KEEP_KEYS),
            is_usable: is_within(KEEP_KEYS_UNREACHED),
            may_try: keys.tried_at.is_none_or(|at| now >= at + FETCH_AGAIN),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Whether a token of this type (RFC 7515 section 4.1.9) can say that somebody signed in: an ID token or an
/// access token (RFC 9068 section 2.1).
fn is_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let short = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!(short, "jwt" | "at+jwt")
}

/// Yes as providers say it: some write it as a text.
fn is_yes(value: &serde_json::Value) -> bool {
    value.as_bool() == Some(true) || value.as_str() == Some("true")
}

/// The keys of a set that sign with RS256 or Ed25519. Others are left out: a provider may publish more.
fn parse_set(bytes: &[u8]) -> Result<HashMap<String, Key>, String> {
    let set: WireSet = serde_json::from_slice(bytes)
        .map_err(|error| format!("not a JSON Web Key Set: {error}"))?;
    let keys = set.keys.into_iter().take(MAX_KEYS);
    Ok(keys
        .filter_map(|key| {
            let key: WireKey = serde_json::from_value(key).ok()?;
            let kid = key.kid.clone();
            Some((kid, parse_key(&key)?))
        })
        .collect())
}

fn parse_key(key: &WireKey) -> Option<Key> {
    if key
        .purpose
        .as_deref()
        .is_some_and(|purpose| purpose != "sig")
    {
        return None;
    }
    let says = |name: &str| key.alg.as_deref().is_none_or(|alg| alg == name);
    match key.kty.as_str() {
        "RSA" if says("RS256") => {
            let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
            let length = modulus.iter().skip_while(|byte| **byte == 0).count();
            if length < 256 {
                return None;
            }
            Some(Key {
                algorithm: Algorithm::RS256,
                decoding: DecodingKey::from_rsa_components(&key.n, &key.e).ok()?,
            })
        }
        "OKP" if says("EdDSA") && key.crv == "Ed25519" => Some(Key {
            algorithm: Algorithm::EdDSA,
            decoding: DecodingKey::from_ed_components(&key.x).ok()?,
        }),
        _ => None,
    }
}

/// Why a token was refused, for the log.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token of the identity provider refused: {}", self.0)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn names(keys: &Value) -> Vec<String> {
        let set = parse_set(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let mut names: Vec<String> = set.into_keys().collect();
        names.sort();
        names
    }

    fn rsa(bits: usize) -> Value {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xc1; bits / 8]);
        json!({ "kty": "RSA", "kid": "k", "n": modulus, "e": "AQAB" })
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn only_keys_that_sign_well_enough_are_taken() {
        let ed25519 = json!({
            "kty": "OKP", "kid": "k", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32])
        });
        for good in [
            rsa(2_048),
            rsa(4_096),
            with(rsa(2_048), "alg", json!("RS256")),
            with(rsa(2_048), "use", json!("sig")),
            ed25519.clone(),
            with(ed25519.clone(), "alg", json!("EdDSA")),
        ] {
            assert_eq!(names(&json!([good])), ["k"], "{good}");
        }
        // Zeros before it make a modulus no longer.
        let mut padded = vec![0; 128];
        padded.extend([0xc1; 128]);
        for bad in [
            rsa(1_024),
            rsa(2_040),
            with(rsa(2_048), "n", json!(URL_SAFE_NO_PAD.encode(padded))),
            with(rsa(2_048), "alg", json!("HS256")),
            with(rsa(2_048), "alg", json!("RS512")),
            with(rsa(2_048), "alg", json!("none")),
            with(rsa(2_048), "use", json!("enc")),
            with(rsa(2_048), "kid", Value::Null),
            with(ed25519.clone(), "crv", json!("X25519")),
            with(ed25519, "alg", json!("RS256")),
            json!({ "kty": "oct", "kid": "k", "alg": "HS256", "k": "AAAA" }),
            json!({ "kty": "EC", "kid": "k", "crv": "P-256", "x": "AA", "y": "AA" }),
            json!("a key"),
        ] {
            assert!(names(&json!([bad])).is_empty(), "{bad}");
            assert_eq!(
                names(&json!([bad, with(rsa(2_048), "kid", json!("other"))])),
                ["other"]
            );
        }
        assert!(parse_set(b"{}").is_err() && parse_set(b"[]").is_err() && parse_set(b"").is_err());
    }
}
