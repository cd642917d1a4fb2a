//! The journal: what consensus must find again after a crash, appended and synced before anything is signed (RULES 2.2).
//!
//! ```text
//! frame   0  4  magic "kvjf"       12  4  CRC-32 of bytes 16.., seeded with the frame's offset in the file
//!         4  4  length of bytes    16  8  end of the part of the file that was synced when this frame was written
//!         8  4  zero               24  1  kind      25 ..  bytes          (numbers big-endian)
//! ```
//!
//! What follows the last sync may be torn by a crash: reading cuts it off. A bad frame *before* a synced end is damage, and is
//! told from a torn tail by a later frame that says how far the file had been synced.

use crate::error::{Damage, StoreError};
use crate::files::Directory;

/// The file's name.
pub const JOURNAL_FILE: &str = "journal";
/// Most bytes of one entry: a body and ample room.
pub const ENTRY_BYTES_MAX: usize = 4 * 1024 * 1024;

const MAGIC: &[u8; 4] = b"kvjf";
const CRC_FROM: usize = 16;
const HEAD_BYTES: usize = 25;

/// One thing that was journalled. What kinds there are, and what the bytes say, is the replica's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: u8,
    /// Its bytes, at most [`ENTRY_BYTES_MAX`].
    pub bytes: Vec<u8>,
}

/// The file, open for appending.
#[derive(Debug)]
pub struct Journal<D> {
    directory: D,
    len: u64,
    synced: u64,
    failed: bool,
}

impl<D: Directory> Journal<D> {
    /// Opens the journal and reads what it holds, in the order written. A torn tail is cut off.
    ///
    /// # Errors
    /// [`Damage::Journal`] where something that had been synced is bad; the operating system's.
    pub fn open(directory: D) -> Result<(Self, Vec<Entry>), StoreError> {
        let bytes = directory.read(JOURNAL_FILE).map_err(StoreError::failed("read the journal"))?;
        let bytes = bytes.unwrap_or_default();
        let (mut entries, mut offset) = (Vec::new(), 0);
        while let Some(frame) = Frame::read(&bytes, offset) {
            entries.push(Entry { kind: frame.kind, bytes: frame.bytes.to_vec() });
            offset = frame.end;
        }
        if synced_end_after(&bytes, offset) > offset as u64 {
            return Err(Damage::Journal { offset: offset as u64 }.into());
        }
        let mut journal = Self { directory, len: offset as u64, synced: offset as u64, failed: false };
        if offset < bytes.len() {
            let cut = journal.directory.truncate(JOURNAL_FILE, offset as u64);
            cut.map_err(StoreError::failed("cut off the journal's torn tail"))?;
        }
        // What was read may not have been synced before the crash; now it counts as if it had.
        journal.directory.sync(JOURNAL_FILE).map_err(StoreError::failed("sync the journal"))?;
        Ok((journal, entries))
    }

    /// Appends an entry. It is durable after the next [`Journal::sync`].
    ///
    /// # Errors
    /// The operating system's; then the journal takes nothing more.
    ///
    /// # Panics
    /// When there are more than [`ENTRY_BYTES_MAX`] bytes.
    pub fn append(&mut self, kind: u8, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(bytes.len() <= ENTRY_BYTES_MAX, "journal entries are bounded by the caller");
        let frame = encode(self.len, self.synced, kind, bytes);
        let offset = self.len;
        self.guarded("append to the journal", |directory| directory.write_at(JOURNAL_FILE, offset, &frame))?;
        self.len += frame.len() as u64;
        Ok(())
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    /// The operating system's; then the journal takes nothing more.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.synced == self.len && !self.failed {
            return Ok(());
        }
        self.guarded("sync the journal", |directory| directory.sync(JOURNAL_FILE))?;
        self.synced = self.len;
        Ok(())
    }

    /// Empties the journal, durably: a block was committed, and nothing in here is needed any more.
    ///
    /// # Errors
    /// The operating system's; then the journal takes nothing more.
    pub fn reset(&mut self) -> Result<(), StoreError> {
        self.guarded("empty the journal", |directory| {
            directory.truncate(JOURNAL_FILE, 0)?;
            directory.sync(JOURNAL_FILE)
        })?;
        (self.len, self.synced) = (0, 0);
        Ok(())
    }

    /// Length of the file in bytes.
    pub fn bytes_len(&self) -> u64 {
        self.len
    }

    fn guarded(
        &mut self,
        operation: &'static str,
        write: impl FnOnce(&mut D) -> std::io::Result<()>,
    ) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Poisoned);
        }
        write(&mut self.directory).map_err(|source| {
            self.failed = true;
            StoreError::Failed { operation, source }
        })
    }
}

fn encode(offset: u64, synced: u64, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("bounded by ENTRY_BYTES_MAX");
    let mut frame = Vec::with_capacity(HEAD_BYTES + bytes.len());
    frame.extend_from_slice(MAGIC);
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&[0; 8]);
    frame.extend_from_slice(&synced.to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(bytes);
    let crc = crc(offset, &frame[CRC_FROM..]);
    frame[12..16].copy_from_slice(&crc.to_be_bytes());
    frame
}

