//! Tokens of an identity provider: JWTs that somebody else signs, verified with the keys that the provider
//! publishes as a JSON Web Key Set (RFC 7517). Whom such a token stands for here is for others to say.
//!
//! The algorithm is that of the published key found by `kid`. Keys are kept for an hour; an unknown `kid`
//! has them fetched again, at most once a minute, so that made-up tokens cannot turn the service against the
//! provider. When the provider cannot be reached, the keys known before serve for a day.

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
    fetch: Fetch,
    keys: RwLock<Keys>,
    /// One fetch at a time.
    fetching: tokio::sync::Mutex<()>,
    /// Tokens whose signature was found right, by SHA-256.
    verified: Cache<[u8; 32], Arc<Remembered>>,
}

struct Remembered {
    kid: String,
    claims: ExternalClaims,
}

#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, Key>,
    fetched_at: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
}

#[derive(Clone)]
struct Key {
    algorithm: Algorithm,
    decoding: DecodingKey,
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
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
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
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            fetch,
            keys: RwLock::default(),
            fetching: tokio::sync::Mutex::new(()),
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
        let key = self.key(&kid, now).await?;
        let key = key.ok_or_else(|| refused("no such key".into()))?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let known = self.verified.get(&hash).filter(|known| known.kid == kid);
        let claims = match known {
            Some(known) => known.claims.clone(),
            None => {
                let claims = self.read(token, &key).map_err(refused)?;
                let known = Remembered {
                    kid,
                    claims: claims.clone(),
                };
                self.verified.insert(hash, Arc::new(known));
                claims
            }
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
        } = decode::<WireClaims>(token, &key.decoding, &validation)
            .map_err(|error| error.to_string())?
            .claims;
        if sub.is_empty() || sub.len() > MAX_SUBJECT_BYTES {
            return Err("sub is empty or too long".into());
        }
        let instant =
            |seconds| DateTime::from_timestamp_secs(seconds).ok_or("a time is out of range");
        Ok(ExternalClaims {
            subject: sub,
            verified_email: email
                .filter(|_| email_verified == Some(true))
                .map(|email| email.trim().to_lowercase()),
            issued_at: instant(iat)?,
            expires_at: instant(exp)?,
            not_before: nbf.map(instant).transpose()?,
        })
    }

    /// The key with this name, fetched if need be.
    async fn key(&self, kid: &str, now: DateTime<Utc>) -> Result<Option<Key>> {
        let (found, is_fresh, _) = self.known(kid, now);
        if is_fresh && found.is_some() {
            return Ok(found);
        }
        let _turn = self.fetching.lock().await;
        // Somebody else may have fetched meanwhile.
        let (found, is_fresh, may_try) = self.known(kid, now);
        if (is_fresh && found.is_some()) || !may_try {
            return self.usable(found, now);
        }
        let fetched = (self.fetch)().await.and_then(|bytes| parse_set(&bytes));
        {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            keys.tried_at = Some(now);
            match fetched {
                Ok(by_kid) => {
                    tracing::info!(issuer = %self.issuer, keys = by_kid.len(), "keys of the provider fetched");
                    keys.by_kid = by_kid;
                    keys.fetched_at = Some(now);
                }
                Err(error) => {
                    tracing::warn!(issuer = %self.issuer, error, "keys of the provider cannot be fetched");
                }
            }
        }
        let (found, _, _) = self.known(kid, now);
        self.usable(found, now)
    }

    /// The key as known, whether what is known is fresh, and whether it may be fetched again.
    fn known(&self, kid: &str, now: DateTime<Utc>) -> (Option<Key>, bool, bool) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = keys.fetched_at.is_some_and(|at| now < at + KEEP_KEYS);
        let may_try = keys.tried_at.is_none_or(|at| now >= at + FETCH_AGAIN);
        (keys.by_kid.get(kid).cloned(), is_fresh, may_try)
    }

    fn usable(&self, found: Option<Key>, now: DateTime<Utc>) -> Result<Option<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        match keys.fetched_at {
            Some(at) if now < at + KEEP_KEYS_UNREACHED => Ok(found),
            _ => Err(Error::new(
                crate::Code::Unavailable,
                say!("the keys of the identity provider cannot be had now; try again later"),
            )),
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
