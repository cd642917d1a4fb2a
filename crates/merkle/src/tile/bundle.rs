//! Entry bundles: the leaves of the log, each with its length as a big-endian `u16` before it.

use super::{ENTRY_BYTES_MAX, TILE_WIDTH};

/// The bytes or entries do not make an entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A bundle has 1 to 256 entries.
    #[error("an entry bundle has 1 to 256 entries")]
    EntryCount,
    /// An entry is longer than [`ENTRY_BYTES_MAX`].
    #[error("a log entry has at most 65535 bytes, not {0}")]
    EntryTooLong(usize),
    /// The bytes end within an entry or its length.
    #[error("the entry bundle ends within an entry")]
    Truncated,
}

/// Writes a bundle of 1 to 256 entries.
///
/// # Errors
/// For another number of entries, or one longer than [`ENTRY_BYTES_MAX`].
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    let mut count = 0;
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
        count += 1;
        check_not_full(count)?;
    }
    if count == 0 { Err(BundleError::EntryCount) } else { Ok(bytes) }
}

/// Reads a bundle of 1 to 256 entries, all of it.
///
/// # Errors
/// For another number of entries, or bytes that end within one.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or(BundleError::Truncated)?;
        let entry_and_rest = after.split_at_checked(usize::from(u16::from_be_bytes(*length)));
        let (entry, after) = entry_and_rest.ok_or(BundleError::Truncated)?;
        entries.push(entry);
        check_not_full(entries.len())?;
        rest = after;
    }
    if entries.is_empty() { Err(BundleError::EntryCount) } else { Ok(entries) }
}

fn check_not_full(count: usize) -> Result<(), BundleError> {
    if count > usize::from(TILE_WIDTH) { Err(BundleError::EntryCount) } else { Ok(()) }
}

const _: () = assert!(ENTRY_BYTES_MAX == u16::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_length_prefixed() {
        let bytes = encode_bundle([&b"one"[..], b"", b"three"]).expect("fits");
        assert_eq!(bytes, b"\x00\x03one\x00\x00\x00\x05three");
        assert_eq!(decode_bundle(&bytes), Ok(vec![&b"one"[..], b"", b"three"]));
    }

    #[test]
    fn what_is_not_a_bundle_is_refused() {
        let longest = vec![7; ENTRY_BYTES_MAX];
        let full = vec![&longest[..1]; 256];
        assert!(encode_bundle([&longest[..]]).is_ok());
        assert!(decode_bundle(&encode_bundle(full.clone()).expect("fits")).is_ok());

        let too_long = vec![7; ENTRY_BYTES_MAX + 1];
        assert_eq!(encode_bundle([&too_long[..]]), Err(BundleError::EntryTooLong(65_536)));
        assert_eq!(encode_bundle([&full[..], &full[..1]].concat()), Err(BundleError::EntryCount));
        assert_eq!(encode_bundle([]), Err(BundleError::EntryCount));
        assert_eq!(decode_bundle(&[]), Err(BundleError::EntryCount));
        assert_eq!(decode_bundle(&[0; 514]), Err(BundleError::EntryCount));
        for truncated in [&[0][..], &[0, 1], &[0, 2, 9], &[0, 0, 1]] {
            assert_eq!(decode_bundle(truncated), Err(BundleError::Truncated));
        }
    }
}
