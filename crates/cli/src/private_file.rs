//! Files that hold secrets or must not be half written: owner-only rights, whole or not at all, durable.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Rights of a file that holds secrets.
pub const PRIVATE_MODE: u32 = 0o600;

/// Why a file with secrets was not read.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("{} may be used by others than its owner (mode {mode:03o})", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// It is longer than such a file can be.
    #[error("{} is longer than {bytes_max} bytes", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// Greatest length, in bytes.
        bytes_max: u64,
    },
}

/// Reads a file with secrets; refuses one that others may use.
///
/// # Errors
/// [`PrivateFileError`].
pub fn read(path: &Path, bytes_max: u64) -> Result<zeroize::Zeroizing<Vec<u8>>, PrivateFileError> {
    let fault = |source| PrivateFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    if file.metadata().map_err(fault)?.is_dir() {
        return Err(fault(io::ErrorKind::IsADirectory.into()));
    }
    check_mode(path, &file)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(1024));
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > bytes_max {
        return Err(PrivateFileError::TooLong { path: path.to_owned(), bytes_max });
    }
    Ok(bytes)
}

/// Refuses an open file that others than its owner may use.
///
/// # Errors
/// [`PrivateFileError`].
pub fn check_mode(path: &Path, file: &File) -> Result<(), PrivateFileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata();
        let metadata = metadata.map_err(|source| PrivateFileError::Read { path: path.to_owned(), source })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(PrivateFileError::Open { path: path.to_owned(), mode });
        }
    }
    #[cfg(not(unix))]
    let _ = (path, file);
    Ok(())
}

/// Options that create a file for its owner only.
pub fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(PRIVATE_MODE);
    }
    options
}

/// Writes a file that must not exist yet, for its owner only. Durable when it returns.
///
/// # Errors
/// The operating system's; [`io::ErrorKind::AlreadyExists`] where there is one.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private_options().write(true).create_new(true).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file is none; best effort, the error that counts is the one above.
        let _ = std::fs::remove_file(path);
    }
    written?;
    sync_directory_of(path)
}

/// Writes a file, in place of one that may be there: readers see the old or the new one, whole. Durable when it returns.
///
/// # Errors
/// The operating system's.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = || -> io::Result<()> {
        let mut file = private_options().write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_directory_of(path)
    }();
    if written.is_err() {
        // Best effort: the error that counts is the one above.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Makes the names in a file's directory durable.
///
/// # Errors
/// The operating system's.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
