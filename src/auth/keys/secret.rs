//! Files that only their owner may read: the secret, made at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::{KeyError, MIN_SECRET_BYTES, SECRET_FILE};

/// More than any sensible secret or key file holds, in bytes; what is beyond is not read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A secret with fewer different bytes than this was typed, not drawn: 32 random bytes have about 30,
/// 32 random hexadecimal digits about 14, "passwordpassword..." has 7.
const MIN_DISTINCT_BYTES: usize = 8;

pub(super) fn check_strength(secret: &[u8]) -> Result<(), KeyError> {
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
pub(super) fn decode_secret(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
        .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
        .unwrap_or_else(|| text.to_vec())
}

pub(super) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> KeyError + 'a {
    move |source| KeyError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Reads a file that only its owner may open.
pub(super) fn read_private(path: &Path) -> Result<Vec<u8>, KeyError> {
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
pub(super) fn create_secret(data_dir: &Path, path: &Path) -> Result<(), KeyError> {
    let secret: [u8; MIN_SECRET_BYTES] =
        crate::auth::random_bytes().map_err(|_| KeyError::NoRandomness)?;
    let name: [u8; 9] = crate::auth::random_bytes().map_err(|_| KeyError::NoRandomness)?;
    let draft = data_dir.join(format!("{SECRET_FILE}.{}", URL_SAFE_NO_PAD.encode(name)));
    let result = write_private(&draft, URL_SAFE_NO_PAD.encode(secret).as_bytes())
        .map_err(io_error("write", &draft))
        .and_then(|()| publish(&draft, path).map_err(io_error("write", path)));
    // The draft is worthless once linked, and must not stay behind if that failed.
    let _ = fs::remove_file(&draft);
    result?;
    sync_directory(data_dir).map_err(io_error("write", data_dir))
}

pub(super) fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    give_to_owner_of_directory(path)?;
    file.write_all(contents)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Gives a new file to whoever has the directory: a command that an administrator of the machine runs must not
/// leave the service without its keys.
#[cfg(unix)]
fn give_to_owner_of_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};

    let Some(directory) = path.parent().filter(|parent| *parent != Path::new("")) else {
        return Ok(());
    };
    let owner = fs::metadata(directory)?;
    if fs::metadata(path)?.uid() == owner.uid() {
        return Ok(());
    }
    match chown(path, Some(owner.uid()), Some(owner.gid())) {
        // Only the administrator of the machine can give a file away; for everybody else it stays their own.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        given => given,
    }
}

#[cfg(not(unix))]
fn give_to_owner_of_directory(_: &Path) -> io::Result<()> {
    Ok(())
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
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<std::time::SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    /// The state of a file; none when it is not there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode,
        })
    }
}
