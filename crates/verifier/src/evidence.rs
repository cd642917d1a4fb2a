//! Evidence that members contradicted themselves (RULES 3.4): one file that everybody can check. `EVIDENCE.md` describes it.
//!
//! Whoever has it needs nobody's word, only a trust file: both things that a member signed are in it, and the check rebuilds the
//! bytes that were signed.

mod heads;
mod messages;

use std::fmt;

use kvitto_ledger::{HeaderId, Height, LedgerId};
use kvitto_merkle::{Hash, sha256};
use serde::{Deserialize, Serialize};

use crate::json::{self, JsonError, format_tag};
use crate::trust::TrustFile;

pub use heads::{ConflictingCheckpoints, OtherBeginning};
pub use messages::{Conflicting, ConflictingProposals, ConflictingVotes, Proposal, Vote};

/// Longest evidence file, in bytes: two notes and a proof.
pub const EVIDENCE_BYTES_MAX: usize = 512 * 1024;

format_tag! {
    /// `"kvitto/evidence/v1"`.
    EvidenceFormat = "kvitto/evidence/v1"
}

/// Two things that a member signed though they contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Evidence {
    /// The ledger that they are about.
    pub ledger_id: LedgerId,
    /// Both.
    pub contradiction: Contradiction,
}

/// Two things that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Checkpoints that cannot both be true.
    Checkpoints(ConflictingCheckpoints),
    /// Prevotes in one round.
    Prevotes(ConflictingVotes),
    /// Precommits in one round.
    Precommits(ConflictingVotes),
    /// Proposals for one round.
    Proposals(ConflictingProposals),
}

/// As it is written: exactly one of the four is there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: EvidenceFormat,
    ledger_id: LedgerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoints: Option<ConflictingCheckpoints>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prevotes: Option<ConflictingVotes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precommits: Option<ConflictingVotes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposals: Option<ConflictingProposals>,
}

/// Why a file is no evidence, in the order in which it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is about another ledger.
    #[error("it is not about the ledger of the trust file")]
    OtherLedger,
    /// A text is not a checkpoint.
    #[error("a signed text is not a checkpoint")]
    CheckpointMalformed,
    /// The first tree is larger than the second.
    #[error("the first tree is larger than the second")]
    Order,
    /// Both can be true: equal messages, equal roots, or the smaller tree is the beginning of the larger one.
    #[error("the two do not contradict each other")]
    NoConflict,
    /// For unequal sizes there is no proof, or it does not lead to the larger root; or there is one for equal sizes.
    #[error("nothing shows that the smaller tree is not the beginning of the larger one")]
    NotShown,
    /// The key is no member's, in any epoch of the trust file.
    #[error("the key is not the consensus key of a member that the trust file knows")]
    UnknownMember,
    /// A signature with a member's key does not verify.
    #[error("a signature of a member does not verify")]
    BadSignature,
    /// No member signed both.
    #[error("no member signed both checkpoints")]
    NoMemberInBoth,
}

impl EvidenceError {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::OtherLedger,
        Self::CheckpointMalformed,
        Self::Order,
        Self::NoConflict,
        Self::NotShown,
        Self::UnknownMember,
        Self::BadSignature,
        Self::NoMemberInBoth,
    ];

    /// The stable name of this reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OtherLedger => "OTHER_LEDGER",
            Self::CheckpointMalformed => "CHECKPOINT_MALFORMED",
            Self::Order => "ORDER",
            Self::NoConflict => "NO_CONFLICT",
            Self::NotShown => "NOT_SHOWN",
            Self::UnknownMember => "UNKNOWN_MEMBER",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::NoMemberInBoth => "NO_MEMBER_IN_BOTH",
        }
    }
}

/// What is proved: who did it, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misconduct {
    /// The members' names, in alphabetical order; never none.
    pub members: Vec<String>,
    /// What each of them did.
    #[serde(flatten)]
    pub act: Act,
}

/// What a member did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Act {
    /// Signed two histories.
    Checkpoints {
        /// Leaves of the smaller tree.
        smaller_size: u64,
        /// Leaves of the larger one, or as many.
        larger_size: u64,
    },
    /// Prevoted twice.
    Prevotes(Twice<Option<HeaderId>>),
    /// Precommitted twice.
    Precommits(Twice<Option<HeaderId>>),
    /// Proposed twice.
    Proposals(Twice<HeaderId>),
}

/// One round in which something was said twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Twice<T> {
    /// Number of the block that was to be decided.
    pub height: Height,
    /// The round, from 0.
    pub round: u32,
    /// What for; for votes, `None` is nil.
    pub first: T,
    /// What else for. Proposals of one block twice name different rounds in which it was locked.
    pub second: T,
}

