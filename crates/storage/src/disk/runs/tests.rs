//! The index alone, over thousands of pages: exact through every stage of every merge, in bounded steps, without leaving pages.

use std::collections::BTreeMap;

use super::*;

/// A cheap, repeatable sequence (Knuth's linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }
}

fn key(number: u64) -> Fingerprint {
    // Every hundredth collides with its neighbour.
    Fingerprint::of(&[&(if number % 100 == 1 { number - 1 } else { number }).to_be_bytes()])
}

struct Case {
    folder: tempfile::TempDir,
    trees: Trees,
    index: Index,
    model: BTreeMap<Fingerprint, Vec<u64>>,
    entries: u64,
    rows_most: usize,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let trees = Trees::open(folder.path(), 4 * 1024 * 1024).expect("opens");
        let index = Index::empty(0);
        Self { folder, trees, index, model: BTreeMap::new(), entries: 0, rows_most: 0 }
    }

    fn append(&mut self, count: u64) {
        let entries: Vec<Entry> =
            (self.entries..self.entries + count).map(|number| (key(number), number)).collect();
        for (key, value) in &entries {
            self.model.entry(*key).or_default().push(*value);
        }
        self.entries += count;
        let mut rows = Rows::default();
        let change = self.index.append(&self.trees, &mut rows, entries).expect("readable");
        let changes: Vec<_> = rows.into_changes().collect();
        self.rows_most = self.rows_most.max(changes.len());
        let mut rows = Rows::default();
        for ((tree, key), value) in changes {
            match value {
                Some(value) => rows.put_raw(tree, key, value),
                None => rows.remove(tree, key),
            }
        }
        self.trees.write(rows).expect("written");
        self.index.apply(change);
    }

    fn reopen(&mut self) {
        let index = Index::open(&self.trees, 0).expect("readable");
        assert_eq!((index.next_run, index.runs.len()), (self.index.next_run, self.index.runs.len()));
        self.index = index;
    }

    /// Every `step`-th entry is found with exactly its values, and what is absent is not.
    fn check(&self, step: usize) {
        for (key, values) in self.model.iter().step_by(step) {
            assert_eq!(&self.index.candidates(&self.trees, *key).expect("readable"), values);
        }
        for absent in 0..1_000_u64 {
            let key = key(u64::MAX - 2 * absent);
            assert_eq!(self.index.candidates(&self.trees, key).expect("readable"), Vec::<u64>::new());
        }
        let pages = self.trees.scan(TreeName::Runs, ..).count();
        let runs = self.index.runs.iter().map(|run| run.pages() - run.first_page());
        let outputs = self.index.merges.iter().map(|merge| merge.output().pages());
        assert_eq!(pages, runs.chain(outputs).sum::<u32>() as usize, "no page is left behind");
    }
}

#[test]
fn look_ups_are_exact_through_every_stage_of_merging() {
    let mut case = Case::new();
    let mut numbers = Numbers(7);
    let mut merging = 0;
    for block in 0..400 {
        let count = match numbers.next() % 10 {
            0..6 => 1 + numbers.next() % 5,
            6..9 => 200 + numbers.next() % 400,
            _ => 2_000 + numbers.next() % 2_000,
        };
        case.append(count);
        merging += case.index.merges.iter().filter(|merge| merge.output().pages() > 0).count();
        if block % 23 == 0 {
            case.check(97);
            case.reopen();
            case.check(89);
        }
    }
    case.check(1);
    assert!(merging > 20, "merges take several blocks: {merging}");
    assert!(case.index.runs.len() < 60, "{} runs of {} entries", case.index.runs.len(), case.entries);
    assert!(case.folder.path().join("db").exists());
}

#[test]
fn the_work_of_a_block_does_not_grow_with_the_index() {
    let mut case = Case::new();
    for _ in 0..60 {
        case.append(2_000);
    }
    let early = std::mem::take(&mut case.rows_most);
    for _ in 0..240 {
        case.append(2_000);
    }
    // One more level of merging at most, of 16 pages written and about as many removed.
    assert!(case.rows_most <= early + 40, "{early}, then {}", case.rows_most);
    case.check(41);
}

#[test]
fn a_level_spans_a_factor_of_eight() {
    for (entries, expected) in [(0, 0), (1, 0), (254, 0), (255, 1), (2_039, 1), (2_040, 2), (16_320, 3)] {
        assert_eq!(level(entries), expected, "{entries}");
    }
}

/// A manifest with these runs, and a merge with this input where there is one, over one page of one entry.
fn opened(runs: &[(u64, u64, u32, u32)], input: Option<(u64, u64)>) -> Result<Index, StoreError> {
    let mut case = Case::new();
    case.append(1);
    let merges: Vec<_> =
        input.iter().map(|input| (0_u32, vec![*input], (1_u64, 0_u32, 0_u64), None::<(u64, u64)>)).collect();
    let mut rows = Rows::default();
    rows.put_blob(TreeName::Meta, &manifest_key(0), &encode(&(2_u64, runs, merges)));
    case.trees.write(rows).expect("written");
    Index::open(&case.trees, 0)
}

#[test]
fn a_manifest_whose_numbers_do_not_fit_together_is_damage_and_asks_for_no_memory() {
    opened(&[(0, 1, 0, 1)], None).expect("as it was written");
    opened(&[(0, 1, 0, 1)], Some((0, 1))).expect("with a merge that has just begun");
    for run in [(0, u64::MAX, 0, 1), (0, 1, u32::MAX, 1), (0, 1, 0, u32::MAX), (0, 0, 0, 1), (0, 1, 2, 1)] {
        let error = opened(&[run], None).expect_err("not a manifest of ours");
        assert!(matches!(error.damage(), Some(Damage::Unreadable { .. })), "{run:?}: {error}");
    }
    for input in [(0, u64::MAX), (7, 1)] {
        let error = opened(&[(0, 1, 0, 1)], Some(input)).expect_err("not an input of ours");
        assert!(error.damage().is_some(), "{input:?}: {error}");
    }
}
