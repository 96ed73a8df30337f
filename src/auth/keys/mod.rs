//! The keys of the service: one secret, from which each purpose gets its own key, and the key records
//! that sign and verify access tokens, found by `kid`.
//!
//! By default the secret is made at the first start and kept in the data directory. Losing or changing
//! it signs everybody out (access tokens, refresh tokens and cursors are all bound to it) and loses
//! nothing else. It must be shared by all processes that serve one database.
//!
//! Access tokens may also be signed with keys that change: those of the file [`KEY_FILE`], and those in
//! PEM files named by the operator. They are looked at again while the service runs, so that a new key is
//! known everywhere before the first token is signed with it. The secret itself never changes: refresh
//! tokens and cursors come from it.

mod record;
mod secret;
mod store;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ring::hmac;

pub use record::KeyRecord;
pub use store::{KEY_FILE, KeyKind, KeyState, Listed, NewKey, TokenKeyFile};

/// The name of the secret's file in the data directory.
pub const SECRET_FILE: &str = "secret.key";

/// The least length of a secret, in bytes: the output size of SHA-256, as RFC 7518 section 3.2 demands.
pub const MIN_SECRET_BYTES: usize = 32;

/// Why there are no keys. Read by the operator at start-up, never sent to a client; no variant holds
/// key material.
#[derive(Debug)]
pub enum KeyError {
    /// The file could not be read or written.
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The secret has fewer than [`MIN_SECRET_BYTES`].
    TooShort {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The secret is long enough but not random: it repeats a few bytes.
    Guessable,
    /// Not a PEM key, or of a kind that is not supported.
    BadPem(&'static str),
    /// The operating system gave no random bytes.
    NoRandomness,
    /// The file of token keys is not what this program writes.
    BadKeyFile(String),
    /// What was asked for cannot be done with the keys there are.
    Refused(String),
    /// What is wrong with a file's contents.
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Box<KeyError>,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Exposed { path, mode } => write!(
                f,
                "{} can be read or written by others (mode {mode:03o}): run `chmod 600` on it, and \
                 replace it if somebody may have read it",
                path.display()
            ),
            Self::TooShort { bytes } => write!(
                f,
                "the secret has {bytes} bytes but needs {MIN_SECRET_BYTES}: make one with \
                 `openssl rand -base64 32`"
            ),
            Self::Guessable => f.write_str(
                "the secret repeats a few characters and could be guessed: make one with \
                 `openssl rand -base64 32`",
            ),
            Self::BadPem(reason) => write!(f, "not a usable key in PEM: {reason}"),
            Self::NoRandomness => f.write_str("the operating system gave no random bytes"),
            Self::BadKeyFile(reason) => write!(f, "not a file of token keys: {reason}"),
            Self::Refused(reason) => f.write_str(reason),
            Self::InFile { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::InFile { reason, .. } => Some(reason),
            Self::Exposed { .. }
            | Self::TooShort { .. }
            | Self::Guessable
            | Self::BadPem(_)
            | Self::BadKeyFile(_)
            | Self::Refused(_)
            | Self::NoRandomness => None,
        }
    }
}
impl KeyError {
    fn in_file(self, path: &Path) -> Self {
        Self::InFile {
            path: path.to_owned(),
            reason: Box::new(self),
        }
    }
}

/// How long a look at the files of keys is good for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the key that signs access tokens is derived for, where no other signs.
const ACCESS_TOKENS: &str = "access-tokens";

/// A key and when it is used.
#[derive(Clone, Debug)]
struct Entry {
    record: KeyRecord,
    /// From when on it signs, if it can.
    signs_from: DateTime<Utc>,
    /// Until when its tokens are accepted; always, when none.
    accepted_until: Option<DateTime<Utc>>,
    /// Keys that the operator named go before those of the file.
    is_named: bool,
}

impl Entry {
    fn always(record: KeyRecord, is_named: bool) -> Self {
        Self {
            record,
            signs_from: DateTime::<Utc>::MIN_UTC,
            accepted_until: None,
            is_named,
        }
    }

