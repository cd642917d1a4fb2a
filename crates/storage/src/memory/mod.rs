//! The store in memory: plain maps with every version, on a pretended disk that forgets what was not synced.
//!
//! It shares no code with the sled store beyond HEAD, so that each checks the other.

mod disk;
mod reader;
mod state;

use std::sync::{Arc, PoisonError, RwLock};

use kvitto_ledger::Height;
use kvitto_ledger::block::Header;
use kvitto_ledger::execute::ExecutedBlock;

use crate::error::{Damage, StoreError};
use crate::files::MemoryDirectory;
use crate::head::{HeadFile, Standing, standing};
use crate::read_state::{Newest, impl_read_state};
use crate::store::{Head, Published, Read, Store};

pub use disk::MemoryDisk;
pub use reader::MemoryReader;

use disk::{Row, StoredBlock};
use state::State;

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    reader: MemoryReader,
    head: Head,
    head_file: HeadFile<MemoryDirectory>,
    failed: bool,
}

impl_read_state!(MemoryStore, |store| &store.reader);

impl MemoryStore {
    /// Opens what is on `disk`; an empty one is begun with block 0, `genesis`. `certificate_holds` is asked only about a
    /// block that is stored but was not acknowledged (RULES 4.1).
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::OtherLedger`], [`StoreError::Failed`].
    pub fn open(
        disk: MemoryDisk,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<Self, StoreError> {
        if disk.is_empty() {
            disk.write(Row::Block(StoredBlock::new(genesis, &[])))?;
            disk.sync()?;
        }
        let mut state = State::default();
        disk.rows().into_iter().for_each(|row| state.apply(row));
        let (newest, certificate) = state.newest();
        if state.header(Height(0)).map(|header| header.id()) != Some(genesis.id) {
            return Err(StoreError::OtherLedger);
        }
        let (mut head_file, found) = HeadFile::open(disk.files())?;
        let head = Head::after(&newest);
        if standing(found.as_ref(), &head)? == Standing::OneAhead {
            if newest.height != Height(0) && !certificate_holds(&newest, &certificate) {
                return Err(Damage::Mismatch { what: "certificate", height: newest.height }.into());
            }
            disk.sync()?;
            head_file.write(&head)?;
        }
        let reader = MemoryReader::new(Arc::new(RwLock::new(state)));
        Ok(Self { disk, reader, head, head_file, failed: false })
    }

    /// The disk beneath.
    pub fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// Writes and syncs a row, and HEAD where it changes; readers see them afterwards.
    fn write(&mut self, row: Row, head: Head) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Poisoned);
        }
        self.failed = true;
        self.disk.write(row.clone())?;
        self.disk.sync()?;
        if head != self.head {
            self.head_file.write(&head)?;
        }
        self.failed = false;
        self.head = head;
        self.reader.state().write().unwrap_or_else(PoisonError::into_inner).apply(row);
        Ok(())
    }
}

impl Store for MemoryStore {
    type Reader = MemoryReader;

    fn head(&self) -> Head {
        self.head
    }

    fn reader(&self) -> MemoryReader {
        self.reader.clone()
    }

    fn commit(&mut self, block: &ExecutedBlock, certificate: &[u8]) -> Result<(), StoreError> {
        assert_eq!(block.header.height, self.head.height.next(), "blocks are committed in order");
        let newest = Newest::newest_tip(&self.reader).header_id;
        assert_eq!(block.header.previous, newest, "a block follows the newest one");
        let head = Head::after(&block.header);
        self.write(Row::Block(StoredBlock::new(block, certificate)), head)
    }

    fn put_certificate(&mut self, height: Height, certificate: &[u8]) -> Result<(), StoreError> {
        self.reader.check(height)?;
        self.write(Row::Certificate(height, certificate.into()), self.head)
    }

    fn put_checkpoint(&mut self, published: &Published) -> Result<(), StoreError> {
        self.reader.check(published.height)?;
        if self.reader.published().is_some_and(|present| present.size > published.size) {
            return Ok(());
        }
        self.write(Row::Published(published.clone()), self.head)
    }
}
