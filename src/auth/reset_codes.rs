//! Codes with which somebody sets a new password once: `clientele_pr_` and 256 random bits in base64url. Only
//! the SHA-256 is kept: it is random, so nothing slower is needed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use ring::digest;

use crate::Result;

/// How long a code is good.
pub const LIFE: TimeDelta = TimeDelta::hours(24);

const PREFIX: &str = "clientele_pr_";
const SECRET_BYTES: usize = 32;

/// A code that was just made. Its text is shown once and never kept.
pub struct NewResetCode {
    /// The code.
    pub text: String,
    /// What is kept of it.
    pub hash: [u8; 32],
}

/// Makes a code.
///
/// # Errors
/// Internal when there is no randomness.
pub fn make() -> Result<NewResetCode> {
    let secret = URL_SAFE_NO_PAD.encode(super::random_bytes::<SECRET_BYTES>()?);
    let text = format!("{PREFIX}{secret}");
    Ok(NewResetCode {
        hash: hash(&text),
        text,
    })
}

/// What is kept of the code in `text`; nothing for a text that is no code.
pub fn parse(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let secret = text.strip_prefix(PREFIX)?;
    (secret.len() == (SECRET_BYTES * 4).div_ceil(3)).then(|| hash(text))
}

fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}
