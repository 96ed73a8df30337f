//! What must hold of secrets and keys.

use std::fs;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use ring::signature::KeyPair;

use super::record::ED25519_ALGORITHM;
use super::secret::write_private;
use super::*;
use crate::auth::crypto;

const RSA_PRIVATE: &str = include_str!("../testdata/only_for_tests_rsa_2048.pem");
const RSA_PUBLIC: &str = include_str!("../testdata/only_for_tests_rsa_2048.pub.pem");

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

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(1_800_000_000).unwrap()
}

fn bytes() -> Vec<u8> {
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
    assert_eq!(
        first.keys().signing(now()).unwrap().kid(),
        second.keys().signing(now()).unwrap().kid()
    );
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
    assert_ne!(
        a.keys().signing(now()).unwrap().kid(),
        b.keys().signing(now()).unwrap().kid()
    );
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
    let raw = Keyring::from_secret(&bytes()).unwrap().derive("x");
    for encoded in [
        STANDARD.encode(bytes()),
        format!(" {}\n", URL_SAFE_NO_PAD.encode(bytes())),
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
    let keyring = Keyring::from_secret(&bytes()).unwrap();
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
    let keyring = Keyring::from_secret(&bytes()).unwrap();
    let public = KeyRecord::from_pem(&public).unwrap();
    assert!(keyring.signing_with(public).is_err());
}

#[test]
fn after_a_change_of_keys_the_old_one_is_still_found() {
    let keyring = Keyring::from_secret(&bytes()).unwrap();
    let old = keyring.keys().signing(now()).unwrap().kid().to_owned();
    let keyring = keyring
        .signing_with(KeyRecord::from_pem(&ed25519_pair().0).unwrap())
        .unwrap();
    assert_eq!(
        keyring.keys().signing(now()).unwrap().algorithm(),
        Algorithm::EdDSA
    );
    assert_eq!(
        keyring.keys().find(&old, now()).unwrap().algorithm(),
        Algorithm::HS256
    );
    assert!(keyring.keys().find("nothing", now()).is_none());
}

#[test]
fn what_could_not_be_read_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.pem");
    let [first, second] = [ed25519_pair().0, ed25519_pair().0];
    write_private(&path, first.as_bytes()).unwrap();
    let keyring = Keyring::open_or_create(dir.path()).unwrap();
    let keyring = keyring.watching(dir.path(), vec![path.clone()]).unwrap();
    let signing = || {
        let keys = keyring.look_again();
        keys.signing(now()).unwrap().kid().to_owned()
    };
    let before = signing();
    // The file looks the same from outside while it cannot be read and after that.
    let put = |text: &str| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
    };
    put(&"x".repeat(second.len()));
    assert_eq!(signing(), before);
    assert_eq!(signing(), before);
    put(&second);
    assert_ne!(signing(), before);
}

#[cfg(unix)]
#[test]
fn a_file_belongs_to_whom_the_directory_belongs() {
    use std::os::unix::fs::{MetadataExt, chown};

    let dir = tempfile::tempdir().unwrap();
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    // Only the administrator of the machine can try; for anybody else both are their own.
    let _ = chown(dir.path(), Some(4_711), Some(4_711));
    Keyring::open_or_create(dir.path()).unwrap();
    assert_eq!(owner(&dir.path().join(SECRET_FILE)), owner(dir.path()));
}
