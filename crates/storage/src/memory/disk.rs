//! The pretended disk: rows and files that survive a crash only once they were synced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;

use crate::error::StoreError;
use crate::faults::Faults;
use crate::files::MemoryDirectory;
use crate::store::Published;

/// A disk. Clones are handles to one and the same; [`MemoryDisk::copy`] and [`MemoryDisk::after_crash`] make another, at the
/// cost of one pointer per row.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    rows: Arc<Mutex<Rows>>,
    files: MemoryDirectory,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    rows: Vec<Row>,
    synced: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Row {
    Block(Arc<StoredBlock>),
    Certificate(Height, Arc<[u8]>),
    Published(Published),
}

#[derive(Debug)]
pub(super) struct StoredBlock {
    pub(super) block: ExecutedBlock,
    pub(super) certificate: Arc<[u8]>,
}

impl StoredBlock {
    pub(super) fn new(block: &ExecutedBlock, certificate: &[u8]) -> Arc<Self> {
        Arc::new(Self { block: block.clone(), certificate: certificate.into() })
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        let faults = Faults::none();
        Self { rows: Arc::default(), files: MemoryDirectory::new(faults.clone()), faults }
    }

    /// What lets its operations fail: each write and each sync of rows or of a file counts as one.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The files on it: HEAD, and whatever else the node keeps beside the store, such as its journal.
    pub fn files(&self) -> MemoryDirectory {
        self.files.clone()
    }

    /// Another disk with the same contents, all of it synced.
    pub fn copy(&self) -> Self {
        self.after_crash(usize::MAX)
    }

    /// Another disk with what is found after a loss of power: what was synced, and of each file, and of the rows, the next
    /// `unsynced_kept` changes.
    pub fn after_crash(&self, unsynced_kept: usize) -> Self {
        let faults = Faults::none();
        let rows = self.lock();
        let kept = rows.synced.saturating_add(unsynced_kept).min(rows.rows.len());
        Self {
            rows: Arc::new(Mutex::new(Rows { rows: rows.rows[..kept].to_vec(), synced: kept })),
            files: self.files.after_crash(unsynced_kept, faults.clone()),
            faults,
        }
    }

    /// Forgets the newest `rows` writes without a trace, as a database with a damaged log does.
    pub fn forget(&self, rows: usize) {
        let mut all = self.lock();
        let kept = all.rows.len().saturating_sub(rows);
        all.rows.truncate(kept);
        all.synced = all.synced.min(kept);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().rows.is_empty()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.lock().rows.clone()
    }

    pub(super) fn write(&self, row: Row) -> Result<(), StoreError> {
        self.faults.step().map_err(StoreError::failed("write rows"))?;
        self.lock().rows.push(row);
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.faults.step().map_err(StoreError::failed("sync rows"))?;
        let mut rows = self.lock();
        rows.synced = rows.rows.len();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
