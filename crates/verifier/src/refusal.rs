//! Why a receipt proves nothing: one stable reason for every sentence of the rules that it breaks.

use std::fmt;

use kvitto_ledger::LedgerId;
use kvitto_ledger::credential::CredentialError;
use kvitto_ledger::record::RecordType;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::json::JsonError;
use crate::verdict::Overall;

/// Why a receipt proves nothing, in the order in which it is checked; the first that applies is the answer.
///
/// Scripts branch on [`Refusal::reason`], which never changes; people read the message. Neither holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file is longer than [`RECEIPT_BYTES_MAX`](crate::receipt::RECEIPT_BYTES_MAX).
    #[error("the receipt is too large: {0}")]
    ReceiptTooLarge(JsonError),
    /// The file is not a receipt of this version.
    #[error("the file is not a receipt that can be read: {0}")]
    ReceiptMalformed(JsonError),

    // One checkpoint, its ledger and its epoch (RULES 8.1).
    /// The signed text is not a checkpoint of three lines.
    #[error("the signed text is not a checkpoint")]
    CheckpointMalformed,
    /// The tlog-proof carries extra bytes, which nobody signs.
    #[error("the proof carries extra bytes that nobody signed")]
    ProofExtra,
    /// The checkpoint is of another ledger than the trust file.
    #[error("the checkpoint is not of the ledger {ledger_id} that the trust file is about")]
    OtherLedger {
        /// The ledger of the trust file.
        ledger_id: LedgerId,
    },
    /// The tree has fewer than two leaves.
    #[error("a tree of {size} leaves holds no receipt")]
    TreeTooSmall {
        /// Its size.
        size: u64,
    },
    /// The last leaf does not decode strictly as a `Block` record.
    #[error("the last leaf is not a Block record")]
    LastLeafNotBlock,
    /// The trust file knows no epoch with the block's `config_hash` at this tree size.
    #[error("the trust file does not know the members of this checkpoint: get a newer trust file")]
    TrustFileOutOfDate,
    /// The epoch is closed, and nothing ties the checkpoint to its closing checkpoint.
    #[error("signed by keys that were retired since, and not confirmed: refresh the receipt")]
    SignedByRetiredKeys,

    // Cosignatures (RULES 8.2).
    /// A line of a member's key does not verify.
    #[error("a cosignature in the name of {member} does not verify")]
    BadCosignature {
        /// Whose line.
        member: String,
    },
    /// Too few members cosigned.
    #[error("{signed} members cosigned, {needed} are needed")]
    NoQuorum {
        /// Distinct members with a good cosignature.
        signed: usize,
        /// The quorum.
        needed: usize,
    },
    /// Enough members cosigned, but too many of them later than the given time + 60 s.
    #[error("the checkpoint was cosigned after the given time: check the clock")]
    FromTheFuture,

    // Blocks and statuses (RULES 8.3, 8.4).
    /// A leaf is not in the checkpoint's tree at its index.
    #[error("{leaf} is not in the tree of the checkpoint")]
    LeafNotIncluded {
        /// Which.
        leaf: Leaf,
    },
    /// A leaf does not decode strictly.
    #[error("{leaf} does not decode")]
    LeafMalformed {
        /// Which.
        leaf: Leaf,
    },
    /// A leaf is a record of another type.
    #[error("{leaf} is a record of type {found:?}")]
    LeafOfOtherType {
        /// Which.
        leaf: Leaf,
        /// What it is.
        found: RecordType,
    },
    /// A `Block` record says that its block begins after its end.
    #[error("{leaf} contradicts its own place in the log")]
    BlockMisplaced {
        /// Which.
        leaf: Leaf,
    },
    /// The two blocks of "as of" do not follow each other.
    #[error("the two blocks of \"as of\" do not follow each other")]
    BlocksNotConsecutive,
    /// The leaf is a `Reservation`: nothing is shown to be anchored at its positions.
    #[error("nothing is anchored here: the positions were only reserved")]
    NothingAnchored,
    /// The commitment was anchored after the block of "as of".
    #[error("at the time of \"as of\" nothing had been anchored yet")]
    NotAnchoredYet,
    /// The receipt does not cover the time that was asked about.
    #[error("the receipt says nothing about the time asked about")]
    TimeNotCovered,
    /// The opening is for another algorithm, target or kind of commitment than the record.
    #[error("the opening contradicts the Anchored record")]
    OpeningContradictsRecord,
    /// The credential cannot be read.
    #[error("the credential cannot be read: {0}")]
    CredentialUnreadable(CredentialError),
    /// Credential and opening do not give the anchored commitment.
    #[error("this receipt is not for this credential")]
    CommitmentDiffers,
    /// The chunk of a position is not there.
    #[error("the status chunk of position {position} is missing")]
    ChunkMissing {
        /// The position.
        position: u64,
    },
    /// A chunk is there twice, out of order, or needed by no position.
    #[error("the status chunk {index} is out of place")]
    ChunkUnexpected {
        /// Its index.
        index: u64,
    },
    /// A position is not among those that the block counts.
    #[error("position {position} is not among those of the block")]
    PositionOutOfRange {
        /// The position.
        position: u64,
    },
    /// A chunk has not exactly 256 bytes.
    #[error("the status chunk of position {position} has not 256 bytes")]
    ChunkLength {
        /// The position.
        position: u64,
    },
    /// A chunk has a value past the last position.
    #[error("the status chunk of position {position} has values past the last position")]
    ChunkPastEnd {
        /// The position.
        position: u64,
    },
    /// A chunk is not in the block's status tree.
    #[error("the status chunk of position {position} is not in the status tree")]
    ChunkNotIncluded {
        /// The position.
        position: u64,
    },

    // The chain of accreditations (RULES 8.5).
    /// The chain has fewer than two or more than eight links.
    #[error("a chain has 2 to 8 links, not {links}")]
    ChainLength {
        /// How many it has.
        links: usize,
    },
    /// The chain does not begin with a root of the epoch, as the trust file describes it.
    #[error("the chain does not begin with a root of the ledger")]
    NotARoot,
    /// A link hangs on another accreditation than the one before it.
    #[error("link {link} hangs on another accreditation than the one before it")]
    ParentDiffers {
        /// Which, from 0.
        link: usize,
    },
    /// A link was given by somebody else than the subject of the one before it.
    #[error("link {link} was not given by the subject of the one before it")]
    AccreditorDiffers {
        /// Which, from 0.
        link: usize,
    },
    /// An organisation is accredited twice in the chain.
    #[error("the subject of link {link} occurs twice in the chain")]
    SubjectRepeated {
        /// Which, from 0.
        link: usize,
    },
    /// A link's role does not fit its place: a root, then accreditors, then an issuer.
    #[error("link {link} has a role that does not fit its place")]
    RoleMisplaced {
        /// Which, from 0.
        link: usize,
    },
    /// A link covers more than the one before it, or "any".
    #[error("link {link} covers more than the one before it")]
    ScopeWidened {
        /// Which, from 0.
        link: usize,
    },
    /// A link's validity is not inside that of the one before it.
    #[error("link {link} lasts longer than the one before it")]
    ValidityWidened {
        /// Which, from 0.
        link: usize,
    },
    /// The anchored type is not in the scope of the last link.
    #[error("the credential's type is outside what the issuer is accredited for")]
    TypeOutOfScope,
    /// The commitment was anchored by somebody else than the subject of the last link.
    #[error("the anchoring organisation is not the one that the chain accredits")]
    IssuerDiffers,
    /// The commitment was anchored under another accreditation than the last link.
    #[error("it was anchored under another accreditation")]
    AccreditationDiffers,
    /// A withdrawal record is not about its link, not by an accreditor above it, or no withdrawal.
    #[error("the withdrawal with link {link} is not one of it")]
    WithdrawalUnrelated {
        /// Which, from 0.
        link: usize,
    },
    /// A withdrawal record is there, but the status tree does not say withdrawn.
    #[error("link {link} has a withdrawal, but its status does not say so")]
    WithdrawalContradictsStatus {
        /// Which, from 0.
        link: usize,
    },
    /// The `Identifier` record of the anchoring organisation is not there.
    #[error("the name of the anchoring organisation is missing")]
    IdentifierMissing,
    /// An `Identifier` record is of no organisation in the chain, of a root, or there twice.
    #[error("identifier {identifier} is of no organisation in the chain, or there twice")]
    IdentifierUnexpected {
        /// Which, from 0.
        identifier: usize,
    },
    /// A `Status` record is of another position, later than its block, or says something else than the status tree.
    #[error("{leaf} contradicts the status tree")]
    StatusRecordContradicts {
        /// Which.
        leaf: Leaf,
    },
}

