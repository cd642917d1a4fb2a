//! A row of the register: one credential and where its anchoring stands.

use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::{Position, StatementId};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue;

use super::entry::CredentialEntry;

/// What tells credentials apart: hash function, target, digest.
pub type DigestKey = (DigestAlgorithm, DigestTarget, Hash);

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub credential: CredentialEntry,
    /// How far its anchoring is.
    pub state: RowState,
    /// Its status when the ledger was last asked or told.
    pub status: Option<StatusValue>,
}

/// How far anchoring is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowState {
    /// It waits for a statement.
    Prepared,
    /// In a statement that may have been sent and is not answered.
    Sent {
        /// Which one.
        statement: StatementId,
    },
    /// On the ledger.
    Anchored {
        /// Place in the status tree.
        position: Position,
        /// The statement that was answered.
        statement: StatementId,
    },
    /// Its last statement was refused; it rests until it is anchored again.
    Refused {
        /// Stable reason.
        reason: String,
    },
}

impl Row {
    /// What tells it apart.
    pub fn digest_key(&self) -> DigestKey {
        (self.credential.algorithm, self.credential.target, self.credential.digest)
    }

    /// Where it is anchored.
    pub fn position(&self) -> Option<Position> {
        match self.state {
            RowState::Anchored { position, .. } => Some(position),
            _ => None,
        }
    }
}

impl RowState {
    /// Stable name for output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Sent { .. } => "sent",
            Self::Anchored { .. } => "anchored",
            Self::Refused { .. } => "refused",
        }
    }
}
