//! A disk for tests that takes only so many bytes: a full disk, or a crash in the middle of a write.

use std::io;

use super::Disk;

/// Keeps only so many bytes, then fails: a full disk, or a crash in the middle of a write.
#[derive(Debug, Default)]
pub(crate) struct ShortDisk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) room: usize,
}

impl Disk for ShortDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.room);
        self.bytes.extend_from_slice(&bytes[..fits]);
        self.room -= fits;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}