/// A leaf that a receipt holds, by its role in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// The `Anchored` record.
    Anchored,
    /// The last `Block` record.
    Block,
    /// The `Block` record of "as of".
    AsOfBlock,
    /// The `Block` record after that of "as of".
    NextBlock,
    /// The `Accreditation` record of a link, from 0.
    Accreditation(usize),
    /// The withdrawal of a link, from 0.
    Withdrawal(usize),
    /// An `Identifier` record, from 0.
    Identifier(usize),
    /// The newest `Status` record.
    Status,
    /// The newest `Status` record of "as of".
    AsOfStatus,
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anchored => f.write_str("the Anchored record"),
            Self::Block => f.write_str("the last Block record"),
            Self::AsOfBlock => f.write_str("the Block record of \"as of\""),
            Self::NextBlock => f.write_str("the Block record after that of \"as of\""),
            Self::Accreditation(link) => write!(f, "the Accreditation record of link {link}"),
            Self::Withdrawal(link) => write!(f, "the withdrawal of link {link}"),
            Self::Identifier(index) => write!(f, "the Identifier record {index}"),
            Self::Status => f.write_str("the Status record"),
            Self::AsOfStatus => f.write_str("the Status record of \"as of\""),
        }
    }
}

impl Refusal {
    /// The stable name of this reason, for scripts and structured output.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ReceiptTooLarge(_) => "RECEIPT_TOO_LARGE",
            Self::ReceiptMalformed(_) => "RECEIPT_MALFORMED",
            Self::CheckpointMalformed => "CHECKPOINT_MALFORMED",
            Self::ProofExtra => "PROOF_EXTRA",
            Self::OtherLedger { .. } => "OTHER_LEDGER",
            Self::TreeTooSmall { .. } => "TREE_TOO_SMALL",
            Self::LastLeafNotBlock => "LAST_LEAF_NOT_BLOCK",
            Self::TrustFileOutOfDate => "TRUST_FILE_OUT_OF_DATE",
            Self::SignedByRetiredKeys => "SIGNED_BY_RETIRED_KEYS",
            Self::BadCosignature { .. } => "BAD_COSIGNATURE",
            Self::NoQuorum { .. } => "NO_QUORUM",
            Self::FromTheFuture => "FROM_THE_FUTURE",
            Self::LeafNotIncluded { .. } => "LEAF_NOT_INCLUDED",
            Self::LeafMalformed { .. } => "LEAF_MALFORMED",
            Self::LeafOfOtherType { .. } => "LEAF_OF_OTHER_TYPE",
            Self::BlockMisplaced { .. } => "BLOCK_MISPLACED",
            Self::BlocksNotConsecutive => "BLOCKS_NOT_CONSECUTIVE",
            Self::NothingAnchored => "NOTHING_ANCHORED",
            Self::NotAnchoredYet => "NOT_ANCHORED_YET",
            Self::TimeNotCovered => "TIME_NOT_COVERED",
            Self::OpeningContradictsRecord => "OPENING_CONTRADICTS_RECORD",
            Self::CredentialUnreadable(_) => "CREDENTIAL_UNREADABLE",
            Self::CommitmentDiffers => "COMMITMENT_DIFFERS",
            Self::ChunkMissing { .. } => "CHUNK_MISSING",
            Self::ChunkUnexpected { .. } => "CHUNK_UNEXPECTED",
            Self::PositionOutOfRange { .. } => "POSITION_OUT_OF_RANGE",
            Self::ChunkLength { .. } => "CHUNK_LENGTH",
            Self::ChunkPastEnd { .. } => "CHUNK_PAST_END",
            Self::ChunkNotIncluded { .. } => "CHUNK_NOT_INCLUDED",
            Self::ChainLength { .. } => "CHAIN_LENGTH",
            Self::NotARoot => "NOT_A_ROOT",
            Self::ParentDiffers { .. } => "PARENT_DIFFERS",
            Self::AccreditorDiffers { .. } => "ACCREDITOR_DIFFERS",
            Self::SubjectRepeated { .. } => "SUBJECT_REPEATED",
            Self::RoleMisplaced { .. } => "ROLE_MISPLACED",
            Self::ScopeWidened { .. } => "SCOPE_WIDENED",
            Self::ValidityWidened { .. } => "VALIDITY_WIDENED",
            Self::TypeOutOfScope => "TYPE_OUT_OF_SCOPE",
            Self::IssuerDiffers => "ISSUER_DIFFERS",
            Self::AccreditationDiffers => "ACCREDITATION_DIFFERS",
            Self::WithdrawalUnrelated { .. } => "WITHDRAWAL_UNRELATED",
            Self::WithdrawalContradictsStatus { .. } => "WITHDRAWAL_CONTRADICTS_STATUS",
            Self::IdentifierMissing => "IDENTIFIER_MISSING",
            Self::IdentifierUnexpected { .. } => "IDENTIFIER_UNEXPECTED",
            Self::StatusRecordContradicts { .. } => "STATUS_RECORD_CONTRADICTS",
        }
    }

    /// The overall word: `cannot tell` where the verifier lacks something, `not in order` where the receipt is at fault.
    pub const fn overall(&self) -> Overall {
        match self {
            Self::TrustFileOutOfDate
            | Self::SignedByRetiredKeys
            | Self::OtherLedger { .. }
            | Self::FromTheFuture
            | Self::TimeNotCovered
            | Self::NotAnchoredYet
            | Self::NothingAnchored
            | Self::CredentialUnreadable(_) => Overall::CannotTell,
            _ => Overall::NotInOrder,
        }
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::TooLarge { .. } => Self::ReceiptTooLarge(error),
            JsonError::Malformed { .. } | JsonError::NotCanonical => Self::ReceiptMalformed(error),
        }
    }
}

/// `{"overall", "reason", "message"}`.
impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Refusal", 3)?;
        object.serialize_field("overall", &self.overall())?;
        object.serialize_field("reason", self.reason())?;
        object.serialize_field("message", &self.to_string())?;
        object.end()
    }
}
