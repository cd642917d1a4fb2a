//! The member's keys behind their guard: one file, durable before any signature leaves (RULES 2.3).

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kvitto_replica::Signer;
use kvitto_replica::signer::{Guard, GuardAnswer, SignRequest, Signed, Subject};
use kvitto_storage::faults::Faults;
use kvitto_storage::files::{Lock, OsDirectory};
use kvitto_storage::slots::{Content, SlotFile, SlotFormat};

use crate::keys::MemberKeys;

/// The guard's file, in a folder of its own.
const FORMAT: SlotFormat = SlotFormat { name: "guard", magic: b"kvguard1", content_bytes_max: 64 * 1024 };

/// Keys and guard.
pub struct FileSigner {
    keys: MemberKeys,
    guard: Guard,
    file: SlotFile<OsDirectory>,
    /// Two processes with one guard would each forget what the other signs.
    _lock: Lock,
    /// Whether something was signed that the file does not say yet.
    dirty: bool,
}

/// What became of a member's guard.
pub enum Found {
    /// It is there.
    Guard(Box<FileSigner>),
    /// It is missing or cannot be read; this one begins anew.
    Lost(Box<FileSigner>),
}

impl FileSigner {
    /// Opens the guard in `folder`, which no other process may use meanwhile.
    ///
    /// # Errors
    /// When it is in use, or the operating system refuses.
    pub fn open(keys: MemberKeys, folder: &Path) -> Result<Found> {
        let directory = OsDirectory::open(folder, Faults::none())
            .with_context(|| format!("cannot open {}", folder.display()))?;
        let lock =
            Lock::take(folder).with_context(|| format!("cannot use the guard in {}", folder.display()))?;
        let (file, content) = SlotFile::open(directory, FORMAT)
            .with_context(|| format!("cannot read the guard in {}", folder.display()))?;
        let guard = match content {
            Content::Newest(bytes) => Guard::decode(&bytes).ok(),
            Content::None | Content::Lost => None,
        };
        // In place of a lost guard there is no file before the first signature, which the replica asks for in its time.
        let signer = |guard, dirty| Box::new(Self { keys, guard, file, _lock: lock, dirty });
        Ok(match guard {
            Some(guard) => Found::Guard(signer(guard, true)),
            None => Found::Lost(signer(Guard::default(), false)),
        })
    }

    /// What was signed.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Makes durable what was signed. A failure must end the process.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&mut self) -> Result<()> {
        if self.dirty {
            self.file.write(&self.guard.encode()).context("cannot write the guard")?;
            self.dirty = false;
        }
        Ok(())
    }
}

impl Signer for FileSigner {
    fn sign(&mut self, request: SignRequest) -> Signed {
        match self.guard.ask(&request) {
            GuardAnswer::Sign => {
                let key = match request.subject {
                    Subject::Consensus { .. } => &self.keys.consensus,
                    Subject::Cosignature(_) => &self.keys.cosignature,
                    Subject::Log(_) => &self.keys.log,
                };
                let signature = key.sign(&request.message);
                self.guard.record(&request, signature);
                self.dirty = true;
                Signed::Signature(signature)
            }
            GuardAnswer::Repeat(signature) => Signed::Signature(signature),
            GuardAnswer::Earlier { message, signature } => Signed::Earlier { message, signature },
            GuardAnswer::Refuse => Signed::Refused,
        }
    }
}

/// What the guard in `folder` says, without taking it; `None` where it is missing or cannot be read.
///
/// # Errors
/// When the operating system refuses.
pub(crate) fn read_guard(folder: &Path) -> Result<Option<Guard>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let directory = OsDirectory::open(folder, Faults::none())
        .with_context(|| format!("cannot open {}", folder.display()))?;
    let (_, content) = SlotFile::open(directory, FORMAT)
        .with_context(|| format!("cannot read the guard in {}", folder.display()))?;
    Ok(match content {
        Content::Newest(bytes) => Guard::decode(&bytes).ok(),
        Content::None | Content::Lost => None,
    })
}

/// Makes the guard of a new member; one that is there already stays.
///
/// # Errors
/// When one is there, or the operating system refuses.
pub(crate) fn create_guard(folder: &Path, guard: &Guard) -> Result<()> {
    let directory = OsDirectory::open(folder, Faults::none())
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let (mut file, content) = SlotFile::open(directory, FORMAT).context("cannot open the guard")?;
    ensure!(content == Content::None, "{} holds a guard already", folder.display());
    file.write(&guard.encode()).context("cannot write the guard")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_has_the_guard() {
        let folder = tempfile::tempdir().unwrap();
        create_guard(folder.path(), &Guard::default()).unwrap();
        let open = || FileSigner::open(MemberKeys::generate().unwrap(), folder.path());
        let first = open().unwrap();
        let refused = open().err().map(|error| format!("{error:#}")).unwrap();
        assert!(refused.contains("in use"), "{refused}");
        drop(first);
        assert!(matches!(open(), Ok(Found::Guard(_))));
    }
}