/// The offset makes a frame valid at its own place only, so that bytes from outside within an entry never pass for a frame.
fn crc(offset: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_be_bytes());
    hasher.update(&(bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

struct Frame<'a> {
    kind: u8,
    bytes: &'a [u8],
    synced: u64,
    end: usize,
}

impl<'a> Frame<'a> {
    /// The frame at `offset`, if there is a whole and sound one.
    fn read(file: &'a [u8], offset: usize) -> Option<Self> {
        let frame = file.get(offset..)?;
        let head: &[u8; HEAD_BYTES] = frame.first_chunk()?;
        let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let len = number(4) as usize;
        if head[..4] != *MAGIC || head[8..12] != [0; 4] || len > ENTRY_BYTES_MAX {
            return None;
        }
        let checked = frame.get(CRC_FROM..HEAD_BYTES + len)?;
        if crc(offset as u64, checked) != number(12) {
            return None;
        }
        let synced = u64::from_be_bytes(checked[..8].try_into().expect("eight bytes"));
        Some(Self { kind: checked[8], bytes: &checked[9..], synced, end: offset + HEAD_BYTES + len })
    }
}

/// The farthest synced end that any sound frame from `from` on speaks of.
fn synced_end_after(file: &[u8], from: usize) -> u64 {
    let starts = (from..file.len()).filter(|&at| file[at..].starts_with(MAGIC));
    starts.filter_map(|at| Frame::read(file, at)).map(|frame| frame.synced).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Faults;
    use crate::files::{MemoryDirectory, OsDirectory};

    fn entry(kind: u8, bytes: &[u8]) -> Entry {
        Entry { kind, bytes: bytes.to_vec() }
    }

    fn reopened(directory: &MemoryDirectory) -> Result<Vec<Entry>, StoreError> {
        Journal::open(directory.clone()).map(|(_, entries)| entries)
    }

    #[test]
    fn what_is_appended_after_a_torn_tail_is_found_again() {
        let directory = MemoryDirectory::default();
        let (mut journal, _) = Journal::open(directory.clone()).expect("empty");
        for bytes in [b"one", b"two", b"six"] {
            journal.append(1, bytes).expect("appended");
        }
        let torn = directory.after_crash(1, Faults::none());
        let (mut journal, found) = Journal::open(torn.clone()).expect("a torn tail is no damage");
        assert_eq!(found, [entry(1, b"one")]);
        journal.append(2, b"ten").expect("appended");
        journal.sync().expect("synced");
        assert_eq!(reopened(&torn).expect("readable"), [entry(1, b"one"), entry(2, b"ten")]);
    }

    #[test]
    fn what_was_appended_is_read_back_in_order_until_the_reset() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || {
            Journal::open(OsDirectory::open(folder.path(), Faults::none()).expect("opens")).expect("reads")
        };
        let (mut journal, found) = open();
        assert_eq!(found, []);
        journal.append(1, b"one").expect("appended");
        journal.append(2, b"").expect("appended");
        journal.sync().expect("synced");
        let (mut journal, found) = open();
        assert_eq!(found, [entry(1, b"one"), entry(2, b"")]);
        journal.append(3, &[7; 70_000]).expect("appended");
        journal.sync().expect("synced");
        assert_eq!(open().1.len(), 3);
        journal.reset().expect("emptied");
        assert_eq!(open().1, []);
    }

    #[test]
    fn a_torn_tail_is_cut_off_at_every_byte() {
        let directory = MemoryDirectory::default();
        let (mut journal, _) = Journal::open(directory.clone()).expect("empty");
        journal.append(1, b"synced").expect("appended");
        journal.sync().expect("synced");
        let synced = journal.bytes_len() as usize;
        journal.append(2, b"not synced").expect("appended");
        journal.append(3, b"not synced either").expect("appended");
        let whole = directory.read(JOURNAL_FILE).expect("readable").expect("there");
        for len in synced..whole.len() {
            let torn = MemoryDirectory::default();
            torn.tamper(JOURNAL_FILE, |bytes| *bytes = whole[..len].to_vec());
            let found = reopened(&torn).expect("a torn tail is normal");
            assert_eq!(found[0], entry(1, b"synced"), "{len}");
            assert!(found.len() <= 2, "{len}");
            assert_eq!(reopened(&torn).expect("and gone"), found);
        }
        // The first of the two may be lost while the second one arrived.
        let holed = MemoryDirectory::default();
        holed.tamper(JOURNAL_FILE, |bytes| {
            *bytes = whole.clone();
            bytes[synced + 26] ^= 1;
        });
        assert_eq!(reopened(&holed).expect("nothing synced is bad"), [entry(1, b"synced")]);
    }

    #[test]
    fn a_flipped_bit_in_what_was_synced_is_damage() {
        let directory = MemoryDirectory::default();
        let (mut journal, _) = Journal::open(directory.clone()).expect("empty");
        for kind in 1..=3 {
            journal.append(kind, b"kvjf body").expect("appended");
            journal.sync().expect("synced");
        }
        let whole = directory.read(JOURNAL_FILE).expect("readable").expect("there");
        let frame = whole.len() / 3;
        for at in 0..2 * frame {
            let flipped = MemoryDirectory::default();
            flipped.tamper(JOURNAL_FILE, |bytes| {
                *bytes = whole.clone();
                bytes[at] ^= 4;
            });
            let error = reopened(&flipped).expect_err("it had been synced");
            assert_eq!(
                error.damage(),
                Some(&Damage::Journal { offset: (at / frame * frame) as u64 }),
                "{at}"
            );
        }
    }

    #[test]
    fn after_a_failure_nothing_more_is_taken() {
        let faults = Faults::none();
        let directory = MemoryDirectory::new(faults.clone());
        let (mut journal, _) = Journal::open(directory.clone()).expect("empty");
        journal.append(1, b"kept").expect("appended");
        journal.sync().expect("synced");
        journal.append(2, b"lost").expect("appended");
        faults.fail_after(0);
        assert!(matches!(journal.sync(), Err(StoreError::Failed { .. })));
        faults.fail_after(100);
        assert!(matches!(journal.append(3, b""), Err(StoreError::Poisoned)));
        assert!(matches!(journal.sync(), Err(StoreError::Poisoned)));
        let after = directory.after_crash(0, Faults::none());
        assert_eq!(reopened(&after).expect("readable"), [entry(1, b"kept")]);
    }
}
