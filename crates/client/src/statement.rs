//! A signed statement, ready to be sent as often as it takes.

use bytes::Bytes;
use kvitto_ledger::statement::Envelope;
use kvitto_ledger::{LedgerId, StatementId};

use crate::error::ClientError;

/// The bytes of a signed statement with their identity. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    id: StatementId,
    bytes: Bytes,
}

impl SignedStatement {
    /// Reads a statement for this ledger and checks its form, not its signature.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with a code from 100 to 199.
    pub fn read(bytes: impl Into<Bytes>, ledger: &LedgerId) -> Result<Self, ClientError> {
        let bytes = bytes.into();
        let envelope = Envelope::decode(&bytes[..], ledger).map_err(ClientError::refused_here)?;
        Ok(Self { id: envelope.id(), bytes })
    }

    /// A statement whose identity is known already, from a journal.
    pub fn known(id: StatementId, bytes: impl Into<Bytes>) -> Self {
        Self { id, bytes: bytes.into() }
    }

    /// Its identity.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// What is sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
