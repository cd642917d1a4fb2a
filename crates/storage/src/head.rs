//! HEAD: the file that says what was acknowledged, kept beside the database because the database may lose blocks silently.
//!
//! Two slots, at bytes 0 and 4,096, written in turn; the valid one with the larger sequence number counts.
//!
//! ```text
//!  0   8  magic "kvhead01"        24   8  size                  104   8  size cosigned
//!  8   8  sequence                32  32  log root              112   4  CRC-32 of bytes 0..112
//! 16   8  height                  64  32  status root                    (numbers big-endian; 96..104 zero)
//! ```

use kvitto_ledger::{Header, Height};
use kvitto_merkle::Hash;

use crate::error::{Damage, StoreError};
use crate::files::Directory;
use crate::store::Head;

/// The file's name.
pub const HEAD_FILE: &str = "HEAD";

const MAGIC: &[u8; 8] = b"kvhead01";
const SLOT_BYTES: usize = 116;
const CRC_AT: usize = 112;
/// Slots lie in different blocks of the disk, so that a torn write hits one of them only.
const SLOT_STRIDE: usize = 4_096;

/// The file, open for writing.
#[derive(Debug)]
pub struct HeadFile<D> {
    directory: D,
    sequence: u64,
}

impl<D: Directory> HeadFile<D> {
    /// Reads what the file says: `None` where it does not exist or was never written completely.
    ///
    /// # Errors
    /// [`Damage::HeadLost`] when both slots have bytes and neither is valid; the operating system's.
    pub fn open(directory: D) -> Result<(Self, Option<Head>), StoreError> {
        let bytes = directory.read(HEAD_FILE).map_err(StoreError::failed("read HEAD"))?.unwrap_or_default();
        let slots = bytes.chunks(SLOT_STRIDE).map(|slot| &slot[..slot.len().min(SLOT_BYTES)]).take(2);
        let newest = slots.clone().filter_map(decode).max_by_key(|(sequence, _)| *sequence);
        // The very first write goes into the second slot and may be torn.
        let first_slot_written =
            slots.into_iter().next().is_some_and(|slot| slot.iter().any(|byte| *byte != 0));
        if newest.is_none() && first_slot_written {
            return Err(Damage::HeadLost.into());
        }
        let (sequence, head) = newest.map_or((0, None), |(sequence, head)| (sequence, Some(head)));
        Ok((Self { directory, sequence }, head))
    }

    /// Makes `head` durable, in the slot that does not hold the present one.
    ///
    /// # Errors
    /// The operating system's; the file must be opened anew.
    pub fn write(&mut self, head: &Head) -> Result<(), StoreError> {
        self.sequence += 1;
        let offset = (self.sequence % 2) * SLOT_STRIDE as u64;
        let slot = encode(self.sequence, head);
        self.directory.write_at(HEAD_FILE, offset, &slot).map_err(StoreError::failed("write HEAD"))?;
        self.directory.sync(HEAD_FILE).map_err(StoreError::failed("sync HEAD"))
    }
}

/// How the newest stored block stands to HEAD, where that is normal (RULES 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They agree.
    AtHead,
    /// The block was stored, but the crash came before HEAD: HEAD is rolled forward once the block is found to be right.
    OneAhead,
}

/// Compares what HEAD says with the newest stored block, its height and its head without `cosigned_size`.
pub(crate) fn standing(head: Option<&Head>, store: &Head) -> Result<Standing, Damage> {
    let Some(head) = head else {
        return if store.height == Height(0) { Ok(Standing::OneAhead) } else { Err(Damage::HeadLost) };
    };
    let agrees = Head { cosigned_size: store.cosigned_size, ..*head } == *store;
    match store.height.0.checked_sub(head.height.0) {
        None => Err(Damage::BehindHead { head: head.height, store: store.height }),
        Some(0) if agrees => Ok(Standing::AtHead),
        Some(0) => Err(Damage::Mismatch { what: "root", height: head.height }),
        Some(1) => Ok(Standing::OneAhead),
        Some(_) => Err(Damage::AheadOfHead { head: head.height, store: store.height }),
    }
}

