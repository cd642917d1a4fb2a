//! The tree of the checkpoint, as the only source of records.

use kvitto_ledger::Record;
use kvitto_merkle::log::{InclusionProof, verify_inclusion};
use kvitto_merkle::{Hash, leaf_hash};

use crate::receipt::LeafProof;
use crate::refusal::{Leaf, Refusal};

/// Size and root, from the signed text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    pub(super) size: u64,
    pub(super) root: Hash,
}

impl Tree {
    /// The record with these bytes, if it stands at `index` of the tree.
    pub(super) fn record(
        &self,
        leaf: Leaf,
        bytes: &[u8],
        index: u64,
        path: &InclusionProof,
    ) -> Result<Record, Refusal> {
        verify_inclusion(&leaf_hash(bytes), index, self.size, path, &self.root)
            .map_err(|_| Refusal::LeafNotIncluded { leaf })?;
        Record::decode(bytes).map_err(|_| Refusal::LeafMalformed { leaf })
    }

    /// The record of a leaf with its place and path.
    pub(super) fn proven(&self, leaf: Leaf, proof: &LeafProof) -> Result<Record, Refusal> {
        self.record(leaf, &proof.leaf, proof.index, &proof.path)
    }
}

/// The body of a record that must be of one type.
macro_rules! body_of {
    ($record:expr, $type:ident, $leaf:expr) => {{
        let record: kvitto_ledger::Record = $record;
        match record.body {
            kvitto_ledger::RecordBody::$type(body) => body,
            other => {
                return Err(Refusal::LeafOfOtherType { leaf: $leaf, found: other.record_type() });
            }
        }
    }};
}
pub(super) use body_of;
