//! A directory that one process at a time may use.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::StoreError;

const LOCK_FILE: &str = "lock";

/// A held directory. The operating system gives it free when the process ends, however it does.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes an existing directory.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where it is taken; the operating system's.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        let file =
            File::create(directory.join(LOCK_FILE)).map_err(StoreError::failed("make the lock file"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(source)) => {
                Err(StoreError::Failed { operation: "lock the directory", source })
            }
        }
    }
}
