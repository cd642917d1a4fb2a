//! What may be recorded: statements, records, their bytes, and the rules that apply them to a state.
//!
//! ```text
//!  bytes ──► Envelope::decode ──► verify(key) ──► Checked ──► execute::{build, execute} ──► ExecutedBlock
//!            form (1xx)           signature        │           apply, in order, on a view     header, leaves,
//!                                 (2xx), parallel  │           of ReadState (2xx to 7xx)      changes
//!                                                  └── what mempools and gossip carry
//! ```
//!
//! Pure: no I/O, no clock, no randomness. The rules are those of version 1; where two readers could differ, the tests quote the
//! sentence. Only this crate imports `ed25519-dalek`, `serde_cbor` and `coset`.

pub mod apply;
pub mod block;
pub mod codec;
pub mod commitment;
pub mod credential;
pub mod did;
pub mod document;
pub mod execute;
mod form;
pub mod genesis;
pub mod ids;
pub mod keys;
pub mod record;
pub mod rejection;
pub mod scope;
pub mod state;
pub mod statement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use block::{BlockBody, Header};
pub use did::{Did, KeyId};
pub use genesis::{Genesis, LedgerConfig};
pub use ids::{
    AccreditationId, Commitment, ConfigHash, HeaderId, Height, KeyBytes, LeafIndex, LedgerId, Nonce,
    Position, RegistrantNumber, Signature, StatementId, Thumbprint, TimeMs,
};
pub use keys::{PublicKey, SigningKey};
pub use record::{Record, RecordBody};
pub use rejection::Rejection;
pub use state::{ReadState, StateError, Tip};
pub use statement::{Checked, Envelope, Statement};
