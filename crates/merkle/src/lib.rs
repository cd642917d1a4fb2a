//! Hashes, proofs and checks of the log and the status tree; checkpoints and notes.
//!
//! ```text
//!   leaves ──► log::Frontier ──► perfect nodes ──► store, tiles          root ──► Checkpoint
//!                                     │                                              │
//!              log::NodeSource ◄──────┘                                         note::Note ◄── signature lines
//!                     │                                                              │
//!   inclusion_path, consistency_path ──► proofs ──► TlogProof ◄──────────────────────┤
//!                                          │                                         ▼
//!                    verify_inclusion, verify_consistency               verify_note, Policy
//!
//!   status changes ──► status::update ──► nodes, status root (signed in the last leaf of a block)
//!                      status::prove ──► status::verify_chunk ──► StatusValue
//! ```
//!
//! Pure: no I/O, no clock, no randomness, no keys. Nodes and tiles come from the caller's
//! [`log::NodeSource`], [`tile::TileSource`] or [`status::StatusSource`]; signatures are checked by
//! the caller's function. Everything that is read from outside is bounded, and its parsers accept
//! exactly one form of each value. SHA-256 for the whole workspace comes from here.
//!
//! ```
//! use kvitto_merkle::{Frontier, leaf_hash, log::verify_inclusion, node_hash};
//!
//! let leaves = [leaf_hash(b"first"), leaf_hash(b"second")];
//! let mut log = Frontier::new();
//! leaves.into_iter().for_each(|leaf| log.push(leaf));
//! assert_eq!(log.root(), node_hash(&leaves[0], &leaves[1]));
//!
//! let proof = vec![leaves[0]].try_into()?;
//! verify_inclusion(&leaves[1], 1, log.size(), &proof, &log.root())?;
//! # Ok::<(), kvitto_merkle::log::ProofError>(())
//! ```

pub mod hash;
pub mod log;
pub mod status;
pub mod tile;

pub mod note;

pub mod checkpoint;
pub mod policy;
pub mod tlog_proof;

mod text;

pub use checkpoint::Checkpoint;
pub use hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash, sha256};
pub use log::Frontier;
pub use note::Note;
pub use policy::Policy;
pub use sha2::{Digest, Sha256};
pub use tlog_proof::TlogProof;
