//! The file of a backup: lines, compressed, with their sums.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Code, Error, Result};

/// The longest line, bytes: far more than any row has.
const MAX_LINE: u64 = 256 << 20;

/// A file that is being written. It gets its name when it is whole.
pub(super) struct Output {
    to: GzEncoder<BufWriter<File>>,
    draft: Draft,
    path: PathBuf,
    all: Context,
    table: Context,
}

impl Output {
    /// A new file, which nobody else may read.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if path.exists() {
            return Err(Error::new(
                Code::BadUserInput,
                format!("{} exists already; name another file", path.display()),
            ));
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(".partial");
        let draft = PathBuf::from(draft);
        take_away(&draft)?;
        // New, and nobody else's: what lay there would keep its rights, and a link would lead elsewhere.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&draft)
            .map_err(|error| unwritable(&draft, &error))?;
        // Tells it from what a backup that was cut off left behind. Where files cannot be locked, none can.
        let _ = file.try_lock();
        Ok(Self {
            to: GzEncoder::new(BufWriter::new(file), Compression::new(6)),
            draft: Draft(Some(draft)),
            path: path.to_owned(),
            all: Context::new(&SHA256),
            table: Context::new(&SHA256),
        })
    }

    pub(super) fn line(&mut self, content: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(content).map_err(Error::internal)?;
        line.push(b'\n');
        self.all.update(&line);
        self.table.update(&line);
        self.to
            .write_all(&line)
            .map_err(|error| unwritable(&self.path, &error))
    }

    /// From here on lines count for the sum of a table.
    pub(super) fn begin_table(&mut self) {
        self.table = Context::new(&SHA256);
    }

    pub(super) fn table_sum(&self) -> String {
        hex(&self.table)
    }

    pub(super) fn sum(&self) -> String {
        hex(&self.all)
    }

    /// Brings it to the disk.
    pub(super) fn finish(self) -> Result<Written> {
        let Self {
            to, draft, path, ..
        } = self;
        let broken = |error: std::io::Error| unwritable(&path, &error);
        let file = to.finish().map_err(broken)?.into_inner();
        let file = file.map_err(|error| broken(error.into_error()))?;
        file.sync_all().map_err(broken)?;
        Ok(Written {
            _file: file,
            draft,
            path,
        })
    }
}

/// A file that is whole, and has no name yet.
pub(super) struct Written {
    /// Locked as long as this is.
    _file: File,
    draft: Draft,
    path: PathBuf,
}

impl Written {
    /// Where it lies.
    pub(super) fn draft(&self) -> &Path {
        self.draft.0.as_deref().unwrap_or(&self.path)
    }

    /// Gives it its name.
    pub(super) fn name(mut self) -> Result<()> {
        let Self { draft, path, .. } = &mut self;
        if let Some(written) = &draft.0 {
            std::fs::rename(written, &*path).map_err(|error| unwritable(path, &error))?;
        }
        draft.0 = None;
        // The name is on the disk once its directory is; where directories cannot be opened, the system sees
        // to it.
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        if let Ok(directory) = File::open(parent.unwrap_or(Path::new("."))) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

/// Takes away what a backup that was cut off left behind. Nothing else is taken for that.
fn take_away(draft: &Path) -> Result<()> {
    let refused = |why: &str| {
        let message = format!("{} {why}", draft.display());
        Err(Error::new(Code::BadUserInput, message))
    };
    match std::fs::symlink_metadata(draft) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(draft, &error)),
        Ok(found) if !found.is_file() => return refused("is in the way, and no file"),
        Ok(_) => {}
    }
    if let Ok(left) = File::open(draft)
        && matches!(left.try_lock(), Err(TryLockError::WouldBlock))
    {
        return refused("is being written by another backup");
    }
    std::fs::remove_file(draft).map_err(|error| unwritable(draft, &error))
}

/// A file without its name yet; it goes when this does.
struct Draft(Option<PathBuf>);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "a half-written backup was left behind");
        }
    }
}

/// A line of a backup.
pub(super) enum Line {
    /// The values of a row.
    Row(Vec<Value>),
    /// Anything else.
    Other(String),
}

/// A file that is being read.
pub(super) struct Input {
    from: BufReader<GzDecoder<BufReader<File>>>,
    all: Context,
    table: Context,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| {
            Error::new(
                Code::BadUserInput,
                format!("{} cannot be read: {error}", path.display()),
            )
        })?;
        Ok(Self {
            from: BufReader::new(GzDecoder::new(BufReader::new(file))),
            all: Context::new(&SHA256),
            table: Context::new(&SHA256),
        })
    }

    /// The next line; that of a row counts for the sum of its table.
    pub(super) fn line(&mut self) -> Result<Line> {
        let mut line = Vec::new();
        let mut from = std::io::Read::take(&mut self.from, MAX_LINE);
        from.read_until(b'\n', &mut line)
            .map_err(|error| damaged(&error.to_string()))?;
        if line.last() != Some(&b'\n') {
            return Err(damaged("it ends too soon"));
        }
        self.all.update(&line);
        if line.first() == Some(&b'[') {
            self.table.update(&line);
            let values = serde_json::from_slice(&line);
            return values
                .map(Line::Row)
                .map_err(|_| damaged("a line of it is no row"));
        }
        String::from_utf8(line)
            .map(Line::Other)
            .map_err(|_| damaged("a line of it is no text"))
    }

    pub(super) fn begin_table(&mut self) {
        self.table = Context::new(&SHA256);
    }

    pub(super) fn table_sum(&self) -> String {
        hex(&self.table)
    }

    /// Over all lines so far.
    pub(super) fn sum(&self) -> String {
        hex(&self.all)
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> Result<bool> {
        let rest = self.from.fill_buf();
        Ok(rest
            .map_err(|error| damaged(&error.to_string()))?
            .is_empty())
    }
}

pub(super) fn damaged(how: &str) -> Error {
    Error::new(
        Code::BadUserInput,
        format!("the file is no whole backup: {how}"),
    )
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Code::BadUserInput,
        format!("{} cannot be written: {error}", path.display()),
    )
}

fn hex(sum: &Context) -> String {
    let digest = sum.clone().finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
