//! What a block changes in the status tree, for hashing in proportion to what changed.

use std::collections::BTreeMap;

use super::chunk::{Chunk, chunk_count};
use super::source::{StatusSource, zero_node};
use crate::hash::{Hash, node_hash};
use crate::log::{NodeSource, PerfectNode, root_at};

/// The outcome of [`update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusUpdate {
    /// The root of the tree after the update.
    pub root: Hash,
    /// The nodes to store, by level and then index: every perfect node whose hash changed or that
    /// became perfect, except those that became perfect as a subtree of zeros. With the old nodes
    /// they make the source for the new tree.
    pub nodes: Vec<PerfectNode>,
}

/// No update could be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError<E> {
    /// Positions are never taken away.
    #[error("a status tree cannot shrink from {old} to {new} positions")]
    Shrinks {
        /// Positions before.
        old: u64,
        /// Positions after.
        new: u64,
    },
    /// A changed chunk lies past the end of the new tree.
    #[error("status chunk {chunk} is outside a tree of {positions} positions")]
    ChunkOutOfRange {
        /// The chunk's index.
        chunk: u64,
        /// Positions after the update.
        positions: u64,
    },
    /// A changed chunk has something other than zero past the last position.
    #[error("status chunk {chunk} has a value past position {positions}")]
    ValuePastEnd {
        /// The chunk's index.
        chunk: u64,
        /// Positions after the update.
        positions: u64,
    },
    /// A node could not be had.
    #[error("cannot read a node of the status tree")]
    Source(#[source] E),
}

/// Computes the status tree of `new_positions` from the one of `old_positions` held by `source`,
/// with the given chunks (index, new content) changed.
///
/// Costs one leaf hash per changed chunk and one node hash per level above it. Growth alone costs
/// a few node hashes along the right edge, and none there while everything is valid.
///
/// # Errors
/// [`UpdateError`]: the arguments do not describe a later tree, or those of the source.
pub fn update<S: StatusSource>(
    source: &S,
    old_positions: u64,
    new_positions: u64,
    changed: &BTreeMap<u64, Chunk>,
) -> Result<StatusUpdate, UpdateError<S::Error>> {
    check_arguments(old_positions, new_positions, changed)?;
    let mut growing = Growing {
        source,
        old_chunks: chunk_count(old_positions),
        new_chunks: chunk_count(new_positions),
        known: changed.iter().map(|(&index, chunk)| ((0, index), chunk_hash(chunk))).collect(),
    };
    let mut level = 0;
    while growing.new_chunks >> (level + 1) != 0 {
        growing.compute_parents(level).map_err(UpdateError::Source)?;
        level += 1;
    }
    let root = root_at(&growing, growing.new_chunks).map_err(UpdateError::Source)?;
    Ok(StatusUpdate { root, nodes: growing.nodes_to_store() })
}

fn check_arguments<E>(
    old_positions: u64,
    new_positions: u64,
    changed: &BTreeMap<u64, Chunk>,
) -> Result<(), UpdateError<E>> {
    if new_positions < old_positions {
        return Err(UpdateError::Shrinks { old: old_positions, new: new_positions });
    }
    let Some((&chunk, last)) = changed.last_key_value() else { return Ok(()) };
    if chunk >= chunk_count(new_positions) {
        return Err(UpdateError::ChunkOutOfRange { chunk, positions: new_positions });
    }
    if !last.ends_with(chunk, new_positions) {
        return Err(UpdateError::ValuePastEnd { chunk, positions: new_positions });
    }
    Ok(())
}

fn chunk_hash(chunk: &Chunk) -> Hash {
    if chunk.is_zero() { zero_node(0) } else { chunk.leaf_hash() }
}

/// The tree while it is being updated, level by level.
struct Growing<'a, S> {
    source: &'a S,
    old_chunks: u64,
    new_chunks: u64,
    /// The nodes computed so far, all perfect in the new tree, by (level, index).
    known: BTreeMap<(u8, u64), Hash>,
}

impl<S: StatusSource> Growing<'_, S> {
    /// Computes the perfect nodes at `level + 1` that differ from what the source answers for
    /// them: those above a computed one, and the one that the old right edge ran through if it
    /// has become perfect now.
    fn compute_parents(&mut self, level: u8) -> Result<(), S::Error> {
        let mut parents: Vec<u64> =
            self.known.range((level, 0)..=(level, u64::MAX)).map(|((_, index), _)| index >> 1).collect();
        if let Some(last_chunk) = self.old_chunks.checked_sub(1) {
            let edge = last_chunk >> (level + 1);
            if !self.was_perfect(level + 1, edge) {
                parents.push(edge);
            }
        }
        parents.sort_unstable();
        parents.dedup();
        for parent in parents.into_iter().filter(|&parent| parent < self.new_chunks >> (level + 1)) {
            let left = self.node(level, 2 * parent)?;
            let right = self.node(level, 2 * parent + 1)?;
            let zero = zero_node(level);
            let hash =
                if left == zero && right == zero { zero_node(level + 1) } else { node_hash(&left, &right) };
            self.known.insert((level + 1, parent), hash);
        }
        Ok(())
    }

    /// Whether the whole subtree was inside the old tree, so that the source knows it.
    fn was_perfect(&self, level: u8, index: u64) -> bool {
        index < self.old_chunks >> level
    }

    fn nodes_to_store(&self) -> Vec<PerfectNode> {
        self.known
            .iter()
            .filter(|&(&(level, index), &hash)| self.was_perfect(level, index) || hash != zero_node(level))
            .map(|(&(level, index), &hash)| PerfectNode { level, index, hash })
            .collect()
    }
}

impl<S: StatusSource> NodeSource for Growing<'_, S> {
    type Error = S::Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, S::Error> {
        if let Some(&hash) = self.known.get(&(level, index)) {
            return Ok(hash);
        }
        // A node that was not perfect and is not known lies wholly in new, unchanged chunks.
        let stored =
            if self.was_perfect(level, index) { self.source.status_node(level, index)? } else { None };
        Ok(stored.unwrap_or_else(|| zero_node(level)))
    }
}
