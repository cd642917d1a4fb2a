//! Why a register cannot be used.

use std::io;
use std::path::PathBuf;

use kvitto_ledger::{Did, LedgerId};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::private_file::PrivateFileError;

/// Why a register cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// There is none.
    #[error("there is no register in {}", .0.display())]
    Missing(PathBuf),
    /// Another process has it open.
    #[error("another process works with the register in {}", .0.display())]
    Busy(PathBuf),
    /// It cannot be opened or read.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may use it.
    #[error(transparent)]
    Rights(#[from] PrivateFileError),
    /// A line before the last append is not what was written.
    #[error("line {line} of the register is damaged")]
    Damaged {
        /// Number of the line, from 1.
        line: usize,
    },
    /// A line is whole, but not known to this version.
    #[error("line {line} of the register was written by a newer kvitto")]
    Newer {
        /// Number of the line, from 1.
        line: usize,
    },
    /// Lines contradict each other.
    #[error("line {line} of the register contradicts those before it: {what}")]
    Contradictory {
        /// Number of the line, from 1; 0 for one that is just being written.
        line: usize,
        /// How.
        what: &'static str,
    },
    /// It belongs to another ledger.
    #[error("the register is of ledger {found}, not of {expected}")]
    OtherLedger {
        /// Whose it is.
        found: LedgerId,
        /// The ledger of the trust file.
        expected: LedgerId,
    },
    /// It belongs to another issuer.
    #[error("the register is of {found}, not of {expected}")]
    OtherIssuer {
        /// Whose it is.
        found: Did,
        /// The owner of the key file.
        expected: Did,
    },
    /// A write failed.
    #[error("cannot write the register")]
    Write(#[source] io::Error),
    /// A write failed before; the register has to be opened again.
    #[error("the register was closed after a failed write")]
    Dead,
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let message = crate::failure::chain(&error);
        let (exit, reason, next) = match &error {
            RegisterError::Missing(_) => {
                (Exit::Usage, "REGISTER_MISSING", "check --register; kvitto anchor makes one".to_owned())
            }
            RegisterError::Busy(_) => {
                (Exit::Busy, "REGISTER_BUSY", "wait for the other kvitto to end, then run again".to_owned())
            }
            RegisterError::Open { source, .. } if source.kind() == io::ErrorKind::StorageFull => (
                Exit::Io,
                "REGISTER_UNWRITABLE",
                "free space on the disk and run the same command again: it resumes".to_owned(),
            ),
            RegisterError::Open { .. } => {
                (Exit::Io, "REGISTER_UNREADABLE", "check the directory's path and rights".to_owned())
            }
            RegisterError::Rights(PrivateFileError::Open { path, .. }) => {
                (Exit::Input, "REGISTER_OPEN", format!("it holds salts; run: chmod 600 {}", path.display()))
            }
            RegisterError::Rights(_) => {
                (Exit::Io, "REGISTER_UNREADABLE", "check the file's rights".to_owned())
            }
            RegisterError::Damaged { .. } | RegisterError::Contradictory { .. } => (
                Exit::Input,
                "REGISTER_DAMAGED",
                "restore the register from a backup; nothing was changed or sent".to_owned(),
            ),
            RegisterError::Newer { .. } => {
                (Exit::Input, "REGISTER_NEWER", "use the kvitto that wrote it, or a later one".to_owned())
            }
            RegisterError::OtherLedger { .. } => (
                Exit::Usage,
                "REGISTER_OTHER_LEDGER",
                "use one register directory for each ledger, or the right --trust file".to_owned(),
            ),
            RegisterError::OtherIssuer { .. } => (
                Exit::Usage,
                "REGISTER_OTHER_ISSUER",
                "use one register directory for each issuer, or the right --key file".to_owned(),
            ),
            RegisterError::Write(_) | RegisterError::Dead => (
                Exit::Io,
                "REGISTER_UNWRITABLE",
                "free space on the disk and run the same command again: it resumes".to_owned(),
            ),
        };
        Self::new(exit, reason, message, next)
    }
}
