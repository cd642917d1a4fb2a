//! The status tree: two bits for every position of the ledger, committed by an RFC 6962 tree.
//!
//! ```text
//! positions   0 1 2 3 … 1023 | 1024 …            two bits each, least significant bits first,
//!            └──── chunk 0 ──┘└── chunk 1 …      as in the IETF Token Status List
//! leaf       SHA-256(0x00 || "kvitto/status/v1" || 256 bytes)
//! tree       RFC 6962 over ceil(positions / 1024) leaves
//! ```
//!
//! A new position is 0 (valid), so nearly all of the tree consists of zeros. Subtrees of zeros are
//! never stored or hashed: a [`StatusSource`] answers `None` for them, and [`zero_node`] knows
//! their roots. [`update`] computes what a block changes, [`prove`] and [`verify_chunk`] are the
//! two ends of a proof.

mod chunk;
mod proof;
mod source;
mod update;

pub use chunk::{
    CHUNK_BYTES, CHUNK_POSITIONS, CHUNK_TAG, Chunk, ChunkLengthError, StatusValue, chunk_count, chunk_index,
};
pub use proof::{StatusProofError, verify_chunk};
pub use source::{StatusSource, prove, root, zero_node};
pub use update::{StatusUpdate, UpdateError, update};
