//! What every store must do, as checks that each implementation runs: see [`store_suite`](crate::store_suite).
//!
//! A [`Disk`] is a place that a store can be opened on again and again. The blocks come from [`history`], and each answer is
//! compared with that of a [`model`] that looks at the blocks themselves.

pub mod history;
pub mod model;

use kvitto_ledger::block::BlockBody;
use kvitto_ledger::execute::{ExecutedBlock, execute, signer_key};
use kvitto_ledger::statement::{Checked, Envelope};
use kvitto_ledger::{Header, Height, ReadState};

use crate::audit;
use crate::error::StoreError;
use crate::faults::Faults;
use crate::store::{Head, Published, Read, Store};
use history::History;
use model::Model;

/// A place that a store is kept on.
pub trait Disk {
    /// The store.
    type Store: Store;

    /// Opens the store on it; an empty one is begun with `genesis`.
    ///
    /// # Errors
    /// Those of the store's own function.
    fn open(
        &mut self,
        genesis: &ExecutedBlock,
        certificate_holds: &dyn Fn(&Header, &[u8]) -> bool,
    ) -> Result<Self::Store, StoreError>;

    /// Lets its operations fail.
    fn faults(&self) -> Faults;

    /// Loses what was not synced, as far as that can be pretended, after the store was dropped.
    fn crash(&mut self);
}

/// The certificate that the suite gives to a block.
pub fn certificate(height: Height) -> Vec<u8> {
    format!("certificate of block {height}").into_bytes()
}

fn holds(header: &Header, bytes: &[u8]) -> bool {
    bytes == certificate(header.height)
}

fn open<D: Disk>(disk: &mut D, history: &History) -> D::Store {
    disk.open(&history.blocks[0], &holds).expect("the store opens")
}

fn commit_all<S: Store>(store: &mut S, history: &History) {
    for block in &history.blocks[store.head().height.0 as usize + 1..] {
        store.commit(block, &certificate(block.header.height)).expect("the block is committed");
    }
}

fn head_of(block: &ExecutedBlock) -> Head {
    let header = &block.header;
    Head {
        height: header.height,
        size: header.tree_size,
        log_root: header.log_root,
        status_root: header.status_root,
    }
}

/// Executing every block on the store itself leads to that very block; what the rules look up is what they were built on.
pub fn blocks_execute_on_the_store(mut disk: impl Disk) {
    let history = History::small();
    let mut store = open(&mut disk, &history);
    for block in &history.blocks[1..] {
        let statements = statements(&store, &history, &block.body);
        let executed = execute(&store, &history.genesis.config, &block.header, &statements);
        assert_eq!(executed.expect("readable").as_ref(), Ok(block), "block {}", block.header.height);
        store.commit(block, &[]).expect("committed");
        assert_eq!(store.tip().expect("readable"), block.tip);
        assert_eq!(store.head(), head_of(block));
    }
}

fn statements(state: &impl ReadState, history: &History, body: &BlockBody) -> Vec<Checked> {
    let ledger = history.genesis.ledger_id();
    let check = |bytes: &std::sync::Arc<[u8]>| {
        let envelope = Envelope::decode(bytes.clone(), &ledger).expect("of good form");
        let kind = envelope.statement().body.kind();
        let key = signer_key(state, &envelope.key_id(), kind).expect("readable").expect("known");
        envelope.verify(&key).expect("signed")
    };
    body.0.iter().map(check).collect()
}

/// Answers as of every height are those of the model, while the store grows, at its end, and after opening it again.
pub fn answers_as_of_every_height_are_those_of_the_model(mut disk: impl Disk) {
    let history = History::small();
    let mut store = open(&mut disk, &history);
    let reader = store.reader();
    for block in &history.blocks[1..] {
        store.commit(block, &certificate(block.header.height)).expect("committed");
        let newest = block.header.height;
        assert_eq!(reader.committed(), newest);
        Model::at(&history.blocks, newest).check(&reader);
        assert!(matches!(reader.positions_at(newest.next()), Err(StoreError::NotCommitted { .. })));
    }
    check_all_heights(&reader, &history);
    drop((reader, store));
    let store = open(&mut disk, &history);
    check_all_heights(&store.reader(), &history);
    assert_eq!(store.head(), head_of(history.newest()));
}

