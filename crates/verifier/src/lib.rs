//! Decides whether a receipt is true, from its arguments alone.
//!
//! ```text
//!  receipt file ──► Receipt ───┐
//!  trust file ────► TrustFile ─┼──► verify ──► Verdict   what is proved, four comparisons, one overall word
//!  credential file ────────────┤      │
//!  time, max_age ──────────────┘      └─────► Refusal    nothing is proved; a stable reason
//!
//!  evidence file, trust file ──► Evidence::check ──► who contradicted themselves, and how
//!  every leaf of a log, trust file ──► Replay ──► the log is what its blocks say, or the first thing that does not follow
//! ```
//!
//! Pure: no I/O, no clock, no randomness, no network. The formats are described in `RECEIPT.md` and `EVIDENCE.md`, with vectors, so that
//! anyone can write another verifier. Specifications: C2SP tlog-proof, tlog-checkpoint, tlog-cosignature; RFC 9162.
//! Deliberately not here: making receipts, checking a credential's own seal, resolving anything.

pub mod receipt;

pub mod trust;

mod verify;

pub mod verdict;

pub mod refusal;

pub mod evidence;

pub mod replay;

mod json;

pub use evidence::{Evidence, EvidenceError};
pub use json::JsonError;
pub use receipt::Receipt;
pub use refusal::Refusal;
pub use replay::{Replay, ReplayFault};
pub use trust::{TrustError, TrustFile};
pub use verdict::{Overall, Verdict};
pub use verify::{Question, Signed, signed_by_quorum, verify};
