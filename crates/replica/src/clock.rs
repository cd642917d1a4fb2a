//! The member's own clock, and the only two things it decides about blocks (RULES 2.1).
//!
//! It is no part of validity. The signed proposal of a new value (one without a proof-of-lock round) whose time is far from the own
//! clock is *held back* from the engine until the propose timeout of its round has made this member prevote nil; then the engine
//! gets it, and the value is as valid as any. Otherwise one faulty member could leave two others locked on a value that the fourth
//! calls invalid for ever. It is the proposal that is held, not the value: the same value proposed anew in a later round is
//! judged again, while one that is proposed with a proof of lock is not. What the clock said when a proposal came first is
//! remembered beside its block, in [`crate::blocks`], and stands for every copy of it.

use kvitto_ledger::TimeMs;
use malachitebft_core_types::{Round, SignedProposal};

use crate::engine::context::{Context, Proposal};

/// How far a new block's time may lie from the own clock, in milliseconds.
const TIMELY_MS: u64 = 5_000;

/// Whether a new block's time is near the own clock.
pub(crate) fn is_timely(block: TimeMs, now: TimeMs) -> bool {
    block.0.abs_diff(now.0) <= TIMELY_MS
}

/// How long a proposer waits until its clock is past the newest block's time, in milliseconds.
pub(crate) fn wait_ms(newest: TimeMs, now: TimeMs) -> u64 {
    (newest.0 + 1).saturating_sub(now.0)
}

/// Whether the clock is asked about this proposal: it is of a new value, without a proof of lock.
pub(crate) fn is_judged(proposal: &Proposal) -> bool {
    proposal.pol_round == Round::Nil
}

/// Untimely proposals of the height in progress. What is kept here was admitted by [`crate::blocks`], a few of each round.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<SignedProposal<Context>>);

impl Held {
    pub(crate) fn keep(&mut self, proposal: SignedProposal<Context>) {
        if !self.0.iter().any(|held| held.message == proposal.message) {
            self.0.push(proposal);
        }
    }

    /// A proposal whose time is no matter any more, with the engine in `round`.
    pub(crate) fn release(&mut self, round: u32, in_propose_step: bool) -> Option<SignedProposal<Context>> {
        let released =
            |held: &SignedProposal<Context>| is_released(held.point().round, round, in_propose_step);
        let place = self.0.iter().position(released)?;
        Some(self.0.remove(place))
    }
}

/// Whether an untimely proposal of round `held` is handed over, with the engine in `round`.
fn is_released(held: u32, round: u32, in_propose_step: bool) -> bool {
    round > held || (round == held && !in_propose_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_timely_within_five_seconds_either_way() {
        for (block, now, expected) in [
            (10_000, 10_000, true),
            (10_000, 15_000, true),
            (10_000, 15_001, false),
            (15_000, 10_000, true),
            (15_001, 10_000, false),
            (0, u64::MAX, false),
        ] {
            assert_eq!(is_timely(TimeMs(block), TimeMs(now)), expected, "{block} at {now}");
        }
    }

    #[test]
    fn an_untimely_value_is_handed_over_after_this_rounds_nil_prevote() {
        for (held, round, in_propose_step, expected) in [
            (0, 0, true, false),
            (0, 0, false, true),
            (0, 1, true, true),
            (2, 1, false, false),
            (2, 2, true, false),
            (2, 2, false, true),
        ] {
            assert_eq!(is_released(held, round, in_propose_step), expected, "held {held}, in {round}");
        }
    }

    #[test]
    fn a_proposer_waits_until_its_clock_is_past_the_newest_block() {
        assert_eq!(wait_ms(TimeMs(100), TimeMs(101)), 0);
        assert_eq!(wait_ms(TimeMs(100), TimeMs(100)), 1);
        assert_eq!(wait_ms(TimeMs(100), TimeMs(40)), 61);
    }
}