fn check_all_heights(reader: &impl Read, history: &History) {
    for block in &history.blocks {
        Model::at(&history.blocks, block.header.height).check(reader);
        model::check_block(reader, block, &certificate(block.header.height));
    }
    model::check_beyond(reader, history.newest());
    audit::everything(reader, &mut |_| ()).expect("all in order");
    let certified = |header: &Header, bytes: &[u8]| bytes == certificate(header.height);
    let mut seen = 0;
    let mut progress = |height: Height| {
        assert_eq!(height.0, seen);
        seen += 1;
    };
    audit::executed_again(reader, &history.genesis, &certified, &mut progress).expect("all in order");
    assert_eq!(seen, history.newest().header.height.0 + 1);
    let refused = |header: &Header, _: &[u8]| header.height != history.newest().header.height;
    let error = audit::executed_again(reader, &history.genesis, &refused, &mut |_| ()).expect_err("refused");
    assert!(error.damage().is_some(), "{error:?}");
}

/// Many records in one block, many positions, many chunks: everything that is packed into pages goes over their edges.
pub fn pages_are_read_over_their_edges(mut disk: impl Disk) {
    let history = History::wide();
    let mut store = open(&mut disk, &history);
    commit_all(&mut store, &history);
    let reader = store.reader();
    let newest = history.newest();
    let leaves: Vec<Vec<u8>> = history.blocks.iter().flat_map(|block| block.leaves.clone()).collect();
    let size = leaves.len() as u64;
    assert_eq!(reader.leaves(0..u64::MAX, usize::MAX).expect("readable"), leaves);
    for start in (0..size).step_by(97) {
        let found = reader.leaves(start..size.min(start + 150), 20_000).expect("readable");
        assert!(!found.is_empty() && found.iter().map(Vec::len).sum::<usize>() <= 20_000);
        assert_eq!(found, leaves[start as usize..start as usize + found.len()]);
    }
    Model::at(&history.blocks, newest.header.height).check(&reader);
    Model::at(&history.blocks, Height(newest.header.height.0 - 1)).check(&reader);
    audit::everything(&reader, &mut |_| ()).expect("all in order");
}

/// Many small blocks: the indexes with random keys go through all their stages, and still give the exact answer.
pub fn indexes_stay_exact_over_many_blocks(mut disk: impl Disk) {
    let history = History::long();
    let mut store = open(&mut disk, &history);
    for (count, block) in history.blocks[1..].iter().enumerate() {
        store.commit(block, &certificate(block.header.height)).expect("committed");
        if count % 100 == 50 {
            drop(store);
            store = open(&mut disk, &history);
            Model::at(&history.blocks, block.header.height).check(&store.reader());
        }
    }
    audit::everything(&store.reader(), &mut |_| ()).expect("all in order");
    Model::at(&history.blocks, history.newest().header.height).check(&store.reader());
}

/// Whatever operation fails, the store takes nothing more, and opened again it has the block or has it not; then it goes on.
pub fn a_failure_at_any_step_leaves_whole_blocks<D: Disk>(new_disk: impl Fn() -> D) {
    let history = History::small();
    let newest = history.blocks.len() - 1;
    for steps in 0.. {
        let mut disk = new_disk();
        let mut store = open(&mut disk, &history);
        for block in &history.blocks[1..newest] {
            store.commit(block, &certificate(block.header.height)).expect("committed");
        }
        disk.faults().fail_after(steps);
        let result = store.commit(&history.blocks[newest], &certificate(Height(newest as u64)));
        let committed = result.is_ok();
        disk.faults().fail_after(u64::MAX);
        if !committed {
            assert_eq!(
                store.reader().committed(),
                Height(newest as u64 - 1),
                "readers see only what is durable"
            );
            let again = store.commit(&history.blocks[newest], &[]);
            assert!(matches!(again, Err(StoreError::Poisoned)), "{steps}: {again:?}");
        }
        drop(store);
        disk.crash();
        let mut store = open(&mut disk, &history);
        let height = store.head().height.0 as usize;
        assert!(height == newest || (!committed && height == newest - 1), "{steps}: {height}");
        assert_eq!(store.head(), head_of(&history.blocks[height]));
        commit_all(&mut store, &history);
        audit::everything(&store.reader(), &mut |_| ()).expect("all in order");
        if committed {
            assert!(steps >= 4, "rows, sync, HEAD, sync of HEAD");
            return;
        }
    }
}

/// A block that was stored but not acknowledged counts only with a certificate that holds.
pub fn an_unacknowledged_block_needs_its_certificate<D: Disk>(new_disk: impl Fn() -> D) {
    let history = History::small();
    for (given, expected) in [(certificate(Height(1)), Some(Height(1))), (b"forged".to_vec(), None)] {
        let mut disk = new_disk();
        let mut store = open(&mut disk, &history);
        // Rows and their sync succeed, HEAD does not.
        disk.faults().fail_after(2);
        store.commit(&history.blocks[1], &given).expect_err("HEAD cannot be written");
        disk.faults().fail_after(u64::MAX);
        drop(store);
        disk.crash();
        let opened = disk.open(&history.blocks[0], &holds);
        let height = opened.as_ref().ok().map(|store| store.head().height);
        // Otherwise it is damage, which an implementation reports as an error or begins anew after.
        assert!(height == expected || (expected.is_none() && height == Some(Height(0))), "{height:?}");
    }
}

