//! The file of token keys: keys that sign access tokens one after the other, each accepted for as long as
//! tokens of it may be about.
//!
//! A new key is known before it signs: processes look at the file every second, and the key signs only some
//! seconds after it was written. So no token ever reaches a process that does not know its key.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};

use super::secret::{io_error, read_private, sync_directory, write_private};
use super::{Entry, KeyError, KeyRecord, Keyring};

/// The name of the file of token keys in the data directory.
pub const KEY_FILE: &str = "token-keys.json";

/// How long a key stays in the list after it was retired.
const KEEP_RETIRED: TimeDelta = TimeDelta::days(366);

/// The most keys a file holds.
const MAX_KEYS: usize = 200;

/// The keys of one file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyFile {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    algorithm: String,
    signs_from: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted_until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<DateTime<Utc>>,
    /// None once it is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    material: Option<Material>,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Material {
    /// Derived from the service's secret.
    Derived,
    /// A secret of 32 bytes, base64.
    Secret(String),
    /// A private key in PEM.
    Pem(String),
}

/// Which kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// HMAC with SHA-256: only who has the key can verify.
    Hs256,
    /// Ed25519: anybody can verify with the public half.
    EdDsa,
}

/// A key to be.
#[derive(Debug)]
pub enum NewKey {
    /// A fresh one.
    Fresh(KeyKind),
    /// A private key in PEM, Ed25519 or RSA.
    Pem(String),
}

/// What a key is used for at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Signs new tokens.
    Signs,
    /// Will sign from then on; its tokens are accepted already.
    Next(DateTime<Utc>),
    /// Signed before; its tokens are accepted until then, for ever when none.
    Accepted(Option<DateTime<Utc>>),
    /// Its tokens are not accepted since then.
    Over(DateTime<Utc>),
}

/// A key in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name in token headers.
    pub kid: String,
    /// Its algorithm, as in `HS256`.
    pub algorithm: String,
    /// What it is used for.
    pub state: KeyState,
}

impl TokenKeyFile {
    /// The file at `path`; none when it is not there.
    ///
    /// # Errors
    /// [`KeyError`] when it cannot be read, is open to others, or is no file of keys.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let bytes = match read_private(path) {
            Err(KeyError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            bytes => bytes?,
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            // The words of the reader could repeat key material.
            .map_err(|error| {
                let place = format!("line {}, column {}", error.line(), error.column());
                KeyError::BadKeyFile(place).in_file(path)
            })
    }

    pub(super) fn entries(&self, own: &KeyRecord) -> Result<Vec<Entry>, KeyError> {
        let mut entries = Vec::new();
        for key in &self.keys {
            let record = match &key.material {
                None => continue,
                Some(Material::Derived) => own.clone(),
                Some(Material::Secret(text)) => {
                    let bytes = STANDARD.decode(text).ok();
                    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                    KeyRecord::hs256(&bytes.ok_or_else(|| {
                        KeyError::BadKeyFile(format!("the secret of {} is damaged", key.kid))
                    })?)
                }
                Some(Material::Pem(pem)) => KeyRecord::from_pem(pem)?,
            };
            if record.kid() != key.kid {
                return Err(KeyError::BadKeyFile(format!(
                    "the key {} is another: was the secret changed?",
                    key.kid
                )));
            }
            entries.push(Entry {
                record,
                signs_from: key.signs_from,
                accepted_until: key.accepted_until,
                is_named: false,
            });
        }
        Ok(entries)
    }

    fn listed(&self, now: DateTime<Utc>) -> Vec<Listed> {
        let signing = self.signing(now).map(|key| key.kid.clone());
        self.keys
            .iter()
            .map(|key| {
                let ended = key
                    .retired_at
                    .or(key.accepted_until.filter(|until| *until <= now));
                let state = match ended {
                    Some(at) => KeyState::Over(at),
                    None if Some(&key.kid) == signing.as_ref() => KeyState::Signs,
                    None if key.signs_from > now => KeyState::Next(key.signs_from),
                    None => KeyState::Accepted(key.accepted_until),
                };
                Listed {
                    kid: key.kid.clone(),
                    algorithm: key.algorithm.clone(),
                    state,
                }
            })
            .collect()
    }

    fn signing(&self, now: DateTime<Utc>) -> Option<&StoredKey> {
        self.keys
            .iter()
            .filter(|key| {
                key.retired_at.is_none()
                    && key.signs_from <= now
                    && key.accepted_until.is_none_or(|until| now < until)
            })
            .max_by_key(|key| key.signs_from)
    }
}

impl Keyring {
    /// The keys of the file in `data_dir`, and the one derived from the secret.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read.
    pub fn list(&self, data_dir: &Path, now: DateTime<Utc>) -> Result<Vec<Listed>, KeyError> {
        Ok(self.stored(&data_dir.join(KEY_FILE))?.listed(now))
    }

