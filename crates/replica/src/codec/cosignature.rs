//! A member's cosignature of a tree.

use kvitto_ledger::{Height, KeyBytes, Signature};
use kvitto_merkle::Hash;
use serde::{Deserialize, Serialize};

use super::frame::{CodecError, ensure, frame, unframe_as};

const KIND: u8 = 32;
const COSIGNATURE_BYTES_MAX: usize = 512;

/// `[height, size, root, timestamp, key, signature]`: "I have this block durably, and this is the log after it." Also says that
/// its sender can serve blocks up to this height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignatureMessage {
    /// The block that closes the tree.
    pub height: Height,
    /// Size of the tree.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// When it was signed, in seconds since the epoch.
    pub timestamp_s: u64,
    /// The member's cosignature key.
    pub key: KeyBytes,
    /// Over `cosignature/v1` (C2SP tlog-cosignature) of the checkpoint's text.
    pub signature: Signature,
}

#[derive(Serialize, Deserialize)]
struct Wire(Height, u64, Hash, u64, KeyBytes, Signature);

impl CosignatureMessage {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        frame(KIND, &Wire(self.height, self.size, self.root, self.timestamp_s, self.key, self.signature))
    }

    /// Reads one; the signature is not checked.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Wire(height, size, root, timestamp_s, key, signature) =
            unframe_as(KIND, bytes, COSIGNATURE_BYTES_MAX)?;
        ensure(size > 0 && timestamp_s <= i64::MAX as u64)?;
        Ok(Self { height, size, root, timestamp_s, key, signature })
    }
}
