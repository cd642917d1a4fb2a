//! CHECKPOINT: the file that holds the published checkpoint, beside the database because the database may lose its newest row
//! silently, and with it go back to what was published before.
//!
//! A [`SlotFile`] whose content is the height and the size, 8 bytes each, big-endian, and the note. Where it is lost nothing is
//! published until the members have cosigned again, which they do every few seconds.

use std::sync::Arc;

use kvitto_ledger::Height;

use crate::error::StoreError;
use crate::files::Directory;
use crate::slots::{Content, SlotFile, SlotFormat};
use crate::store::Published;

/// The file's name.
pub(super) const CHECKPOINT_FILE: &str = "CHECKPOINT";
const FORMAT: SlotFormat =
    SlotFormat { name: CHECKPOINT_FILE, magic: b"kvchkp01", content_bytes_max: 64 * 1024 };

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct CheckpointFile<D>(SlotFile<D>);

impl<D: Directory> CheckpointFile<D> {
    /// Reads what is published; `None` where nothing is, or it is lost.
    pub(super) fn open(directory: D) -> Result<(Self, Option<Published>), StoreError> {
        let (file, content) =
            SlotFile::open(directory, FORMAT).map_err(StoreError::failed("read the checkpoint"))?;
        let published = match content {
            Content::Newest(bytes) => decode(&bytes),
            Content::None | Content::Lost => None,
        };
        Ok((Self(file), published))
    }

    /// Makes a checkpoint durable.
    pub(super) fn write(&mut self, published: &Published) -> Result<(), StoreError> {
        self.0.write(&encode(published)).map_err(StoreError::failed("write the checkpoint"))
    }
}

pub(super) fn encode(published: &Published) -> Vec<u8> {
    let numbers = [published.height.0.to_be_bytes(), published.size.to_be_bytes()];
    [numbers.as_flattened(), published.note.as_bytes()].concat()
}

pub(super) fn decode(bytes: &[u8]) -> Option<Published> {
    let (height, rest) = bytes.split_first_chunk()?;
    let (size, note) = rest.split_first_chunk()?;
    let note: Arc<str> = std::str::from_utf8(note).ok()?.into();
    Some(Published { height: Height(u64::from_be_bytes(*height)), size: u64::from_be_bytes(*size), note })
}
