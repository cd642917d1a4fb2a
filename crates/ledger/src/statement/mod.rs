//! Statements: what a client signs. DESIGN 4.2 gives the table of kinds; the bodies stand in [`body`], the signature in [`envelope`].
//!
//! ```text
//! payload = [version, not_before_ms, not_after_ms, nonce16, kind, body]          deterministic CBOR
//! bytes   = COSE_Sign1 [ {1: -8, 4: kid}, {}, payload, signature ]                RFC 9052, tag 18
//! AAD     = "kvitto/statement/v1" || ledger_id        id = SHA-256(Sig_structure)
//! ```

pub mod body;
mod cose;
pub mod envelope;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use body::{
    Accredit, Anchor, AnchorItem, DeactivateIdentifier, LegalIdentifier, Onboard, Policy, Possession,
    PutIdentifier, Reason, Reserve, SetAccreditationStatus, SetStatus, StatusItem, StatusTarget,
};
pub use envelope::{Checked, Envelope};

use crate::codec::{code_enum, next_field};
use crate::document::Relationships;
use crate::ids::{Nonce, TimeMs};

/// Version of the payload's layout.
pub const STATEMENT_VERSION: u8 = 1;
/// Longest statement, signature included, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 256 * 1024;
/// Longest time between `not_before` and `not_after`: 24 hours.
pub const VALIDITY_MS_MAX: u64 = 24 * 60 * 60 * 1000;

code_enum! {
    /// The kinds of statements. Codes of kinds that this version does not execute are reserved.
    pub enum Kind: u8 {
        /// Registers an organisation.
        Onboard = 1,
        /// Replaces a DID document.
        PutIdentifier = 2,
        /// Ends an identifier's power to sign.
        DeactivateIdentifier = 3,
        /// Gives a lost identifier new keys; reserved.
        RecoverIdentifier = 4,
        /// Accredits an organisation.
        Accredit = 5,
        /// Withdraws, suspends or reinstates an accreditation.
        SetAccreditationStatus = 6,
        /// Registers a JSON schema; reserved.
        RegisterSchema = 7,
        /// Allocates positions.
        Reserve = 8,
        /// Records commitments.
        Anchor = 9,
        /// Revokes, suspends, reinstates, supersedes.
        SetStatus = 10,
        /// Lets another organisation change statuses; reserved.
        AppointCustodian = 11,
        /// Proposes a change of members, roots or limits; reserved.
        ProposeChange = 12,
        /// Approves one; reserved.
        ApproveChange = 13,
    }
}

impl Kind {
    /// Whether the code is taken, but nothing with it is executed yet.
    pub fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::RecoverIdentifier
                | Self::RegisterSchema
                | Self::AppointCustodian
                | Self::ProposeChange
                | Self::ApproveChange
        )
    }

    /// The relationship that the signing key must stand in.
    pub fn relationship(self) -> Relationships {
        match self {
            Self::Anchor | Self::Reserve | Self::SetStatus => Relationships::ASSERTION_METHOD,
            _ => Relationships::CAPABILITY_INVOCATION,
        }
    }
}

/// What a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// See [`Onboard`].
    Onboard(Onboard),
    /// See [`PutIdentifier`].
    PutIdentifier(PutIdentifier),
    /// See [`DeactivateIdentifier`].
    DeactivateIdentifier(DeactivateIdentifier),
    /// See [`Accredit`].
    Accredit(Accredit),
    /// See [`SetAccreditationStatus`].
    SetAccreditationStatus(SetAccreditationStatus),
    /// See [`Reserve`].
    Reserve(Reserve),
    /// See [`Anchor`].
    Anchor(Anchor),
    /// See [`SetStatus`].
    SetStatus(SetStatus),
}

