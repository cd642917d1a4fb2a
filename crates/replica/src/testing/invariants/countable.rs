//! A published checkpoint carries the quorum of distinct members that a verifier counts (RULES 3.1, 3.3).

use std::collections::BTreeSet;

use kvitto_merkle::note::Cosignature;

use super::{Invariant, Scene, Seen, ensure};

/// Verifiers ignore cosignatures that are further ahead of their clock, in seconds.
const AHEAD_S_MAX: u64 = 60;

#[derive(Debug)]
pub(super) struct Countable;

impl Invariant for Countable {
    fn name(&self) -> &'static str {
        "countable checkpoints"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Published { member, height, note } = seen else { return Ok(()) };
        if scene.liars.contains(member) || scene.off.contains(member) {
            return Ok(());
        }
        let node = &scene.nodes[*member];
        ensure(*height <= node.height(), || format!("{height} is published, {} committed", node.height()))?;
        let counts = |bytes: &[u8]| {
            let line = Cosignature::from_bytes(bytes)?;
            (line.timestamp_s <= scene.now.seconds() + AHEAD_S_MAX).then_some(())
        };
        let lines = note.signatures().iter().filter(|line| counts(line.signature()).is_some());
        let signers: BTreeSet<_> = lines.map(|line| line.name().as_str()).collect();
        let quorum = scene.quorum();
        ensure(signers.len() >= quorum, || {
            format!("member {member} publishes with {} that count", signers.len())
        })
    }
}
