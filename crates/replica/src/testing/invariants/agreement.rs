//! Agreement: the same record at the same index everywhere.

use std::collections::BTreeMap;

use kvitto_ledger::{HeaderId, Height};
use kvitto_merkle::{Hash, leaf_hash};

use super::{Invariant, Scene, Seen, ensure};

/// The log, as whoever was first had it.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    blocks: BTreeMap<Height, HeaderId>,
    leaves: BTreeMap<u64, Hash>,
}

impl Invariant for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, seen: &Seen<'_>, _: &Scene<'_>) -> Result<(), String> {
        let Seen::Committed { member, block, .. } = seen else { return Ok(()) };
        let height = block.header.height;
        let known = *self.blocks.entry(height).or_insert(block.id);
        ensure(known == block.id, || format!("member {member} commits another block at {height}"))?;
        for (index, leaf) in (block.first_leaf().0..).zip(&block.leaves) {
            let hash = leaf_hash(leaf);
            let known = *self.leaves.entry(index).or_insert(hash);
            ensure(known == hash, || format!("member {member} has another record at index {index}"))?;
        }
        Ok(())
    }
}