    fn is_accepted(&self, now: DateTime<Utc>) -> bool {
        self.accepted_until.is_none_or(|until| now < until)
    }
}

/// The keys of access tokens, as they are at some time.
#[derive(Debug, Default)]
pub struct TokenKeys {
    entries: Vec<Entry>,
}

impl TokenKeys {
    /// The key that signs new tokens: of those that may, one that the operator named goes first, then the
    /// newest.
    pub fn signing(&self, now: DateTime<Utc>) -> Option<&KeyRecord> {
        let able = self.entries.iter().filter(|entry| {
            entry.record.signs() && entry.signs_from <= now && entry.is_accepted(now)
        });
        // Of equals the first: the operator names the key that signs before the others.
        able.rev()
            .max_by_key(|entry| (entry.is_named, entry.signs_from))
            .map(|entry| &entry.record)
    }

    /// The key with this name, if tokens of it are accepted.
    pub fn find(&self, kid: &str, now: DateTime<Utc>) -> Option<&KeyRecord> {
        self.entries
            .iter()
            .find(|entry| entry.record.kid() == kid && entry.is_accepted(now))
            .map(|entry| &entry.record)
    }

    /// The public halves of the keys whose tokens are accepted, as a JSON Web Key Set (RFC 7517
    /// section 5). Secrets have none, so the set is empty where only a secret signs.
    pub fn public_keys(&self, now: DateTime<Utc>) -> serde_json::Value {
        let accepted = self.entries.iter().filter(|entry| entry.is_accepted(now));
        let keys: Vec<_> = accepted.filter_map(|entry| entry.record.jwk()).collect();
        serde_json::json!({ "keys": keys })
    }
}

/// The secret and the token keys.
pub struct Keyring {
    root: hmac::Key,
    /// Keys given by the program, the newest signing one first.
    given: Vec<Entry>,
    store: Option<PathBuf>,
    pems: Vec<PathBuf>,
    present: RwLock<Present>,
}

/// What was seen when the files were looked at last.
struct Present {
    keys: Arc<TokenKeys>,
    stamps: Vec<Option<secret::Stamp>>,
    /// The files that could not be read, when they could not: told once, and tried at each look.
    failed: Option<Vec<Option<secret::Stamp>>>,
    looked_at: Instant,
}

impl Keyring {
    /// From a secret of at least [`MIN_SECRET_BYTES`] random bytes. Tokens are signed with HS256 under a
    /// key derived from it.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] or [`KeyError::Guessable`] for a weak secret.
    pub fn from_secret(bytes: &[u8]) -> Result<Self, KeyError> {
        secret::check_strength(bytes)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let given = vec![Entry::always(derived(&root), false)];
        let keys = Arc::new(TokenKeys {
            entries: given.clone(),
        });
        Ok(Self {
            root,
            given,
            store: None,
            pems: Vec::new(),
            present: RwLock::new(Present {
                keys,
                stamps: Vec::new(),
                failed: None,
                looked_at: Instant::now(),
            }),
        })
    }

    /// From a secret as an environment variable carries it: base64 (either alphabet, padded or not) of
    /// at least [`MIN_SECRET_BYTES`], or else that many raw bytes. White space around it is ignored.
    ///
    /// # Errors
    /// As [`Keyring::from_secret`].
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        Self::from_secret(&secret::decode_secret(text.as_bytes()))
    }

