//! The keys of the service: one secret, from which each purpose gets its own key, and the key records
//! that sign and verify access tokens, found by `kid`.
//!
//! By default the secret is made at the first start and kept in the data directory. Losing or changing
//! it signs everybody out (access tokens, refresh tokens and cursors are all bound to it) and loses
//! nothing else. It must be shared by all processes that serve one database.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::signature::KeyPair;
use ring::{digest, hmac};

use super::crypto;

/// The name of the secret's file in the data directory.
pub const SECRET_FILE: &str = "secret.key";

/// The least length of a secret, in bytes: the output size of SHA-256, as RFC 7518 section 3.2 demands.
pub const MIN_SECRET_BYTES: usize = 32;

/// More than any sensible secret or key file holds, in bytes; larger files are refused unread.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// A secret with fewer different bytes than this was typed, not drawn: 32 random bytes have about 30,
/// 32 random hexadecimal digits about 14, "passwordpassword..." has 7.
const MIN_DISTINCT_BYTES: usize = 8;

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
            | Self::NoRandomness => None,
        }
    }
}

/// A key that signs or verifies access tokens. The algorithm belongs to the key: what a token's header
/// claims only has to agree with it.
#[derive(Clone)]
pub struct KeyRecord {
    kid: String,
    algorithm: Algorithm,
    encoding: Option<EncodingKey>,
    decoding: DecodingKey,
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

    fn hs256(key: &[u8; 32]) -> Self {
        Self {
            kid: short_hash(&[b"HS256 kid", key]),
            algorithm: Algorithm::HS256,
            encoding: Some(EncodingKey::from_secret(key)),
            decoding: DecodingKey::from_secret(key),
        }
    }

    fn ed25519(public: &[u8], private: Option<&[u8]>) -> Self {
        Self {
            kid: short_hash(&[b"EdDSA kid", public]),
            algorithm: Algorithm::EdDSA,
            encoding: private.map(EncodingKey::from_ed_der),
            decoding: DecodingKey::from_ed_der(public),
        }
    }

    fn rs256(public: &[u8], private: Option<&[u8]>) -> Self {
        Self {
            kid: short_hash(&[b"RS256 kid", public]),
            algorithm: Algorithm::RS256,
            encoding: private.map(EncodingKey::from_rsa_der),
            decoding: DecodingKey::from_rsa_der(public),
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

/// The secret and the token keys. Always holds a key that signs.
#[derive(Clone)]
pub struct Keyring {
    root: hmac::Key,
    signing: KeyRecord,
    accepted: Vec<KeyRecord>,
}

impl Keyring {
    /// From a secret of at least [`MIN_SECRET_BYTES`] random bytes. Tokens are signed with HS256 under a
    /// key derived from it.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] or [`KeyError::Guessable`] for a weak secret.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        check_strength(secret)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signing = KeyRecord::hs256(&derive(&root, "access-tokens"));
        Ok(Self {
            root,
            signing,
            accepted: Vec::new(),
        })
    }

    /// From a secret as an environment variable carries it: base64 (either alphabet, padded or not) of
    /// at least [`MIN_SECRET_BYTES`], or else that many raw bytes. White space around it is ignored.
    ///
    /// # Errors
    /// As [`Keyring::from_secret`].
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        Self::from_secret(&decode_secret(text.as_bytes()))
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
                create_secret(data_dir, &path)?;
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
        let bytes = read_private(&path)?;
        Self::from_secret(&decode_secret(&bytes)).map_err(|reason| KeyError::InFile {
            path,
            reason: Box::new(reason),
        })
    }

    /// Signs new tokens with `key` from now on; tokens of the key before stay valid until they expire.
    ///
    /// # Errors
    /// [`KeyError::BadPem`] when `key` only verifies.
    pub fn signing_with(mut self, key: KeyRecord) -> Result<Self, KeyError> {
        if key.encoding.is_none() {
            return Err(KeyError::BadPem("a public key cannot sign"));
        }
        let before = std::mem::replace(&mut self.signing, key);
        self.accepted.push(before);
        Ok(self)
    }

    /// Also accepts tokens signed with `key`: the key before a rotation, or the next one.
    #[must_use]
    pub fn accepting(mut self, key: KeyRecord) -> Self {
        self.accepted.push(key);
        self
    }

    /// The key that signs new tokens.
    pub fn signing(&self) -> &KeyRecord {
        &self.signing
    }

    /// The key with this name.
    pub fn find(&self, kid: &str) -> Option<&KeyRecord> {
        self.records().find(|record| record.kid == kid)
    }

    /// All keys that verify, the signing one first.
    pub fn records(&self) -> impl Iterator<Item = &KeyRecord> {
        std::iter::once(&self.signing).chain(&self.accepted)
    }

    /// A key for one purpose, named by `label`: HMAC-SHA256 of the label under the secret. Knowing one
    /// derived key tells nothing about the others or the secret.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        derive(&self.root, label)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("signing", &self.signing)
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

fn derive(root: &hmac::Key, label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(hmac::sign(root, label.as_bytes()).as_ref());
    key
}

fn short_hash(parts: &[&[u8]]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finish();
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..9).unwrap_or_default())
}

