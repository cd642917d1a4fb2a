//! One leaf of the status tree: 1,024 positions of two bits.

use std::fmt;

use crate::hash::{Hash, sha256};

/// The length of a chunk in bytes.
pub const CHUNK_BYTES: usize = 256;

/// How many positions a chunk has.
pub const CHUNK_POSITIONS: u64 = 1_024;

/// Stands before a chunk's bytes when they are hashed, so that no leaf of another tree is a chunk.
pub const CHUNK_TAG: &[u8] = b"kvitto/status/v1";

/// What became of what was anchored at a position; the numbers of the IETF Token Status List.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StatusValue {
    /// Nothing was said against it. Also the value of a reserved, unused position.
    #[default]
    Valid = 0,
    /// Withdrawn for ever (the list's `INVALID`).
    Revoked = 1,
    /// Withdrawn for now.
    Suspended = 2,
    /// Replaced by another (application-specific in the list).
    Superseded = 3,
}

/// 1,024 positions, two bits each: position `p` is in byte `p / 4`, at bit `2 * (p mod 4)`, the
/// least significant bit being bit 0.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk([u8; CHUNK_BYTES]);

/// A chunk has exactly [`CHUNK_BYTES`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status chunk has 256 bytes, not {0}")]
pub struct ChunkLengthError(pub usize);

/// How many chunks a tree with so many positions has.
pub fn chunk_count(positions: u64) -> u64 {
    positions.div_ceil(CHUNK_POSITIONS)
}

/// The chunk that a position is in.
pub fn chunk_index(position: u64) -> u64 {
    position / CHUNK_POSITIONS
}

impl StatusValue {
    /// The value's number, 0 to 3.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The value with this number; `None` above 3.
    pub fn from_code(code: u8) -> Option<StatusValue> {
        match code {
            0 => Some(StatusValue::Valid),
            1 => Some(StatusValue::Revoked),
            2 => Some(StatusValue::Suspended),
            3 => Some(StatusValue::Superseded),
            _ => None,
        }
    }
}

impl Chunk {
    /// The chunk in which every position is valid.
    pub const ZERO: Chunk = Chunk([0; CHUNK_BYTES]);

    /// The chunk's bytes.
    pub fn as_bytes(&self) -> &[u8; CHUNK_BYTES] {
        &self.0
    }

    /// Whether every position is valid.
    pub fn is_zero(&self) -> bool {
        *self == Chunk::ZERO
    }

    /// The value at a position of the ledger (only `position mod 1024` counts: that this is the
    /// position's chunk, the caller knows).
    pub fn value(&self, position: u64) -> StatusValue {
        let (byte, shift) = place(position);
        match (self.0[byte] >> shift) & 0b11 {
            0 => StatusValue::Valid,
            1 => StatusValue::Revoked,
            2 => StatusValue::Suspended,
            _ => StatusValue::Superseded,
        }
    }

    /// Changes the value at a position of the ledger; see [`Chunk::value`].
    pub fn set(&mut self, position: u64, value: StatusValue) {
        let (byte, shift) = place(position);
        self.0[byte] = (self.0[byte] & !(0b11 << shift)) | (value.code() << shift);
    }

    /// The hash of this leaf: `SHA-256(0x00 || "kvitto/status/v1" || bytes)`.
    pub fn leaf_hash(&self) -> Hash {
        sha256(&[&[0], CHUNK_TAG, &self.0])
    }

    /// Whether every position from `positions` on is zero, this being chunk `index` of a tree of
    /// so many positions. Only the last chunk can have such places.
    pub fn ends_with(&self, index: u64, positions: u64) -> bool {
        let used = positions.saturating_sub(index.saturating_mul(CHUNK_POSITIONS));
        (used..CHUNK_POSITIONS).all(|position| self.value(position) == StatusValue::Valid)
    }
}

/// The byte and the shift of a position within its chunk.
fn place(position: u64) -> (usize, u32) {
    let offset = position % CHUNK_POSITIONS;
    ((offset / 4) as usize, 2 * (offset % 4) as u32)
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk::ZERO
    }
}

impl From<[u8; CHUNK_BYTES]> for Chunk {
    fn from(bytes: [u8; CHUNK_BYTES]) -> Chunk {
        Chunk(bytes)
    }
}

impl TryFrom<&[u8]> for Chunk {
    type Error = ChunkLengthError;

    fn try_from(bytes: &[u8]) -> Result<Chunk, ChunkLengthError> {
        bytes.try_into().map(Chunk).map_err(|_| ChunkLengthError(bytes.len()))
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Chunk({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_lie_as_in_the_token_status_list() {
        // The two-bit example of draft-ietf-oauth-status-list: these twelve values are c9 44 f9.
        let values = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3];
        let mut chunk = Chunk::ZERO;
        for (position, &code) in (0..).zip(&values) {
            chunk.set(position, StatusValue::from_code(code).expect("two bits"));
        }
        assert_eq!(chunk.as_bytes()[..4], [0xc9, 0x44, 0xf9, 0]);
        for (position, &code) in (0..).zip(&values) {
            assert_eq!(chunk.value(position).code(), code);
            assert_eq!(chunk.value(position + 5 * CHUNK_POSITIONS).code(), code);
        }
    }

    #[test]
    fn setting_a_position_leaves_its_neighbours_alone() {
        let mut chunk = Chunk::from([0xff; CHUNK_BYTES]);
        chunk.set(1_023, StatusValue::Valid);
        chunk.set(4, StatusValue::Revoked);
        assert_eq!(chunk.as_bytes()[255], 0x3f);
        assert_eq!(chunk.as_bytes()[1], 0xfd);
        assert_eq!(StatusValue::from_code(4), None);
    }

    #[test]
    fn the_end_of_the_last_chunk_is_zero() {
        let mut chunk = Chunk::ZERO;
        chunk.set(5, StatusValue::Suspended);
        for (index, positions, expected) in [
            (0, 6, true),
            (0, 5, false),
            (0, 1_024, true),
            (1, 1_030, true),
            (1, 1_029, false),
            (2, 1, false),
        ] {
            assert_eq!(chunk.ends_with(index, positions), expected, "{index} {positions}");
        }
        assert!(Chunk::ZERO.ends_with(0, 0));
    }

    #[test]
    fn chunks_are_counted_and_have_256_bytes() {
        for (positions, count) in [(0, 0), (1, 1), (1_024, 1), (1_025, 2), (u64::MAX, 1 << 54)] {
            assert_eq!(chunk_count(positions), count);
        }
        assert_eq!(Chunk::try_from(&[0; 255][..]), Err(ChunkLengthError(255)));
        assert_eq!(Chunk::try_from(&[0; 256][..]), Ok(Chunk::ZERO));
    }
}
