//! Tiles: a log written as tiles gives back every node of every earlier tree.

mod support;

use std::collections::BTreeMap;

use kvitto_merkle::Hash;
use kvitto_merkle::log::{NodeSource, consistency_path, inclusion_path, root_at};
use kvitto_merkle::tile::{
    TILE_HEIGHT, TILE_LEVEL_MAX, TILE_WIDTH, Tile, TileNodeError, TileNodes, TilePath, TileSource,
    decode_bundle, encode_bundle,
};
use proptest::prelude::*;
use support::MemoryLog;

/// Tiles by path; a partial tile that is gone is answered with the full one.
struct MemoryTiles(BTreeMap<String, Vec<u8>>);

impl MemoryTiles {
    fn of(log: &MemoryLog, sizes: &[u64]) -> MemoryTiles {
        let mut tiles = BTreeMap::new();
        let in_tree = |&size| (0..=TILE_LEVEL_MAX).flat_map(move |level| Tile::all(level, size));
        for tile in sizes.iter().flat_map(in_tree) {
            let first = tile.index() * u64::from(TILE_WIDTH);
            let node = |index| log.node(tile.level() * TILE_HEIGHT, index).expect("complete");
            let bytes = (first..first + u64::from(tile.width())).flat_map(|index| node(index).0).collect();
            tiles.insert(TilePath::from(tile).to_string(), bytes);
        }
        MemoryTiles(tiles)
    }
}

impl TileSource for &MemoryTiles {
    type Bytes = Vec<u8>;
    type Error = String;

    fn tile(&self, tile: Tile) -> Result<Vec<u8>, String> {
        let partial = TilePath::from(tile).to_string();
        let full = Tile::new(tile.level(), tile.index(), TILE_WIDTH).expect("exists");
        let found = self.0.get(&partial).or_else(|| self.0.get(&TilePath::from(full).to_string()));
        found.cloned().ok_or(partial)
    }
}

#[test]
fn tiles_give_every_node_root_and_proof() {
    let sizes = [1, 255, 256, 257, 600, 66_000];
    let log = MemoryLog::counting(66_000);
    let tiles = MemoryTiles::of(&log, &sizes);
    for size in sizes {
        let nodes = TileNodes::new(&tiles, size);
        assert_eq!(root_at(&nodes, size), Ok(root_at(&log, size).expect("there")));
        for index in [0, size / 3, size - 1] {
            assert_eq!(inclusion_path(&nodes, index, size).ok(), inclusion_path(&log, index, size).ok());
            let old = index + 1;
            assert_eq!(consistency_path(&nodes, old, size).ok(), consistency_path(&log, old, size).ok());
        }
        assert!(matches!(nodes.node(0, size), Err(TileNodeError::NotInTree { .. })));
    }
    let nodes = TileNodes::new(&tiles, 600);
    for (&(level, index), &hash) in log.nodes.iter().filter(|((level, index), _)| (index + 1) << level <= 600)
    {
        assert_eq!(nodes.node(level, index), Ok(hash), "{level} {index}");
    }
}

#[test]
fn a_full_tile_stands_in_for_a_partial_one_and_a_short_one_is_refused() {
    let log = MemoryLog::counting(600);
    let mut tiles = MemoryTiles::of(&log, &[600]);
    assert_eq!(root_at(&TileNodes::new(&tiles, 300), 300).ok(), None, "level 1 has only the wider tile");
    assert_eq!(TileNodes::new(&tiles, 200).node(3, 24), Ok(log.nodes[&(3, 24)]));
    tiles.0.values_mut().for_each(|bytes| bytes.truncate(40 * Hash::BYTES - 1));
    let nodes = TileNodes::new(&tiles, 600);
    assert_eq!(nodes.node(0, 38), Ok(log.nodes[&(0, 38)]));
    assert!(matches!(nodes.node(0, 39), Err(TileNodeError::TooShort { bytes: 1_279, .. })));
    assert!(matches!(nodes.node(3, 4), Err(TileNodeError::TooShort { .. })));
}

proptest! {
    #[test]
    fn paths_round_trip(level in 0_u8..=TILE_LEVEL_MAX, index in any::<u64>(), width in 1_u16..=256) {
        let index = index >> (10 + u32::from(level) * 8).min(63);
        prop_assume!(Tile::new(level, index, width).is_ok());
        let path = TilePath::from(Tile::new(level, index, width).expect("assumed"));
        prop_assert_eq!(path.to_string().parse(), Ok(path));
        let path = TilePath::Entries { index: index >> 1, width };
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn a_path_has_one_spelling(text in "tile/([0-9]{1,2}|entries)/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn foreign_paths_and_bundles_never_panic(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = text.parse::<TilePath>();
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert_eq!(encode_bundle(entries), Ok(bytes));
        }
    }

    #[test]
    fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..=256)) {
        let bytes = encode_bundle(entries.iter().map(Vec::as_slice)).expect("fits");
        prop_assert_eq!(decode_bundle(&bytes).expect("a bundle"), entries);
    }

    #[test]
    fn any_coordinates_are_answered(level in any::<u8>(), index in any::<u64>(), width in any::<u16>(), size in any::<u64>()) {
        let _ = Tile::new(level, index, width);
        let _ = Tile::in_tree(level, index, size);
        let _ = Tile::holding(level, index, size);
    }
}
