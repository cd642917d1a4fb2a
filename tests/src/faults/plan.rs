//! How often a fault is made to happen, from which seed, and where the processes come from that it happens to.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use kvitto_replica::testing::Random;

/// What a run of rounds is started with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of rounds.
    pub rounds: u64,
    /// What everything random follows from, but the machine's own timing.
    pub seed: u64,
    /// The program `faults`, which is also every process that something happens to.
    pub program: PathBuf,
    /// Whether progress is drawn.
    pub visible: bool,
}

impl Plan {
    /// The random numbers of a round, the same whichever rounds ran before it.
    pub fn random(&self, round: u64) -> Random {
        Random::new(self.seed.wrapping_mul(0x0100_0000_01b3) ^ round)
    }

    /// A bar over `rounds` rounds, or an invisible one.
    pub fn progress(&self, rounds: u64) -> ProgressBar {
        if self.visible { bar(rounds) } else { ProgressBar::hidden() }
    }
}

/// A bar over so many rounds, or seeds.
pub fn bar(rounds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {eta} left {msg}");
    ProgressBar::new(rounds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
