//! Blocks: the header that consensus decides on, and the body that travels apart.

use std::sync::Arc;

use kvitto_merkle::{Frontier, Hash, leaf_hash, sha256};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{DecodeError, cbor_array, decode_strict, encode};
use crate::ids::{ConfigHash, HeaderId, Height, TimeMs};

/// Longest body, in bytes: 1 MiB (RULES 2.5).
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most records of one block, its `Block` record included (RULES 2.5).
pub const RECORDS_MAX: usize = 32_768;
/// Longest encoded header, in bytes.
pub const HEADER_BYTES_MAX: usize = 512;

const HEADER_TAG: &[u8] = b"kvitto/header/v1";

cbor_array! {
    /// What consensus decides: a block's place, its statements, and what is true after it.
    #[derive(PartialOrd, Ord)]
    pub struct Header {
        /// Rules under which the block was executed.
        pub rules_version: u16,
        /// Number of the block.
        pub height: Height,
        /// Id of the previous header; zero in block 0.
        pub previous: HeaderId,
        /// The block's time; later than the previous one's.
        pub time: TimeMs,
        /// RFC 6962 root over the exact bytes of the statements, in order.
        pub statements_root: Hash,
        /// Number of statements.
        pub statements: u32,
        /// Size of the log after the block.
        pub tree_size: u64,
        /// Root of the log after the block.
        pub log_root: Hash,
        /// Root of the status tree after the block.
        pub status_root: Hash,
        /// Configuration in force in this block.
        pub config_hash: ConfigHash,
    }
}

impl Header {
    /// Its id: SHA-256 of `"kvitto/header/v1"` and its CBOR.
    pub fn id(&self) -> HeaderId {
        HeaderId(sha256(&[HEADER_TAG, &self.encode()]).0)
    }

    /// Its CBOR.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_strict(bytes, HEADER_BYTES_MAX)
    }
}

/// The statements of a block, as exact bytes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockBody(pub Vec<Arc<[u8]>>);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct WireBody(Vec<ByteBuf>);

impl BlockBody {
    /// Its CBOR: an array of byte strings.
    pub fn encode(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(transparent)]
        struct Borrowed<'a>(Vec<&'a serde_bytes::Bytes>);
        encode(&Borrowed(self.0.iter().map(|bytes| serde_bytes::Bytes::new(bytes)).collect()))
    }

    /// Reads one of at most [`BODY_BYTES_MAX`].
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let WireBody(statements) = decode_strict(bytes, BODY_BYTES_MAX)?;
        Ok(Self(statements.into_iter().map(|bytes| Arc::from(bytes.into_vec())).collect()))
    }

    /// RFC 6962 root over the statements.
    pub fn root(&self) -> Hash {
        statements_root(self.0.iter().map(|bytes| &**bytes))
    }
}

/// RFC 6962 root over statements' exact bytes, in order.
pub fn statements_root<'a>(statements: impl Iterator<Item = &'a [u8]>) -> Hash {
    let mut frontier = Frontier::default();
    for bytes in statements {
        frontier.push(leaf_hash(bytes));
    }
    frontier.root()
}

/// Bytes that a statement of `len` bytes adds to an encoded body.
pub const fn body_bytes_of(len: usize) -> usize {
    // Head of a CBOR byte string (RFC 8949, 3): 1, 2, 3 or 5 bytes.
    len + match len {
        0..24 => 1,
        24..256 => 2,
        256..65_536 => 3,
        _ => 5,
    }
}

/// Bytes that an empty body takes at most: the head of an array of up to 2^32 elements.
pub const BODY_HEAD_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_as_long_as_its_statements_say() {
        for len in [1, 23, 24, 255, 256, 65_535, 65_536] {
            let body = BlockBody(vec![Arc::from(vec![7; len])]);
            assert_eq!(body.encode().len(), 1 + body_bytes_of(len), "{len}");
            assert_eq!(BlockBody::decode(&body.encode()), Ok(body));
        }
    }

    #[test]
    fn a_header_is_shorter_than_its_limit() {
        let header = Header {
            rules_version: u16::MAX,
            height: Height(u64::MAX),
            previous: HeaderId([255; 32]),
            time: TimeMs(u64::MAX),
            statements_root: Hash([255; 32]),
            statements: u32::MAX,
            tree_size: u64::MAX,
            log_root: Hash([255; 32]),
            status_root: Hash([255; 32]),
            config_hash: ConfigHash([255; 32]),
        };
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
}
