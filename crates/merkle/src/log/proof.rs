//! Proofs about the log, and their checks as written in RFC 9162, 2.1.3.2 and 2.1.4.2.

use serde::{Deserialize, Serialize};

use crate::hash::{Hash, node_hash};

/// The most hashes a proof may have: enough for every tree of up to 2^62 leaves.
pub const PROOF_HASHES_MAX: usize = 63;

/// The sibling hashes of a leaf, from the leaf up; at most [`PROOF_HASHES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Hash>", into = "Vec<Hash>")]
pub struct InclusionProof(Vec<Hash>);

/// The hashes that tie an older tree to a newer one; at most [`PROOF_HASHES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Hash>", into = "Vec<Hash>")]
pub struct ConsistencyProof(Vec<Hash>);

/// A proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf's index is not below the size of the tree.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    IndexOutOfRange {
        /// The leaf's zero-based index.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older tree is empty, or larger than the newer one.
    #[error("a tree of {old} leaves cannot be shown to be the beginning of one of {new}")]
    SizesOutOfRange {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// The proof has not as many hashes as its tree sizes require.
    #[error("a proof of {0} hashes has the wrong length")]
    WrongLength(usize),
    /// The hashes lead to another root than the (newer) given one.
    #[error("the proof leads to another root")]
    RootMismatch,
    /// The hashes lead to another root of the older tree than the given one.
    #[error("the proof leads to another root of the older tree")]
    OldRootMismatch,
}

/// Checks that the leaf at `index` is in the tree with this `size` and `root`.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &InclusionProof,
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let wrong_length = ProofError::WrongLength(proof.0.len());
    let (mut first, mut last, mut result) = (index, size - 1, *leaf);
    for sibling in &proof.0 {
        if last == 0 {
            return Err(wrong_length);
        }
        if first & 1 == 1 || first == last {
            result = node_hash(sibling, &result);
            skip_lone_levels(&mut first, &mut last);
        } else {
            result = node_hash(&result, sibling);
        }
        first >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if result == *root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Checks that the tree of `old_size` leaves is the beginning of the tree of `new_size` leaves.
///
/// An older tree of size 0 is refused, also against another empty tree: every tree begins with it,
/// so a proof about it says nothing and a caller who asks has made a mistake.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &ConsistencyProof,
) -> Result<(), ProofError> {
    if old_size == 0 || old_size > new_size {
        return Err(ProofError::SizesOutOfRange { old: old_size, new: new_size });
    }
    let wrong_length = ProofError::WrongLength(proof.0.len());
    if old_size == new_size {
        if !proof.0.is_empty() {
            return Err(wrong_length);
        }
        return if old_root == new_root { Ok(()) } else { Err(ProofError::RootMismatch) };
    }
    // A perfect older tree is its own first hash, so the proof leaves it out.
    let (start, rest) = if old_size.is_power_of_two() && !proof.0.is_empty() {
        (old_root, &proof.0[..])
    } else {
        proof.0.split_first().ok_or(wrong_length)?
    };
    let (mut first, mut last) = (old_size - 1, new_size - 1);
    let complete_levels = first.trailing_ones();
    first >>= complete_levels;
    last >>= complete_levels;
    let (mut old_result, mut new_result) = (*start, *start);
    for hash in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if first & 1 == 1 || first == last {
            old_result = node_hash(hash, &old_result);
            new_result = node_hash(hash, &new_result);
            skip_lone_levels(&mut first, &mut last);
        } else {
            new_result = node_hash(&new_result, hash);
        }
        first >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if new_result != *new_root {
        return Err(ProofError::RootMismatch);
    }
    if old_result == *old_root { Ok(()) } else { Err(ProofError::OldRootMismatch) }
}

/// At the right edge a subtree without a sibling moves up unchanged until it is a right child.
fn skip_lone_levels(first: &mut u64, last: &mut u64) {
    while *first & 1 == 0 && *first != 0 {
        *first >>= 1;
        *last >>= 1;
    }
}

macro_rules! bounded_hashes {
    ($name:ident) => {
        impl $name {
            /// A proof from hashes in order.
            ///
            /// # Errors
            /// [`ProofError::WrongLength`] when there are more than [`PROOF_HASHES_MAX`].
            pub fn new(hashes: Vec<Hash>) -> Result<$name, ProofError> {
                if hashes.len() > PROOF_HASHES_MAX {
                    return Err(ProofError::WrongLength(hashes.len()));
                }
                Ok($name(hashes))
            }

            /// The hashes in order.
            pub fn hashes(&self) -> &[Hash] {
                &self.0
            }

            /// A proof made by descending a tree, which bounds its length.
            pub(super) fn from_descent(hashes: Vec<Hash>) -> $name {
                assert!(hashes.len() <= PROOF_HASHES_MAX, "a tree has at most 2^62 leaves");
                $name(hashes)
            }
        }

        impl TryFrom<Vec<Hash>> for $name {
            type Error = ProofError;

            fn try_from(hashes: Vec<Hash>) -> Result<$name, ProofError> {
                $name::new(hashes)
            }
        }

        impl From<$name> for Vec<Hash> {
            fn from(proof: $name) -> Vec<Hash> {
                proof.0
            }
        }
    };
}

bounded_hashes!(InclusionProof);
bounded_hashes!(ConsistencyProof);
