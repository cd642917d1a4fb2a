//! The bodies of statements, one struct a kind; each is the CBOR array of its fields in this order.

use crate::codec::{cbor_array, code_enum};
use crate::commitment::{DigestAlgorithm, DigestTarget};
use crate::did::Did;
use crate::document::{Service, VerificationMethod};
use crate::ids::{AccreditationId, Commitment, KeyBytes, Position, TimeMs};
use crate::scope::{Role, Scope};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;
use serde::{Deserialize, Serialize};

/// Most items of one [`Anchor`] or [`SetStatus`].
pub const ITEMS_MAX: usize = 4096;
/// Most positions of one [`Reserve`].
pub const RESERVE_MAX: u32 = 131_072;
/// Longest legal name, in bytes.
pub const LEGAL_NAME_BYTES_MAX: usize = 256;

code_enum! {
    /// Why a status was changed: a closed list, never free text.
    pub enum Reason: u8 {
        /// Not said.
        Unspecified = 0,
        /// The credential should not have been issued, or not like this.
        IssuedInError = 1,
        /// Another one takes its place.
        Superseded = 2,
        /// The authorisation behind it was withdrawn.
        AuthorisationWithdrawn = 3,
        /// A signing key was in wrong hands.
        KeyCompromise = 4,
        /// The organisation has ceased operating.
        CeasedOperating = 5,
    }
}

cbor_array! {
    /// An official identifier of a legal entity.
    pub struct LegalIdentifier {
        /// Scheme, e.g. `eIDASLegalIdentifier`, `VATRegistration`.
        pub scheme: String,
        /// The identifier in that scheme.
        pub value: String,
    }
}

cbor_array! {
    /// Registers `subject`, or (again by the same sponsor) corrects its names. Signed by a root or TAO.
    pub struct Onboard {
        /// The organisation's identifier.
        pub subject: Did,
        /// Its first ledger key.
        pub key: KeyBytes,
        /// Legal name: at most 256 bytes, NFC, no control or bidirectional characters.
        pub legal_name: String,
        /// Official identifier.
        pub legal_identifier: LegalIdentifier,
        /// ISO 3166-1 alpha-2 country code.
        pub country: String,
        /// The signer's accreditation under which it onboards.
        pub sponsor_accreditation: AccreditationId,
        /// COSE_Sign1 by the subject's key over [`Possession`], AAD `"kvitto/possession/v1" || ledger_id`.
        pub possession: serde_bytes::ByteBuf,
    }
}

cbor_array! {
    /// What the subject of an [`Onboard`] signs with its first key.
    pub struct Possession {
        /// The organisation's identifier.
        pub subject: Did,
        /// Its first ledger key.
        pub key: KeyBytes,
        /// Who is to register it: ids of accreditations are unique per holder only.
        pub sponsor: Did,
        /// The sponsor's accreditation.
        pub sponsor_accreditation: AccreditationId,
    }
}

cbor_array! {
    /// Replaces the signer's DID document. At least one Ed25519 key with `capabilityInvocation` stays.
    pub struct PutIdentifier {
        /// All keys from now on.
        pub methods: Vec<VerificationMethod>,
        /// All services from now on.
        pub services: Vec<Service>,
    }
}

cbor_array! {
    /// Ends the power of `subject` to sign. Signed by the subject or its sponsor.
    pub struct DeactivateIdentifier {
        /// Whose.
        pub subject: Did,
    }
}

cbor_array! {
    /// A published policy.
    pub struct Policy {
        /// Where it is.
        pub url: String,
        /// SHA-256 of its bytes.
        pub digest: Hash,
    }
}

