//! What is written in one transaction, and how bytes of any length become rows.
//!
//! A row is its payload and a CRC-32 over tree, key and payload. A *blob* is bytes of any length, compressed where that helps,
//! in rows under `key || part`:
//!
//! ```text
//! part 0   0  1  1 where compressed        payload of part n ≥ 1: the bytes that follow
//!          1  4  length before compression
//!          5  2  number of parts
//!          7  4  CRC-32 of the bytes of all parts
//!         11 ..  bytes
//! ```
//!
//! Readers take row by row while the writer replaces a blob, so they may get parts of two versions: the checksum in the first part
//! tells, also where the first parts are otherwise the same.
//!
//! sled puts up to 17 rows into a page, and writes a page of more than 128 KiB into a file of its own, which it never syncs.
//! So a row has at most 4 KiB.

use std::collections::BTreeMap;

use sled::IVec;

use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};

/// Most bytes of a value in the database.
pub(super) const VALUE_BYTES_MAX: usize = 4_096;
/// Most bytes of a row's payload.
pub(super) const PAYLOAD_BYTES_MAX: usize = VALUE_BYTES_MAX - CRC_BYTES;
/// Most compressed bytes that still fit into a blob of one part.
pub(super) const ONE_PART_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - BLOB_HEAD_BYTES;

const CRC_BYTES: usize = 4;
const BLOB_HEAD_BYTES: usize = 11;
const PART_KEY_BYTES: usize = 2;
/// No blob is longer: a body of 1 MiB is the longest thing that is stored.
const BLOB_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Changes of one transaction.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<(TreeName, Vec<u8>), Option<Vec<u8>>>);

impl Rows {
    /// A row of at most [`PAYLOAD_BYTES_MAX`].
    pub(super) fn put(&mut self, tree: TreeName, key: Vec<u8>, payload: &[u8]) {
        assert!(payload.len() <= PAYLOAD_BYTES_MAX, "longer values are written as blobs");
        let value = [payload, &crc(tree, &key, payload)].concat();
        self.0.insert((tree, key), Some(value));
    }

    /// A value that needs no checksum, because it is checked otherwise.
    pub(super) fn put_raw(&mut self, tree: TreeName, key: Vec<u8>, value: Vec<u8>) {
        assert!(value.len() <= VALUE_BYTES_MAX, "longer values are written as blobs");
        self.0.insert((tree, key), Some(value));
    }

    pub(super) fn remove(&mut self, tree: TreeName, key: Vec<u8>) {
        self.0.insert((tree, key), None);
    }

    /// Bytes of any length.
    pub(super) fn put_blob(&mut self, tree: TreeName, key: &[u8], bytes: &[u8]) {
        let compressed = lz4_flex::block::compress(bytes);
        if compressed.len() < bytes.len() {
            self.put_parts(tree, key, true, bytes.len(), &compressed);
        } else {
            self.put_parts(tree, key, false, bytes.len(), bytes);
        }
    }

    /// Bytes that the caller has compressed.
    pub(super) fn put_compressed(&mut self, tree: TreeName, key: &[u8], len: usize, compressed: &[u8]) {
        self.put_parts(tree, key, true, len, compressed);
    }

    fn put_parts(&mut self, tree: TreeName, key: &[u8], compressed: bool, len: usize, stored: &[u8]) {
        assert!(len <= BLOB_BYTES_MAX, "nothing that is stored is longer");
        let first_len = stored.len().min(ONE_PART_BYTES_MAX);
        let (first, rest) = stored.split_at(first_len);
        let parts = 1 + rest.len().div_ceil(PAYLOAD_BYTES_MAX);
        let mut head = vec![u8::from(compressed)];
        head.extend_from_slice(&(len as u32).to_be_bytes());
        head.extend_from_slice(&(parts as u16).to_be_bytes());
        head.extend_from_slice(&crc32fast::hash(stored).to_be_bytes());
        head.extend_from_slice(first);
        self.put(tree, part_key(key, 0), &head);
        for (part, bytes) in (1..).zip(rest.chunks(PAYLOAD_BYTES_MAX)) {
            self.put(tree, part_key(key, part), bytes);
        }
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = (&(TreeName, Vec<u8>), Option<&[u8]>)> {
        self.0.iter().map(|(key, value)| (key, value.as_deref()))
    }

    pub(super) fn into_changes(self) -> impl Iterator<Item = ((TreeName, Vec<u8>), Option<Vec<u8>>)> {
        self.0.into_iter()
    }
}

/// A blob with its key.
pub(super) type KeyedBlob = (Vec<u8>, Vec<u8>);

impl Trees {
    /// The blob under `key`, whole even while the writer replaces it.
    pub(super) fn blob(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            let Some(first) = self.row(tree, &part_key(key, 0))? else { return Ok(None) };
            let blob = self.blob_from(tree, key, &first);
            if blob.is_ok() || self.row(tree, &part_key(key, 0))? == Some(first) {
                return self.failure.note(blob.map(Some));
            }
        }
    }

