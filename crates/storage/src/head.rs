//! HEAD: the file that says what was acknowledged, kept beside the database because the database may lose blocks silently.
//!
//! A [`SlotFile`] whose content is the CBOR array `[height, size, log root, status root]`. What the member cosigned last is its guard's to
//! know, not HEAD's: the guard outlives the store.

use kvitto_ledger::Height;
use kvitto_ledger::block::Header;
use kvitto_ledger::codec::{decode_strict, encode};
use kvitto_merkle::Hash;

use crate::error::{Damage, StoreError};
use crate::files::Directory;
use crate::slots::{Content, SlotFile, SlotFormat};
use crate::store::Head;

/// The file's name.
pub const HEAD_FILE: &str = "HEAD";
const FORMAT: SlotFormat =
    SlotFormat { name: HEAD_FILE, magic: b"kvhead02", content_bytes_max: CONTENT_BYTES_MAX };
/// The array's head, two numbers of 9 bytes, two hashes of 34.
const CONTENT_BYTES_MAX: usize = 1 + 2 * 9 + 2 * 34;

type Row = (Height, u64, Hash, Hash);

/// The file, open for writing.
#[derive(Debug)]
pub struct HeadFile<D>(SlotFile<D>);

impl<D: Directory> HeadFile<D> {
    /// Reads what the file says: `None` where it does not exist or was never written completely.
    ///
    /// # Errors
    /// [`Damage::HeadLost`] when both slots have bytes and neither is valid; the operating system's.
    pub fn open(directory: D) -> Result<(Self, Option<Head>), StoreError> {
        let (file, content) = SlotFile::open(directory, FORMAT).map_err(StoreError::failed("read HEAD"))?;
        let head = match content {
            Content::None => None,
            Content::Newest(bytes) => Some(decode(&bytes).ok_or(Damage::HeadLost)?),
            Content::Lost => return Err(Damage::HeadLost.into()),
        };
        Ok((Self(file), head))
    }

    /// Makes `head` durable.
    ///
    /// # Errors
    /// The operating system's; the file must be opened anew.
    pub fn write(&mut self, head: &Head) -> Result<(), StoreError> {
        let row: Row = (head.height, head.size, head.log_root, head.status_root);
        self.0.write(&encode(&row)).map_err(StoreError::failed("write HEAD"))
    }
}

fn decode(bytes: &[u8]) -> Option<Head> {
    let (height, size, log_root, status_root) = decode_strict::<Row>(bytes, CONTENT_BYTES_MAX).ok()?;
    Some(Head { height, size, log_root, status_root })
}

/// How the newest stored block stands to HEAD, where that is normal (RULES 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They agree.
    AtHead,
    /// The block was stored, but the crash came before HEAD: HEAD is rolled forward once the block is found to be right.
    OneAhead,
}

/// Compares what HEAD says with what it would say of the newest stored block.
pub(crate) fn standing(head: Option<&Head>, store: &Head) -> Result<Standing, Damage> {
    let Some(head) = head else {
        return if store.height == Height(0) { Ok(Standing::OneAhead) } else { Err(Damage::HeadLost) };
    };
    match store.height.0.checked_sub(head.height.0) {
        None => Err(Damage::BehindHead { head: head.height, store: store.height }),
        Some(0) if head == store => Ok(Standing::AtHead),
        Some(0) => Err(Damage::Mismatch { what: "root", height: head.height }),
        Some(1) => Ok(Standing::OneAhead),
        Some(_) => Err(Damage::AheadOfHead { head: head.height, store: store.height }),
    }
}

impl Head {
    /// What HEAD says after a block.
    pub(crate) fn after(header: &Header) -> Self {
        Self {
            height: header.height,
            size: header.tree_size,
            log_root: header.log_root,
            status_root: header.status_root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryDirectory;

    fn head(height: u64) -> Head {
        Head {
            height: Height(height),
            size: 10 * height,
            log_root: Hash([height as u8; 32]),
            status_root: Hash([1; 32]),
        }
    }

    #[test]
    fn what_was_written_is_read_and_a_lost_file_is_damage() {
        let directory = MemoryDirectory::default();
        let (mut file, found) = HeadFile::open(directory.clone()).expect("empty");
        assert_eq!(found, None);
        let largest = Head { height: Height(u64::MAX), size: u64::MAX, ..head(1) };
        for head in [head(1), largest, head(3)] {
            file.write(&head).expect("written");
            assert_eq!(HeadFile::open(directory.clone()).expect("readable").1, Some(head));
        }
        directory.tamper(HEAD_FILE, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1));
        let lost = HeadFile::open(directory).expect_err("both slots are bad");
        assert_eq!(lost.damage(), Some(&Damage::HeadLost));
    }
}
