//! That consecutive leaves stand in a tree, from the inclusion proofs (RFC 6962, 2.1.1) of the first and the last of them.
//!
//! ```text
//!            root            the path of the first leaf brings what lies to the left of the range (L),
//!          ┌──┴───┐          the path of the last one what lies to its right (R);
//!        ┌─┴─┐  ┌─┴─┐        everything between is hashed from the leaves
//!        L  ┌┴┐┌┴┐  R
//!           f …… l
//! ```

use kvitto_merkle::log::{InclusionProof, ProofError};
use kvitto_merkle::{Frontier, Hash};

/// Consecutive leaves of a tree.
pub(crate) struct Range<'a> {
    /// Index of the first one.
    pub(crate) first: u64,
    /// Their hashes; not empty.
    pub(crate) leaves: &'a [Hash],
}

impl Range<'_> {
    /// Checks that the leaves stand in the tree with this `size` and `root`.
    pub(crate) fn verify(
        &self,
        size: u64,
        root: &Hash,
        first_path: &InclusionProof,
        last_path: &InclusionProof,
    ) -> Result<(), ProofError> {
        let count = self.leaves.len() as u64;
        let end = self.first.checked_add(count).filter(|end| *end <= size && count > 0);
        let end = end.ok_or(ProofError::IndexOutOfRange { index: self.first.saturating_add(count), size })?;
        let found = self.subtree((0, size), end, first_path.hashes(), last_path.hashes());
        match found {
            None => Err(ProofError::WrongLength(first_path.hashes().len().max(last_path.hashes().len()))),
            Some(found) if found == *root => Ok(()),
            Some(_) => Err(ProofError::RootMismatch),
        }
    }

    /// Root of the subtree over leaves `from..to`, which holds at least one of ours; `None` where a path is too short.
    ///
    /// `left` and `right` are the parts, below this subtree, of the paths of our first and last leaf; used where those are in it.
    fn subtree(&self, (from, to): (u64, u64), end: u64, left: &[Hash], right: &[Hash]) -> Option<Hash> {
        if self.first <= from && to <= end {
            return self.inner(from, to);
        }
        let split = from + (to - from).next_power_of_two() / 2;
        let (left_sibling, left_below) = step(left, self.first >= from);
        let (right_sibling, right_below) = step(right, end <= to);
        let lower = match split <= self.first {
            true => left_sibling?,
            false => self.subtree((from, split), end, left_below, right_below)?,
        };
        let upper = match split >= end {
            true => right_sibling?,
            false => self.subtree((split, to), end, left_below, right_below)?,
        };
        Some(kvitto_merkle::node_hash(&lower, &upper))
    }

    fn inner(&self, from: u64, to: u64) -> Option<Hash> {
        let start = usize::try_from(from - self.first).ok()?;
        let stop = usize::try_from(to - self.first).ok()?;
        let mut frontier = Frontier::new();
        self.leaves.get(start..stop)?.iter().for_each(|leaf| frontier.push(*leaf));
        Some(frontier.root())
    }
}

/// Goes one level down a path whose leaf is in the subtree: the sibling at this level, and what is left.
fn step(path: &[Hash], is_inside: bool) -> (Option<Hash>, &[Hash]) {
    match (is_inside, path.split_last()) {
        (true, Some((sibling, below))) => (Some(*sibling), below),
        _ => (None, path),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use kvitto_merkle::leaf_hash;
    use kvitto_merkle::log::{NodeSource, inclusion_path};

    use super::*;

    struct Nodes(BTreeMap<(u8, u64), Hash>);

    impl NodeSource for Nodes {
        type Error = Infallible;

        fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
            Ok(self.0[&(level, index)])
        }
    }

    fn tree(size: u64) -> (Vec<Hash>, Nodes, Hash) {
        let leaves: Vec<Hash> = (0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect();
        let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
        for leaf in &leaves {
            frontier.push_reporting(*leaf, |node| {
                nodes.insert((node.level, node.index), node.hash);
            });
        }
        (leaves, Nodes(nodes), frontier.root())
    }

    fn slice(leaves: &[Hash], first: u64, end: u64) -> Range<'_> {
        Range { first, leaves: &leaves[first as usize..end as usize] }
    }

    #[test]
    fn every_range_of_small_trees_is_shown_by_two_paths() {
        for size in 1..=20 {
            let (leaves, nodes, root) = tree(size);
            let path = |index| inclusion_path(&nodes, index, size).expect("in the tree");
            for first in 0..size {
                for end in first + 1..=size {
                    let range = slice(&leaves, first, end);
                    assert_eq!(
                        range.verify(size, &root, &path(first), &path(end - 1)),
                        Ok(()),
                        "{first}..{end}/{size}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_changed_moved_or_missing_leaf_is_not_shown() {
        for size in [2, 5, 8, 13] {
            let (leaves, nodes, root) = tree(size);
            let path = |index| inclusion_path(&nodes, index, size).expect("in the tree");
            for first in 0..size {
                for end in first + 1..=size {
                    let (left, right) = (path(first), path(end - 1));
                    for changed in first..end {
                        let mut forged = leaves.clone();
                        forged[changed as usize].0[7] ^= 1;
                        assert!(slice(&forged, first, end).verify(size, &root, &left, &right).is_err());
                    }
                    let moved = Range { first: first + 1, leaves: &leaves[first as usize..end as usize] };
                    assert!(moved.verify(size, &root, &left, &right).is_err(), "{first}..{end}/{size}");
                    let short = Range { first, leaves: &leaves[first as usize..end as usize - 1] };
                    assert!(short.verify(size, &root, &left, &right).is_err(), "{first}..{end}/{size}");
                }
            }
        }
    }
}