    fn blob_from(&self, tree: TreeName, key: &[u8], first: &[u8]) -> Result<Vec<u8>, StoreError> {
        let unreadable = || Damage::unreadable(tree.name(), hex(key));
        let (head, bytes) = first.split_first_chunk::<BLOB_HEAD_BYTES>().ok_or_else(unreadable)?;
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut stored = bytes.to_vec();
        for part in 1..u16::from_be_bytes([head[5], head[6]]) {
            let part_key = part_key(key, part);
            let row =
                self.row(tree, &part_key)?.ok_or_else(|| Damage::missing(tree.name(), hex(&part_key)))?;
            stored.extend_from_slice(&row);
        }
        if crc32fast::hash(&stored).to_be_bytes() != head[7..] {
            return Err(unreadable().into());
        }
        if head[0] != 0 {
            let checked_len = Some(len).filter(|len| *len <= BLOB_BYTES_MAX).ok_or_else(unreadable)?;
            stored = lz4_flex::block::decompress(&stored, checked_len).map_err(|_| unreadable())?;
        }
        if stored.len() == len { Ok(stored) } else { Err(unreadable().into()) }
    }

    /// The blob with the last key from `first` up to `last`, with that key.
    pub(super) fn last_blob(
        &self,
        tree: TreeName,
        first: &[u8],
        last: &[u8],
    ) -> Result<Option<KeyedBlob>, StoreError> {
        let range = first.to_vec()..=part_key(last, u16::MAX);
        let Some((key, _)) = self.last(tree, range)? else { return Ok(None) };
        let key = without_part(&key).to_vec();
        Ok(self.blob(tree, &key)?.map(|bytes| (key, bytes)))
    }

    /// Removes the parts of a blob that is about to be replaced by a shorter one.
    pub(super) fn remove_blob(&self, tree: TreeName, key: &[u8], rows: &mut Rows) -> Result<(), StoreError> {
        for row in self.scan(tree, part_key(key, 0)..=part_key(key, u16::MAX)) {
            rows.remove(tree, row?.0.to_vec());
        }
        Ok(())
    }
}

/// The key of a blob, given that of one of its parts.
pub(super) fn without_part(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(PART_KEY_BYTES)]
}

fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    [key, &part.to_be_bytes()].concat()
}

/// A row's payload, provided that its checksum holds.
pub(super) fn opened(tree: TreeName, key: &[u8], value: IVec) -> Result<IVec, StoreError> {
    check_crc(tree, key, &value)?;
    Ok(payload(&value))
}

/// A row's checksum holds.
pub(super) fn check_crc(tree: TreeName, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    match value.split_last_chunk::<CRC_BYTES>() {
        Some((payload, found)) if *found == crc(tree, key, payload) => Ok(()),
        _ => Err(Damage::unreadable(tree.name(), hex(key)).into()),
    }
}

/// A row without its checksum.
pub(super) fn payload(value: &IVec) -> IVec {
    value.subslice(0, value.len().saturating_sub(CRC_BYTES))
}

fn crc(tree: TreeName, key: &[u8], payload: &[u8]) -> [u8; CRC_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[tree as u8, key.len() as u8]);
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize().to_be_bytes()
}

/// A key as it is shown to people.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_two_versions_are_never_taken_for_a_blob() {
        let folder = tempfile::tempdir().expect("a folder");
        let trees = Trees::open(folder.path(), 4 * 1024 * 1024).expect("opens");
        let (tree, key) = (TreeName::Places, 7_u64.to_be_bytes());
        // Bytes that do not compress, and differ in the last of three parts only.
        let old: Vec<u8> =
            (0..300_u32).flat_map(|n| blake3::hash(&n.to_be_bytes()).as_bytes().to_owned()).collect();
        let mut new = old.clone();
        new[9_000] ^= 1;
        let rows_of = |bytes: &[u8]| {
            let mut rows = Rows::default();
            rows.put_blob(tree, &key, bytes);
            rows
        };
        trees.write(rows_of(&old)).expect("written");
        assert_eq!(trees.blob(tree, &key).expect("whole"), Some(old));
        // As a reader sees it that took the first two parts before the writer came, and the last one after.
        let mut torn = Rows::default();
        let last = rows_of(&new).0.pop_last().expect("three parts");
        torn.0.insert(last.0, last.1);
        trees.write(torn).expect("written");
        assert_eq!(trees.failure.text(), None);
        let error = trees.blob(tree, &key).expect_err("neither version");
        assert!(matches!(error.damage(), Some(Damage::Unreadable { .. })), "{error}");
        let told = trees.failure.text().expect("who watches over the store is told");
        assert_eq!(told, "the store is damaged: page of places 0000000000000007 is not as it was written");
        trees.write(rows_of(&new)).expect("written");
        assert_eq!(trees.blob(tree, &key).expect("whole"), Some(new));
    }
}
