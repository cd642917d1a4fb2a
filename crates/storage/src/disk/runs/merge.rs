//! A merge of several runs into one, moved on by a bounded step with every block.
//!
//! Progress is the last entry that was written to the output. Pages of the inputs that lie wholly before it are removed in the
//! transaction that wrote it, so a merge needs little more room than its result.

use serde::{Deserialize, Serialize};

use super::super::rows::Rows;
use super::super::trees::Trees;
use super::page::{ENTRIES_PER_PAGE, PagePlace};
use super::run::Run;
use super::{Entry, Fingerprint};
use crate::error::{Damage, StoreError};

#[derive(Debug)]
pub(super) struct Merge {
    level: u32,
    /// (run, entries) of the inputs.
    inputs: Vec<(u64, u64)>,
    output: Run,
    /// The last entry that was moved.
    moved_to: Option<Entry>,
}

/// What is stored about a merge: level; inputs as (run, entries); output and its pages and entries; last entry moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress(u32, Vec<(u64, u64)>, (u64, u32, u64), Option<(u64, u64)>);

impl Progress {
    /// The output's row of the manifest, once it is complete.
    pub(super) fn output_row(&self) -> (u64, u64, u32, u32) {
        let (id, pages, entries) = self.2;
        (id, entries, 0, pages)
    }
}

/// One step of a merge.
#[derive(Debug)]
pub(super) struct Step {
    pages: Vec<Vec<Entry>>,
    moved_to: Option<Entry>,
    /// (run, first page that is left) of the inputs.
    inputs: Vec<(u64, u32)>,
    finishes: bool,
}

impl Step {
    pub(super) fn finishes(&self) -> bool {
        self.finishes
    }

    pub(super) fn consumes(&self, run: u64) -> bool {
        self.inputs.iter().any(|(id, _)| *id == run)
    }

    /// The first page of an input that is left.
    pub(super) fn first_page_of(&self, run: u64) -> u32 {
        self.inputs.iter().find(|(id, _)| *id == run).map_or(0, |(_, page)| *page)
    }
}

impl Merge {
    /// A merge of `inputs`, given as (run, entries), into run `output`.
    pub(super) fn start(output: u64, level: u32, inputs: &[(u64, u64)]) -> Self {
        let capacity = inputs.iter().map(|(_, entries)| entries).sum();
        Self { level, inputs: inputs.to_vec(), output: Run::empty(output, capacity), moved_to: None }
    }

    /// Reads a merge that was under way.
    pub(super) fn open(
        trees: &Trees,
        index: u8,
        progress: Progress,
        runs: &[Run],
    ) -> Result<Self, StoreError> {
        let Progress(level, inputs, (output, pages, entries), moved_to) = progress;
        if !inputs.iter().all(|input| runs.iter().any(|run| (run.id(), run.entries()) == *input)) {
            return Err(Damage::missing("input of merge", output).into());
        }
        let mut merge = Self::start(output, level, &inputs);
        merge.output.read_pages(trees, index, 0, pages)?;
        if merge.output.entries() != entries {
            return Err(Damage::unreadable("output of merge", output).into());
        }
        merge.moved_to = moved_to.map(|(key, value)| (Fingerprint(key), value));
        Ok(merge)
    }

    pub(super) fn progress(&self) -> Progress {
        let moved_to = self.moved_to.map(|(key, value)| (key.0, value));
        Progress(
            self.level,
            self.inputs.clone(),
            (self.output.id(), self.output.pages(), self.output.entries()),
            moved_to,
        )
    }

    pub(super) fn progress_after(&self, step: &Step) -> Progress {
        let Progress(level, inputs, (output, pages, entries), _) = self.progress();
        let pages = pages + step.pages.len() as u32;
        let entries = entries + step.pages.iter().map(|page| page.len() as u64).sum::<u64>();
        Progress(level, inputs, (output, pages, entries), step.moved_to.map(|(key, value)| (key.0, value)))
    }

