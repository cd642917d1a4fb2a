//! The SDK: makes statements, talks to nodes, and returns only what it verified.
//!
//! ```text
//!  Organisation ──sign──► SignedStatement ──► Client::submit_final, submit_many ─┐      ┌─► node
//!  (key, clock, nonce)     (bytes, id)                                           ├ Pool ┼─► node   the same bytes again, elsewhere,
//!  Client::status, receipt, identifier, issuer, chain, entries, checkpoint, … ───┘      └─► node   as long as nobody has answered
//!                                   │
//!          answer ──► verified with the trust file ──► Proven…    receipts: kvitto-verifier; records: under a signed tree
//!                 └─► nothing to verify it with    ──► Unproved   the node's word, and named so
//! ```
//!
//! A [`Client`] is cheap to clone. It connects when first used, tries every endpoint it was given, and remembers the newest
//! checkpoint it has seen, so that no node can show it another history, or an older status as the newest. Openings (salts) never
//! leave the caller.
//! The clock and the random source of statements live here, and nowhere below.
//!
//! Absence cannot be proved: that something is *not* on the ledger ([`ClientError::NotFound`]) is the node's word.

mod client;
mod options;

mod error;
mod unproved;

mod organisation;
mod statement;

mod submit;

mod status;

mod registry;

mod audit;
mod checkpoint;
mod evidence;
mod genesis;
mod heads;
mod log;
mod newest;
mod range;

mod operator;

mod pool;
mod watch;

pub use audit::{Audit, AuditError};
pub use checkpoint::VerifiedCheckpoint;
pub use client::Client;
pub use error::{BadAnswer, ClientError, LocalError, Unavailable};
pub use evidence::{EvidencePage, EvidenceSummary, ProvenEvidence};
pub use genesis::trust_as_said;
pub use log::{ProvenEntries, ProvenLeaf};
pub use operator::{Finding, NodeInfo, Operator, Peer, Severity};
pub use options::{CheckpointSink, Clock, Options, system_clock};
pub use organisation::{Organisation, PossessionRequest, Registration};
pub use registry::{Cursor, Listed, Page, Proven};
pub use statement::SignedStatement;
pub use status::{ProvenReceipt, StatusWatch};
pub use submit::{Answer, Answered, Final, ManyOptions, NothingNew, Submissions, Submitted};
pub use unproved::Unproved;

pub use kvitto_proto::convert::{AsOf, CredentialName, CredentialStatus, Moment, Refusal};
