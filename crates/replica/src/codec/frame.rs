//! Version, kind, CBOR: what every message is made of.

use kvitto_ledger::codec::{DecodeError, decode_strict, encode};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Version of all formats here.
const CODEC_VERSION: u8 = 1;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CodecError {
    /// Longer than this kind of message may be.
    #[error("too long")]
    TooLong,
    /// Of another version of these formats.
    #[error("unknown version")]
    Version,
    /// Not of a kind that belongs here.
    #[error("unknown kind")]
    Kind,
    /// Not the one deterministic CBOR of its kind.
    #[error("not in deterministic form")]
    Form,
    /// A number or count is out of its range, or parts contradict each other.
    #[error("content out of range")]
    Range,
}

impl CodecError {
    /// The same as text without data from outside.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Version => "unknown version",
            Self::Kind => "unknown kind",
            Self::Form => "not in deterministic form",
            Self::Range => "content out of range",
        }
    }
}

impl From<DecodeError> for CodecError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLong { .. } => Self::TooLong,
            DecodeError::Malformed | DecodeError::NotCanonical => Self::Form,
        }
    }
}

pub(super) fn frame<T: Serialize>(kind: u8, content: &T) -> Vec<u8> {
    let mut bytes = vec![CODEC_VERSION, kind];
    bytes.append(&mut encode(content));
    bytes
}

/// The kind of a message of at most `max` bytes, and its CBOR.
pub(super) fn unframe(bytes: &[u8], max: usize) -> Result<(u8, &[u8]), CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong);
    }
    match bytes {
        [CODEC_VERSION, kind, content @ ..] => Ok((*kind, content)),
        [CODEC_VERSION] | [] => Err(CodecError::Form),
        _ => Err(CodecError::Version),
    }
}

/// The content of a message that must be of `kind`.
pub(super) fn unframe_as<T: Serialize + DeserializeOwned>(
    kind: u8,
    bytes: &[u8],
    max: usize,
) -> Result<T, CodecError> {
    match unframe(bytes, max)? {
        (found, content) if found == kind => Ok(decode_strict(content, max)?),
        _ => Err(CodecError::Kind),
    }
}

pub(super) fn ensure(holds: bool) -> Result<(), CodecError> {
    if holds { Ok(()) } else { Err(CodecError::Range) }
}
