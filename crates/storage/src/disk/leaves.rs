//! Pages of leaves: as many as compress into one row; a leaf that does not fit into one alone gets several.
//!
//! ```text
//! page    0  8  height of the block that they are all in
//!         8 ..  each leaf with its length (big-endian u16) before it
//! ```

use std::ops::Range;

use kvitto_ledger::{Height, LeafIndex};

use super::keys;
use super::rows::{ONE_PART_BYTES_MAX, Rows};
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};

/// Where to begin looking for the number of bytes that fill a page; records of one `Anchor` compress to about a third.
const PAGE_BYTES_FIRST_TRY: usize = 12 * 1024;
/// Bounds the work of reading one leaf.
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Consecutive leaves of one block.
#[derive(Clone, Debug)]
pub(super) struct LeafPage {
    pub(super) first: u64,
    pub(super) height: Height,
    bytes: Vec<u8>,
    /// Where each leaf is in `bytes`.
    places: Vec<Range<usize>>,
}

impl LeafPage {
    fn new(first: u64, bytes: Vec<u8>) -> Option<Self> {
        let height = Height(u64::from_be_bytes(*bytes.first_chunk()?));
        let (mut places, mut next) = (Vec::new(), size_of::<u64>());
        while next < bytes.len() {
            let start = next + size_of::<u16>();
            let len = u16::from_be_bytes(bytes.get(next..start)?.try_into().ok()?);
            next = start + usize::from(len);
            bytes.get(start..next)?;
            places.push(start..next);
        }
        Some(Self { first, height, bytes, places })
    }

    pub(super) fn leaf(&self, index: LeafIndex) -> Option<&[u8]> {
        let place = self.places.get(usize::try_from(index.0.checked_sub(self.first)?).ok()?)?;
        Some(&self.bytes[place.clone()])
    }

    pub(super) fn leaves(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.clone()])
    }
}

/// Adds the pages of a block.
pub(super) fn put_pages(rows: &mut Rows, height: Height, first_leaf: u64, leaves: &[Vec<u8>]) {
    let (mut done, mut bytes_wanted) = (0, PAGE_BYTES_FIRST_TRY);
    while done < leaves.len() {
        let (mut taken, mut page) = encode(height, &leaves[done..], bytes_wanted);
        let mut compressed = lz4_flex::block::compress(&page);
        while compressed.len() > ONE_PART_BYTES_MAX && taken > 1 {
            bytes_wanted = page.len() * ONE_PART_BYTES_MAX / compressed.len() * 31 / 32;
            (taken, page) = encode(height, &leaves[done..], bytes_wanted);
            compressed = lz4_flex::block::compress(&page);
        }
        if compressed.len() < ONE_PART_BYTES_MAX * 15 / 16 {
            bytes_wanted = (bytes_wanted + bytes_wanted / 16).min(PAGE_BYTES_MAX);
        }
        let key = keys::number(first_leaf + done as u64);
        rows.put_compressed(TreeName::Leaves, &key, page.len(), &compressed);
        done += taken;
    }
}

/// A page of as many leaves as fit into `bytes_wanted`, at least one; how many, and its bytes.
fn encode(height: Height, leaves: &[Vec<u8>], bytes_wanted: usize) -> (usize, Vec<u8>) {
    let mut page = height.0.to_be_bytes().to_vec();
    let mut taken = 0;
    for leaf in leaves {
        if taken > 0 && page.len() + leaf.len() > bytes_wanted {
            break;
        }
        let len = u16::try_from(leaf.len()).expect("the rules bound a leaf to 65,535 bytes");
        page.extend_from_slice(&len.to_be_bytes());
        page.extend_from_slice(leaf);
        taken += 1;
    }
    (taken, page)
}

/// The page that holds a leaf, if the log reaches that far.
pub(super) fn page_of(trees: &Trees, leaf: LeafIndex) -> Result<Option<LeafPage>, StoreError> {
    let found = trees.last_blob(TreeName::Leaves, &[], &keys::number(leaf.0))?;
    let Some((key, page)) = found else { return Ok(None) };
    let unreadable = || Damage::unreadable(TreeName::Leaves.name(), leaf);
    let first = u64::from_be_bytes(key.try_into().map_err(|_| unreadable())?);
    let page = LeafPage::new(first, page).ok_or_else(unreadable)?;
    Ok(page.leaf(leaf).is_some().then_some(page))
}
