//! An index with random keys whose cost per entry does not grow: sorted runs, merged in bounded steps behind filters.
//!
//! ```text
//! block ──► a run: (fingerprint, value) sorted, in pages          look-up: for each run
//!             │                                                     filter ──no──► next run
//!             ▼ eight runs of about one size                          │ maybe
//!           a merge: every block moves it on by a bounded step        ▼
//!             │   pages that went into the output are removed       first fingerprints ──► one page ──► values
//!             ▼
//!           one run, eight times as long
//! ```
//!
//! A fingerprint is 8 bytes of BLAKE3; the caller verifies each value that a look-up gives. An entry takes 16 bytes in pages,
//! is rewritten once for every eightfold growth, and costs 10 bits of filter and 0.25 bits of first fingerprints in memory,
//! twice that while it is being merged. The filters are made again from the pages when the store is opened, which checks them.
//! All work follows from the blocks alone, so it is the same on every node.

mod filter;
mod merge;
mod page;
mod run;

use serde::{Deserialize, Serialize};

use kvitto_ledger::codec::{decode_strict, encode};

use super::rows::Rows;
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};
use merge::Merge;
use page::ENTRIES_PER_PAGE;
#[cfg(any(test, feature = "testing"))]
pub(super) use page::PagePlace;
use run::Run;

/// Runs of one size that are merged into one.
const FAN_IN: usize = 8;
/// Most runs that one merge takes.
const FAN_IN_MAX: usize = 16;
/// Entries that every merge moves at least with each block.
const STEP_ENTRIES_MIN: usize = 4 * ENTRIES_PER_PAGE;
const MANIFEST_BYTES_MAX: usize = 1024 * 1024;

/// 8 bytes of BLAKE3 over the key's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_be_bytes(first))
    }
}

/// A fingerprint and what it stands for.
pub(super) type Entry = (Fingerprint, u64);

/// One index: its runs, oldest first, and the merges that are under way.
#[derive(Debug)]
pub(super) struct Index {
    /// Which index: the first byte of its pages' keys.
    number: u8,
    next_run: u64,
    runs: Vec<Run>,
    merges: Vec<Merge>,
}

/// What is stored about an index besides its pages: next run; runs as (id, entries, first page, pages); merges.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest(u64, pub(super) Vec<(u64, u64, u32, u32)>, Vec<merge::Progress>);

/// What a block changes in an index: its rows are written first, then it is applied.
#[derive(Debug, Default)]
pub(super) struct IndexChange {
    new_run: Option<Run>,
    steps: Vec<merge::Step>,
    started: Vec<Merge>,
}

impl Index {
    pub(super) fn empty(number: u8) -> Self {
        Self { number, next_run: 0, runs: Vec::new(), merges: Vec::new() }
    }

    /// Reads the index, with every page of it.
    pub(super) fn open(trees: &Trees, number: u8) -> Result<Self, StoreError> {
        let Some(manifest) = trees.blob(TreeName::Meta, &manifest_key(number))? else {
            return Ok(Self::empty(number));
        };
        let unreadable = |_| Damage::unreadable("manifest of index", number);
        let Manifest(next_run, runs, merges) =
            decode_strict(&manifest, MANIFEST_BYTES_MAX).map_err(unreadable)?;
        let runs =
            runs.into_iter().map(|run| Run::open(trees, number, run)).collect::<Result<Vec<_>, _>>()?;
        let merges = merges
            .into_iter()
            .map(|progress| Merge::open(trees, number, progress, &runs))
            .collect::<Result<_, _>>()?;
        Ok(Self { number, next_run, runs, merges })
    }

