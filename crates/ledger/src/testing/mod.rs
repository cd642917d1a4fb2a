//! What tests share, in this crate and in others: actors with keys from names, a state in memory, and a ledger to run statements on.
//!
//! ```text
//!  World (genesis, keys) ──► Ledger ──► sign(actor, body) ──► Checked ──► run ──► Outcome or Rejection
//!                              └── state: MemoryState, clock: the next block's time
//! ```
//!
//! Behind the cargo feature `testing`; nothing here is fit for production. Everything follows from names and numbers, so two
//! runs make the same bytes.
//!
//! ```
//! use kvitto_ledger::testing::{Ledger, commitment};
//!
//! let mut ledger = Ledger::with_school(1);
//! let school = ledger.school.clone();
//! let outcome = ledger.act(&school, school.anchors([commitment(1), commitment(2)]))?;
//! assert_eq!(outcome.leaves, 2);
//! # Ok::<(), kvitto_ledger::Rejection>(())
//! ```

mod actor;
mod ledger;
mod memory;
mod watched;
mod world;

pub use actor::{Actor, commitment, signing_key};
pub use ledger::Ledger;
pub use memory::MemoryState;
pub use watched::{LookUp, Watched};
pub use world::{DAY_MS, HOUR_MS, MemberKeys, START, TYPE, World, YEAR_MS};
