//! Keys: numbers big-endian, so that sled's order is theirs.

use kvitto_ledger::state::AccreditationKey;
use kvitto_ledger::{Did, Height, Position};

pub(super) const TIP: &[u8] = b"tip";
pub(super) const SUMS: &[u8] = b"sums";

/// Hashes of one row: half a tile, so that rows stay below 4 KiB.
pub(super) const TILE_ROW_HASHES: u64 = 128;
/// Positions of one page of places.
pub(super) const PLACES_PER_PAGE: u64 = 1_024;
/// Outcomes of one page.
pub(super) const OUTCOMES_PER_PAGE: u32 = 128;

pub(super) fn number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(super) fn height(height: Height) -> Vec<u8> {
    number(height.0)
}

/// Row `row` of tile level `level`.
pub(super) fn tile(level: u8, row: u64) -> Vec<u8> {
    join([&[level][..], &row.to_be_bytes()])
}

pub(super) fn status_chunk(index: u64, height: Height) -> Vec<u8> {
    join([index.to_be_bytes(), height.0.to_be_bytes()])
}

pub(super) fn status_node(level: u8, index: u64, height: Height) -> Vec<u8> {
    join([&[level][..], &index.to_be_bytes(), &height.0.to_be_bytes()])
}

pub(super) fn status_leaf(position: Position, height: Height) -> Vec<u8> {
    join([position.0.to_be_bytes(), height.0.to_be_bytes()])
}

pub(super) fn identifier(did: &Did, height: Height) -> Vec<u8> {
    join([&did.as_bytes()[..], &height.0.to_be_bytes()])
}

pub(super) fn accreditation(key: &AccreditationKey, height: Height) -> Vec<u8> {
    join([&accreditation_key(key)[..], &height.0.to_be_bytes()])
}

pub(super) fn accreditation_key(key: &AccreditationKey) -> Vec<u8> {
    join([&key.subject.as_bytes()[..], key.id.as_bytes()])
}

pub(super) fn child(parent: &AccreditationKey, child: &AccreditationKey) -> Vec<u8> {
    join([accreditation_key(parent), accreditation_key(child)])
}

pub(super) fn outcomes(height: Height, page: u32) -> Vec<u8> {
    join([&height.0.to_be_bytes()[..], &page.to_be_bytes()])
}

pub(super) fn run_page(index: u8, run: u64, page: u32) -> Vec<u8> {
    join([&[index][..], &run.to_be_bytes(), &page.to_be_bytes()])
}

fn join<const N: usize, T: AsRef<[u8]>>(parts: [T; N]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.as_ref().iter().copied()).collect()
}
