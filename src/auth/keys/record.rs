//! One key: its name, its algorithm, and how it is read from PEM and shown as a JSON Web Key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::digest;
use ring::signature::KeyPair;
use serde_json::{Value, json};

use super::KeyError;
use crate::auth::crypto;

/// A key that signs or verifies access tokens. The algorithm belongs to the key: what a token's header
/// claims only has to agree with it.
#[derive(Clone)]
pub struct KeyRecord {
    kid: String,
    algorithm: Algorithm,
    encoding: Option<EncodingKey>,
    decoding: DecodingKey,
    /// The public half as the algorithm writes it; none for a secret.
    public: Option<Vec<u8>>,
}

impl KeyRecord {
    /// The key's name in token headers: a short hash of it, not secret.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm this key is used with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signing half; none for a key that only verifies.
    pub fn encoding(&self) -> Option<&EncodingKey> {
        self.encoding.as_ref()
    }

    /// The verifying half.
    pub fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Whether it can sign.
    pub fn signs(&self) -> bool {
        self.encoding.is_some()
    }

    /// The public half as a JSON Web Key (RFC 7517), for others to verify our tokens with; none for a
    /// secret.
    pub fn jwk(&self) -> Option<Value> {
        let public = self.public.as_deref()?;
        let (name, kind) = match self.algorithm {
            Algorithm::EdDSA => (
                "EdDSA",
                json!({
                    "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public)
                }),
            ),
            Algorithm::RS256 => {
                let (modulus, exponent) = rsa_components(public)?;
                (
                    "RS256",
                    json!({
                        "kty": "RSA",
                        "n": URL_SAFE_NO_PAD.encode(modulus),
                        "e": URL_SAFE_NO_PAD.encode(exponent)
                    }),
                )
            }
            _ => return None,
        };
        let mut key = kind;
        let members = key.as_object_mut()?;
        for (member, value) in [("kid", self.kid.as_ref()), ("alg", name), ("use", "sig")] {
            members.insert(member.to_owned(), value.into());
        }
        Some(key)
    }

    pub(super) fn hs256(key: &[u8; 32]) -> Self {
        Self {
            kid: short_hash(&[b"HS256 kid", key]),
            algorithm: Algorithm::HS256,
            encoding: Some(EncodingKey::from_secret(key)),
            decoding: DecodingKey::from_secret(key),
            public: None,
        }
    }

    fn ed25519(public: &[u8], private: Option<&[u8]>) -> Self {
        Self {
            kid: short_hash(&[b"EdDSA kid", public]),
            algorithm: Algorithm::EdDSA,
            encoding: private.map(EncodingKey::from_ed_der),
            decoding: DecodingKey::from_ed_der(public),
            public: Some(public.to_vec()),
        }
    }

    fn rs256(public: &[u8], private: Option<&[u8]>) -> Self {
        Self {
            kid: short_hash(&[b"RS256 kid", public]),
            algorithm: Algorithm::RS256,
            encoding: private.map(EncodingKey::from_rsa_der),
            decoding: DecodingKey::from_rsa_der(public),
            public: Some(public.to_vec()),
        }
    }

    /// Reads an Ed25519 or RSA key (2048 bits or more) from PEM: `PRIVATE KEY` (PKCS #8) or
    /// `RSA PRIVATE KEY` for a key that signs, `PUBLIC KEY` or `RSA PUBLIC KEY` for one that only
    /// verifies. The kind of key sets the algorithm: `EdDSA` or RS256.
    ///
    /// # Errors
    /// [`KeyError::BadPem`] for anything else, encrypted keys among them.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (label, der) = pem_block(pem)?;
        match label {
            "PRIVATE KEY" | "RSA PRIVATE KEY" => {
                if let Ok(pair) = crypto::ed25519_key_pair(&der) {
                    Ok(Self::ed25519(pair.public_key().as_ref(), Some(&der)))
                } else {
                    let pair = crypto::rsa_key_pair(&der).map_err(|_| {
                        KeyError::BadPem("neither an Ed25519 nor an RSA key of 2048 bits or more")
                    })?;
                    Ok(Self::rs256(pair.public().as_ref(), Some(&der)))
                }
            }
            "PUBLIC KEY" => match public_key_info(&der) {
                Some((ED25519_ALGORITHM, public)) if public.len() == 32 => {
                    Ok(Self::ed25519(public, None))
                }
                Some((RSA_ALGORITHM, public)) => checked_rsa_public(public),
                _ => Err(KeyError::BadPem("neither an Ed25519 nor an RSA public key")),
            },
            "RSA PUBLIC KEY" => checked_rsa_public(&der),
            _ => Err(KeyError::BadPem(
                "expected PRIVATE KEY, RSA PRIVATE KEY, PUBLIC KEY or RSA PUBLIC KEY, not encrypted",
            )),
        }
    }
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecord")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("signs", &self.encoding.is_some())
            .finish_non_exhaustive()
    }
}
fn short_hash(parts: &[&[u8]]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finish();
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..9).unwrap_or_default())
}

/// `SEQUENCE { OBJECT IDENTIFIER 1.3.101.112 }` (RFC 8410), without the outer tag and length.
pub(super) const ED25519_ALGORITHM: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// `SEQUENCE { OBJECT IDENTIFIER 1.2.840.113549.1.1.1, NULL }` (RFC 3279), likewise.
const RSA_ALGORITHM: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

fn checked_rsa_public(public: &[u8]) -> Result<KeyRecord, KeyError> {
    // `ring` reads a public key only when it verifies, so look at the modulus here: a key it would
    // refuse must stop the start, not every request.
    match rsa_components(public) {
        Some((modulus, _)) if modulus.len() >= 256 => Ok(KeyRecord::rs256(public, None)),
        _ => Err(KeyError::BadPem("not an RSA key of 2048 bits or more")),
    }
}

/// The modulus and the exponent of an `RSAPublicKey` (RFC 8017 appendix A.1.1), without leading zeros.
fn rsa_components(public: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, _) = der(0x30, public)?;
    let (modulus, rest) = der(0x02, key)?;
    let (exponent, _) = der(0x02, rest)?;
    Some((positive(modulus), positive(exponent)))
}

/// A number without the zero that keeps it from being read as negative.
fn positive(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] => rest,
        number => number,
    }
}

/// The algorithm and the key of a `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
fn public_key_info(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, _) = der(0x30, input)?;
    let (algorithm, rest) = der(0x30, info)?;
    // A bit string starts with the number of unused bits, none in a key.
    match der(0x03, rest)? {
        ([0, key @ ..], _) => Some((algorithm, key)),
        _ => None,
    }
}

/// The contents of the DER value with this tag at the start of `input`, and what comes after it.
fn der(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (found == tag)
        .then(|| rest.split_at_checked(length))
        .flatten()
}

/// The label and the bytes of the first PEM block.
fn pem_block(pem: &str) -> Result<(&str, Vec<u8>), KeyError> {
    let broken = || KeyError::BadPem("no complete PEM block");
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or_else(broken)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(broken)?;
    let (body, _) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(broken)?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD
        .decode(body)
        .map_err(|_| KeyError::BadPem("the PEM block is not base64"))?;
    Ok((label, der))
}
