//! Append-only: every checkpoint is of a beginning of the one log, and any two of them can be proved consistent.

use std::collections::BTreeMap;

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_ledger::testing::MemoryState;
use kvitto_merkle::log::{NodeSource, consistency_path, verify_consistency};
use kvitto_merkle::{Checkpoint, Hash, leaf_hash};

use super::{Invariant, Scene, Seen, ensure, plain};

#[derive(Debug, Default)]
pub(super) struct AppendOnly {
    /// Leaf hashes of the log.
    leaves: Vec<Hash>,
    blocks: usize,
    /// Every published tree, by size.
    published: BTreeMap<u64, Hash>,
    /// Picks an older checkpoint to compare with.
    picks: u64,
}

struct Nodes<'a>(&'a MemoryState);

impl NodeSource for Nodes<'_> {
    type Error = String;

    fn node(&self, level: u8, index: u64) -> Result<Hash, String> {
        self.0.log_nodes.get(&(level, index)).copied().ok_or_else(|| format!("no node {level}/{index}"))
    }
}

impl Invariant for AppendOnly {
    fn name(&self) -> &'static str {
        "append-only"
    }

    fn see(&mut self, seen: &Seen<'_>, scene: &Scene<'_>) -> Result<(), String> {
        match seen {
            Seen::Committed { member, block, is_new: true } => {
                self.look_at(scene, *member, block);
                let root = plain::root(&self.leaves);
                ensure(
                    block.header.tree_size == self.leaves.len() as u64 && block.header.log_root == root,
                    || format!("the root of block {} is not that of its leaves", block.header.height),
                )
            }
            Seen::Published { member, note, .. } if !scene.liars.contains(member) => {
                self.look_at(scene, *member, scene.nodes[*member].state.newest());
                let checkpoint: Checkpoint = note.text().parse().map_err(|error| format!("{error:?}"))?;
                self.published(*member, &checkpoint, scene)
            }
            _ => Ok(()),
        }
    }
}

impl AppendOnly {
    fn look_at(&mut self, scene: &Scene<'_>, member: usize, block: &ExecutedBlock) {
        let unseen = plain::unseen(&mut self.blocks, scene, member, block);
        let leaves = unseen.iter().flat_map(|block| &block.leaves);
        self.leaves.extend(leaves.map(|leaf| leaf_hash(leaf)));
    }

    fn published(&mut self, member: usize, newer: &Checkpoint, scene: &Scene<'_>) -> Result<(), String> {
        let leaves = self.leaves.get(..newer.size as usize).ok_or("a checkpoint is larger than the log")?;
        ensure(plain::root(leaves) == newer.root, || {
            format!("member {member} publishes another tree of size {}", newer.size)
        })?;
        // The next smaller one, and any other.
        let smaller: Vec<_> = self.published.range(..newer.size).collect();
        self.picks += 1;
        let picked = smaller.get(self.picks as usize % smaller.len().max(1));
        for (size, root) in smaller.last().into_iter().chain(picked) {
            let path = consistency_path(&Nodes(&scene.nodes[member].state), **size, newer.size).map_err(
                |error| format!("member {member} cannot prove from {size} to {}: {error:?}", newer.size),
            )?;
            verify_consistency(**size, root, newer.size, &newer.root, &path)
                .map_err(|error| format!("sizes {size} and {} are not consistent: {error}", newer.size))?;
        }
        self.published.insert(newer.size, newer.root);
        Ok(())
    }
}
