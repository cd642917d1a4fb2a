//! Reading a sparse status tree: its root and proofs at any size.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use super::chunk::{Chunk, chunk_count};
use crate::hash::{Hash, node_hash};
use crate::log::{InclusionProof, NodeSource, ProveError, inclusion_path, root_at};

/// Where the nodes of a status tree come from, as of one state of the ledger.
///
/// Only *perfect* nodes inside the tree are asked for. What was never stored is a subtree of zeros.
pub trait StatusSource {
    /// Why a node could not be had.
    type Error;

    /// The root of the perfect subtree over the chunks `[index * 2^level, (index + 1) * 2^level)`;
    /// level 0 is the hash of a chunk. `None`: all these chunks are zero.
    ///
    /// # Errors
    /// When the store could not be read.
    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, Self::Error>;
}

impl<S: StatusSource + ?Sized> StatusSource for &S {
    type Error = S::Error;

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, S::Error> {
        (**self).status_node(level, index)
    }
}

/// Nodes by (level, index) in memory, for one state only.
impl StatusSource for BTreeMap<(u8, u64), Hash> {
    type Error = Infallible;

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, Infallible> {
        Ok(self.get(&(level, index)).copied())
    }
}

/// The root of a perfect subtree of `2^level` zero chunks; `level` is at most 63.
pub fn zero_node(level: u8) -> Hash {
    ZERO_NODES[usize::from(level)]
}

static ZERO_NODES: LazyLock<[Hash; 64]> = LazyLock::new(|| {
    let mut nodes = [Chunk::ZERO.leaf_hash(); 64];
    for level in 1..nodes.len() {
        nodes[level] = node_hash(&nodes[level - 1], &nodes[level - 1]);
    }
    nodes
});

/// The root of the status tree with so many positions.
///
/// # Errors
/// Those of the source.
pub fn root<S: StatusSource>(source: &S, positions: u64) -> Result<Hash, S::Error> {
    root_at(&Dense(source), chunk_count(positions))
}

/// The proof that a chunk is in the status tree with so many positions; check it with
/// [`verify_chunk`](super::verify_chunk).
///
/// # Errors
/// [`ProveError::OutOfRange`] (counted in chunks) when the chunk is not in that tree; those of the
/// source.
pub fn prove<S: StatusSource>(
    source: &S,
    chunk_index: u64,
    positions: u64,
) -> Result<InclusionProof, ProveError<S::Error>> {
    inclusion_path(&Dense(source), chunk_index, chunk_count(positions))
}

/// A sparse tree seen as one in which every node is there.
struct Dense<'a, S>(&'a S);

impl<S: StatusSource> NodeSource for Dense<'_, S> {
    type Error = S::Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, S::Error> {
        Ok(self.0.status_node(level, index)?.unwrap_or_else(|| zero_node(level)))
    }
}