impl Evidence {
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

    /// What nodes call a file of evidence by: the SHA-256 of its bytes.
    pub fn id(file: &[u8]) -> Hash {
        sha256(&[file])
    }

    /// `checkpoints`, `prevotes`, `precommits` or `proposals`.
    pub fn kind(&self) -> &'static str {
        match self.contradiction {
            Contradiction::Checkpoints(_) => "checkpoints",
            Contradiction::Prevotes(_) => "prevotes",
            Contradiction::Precommits(_) => "precommits",
            Contradiction::Proposals(_) => "proposals",
        }
    }

    /// Checks the evidence, and names the members.
    ///
    /// Keys of every epoch count: whoever signs something answers for it, also after the member has left.
    ///
    /// # Errors
    /// [`EvidenceError`]: it is no evidence.
    pub fn check(&self, trust: &TrustFile) -> Result<Misconduct, EvidenceError> {
        let ledger = &self.ledger_id;
        if *ledger != trust.ledger_id() {
            return Err(EvidenceError::OtherLedger);
        }
        match &self.contradiction {
            Contradiction::Checkpoints(checkpoints) => checkpoints.check(trust),
            Contradiction::Prevotes(votes) => {
                let member = votes.check(trust, &votes.messages(ledger, 1))?;
                Ok(Misconduct { members: vec![member], act: Act::Prevotes(votes.twice(|vote| vote.block)) })
            }
            Contradiction::Precommits(votes) => {
                let member = votes.check(trust, &votes.messages(ledger, 2))?;
                Ok(Misconduct { members: vec![member], act: Act::Precommits(votes.twice(|vote| vote.block)) })
            }
            Contradiction::Proposals(proposals) => {
                let member = proposals.check(trust, &proposals.messages(ledger))?;
                let act = Act::Proposals(proposals.twice(|proposal| proposal.block));
                Ok(Misconduct { members: vec![member], act })
            }
        }
    }
}

impl From<Evidence> for File {
    fn from(evidence: Evidence) -> Self {
        let (format, ledger_id) = (EvidenceFormat, evidence.ledger_id);
        let none =
            Self { format, ledger_id, checkpoints: None, prevotes: None, precommits: None, proposals: None };
        match evidence.contradiction {
            Contradiction::Checkpoints(checkpoints) => Self { checkpoints: Some(checkpoints), ..none },
            Contradiction::Prevotes(votes) => Self { prevotes: Some(votes), ..none },
            Contradiction::Precommits(votes) => Self { precommits: Some(votes), ..none },
            Contradiction::Proposals(proposals) => Self { proposals: Some(proposals), ..none },
        }
    }
}

impl TryFrom<File> for Evidence {
    type Error = &'static str;

    fn try_from(file: File) -> Result<Self, &'static str> {
        let contradiction = match (file.checkpoints, file.prevotes, file.precommits, file.proposals) {
            (Some(checkpoints), None, None, None) => Contradiction::Checkpoints(checkpoints),
            (None, Some(votes), None, None) => Contradiction::Prevotes(votes),
            (None, None, Some(votes), None) => Contradiction::Precommits(votes),
            (None, None, None, Some(proposals)) => Contradiction::Proposals(proposals),
            _ => return Err("evidence is of exactly one kind"),
        };
        Ok(Self { ledger_id: file.ledger_id, contradiction })
    }
}

impl fmt::Display for Misconduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.join(", ");
        let name = |block: &Option<HeaderId>| block.map_or("nothing".to_owned(), |id| format!("block {id}"));
        let voted = |f: &mut fmt::Formatter<'_>, verb: &str, twice: &Twice<Option<HeaderId>>| {
            let Twice { height, round, first, second } = twice;
            let (first, second) = (name(first), name(second));
            write!(
                f,
                "{members} {verb} twice at height {height}, round {round}: for {first} and for {second}"
            )
        };
        match &self.act {
            Act::Checkpoints { smaller_size, larger_size } => write!(
                f,
                "{members} signed two histories: trees of {smaller_size} and {larger_size} leaves, of which one is not the \
                 beginning of the other"
            ),
            Act::Prevotes(twice) => voted(f, "prevoted", twice),
            Act::Precommits(twice) => voted(f, "precommitted", twice),
            Act::Proposals(Twice { height, round, first, second }) if first == second => write!(
                f,
                "{members} proposed block {first} twice at height {height}, round {round}, as locked in different rounds"
            ),
            Act::Proposals(Twice { height, round, first, second }) => write!(
                f,
                "{members} proposed twice at height {height}, round {round}: block {first} and block {second}"
            ),
        }
    }
}
