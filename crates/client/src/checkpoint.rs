//! A checkpoint that a quorum of the ledger's members signed (RULES 3.3, 8.2).
//!
//! Specifications: C2SP tlog-checkpoint, tlog-cosignature. A checkpoint alone does not say which configuration was in force: that
//! the trust file is not out of date shows only with a `Block` leaf, as in receipts and registry proofs.

use kvitto_merkle::{Checkpoint, Note};
use kvitto_verifier::{Refusal, Signed, TrustFile, signed_by_quorum};

/// With a tree of one leaf a path is empty, so nothing would be shown.
const TREE_SIZE_MIN: u64 = 2;

/// A signed tree head: quorum checked, and time of the q-th newest cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    note: Note,
    tree: Checkpoint,
    signed: Signed,
}

impl VerifiedCheckpoint {
    /// Checks a note at the time `at_s` (seconds since 1970-01-01T00:00:00Z).
    ///
    /// # Errors
    /// [`Refusal`]: no checkpoint of this ledger, no quorum, a bad signature, or one from the future.
    pub fn verify(note: Note, trust: &TrustFile, at_s: u64) -> Result<Self, Refusal> {
        let tree: Checkpoint = note.text().parse().map_err(|_| Refusal::CheckpointMalformed)?;
        if tree.origin.as_str() != trust.origin() {
            return Err(Refusal::OtherLedger { ledger_id: trust.ledger_id() });
        }
        if tree.size < TREE_SIZE_MIN {
            return Err(Refusal::TreeTooSmall { size: tree.size });
        }
        let signed = signed_by_quorum(&note, trust.epoch_at(tree.size), at_s)?;
        Ok(Self { note, tree, signed })
    }

    /// The signed note, to keep or to show.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Whose log, how large, which root.
    pub fn tree(&self) -> &Checkpoint {
        &self.tree
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.tree.size
    }

    /// The q-th largest time of the members' cosignatures: nothing final before it is missing.
    pub fn fresh_at_s(&self) -> u64 {
        self.signed.fresh_at_s
    }

    /// The members that cosigned, in the order of their first lines.
    pub fn signed_by(&self) -> &[String] {
        &self.signed.members
    }
}
