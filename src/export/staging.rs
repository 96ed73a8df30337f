//! Where files are written until all of them are whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::unwritable;
use crate::error::{Code, Error, Result};
use crate::import::FileKind;

/// A directory beside or, where that is there already, below the one that was asked for. It goes with what is in it
/// when this is dropped before [`Self::finish`].
pub(super) struct Staging {
    target: PathBuf,
    path: PathBuf,
    is_below: bool,
}

impl Staging {
    /// Makes it, for nobody else to look into.
    pub(super) fn begin(target: &Path) -> Result<Self> {
        let is_below = target.exists();
        for kind in FileKind::ALL {
            let path = target.join(kind.name());
            if path.exists() {
                let message = format!("{} exists already; name another directory", path.display());
                return Err(Error::new(Code::BadUserInput, message));
            }
        }
        let path = if is_below {
            target.join(".partial")
        } else {
            // `book/` is named as `book` is.
            let mut path = target.components().collect::<PathBuf>().into_os_string();
            path.push(".partial");
            path.into()
        };
        take_away(&path)?;
        make(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self {
            target: target.to_owned(),
            path,
            is_below,
        })
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives all files their place.
    pub(super) fn finish(self) -> Result<()> {
        let Self {
            target,
            path,
            is_below,
        } = &self;
        if *is_below {
            for kind in FileKind::ALL {
                let place = target.join(kind.name());
                std::fs::rename(path.join(kind.name()), &place)
                    .map_err(|error| unwritable(&place, &error))?;
            }
            // What is left is the empty directory.
            return Ok(());
        }
        std::fs::rename(path, target).map_err(|error| unwritable(target, &error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "a half-written export was left behind");
            }
            _ => {}
        }
    }
}

/// A new file that nobody else may read.
pub(super) fn create(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A new directory that nobody else may look into, with those above it.
fn make(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Takes away what an export that was cut off left behind: a directory with nothing but files of ours.
fn take_away(path: &Path) -> Result<()> {
    let entries = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(path, &error)),
        Ok(found) if found.is_dir() => std::fs::read_dir(path),
        Ok(_) => Err(std::io::Error::other("it is in the way, and no directory")),
    };
    let broken = |error: std::io::Error| unwritable(path, &error);
    for entry in entries.map_err(broken)? {
        let name = entry.map_err(broken)?.file_name();
        if !FileKind::ALL.iter().any(|kind| name == kind.name()) {
            return Err(broken(std::io::Error::other("something else is in it")));
        }
    }
    std::fs::remove_dir_all(path).map_err(broken)
}
