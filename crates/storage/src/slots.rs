//! A small file that is replaced as a whole, often, and durably: two slots, written in turn.
//!
//! ```text
//! slot    0  8  magic          16  4  length of the content       20 + length  4  CRC-32 of everything before it
//!         8  8  sequence       20 ..  content                     (numbers big-endian)
//! ```
//!
//! The valid slot with the larger sequence number counts. A torn write hits the slot that does not count yet.

use std::io;

use crate::files::Directory;

/// Slots begin at multiples of a disk's blocks, so that a torn write hits one of them only.
const BLOCK_BYTES: usize = 4096;
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
    /// Both slots have bytes, and neither is valid.
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
        let mut slots = bytes.chunks(format.stride());
        let slots = [(); 2].map(|()| slots.next().unwrap_or_default());
        let newest =
            slots.iter().filter_map(|slot| format.decode(slot)).max_by_key(|(sequence, _)| *sequence);
        let (sequence, content) = match newest {
            Some((sequence, content)) => (sequence, Content::Newest(content.to_vec())),
            None if slots.iter().all(|slot| slot.iter().any(|byte| *byte != 0)) => (0, Content::Lost),
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
        let offset = (self.sequence % 2) * self.format.stride() as u64;
        let slot = self.format.encode(self.sequence, content);
        self.directory.write_at(self.format.name, offset, &slot)?;
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
    fn the_newest_slot_counts_and_one_bad_slot_falls_back_to_the_other() {
        let directory = MemoryDirectory::default();
        let (mut file, found) = SlotFile::open(directory.clone(), FORMAT).expect("empty");
        assert_eq!(found, Content::None);
        for text in ["one", "", "three", "a longer one", "five"] {
            file.write(text.as_bytes()).expect("written");
            assert_eq!(reopened(&directory), newest(text));
        }
        // Sequence 5 is in slot 1, 4 in slot 0.
        directory.tamper(FORMAT.name, |bytes| bytes[FORMAT.stride() + 21] ^= 1);
        assert_eq!(reopened(&directory), newest("a longer one"));
        directory.tamper(FORMAT.name, |bytes| bytes[17] ^= 0x80);
        assert_eq!(reopened(&directory), Content::Lost);
    }

    #[test]
    fn a_crash_at_any_step_leaves_the_old_or_the_new_content() {
        for steps in 0..=2 {
            for kept in 0..=2 {
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
