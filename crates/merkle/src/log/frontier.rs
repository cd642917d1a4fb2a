//! The right edge of a growing tree: all that is needed to append and to know the root.

use serde::{Deserialize, Serialize};

use super::{PerfectNode, TREE_SIZE_MAX};
use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// A tree of `size` leaves, kept as the roots of its perfect subtrees, largest first: one for
/// each bit set in `size`, so at most 62 hashes.
///
/// Serde: the pair `(size, roots)`, checked like [`Frontier::from_parts`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u64, Vec<Hash>)", into = "(u64, Vec<Hash>)")]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

/// The parts do not make a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// There must be one root for each bit set in the size.
    #[error("a tree of {size} leaves has {expected} perfect subtrees, not {found}")]
    RootCount {
        /// The claimed number of leaves.
        size: u64,
        /// How many roots that size has.
        expected: u32,
        /// How many were given.
        found: usize,
    },
    /// The size is more than half of [`TREE_SIZE_MAX`], beyond what a log can reach.
    #[error("no log has {0} leaves")]
    TooLarge(u64),
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// A frontier from stored parts: the number of leaves, and the roots of the perfect subtrees,
    /// largest first.
    ///
    /// # Errors
    /// When the number of roots does not fit the size, or the size is beyond any real log. That
    /// the hashes are right cannot be seen here: compare [`Frontier::root`] with a trusted root.
    pub fn from_parts(size: u64, roots: Vec<Hash>) -> Result<Frontier, FrontierError> {
        // Half, so that a frontier from outside can never be filled up by appending.
        if size > TREE_SIZE_MAX / 2 {
            return Err(FrontierError::TooLarge(size));
        }
        if roots.len() != size.count_ones() as usize {
            return Err(FrontierError::RootCount { size, expected: size.count_ones(), found: roots.len() });
        }
        Ok(Frontier { size, roots })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest (leftmost) first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// The roots of the perfect subtrees with their places, largest first.
    pub fn nodes(&self) -> impl Iterator<Item = PerfectNode> + '_ {
        let mut start = 0;
        self.roots.iter().map(move |&hash| {
            let level = (self.size - start).ilog2() as u8;
            let node = PerfectNode { level, index: start >> level, hash };
            start += 1 << level;
            node
        })
    }

    /// The root of the whole tree (`MTH` of RFC 6962, 2.1).
    pub fn root(&self) -> Hash {
        fold_right_edge(&self.roots).unwrap_or(EMPTY_ROOT)
    }

    /// Appends a leaf, given its [`leaf_hash`](crate::hash::leaf_hash).
    pub fn push(&mut self, leaf: Hash) {
        self.push_reporting(leaf, |_| ());
    }

    /// Appends a leaf, and hands every perfect node that this completes to `report`: the leaf
    /// itself first, then upwards. Those are the nodes that a store has to keep.
    pub fn push_reporting(&mut self, leaf: Hash, mut report: impl FnMut(PerfectNode)) {
        assert!(self.size < TREE_SIZE_MAX, "a log never reaches 2^62 leaves");
        let mut node = PerfectNode { level: 0, index: self.size, hash: leaf };
        report(node);
        // Each bit set at the low end of the size is a subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("one root for each bit set in the size");
            node.hash = node_hash(&left, &node.hash);
            node.level += 1;
            node.index >>= 1;
            report(node);
        }
        self.roots.push(node.hash);
        self.size += 1;
    }
}

/// Joins adjacent subtrees, largest first, into one root; `None` when there are none.
pub(super) fn fold_right_edge(roots: &[Hash]) -> Option<Hash> {
    roots.iter().copied().rev().reduce(|right, left| node_hash(&left, &right))
}

impl TryFrom<(u64, Vec<Hash>)> for Frontier {
    type Error = FrontierError;

    fn try_from((size, roots): (u64, Vec<Hash>)) -> Result<Frontier, FrontierError> {
        Frontier::from_parts(size, roots)
    }
}

impl From<Frontier> for (u64, Vec<Hash>) {
    fn from(frontier: Frontier) -> (u64, Vec<Hash>) {
        (frontier.size, frontier.roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    /// `MTH` exactly as RFC 6962, 2.1 writes it.
    fn literal_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&literal_root(left), &literal_root(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size_up_to_300() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::new();
        for size in 0..leaves.len() {
            assert_eq!(frontier.root(), literal_root(&leaves[..size]), "size {size}");
            assert_eq!(Frontier::from_parts(size as u64, frontier.roots().to_vec()), Ok(frontier.clone()));
            frontier.push(leaves[size]);
        }
    }

    #[test]
    fn reported_nodes_are_the_perfect_subtrees_each_once() {
        let leaves: Vec<Hash> = (0..100u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::new();
        let mut reported = Vec::new();
        leaves.iter().for_each(|&leaf| frontier.push_reporting(leaf, |node| reported.push(node)));
        for node in &reported {
            let start = (node.index << node.level) as usize;
            assert_eq!(node.hash, literal_root(&leaves[start..start + (1 << node.level)]));
        }
        let expected: usize = (0..7).map(|level| 100 >> level).sum();
        assert_eq!(reported.len(), expected);
        assert!(frontier.nodes().all(|node| reported.contains(&node)));
        assert_eq!(frontier.nodes().map(|node| node.level).collect::<Vec<_>>(), [6, 5, 2]);
    }

    #[test]
    fn parts_that_do_not_fit_the_size_are_refused() {
        for (size, roots) in [(0, 1), (1, 0), (3, 1), (4, 2), (u64::MAX, 64), (TREE_SIZE_MAX, 1)] {
            assert!(Frontier::from_parts(size, vec![EMPTY_ROOT; roots]).is_err(), "{size} {roots}");
            let bytes = serde_cbor::to_vec(&(size, vec![EMPTY_ROOT; roots])).expect("serialises");
            assert!(serde_cbor::from_slice::<Frontier>(&bytes).is_err(), "{size} {roots}");
        }
    }

    #[test]
    fn serialised_as_a_pair() {
        let mut frontier = Frontier::new();
        (0..5u8).for_each(|n| frontier.push(leaf_hash(&[n])));
        let bytes = serde_cbor::to_vec(&frontier).expect("serialises");
        assert_eq!(bytes[..3], [0x82, 5, 0x82]);
        assert_eq!(serde_cbor::from_slice::<Frontier>(&bytes).expect("parses"), frontier);
    }
}
