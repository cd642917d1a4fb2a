//! A checkpoint that a quorum of the ledger's members signed (RULES 3.3, 8.2).
//!
//! Specifications: C2SP tlog-checkpoint, tlog-cosignature. A checkpoint alone does not say which configuration was in force: that
//! the trust file is not out of date shows only with a `Block` leaf, as in receipts and registry proofs.

use kvitto_merkle::note::NoteError;
use kvitto_merkle::{Checkpoint, Note};
use kvitto_verifier::{Refusal, TrustFile};

/// With a tree of one leaf a path is empty, so nothing would be shown.
const TREE_SIZE_MIN: u64 = 2;
/// How far ahead of the given time a cosignature may be, for clocks that differ.
const AHEAD_S_MAX: u64 = 60;

/// A signed tree head: quorum checked, and time of the q-th newest cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    note: Note,
    tree: Checkpoint,
    fresh_at_s: u64,
    signed_by: Vec<String>,
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
        let epoch = trust.epoch_at(tree.size);
        let needed = epoch.config().quorum();
        let cosignatures = match epoch.cosignatures(&note) {
            Ok(cosignatures) => cosignatures,
            Err(NoteError::BadSignature { name, .. } | NoteError::AmbiguousKey { name, .. }) => {
                return Err(Refusal::BadCosignature { member: name.to_string() });
            }
            Err(NoteError::NoKnownSignature) => Vec::new(),
        };
        if cosignatures.len() < needed {
            return Err(Refusal::NoQuorum { signed: cosignatures.len(), needed });
        }
        let latest_s = at_s.saturating_add(AHEAD_S_MAX);
        let counted: Vec<_> = cosignatures.into_iter().filter(|one| one.timestamp_s <= latest_s).collect();
        let mut times: Vec<u64> = counted.iter().map(|one| one.timestamp_s).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let fresh_at_s = *times.get(needed - 1).ok_or(Refusal::FromTheFuture)?;
        let signed_by = counted.into_iter().map(|one| one.member).collect();
        Ok(Self { note, tree, fresh_at_s, signed_by })
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
        self.fresh_at_s
    }

    /// The members that cosigned, in the order of their lines.
    pub fn signed_by(&self) -> &[String] {
        &self.signed_by
    }
}
