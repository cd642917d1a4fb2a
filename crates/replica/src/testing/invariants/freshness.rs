//! Freshness: whatever cosignatures are put together, nothing that anyone was told was final before the time that they prove is
//! missing from their tree (RULES 3.3).

use std::collections::BTreeMap;

use kvitto_ledger::{Height, TimeMs};

use super::{Invariant, Scene, Seen, ensure};

#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// The newest cosignature of each honest member, by height, in seconds.
    cosigned: BTreeMap<Height, BTreeMap<usize, u64>>,
    /// When something at a height was first said to be final.
    told: BTreeMap<Height, TimeMs>,
}

impl Invariant for Freshness {
    fn name(&self) -> &'static str {
        "freshness"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        match seen {
            Seen::Cosigned { member, message }
                if !scene.liars.contains(member) && !scene.off.contains(member) =>
            {
                let times = self.cosigned.entry(message.height).or_default();
                let time = times.entry(*member).or_default();
                *time = message.timestamp_s.max(*time);
                self.check(message.height, scene)
            }
            Seen::Final { member, height, .. } if !scene.liars.contains(member) => {
                self.told.entry(*height).or_insert(scene.now);
                let below: Vec<_> = self.cosigned.range(..*height).map(|(height, _)| *height).collect();
                below.into_iter().try_for_each(|height| self.check(height, scene))
            }
            _ => Ok(()),
        }
    }
}

impl Freshness {
    /// Whether the best that can be made of the cosignatures of this height hides something.
    fn check(&self, height: Height, scene: &Scene<'_>) -> Result<(), String> {
        let times = &self.cosigned[&height];
        let told = self.told.range(height.next()..).map(|(_, told)| *told).min();
        let (Some(told), quorum) = (told, scene.quorum()) else { return Ok(()) };
        // A liar cosigns whatever is wanted, and so may a clock that is far off.
        let mut best: Vec<u64> = times.values().copied().collect();
        best.extend(scene.liars.union(scene.off).map(|_| u64::MAX));
        best.sort_unstable_by(|one, other| other.cmp(one));
        let Some(proved_s) = best.get(quorum - 1) else { return Ok(()) };
        let bound_ms = told.0 + scene.clock_error_ms;
        ensure(proved_s.saturating_mul(1000) <= bound_ms, || {
            format!(
                "block {height} can be shown as of {proved_s} s, when a later block had been final since {told} ms"
            )
        })
    }
}
