//! Credentials and their status.

use bytes::Bytes;
use kvitto_ledger::{AccreditationId, Commitment, Did, LeafIndex, Position, TimeMs};
use kvitto_merkle::status::StatusValue;

use super::{AsOf, ConvertError, accreditation_id, commitment, did, present};
use crate::v1::{self, PositionStatus, credential::Name};

/// Which credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialName {
    /// By what its issuer anchored.
    Commitment {
        /// The issuer.
        issuer: Did,
        /// The commitment.
        commitment: Commitment,
    },
    /// By its place in the status tree.
    Position(Position),
}

/// What the ledger says about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialStatus {
    /// As of which block.
    pub as_of: AsOf,
    /// Place in the status tree.
    pub position: Position,
    /// Its status.
    pub status: StatusValue,
    /// The commitment.
    pub commitment: Commitment,
    /// Who anchored it.
    pub issuer: Did,
    /// Under which accreditation.
    pub accreditation: AccreditationId,
    /// Credential type.
    pub credential_type: String,
    /// Block time of the anchor.
    pub anchored: TimeMs,
    /// Place of the `Anchored` record.
    pub leaf: LeafIndex,
}

impl From<CredentialName> for v1::Credential {
    fn from(name: CredentialName) -> Self {
        let name = match name {
            CredentialName::Commitment { issuer, commitment } => Name::Commitment(v1::IssuedCommitment {
                issuer_did: issuer.to_string(),
                commitment: Bytes::copy_from_slice(&commitment.0),
            }),
            CredentialName::Position(position) => Name::Position(position.0),
        };
        Self { name: Some(name) }
    }
}

impl TryFrom<&v1::Credential> for CredentialName {
    type Error = ConvertError;

    fn try_from(credential: &v1::Credential) -> Result<Self, ConvertError> {
        match present("credential.name", credential.name.as_ref())? {
            Name::Position(position) => Ok(Self::Position(Position(*position))),
            Name::Commitment(name) => Ok(Self::Commitment {
                issuer: did("issuer_did", &name.issuer_did)?,
                commitment: commitment(&name.commitment)?,
            }),
        }
    }
}

/// The wire's name of a status.
impl From<StatusValue> for PositionStatus {
    fn from(status: StatusValue) -> Self {
        match status {
            StatusValue::Valid => Self::Valid,
            StatusValue::Revoked => Self::Revoked,
            StatusValue::Suspended => Self::Suspended,
            StatusValue::Superseded => Self::Superseded,
        }
    }
}

impl TryFrom<PositionStatus> for StatusValue {
    type Error = ConvertError;

    fn try_from(status: PositionStatus) -> Result<Self, ConvertError> {
        match status {
            PositionStatus::Unspecified => Err(ConvertError::Unknown("status")),
            PositionStatus::Valid => Ok(Self::Valid),
            PositionStatus::Revoked => Ok(Self::Revoked),
            PositionStatus::Suspended => Ok(Self::Suspended),
            PositionStatus::Superseded => Ok(Self::Superseded),
        }
    }
}

impl From<CredentialStatus> for v1::CredentialStatus {
    fn from(status: CredentialStatus) -> Self {
        Self {
            as_of: Some(status.as_of.into()),
            position: status.position.0,
            status: PositionStatus::from(status.status).into(),
            commitment: Bytes::copy_from_slice(&status.commitment.0),
            issuer_did: status.issuer.to_string(),
            accreditation_id: Bytes::copy_from_slice(&status.accreditation.0),
            credential_type: status.credential_type,
            anchored_ms: status.anchored.0,
            anchored_leaf: status.leaf.0,
        }
    }
}

impl TryFrom<Option<v1::CredentialStatus>> for CredentialStatus {
    type Error = ConvertError;

    fn try_from(status: Option<v1::CredentialStatus>) -> Result<Self, ConvertError> {
        let status = present("status", status)?;
        Ok(Self {
            as_of: status.as_of.try_into()?,
            position: Position(status.position),
            status: status.status().try_into()?,
            commitment: commitment(&status.commitment)?,
            issuer: did("issuer_did", &status.issuer_did)?,
            accreditation: accreditation_id("accreditation_id", &status.accreditation_id)?,
            credential_type: status.credential_type,
            anchored: TimeMs(status.anchored_ms),
            leaf: LeafIndex(status.anchored_leaf),
        })
    }
}
