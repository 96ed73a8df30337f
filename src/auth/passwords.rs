//! Passwords: what is acceptable, and Argon2id hashing that cannot stall the service.
//!
//! Parameters after OWASP's password storage guidance: 19 MiB, two passes, one lane. One hashing keeps a
//! core busy for tens of milliseconds, so it runs on the blocking pool, as many at a time as there are
//! cores; a burst of sign-ins queues instead of starving requests.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::messages::Message;
use crate::say;
use crate::{Error, Result};

/// The least length of a password, in characters.
pub const MIN_CHARS: usize = 10;

/// The greatest length of a password, in characters.
pub const MAX_CHARS: usize = 256;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A password with fewer different characters than this is a key held down.
const MIN_DISTINCT_CHARS: usize = 4;

/// The most common passwords of leaked lists that are long enough to pass the length rule, and their
/// like with this service's name. In lower case, as they are compared.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1029384756",
    "11223344556677889900",
    "1122334455",
    "123123123123",
    "1234512345",
    "123456123456",
    "1234567890",
    "12345678900",
    "12345678901",
    "123456789012",
    "1234567891",
    "12345678910",
    "123456789a",
    "123456789abc",
    "123456789q",
    "123456789qwe",
    "1314520520",
    "1357924680",
    "147258369a",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "1qazxsw23edc",
    "5201314520",
    "7894561230",
    "9876543210",
    "a123456789",
    "aa123456789",
    "abc123456789",
    "abcd123456",
    "abcdefghij",
    "administrator",
    "asdfghjkl1",
    "asdfghjkl123",
    "basketball",
    "changeme123",
    "chocolate1",
    "clientele1",
    "clientele123",
    "dearbook123",
    "football123",
    "iloveyou12",
    "iloveyou123",
    "letmein123",
    "letmein1234",
    "liverpool1",
    "manchester",
    "michelle123",
    "mypassword",
    "p@ssw0rd123",
    "p@ssword123",
    "passw0rd123",
    "password00",
    "password01",
    "password11",
    "password12",
    "password123",
    "password123!",
    "password1234",
    "password12345",
    "password@123",
    "passwordpassword",
    "princess123",
    "q123456789",
    "q1w2e3r4t5",
    "q1w2e3r4t5y6",
    "qazwsxedcrfv",
    "qwe123456789",
    "qwer123456",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyuiop",
    "qwertyuiop1",
    "qwertyuiop123",
    "qwertyuiop[]",
    "sunshine123",
    "superman123",
    "wang123456",
    "welcome123",
    "welcome1234",
    "woaini1314",
    "woaini1314520",
    "woaini520520",
    "woaiwojia1",
    "zhang123456",
    "zxcvbnm123",
    "zxcvbnm1234",
    "zxcvbnm,./",
];

/// Hashes and verifies passwords, a bounded number at a time.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    permits: Arc<Semaphore>,
}

