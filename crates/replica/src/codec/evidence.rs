//! Two messages with which a member contradicts itself.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::frame::{CodecError, frame, unframe_as};

const KIND: u8 = 96;
const EVIDENCE_BYTES_MAX: usize = 8 * 1024;

/// `[first, second]`: two votes or two proposals for one (height, round, type), as they were received. Whoever reads it checks both
/// signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingMessages {
    /// The message that came first.
    pub first: Vec<u8>,
    /// The one that contradicts it.
    pub second: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Wire(ByteBuf, ByteBuf);

impl ConflictingMessages {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        frame(KIND, &Wire(ByteBuf::from(self.first.clone()), ByteBuf::from(self.second.clone())))
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Wire(first, second) = unframe_as(KIND, bytes, EVIDENCE_BYTES_MAX)?;
        Ok(Self { first: first.into_vec(), second: second.into_vec() })
    }
}
