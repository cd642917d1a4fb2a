//! A small file that is replaced as a whole, often, and durably: two slots, written in turn, and a copy of each.
//!
//! ```text
//! slot    0  8  magic          16  4  length of the content       20 + length  4  CRC-32 of everything before it
//!         8  8  sequence       20 ..  content                     (numbers big-endian)
//! ```
//!
//! The file is slot 0, slot 1, copy of slot 0, copy of slot 1. The valid one with the largest sequence number counts. A torn write hits
//! the slot that does not count yet. Damage to the one that counts is made good by its copy: without that, the file would silently
//! say what it said before, and a guard that does is as dangerous as none.

use std::io;

use crate::files::Directory;

/// Slots begin at multiples of a disk's blocks, so that a torn write hits one of them only.
const BLOCK_BYTES: usize = 4096;
const SLOTS: usize = 2;
/// How often each slot is in the file.
const COPIES: usize = 2;
const HEAD_BYTES: usize = 20;
const CRC_BYTES: usize = 4;

/// Which file, and how much fits.
#[derive(Clone, Copy, Debug)]
pub struct SlotFormat {
    /// The file's name.
    pub name: &'static str,
    /// First bytes of each slot: what kind of file this is, and its version.
    pub magic: &'static [u8; 8],
    /// Most bytes of content.
    pub content_bytes_max: usize,
}

impl SlotFormat {
    fn stride(&self) -> usize {
        (HEAD_BYTES + self.content_bytes_max + CRC_BYTES).next_multiple_of(BLOCK_BYTES)
    }
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The file does not exist, or was never written completely.
    None,
    /// What was written last.
    Newest(Vec<u8>),
    /// Both slots have bytes, and neither of them nor of their copies is valid.
    Lost,
}

/// The file, open for writing.
#[derive(Debug)]
pub struct SlotFile<D> {
    directory: D,
    format: SlotFormat,
    sequence: u64,
}

impl<D: Directory> SlotFile<D> {
    /// Reads what the file says.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(directory: D, format: SlotFormat) -> io::Result<(Self, Content)> {
        let bytes = directory.read(format.name)?.unwrap_or_default();
        let slots = || bytes.chunks(format.stride()).take(SLOTS * COPIES);
        let newest = slots().filter_map(|slot| format.decode(slot)).max_by_key(|(sequence, _)| *sequence);
        let has_bytes = |first: usize| slots().skip(first).step_by(SLOTS).flatten().any(|byte| *byte != 0);
        let (sequence, content) = match newest {
            Some((sequence, content)) => (sequence, Content::Newest(content.to_vec())),
            None if (0..SLOTS).all(has_bytes) => (0, Content::Lost),
            None => (0, Content::None),
        };
        Ok((Self { directory, format, sequence }, content))
    }

    /// Makes `content` durable, in the slot that does not hold the present one.
    ///
    /// # Errors
    /// The operating system's; the file must be opened anew.
    ///
    /// # Panics
    /// When `content` is longer than the format allows.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        assert!(
            content.len() <= self.format.content_bytes_max,
            "the content of {} is bounded",
            self.format.name
        );
        self.sequence += 1;
        let slot = self.format.encode(self.sequence, content);
        let stride = self.format.stride() as u64;
        let first = self.sequence % SLOTS as u64;
        for place in (first..).step_by(SLOTS).take(COPIES) {
            self.directory.write_at(self.format.name, place * stride, &slot)?;
        }
        self.directory.sync(self.format.name)
    }
}

impl SlotFormat {
    fn encode(&self, sequence: u64, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("bounded by the format");
        let mut slot =
            [self.magic.as_slice(), &sequence.to_be_bytes(), &length.to_be_bytes(), content].concat();
        slot.extend(crc32fast::hash(&slot).to_be_bytes());
        slot
    }

    fn decode<'a>(&self, slot: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let (magic, rest) = slot.split_first_chunk::<8>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let content = rest.get(..length).filter(|_| length <= self.content_bytes_max)?;
        let crc = rest.get(length..)?.first_chunk::<4>()?;
        let valid =
            magic == self.magic && crc32fast::hash(&slot[..HEAD_BYTES + length]).to_be_bytes() == *crc;
        valid.then(|| (u64::from_be_bytes(*sequence), content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Faults;
    use crate::files::MemoryDirectory;

    const FORMAT: SlotFormat = SlotFormat { name: "slots", magic: b"kvtest01", content_bytes_max: 64 };

    fn reopened(directory: &MemoryDirectory) -> Content {
        SlotFile::open(directory.clone(), FORMAT).expect("readable").1
    }

    fn newest(text: &str) -> Content {
        Content::Newest(text.as_bytes().to_vec())
    }

    #[test]
    fn the_newest_slot_counts_and_its_copy_makes_damage_good() {
        let directory = MemoryDirectory::default();
        let (mut file, found) = SlotFile::open(directory.clone(), FORMAT).expect("empty");
        assert_eq!(found, Content::None);
        for text in ["one", "", "three", "a longer one", "five"] {
            file.write(text.as_bytes()).expect("written");
            assert_eq!(reopened(&directory), newest(text));
        }
        // Sequence 5 is in slot 1, 4 in slot 0.
        let flip =
            |slot: usize| directory.tamper(FORMAT.name, |bytes| bytes[slot * FORMAT.stride() + 21] ^= 1);
        flip(1);
        assert_eq!(reopened(&directory), newest("five"));
        flip(3);
        assert_eq!(reopened(&directory), newest("a longer one"));
        flip(0);
        assert_eq!(reopened(&directory), newest("a longer one"));
        flip(2);
        assert_eq!(reopened(&directory), Content::Lost);
    }

    #[test]
    fn no_flipped_bit_takes_the_file_back() {
        let directory = MemoryDirectory::default();
        let (mut file, _) = SlotFile::open(directory.clone(), FORMAT).expect("empty");
        for text in ["one", "two", "three"] {
            file.write(text.as_bytes()).expect("written");
        }
        let whole = directory.read(FORMAT.name).expect("readable").expect("there");
        for at in 0..whole.len() {
            directory.tamper(FORMAT.name, |bytes| bytes[at] ^= 0x10);
            assert_eq!(reopened(&directory), newest("three"), "byte {at}");
            directory.tamper(FORMAT.name, |bytes| bytes[at] ^= 0x10);
        }
    }

    #[test]
    fn a_crash_at_any_step_leaves_the_old_or_the_new_content() {
        for steps in 0..=3 {
            for kept in 0..=3 {
                let faults = Faults::none();
                let directory = MemoryDirectory::new(faults.clone());
                let (mut file, _) = SlotFile::open(directory.clone(), FORMAT).expect("empty");
                file.write(b"one").expect("written");
                file.write(b"two").expect("written");
                faults.fail_after(steps);
                let done = file.write(b"three").is_ok();
                let found = reopened(&directory.after_crash(kept, Faults::none()));
                assert!(
                    found == newest("three") || (!done && found == newest("two")),
                    "{steps} {kept}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_first_write_that_was_torn_is_as_if_there_were_no_file() {
        let directory = MemoryDirectory::default();
        let (mut file, _) = SlotFile::open(directory.clone(), FORMAT).expect("empty");
        file.write(b"one").expect("written");
        directory.tamper(FORMAT.name, |bytes| bytes.truncate(FORMAT.stride() + 22));
        assert_eq!(reopened(&directory), Content::None);
    }
}