    /// Adds a key to the file in `data_dir`. It signs from `now + signs_after`; the keys before it are
    /// accepted for `keep` after that, and its own tokens at once. Answers the new key's name.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or written, for a PEM key that cannot sign or is there
    /// already, or for too many keys.
    pub fn rotate(
        &self,
        data_dir: &Path,
        new: &NewKey,
        now: DateTime<Utc>,
        signs_after: TimeDelta,
        keep: TimeDelta,
    ) -> Result<String, KeyError> {
        let (record, material) = make(new)?;
        let kid = record.kid().to_owned();
        // Written in words, so cut to what the words hold.
        let now = now.trunc_subsecs(0);
        let signs_from = now + signs_after;
        self.change(data_dir, |file| {
            file.keys
                .retain(|key| key.retired_at.is_none_or(|at| now < at + KEEP_RETIRED));
            if file.keys.iter().any(|key| key.kid == kid) {
                return Err(KeyError::Refused("this key is in the file already".into()));
            }
            if file.keys.len() >= MAX_KEYS {
                return Err(KeyError::Refused(format!(
                    "the file holds {MAX_KEYS} keys already: retire some of them"
                )));
            }
            for key in &mut file.keys {
                if key.retired_at.is_none() && key.accepted_until.is_none() {
                    key.accepted_until = Some(signs_from + keep);
                }
            }
            file.keys.push(StoredKey {
                kid: kid.clone(),
                algorithm: format!("{:?}", record.algorithm()),
                signs_from,
                accepted_until: None,
                retired_at: None,
                material: Some(material),
            });
            Ok(())
        })?;
        Ok(record.kid().to_owned())
    }

    /// Ends a key of the file in `data_dir`: its tokens are refused from now on, and its material is gone.
    ///
    /// # Errors
    /// [`KeyError::Refused`] for a key that is not there, is over, or signs; as [`Keyring::rotate`].
    pub fn retire(&self, data_dir: &Path, kid: &str, now: DateTime<Utc>) -> Result<(), KeyError> {
        let now = now.trunc_subsecs(0);
        self.change(data_dir, |file| {
            let signing = file.signing(now).map(|key| key.kid.clone());
            let key = file.keys.iter_mut().find(|key| key.kid == kid);
            let Some(key) = key.filter(|key| key.retired_at.is_none()) else {
                return Err(KeyError::Refused(format!("there is no key {kid}")));
            };
            if signing.as_deref() == Some(kid) {
                return Err(KeyError::Refused(
                    "this key signs new tokens: rotate first, then retire it".into(),
                ));
            }
            key.retired_at = Some(now);
            key.material = None;
            Ok(())
        })
    }

    fn stored(&self, path: &Path) -> Result<TokenKeyFile, KeyError> {
        if let Some(file) = TokenKeyFile::read(path)? {
            return Ok(file);
        }
        let own = super::derived(&self.root);
        Ok(TokenKeyFile {
            keys: vec![StoredKey {
                kid: own.kid().to_owned(),
                algorithm: format!("{:?}", own.algorithm()),
                signs_from: DateTime::UNIX_EPOCH,
                accepted_until: None,
                retired_at: None,
                material: Some(Material::Derived),
            }],
        })
    }

    /// Changes the file, one at a time; readers see it before or after, never between.
    fn change(
        &self,
        data_dir: &Path,
        change: impl FnOnce(&mut TokenKeyFile) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let path = data_dir.join(KEY_FILE);
        let _held = lock(&data_dir.join(format!("{KEY_FILE}.lock")))?;
        let mut file = self.stored(&path)?;
        change(&mut file)?;
        // A file that could not be read again must not be written.
        file.entries(&super::derived(&self.root))?;
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| KeyError::BadKeyFile(error.to_string()))?;
        let name: [u8; 9] = crate::auth::random_bytes().map_err(|_| KeyError::NoRandomness)?;
        let draft = data_dir.join(format!("{KEY_FILE}.{}", URL_SAFE_NO_PAD.encode(name)));
        let written = write_private(&draft, &text)
            .map_err(io_error("write", &draft))
            .and_then(|()| fs::rename(&draft, &path).map_err(io_error("write", &path)));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written?;
        sync_directory(data_dir).map_err(io_error("write", data_dir))
    }
}

/// Holds off others who change the file, until it is dropped.
fn lock(path: &PathBuf) -> Result<File, KeyError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(io_error("write", path))?;
    file.lock().map_err(io_error("lock", path))?;
    Ok(file)
}

fn make(new: &NewKey) -> Result<(KeyRecord, Material), KeyError> {
    match new {
        NewKey::Fresh(KeyKind::Hs256) => {
            let bytes: [u8; 32] =
                crate::auth::random_bytes().map_err(|_| KeyError::NoRandomness)?;
            let material = Material::Secret(STANDARD.encode(bytes));
            Ok((KeyRecord::hs256(&bytes), material))
        }
        NewKey::Fresh(KeyKind::EdDsa) => {
            let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map_err(|_| KeyError::NoRandomness)?;
            let body = STANDARD.encode(der.as_ref());
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
            Ok((KeyRecord::from_pem(&pem)?, Material::Pem(pem)))
        }
        NewKey::Pem(pem) => {
            let record = KeyRecord::from_pem(pem)?;
            if !record.signs() {
                return Err(KeyError::BadPem("a public key cannot sign"));
            }
            Ok((record, Material::Pem(pem.clone())))
        }
    }
}

/// The key in a PEM file. Only a public key may be read by others.
pub(super) fn read_pem(path: &Path) -> Result<KeyRecord, KeyError> {
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    let record = KeyRecord::from_pem(&text).map_err(|reason| reason.in_file(path))?;
    if record.signs() {
        read_private(path)?;
    }
    Ok(record)
}
