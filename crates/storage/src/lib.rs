//! Keeps what a node has committed: the store's contract, sled, and an in-memory twin.
//!
//! ```text
//!  replica ──► Store::commit(block, certificate)                API, proofs ──► Read::…_at(height, …)
//!                │ 1 one transaction   2 flush, fsync             ▲
//!                ▼                                                │ any number, while the writer commits
//!              rows ──────────────────────────────────────────────┘
//!                │ 3 HEAD, fsync: now it is acknowledged
//!                ▼
//!              HEAD (two slots)        journal: bodies and consensus messages, before votes
//! ```
//!
//! [`store`] is the contract, [`disk`] the store that nodes use, [`memory`] its twin for tests and simulations. [`journal`] is
//! the file that consensus writes before it signs, [`prove`] makes receipts from any reader, [`audit`] checks any store.

pub mod store;

pub mod error;

pub mod memory;

pub mod disk;

pub mod journal;

pub mod head;
pub mod slots;

pub mod faults;
pub mod files;

pub mod nodes;

pub mod audit;

pub mod prove;

mod read_state;

#[cfg(any(test, feature = "testing"))]
pub mod suite;

pub use disk::{SledReader, SledStore};
pub use error::{Damage, FirstFailure, StoreError};
pub use journal::Journal;
pub use memory::{MemoryDisk, MemoryStore};
pub use store::{Head, Published, Read, Store};
