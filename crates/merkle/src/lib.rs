//! Hashes, proofs and checks of the log and the status tree; checkpoints and notes.
//!
//! Pure: no I/O, no clock, no randomness, no keys. Only this crate imports `sha2`.

pub mod checkpoint;
pub mod hash;
pub mod log;
pub mod note;
pub mod policy;
pub mod status;
mod text;
pub mod tile;
pub mod tlog_proof;

pub use checkpoint::Checkpoint;
pub use hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash, sha256};
pub use log::Frontier;
pub use note::Note;
pub use policy::Policy;
pub use sha2::{Digest, Sha256};
pub use tlog_proof::TlogProof;
