//! Pages of entries: a fingerprint and a value of 8 bytes each, ascending.

use super::super::keys;
use super::super::rows::{PAYLOAD_BYTES_MAX, Rows};
use super::super::trees::{TreeName, Trees};
use super::{Entry, Fingerprint};
use crate::error::{Damage, StoreError};

const ENTRY_BYTES: usize = 16;
/// Entries of a full page.
pub(super) const ENTRIES_PER_PAGE: usize = PAYLOAD_BYTES_MAX / ENTRY_BYTES;

/// Where a page is.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct PagePlace {
    pub(in super::super) index: u8,
    pub(in super::super) run: u64,
    pub(in super::super) page: u32,
}

impl PagePlace {
    pub(in super::super) fn write(self, entries: &[Entry], rows: &mut Rows) {
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|(key, value)| [key.0.to_be_bytes(), value.to_be_bytes()])
            .flatten()
            .collect();
        rows.put(TreeName::Runs, self.key(), &bytes);
    }

    pub(super) fn remove(self, rows: &mut Rows) {
        rows.remove(TreeName::Runs, self.key());
    }

    pub(in super::super) fn read(self, trees: &Trees) -> Result<Vec<Entry>, StoreError> {
        let page = trees.row(TreeName::Runs, &self.key())?;
        let page = page.ok_or_else(|| Damage::missing(TreeName::Runs.name(), self.to_text()))?;
        let (numbers, rest) = page.as_chunks::<8>();
        let (pairs, lone) = numbers.as_chunks::<2>();
        if !rest.is_empty() || !lone.is_empty() || pairs.is_empty() {
            return Err(Damage::unreadable(TreeName::Runs.name(), self.to_text()).into());
        }
        let entry =
            |[key, value]: &[[u8; 8]; 2]| (Fingerprint(u64::from_be_bytes(*key)), u64::from_be_bytes(*value));
        Ok(pairs.iter().map(entry).collect())
    }

    fn key(self) -> Vec<u8> {
        keys::run_page(self.index, self.run, self.page)
    }

    fn to_text(self) -> String {
        format!("{}/{}/{}", self.index, self.run, self.page)
    }
}
