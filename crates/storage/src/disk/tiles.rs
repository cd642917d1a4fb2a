//! The log's hashes, in halves of C2SP tiles: 128 consecutive perfect nodes of every eighth level.
//!
//! Full rows are never written again; the one at each level's right edge is, whenever it grows. The levels between are hashed
//! when they are asked for.

use std::collections::BTreeMap;

use kvitto_merkle::log::PerfectNode;
use kvitto_merkle::tile::TILE_HEIGHT;
use kvitto_merkle::{Hash, node_hash};

use super::keys::{self, TILE_ROW_HASHES};
use super::rows::Rows;
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};

/// Adds the rows of a block's new nodes.
pub(super) fn put_nodes(trees: &Trees, rows: &mut Rows, nodes: &[PerfectNode]) -> Result<(), StoreError> {
    let mut changed: BTreeMap<(u8, u64), Vec<u8>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.level % TILE_HEIGHT == 0) {
        let place = (node.level / TILE_HEIGHT, node.index / TILE_ROW_HASHES);
        let offset = (node.index % TILE_ROW_HASHES) as usize * Hash::BYTES;
        let row = match changed.entry(place) {
            std::collections::btree_map::Entry::Occupied(row) => row.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let stored = trees.raw(TreeName::Tiles, &keys::tile(place.0, place.1))?;
                vacant.insert(stored.map(|row| row.to_vec()).unwrap_or_default())
            }
        };
        // A block that was rolled back with the rest of the database leaves no longer row behind, but a damaged one may.
        if row.len() < offset {
            return Err(Damage::unreadable(TreeName::Tiles.name(), node.index).into());
        }
        row.truncate(offset);
        row.extend_from_slice(&node.hash.0);
    }
    for ((level, row), hashes) in changed {
        rows.put_raw(TreeName::Tiles, keys::tile(level, row), hashes);
    }
    Ok(())
}

/// A perfect node; `None` where the stored rows do not reach that far.
pub(super) fn node(trees: &Trees, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
    let height = level % TILE_HEIGHT;
    let Some(first) = index.checked_mul(1 << height) else { return Ok(None) };
    let key = keys::tile(level / TILE_HEIGHT, first / TILE_ROW_HASHES);
    let Some(row) = trees.raw(TreeName::Tiles, &key)? else { return Ok(None) };
    let (hashes, _) = row.as_chunks::<{ Hash::BYTES }>();
    let offset = (first % TILE_ROW_HASHES) as usize;
    let Some(hashes) = hashes.get(offset..offset + (1 << height)) else { return Ok(None) };
    let mut nodes: Vec<Hash> = hashes.iter().copied().map(Hash).collect();
    while nodes.len() > 1 {
        let (pairs, _) = nodes.as_chunks::<2>();
        nodes = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    Ok(nodes.pop())
}
