//! All bytes between peers, and the journal's: `version (1) || kind (1) || deterministic CBOR array`.
//!
//! | kind | meaning | where |
//! |---|---|---|
//! | 1 | statements | gossip, topic statements |
//! | 16 vote, 17 proposal, 18 polka certificate, 19 round certificate | the engine's messages | gossip, topic consensus; 16 to 18 also journal |
//! | 32 | cosignature | gossip, topic cosignatures |
//! | 48 body, 49 pull of a body, 50 pull of blocks, 51 status | requests and pushes | request protocol |
//! | 64 body or nothing, 65 blocks | answers | request protocol |
//! | 80 block with its body, 81 own proposal, 82 timeout, 83 value | | journal |
//! | 96 | two messages that contradict each other | evidence |
//! | 112 | commit certificate | store, inside blocks |
//!
//! Every decoder has a greatest length, re-encodes and compares, and checks ranges and counts, so that what comes out of it can
//! be handed on without fear. Arrays have the order of the fields below.

mod blocks;
mod consensus;
mod cosignature;
mod evidence;
mod frame;
mod journal;
mod request;
mod statements;

pub use blocks::{BlockParts, encode_blocks};
pub use cosignature::CosignatureMessage;
pub use evidence::Evidence;
pub use frame::CodecError;
pub(crate) use statements::BATCH_BYTES_MAX;
pub use statements::{STATEMENTS_BYTES_MAX, Statements};

pub(crate) use blocks::{BLOCKS_BYTES_MAX, ServedBlock, decode_blocks};
pub(crate) use consensus::{
    ConsensusMessage, decode_certificate, encode_certificate, encode_proposal, encode_vote,
};
pub(crate) use journal::JournalEntry;
pub(crate) use request::{BodyMessage, PULL_BLOCKS_MAX, Request, decode_pulled_body, encode_pulled_body};