/// Certificates and the checkpoint are kept; the newest counts.
pub fn certificates_and_checkpoints_are_kept<D: Disk>(mut disk: D) {
    let history = History::small();
    let mut store = open(&mut disk, &history);
    assert_eq!(store.reader().published(), None);
    commit_all(&mut store, &history);
    let published = |height: u64, text: &str| {
        let size = history.blocks[height as usize].header.tree_size;
        Published { height: Height(height), size, note: text.into() }
    };
    let long = "a long note ".repeat(2_000);
    let fuller = vec![7; 20_000];
    store.put_checkpoint(&published(3, &long)).expect("kept");
    store.put_checkpoint(&published(2, "an older tree")).expect("ignored");
    store.put_certificate(Height(2), &fuller).expect("kept");
    store.put_certificate(Height(3), &fuller).expect("kept");
    store.put_certificate(Height(3), b"shorter").expect("kept");
    let beyond = Height(history.blocks.len() as u64);
    assert!(matches!(store.put_certificate(beyond, &[]), Err(StoreError::NotCommitted { .. })));
    let check = |store: &D::Store, note: &str| {
        let reader = store.reader();
        assert_eq!(reader.published(), Some(published(3, note)));
        assert_eq!(reader.certificate(Height(2)).expect("readable"), Some(fuller.clone()));
        assert_eq!(reader.certificate(Height(3)).expect("readable"), Some(b"shorter".to_vec()));
        assert_eq!(store.head(), head_of(history.newest()));
    };
    check(&store, &long);
    store.put_checkpoint(&published(3, "newer cosignatures")).expect("kept");
    check(&store, "newer cosignatures");
    drop(store);
    check(&open(&mut disk, &history), "newer cosignatures");
}

/// A store of another ledger is refused, and left alone.
pub fn another_ledger_is_refused(mut disk: impl Disk) {
    let (history, other) = (History::small(), History::other());
    drop(open(&mut disk, &history));
    let refused = disk.open(&other.blocks[0], &holds).map(drop);
    assert!(matches!(refused, Err(StoreError::OtherLedger)), "{refused:?}");
    assert_eq!(open(&mut disk, &history).head(), head_of(&history.blocks[0]));
}

/// Readers in other threads get answers that fit together while the writer commits.
pub fn readers_are_consistent_while_the_writer_commits(mut disk: impl Disk) {
    let history = History::small();
    let mut store = open(&mut disk, &history);
    let reader = store.reader();
    let newest = history.newest().header.height;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = reader.committed();
                    Model::at(&history.blocks, at).check(&reader);
                    if at == newest {
                        break;
                    }
                }
            });
        }
        commit_all(&mut store, &history);
    });
}

/// Runs the whole suite: `store_suite!(new_disk)` in a test file, where `new_disk()` gives a new, empty [`Disk`].
#[macro_export]
macro_rules! store_suite {
    ($new_disk:expr) => {
        #[test]
        fn blocks_execute_on_the_store() {
            $crate::suite::blocks_execute_on_the_store($new_disk());
        }

        #[test]
        fn answers_as_of_every_height_are_those_of_the_model() {
            $crate::suite::answers_as_of_every_height_are_those_of_the_model($new_disk());
        }

        #[test]
        fn pages_are_read_over_their_edges() {
            $crate::suite::pages_are_read_over_their_edges($new_disk());
        }

        #[test]
        fn indexes_stay_exact_over_many_blocks() {
            $crate::suite::indexes_stay_exact_over_many_blocks($new_disk());
        }

        #[test]
        fn a_failure_at_any_step_leaves_whole_blocks() {
            $crate::suite::a_failure_at_any_step_leaves_whole_blocks($new_disk);
        }

        #[test]
        fn an_unacknowledged_block_needs_its_certificate() {
            $crate::suite::an_unacknowledged_block_needs_its_certificate($new_disk);
        }

        #[test]
        fn certificates_and_checkpoints_are_kept() {
            $crate::suite::certificates_and_checkpoints_are_kept($new_disk());
        }

        #[test]
        fn another_ledger_is_refused() {
            $crate::suite::another_ledger_is_refused($new_disk());
        }

        #[test]
        fn readers_are_consistent_while_the_writer_commits() {
            $crate::suite::readers_are_consistent_while_the_writer_commits($new_disk());
        }
    };
}
