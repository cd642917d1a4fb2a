//! Sums over the rows of the state: a row's checksum says that it is as it was written, and its tree's sum that it is there.
//!
//! sled may lose single rows over one flipped bit, or find earlier versions of them, without a word. Kept are, of each tree that is read
//! whole when a store is opened, the number of rows and the sum of their digests; in one row, written in the transaction that changes
//! them. This is against damage, not against somebody who writes a database: what such a one writes does not follow from the log.

use kvitto_ledger::codec::{decode_strict, encode};
use serde::{Deserialize, Serialize};

use super::keys;
use super::rows::Rows;
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};

/// The trees, each with whether rows in it are replaced. The keys of the others end with the height at which they were written.
const TREES: [(TreeName, bool); 8] = [
    (TreeName::Identifiers, false),
    (TreeName::Registrants, true),
    (TreeName::Accreditations, false),
    (TreeName::Children, true),
    (TreeName::Usage, true),
    (TreeName::StatusChunks, false),
    (TreeName::StatusNodes, false),
    (TreeName::StatusLeaves, false),
];

/// Longest row of sums: a head, and for each tree two numbers and a head.
const SUMS_BYTES_MAX: usize = 16 + 32 * TREES.len();

/// Of each of [`TREES`], in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums([Sum; TREES.len()]);

/// Number of rows, and the sum of their digests modulo 2^64, twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum(u64, u64, u64);

impl Sum {
    fn add(&mut self, tree: TreeName, key: &[u8], value: &[u8]) {
        let [first, second] = digest(tree, key, value);
        *self = Self(self.0.wrapping_add(1), self.1.wrapping_add(first), self.2.wrapping_add(second));
    }

    fn subtract(&mut self, tree: TreeName, key: &[u8], value: &[u8]) {
        let [first, second] = digest(tree, key, value);
        *self = Self(self.0.wrapping_sub(1), self.1.wrapping_sub(first), self.2.wrapping_sub(second));
    }
}

impl Sums {
    /// As the database says; damage where it does not.
    pub(super) fn read(trees: &Trees) -> Result<Self, StoreError> {
        let row = trees.row(TreeName::Meta, keys::SUMS)?.ok_or_else(|| Damage::missing("sums", ""))?;
        Ok(decode_strict(&row, SUMS_BYTES_MAX).map_err(|_| Damage::unreadable("sums", ""))?)
    }

    /// As they will be once these rows are written, and among these rows.
    pub(super) fn put(&self, trees: &Trees, rows: &mut Rows) -> Result<Self, StoreError> {
        let mut sums = self.clone();
        for ((tree, key), value) in rows.changes() {
            let Some(at) = TREES.iter().position(|(summed, _)| summed == tree) else { continue };
            if TREES[at].1
                && let Some(before) = trees.raw(*tree, key)?
            {
                sums.0[at].subtract(*tree, key, &before);
            }
            if let Some(value) = value {
                sums.0[at].add(*tree, key, value);
            }
        }
        rows.put(TreeName::Meta, keys::SUMS.to_vec(), &encode(&sums));
        Ok(sums)
    }

    /// Reads every row of the trees: each is as it was written, and none is missing.
    pub(super) fn check(&self, trees: &Trees) -> Result<(), StoreError> {
        for ((tree, _), expected) in TREES.into_iter().zip(self.0) {
            let mut found = Sum::default();
            for row in trees.scan_values(tree, ..) {
                let (key, value) = row?;
                found.add(tree, &key, &value);
            }
            if found != expected {
                return Err(Damage::Sum { what: tree.name() }.into());
            }
        }
        Ok(())
    }
}

fn digest(tree: TreeName, key: &[u8], value: &[u8]) -> [u64; 2] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tree as u8]);
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let digest = hasher.finalize();
    let half = |at: usize| u64::from_be_bytes(std::array::from_fn(|byte| digest.as_bytes()[at + byte]));
    [half(0), half(8)]
}
