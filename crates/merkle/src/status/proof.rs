//! The verifier's end of a status proof.

use super::chunk::{Chunk, ChunkLengthError, StatusValue, chunk_count, chunk_index};
use crate::hash::Hash;
use crate::log::{InclusionProof, ProofError, verify_inclusion};

/// A status proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusProofError {
    /// The tree has no such position.
    #[error("position {position} is not among {positions}")]
    PositionOutOfRange {
        /// The zero-based position asked about.
        position: u64,
        /// How many there are.
        positions: u64,
    },
    /// The chunk has not exactly 256 bytes.
    #[error(transparent)]
    ChunkLength(#[from] ChunkLengthError),
    /// The chunk says something about positions that do not exist.
    #[error("the status chunk has a value past the last position")]
    ValuePastEnd,
    /// The chunk is not in the tree.
    #[error("the status chunk is not in the tree")]
    NotIncluded(#[source] ProofError),
}

/// Checks that `chunk` is the one of `position` in the status tree with this root and so many
/// positions, and reads the position's value from it.
///
/// `root` and `positions` must come from signed data (the `Block` record under a checkpoint).
///
/// # Errors
/// [`StatusProofError`] says what does not hold.
pub fn verify_chunk(
    root: &Hash,
    positions: u64,
    position: u64,
    chunk: &[u8],
    proof: &InclusionProof,
) -> Result<StatusValue, StatusProofError> {
    if position >= positions {
        return Err(StatusProofError::PositionOutOfRange { position, positions });
    }
    let chunk = Chunk::try_from(chunk)?;
    let index = chunk_index(position);
    if !chunk.ends_with(index, positions) {
        return Err(StatusProofError::ValuePastEnd);
    }
    verify_inclusion(&chunk.leaf_hash(), index, chunk_count(positions), proof, root)
        .map_err(StatusProofError::NotIncluded)?;
    Ok(chunk.value(position))
}
