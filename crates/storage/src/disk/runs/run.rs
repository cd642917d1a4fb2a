//! One sorted run: its pages in the database, and what is kept in memory to find the right one.

use super::super::rows::Rows;
use super::super::trees::Trees;
use super::filter::Filter;
use super::page::{ENTRIES_PER_PAGE, PagePlace};
use super::{Entry, Fingerprint};
use crate::error::{Damage, StoreError};

#[derive(Debug)]
pub(super) struct Run {
    id: u64,
    /// Entries that it had when it was complete.
    entries: u64,
    /// Pages before this one were merged into another run and removed.
    first_page: u32,
    /// The first fingerprint of every page, removed ones included.
    first_keys: Vec<Fingerprint>,
    filter: Filter,
}

impl Run {
    /// A run without pages, for so many entries.
    pub(super) fn empty(id: u64, capacity: u64) -> Self {
        let filter = Filter::with_capacity(capacity);
        Self { id, entries: 0, first_page: 0, first_keys: Vec::new(), filter }
    }

    /// A new run of sorted entries.
    pub(super) fn write(index: u8, id: u64, entries: &[Entry], rows: &mut Rows) -> Self {
        let mut run = Self::empty(id, entries.len() as u64);
        for page in entries.chunks(ENTRIES_PER_PAGE) {
            run.next_page(index).write(page, rows);
            run.push_page(page);
        }
        run
    }

    /// Reads a run, given its [row](Run::row) of the manifest. Numbers that do not fit together are not asked memory for.
    pub(super) fn open(
        trees: &Trees,
        index: u8,
        (id, entries, first_page, pages): (u64, u64, u32, u32),
    ) -> Result<Self, StoreError> {
        if first_page > pages || entries.div_ceil(ENTRIES_PER_PAGE as u64) != u64::from(pages) {
            return Err(Damage::unreadable("manifest of index", index).into());
        }
        let mut run = Self::empty(id, entries);
        run.read_pages(trees, index, first_page, pages)?;
        run.entries = entries;
        Ok(run)
    }

    /// Reads pages from `first_page` up to `pages` again; the ones before were removed.
    pub(super) fn read_pages(
        &mut self,
        trees: &Trees,
        index: u8,
        first_page: u32,
        pages: u32,
    ) -> Result<(), StoreError> {
        // No look-up reaches a removed page, so any value does for its first fingerprint.
        self.first_page = first_page;
        self.first_keys = vec![Fingerprint(0); first_page as usize];
        for page in first_page..pages {
            let entries = self.place(index, page).read(trees)?;
            self.push_page(&entries);
        }
        Ok(())
    }

    /// Its row of the manifest, optionally with pages before `first_page` removed.
    pub(super) fn row(&self, first_page: Option<u32>) -> (u64, u64, u32, u32) {
        (self.id, self.entries, first_page.unwrap_or(self.first_page), self.pages())
    }

    /// Adds the values of a fingerprint.
    pub(super) fn collect(
        &self,
        trees: &Trees,
        index: u8,
        key: Fingerprint,
        values: &mut Vec<u64>,
    ) -> Result<(), StoreError> {
        if !self.filter.may_contain(key) {
            return Ok(());
        }
        // Equal fingerprints may begin at the end of the page before the first one that begins with them.
        let from = self.first_keys.partition_point(|first| *first < key).saturating_sub(1);
        let to = self.first_keys.partition_point(|first| *first <= key);
        for page in (from as u32).max(self.first_page)..to as u32 {
            let entries = self.place(index, page).read(trees)?;
            values.extend(entries.iter().filter(|(found, _)| *found == key).map(|(_, value)| *value));
        }
        Ok(())
    }

    /// Takes a page that was written into its memory.
    pub(super) fn push_page(&mut self, entries: &[Entry]) {
        self.first_keys.extend(entries.first().map(|(key, _)| *key));
        entries.iter().for_each(|(key, _)| self.filter.insert(*key));
        self.entries += entries.len() as u64;
    }

    pub(super) fn remove_pages_before(&mut self, page: u32) {
        self.first_page = page;
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn first_page(&self) -> u32 {
        self.first_page
    }

    pub(super) fn pages(&self) -> u32 {
        u32::try_from(self.first_keys.len()).expect("a run has fewer than 2^32 pages")
    }

    pub(super) fn place(&self, index: u8, page: u32) -> PagePlace {
        PagePlace { index, run: self.id, page }
    }

    pub(super) fn next_page(&self, index: u8) -> PagePlace {
        self.place(index, self.pages())
    }
}
