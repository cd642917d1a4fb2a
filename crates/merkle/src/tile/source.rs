//! Any perfect node of a log, computed from its tiles.

use super::coordinates::{Tile, TileRange};
use crate::hash::{Hash, node_hash};
use crate::log::NodeSource;

/// Where tiles come from: a store, a directory, or a server.
pub trait TileSource {
    /// The bytes of a tile.
    type Bytes: AsRef<[u8]>;
    /// Why a tile could not be had.
    type Error;

    /// The hashes of a tile, 32 bytes each. More than its width may be answered (the full tile
    /// where a partial one was asked for): only the first ones are used.
    ///
    /// # Errors
    /// When the tile is not there or could not be read.
    fn tile(&self, tile: Tile) -> Result<Self::Bytes, Self::Error>;
}

/// The nodes of the log of `size` leaves whose tiles a [`TileSource`] has.
///
/// Every node costs one tile; nodes between two tile levels cost hashing within it, at most 127
/// node hashes. Nothing is cached here.
#[derive(Clone, Copy, Debug)]
pub struct TileNodes<S> {
    tiles: S,
    size: u64,
}

/// A node could not be had from tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileNodeError<E> {
    /// The node is not complete in a tree of this size.
    #[error("node {index} of level {level} is not complete in a tree of {size} leaves")]
    NotInTree {
        /// The node's level.
        level: u8,
        /// The node's index within the level.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The tile is shorter than its width says.
    #[error("a tile of width {} has only {bytes} bytes", tile.width())]
    TooShort {
        /// The tile that was asked for.
        tile: Tile,
        /// How many bytes it had.
        bytes: usize,
    },
    /// The tile could not be had.
    #[error("cannot read a tile")]
    Source(#[source] E),
}

impl<S: TileSource> TileNodes<S> {
    /// The nodes of a tree of `size` leaves.
    pub fn new(tiles: S, size: u64) -> TileNodes<S> {
        TileNodes { tiles, size }
    }
}

impl<S: TileSource> NodeSource for TileNodes<S> {
    type Error = TileNodeError<S::Error>;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let range = Tile::holding(level, index, self.size);
        let range = range.ok_or(TileNodeError::NotInTree { level, index, size: self.size })?;
        let bytes = self.tiles.tile(range.tile).map_err(TileNodeError::Source)?;
        let bytes = bytes.as_ref();
        range.root(bytes).ok_or(TileNodeError::TooShort { tile: range.tile, bytes: bytes.len() })
    }
}

impl TileRange {
    /// The perfect node over this range, given the bytes of its tile; `None` when they are too few.
    pub fn root(&self, tile_bytes: &[u8]) -> Option<Hash> {
        let (hashes, _) = tile_bytes.as_chunks::<{ Hash::BYTES }>();
        let start = usize::from(self.start);
        let mut nodes: Vec<Hash> =
            hashes.get(start..start + usize::from(self.count))?.iter().map(|bytes| Hash(*bytes)).collect();
        while nodes.len() > 1 {
            nodes = nodes.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        nodes.first().copied()
    }
}
