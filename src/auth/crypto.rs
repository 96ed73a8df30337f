//! The cryptography under `jsonwebtoken`, made of `ring`.
//!
//! `jsonwebtoken` brings no algorithm of its own: with no backend installed it panics at the first
//! token. Its ready-made backends are not used: one brings an RSA crate with an open timing advisory,
//! the other a second C library beside `ring`, which the database driver already links for TLS.
//! Supported: HS256, HS384, HS512, `EdDSA` (Ed25519) and RS256; everything else is an error.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::jwk::{EllipticCurve, ThumbprintHash};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};
use ring::{digest, hmac};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Spelled out instead of `KeyUtils::new_unimplemented()`, whose functions panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |der| {
            let public = PublicKeyComponents::<Vec<u8>>::from(rsa_key_pair(der)?.public());
            Ok((public.n, public.e))
        },
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |der, curve| match curve {
            EllipticCurve::Ed25519 => Ok(ed25519_key_pair(der)?.public_key().as_ref().to_vec()),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
        compute_digest: |data, hash| {
            let algorithm = match hash {
                ThumbprintHash::SHA256 => &digest::SHA256,
                ThumbprintHash::SHA384 => &digest::SHA384,
                ThumbprintHash::SHA512 => &digest::SHA512,
                _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
            };
            Ok(digest::digest(algorithm, data).as_ref().to_vec())
        },
    },
};

/// Makes this module the process's provider. Cheap and safe to call any number of times, from any
/// thread; [`super::tokens::Tokens::new`] calls it, so no caller has to remember.
pub fn install() {
    // An error means a provider is there already, and nobody else installs one.
    let _ = PROVIDER.install_default();
}

/// An Ed25519 key from PKCS #8, with or without the public half (OpenSSL leaves it out).
pub(super) fn ed25519_key_pair(der: &[u8]) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| ErrorKind::InvalidEddsaKey.into())
}

/// An RSA key from PKCS #8 or PKCS #1.
pub(super) fn rsa_key_pair(der: &[u8]) -> Result<RsaKeyPair> {
    RsaKeyPair::from_pkcs8(der)
        .or_else(|_| RsaKeyPair::from_der(der))
        .map_err(|rejected| ErrorKind::InvalidRsaKey(rejected.to_string()).into())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the provider's signature"
)]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    check_family(*algorithm, key.family())?;
    let bytes = key.as_bytes();
    Ok(match hmac_algorithm(*algorithm) {
        Some(hash) => Box::new(Hmac {
            algorithm: *algorithm,
            key: hmac::Key::new(hash, bytes),
        }),
        None => match algorithm {
            Algorithm::EdDSA => Box::new(Ed25519Signer(ed25519_key_pair(bytes)?)),
            Algorithm::RS256 => Box::new(RsaSigner(rsa_key_pair(bytes)?)),
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
    })
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the provider's signature"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    check_family(*algorithm, key.family())?;
    Ok(match hmac_algorithm(*algorithm) {
        Some(hash) => Box::new(Hmac {
            algorithm: *algorithm,
            key: hmac::Key::new(hash, key.try_get_as_bytes()?),
        }),
        None => match algorithm {
            Algorithm::EdDSA => Box::new(Ed25519Verifier(key.try_get_as_bytes()?.to_vec())),
            Algorithm::RS256 => Box::new(RsaVerifier(key.clone())),
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
    })
}

/// A public key must never be taken for an HMAC secret: anybody has it.
fn check_family(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    if algorithm.family() == family {
        Ok(())
    } else {
        Err(Error::from(ErrorKind::InvalidKeyFormat))
    }
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

struct Hmac {
    algorithm: Algorithm,
    key: hmac::Key,
}

impl Signer<Vec<u8>> for Hmac {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&self.key, message).as_ref().to_vec())
    }
}

impl JwtSigner for Hmac {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Hmac {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        hmac::verify(&self.key, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Hmac {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

struct Ed25519Signer(Ed25519KeyPair);

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(Vec<u8>);

impl Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct RsaSigner(RsaKeyPair);

impl Signer<Vec<u8>> for RsaSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| SignatureError::new())?;
        Ok(signature)
    }
}

impl JwtSigner for RsaSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

struct RsaVerifier(DecodingKey);

impl Verifier<Vec<u8>> for RsaVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        match self.0.kind() {
            DecodingKeyKind::SecretOrDer(der) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).verify(message, signature)
            }
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        }
        .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RsaVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use jsonwebtoken::crypto::{sign, verify};

    use super::*;

    const MESSAGE: &[u8] = b"header.payload";

    #[test]
    fn hmac_agrees_with_rfc_7515_appendix_a1() {
        install();
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = EncodingKey::from_urlsafe_base64_secret(&format!("{key}==")).unwrap();
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        assert_eq!(
            sign(message.as_bytes(), &key, Algorithm::HS256).unwrap(),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
    }

    #[test]
    fn eddsa_agrees_with_rfc_8037_appendix_a4() {
        install();
        let key =
            DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(verify(signature, message.as_bytes(), &key, Algorithm::EdDSA).unwrap());
        assert!(!verify(signature, MESSAGE, &key, Algorithm::EdDSA).unwrap());
    }

    #[test]
    fn every_hmac_verifies_its_own_signature_and_no_other() {
        install();
        let secret = [7; 64];
        let (to_sign, to_verify) = (
            EncodingKey::from_secret(&secret),
            DecodingKey::from_secret(&secret),
        );
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let signature = sign(MESSAGE, &to_sign, algorithm).unwrap();
            assert!(verify(&signature, MESSAGE, &to_verify, algorithm).unwrap());
            assert!(!verify(&signature, b"other", &to_verify, algorithm).unwrap());
            let other = DecodingKey::from_secret(&[8; 64]);
            assert!(!verify(&signature, MESSAGE, &other, algorithm).unwrap());
        }
    }

    #[test]
    fn other_algorithms_and_mixed_families_are_errors() {
        install();
        let secret = EncodingKey::from_secret(&[7; 32]);
        for algorithm in [Algorithm::EdDSA, Algorithm::RS256, Algorithm::ES256] {
            assert!(sign(MESSAGE, &secret, algorithm).is_err());
        }
        for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
            assert!(sign(MESSAGE, &EncodingKey::from_rsa_der(&[]), algorithm).is_err());
            let key = DecodingKey::from_rsa_der(&[]);
            assert!(verify("", MESSAGE, &key, algorithm).is_err());
        }
        let public = DecodingKey::from_ed_der(&[1; 32]);
        assert!(verify("", MESSAGE, &public, Algorithm::HS256).is_err());
    }
}