    /// Moves about `entries_wanted` entries, in whole pages, to the output.
    pub(super) fn step(
        &self,
        trees: &Trees,
        index: u8,
        runs: &[Run],
        entries_wanted: usize,
        rows: &mut Rows,
    ) -> Result<Step, StoreError> {
        let mut sources = Vec::new();
        for (id, _) in &self.inputs {
            let run =
                runs.iter().find(|run| run.id() == *id).expect("inputs stay until the merge is finished");
            sources.push(Source::after(trees, index, run, self.moved_to)?);
        }
        let mut pages: Vec<Vec<Entry>> = Vec::new();
        let pages_wanted = entries_wanted.div_ceil(ENTRIES_PER_PAGE);
        while pages.len() < pages_wanted {
            let page = next_page(trees, &mut sources)?;
            if page.is_empty() {
                break;
            }
            pages.push(page);
        }
        let finishes = sources.iter().all(Source::is_empty);
        for (page, place) in pages.iter().zip(self.output.pages()..) {
            self.output.place(index, place).write(page, rows);
        }
        for source in &sources {
            source.removed_pages().for_each(|place| place.remove(rows));
        }
        let moved_to = pages.last().and_then(|page| page.last().copied()).or(self.moved_to);
        let inputs = sources.iter().map(|source| (source.run, source.page)).collect();
        Ok(Step { pages, moved_to, inputs, finishes })
    }

    /// Takes over a step whose rows were written.
    pub(super) fn apply(&mut self, step: Step, runs: &mut [Run]) {
        step.pages.iter().for_each(|page| self.output.push_page(page));
        self.moved_to = step.moved_to;
        for run in runs {
            if let Some((_, page)) = step.inputs.iter().find(|(id, _)| *id == run.id()) {
                run.remove_pages_before(*page);
            }
        }
    }

    pub(super) fn consumes(&self, run: u64) -> bool {
        self.inputs.iter().any(|(id, _)| *id == run)
    }

    pub(super) fn entries_total(&self) -> u64 {
        self.inputs.iter().map(|(_, entries)| entries).sum()
    }

    pub(super) fn level(&self) -> u32 {
        self.level
    }

    pub(super) fn output(&self) -> &Run {
        &self.output
    }

    pub(super) fn into_output(self) -> Run {
        self.output
    }
}

/// What is left of an input.
struct Source {
    index: u8,
    run: u64,
    first_page: u32,
    page: u32,
    pages: u32,
    /// The entries of page `page` that are left, last one first; empty only at the end of the run.
    left: Vec<Entry>,
}

impl Source {
    fn after(trees: &Trees, index: u8, run: &Run, moved_to: Option<Entry>) -> Result<Self, StoreError> {
        let (first_page, pages) = (run.first_page(), run.pages());
        let mut source = Self { index, run: run.id(), first_page, page: first_page, pages, left: Vec::new() };
        source.load(trees)?;
        source.left.retain(|entry| moved_to.is_none_or(|moved_to| *entry > moved_to));
        if source.left.is_empty() {
            source.advance(trees)?;
        }
        Ok(source)
    }

    fn load(&mut self, trees: &Trees) -> Result<(), StoreError> {
        if self.page < self.pages {
            self.left = PagePlace { index: self.index, run: self.run, page: self.page }.read(trees)?;
            self.left.reverse();
        }
        Ok(())
    }

    fn advance(&mut self, trees: &Trees) -> Result<(), StoreError> {
        self.page = (self.page + 1).min(self.pages);
        self.load(trees)
    }

    fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    fn removed_pages(&self) -> impl Iterator<Item = PagePlace> {
        (self.first_page..self.page).map(|page| PagePlace { index: self.index, run: self.run, page })
    }
}

/// The next entries of all sources in order, as many as fill a page.
fn next_page(trees: &Trees, sources: &mut [Source]) -> Result<Vec<Entry>, StoreError> {
    let mut page = Vec::with_capacity(ENTRIES_PER_PAGE);
    while page.len() < ENTRIES_PER_PAGE {
        let least = sources
            .iter_mut()
            .filter(|source| !source.is_empty())
            .min_by_key(|source| source.left.last().copied());
        let Some(source) = least else { break };
        page.extend(source.left.pop());
        if source.left.is_empty() {
            source.advance(trees)?;
        }
    }
    Ok(page)
}
