//! Everything that crosses crates. `README.md` beside this crate's manifest says what each suite proves and how to repeat a seed.
//!
//! [`sim`] is a simulation of whole nodes under every fault that can be drawn from a seed; `--bin sim` runs many.
//! [`mutants`] plants bugs in a copy of the sources, which simulation and tests must notice.
//! [`faults`] is what is done to real processes, real disks and real networks; `--bin faults` does it at length.
//! [`live`] is a ledger of real processes, and the books of what it acknowledged.
//! [`world`] is a ledger with real nodes in this process, on which tests act through the command line like anyone else.

pub mod faults;

pub mod files;

pub mod live;

pub mod mutants;

pub mod sim;

pub mod world;

pub mod shared;
