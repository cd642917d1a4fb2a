//! Which tiles a tree has, and which of them holds a given node.

use super::{TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH};
use crate::log::TREE_SIZE_MAX;

/// The place of a tile of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

/// A run of consecutive hashes in a tile whose subtree is one perfect node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileRange {
    /// The tile.
    pub tile: Tile,
    /// The first hash, zero-based within the tile.
    pub start: u16,
    /// How many hashes: a power of two, at most 128.
    pub count: u16,
}

/// There is no such tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tile has level {level}, index {index} and width {width}")]
pub struct TileError {
    /// The tile level that was asked for.
    pub level: u64,
    /// The index within the level.
    pub index: u64,
    /// The number of hashes.
    pub width: u64,
}

impl Tile {
    /// The tile at this place with so many hashes (256 when full).
    ///
    /// # Errors
    /// When no tree of up to 2^62 leaves has such a tile.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Tile, TileError> {
        let error = TileError { level: level.into(), index, width: width.into() };
        if level > TILE_LEVEL_MAX || width == 0 || width > TILE_WIDTH {
            return Err(error);
        }
        let node_leaves_log2 = u32::from(TILE_HEIGHT) * u32::from(level);
        let end = u128::from(index) * u128::from(TILE_WIDTH) + u128::from(width);
        if end << node_leaves_log2 > u128::from(TREE_SIZE_MAX) {
            return Err(error);
        }
        Ok(Tile { level, index, width })
    }

    /// The tile with this index in a tree of `size` leaves, full or partial; `None` when that tree
    /// has no hash there.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Tile> {
        let first = index.checked_mul(u64::from(TILE_WIDTH))?;
        let available = node_count(TILE_HEIGHT.checked_mul(level)?, size).checked_sub(first)?;
        Tile::new(level, index, available.min(u64::from(TILE_WIDTH)) as u16).ok()
    }

    /// All tiles of one level of a tree of `size` leaves: full ones, then perhaps a partial one.
    pub fn all(level: u8, size: u64) -> impl Iterator<Item = Tile> {
        (0..).map_while(move |index| Tile::in_tree(level, index, size))
    }

    /// Where the perfect node (level, index) is found in the tiles of a tree of `size` leaves;
    /// `None` when the node is not complete in that tree.
    pub fn holding(node_level: u8, node_index: u64, size: u64) -> Option<TileRange> {
        if node_index >= node_count(node_level, size) {
            return None;
        }
        let (level, height) = (node_level / TILE_HEIGHT, node_level % TILE_HEIGHT);
        let first = node_index << height;
        let tile = Tile::in_tree(level, first / u64::from(TILE_WIDTH), size)?;
        Some(TileRange { tile, start: (first % u64::from(TILE_WIDTH)) as u16, count: 1 << height })
    }

    /// The tile level: its hashes are nodes of level `8 * level`. At most 7.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The zero-based index within the level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The number of hashes, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile has less than 256 hashes.
    pub fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }
}

/// How many perfect nodes of a level a tree has.
fn node_count(level: u8, size: u64) -> u64 {
    size.checked_shr(level.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_70000_leaves_has_the_tiles_of_the_specification() {
        // C2SP tlog-tiles, "Partial Tiles".
        let widths = |level| Tile::all(level, 70_000).map(|tile| tile.width()).collect::<Vec<_>>();
        assert_eq!(widths(0), [&[256; 273][..], &[112]].concat());
        assert_eq!(widths(1), [256, 17]);
        assert_eq!(widths(2), [1]);
        assert!(widths(3).is_empty());
        let tiles_of_256: Vec<_> = (0..=TILE_LEVEL_MAX).flat_map(|level| Tile::all(level, 256)).collect();
        assert_eq!(
            tiles_of_256,
            [Tile { level: 0, index: 0, width: 256 }, Tile { level: 1, index: 0, width: 1 }]
        );
        assert_eq!(Tile::all(0, 0).count(), 0);
    }

    #[test]
    fn nodes_are_found_in_their_tiles() {
        for (level, index, size, expected) in [
            (0, 0, 1, Some((0, 0, 1, 0, 1))),
            (0, 300, 70_000, Some((0, 1, 256, 44, 1))),
            (3, 33, 70_000, Some((0, 1, 256, 8, 8))),
            (7, 545, 70_000, Some((0, 272, 256, 128, 128))),
            (8, 272, 70_000, Some((1, 1, 17, 16, 1))),
            (12, 16, 70_000, Some((1, 1, 17, 0, 16))),
            (16, 0, 70_000, Some((2, 0, 1, 0, 1))),
            (8, 273, 70_000, None),
            (17, 0, 70_000, None),
            (0, 70_000, 70_000, None),
            (64, 0, u64::MAX, None),
            (255, u64::MAX, u64::MAX, None),
        ] {
            let found = Tile::holding(level, index, size).map(|range| {
                (range.tile.level, range.tile.index, range.tile.width, range.start, range.count)
            });
            assert_eq!(found, expected, "{level} {index}");
        }
    }

    #[test]
    fn tiles_beyond_any_tree_are_refused() {
        for (level, index, width) in
            [(8, 0, 1), (0, 0, 0), (0, 0, 257), (0, 1 << 54, 1), (0, u64::MAX, 256), (7, 0, 65), (7, 1, 1)]
        {
            assert!(Tile::new(level, index, width).is_err(), "{level} {index} {width}");
        }
        assert!(Tile::new(7, 0, 64).is_ok());
        assert!(Tile::new(0, (1 << 54) - 1, 256).is_ok());
    }
}
