//! Where a register's lines go: a file that is fsynced with every append, under a lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::error::RegisterError;
use super::line::{Scanned, scan};
use super::{FILE_NAME, LOCK_NAME};
use crate::private_file::{check_mode, private_options, sync_directory_of};

/// Takes a register's lines.
pub trait Disk {
    /// Appends bytes. They survive any crash once it has returned; when it fails, any beginning of them may be there.
    ///
    /// # Errors
    /// The operating system's. Nothing may be appended after an error.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// The register's file. The lock is held as long as it lives, and ends with the process, however that ends.
#[derive(Debug)]
pub struct OsDisk {
    file: File,
    _lock: File,
}

impl OsDisk {
    pub(super) fn open(directory: &Path, create: bool) -> Result<(Self, Scanned), RegisterError> {
        let path = directory.join(FILE_NAME);
        if create {
            make_directory(directory)?;
        } else if !path.exists() {
            return Err(RegisterError::Missing(directory.to_owned()));
        }
        let lock = lock(directory)?;
        let fault = |source| RegisterError::Open { path: path.clone(), source };
        let is_new = !path.exists();
        let file = private_options().read(true).append(true).create(true).open(&path).map_err(fault)?;
        check_mode(&path, &file)?;
        if is_new {
            sync_directory_of(&path).map_err(fault)?;
        }
        let scanned = scan(BufReader::new(&file))?;
        if scanned.torn {
            set_aside(&path, scanned.good_bytes).map_err(fault)?;
            file.set_len(scanned.good_bytes).and_then(|()| file.sync_all()).map_err(fault)?;
        }
        Ok((Self { file, _lock: lock }, scanned))
    }
}

impl Disk for OsDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

fn make_directory(directory: &Path) -> Result<(), RegisterError> {
    let fault = |source| RegisterError::Open { path: directory.to_owned(), source };
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(directory).map_err(fault)?;
    sync_directory_of(directory).map_err(fault)
}

fn lock(directory: &Path) -> Result<File, RegisterError> {
    let path = directory.join(LOCK_NAME);
    let file = private_options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|source| RegisterError::Open { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RegisterError::Busy(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(RegisterError::Open { path, source }),
    }
}

/// Copies what stands behind the good lines into a file of its own: nothing is ever deleted.
fn set_aside(path: &Path, good_bytes: u64) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let torn = usize::try_from(good_bytes).ok().and_then(|good| bytes.get(good..)).unwrap_or_default();
    let candidates = (1..).map(|number: u32| -> PathBuf { path.with_extension(format!("torn-{number}")) });
    for candidate in candidates {
        match crate::private_file::create(&candidate, torn) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
    Ok(())
}
