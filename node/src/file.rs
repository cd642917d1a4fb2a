//! Small files written so that they are whole or not there, and private files that nobody else can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Longest configuration, genesis or key file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner only (mode 0600).
    Private,
    /// Everybody (mode 0644).
    Public,
}

/// Creates `path` with this content, durably; an existing file is left as it is and an error.
///
/// # Errors
/// When the file exists or cannot be written.
pub(crate) fn create(path: &Path, content: &[u8], access: Access) -> Result<()> {
    let mode = match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_parent(path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a public file in the place of an older one, durably: either is there whole, whenever this is cut off.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .with_context(|| format!("cannot remove {}", beside.display()))?;
    create(&beside, content, Access::Public)?;
    std::fs::rename(&beside, path)
        .and_then(|()| sync_parent(path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Makes the creation or renaming of `path` durable.
///
/// # Errors
/// When the directory cannot be synced.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Reads a text file of bounded length.
///
/// # Errors
/// When it cannot be read, is too long or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    ensure!(
        length <= FILE_BYTES_MAX,
        "{} is {length} bytes long, at most {FILE_BYTES_MAX} are read",
        path.display()
    );
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a text file that only its owner, the user of this process, may read.
///
/// # Errors
/// When it cannot be read, or others have access to it.
pub(crate) fn read_private_text(path: &Path) -> Result<zeroize::Zeroizing<String>> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.mode() & 0o077 != 0 {
        bail!(
            "{} holds private keys, but others may access it (mode {:o}); run: chmod 600 {}",
            path.display(),
            metadata.mode() & 0o777,
            path.display()
        );
    }
    read_text(path).map(zeroize::Zeroizing::new)
}
