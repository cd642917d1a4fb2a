//! A directory in memory that knows what was synced, and can fail.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Directory;
use crate::faults::Faults;

/// A directory in memory. Clones are handles to one and the same; [`MemoryDirectory::after_crash`] makes another.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory {
    files: Arc<Mutex<BTreeMap<String, MemoryFile>>>,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct MemoryFile {
    synced: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

impl MemoryDirectory {
    /// An empty directory whose operations fail when `faults` says so.
    pub fn new(faults: Faults) -> Self {
        Self { files: Arc::default(), faults }
    }

    /// What is found after a loss of power: of each file what was synced, the next `unsynced_kept` changes, and half of the
    /// one after those.
    pub fn after_crash(&self, unsynced_kept: usize, faults: Faults) -> Self {
        let before = self.lock();
        let files =
            before.iter().map(|(name, file)| (name.clone(), file.after_crash(unsynced_kept))).collect();
        Self { files: Arc::new(Mutex::new(files)), faults }
    }

    /// Changes a file behind the back of its owner, as a failing disk does.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut files = self.lock();
        let file = files.entry(name.to_owned()).or_default();
        change(&mut file.current);
        file.synced.clone_from(&file.current);
        file.unsynced.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, MemoryFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: &str, change: Change) -> io::Result<()> {
        self.faults.step()?;
        let mut files = self.lock();
        let file = files.entry(name.to_owned()).or_default();
        change.apply(&mut file.current);
        file.unsynced.push(change);
        Ok(())
    }
}

impl MemoryFile {
    fn after_crash(&self, unsynced_kept: usize) -> Self {
        let mut bytes = self.synced.clone();
        self.unsynced.iter().take(unsynced_kept).for_each(|change| change.apply(&mut bytes));
        if let Some(Change::Write { offset, bytes: torn }) = self.unsynced.get(unsynced_kept)
            && unsynced_kept > 0
        {
            let bytes_written = torn[..torn.len() / 2].to_vec();
            Change::Write { offset: *offset, bytes: bytes_written }.apply(&mut bytes);
        }
        Self { synced: bytes.clone(), current: bytes, unsynced: Vec::new() }
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { len } => file.resize(*len, 0),
        }
    }
}

impl Directory for MemoryDirectory {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.lock().get(name).map(|file| file.current.clone()))
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.change(name, Change::Write { offset, bytes: bytes.to_vec() })
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.change(name, Change::Truncate { len })
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.faults.step()?;
        let mut files = self.lock();
        let file = files.entry(name.to_owned()).or_default();
        file.synced.clone_from(&file.current);
        file.unsynced.clear();
        Ok(())
    }
}