    /// Values that may belong to a fingerprint; without it, nearly always none.
    pub(super) fn candidates(&self, trees: &Trees, key: Fingerprint) -> Result<Vec<u64>, StoreError> {
        let mut values = Vec::new();
        for run in &self.runs {
            run.collect(trees, self.number, key, &mut values)?;
        }
        for merge in &self.merges {
            merge.output().collect(trees, self.number, key, &mut values)?;
        }
        // While a page is being merged, an entry may be found in both places.
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// Adds a block's entries and moves every merge on. The change is to be [applied](Index::apply) once `rows` are written.
    pub(super) fn append(
        &mut self,
        trees: &Trees,
        rows: &mut Rows,
        mut entries: Vec<Entry>,
    ) -> Result<IndexChange, StoreError> {
        entries.sort_unstable();
        let mut change = IndexChange::default();
        let step_entries = STEP_ENTRIES_MIN.max(2 * entries.len());
        for merge in &self.merges {
            change.steps.push(merge.step(trees, self.number, &self.runs, step_entries, rows)?);
        }
        if !entries.is_empty() {
            change.new_run = Some(Run::write(self.number, self.next_run, &entries, rows));
        }
        let finished = |run: &Run| change.steps.iter().any(|step| step.finishes() && step.consumes(run.id()));
        let left: Vec<&Run> = self.runs.iter().filter(|run| !finished(run)).collect();
        let outputs = self.merges.iter().zip(&change.steps).filter(|(_, step)| step.finishes());
        let grown: Vec<(u64, u64)> = left
            .iter()
            .map(|run| (run.id(), run.entries()))
            .chain(outputs.map(|(merge, _)| (merge.output().id(), merge.entries_total())))
            .chain(change.new_run.iter().map(|run| (run.id(), run.entries())))
            .collect();
        let next_run = self.next_run + u64::from(change.new_run.is_some());
        change.started = self.merges_to_start(&change.steps, grown, next_run);
        rows.put_blob(TreeName::Meta, &manifest_key(self.number), &self.manifest_after(&change));
        Ok(change)
    }

    /// Takes over a change whose rows were written.
    pub(super) fn apply(&mut self, change: IndexChange) {
        self.next_run = self.next_run_after(&change);
        for (mut merge, step) in std::mem::take(&mut self.merges).into_iter().zip(change.steps) {
            let finishes = step.finishes();
            merge.apply(step, &mut self.runs);
            if finishes {
                self.runs.retain(|run| !merge.consumes(run.id()));
                self.runs.push(merge.into_output());
            } else {
                self.merges.push(merge);
            }
        }
        self.runs.extend(change.new_run);
        self.merges.extend(change.started);
    }

    /// Eight runs of about one size that no merge has yet become one, unless that size is being merged already.
    fn merges_to_start(&self, steps: &[merge::Step], runs: Vec<(u64, u64)>, mut next_run: u64) -> Vec<Merge> {
        let going_on: Vec<&Merge> = self
            .merges
            .iter()
            .zip(steps)
            .filter(|(_, step)| !step.finishes())
            .map(|(merge, _)| merge)
            .collect();
        let mut free: Vec<(u64, u64)> =
            runs.into_iter().filter(|(id, _)| !going_on.iter().any(|merge| merge.consumes(*id))).collect();
        let mut started = Vec::new();
        for level in 0..=level(u64::MAX) {
            let busy = going_on.iter().any(|merge| merge.level() == level);
            let (same, others): (Vec<_>, Vec<_>) =
                free.into_iter().partition(|(_, entries)| self::level(*entries) == level);
            if !busy && same.len() >= FAN_IN {
                started.push(Merge::start(next_run, level, &same[..same.len().min(FAN_IN_MAX)]));
                next_run += 1;
            }
            free = others;
        }
        started
    }

    fn next_run_after(&self, change: &IndexChange) -> u64 {
        self.next_run + u64::from(change.new_run.is_some()) + change.started.len() as u64
    }

    fn manifest_after(&self, change: &IndexChange) -> Vec<u8> {
        let (mut runs, mut merges) = (Vec::new(), Vec::new());
        for run in &self.runs {
            let step = change.steps.iter().find(|step| step.consumes(run.id()));
            if step.is_none_or(|step| !step.finishes()) {
                runs.push(run.row(step.map(|step| step.first_page_of(run.id()))));
            }
        }
        for (merge, step) in self.merges.iter().zip(&change.steps) {
            let progress = merge.progress_after(step);
            if step.finishes() {
                runs.push(progress.output_row());
            } else {
                merges.push(progress);
            }
        }
        runs.extend(change.new_run.iter().map(|run| run.row(None)));
        merges.extend(change.started.iter().map(Merge::progress));
        encode(&Manifest(self.next_run_after(change), runs, merges))
    }
}

/// Runs of one level differ in size by less than a factor of eight.
fn level(entries: u64) -> u32 {
    (entries / ENTRIES_PER_PAGE as u64).checked_ilog(FAN_IN as u64).map_or(0, |level| level + 1)
}

pub(super) fn manifest_key(number: u8) -> Vec<u8> {
    vec![b'i', number]
}

#[cfg(test)]
mod tests;
