//! The log's hashes, in halves of C2SP tiles: 128 consecutive perfect nodes of every eighth level.
//!
//! Full rows are never written again; the one at each level's right edge is, whenever it grows. The levels between are hashed
//! when they are asked for, and kept for the next one who asks: a path needs eight nodes of a row, and one costs up to 127 hashes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// A row with the levels above it, as far as the row reached when it was read: rows only grow, so what it says stays true.
#[derive(Debug)]
struct Expanded {
    level: u8,
    row: u64,
    /// Perfect nodes by their height above the row's own hashes.
    heights: [Vec<Hash>; TILE_HEIGHT as usize],
}

impl Expanded {
    fn new(level: u8, row: u64, stored: &[u8]) -> Self {
        let (hashes, _) = stored.as_chunks::<{ Hash::BYTES }>();
        let mut heights: [Vec<Hash>; TILE_HEIGHT as usize] = Default::default();
        let mut below: Vec<Hash> = hashes.iter().copied().map(Hash).collect();
        for height in &mut heights {
            let (pairs, _) = below.as_chunks::<2>();
            let above = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
            *height = std::mem::replace(&mut below, above);
        }
        Self { level, row, heights }
    }

    fn node(&self, height: u8, offset: u64) -> Option<Hash> {
        self.heights[usize::from(height)].get(usize::try_from(offset).ok()?).copied()
    }
}

/// Rows that are kept: 8 KiB each, so at most 16 MiB.
const SLOTS: usize = 2_048;

/// The rows read last, one for each slot.
#[derive(Debug)]
pub(super) struct TileCache(Vec<Mutex<Option<Arc<Expanded>>>>);

impl Default for TileCache {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(SLOTS).collect())
    }
}

impl TileCache {
    /// A perfect node; `None` where the stored rows do not reach that far.
    pub(super) fn node(&self, trees: &Trees, level: u8, index: u64) -> Result<Option<Hash>, StoreError> {
        let height = level % TILE_HEIGHT;
        let nodes_per_row = TILE_ROW_HASHES >> height;
        let (level, row, offset) = (level / TILE_HEIGHT, index / nodes_per_row, index % nodes_per_row);
        let slot = &self.0[slot(level, row)];
        // Entries are replaced whole, whatever panicked.
        let kept = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = kept.filter(|kept| (kept.level, kept.row) == (level, row));
        if let Some(node) = kept.and_then(|kept| kept.node(height, offset)) {
            return Ok(Some(node));
        }
        let Some(stored) = trees.raw(TreeName::Tiles, &keys::tile(level, row))? else { return Ok(None) };
        let read = Arc::new(Expanded::new(level, row, &stored));
        let node = read.node(height, offset);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(node)
    }
}

/// Neighbours of one level get slots of their own; the few rows of higher levels lie apart from them.
fn slot(level: u8, row: u64) -> usize {
    let spread = row.wrapping_add(u64::from(level).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (spread % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_perfect_nodes_that_it_reaches() {
        let hash = |number: u8| Hash([number; 32]);
        let stored: Vec<u8> = (0..7).flat_map(|number| hash(number).0).collect();
        let row = Expanded::new(0, 0, &stored);
        let pair = |left| node_hash(&hash(left), &hash(left + 1));
        assert_eq!(row.node(0, 6), Some(hash(6)));
        assert_eq!(row.node(0, 7), None);
        assert_eq!(row.node(1, 2), Some(pair(4)));
        assert_eq!(row.node(1, 3), None);
        assert_eq!(row.node(2, 0), Some(node_hash(&pair(0), &pair(2))));
        assert_eq!(row.node(2, 1), None);
        let full = Expanded::new(0, 0, &[1; 128 * 32]);
        assert!(full.node(7, 0).is_some());
    }
}
