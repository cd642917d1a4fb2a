//! The member's own clock, and the only two things it decides about blocks (RULES 2.1).
//!
//! It is no part of validity. A new value whose time is far from the own clock is *held back* from the engine until the propose
//! timeout of its round has made this member prevote nil; then the engine gets it as valid. Otherwise one faulty member could leave
//! two others locked on a value that the fourth calls invalid for ever.

use kvitto_ledger::TimeMs;

/// How far a new block's time may lie from the own clock, in milliseconds.
const TIMELY_MS: u64 = 5_000;

/// Whether a new block's time is near the own clock. Asked once, when the signed proposal of the new value arrives.
pub(crate) fn is_timely(block: TimeMs, now: TimeMs) -> bool {
    block.0.abs_diff(now.0) <= TIMELY_MS
}

/// How long a proposer waits until its clock is past the newest block's time, in milliseconds.
pub(crate) fn wait_ms(newest: TimeMs, now: TimeMs) -> u64 {
    (newest.0 + 1).saturating_sub(now.0)
}

/// Whether an untimely value of round `held` is handed over, with the engine in `round`.
pub(crate) fn is_released(held: u32, round: u32, in_propose_step: bool) -> bool {
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
