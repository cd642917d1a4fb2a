//! What the writer and its readers have in common.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::{Header, Height, Tip};

use super::block_rows::{BLOCK_ROW_BYTES_MAX, BlockRow};
use super::decoded::Decoded;
use super::index_keys::{ANCHORS, STATEMENTS};
use super::keys;
use super::runs::Index;
use super::sums::Sums;
use super::tiles::TileCache;
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};
use crate::store::Published;

/// The database with what is kept in memory about it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) trees: Trees,
    newest: RwLock<Newest>,
    indexes: RwLock<Indexes>,
    decoded: Mutex<Decoded>,
    sums: Mutex<Sums>,
    pub(super) tiles: TileCache,
}

/// The newest durable block and checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    pub(super) tip: Tip,
    pub(super) published: Option<Published>,
}

/// The indexes with random keys. Written while a block's rows are, so that a look-up never misses a page.
#[derive(Debug)]
pub(super) struct Indexes {
    pub(super) anchors: Index,
    pub(super) statements: Index,
}

impl Shared {
    /// Reads it from the database; `None` where nothing was ever committed.
    pub(super) fn open(trees: Trees) -> Result<Option<Self>, StoreError> {
        let Some(tip) = trees.row(TreeName::Meta, keys::TIP)? else { return Ok(None) };
        let unreadable = || Damage::unreadable("tip", "");
        let tip: Tip = decode_strict(&tip, BLOCK_ROW_BYTES_MAX).map_err(|_| unreadable())?;
        let indexes =
            Indexes { anchors: Index::open(&trees, ANCHORS)?, statements: Index::open(&trees, STATEMENTS)? };
        let sums = Sums::read(&trees)?;
        Ok(Some(Self::with(trees, tip, indexes, sums)))
    }

    /// For an empty database, into which block 0 with this tip is about to be written.
    pub(super) fn begin(trees: Trees, tip: Tip) -> Self {
        let indexes = Indexes { anchors: Index::empty(ANCHORS), statements: Index::empty(STATEMENTS) };
        Self::with(trees, tip, indexes, Sums::default())
    }

    fn with(trees: Trees, tip: Tip, indexes: Indexes, sums: Sums) -> Self {
        let decoded = Mutex::new(Decoded::new(tip.height()));
        let newest = Newest { tip, published: None };
        let (newest, indexes) = (RwLock::new(newest), RwLock::new(indexes));
        Self { trees, newest, indexes, decoded, sums: Mutex::new(sums), tiles: TileCache::default() }
    }

    pub(super) fn newest(&self) -> RwLockReadGuard<'_, Newest> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn newest_mut(&self) -> RwLockWriteGuard<'_, Newest> {
        self.newest.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a committed block the newest one.
    pub(super) fn advance(&self, block: &ExecutedBlock) {
        // Together, so that nobody sees entries of the block before under the new tip.
        let (mut newest, mut decoded) = (self.newest_mut(), self.decoded());
        decoded.advance(block.header.height, &block.changes);
        newest.tip = block.tip.clone();
    }

    pub(super) fn decoded(&self) -> MutexGuard<'_, Decoded> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Over the rows that are written.
    pub(super) fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn indexes(&self) -> RwLockReadGuard<'_, Indexes> {
        self.indexes.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn indexes_mut(&self) -> RwLockWriteGuard<'_, Indexes> {
        self.indexes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block that is committed or, after a crash, one that was stored without HEAD.
    pub(super) fn block(&self, height: Height) -> Result<Option<(Header, u64)>, StoreError> {
        block(&self.trees, height)
    }
}

/// A stored block's header and the number of positions after it.
pub(super) fn block(trees: &Trees, height: Height) -> Result<Option<(Header, u64)>, StoreError> {
    let Some(row) = trees.row(TreeName::Blocks, &keys::height(height))? else { return Ok(None) };
    let unreadable = |_| Damage::unreadable(TreeName::Blocks.name(), height);
    let BlockRow(header, positions) = decode_strict(&row, BLOCK_ROW_BYTES_MAX).map_err(unreadable)?;
    let header = Header::decode(&header).map_err(unreadable)?;
    Ok(Some((header, positions)))
}
