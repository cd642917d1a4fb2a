//! The store on disk: sled, made safe by HEAD beside it.
//!
//! ```text
//! <directory>/lock         held while the store is open
//!            /HEAD         what was acknowledged
//!            /CHECKPOINT   what the outside is shown
//!            /ballast      given up on a full disk, so that the store can still be opened and read
//!            /room         for a moment: is there room beside the ballast?
//!            /sled/        the database
//!            /damaged-<n>/ databases (with HEAD and CHECKPOINT) that were set aside
//!            /salvage/     a copy of one of them, while blocks are taken from it
//! ```
//!
//! sled alone is not enough: its `flush` does not fsync, it may lose its newest writes without a word after one flipped bit, and
//! it may panic when it opens. So the directory is synced after every transaction, HEAD says what must be there, and opening
//! hashes the newest blocks again.

mod ballast;
mod block_rows;
mod checkpoint;
mod decoded;
#[cfg(any(test, feature = "testing"))]
mod forged;
mod index_keys;
mod kept;
mod keys;
mod leaves;
mod open;
mod outcomes;
mod places;
mod reader;
mod rows;
mod runs;
mod shared;
mod sums;
mod tiles;
mod trees;

use std::sync::Arc;

use kvitto_ledger::Height;
use kvitto_ledger::execute::ExecutedBlock;

use crate::error::StoreError;
use crate::faults::Faults;
use crate::files::{Lock, OsDirectory};
use crate::head::HeadFile;
use crate::read_state::impl_read_state;
use crate::store::{Head, Published, Read, Store};

#[cfg(any(test, feature = "testing"))]
pub use forged::{ForgedRows, ROW_READERS, RowReader};
pub use kept::{KeptBlock, KeptBlocks, set_aside};
pub use open::{Opened, Options, SetAside};
pub use reader::SledReader;

use checkpoint::CheckpointFile;
use rows::Rows;
use shared::Shared;
use trees::TreeName;

/// The store on disk.
#[derive(Debug)]
pub struct SledStore {
    shared: Arc<Shared>,
    reader: SledReader,
    head: Head,
    head_file: HeadFile<OsDirectory>,
    checkpoint_file: CheckpointFile<OsDirectory>,
    faults: Faults,
    failed: bool,
    _lock: Lock,
}

impl_read_state!(SledStore, |store| &store.reader);

impl SledStore {
    /// Whether it takes writes: not after one failed, nor when the disk was full at the start or it was opened for reading only.
    pub fn is_writable(&self) -> bool {
        !self.failed
    }

    /// Runs a write; after one that fails there is no other.
    fn guarded<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::Poisoned);
        }
        self.failed = true;
        let written = write(self)?;
        self.failed = false;
        Ok(written)
    }

    fn write_and_sync(&self, rows: Rows) -> Result<(), StoreError> {
        write(&self.shared, &self.faults, rows)?;
        sync(&self.shared, &self.faults)
    }
}

impl Store for SledStore {
    type Reader = SledReader;

    fn head(&self) -> Head {
        self.head
    }

    fn reader(&self) -> SledReader {
        self.reader.clone()
    }

    fn commit(&mut self, block: &ExecutedBlock, certificate: &[u8]) -> Result<(), StoreError> {
        self.guarded(|store| {
            assert_eq!(block.header.height, store.head.height.next(), "blocks are committed in order");
            let follows = block.header.previous == store.shared.newest().tip.header_id;
            assert!(follows, "a block follows the newest one");
            write_block(&store.shared, &store.faults, block, certificate)?;
            let head = Head::after(&block.header);
            store.head_file.write(&head)?;
            store.head = head;
            store.shared.advance(block);
            Ok(())
        })
    }

    fn put_certificate(&mut self, height: Height, certificate: &[u8]) -> Result<(), StoreError> {
        self.reader.check(height)?;
        self.guarded(|store| {
            let (key, mut rows) = (keys::height(height), Rows::default());
            store.shared.trees.remove_blob(TreeName::Certificates, &key, &mut rows)?;
            rows.put_blob(TreeName::Certificates, &key, certificate);
            store.write_and_sync(rows)
        })
    }

    fn put_checkpoint(&mut self, published: &Published) -> Result<(), StoreError> {
        self.reader.check(published.height)?;
        if self.reader.published().is_some_and(|present| present.size > published.size) {
            return Ok(());
        }
        self.guarded(|store| {
            store.checkpoint_file.write(published)?;
            store.shared.newest_mut().published = Some(published.clone());
            Ok(())
        })
    }
}

/// Writes a block and makes it durable, HEAD excepted.
fn write_block(
    shared: &Shared,
    faults: &Faults,
    block: &ExecutedBlock,
    certificate: &[u8],
) -> Result<(), StoreError> {
    let trees = &shared.trees;
    let mut rows = block_rows::rows_of(trees, block, certificate)?;
    {
        // Locked until the rows are written: a look-up must not find the memory of pages that are gone.
        let mut indexes = shared.indexes_mut();
        let anchors = indexes.anchors.append(trees, &mut rows, block_rows::anchor_entries(&block.changes))?;
        let entries = block_rows::statement_entries(&block.changes);
        let statements = indexes.statements.append(trees, &mut rows, entries)?;
        let mut sums = shared.sums();
        let summed = sums.put(trees, &mut rows)?;
        write(shared, faults, rows)?;
        *sums = summed;
        indexes.anchors.apply(anchors);
        indexes.statements.apply(statements);
    }
    sync(shared, faults)
}

fn write(shared: &Shared, faults: &Faults, rows: Rows) -> Result<(), StoreError> {
    faults.step().map_err(StoreError::failed("write to the database"))?;
    shared.trees.write(rows)
}

fn sync(shared: &Shared, faults: &Faults) -> Result<(), StoreError> {
    faults.step().map_err(StoreError::failed("sync the database"))?;
    shared.trees.sync()
}
