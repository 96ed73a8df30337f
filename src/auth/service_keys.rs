//! Keys of programs: `clientele_sk_<id>_<secret>`, the id in 32 hexadecimal digits, the secret 256 random
//! bits in base64url. Only the SHA-256 of the secret is kept: it is random, so nothing slower is needed.
//! The fixed beginning lets scanners of source code find a key that was published by mistake.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use uuid::Uuid;

use crate::Result;

/// How every key begins.
pub const PREFIX: &str = "clientele_sk_";

const SECRET_BYTES: usize = 32;

/// A key that was just made. Its text is shown once and never kept.
pub struct NewServiceKey {
    /// The key.
    pub text: String,
    /// What is kept of it.
    pub secret_hash: [u8; 32],
}

/// Makes the key with this id.
///
/// # Errors
/// Internal when there is no randomness.
pub fn make(id: Uuid) -> Result<NewServiceKey> {
    let secret = URL_SAFE_NO_PAD.encode(super::random_bytes::<SECRET_BYTES>()?);
    Ok(NewServiceKey {
        text: format!("{PREFIX}{}_{secret}", id.simple()),
        secret_hash: hash(&secret),
    })
}

/// The id in a key, and the hash of its secret; nothing for a text that is no key.
pub fn parse(text: &str) -> Option<(Uuid, [u8; 32])> {
    // The secret may hold underscores, the id cannot.
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let uuid = Uuid::try_parse(id).ok()?;
    let is_exact =
        uuid.simple().to_string() == id && secret.len() == (SECRET_BYTES * 4).div_ceil(3);
    is_exact.then(|| (uuid, hash(secret)))
}

fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_and_no_other_text_is() {
        let id = Uuid::from_u128(0x0192_f4c0_7c3e_7d54_9b43_2c5a_8f1f_6e01);
        for _ in 0..100 {
            let key = make(id).unwrap();
            assert_eq!(parse(&key.text), Some((id, key.secret_hash)));
            assert!(
                key.text
                    .starts_with("clientele_sk_0192f4c07c3e7d549b432c5a8f1f6e01_")
            );
            let cut = &key.text[..key.text.len() - 1];
            for other in [
                cut,
                &key.text.to_uppercase(),
                &format!("{}x", key.text),
                &key.text[1..],
            ] {
                assert!(parse(other).is_none_or(|(_, hash)| hash != key.secret_hash));
            }
        }
        for nothing in ["", PREFIX, "clientele_sk__", "clientele_sk_1_2"] {
            assert_eq!(parse(nothing), None);
        }
    }

    #[test]
    fn two_keys_differ() {
        let id = Uuid::from_u128(1);
        assert_ne!(make(id).unwrap().text, make(id).unwrap().text);
    }
}
