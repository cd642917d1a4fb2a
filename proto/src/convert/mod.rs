//! Between wire and domain, in both directions. Reading is strict: the first fault is an error, nothing is guessed.

mod moment;
mod outcome;
mod proof;
mod receipt;
mod registry;
mod status;

use bytes::Bytes;
use kvitto_ledger::{AccreditationId, Commitment, Did, StatementId};
use kvitto_merkle::Hash;
use thiserror::Error;

pub use moment::{AsOf, Moment};
pub use outcome::{Progress, Refusal, StatementResult};
pub use proof::{PublishedCheckpoint, RegistryProof};
pub use receipt::{receipt_item, receipt_shared};
pub use status::{CredentialName, CredentialStatus};

pub use kvitto_verifier::receipt::{ReceiptItem, ReceiptShared};

/// A message says something that the domain cannot mean.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConvertError {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A byte string has the wrong length.
    #[error("{field} has {found} bytes, expected are {expected}")]
    Length {
        /// Which field.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The only right length.
        expected: usize,
    },
    /// A text, number or list is none that the field can hold.
    #[error("{0} has no meaning that is known here")]
    Unknown(&'static str),
}

/// The `N` bytes of a field.
///
/// # Errors
/// [`ConvertError::Length`].
pub fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], ConvertError> {
    bytes.try_into().map_err(|_| ConvertError::Length { field, found: bytes.len(), expected: N })
}

/// An organisation's identifier.
///
/// # Errors
/// [`ConvertError::Unknown`] where it is not `did:ebsi` version 1.
pub fn did(field: &'static str, text: &str) -> Result<Did, ConvertError> {
    text.parse().map_err(|_| ConvertError::Unknown(field))
}

/// A statement's id.
///
/// # Errors
/// [`ConvertError::Length`].
pub fn statement_id(bytes: &[u8]) -> Result<StatementId, ConvertError> {
    array("statement_id", bytes).map(StatementId)
}

/// A commitment.
///
/// # Errors
/// [`ConvertError::Length`].
pub fn commitment(bytes: &[u8]) -> Result<Commitment, ConvertError> {
    array("commitment", bytes).map(Commitment)
}

/// An accreditation's id.
///
/// # Errors
/// [`ConvertError::Length`].
pub fn accreditation_id(field: &'static str, bytes: &[u8]) -> Result<AccreditationId, ConvertError> {
    array(field, bytes).map(AccreditationId)
}

/// A list of hashes.
///
/// # Errors
/// [`ConvertError::Length`].
pub fn hashes(field: &'static str, path: &[Bytes]) -> Result<Vec<Hash>, ConvertError> {
    path.iter().map(|hash| array(field, hash).map(Hash)).collect()
}

/// A list of hashes, for the wire.
pub fn hash_bytes(hashes: &[Hash]) -> Vec<Bytes> {
    hashes.iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect()
}

fn present<T>(field: &'static str, value: Option<T>) -> Result<T, ConvertError> {
    value.ok_or(ConvertError::Missing(field))
}
