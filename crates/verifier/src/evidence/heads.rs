//! Two checkpoints that cannot both be true: two signed heads and, for unequal sizes, the root that the larger tree has at the
//! smaller size, with a proof (RFC 9162, 2.1.4) that this root leads to the larger one.

use std::collections::BTreeSet;

use kvitto_merkle::log::{ConsistencyProof, verify_consistency};
use kvitto_merkle::note::{NoteError, VerifierKey, verify_note};
use kvitto_merkle::{Checkpoint, Hash, Note};
use serde::{Deserialize, Serialize};

use super::{Act, EvidenceError, Misconduct};
use crate::json::{self, base64_hashes};
use crate::trust::{TrustFile, verify_strict};

/// Two checkpoints of one ledger that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConflictingCheckpoints {
    /// The checkpoint of the smaller tree, or either one where the sizes are equal.
    #[serde(with = "json::text")]
    pub smaller: Note,
    /// The other one.
    #[serde(with = "json::text")]
    pub larger: Note,
    /// For unequal sizes: what the larger tree has instead of the smaller one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<OtherBeginning>,
}

/// The beginning of the larger tree, which is not the smaller tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherBeginning {
    /// Root of the larger tree's first leaves, as many as the smaller tree has.
    pub root: Hash,
    /// From that root to the larger one, in base64.
    #[serde(with = "base64_hashes")]
    pub path: ConsistencyProof,
}

impl ConflictingCheckpoints {
    /// Names the members that signed both. A log line and a cosignature count alike.
    pub(super) fn check(&self, trust: &TrustFile) -> Result<Misconduct, EvidenceError> {
        let (smaller, larger) = (checkpoint(&self.smaller, trust)?, checkpoint(&self.larger, trust)?);
        check_conflict(&smaller, &larger, self.proof.as_ref())?;
        let first = signers(&self.smaller, trust)?;
        let second = signers(&self.larger, trust)?;
        let members: Vec<String> = first.intersection(&second).map(|name| (*name).to_owned()).collect();
        if members.is_empty() {
            return Err(EvidenceError::NoMemberInBoth);
        }
        let act = Act::Checkpoints { smaller_size: smaller.size, larger_size: larger.size };
        Ok(Misconduct { members, act })
    }
}

fn checkpoint(note: &Note, trust: &TrustFile) -> Result<Checkpoint, EvidenceError> {
    let checkpoint: Checkpoint = note.text().parse().map_err(|_| EvidenceError::CheckpointMalformed)?;
    if checkpoint.origin.as_str() == trust.origin() {
        Ok(checkpoint)
    } else {
        Err(EvidenceError::OtherLedger)
    }
}

fn check_conflict(
    smaller: &Checkpoint,
    larger: &Checkpoint,
    proof: Option<&OtherBeginning>,
) -> Result<(), EvidenceError> {
    if smaller.size > larger.size {
        return Err(EvidenceError::Order);
    }
    if smaller.size == larger.size {
        return match (smaller.root == larger.root, proof) {
            (true, _) => Err(EvidenceError::NoConflict),
            (false, None) => Ok(()),
            (false, Some(_)) => Err(EvidenceError::NotShown),
        };
    }
    let proof = proof.ok_or(EvidenceError::NotShown)?;
    verify_consistency(smaller.size, &proof.root, larger.size, &larger.root, &proof.path)
        .map_err(|_| EvidenceError::NotShown)?;
    if proof.root == smaller.root { Err(EvidenceError::NoConflict) } else { Ok(()) }
}

/// The members of all epochs whose signature is on a note.
fn signers<'a>(note: &Note, trust: &'a TrustFile) -> Result<BTreeSet<&'a str>, EvidenceError> {
    let known: Vec<(&VerifierKey, &str)> =
        trust.epochs().iter().flat_map(|epoch| epoch.checkpoint_keys()).collect();
    let keys: Vec<VerifierKey> = known.iter().map(|(key, _)| (*key).clone()).collect();
    // Without a known signature nobody signed it, which is not a fault of the note.
    let verified = match verify_note(note, &keys, &verify_strict) {
        Ok(verified) => verified,
        Err(NoteError::NoKnownSignature) => Vec::new(),
        Err(_) => return Err(EvidenceError::BadSignature),
    };
    let name = |key: &VerifierKey| known.iter().find(|(known, _)| *known == key).map(|(_, name)| *name);
    Ok(verified.iter().filter_map(|signature| name(&signature.key)).collect())
}
