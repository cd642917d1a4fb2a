//! The RFC 6962 tree of the log (section 2.1; the same as RFC 9162, 2.1.1): growing it, making
//! proofs from stored nodes, and checking proofs.
//!
//! A *perfect node* `(level, index)` is the root of a full subtree: it covers the leaves
//! `[index * 2^level, (index + 1) * 2^level)`. Level 0 are the leaf hashes. Perfect nodes never
//! change once they exist, so they are what is stored; every other hash is computed from them.

mod frontier;
mod proof;
mod source;

pub use frontier::{Frontier, FrontierError};
pub use proof::{
    ConsistencyProof, InclusionProof, PROOF_HASHES_MAX, ProofError, verify_consistency, verify_inclusion,
};
pub use source::{NodeSource, ProveError, consistency_path, inclusion_path, root_at};

use crate::hash::Hash;

/// The most leaves a tree may have: no proof in it is longer than [`PROOF_HASHES_MAX`]. (A consistency
/// proof may descend to a leaf and then add the leaf itself, hence 2^62 and not 2^63.)
pub const TREE_SIZE_MAX: u64 = 1 << 62;

/// The root of a perfect subtree together with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerfectNode {
    /// Height above the leaves; the node covers `2^level` leaves.
    pub level: u8,
    /// Zero-based place among the nodes of this level.
    pub index: u64,
    /// The subtree's root.
    pub hash: Hash,
}