fn check_strength(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(KeyError::TooShort {
            bytes: secret.len(),
        });
    }
    let distinct: std::collections::HashSet<u8> = secret.iter().copied().collect();
    if distinct.len() < MIN_DISTINCT_BYTES {
        return Err(KeyError::Guessable);
    }
    Ok(())
}

/// Base64 when it is base64 of a long enough secret, else the bytes themselves.
fn decode_secret(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
        .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
        .unwrap_or_else(|| text.to_vec())
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyError + 'a {
    move |source| KeyError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Reads a file that only its owner may open.
fn read_private(path: &Path) -> Result<Vec<u8>, KeyError> {
    let file = File::open(path).map_err(io_error("read", path))?;
    // Of the open file, not of the path, which may point elsewhere by the time it is read.
    let metadata = file.metadata().map_err(io_error("read", path))?;
    check_mode(path, &metadata)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    let others = mode & 0o077;
    if others > 0 {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), KeyError> {
    Ok(())
}

/// Writes a new secret beside `path` and links it there, which fails if one is there already: no
/// process ever sees half a secret, and none overwrites another's.
fn create_secret(data_dir: &Path, path: &Path) -> Result<(), KeyError> {
    let secret: [u8; MIN_SECRET_BYTES] =
        super::random_bytes().map_err(|_| KeyError::NoRandomness)?;
    let name: [u8; 9] = super::random_bytes().map_err(|_| KeyError::NoRandomness)?;
    let draft = data_dir.join(format!("{SECRET_FILE}.{}", URL_SAFE_NO_PAD.encode(name)));
    let result = write_private(&draft, URL_SAFE_NO_PAD.encode(secret).as_bytes())
        .map_err(io_error("write", &draft))
        .and_then(|()| publish(&draft, path).map_err(io_error("write", path)));
    // The draft is worthless once linked, and must not stay behind if that failed.
    let _ = fs::remove_file(&draft);
    result?;
    sync_directory(data_dir).map_err(io_error("write", data_dir))
}

fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(contents)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        // A file system without hard links. Two first starts in the same instant could then disagree
        // until one is restarted; a torn file is still impossible.
        Err(_) if !path.exists() => fs::rename(draft, path),
        // Linked, or another process was faster.
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// `SEQUENCE { OBJECT IDENTIFIER 1.3.101.112 }` (RFC 8410), without the outer tag and length.
const ED25519_ALGORITHM: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// `SEQUENCE { OBJECT IDENTIFIER 1.2.840.113549.1.1.1, NULL }` (RFC 3279), likewise.
const RSA_ALGORITHM: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

fn checked_rsa_public(public: &[u8]) -> Result<KeyRecord, KeyError> {
    // `ring` reads a public key only when it verifies, so look at the modulus here: a key it would
    // refuse must stop the start, not every request.
    let modulus = der(0x30, public)
        .and_then(|(key, _)| der(0x02, key))
        .map(|(modulus, _)| modulus);
    match modulus {
        Some([0, modulus @ ..]) if modulus.len() >= 256 => Ok(KeyRecord::rs256(public, None)),
        _ => Err(KeyError::BadPem("not an RSA key of 2048 bits or more")),
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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests {
    use super::*;

    const RSA_PRIVATE: &str = include_str!("testdata/only_for_tests_rsa_2048.pem");
    const RSA_PUBLIC: &str = include_str!("testdata/only_for_tests_rsa_2048.pub.pem");

    fn pem(label: &str, der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    /// A fresh Ed25519 pair: `PRIVATE KEY` and `PUBLIC KEY`.
    fn ed25519_pair() -> (String, String) {
        let random = ring::rand::SystemRandom::new();
        let private = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let public = crypto::ed25519_key_pair(private.as_ref()).unwrap();
        let mut info = vec![0x30, 0x2a, 0x30, 0x05];
        info.extend(ED25519_ALGORITHM);
        info.extend([0x03, 0x21, 0x00]);
        info.extend(public.public_key().as_ref());
        (
            pem("PRIVATE KEY", private.as_ref()),
            pem("PUBLIC KEY", &info),
        )
    }

    fn secret() -> Vec<u8> {
        (0..32).collect()
    }

    fn refusal<T: fmt::Debug>(result: Result<T, KeyError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_first_start_makes_a_secret_and_the_next_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keyring::open_or_create(dir.path()).unwrap();
        let second = Keyring::open_or_create(dir.path()).unwrap();
        assert_eq!(first.derive("cursors"), second.derive("cursors"));
        assert_eq!(first.signing().kid(), second.signing().kid());
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [SECRET_FILE], "no draft stays behind");
    }

    #[test]
    fn two_installations_have_different_secrets() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let a = Keyring::open_or_create(a.path()).unwrap();
        let b = Keyring::open_or_create(b.path()).unwrap();
        assert_ne!(a.derive("cursors"), b.derive("cursors"));
        assert_ne!(a.signing().kid(), b.signing().kid());
    }

    #[test]
    fn processes_starting_together_agree_on_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| Keyring::open_or_create(dir.path()).unwrap()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap().derive("x"))
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Keyring::open_or_create(dir.path()).unwrap();
        let path = dir.path().join(SECRET_FILE);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        for exposed in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(exposed)).unwrap();
            let error = refusal(Keyring::open_or_create(dir.path()));
            assert!(error.contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        Keyring::open_or_create(dir.path()).unwrap();
    }

    #[test]
    fn a_weak_secret_file_refuses_to_start_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SECRET_FILE);
        for weak in ["", "short", "MTIzNDU2Nzg5MDEyMzQ1Ng=="] {
            let _ = fs::remove_file(&path);
            write_private(&path, weak.as_bytes()).unwrap();
            let error = refusal(Keyring::open_or_create(dir.path()));
            assert!(
                error.contains(SECRET_FILE) && error.contains("needs 32"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap().trim(), weak);
        }
    }

    #[test]
    fn a_missing_secret_or_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(Keyring::open(dir.path())).contains(SECRET_FILE));
        let nowhere = dir.path().join("nowhere");
        assert!(refusal(Keyring::open_or_create(&nowhere)).contains("nowhere"));
    }

    #[test]
    fn secrets_from_the_environment_are_base64_or_raw() {
        let raw = Keyring::from_secret(&secret()).unwrap().derive("x");
        for encoded in [
            STANDARD.encode(secret()),
            format!(" {}\n", URL_SAFE_NO_PAD.encode(secret())),
        ] {
            let keyring = Keyring::from_secret_text(&encoded).unwrap();
            assert_eq!(keyring.derive("x"), raw);
        }
        let phrase = "correct horse battery staple, and more";
        assert_eq!(
            Keyring::from_secret_text(phrase).unwrap().derive("x"),
            Keyring::from_secret(phrase.as_bytes()).unwrap().derive("x")
        );
        // 32 hexadecimal digits decode as base64 to only 24 bytes: taken as they are.
        Keyring::from_secret_text("0123456789abcdef0123456789abcdef").unwrap();
    }

    #[test]
    fn weak_secrets_are_refused() {
        for short in ["", "secret", &"x".repeat(31)] {
            assert!(refusal(Keyring::from_secret_text(short)).contains("needs 32"));
        }
        for repeated in [
            "x".repeat(64),
            "passwordpasswordpasswordpassword".into(),
            "changeme".repeat(8),
            STANDARD.encode([0; 32]),
        ] {
            assert!(refusal(Keyring::from_secret_text(&repeated)).contains("guessed"));
        }
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let keyring = Keyring::from_secret(&secret()).unwrap();
        assert_ne!(keyring.derive("cursors"), keyring.derive("access-tokens"));
        assert_eq!(keyring.derive("cursors"), keyring.derive("cursors"));
    }

    #[test]
    fn nothing_printed_holds_a_secret() {
        let keyring = Keyring::from_secret(b"0123456789 a secret of the service").unwrap();
        let printed = format!("{keyring:?}");
        assert!(printed.contains("HS256") && !printed.contains("secret of"));
        assert!(!printed.contains(&STANDARD.encode(keyring.derive("access-tokens"))));
    }

    #[test]
    fn an_ed25519_pair_in_pem_shares_its_kid() {
        let (private, public) = ed25519_pair();
        let private = KeyRecord::from_pem(&private).unwrap();
        let public = KeyRecord::from_pem(&public).unwrap();
        assert_eq!(private.algorithm(), Algorithm::EdDSA);
        assert_eq!(private.kid(), public.kid());
        assert!(private.encoding().is_some() && public.encoding().is_none());
    }

    #[test]
    fn an_rsa_pair_in_pem_shares_its_kid() {
        let private = KeyRecord::from_pem(RSA_PRIVATE).unwrap();
        let public = KeyRecord::from_pem(RSA_PUBLIC).unwrap();
        assert_eq!(private.algorithm(), Algorithm::RS256);
        assert_eq!(private.kid(), public.kid());
        assert!(private.encoding().is_some() && public.encoding().is_none());
    }

    #[test]
    fn other_pem_is_refused() {
        let garbage = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        let (_, public) = ed25519_pair();
        for pem in ["", "not pem", garbage, certificate, &public[..60]] {
            assert!(refusal(KeyRecord::from_pem(pem)).contains("PEM"));
        }
        let keyring = Keyring::from_secret(&secret()).unwrap();
        let public = KeyRecord::from_pem(&public).unwrap();
        assert!(keyring.signing_with(public).is_err());
    }

    #[test]
    fn after_a_change_of_keys_the_old_one_is_still_found() {
        let keyring = Keyring::from_secret(&secret()).unwrap();
        let old = keyring.signing().kid().to_owned();
        let keyring = keyring
            .signing_with(KeyRecord::from_pem(&ed25519_pair().0).unwrap())
            .unwrap();
        assert_eq!(keyring.signing().algorithm(), Algorithm::EdDSA);
        assert_eq!(keyring.find(&old).unwrap().algorithm(), Algorithm::HS256);
        assert!(keyring.find("nothing").is_none());
    }
}
