//! What a receipt proves, as data; [`Verdict`]'s `Display` says it in plain words.

mod text;

pub use text::iso_8601;

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::statement::body::Reason;
use kvitto_ledger::{AccreditationId, Commitment, Did, Height, LeafIndex, LedgerId, Position};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;
use serde::{Serialize, Serializer};

/// What a receipt proves. All times are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// One word for everything.
    pub overall: Overall,
    /// Everything that keeps the overall word from `in order`; empty when it is that.
    pub concerns: Vec<Concern>,
    /// What was anchored, by whom and when.
    pub anchored: Anchored,
    /// Whether the anchoring organisation was, and is, accredited.
    pub accredited: Accredited,
    /// What has become of the credential, at the checkpoint.
    pub status: StatusFinding,
    /// What was true at an earlier time, if the receipt or the question is about one.
    pub as_of: Option<AsOfFinding>,
    /// What all of this rests on, and how old it is.
    pub checkpoint: CheckpointFinding,
    /// Whether a credential was shown to be the anchored one.
    pub credential: CredentialFinding,
    /// What the credential says against what the ledger says.
    pub comparisons: Comparisons,
}

/// One word for everything. Green is for `InOrder` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// Anchored by an organisation that was accredited then; nothing was said against it; nothing differs; fresh enough.
    InOrder,
    /// Something speaks against it.
    NotInOrder,
    /// Nothing speaks against it, but something that matters is not known.
    CannotTell,
}

/// What keeps a verdict from `in order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Concern {
    /// The credential was revoked.
    Revoked,
    /// The credential is suspended.
    Suspended,
    /// Another credential took its place.
    Superseded,
    /// The anchoring organisation was not accredited at the time, as now known.
    NotAccreditedThen,
    /// The credential names another issuer than the anchoring organisation.
    IssuerDiffers,
    /// The credential is of another type than the anchored one.
    TypeDiffers,
    /// By its own dates the credential has not begun, or has ended.
    OutsideOwnValidity,
    /// The credential points at another position for its status.
    StatusEntryDiffers,
    /// The checkpoint is older than the given greatest age.
    TooOld,
    /// No credential was given: the verdict is about a commitment only.
    NoCredential,
    /// The receipt has no opening: nothing ties the given credential to it.
    NoOpening,
    /// The credential does not name its issuer in a way that can be compared.
    IssuerUnclear,
    /// The credential does not name its type.
    TypeUnclear,
    /// The credential's own dates cannot be read.
    ValidityUnclear,
    /// The credential points at a status list that was not looked at.
    StatusElsewhere,
}

/// What was anchored, by whom and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anchored {
    /// The anchoring organisation.
    pub by: Organisation,
    /// Time of the block.
    pub at_s: u64,
    /// The credential type it was anchored as.
    pub credential_type: String,
    /// The commitment.
    pub commitment: Commitment,
    /// Its place in the status tree.
    pub position: Position,
    /// Its place in the log.
    pub leaf: LeafIndex,
}

/// An organisation, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organisation {
    /// Its identifier.
    pub did: Did,
    /// Its legal name, from the newest record that the receipt brings.
    pub legal_name: String,
    /// ISO 3166-1 alpha-2 country code.
    pub country: String,
    /// Scheme of its official identifier.
    pub legal_identifier_scheme: String,
    /// Its official identifier.
    pub legal_identifier: String,
    /// When the name was recorded.
    pub recorded_s: u64,
    /// Whether it could still sign, after that record.
    pub deactivated: bool,
}

/// Whether the anchoring organisation was, and is, accredited (RULES 6.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accredited {
    /// At the time of anchoring, as now known: withdrawals that reach back are taken into account.
    pub then: bool,
    /// At the time of anchoring, as then known.
    pub then_as_then_known: bool,
    /// At the checkpoint.
    pub now: bool,
    /// The accreditations, root first.
    pub links: Vec<Link>,
}

/// One accreditation of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Who is accredited.
    pub subject: Did,
    /// Its legal name, where the receipt or the trust file brings it.
    pub legal_name: Option<String>,
    /// `RootTAO`, `TAO` or `TI`.
    pub role: &'static str,
    /// Which accreditation.
    pub accreditation: AccreditationId,
    /// First second of validity.
    pub valid_from_s: u64,
    /// Last second of validity.
    pub valid_until_s: u64,
    /// At the checkpoint.
    pub status: LinkStatus,
    /// The withdrawal, if it was withdrawn and the receipt brings the record. Without it the link counts as never given.
    pub withdrawal: Option<Withdrawal>,
}

/// What has become of an accreditation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkStatus {
    /// Neither withdrawn nor suspended.
    InForce,
    /// Withdrawn for good.
    Withdrawn,
    /// Suspended for now.
    Suspended,
}

/// The withdrawal of an accreditation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withdrawal {
    /// By whom.
    pub by: Did,
    /// From when.
    pub effective_from_s: u64,
    /// When it was recorded.
    pub recorded_s: u64,
    /// Why.
    #[serde(serialize_with = "reason_word")]
    pub reason: Reason,
}

/// What has become of the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusFinding {
    /// The status.
    pub status: Status,
    /// The record that the receipt brings for it.
    pub change: Option<StatusChange>,
}

