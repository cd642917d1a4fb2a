//! Nothing acknowledged is lost: when a client is told "final", a quorum has the block on its disks, and the member's own
//! published checkpoint covers it (RULES 3.1).

use super::{Invariant, Scene, Seen, ensure};

#[derive(Debug)]
pub(super) struct Durable;

impl Invariant for Durable {
    fn name(&self) -> &'static str {
        "final is durable"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        let Seen::Final { member, height, .. } = seen else { return Ok(()) };
        let has = |(index, node): &(usize, &super::Node)| {
            // Liars and wiped members have, or had, what they have cosigned.
            node.height() >= *height || node.had_lost(*height) || scene.liars.contains(index)
        };
        let count = scene.nodes.iter().enumerate().filter(has).count();
        let quorum = scene.quorum();
        ensure(count >= quorum, || format!("final at {height} with {count} members"))?;
        let published = scene.nodes[*member].published.as_ref().map(|(published, _)| *published);
        ensure(published >= Some(*height), || format!("final at {height}, published is {published:?}"))
    }
}
