//! Faults that happen to real processes and real disks: each module makes one happen, many times, and checks what it leaves.
//!
//! `cargo run --release -p kvitto-tests --bin faults -- NAME` runs many rounds; the suites in `tests/tests/` run the same code with
//! few. `FAULTS.md` beside this crate's manifest says what each one does and what was measured.

pub mod bit_rot;
pub mod crash_points;
pub mod disk_errors;
pub mod power_cuts;
pub mod store_kills;

pub mod answers;
pub mod chain;
pub mod member;
pub mod tools;
pub mod trace;
pub mod writer;

mod outcome;
mod plan;

pub mod abuse;
pub mod blackout;
pub mod catch_up;
pub mod clocks;
pub mod network;
pub mod node_kills;
pub mod overload;
pub mod pauses;
pub mod slow_disk;

pub use outcome::Outcome;
pub use plan::{Plan, bar};
