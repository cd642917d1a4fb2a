//! Leaf, chunk and consistency proofs over any reader.

use kvitto_ledger::{Height, LeafIndex, Position};
use kvitto_merkle::Hash;
use kvitto_merkle::log::{ConsistencyProof, NodeSource, ProveError, consistency_path, inclusion_path};
use kvitto_merkle::status::{self, Chunk, StatusSource, chunk_index};
use kvitto_storage::{Damage, Read, StoreError};
use kvitto_verifier::receipt::{ChunkProof, LeafProof};

/// The log's perfect nodes.
struct LogNodes<'a, R>(&'a R);

impl<R: Read> NodeSource for LogNodes<'_, R> {
    type Error = StoreError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, StoreError> {
        self.0.log_node(level, index)?.ok_or_else(|| missing("log node", format!("{level}/{index}")))
    }
}

/// The status tree's nodes after a block.
struct StatusNodes<'a, R>(&'a R, Height);

impl<R: Read> StatusSource for StatusNodes<'_, R> {
    type Error = StoreError;

    fn status_node(&self, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        self.0.status_node_at(self.1, level, index)
    }
}

/// A row that must be there, since what was asked about is committed.
pub(crate) fn missing(what: &'static str, at: impl ToString) -> StoreError {
    StoreError::Damaged(Damage::Missing { what, at: at.to_string() })
}

/// A leaf with its path in the tree of `size` leaves, which holds it.
pub(crate) fn leaf_proof<R: Read>(read: &R, index: LeafIndex, size: u64) -> Result<LeafProof, StoreError> {
    let leaf = read.leaf(index)?.ok_or_else(|| missing("leaf", index))?;
    let path = inclusion_path(&LogNodes(read), index.0, size).map_err(source)?;
    Ok(LeafProof { index: index.0, leaf, path })
}

/// A leaf's hash and path alone.
pub(crate) fn leaf_path<R: Read>(
    read: &R,
    index: LeafIndex,
    size: u64,
) -> Result<(Hash, Vec<Hash>), StoreError> {
    let nodes = LogNodes(read);
    let path = inclusion_path(&nodes, index.0, size).map_err(source)?;
    Ok((nodes.node(0, index.0)?, path.into()))
}

/// That the tree of `old` leaves is the beginning of that of `new`; `1 <= old <= new`, both committed.
pub(crate) fn consistency<R: Read>(read: &R, old: u64, new: u64) -> Result<ConsistencyProof, StoreError> {
    consistency_path(&LogNodes(read), old, new).map_err(source)
}

/// The chunk of a position after block `at`, with its path under that block's status root.
pub(crate) fn chunk_proof<R: Read>(
    read: &R,
    at: Height,
    position: Position,
) -> Result<ChunkProof, StoreError> {
    let index = chunk_index(position.0);
    let chunk = chunk_at(read, at, index)?;
    let path = status::prove(&StatusNodes(read, at), index, read.positions_at(at)?).map_err(source)?;
    Ok(ChunkProof { index, bytes: chunk.as_bytes().to_vec(), path })
}

/// Chunks of several positions: ascending, each once.
pub(crate) fn chunk_proofs<R: Read>(
    read: &R,
    at: Height,
    positions: impl IntoIterator<Item = Position>,
) -> Result<Vec<ChunkProof>, StoreError> {
    let mut positions: Vec<_> = positions.into_iter().collect();
    positions.sort_unstable();
    positions.dedup_by_key(|position| chunk_index(position.0));
    positions.into_iter().map(|position| chunk_proof(read, at, position)).collect()
}

/// A chunk of the status tree after a block.
pub(crate) fn chunk_at<R: Read>(read: &R, at: Height, index: u64) -> Result<Chunk, StoreError> {
    Ok(read.status_chunk_at(at, index)?.unwrap_or(Chunk::ZERO))
}

/// Callers ask only about what is in the tree, so anything out of range is a store that contradicts itself.
fn source(error: ProveError<StoreError>) -> StoreError {
    match error {
        ProveError::Source(error) => error,
        ProveError::OutOfRange { subject, size } => missing("leaf or chunk", format!("{subject} of {size}")),
    }
}
