//! What a node does with each event: `handle(now, input, state) -> effects`.
//!
//! ```text
//!              statements (Checked)     gossip, requests, answers       timers        Committed, Verified
//!                     │                          │                        │                  │
//!                     ▼                          ▼                        ▼                  ▼
//!   Input ─────────────────────────────── Replica::handle ───────────────────────────────────────────┐
//!                     │                          │                                                    │
//!                  mempool ──► build ──►      engine (Malachite's core: votes, rounds, locks)         │
//!                                 │          ▲        │ decided                                       │
//!                                 ▼          │        ▼                                               │
//!                              blocks: bodies, checked and executed before the vote ◄── sync          │
//!                                                     │ committed                                     │
//!                                                     ▼                                               │
//!                                                  cosign ──► quorum ──► final                        │
//!                                                                                                     ▼
//!   Vec<Effect>, carried out in this order:  persist (journal, sync) · send · commit · answer
//! ```
//!
//! Pure: no I/O, no clock, no randomness, no metrics. Time is an argument, keys are behind [`Signer`], the store is
//! [`kvitto_ledger::ReadState`], and everything else that happens is an [`Input`] or an [`Effect`]. The same inputs give the
//! same effects, so a simulator runs many replicas from one seed.
//!
//! Invariants:
//! - No signature of this member leaves before the journal and the guard that remember it are durable ([`Effect::Sync`]).
//! - A member votes for a header only after the body is in its journal and executing it led to exactly this header.
//! - Nothing reads the state after [`Effect::Commit`] until [`Input::Committed`] says that it is durable.
//! - What peers send is decoded strictly, verified and bounded before anything else looks at it; it can cost a bounded amount of
//!   work, but it cannot make the replica panic.

mod blocks;
mod certified;
mod check;
mod clock;
pub mod codec;
mod cosign;
mod early;
mod effect;
mod engine;
mod evidence;
mod heads;
mod input;
mod mempool;
mod options;
mod outbox;
mod replica;
pub mod signer;
mod status;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

pub use certified::is_certified;
pub use effect::{Effect, Fault, Halt, Notice, Refusal, Verdict};
pub use evidence::{Beginning, ConflictingHeads, ConflictingMessages, Evidence, Message};
pub use input::{Input, Origin, Peer, ReplyToken, RequestId, TimerId, Topic, VerdictToken, VerifyTicket};
pub use options::{AHEAD_MS_MAX, MempoolLimits, Options, Standing, Timeouts};
pub use replica::Replica;
pub use signer::Signer;
pub use status::{Cosigned, Crowded, MemberStatus, RoundStatus, Status};
