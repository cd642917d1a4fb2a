//! Roots and proofs of a log at any size, made from stored perfect nodes.

use super::frontier::fold_right_edge;
use super::{ConsistencyProof, InclusionProof, TREE_SIZE_MAX};
use crate::hash::{EMPTY_ROOT, Hash};

/// Where perfect nodes come from: a store, tiles, or memory.
///
/// Only nodes that are complete in the tree being asked about are requested, so a source may hold
/// a larger log and answer for all its earlier sizes.
pub trait NodeSource {
    /// Why a node could not be had.
    type Error;

    /// The root of the perfect subtree over the leaves `[index * 2^level, (index + 1) * 2^level)`;
    /// level 0 is a leaf hash.
    ///
    /// # Errors
    /// When the node is not there or could not be read.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, S::Error> {
        (**self).node(level, index)
    }
}

/// No proof could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The leaf is not in the tree, the older tree is empty or larger than the newer one, or the
    /// size is beyond [`TREE_SIZE_MAX`].
    #[error("no proof about {subject} in a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's index, or the older size.
        subject: u64,
        /// The size of the tree that was asked about.
        size: u64,
    },
    /// A node could not be had.
    #[error("cannot read a node of the tree")]
    Source(#[source] E),
}

/// The root of the first `size` leaves.
///
/// # Errors
/// Those of the source.
pub fn root_at<S: NodeSource>(source: &S, size: u64) -> Result<Hash, S::Error> {
    if size == 0 { Ok(EMPTY_ROOT) } else { range_root(source, 0, size) }
}

/// The proof that the leaf at `index` is in the tree of the first `size` leaves (`PATH` of
/// RFC 6962, 2.1.1): sibling hashes from the leaf up.
///
/// # Errors
/// [`ProveError::OutOfRange`] when `index >= size`; those of the source.
pub fn inclusion_path<S: NodeSource>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<InclusionProof, ProveError<S::Error>> {
    if index >= size || size > TREE_SIZE_MAX {
        return Err(ProveError::OutOfRange { subject: index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        let sibling = if index < middle { middle..end } else { start..middle };
        path.push(range_root(source, sibling.start, sibling.end).map_err(ProveError::Source)?);
        (start, end) = if index < middle { (start, middle) } else { (middle, end) };
    }
    path.reverse();
    Ok(InclusionProof::from_descent(path))
}

/// The proof that the tree of the first `old` leaves is a prefix of the tree of the first `new`
/// ones (`PROOF` of RFC 6962, 2.1.2). Empty when the sizes are equal.
///
/// # Errors
/// [`ProveError::OutOfRange`] when `old` is 0 or larger than `new`: nothing can be proved about
/// an empty tree. Those of the source.
pub fn consistency_path<S: NodeSource>(
    source: &S,
    old: u64,
    new: u64,
) -> Result<ConsistencyProof, ProveError<S::Error>> {
    if old == 0 || old > new || new > TREE_SIZE_MAX {
        return Err(ProveError::OutOfRange { subject: old, size: new });
    }
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    // Descend to the subtree at the right edge of the old tree.
    while end != old {
        let middle = start + split(end - start);
        let sibling = if old <= middle { middle..end } else { start..middle };
        path.push(range_root(source, sibling.start, sibling.end).map_err(ProveError::Source)?);
        (start, end) = if old <= middle { (start, middle) } else { (middle, end) };
    }
    // The verifier knows that subtree already when it is the whole old tree.
    if start != 0 {
        path.push(range_root(source, start, end).map_err(ProveError::Source)?);
    }
    path.reverse();
    Ok(ConsistencyProof::from_descent(path))
}

/// Where a tree of `size >= 2` leaves divides: the largest power of two below `size`.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root over the leaves `[start, end)`, a subtree of the RFC 6962 tree that is not empty.
fn range_root<S: NodeSource>(source: &S, mut start: u64, end: u64) -> Result<Hash, S::Error> {
    let mut roots = Vec::new();
    while start < end {
        let level = (end - start).ilog2();
        roots.push(source.node(level as u8, start >> level)?);
        start += 1 << level;
    }
    Ok(fold_right_edge(&roots).expect("the range is not empty"))
}