/// The status of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Neither revoked nor suspended nor superseded.
    NotRevoked,
    /// Revoked for good.
    Revoked,
    /// Suspended for now.
    Suspended,
    /// Another credential took its place.
    Superseded,
}

/// When, by whom and why a status was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusChange {
    /// When it was recorded.
    pub at_s: u64,
    /// By whom.
    pub by: Did,
    /// Why.
    #[serde(serialize_with = "reason_word")]
    pub reason: Reason,
    /// Where the credential is that took its place.
    pub successor: Option<Position>,
}

/// What was true from one block to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AsOfFinding {
    /// The time that was asked about, if one was.
    pub asked_s: Option<u64>,
    /// The block.
    pub height: Height,
    /// From when.
    pub from_s: u64,
    /// Until when, that second excluded; for the newest block the checkpoint's freshness.
    pub until_s: u64,
    /// What had become of the credential.
    pub status: StatusFinding,
    /// Whether the anchoring organisation was accredited; `None`: the chain's records are newer, so it cannot be told.
    pub accredited: Option<bool>,
}

/// What a verdict rests on, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointFinding {
    /// The ledger's name.
    pub origin: String,
    /// The ledger.
    pub ledger_id: LedgerId,
    /// Number of leaves.
    pub size: u64,
    /// Root of the log.
    pub root: Hash,
    /// The newest block in it.
    pub height: Height,
    /// The q-th largest time of the members' cosignatures: nothing final before it is missing.
    pub fresh_at_s: u64,
    /// From then to the given time.
    pub age_s: u64,
    /// Whether that is at most the given greatest age.
    pub fresh: bool,
    /// The members that cosigned, in the order of their first lines.
    pub signed_by: Vec<String>,
    /// How many members there are.
    pub members: usize,
    /// How many must sign.
    pub quorum: usize,
}

/// Whether a credential was shown to be the anchored one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialFinding {
    /// Whether.
    pub binding: Binding,
    /// The digest algorithm in the commitment.
    #[serde(serialize_with = "as_text")]
    pub algorithm: DigestAlgorithm,
    /// What of the credential is committed to. `payload` covers neither the seal nor its protected header.
    #[serde(serialize_with = "as_text")]
    pub target: DigestTarget,
    /// Whether the commitment has no salt, so that anyone who can guess the content can find it.
    pub bare: bool,
    /// The credential's own seal.
    pub seal: SealCheck,
}

/// See [`CredentialFinding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The given credential is the anchored one.
    Shown,
    /// No credential was given.
    NoCredential,
    /// A credential was given, but the receipt has no opening.
    NoOpening,
}

/// What was done about the credential's own seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SealCheck {
    /// Nothing.
    NotChecked,
}

/// The four comparisons of RULES 8.6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparisons {
    /// The issuer that the credential names, with the anchoring organisation.
    pub issuer: Comparison,
    /// The anchored type, with the types that the credential names.
    pub credential_type: Comparison,
    /// The credential's own dates, with the time of the question.
    pub validity: Comparison,
    /// The place in a status list that the credential names, with its position.
    pub status_entry: Comparison,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// How it ended.
    pub result: ComparisonResult,
    /// Why, in a few words; texts of the credential are escaped and shortened in it.
    pub detail: String,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonResult {
    /// Both say the same.
    Same,
    /// They contradict each other.
    Differs,
    /// There is nothing to compare.
    CannotTell,
}

impl Concern {
    /// What it makes of the verdict.
    pub const fn overall(self) -> Overall {
        match self {
            Self::Revoked
            | Self::Suspended
            | Self::Superseded
            | Self::NotAccreditedThen
            | Self::IssuerDiffers
            | Self::TypeDiffers
            | Self::OutsideOwnValidity
            | Self::StatusEntryDiffers => Overall::NotInOrder,
            Self::TooOld
            | Self::NoCredential
            | Self::NoOpening
            | Self::IssuerUnclear
            | Self::TypeUnclear
            | Self::ValidityUnclear
            | Self::StatusElsewhere => Overall::CannotTell,
        }
    }
}

impl Overall {
    /// The word that follows from all concerns: what speaks against it outweighs what is not known.
    pub fn of(concerns: &[Concern]) -> Self {
        let any = |word| concerns.iter().any(|concern| concern.overall() == word);
        match (any(Self::NotInOrder), any(Self::CannotTell)) {
            (true, _) => Self::NotInOrder,
            (false, true) => Self::CannotTell,
            (false, false) => Self::InOrder,
        }
    }
}

impl From<StatusValue> for Status {
    fn from(value: StatusValue) -> Self {
        match value {
            StatusValue::Valid => Self::NotRevoked,
            StatusValue::Revoked => Self::Revoked,
            StatusValue::Suspended => Self::Suspended,
            StatusValue::Superseded => Self::Superseded,
        }
    }
}

fn reason_word<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match reason {
        Reason::Unspecified => "unspecified",
        Reason::IssuedInError => "issued_in_error",
        Reason::Superseded => "superseded",
        Reason::AuthorisationWithdrawn => "authorisation_withdrawn",
        Reason::KeyCompromise => "key_compromise",
        Reason::CeasedOperating => "ceased_operating",
    })
}

fn as_text<S: Serializer, T: std::fmt::Display>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
