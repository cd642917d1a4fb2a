//! A reader seen as the source of hashes from which merkle makes roots and proofs.

use kvitto_ledger::Height;
use kvitto_merkle::log::NodeSource;
use kvitto_merkle::status::StatusSource;
use kvitto_merkle::{Frontier, Hash};

use crate::error::{Damage, StoreError};
use crate::store::Read;

/// The nodes of the log, at any size up to the committed one.
#[derive(Clone, Copy, Debug)]
pub struct LogNodes<'a, R>(pub &'a R);

impl<R: Read> NodeSource for LogNodes<'_, R> {
    type Error = StoreError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, StoreError> {
        let node = self.0.log_node(level, index)?;
        node.ok_or_else(|| Damage::missing("log node", format!("{level}/{index}")).into())
    }
}

impl<R: Read> LogNodes<'_, R> {
    /// The right edge of the log when it had `size` leaves.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn frontier(&self, size: u64) -> Result<Frontier, StoreError> {
        let (mut roots, mut start) = (Vec::new(), 0);
        while start < size {
            let level = (size - start).ilog2() as u8;
            roots.push(self.node(level, start >> level)?);
            start += 1 << level;
        }
        Frontier::from_parts(size, roots).map_err(|_| Damage::unreadable("log of size", size).into())
    }
}

/// The nodes of the status tree, as of a block.
#[derive(Clone, Copy, Debug)]
pub struct StatusNodes<'a, R> {
    /// What to read.
    pub reader: &'a R,
    /// As of which block.
    pub at: Height,
}

impl<R: Read> StatusSource for StatusNodes<'_, R> {
    type Error = StoreError;

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        self.reader.status_node_at(self.at, level, index)
    }
}