impl Passwords {
    /// With as many hashings at a time as there are cores.
    ///
    /// # Errors
    /// Internal when the parameters are out of the algorithm's range.
    pub fn new() -> Result<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(hashing_failed)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            permits: Arc::new(Semaphore::new(cores)),
        })
    }

    /// The hash of `password` under a fresh salt, as a PHC string. Does not judge the password:
    /// [`check`] does.
    ///
    /// # Errors
    /// Internal when hashing fails or the service is stopping.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = normalized(password);
        self.run(move |argon2| {
            let hash = argon2
                .hash_password(password.as_bytes())
                .map_err(hashing_failed)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one that `stored` was made from. Without a stored hash (no such user,
    /// no password set) the answer is no, after the same work, so that the time taken does not tell
    /// which users exist.
    ///
    /// # Errors
    /// Internal when `stored` is not one of our hashes or the service is stopping.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool> {
        // No password longer than that was ever set, so it is not the right one; the work is done all the
        // same, on nothing.
        let (password, stored) = if fits(password) {
            (normalized(password), stored.map(str::to_owned))
        } else {
            (String::new(), None)
        };
        self.run(move |argon2| {
            let Some(stored) = stored else {
                let hash = argon2.hash_password_with_salt(password.as_bytes(), b"no such password");
                let _ = black_box(hash);
                return Ok(false);
            };
            let hash = PasswordHash::new(&stored).map_err(hashing_failed)?;
            match argon2.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(hashing_failed(error)),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            // Moved in here: when the request goes away the hashing does not, and must keep its place.
            let _permit = permit;
            work(&argon2)
        })
        .await
        .map_err(Error::internal)?
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("argon2", &self.argon2)
            .field("permits", &self.permits.available_permits())
            .finish()
    }
}

/// Whether `password` may be set for the user with this e-mail address: [`MIN_CHARS`] to [`MAX_CHARS`]
/// characters of any script, not the address or the part of it before the `@`, not a common one. No rule
/// demands kinds of characters: those make passwords predictable (NIST SP 800-63B section 3.1.1.2).
///
/// # Errors
/// Bad input, field `password`.
pub fn check(password: &str, email: &str) -> Result<()> {
    let refuse = |message: Message| Err(Error::bad_input("password", message));
    if !fits(password) {
        return refuse(say!("use at most {most} characters", most = MAX_CHARS));
    }
    let folded = normalized(password).to_lowercase();
    if folded.chars().count() < MIN_CHARS {
        return refuse(say!("use at least {least} characters", least = MIN_CHARS));
    }
    let email = normalized(email.trim()).to_lowercase();
    let local_part = email.split_once('@').map(|(local, _)| local);
    if folded.trim() == email || Some(folded.trim()) == local_part {
        return refuse(say!("do not use your e-mail address as password"));
    }
    let distinct: std::collections::HashSet<char> = folded.chars().collect();
    if distinct.len() < MIN_DISTINCT_CHARS || COMMON.contains(&folded.trim()) {
        return refuse(say!(
            "this password is too common; take one nobody would guess"
        ));
    }
    Ok(())
}

fn fits(password: &str) -> bool {
    password.chars().nth(MAX_CHARS).is_none()
}

/// Keyboards compose accents and width differently; NFKC makes the same typed password the same bytes.
fn normalized(text: &str) -> String {
    text.nfkc().collect()
}

fn hashing_failed(error: impl fmt::Display) -> Error {
    Error::bug(format!("password hashing: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::Code;

    const EMAIL: &str = "lin.qiaoyun@example.com";

    fn refused(password: &str) -> bool {
        match check(password, EMAIL) {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.code(), Code::BadUserInput);
                assert_eq!(error.fields(), ["password"]);
                true
            }
        }
    }

    #[tokio::test]
    async fn the_right_password_verifies_and_others_do_not() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("two green umbrellas").await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        for (password, right) in [
            ("two green umbrellas", true),
            ("two green umbrella", false),
            ("Two green umbrellas", false),
            ("", false),
        ] {
            assert_eq!(
                passwords.verify(password, Some(&stored)).await.unwrap(),
                right
            );
        }
    }

    #[tokio::test]
    async fn the_same_password_has_another_hash_each_time() {
        let passwords = Passwords::new().unwrap();
        let (a, b) = tokio::join!(passwords.hash("same again"), passwords.hash("same again"));
        assert_ne!(a.unwrap(), b.unwrap());
    }

    #[tokio::test]
    async fn without_a_stored_hash_the_answer_is_no_after_the_same_work() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("two green umbrellas").await.unwrap();
        // The least of several, so that other tests on the same cores do not decide it.
        let least = async |stored: Option<&str>| {
            let mut least = std::time::Duration::MAX;
            for _ in 0..8 {
                let start = std::time::Instant::now();
                assert!(!passwords.verify("wrong password", stored).await.unwrap());
                least = least.min(start.elapsed());
            }
            least
        };
        let (unknown, known) = (least(None).await, least(Some(&stored)).await);
        assert!(
            unknown * 3 > known && known * 3 > unknown,
            "{unknown:?} {known:?}"
        );
        assert!(!passwords.verify("no such password", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_broken_stored_hash_is_our_fault_and_never_a_match() {
        let passwords = Passwords::new().unwrap();
        for broken in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA"] {
            let result = passwords.verify("two green umbrellas", Some(broken)).await;
            assert!(!matches!(result, Ok(true)));
        }
        let error = passwords.verify("x", Some("plain")).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
    }

    #[tokio::test]
    async fn composed_and_decomposed_spellings_are_one_password() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords
            .hash("caf\u{e9} \u{ff11}\u{ff12} noir")
            .await
            .unwrap();
        let typed = "cafe\u{301} 12 noir";
        assert!(passwords.verify(typed, Some(&stored)).await.unwrap());
    }

    #[tokio::test]
    async fn an_abandoned_hashing_gives_its_place_back() {
        let passwords = Passwords::new().unwrap();
        let places = passwords.permits.available_permits();
        for _ in 0..4 {
            let abandoned = passwords.hash("two green umbrellas");
            let _ = tokio::time::timeout(std::time::Duration::from_millis(1), abandoned).await;
        }
        for _ in 0..4 {
            passwords.hash("two green umbrellas").await.unwrap();
        }
        // The last one's place comes back when its thread ends, a moment after its answer.
        let all = u32::try_from(places).unwrap();
        let _ = passwords.permits.acquire_many(all).await.unwrap();
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(refused("short 9ch"));
        assert!(!refused("exactly 10"));
        assert!(!refused("我的密码足够长了吗?对"));
        assert!(refused("我的密码不够长"));
        assert!(!refused(&"a1b2c3d4".repeat(32)));
        assert!(refused(&format!("{}x", "a1b2c3d4".repeat(32))));
        assert!(refused(&"长".repeat(100_000)));
    }

    #[tokio::test]
    async fn a_password_over_the_length_limit_never_verifies() {
        let passwords = Passwords::new().unwrap();
        let long = "a1b2c3d4".repeat(40);
        let stored = passwords.hash(&long).await.unwrap();
        assert!(!passwords.verify(&long, Some(&stored)).await.unwrap());
    }

    #[test]
    fn the_address_and_its_local_part_are_refused_in_any_case() {
        for password in [
            EMAIL,
            "LIN.Qiaoyun@Example.com",
            "lin.qiaoyun",
            "Lin.QiaoYun",
        ] {
            assert!(refused(password), "{password}");
        }
        assert!(!refused("lin.qiaoyun likes tea"));
    }

    #[test]
    fn common_passwords_are_refused_in_any_case_and_width() {
        for password in [
            "1234567890",
            "PassWord123",
            "qwertyuiop",
            "１２３４５６７８９０",
        ] {
            assert!(refused(password), "{password}");
        }
        for held in ["aaaaaaaaaaaa", "abababababab", "          "] {
            assert!(refused(held), "{held:?}");
        }
    }

    #[test]
    fn the_list_holds_only_what_the_length_rule_lets_through() {
        for common in COMMON {
            assert!(common.chars().count() >= MIN_CHARS, "{common}");
            assert_eq!(*common, common.to_lowercase());
        }
    }
}