impl Body {
    /// Whether statements with this kind's code are executed by this version.
    pub(crate) fn is_executed(code: u64) -> bool {
        let kind = u8::try_from(code).ok().and_then(Kind::from_code);
        kind.is_some_and(|kind| !kind.is_reserved())
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Onboard(_) => Kind::Onboard,
            Self::PutIdentifier(_) => Kind::PutIdentifier,
            Self::DeactivateIdentifier(_) => Kind::DeactivateIdentifier,
            Self::Accredit(_) => Kind::Accredit,
            Self::SetAccreditationStatus(_) => Kind::SetAccreditationStatus,
            Self::Reserve(_) => Kind::Reserve,
            Self::Anchor(_) => Kind::Anchor,
            Self::SetStatus(_) => Kind::SetStatus,
        }
    }

    fn serialize_field<S: SerializeTuple>(&self, array: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Onboard(body) => array.serialize_element(body),
            Self::PutIdentifier(body) => array.serialize_element(body),
            Self::DeactivateIdentifier(body) => array.serialize_element(body),
            Self::Accredit(body) => array.serialize_element(body),
            Self::SetAccreditationStatus(body) => array.serialize_element(body),
            Self::Reserve(body) => array.serialize_element(body),
            Self::Anchor(body) => array.serialize_element(body),
            Self::SetStatus(body) => array.serialize_element(body),
        }
    }

    fn deserialize_field<'de, A: SeqAccess<'de>>(kind: Kind, array: &mut A) -> Result<Self, A::Error> {
        Ok(match kind {
            Kind::Onboard => Self::Onboard(next_field(array)?),
            Kind::PutIdentifier => Self::PutIdentifier(next_field(array)?),
            Kind::DeactivateIdentifier => Self::DeactivateIdentifier(next_field(array)?),
            Kind::Accredit => Self::Accredit(next_field(array)?),
            Kind::SetAccreditationStatus => Self::SetAccreditationStatus(next_field(array)?),
            Kind::Reserve => Self::Reserve(next_field(array)?),
            Kind::Anchor => Self::Anchor(next_field(array)?),
            Kind::SetStatus => Self::SetStatus(next_field(array)?),
            Kind::RecoverIdentifier
            | Kind::RegisterSchema
            | Kind::AppointCustodian
            | Kind::ProposeChange
            | Kind::ApproveChange => return Err(de::Error::custom("this kind is not executed yet")),
        })
    }
}

macro_rules! bodies {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Body {
            fn from(body: $kind) -> Self {
                Self::$kind(body)
            }
        }
    )*};
}
bodies!(
    Onboard,
    PutIdentifier,
    DeactivateIdentifier,
    Accredit,
    SetAccreditationStatus,
    Reserve,
    Anchor,
    SetStatus
);

/// The signed content of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// First block time at which it may be executed.
    pub not_before: TimeMs,
    /// Last block time at which it may be executed; at most [`VALIDITY_MS_MAX`] later.
    pub not_after: TimeMs,
    /// Random, so that the same request can be made twice.
    pub nonce: Nonce,
    /// What is asked for.
    pub body: Body,
}

/// Number of elements of the payload array.
const PAYLOAD_FIELDS: usize = 6;

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_tuple(PAYLOAD_FIELDS)?;
        array.serialize_element(&STATEMENT_VERSION)?;
        array.serialize_element(&self.not_before)?;
        array.serialize_element(&self.not_after)?;
        array.serialize_element(&self.nonce)?;
        array.serialize_element(&self.body.kind())?;
        self.body.serialize_field(&mut array)?;
        array.end()
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Payload;
        impl<'de> Visitor<'de> for Payload {
            type Value = Statement;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the array of a statement's payload")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Statement, A::Error> {
                if next_field::<u8, A>(&mut array)? != STATEMENT_VERSION {
                    return Err(de::Error::custom("unknown version"));
                }
                let (not_before, not_after) = (next_field(&mut array)?, next_field(&mut array)?);
                let nonce = next_field(&mut array)?;
                let kind = next_field(&mut array)?;
                let body = Body::deserialize_field(kind, &mut array)?;
                Ok(Statement { not_before, not_after, nonce, body })
            }
        }
        deserializer.deserialize_tuple(PAYLOAD_FIELDS, Payload)
    }
}

/// Version and kind of a payload, read without its body: tells "unknown kind" and "unknown version" from "malformed".
pub(crate) struct PayloadHead {
    pub(crate) version: u64,
    pub(crate) kind: u64,
}

impl<'de> Deserialize<'de> for PayloadHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Head;
        impl<'de> Visitor<'de> for Head {
            type Value = PayloadHead;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the array of a statement's payload")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<PayloadHead, A::Error> {
                let version = next_field(&mut array)?;
                let _: (u64, u64, Nonce) =
                    (next_field(&mut array)?, next_field(&mut array)?, next_field(&mut array)?);
                let kind = next_field(&mut array)?;
                while array.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(PayloadHead { version, kind })
            }
        }
        deserializer.deserialize_seq(Head)
    }
}