    /// From the secret in `data_dir`; makes one if there is none. Any number of processes may start at
    /// once: the file appears whole or not at all, and all of them use the same one.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or made, is open to others, or holds a weak secret.
    pub fn open_or_create(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(SECRET_FILE);
        match Self::open(data_dir) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                secret::create_secret(data_dir, &path)?;
                // Read back what is there: another process may have been faster.
                Self::open(data_dir)
            }
            result => result,
        }
    }

    /// From the secret in `data_dir`, which must be there.
    ///
    /// # Errors
    /// [`KeyError`] when the file is missing, cannot be read, is open to others, or holds a weak secret.
    pub fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(SECRET_FILE);
        let bytes = secret::read_private(&path)?;
        Self::from_secret(&secret::decode_secret(&bytes)).map_err(|reason| reason.in_file(&path))
    }

    /// Also uses the keys of the file [`KEY_FILE`] in `data_dir`, if it is there, and those in `pems`,
    /// one each: the first of them that has a private half signs, the others only verify. All of them are
    /// looked at again while the service runs.
    ///
    /// # Errors
    /// [`KeyError`] for a file that cannot be read or holds no key, or that others may read though it
    /// holds a private half.
    pub fn watching(mut self, data_dir: &Path, pems: Vec<PathBuf>) -> Result<Self, KeyError> {
        self.store = Some(data_dir.join(KEY_FILE));
        self.pems = pems;
        let present = self.look(self.stamps())?;
        self.present = RwLock::new(present);
        Ok(self)
    }

    /// Signs new tokens with `key` from now on; tokens of the key before stay valid until they expire.
    ///
    /// # Errors
    /// [`KeyError::BadPem`] when `key` only verifies.
    pub fn signing_with(mut self, key: KeyRecord) -> Result<Self, KeyError> {
        if !key.signs() {
            return Err(KeyError::BadPem("a public key cannot sign"));
        }
        self.given.insert(0, Entry::always(key, true));
        self.with_given()
    }

    /// Also accepts tokens signed with `key`: the key before a rotation, or the next one.
    ///
    /// # Errors
    /// As [`Keyring::watching`].
    pub fn accepting(mut self, key: KeyRecord) -> Result<Self, KeyError> {
        self.given.push(Entry {
            signs_from: DateTime::<Utc>::MAX_UTC,
            ..Entry::always(key, true)
        });
        self.with_given()
    }

    fn with_given(mut self) -> Result<Self, KeyError> {
        let present = self.look(self.stamps())?;
        self.present = RwLock::new(present);
        Ok(self)
    }

    /// The keys of access tokens. Files are looked at again when the last look is over a second old.
    pub fn keys(&self) -> Arc<TokenKeys> {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        if present.looked_at.elapsed() < LOOK_EVERY || !self.has_files() {
            return Arc::clone(&present.keys);
        }
        drop(present);
        self.look_again()
    }

    /// The keys of access tokens, from a fresh look at the files: for a token whose key is not known.
    pub fn look_again(&self) -> Arc<TokenKeys> {
        let stamps = self.stamps();
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        if stamps != present.stamps {
            match self.look(stamps.clone()) {
                Ok(seen) => {
                    tracing::info!("the keys of access tokens were read again");
                    *present = seen;
                }
                // What was read before goes on: a half-written file must not sign everybody out.
                Err(error) => {
                    if present.failed.as_ref() != Some(&stamps) {
                        tracing::error!(%error, "the keys of access tokens cannot be read; the former stay");
                        present.failed = Some(stamps);
                    }
                }
            }
        }
        present.looked_at = Instant::now();
        Arc::clone(&present.keys)
    }

    /// A key for one purpose, named by `label`: HMAC-SHA256 of the label under the secret. Knowing one
    /// derived key tells nothing about the others or the secret.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        derive(&self.root, label)
    }

    fn has_files(&self) -> bool {
        self.store.is_some() || !self.pems.is_empty()
    }

    fn stamps(&self) -> Vec<Option<secret::Stamp>> {
        let files = self.store.iter().chain(&self.pems);
        files.map(|path| secret::Stamp::of(path)).collect()
    }

    fn look(&self, stamps: Vec<Option<secret::Stamp>>) -> Result<Present, KeyError> {
        let mut entries = Vec::new();
        for path in &self.pems {
            let mut entry = Entry::always(store::read_pem(path)?, true);
            if entries.iter().any(|before: &Entry| before.record.signs()) {
                entry.signs_from = DateTime::<Utc>::MAX_UTC;
            }
            entries.push(entry);
        }
        entries.extend(self.given.iter().cloned());
        if let Some(path) = &self.store
            && let Some(file) = TokenKeyFile::read(path)?
        {
            // The file also says what became of the key derived from the secret.
            let own = derived(&self.root);
            entries.retain(|entry| entry.record.kid() != own.kid());
            entries.extend(file.entries(&own).map_err(|reason| reason.in_file(path))?);
        }
        Ok(Present {
            keys: Arc::new(TokenKeys { entries }),
            stamps,
            failed: None,
            looked_at: Instant::now(),
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Keyring")
            .field("keys", &present.keys)
            .finish_non_exhaustive()
    }
}

/// The key of access tokens where nobody made another.
fn derived(root: &hmac::Key) -> KeyRecord {
    KeyRecord::hs256(&derive(root, ACCESS_TOKENS))
}

fn derive(root: &hmac::Key, label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(hmac::sign(root, label.as_bytes()).as_ref());
    key
}