cbor_array! {
    /// Accredits `subject`; the same id by the same accreditor again extends the validity. Signed by the parent's holder.
    pub struct Accredit {
        /// Identifier, unique per subject.
        pub id: AccreditationId,
        /// Who is accredited.
        pub subject: Did,
        /// To do what: TAO or TI.
        pub role: Role,
        /// For what.
        pub scope: Scope,
        /// First moment of validity.
        pub valid_from: TimeMs,
        /// Last moment of validity.
        pub valid_until: TimeMs,
        /// The signer's own accreditation that this one hangs on.
        pub parent: AccreditationId,
        /// Policy it is given under.
        pub policy: Option<Policy>,
        /// SHA-256 of an accreditation credential, kept beside the log.
        pub credential_digest: Option<Hash>,
    }
}

cbor_array! {
    /// Withdraws (for good), suspends or reinstates an accreditation. Signed by the accreditor or an ancestor.
    pub struct SetAccreditationStatus {
        /// Whose accreditation.
        pub subject: Did,
        /// Which one.
        pub id: AccreditationId,
        /// 1 withdrawn, 2 suspended, 0 reinstated.
        pub status: StatusCode,
        /// Withdrawals only: from when; it may lie in the past. Absent: from the block's time.
        pub effective_from: Option<TimeMs>,
        /// Why.
        pub reason: Reason,
    }
}

cbor_array! {
    /// Allocates positions for credentials that are yet to be signed.
    pub struct Reserve {
        /// The signer's TI accreditation.
        pub accreditation: AccreditationId,
        /// How many; 1 to 131,072.
        pub count: u32,
    }
}

cbor_array! {
    /// One commitment to anchor.
    pub struct AnchorItem {
        /// The commitment.
        pub commitment: Commitment,
        /// A position reserved earlier by the same issuer; absent: the next free one.
        pub reserved: Option<Position>,
    }
}

cbor_array! {
    /// Records commitments of one credential type under one accreditation.
    pub struct Anchor {
        /// The signer's TI accreditation.
        pub accreditation: AccreditationId,
        /// Credential type; must be in the accreditation's scope.
        pub credential_type: String,
        /// Digest algorithm inside the commitments.
        pub algorithm: DigestAlgorithm,
        /// What was digested.
        pub target: DigestTarget,
        /// Whether the commitments are bare digests without a salt.
        pub bare: bool,
        /// 1 to 4,096 items, strictly ascending by commitment, so that their order says nothing.
        pub items: Vec<AnchorItem>,
    }
}

/// What a [`SetStatus`] item is about: an unsigned integer or a byte string; positions sort before commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusTarget {
    /// A position of the issuer.
    Position(Position),
    /// A commitment anchored by the issuer.
    Commitment(Commitment),
}

impl Serialize for StatusTarget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Position(position) => position.serialize(serializer),
            Self::Commitment(commitment) => commitment.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for StatusTarget {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Target;
        impl serde::de::Visitor<'_> for Target {
            type Value = StatusTarget;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a position or a commitment")
            }
            fn visit_u64<E: serde::de::Error>(self, position: u64) -> Result<StatusTarget, E> {
                Ok(StatusTarget::Position(Position(position)))
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<StatusTarget, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(StatusTarget::Commitment(Commitment(bytes)))
            }
        }
        deserializer.deserialize_any(Target)
    }
}

cbor_array! {
    /// One status to change.
    pub struct StatusItem {
        /// Which credential.
        pub target: StatusTarget,
        /// The new status.
        pub status: StatusCode,
        /// With status 3 (superseded): the commitment that takes its place; anchored by the same issuer, status 0.
        pub successor: Option<Commitment>,
    }
}

cbor_array! {
    /// Changes statuses of credentials that `issuer` anchored. Signed by the issuer; by an accreditor while they are frozen.
    pub struct SetStatus {
        /// Who anchored them.
        pub issuer: Did,
        /// 1 to 4,096 items, strictly ascending by target.
        pub items: Vec<StatusItem>,
        /// Why.
        pub reason: Reason,
    }
}

/// A [`StatusValue`] as a CBOR integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCode(pub StatusValue);

impl Serialize for StatusCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0.code())
    }
}

impl<'de> Deserialize<'de> for StatusCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StatusValue::from_code(u8::deserialize(deserializer)?)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("unknown status"))
    }
}
