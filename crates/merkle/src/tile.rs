//! The log as C2SP `tlog-tiles` files: which tile holds what, what its path is, how it is read.
//!
//! A tile of level `l` and index `n` is 256 consecutive perfect nodes of level `8 * l`, beginning
//! with node `256 * n`; the levels between are hashed from those. The last tile of a level may be
//! *partial*. Entry bundles hold the leaves themselves, 256 to a file.
//!
//! Source: <https://c2sp.org/tlog-tiles>. Not here: fetching, pruning, compression.

mod bundle;
mod coordinates;
mod path;
mod source;

pub use bundle::{BundleError, decode_bundle, encode_bundle};
pub use coordinates::{Tile, TileError, TileRange};
pub use path::{PathError, TilePath};
pub use source::{TileNodeError, TileNodes, TileSource};

use crate::hash::Hash;

/// How many levels of the tree a tile spans.
pub const TILE_HEIGHT: u8 = 8;

/// How many hashes a full tile, and how many entries a full bundle has.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The length of a full tile: 8,192 bytes.
pub const TILE_BYTES: usize = TILE_WIDTH as usize * Hash::BYTES;

/// The highest tile level in a tree of up to 2^62 leaves. (The specification's 63 is a limit of
/// its paths; no tree gets there.)
pub const TILE_LEVEL_MAX: u8 = 7;

/// The longest entry that a bundle can hold, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;