impl Head {
    /// What HEAD says after a block.
    pub(crate) fn after(header: &Header, cosigned_size: u64) -> Self {
        Self {
            height: header.height,
            size: header.tree_size,
            log_root: header.log_root,
            status_root: header.status_root,
            cosigned_size,
        }
    }
}

fn encode(sequence: u64, head: &Head) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..16].copy_from_slice(&sequence.to_be_bytes());
    slot[16..24].copy_from_slice(&head.height.0.to_be_bytes());
    slot[24..32].copy_from_slice(&head.size.to_be_bytes());
    slot[32..64].copy_from_slice(&head.log_root.0);
    slot[64..96].copy_from_slice(&head.status_root.0);
    slot[104..112].copy_from_slice(&head.cosigned_size.to_be_bytes());
    let crc = crc32fast::hash(&slot[..CRC_AT]);
    slot[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
    slot
}

fn decode(bytes: &[u8]) -> Option<(u64, Head)> {
    let slot: &[u8; SLOT_BYTES] = bytes.first_chunk()?;
    let number = |at: usize| u64::from_be_bytes(slot[at..at + 8].try_into().expect("eight bytes"));
    let hash = |at: usize| Hash(slot[at..at + 32].try_into().expect("32 bytes"));
    let valid = slot[..8] == *MAGIC && slot[CRC_AT..] == crc32fast::hash(&slot[..CRC_AT]).to_be_bytes();
    valid.then(|| {
        let head = Head {
            height: Height(number(16)),
            size: number(24),
            log_root: hash(32),
            status_root: hash(64),
            cosigned_size: number(104),
        };
        (number(8), head)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Faults;
    use crate::files::MemoryDirectory;

    fn head(height: u64) -> Head {
        Head {
            height: Height(height),
            size: 10 * height,
            log_root: Hash([height as u8; 32]),
            status_root: Hash([1; 32]),
            cosigned_size: height,
        }
    }

    fn reopened(directory: &MemoryDirectory) -> Option<Head> {
        HeadFile::open(directory.clone()).expect("readable").1
    }

    #[test]
    fn the_newest_slot_counts_and_one_bad_slot_falls_back_to_the_other() {
        let directory = MemoryDirectory::default();
        let (mut file, found) = HeadFile::open(directory.clone()).expect("empty");
        assert_eq!(found, None);
        for height in 1..=5 {
            file.write(&head(height)).expect("written");
            assert_eq!(reopened(&directory), Some(head(height)));
        }
        // Sequence 5 is in slot 1, 4 in slot 0.
        directory.tamper(HEAD_FILE, |bytes| bytes[SLOT_STRIDE + 30] ^= 1);
        assert_eq!(reopened(&directory), Some(head(4)));
        directory.tamper(HEAD_FILE, |bytes| bytes[30] ^= 1);
        let lost = HeadFile::open(directory).expect_err("both slots are bad");
        assert_eq!(lost.damage(), Some(&Damage::HeadLost));
    }

    #[test]
    fn a_crash_at_any_step_leaves_the_old_or_the_new_head() {
        for steps in 0..=2 {
            for kept in 0..=2 {
                let faults = Faults::none();
                let directory = MemoryDirectory::new(faults.clone());
                let (mut file, _) = HeadFile::open(directory.clone()).expect("empty");
                file.write(&head(1)).expect("written");
                file.write(&head(2)).expect("written");
                faults.fail_after(steps);
                let done = file.write(&head(3)).is_ok();
                let found = reopened(&directory.after_crash(kept, Faults::none())).expect("one slot is good");
                assert!(found == head(3) || (!done && found == head(2)), "{steps} {kept}: {found:?}");
            }
        }
    }

    #[test]
    fn a_first_write_that_was_torn_is_as_if_there_were_no_file() {
        let directory = MemoryDirectory::default();
        let (mut file, _) = HeadFile::open(directory.clone()).expect("empty");
        file.write(&head(1)).expect("written");
        directory.tamper(HEAD_FILE, |bytes| bytes.truncate(SLOT_STRIDE + 20));
        assert_eq!(reopened(&directory), None);
    }
}
