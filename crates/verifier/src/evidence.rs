//! Evidence that members signed two histories: two checkpoints that cannot both be true (RULES 3.4).
//!
//! Whoever has it needs nobody's word: it is two signed heads and, for unequal sizes, the root that the larger tree has at the
//! smaller size, with a proof (RFC 9162, 2.1.4) that this root leads to the larger one.

use std::collections::BTreeSet;

use kvitto_merkle::log::{ConsistencyProof, verify_consistency};
use kvitto_merkle::note::{VerifierKey, verify_note};
use kvitto_merkle::{Checkpoint, Hash, Note};
use serde::{Deserialize, Serialize};

use crate::json::{self, JsonError, base64_hashes, format_tag};
use crate::trust::{TrustFile, verify_strict};

/// Longest evidence file, in bytes: two notes and a proof.
pub const EVIDENCE_BYTES_MAX: usize = 512 * 1024;

format_tag! {
    /// `"kvitto/conflicting-checkpoints/v1"`.
    pub EvidenceFormat = "kvitto/conflicting-checkpoints/v1"
}

/// Two checkpoints of one ledger that cannot both be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConflictingCheckpoints {
    /// Name and version of the format.
    pub format: EvidenceFormat,
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

/// Why two checkpoints are no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A text is not a checkpoint.
    #[error("a signed text is not a checkpoint")]
    CheckpointMalformed,
    /// A checkpoint is of another ledger.
    #[error("a checkpoint is not of the ledger of the trust file")]
    OtherLedger,
    /// The first tree is larger than the second.
    #[error("the first tree is larger than the second")]
    Order,
    /// Both can be true: equal roots, or the smaller tree is the beginning of the larger one.
    #[error("the checkpoints do not contradict each other")]
    NoConflict,
    /// For unequal sizes there is no proof, or it does not lead to the larger root; or there is one for equal sizes.
    #[error("nothing shows that the smaller tree is not the beginning of the larger one")]
    NotShown,
    /// A line of a member's key does not verify.
    #[error("a signature of a member does not verify")]
    BadSignature,
    /// No member signed both.
    #[error("no member signed both checkpoints")]
    NoMemberInBoth,
}

impl EvidenceError {
    /// The stable name of this reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::CheckpointMalformed => "CHECKPOINT_MALFORMED",
            Self::OtherLedger => "OTHER_LEDGER",
            Self::Order => "ORDER",
            Self::NoConflict => "NO_CONFLICT",
            Self::NotShown => "NOT_SHOWN",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::NoMemberInBoth => "NO_MEMBER_IN_BOTH",
        }
    }
}

impl ConflictingCheckpoints {
    /// Reads an evidence file of at most [`EVIDENCE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, JsonError> {
        json::read_strict(bytes, EVIDENCE_BYTES_MAX)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// Checks the evidence, and names the members that signed both, in alphabetical order; never none.
    ///
    /// A log line and a cosignature count alike, and so do keys of every epoch: whoever signs a tree answers for it.
    ///
    /// # Errors
    /// [`EvidenceError`]: it is no evidence.
    pub fn check(&self, trust: &TrustFile) -> Result<Vec<String>, EvidenceError> {
        let (smaller, larger) = (checkpoint(&self.smaller, trust)?, checkpoint(&self.larger, trust)?);
        check_conflict(&smaller, &larger, self.proof.as_ref())?;
        let first = signers(&self.smaller, trust)?;
        let second = signers(&self.larger, trust)?;
        let both: Vec<String> = first.intersection(&second).map(|name| (*name).to_owned()).collect();
        if both.is_empty() { Err(EvidenceError::NoMemberInBoth) } else { Ok(both) }
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
        Err(kvitto_merkle::note::NoteError::NoKnownSignature) => Vec::new(),
        Err(_) => return Err(EvidenceError::BadSignature),
    };
    let name = |key: &VerifierKey| known.iter().find(|(known, _)| *known == key).map(|(_, name)| *name);
    Ok(verified.iter().filter_map(|signature| name(&signature.key)).collect())
}
