//! What stands in a line of the register.

use base64::{Engine, engine::general_purpose::STANDARD};
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Opening, Salt};
use kvitto_ledger::{AccreditationId, Commitment, Did, LedgerId, Position, StatementId};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Version of the register's lines.
pub(super) const VERSION: u32 = 1;

/// A line's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(super) enum Entry {
    Register(RegisterEntry),
    Credential(CredentialEntry),
    Statement(StatementEntry),
    Anchored(AnchoredEntry),
    Expired(ExpiredEntry),
    Refused(RefusedEntry),
    Status(StatusEntry),
}

/// The first line: whose register of which ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterEntry {
    pub(super) version: u32,
    /// The ledger.
    pub ledger_id: LedgerId,
    /// The issuer.
    pub issuer: Did,
}

impl RegisterEntry {
    /// A register of this ledger and issuer.
    pub fn new(ledger_id: LedgerId, issuer: Did) -> Self {
        Self { version: VERSION, ledger_id, issuer }
    }
}

/// A credential that is or will be anchored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialEntry {
    /// The issuer's own name for it; it never leaves the register.
    pub reference: String,
    /// Hash function of `digest`.
    #[serde(with = "text")]
    pub algorithm: DigestAlgorithm,
    /// What was hashed.
    #[serde(with = "text")]
    pub target: DigestTarget,
    /// The credential's digest.
    #[serde(with = "text")]
    pub digest: Hash,
    /// How the commitment is salted.
    pub salt: RowSalt,
    /// What the ledger holds.
    pub commitment: Commitment,
    /// Type that it is anchored as.
    pub credential_type: String,
    /// Accreditation that it is anchored under.
    pub accreditation: AccreditationId,
}

impl CredentialEntry {
    /// The opening of its commitment.
    pub fn opening(&self) -> Opening {
        let Self { algorithm, target, digest, .. } = *self;
        Opening { algorithm, target, salt: self.salt.0.clone(), digest }
    }
}

/// A commitment's salt, wherever it came from: a key file that is lost or replaced takes no salt with it. A bare digest has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSalt(pub Option<Salt>);

impl From<Option<Salt>> for RowSalt {
    fn from(salt: Option<Salt>) -> Self {
        Self(salt)
    }
}

/// A statement that anchors, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StatementEntry {
    pub(super) id: StatementId,
    #[serde(with = "base64_text")]
    pub(super) bytes: Vec<u8>,
    pub(super) commitments: Vec<Commitment>,
}

/// Where a commitment is anchored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AnchoredEntry {
    pub(super) statement: StatementId,
    pub(super) commitment: Commitment,
    pub(super) position: Position,
}

/// A statement that came too late and never will be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExpiredEntry {
    pub(super) statement: StatementId,
}

/// A statement that the rules refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedEntry {
    pub(super) statement: StatementId,
    pub(super) reason: String,
}

/// A credential's status, as the ledger had it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StatusEntry {
    pub(super) commitment: Commitment,
    #[serde(with = "status_text")]
    pub(super) status: StatusValue,
}

impl Serialize for RowSalt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str("bare"),
            Some(salt) => serializer.serialize_str(&hex::encode(salt.as_bytes())),
        }
    }
}

impl<'de> Deserialize<'de> for RowSalt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "bare" => Ok(Self(None)),
            text => {
                let mut bytes = [0; Salt::BYTES];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| D::Error::custom("a salt is 64 hexadecimal digits, or bare"))?;
                Ok(Self(Some(Salt::new(bytes))))
            }
        }
    }
}

/// Values whose text form is strict.
mod text {
    use super::*;

    pub(super) fn serialize<T: std::fmt::Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: std::str::FromStr, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|_| D::Error::custom("not in the expected form"))
    }
}

mod base64_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(d)?).map_err(D::Error::custom)
    }
}

mod status_text {
    use super::*;
    use crate::words::{status_name, status_named};

    pub(super) fn serialize<S: Serializer>(status: &StatusValue, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(status_name(*status))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<StatusValue, D::Error> {
        status_named(&String::deserialize(d)?).ok_or_else(|| D::Error::custom("no status"))
    }
}
