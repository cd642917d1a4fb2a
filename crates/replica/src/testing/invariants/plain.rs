//! Trees computed in the plainest way, and the blocks that an invariant has not looked at.

use kvitto_ledger::execute::ExecutedBlock;
use kvitto_merkle::{EMPTY_ROOT, Hash, node_hash};

use super::Scene;

/// RFC 6962, as it stands there.
pub(super) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&root(&leaves[..split]), &root(&leaves[split..]))
        }
    }
}

/// The blocks up to `block` that were not looked at: only that one when it is new, but for the beginning, before which there may
/// be others.
pub(super) fn unseen<'a>(
    looked_at: &mut usize,
    scene: &Scene<'a>,
    member: usize,
    block: &ExecutedBlock,
) -> &'a [ExecutedBlock] {
    let end = block.header.height.0 as usize + 1;
    let start = std::mem::replace(looked_at, end.max(*looked_at));
    &scene.nodes[member].state.blocks[start.min(end)..end]
}

#[cfg(test)]
mod tests {
    use kvitto_merkle::{Frontier, leaf_hash};

    use super::*;

    #[test]
    fn the_plain_root_is_the_root() {
        let mut frontier = Frontier::new();
        let mut leaves = Vec::new();
        for number in 0..70_u8 {
            assert_eq!(root(&leaves), frontier.root());
            leaves.push(leaf_hash(&[number]));
            frontier.push(leaf_hash(&[number]));
        }
    }
}
