//! Who somebody is: passwords, keys, access tokens, refresh tokens, and how fast one may guess.
//!
//! Everything here is pure: it takes rows and instants and gives decisions. It knows neither the
//! database nor HTTP; those layers store what these functions return.

pub mod crypto;
pub mod external;
pub mod keys;
pub mod passwords;
pub mod refresh;
pub mod reset_codes;
pub mod service_keys;
pub mod throttle;
pub mod tokens;

use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, Result};

/// `N` bytes from the operating system's random source.
///
/// # Errors
/// Internal when the operating system gives no randomness; nothing secret may be made then.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::bug("the operating system gave no random bytes"))?;
    Ok(bytes)
}
