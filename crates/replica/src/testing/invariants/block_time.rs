//! Block times are true as far as clocks are: never further ahead than honest clocks and the five seconds of RULES 2.1 explain, and
//! each later than the one before.

use super::{Invariant, Scene, Seen, ensure};

/// How far ahead of a voter's clock a block may be, in milliseconds.
const AHEAD_MS_MAX: u64 = 5_000;

#[derive(Debug)]
pub(super) struct BlockTime;

impl Invariant for BlockTime {
    fn name(&self) -> &'static str {
        "block time"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Committed { member, block, is_new: true } = seen else { return Ok(()) };
        let header = &block.header;
        ensure(header.time.0 <= scene.now.0 + AHEAD_MS_MAX + scene.clock_error_ms, || {
            format!("block {} is of {} at {}", header.height, header.time, scene.now)
        })?;
        let blocks = &scene.nodes[*member].state.blocks;
        let before = header.height.0.checked_sub(1).map(|height| blocks[height as usize].header.time);
        ensure(before < Some(header.time), || {
            format!("block {} is not later than its predecessor", header.height)
        })
    }
}
