//! Rows that say whatever a test wants, under checksums that hold: what the store's readers make of anything.

use std::path::Path;

use kvitto_ledger::block::HEADER_BYTES_MAX;
use kvitto_ledger::codec::{decode_strict, encode};
use kvitto_ledger::{Height, LeafIndex, Position, TimeMs, Tip};

use super::block_rows::{BLOCK_ROW_BYTES_MAX, BlockRow};
use super::checkpoint;
use super::keys::{self, OUTCOMES_PER_PAGE, PLACES_PER_PAGE};
use super::leaves;
use super::outcomes::{self, OutcomePlace};
use super::places::PlacePage;
use super::rows::{ONE_PART_BYTES_MAX, PAYLOAD_BYTES_MAX, Rows, VALUE_BYTES_MAX};
use super::runs::{Index, Manifest, PagePlace, manifest_key};
use super::shared::block;
use super::tiles::TileCache;
use super::trees::{TreeName, Trees};
use crate::error::StoreError;

/// The index to which forged manifests and pages belong.
const INDEX: u8 = 9;

/// A database for rows that no store has written.
#[derive(Debug)]
pub struct ForgedRows(Trees);

/// Puts bytes where the store keeps one kind of rows and reads them from there; gives what was read, written again, where that
/// kind has one form only.
pub type RowReader = fn(&ForgedRows, &[u8]) -> Option<Vec<u8>>;

/// A reader for each kind of rows, with its name. What it gives is what it got, as far as a row of that kind is long.
pub const ROW_READERS: [(&str, RowReader); 9] = [
    ("leaves", ForgedRows::leaves),
    ("places", ForgedRows::places),
    ("outcomes", ForgedRows::outcomes),
    ("block", ForgedRows::block),
    ("tip", ForgedRows::tip),
    ("checkpoint", ForgedRows::checkpoint),
    ("manifest", ForgedRows::manifest),
    ("entries", ForgedRows::entries),
    ("compressed", ForgedRows::compressed),
];

impl ForgedRows {
    /// An empty database in this folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: &Path) -> Result<Self, StoreError> {
        Trees::open(folder, 8 * 1024 * 1024).map(Self)
    }

    fn written(&self, write: impl FnOnce(&mut Rows)) -> &Trees {
        let mut rows = Rows::default();
        write(&mut rows);
        self.0.write(rows).expect("the folder of a test has room");
        &self.0
    }

    fn blob(&self, tree: TreeName, key: &[u8], bytes: &[u8]) -> &Trees {
        self.written(|rows| rows.put_blob(tree, key, bytes))
    }

    fn row(&self, tree: TreeName, key: &[u8], bytes: &[u8]) -> &Trees {
        let bytes = &bytes[..bytes.len().min(PAYLOAD_BYTES_MAX)];
        self.written(|rows| rows.put(tree, key.to_vec(), bytes))
    }

    fn leaves(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let trees = self.blob(TreeName::Leaves, &keys::number(0), bytes);
        let page = leaves::page_of(trees, LeafIndex(0)).ok()??;
        let with_len = |leaf: &[u8]| [&(leaf.len() as u16).to_be_bytes(), leaf].concat();
        Some([page.height.0.to_be_bytes().to_vec(), page.leaves().flat_map(with_len).collect()].concat())
    }

    fn places(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let trees = self.blob(TreeName::Places, &keys::number(0), bytes);
        let page = PlacePage::read(trees, 0).ok()?;
        // What nothing is at may be anything.
        let places = (0..PLACES_PER_PAGE).map(|position| page.place(Position(position)));
        let _: Vec<_> = places.collect::<Result<_, _>>().ok()?;
        Some(page.bytes().to_vec())
    }

    fn outcomes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let trees = self.blob(TreeName::Outcomes, &keys::outcomes(Height(0), 0), bytes);
        for index in 0..OUTCOMES_PER_PAGE {
            let place = OutcomePlace { height: Height(0), index };
            outcomes::read(trees, place, TimeMs(0)).ok()?;
        }
        None
    }

    fn block(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let trees = self.row(TreeName::Blocks, &keys::height(Height(0)), bytes);
        let (header, positions) = block(trees, Height(0)).ok()??;
        let header = header.encode();
        assert!(header.len() <= HEADER_BYTES_MAX);
        Some(encode(&BlockRow(serde_bytes::ByteBuf::from(header), positions)))
    }

    fn tip(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let trees = self.row(TreeName::Meta, keys::TIP, bytes);
        let row = trees.row(TreeName::Meta, keys::TIP).ok()??;
        let tip: Tip = decode_strict(&row, BLOCK_ROW_BYTES_MAX).ok()?;
        Some(encode(&tip))
    }

    /// Not a row: the content of a slot, whose checksum holds.
    #[expect(clippy::unused_self, reason = "one of a table")]
    fn checkpoint(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        checkpoint::decode(bytes).map(|published| checkpoint::encode(&published))
    }

    /// A manifest of runs, of which one has the page that [`ForgedRows::entries`] wrote last. Runs that fit together and are very
    /// long are left out: opening them takes the memory that they are said to need.
    fn manifest(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let manifest: Option<Manifest> = decode_strict(bytes, bytes.len()).ok();
        let is_long = |(_, _, _, pages): &(u64, u64, u32, u32)| *pages > 10_000;
        if manifest.is_some_and(|manifest| manifest.1.iter().any(is_long)) {
            return None;
        }
        let trees = self.blob(TreeName::Meta, &manifest_key(INDEX), bytes);
        Index::open(trees, INDEX).ok()?;
        None
    }

    fn entries(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let place = PagePlace { index: INDEX, run: 0, page: 0 };
        let trees = self.row(TreeName::Runs, &keys::run_page(INDEX, 0, 0), bytes);
        let entries = place.read(trees).ok()?;
        let mut again = Rows::default();
        place.write(&entries, &mut again);
        self.0.write(again).expect("the folder of a test has room");
        Some(self.0.row(TreeName::Runs, &keys::run_page(INDEX, 0, 0)).ok()??.to_vec())
    }

    /// Length before compression (4 bytes), compressed bytes; and the same bytes as a row of tiles, which has no checksum.
    fn compressed(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let tile = bytes[..bytes.len().min(VALUE_BYTES_MAX)].to_vec();
        let trees = self.written(|rows| rows.put_raw(TreeName::Tiles, keys::tile(0, 0), tile));
        let cache = TileCache::default();
        let _ = (cache.node(trees, 0, 0), cache.node(trees, 3, 1), cache.node(trees, 7, 0));
        let (len, compressed) = bytes.split_first_chunk()?;
        let len = u32::from_be_bytes(*len) % (1 << 23);
        let compressed = &compressed[..compressed.len().min(ONE_PART_BYTES_MAX)];
        let key = keys::number(1);
        let trees =
            self.written(|rows| rows.put_compressed(TreeName::Places, &key, len as usize, compressed));
        let blob = trees.blob(TreeName::Places, &key).ok()??;
        assert_eq!(blob.len(), len as usize, "a blob is as long as it says");
        None
    }
}
