//! An honest log is replayed to its end; each thing that a forger may change in one is found at the leaf at which it shows.

use kvitto_ledger::record::RecordType;
use kvitto_ledger::statement::body::StatusCode;
use kvitto_ledger::{Commitment, ConfigHash, HeaderId, Height, LeafIndex, RecordBody, StatementId, TimeMs};
use kvitto_merkle::status::StatusValue;
use kvitto_merkle::{Checkpoint, Hash};
use kvitto_verifier::replay::FaultKind;
use kvitto_verifier::{Replay, ReplayFault, TrustFile};

use crate::history::History;
use crate::scenario::{LAST, Scenario};

/// The history of the first epoch.
fn first_epoch(s: &Scenario) -> History {
    let mut history = s.history.clone();
    history.leaves.truncate(usize::try_from(history.size(LAST)).expect("a few"));
    history.blocks.truncate(LAST + 1);
    history
}

/// Replays a history to the checkpoint of its last block.
fn replay(history: &History, trust: &TrustFile) -> Result<(), ReplayFault> {
    let checkpoint = history.checkpoint(history.blocks.len() - 1);
    let mut replay = Replay::new(trust, []);
    for leaf in &history.leaves {
        replay.leaf(leaf)?;
    }
    replay.check(&checkpoint).map(|_| ())
}

/// The first leaf of this type from `from` on.
fn first(history: &History, record_type: RecordType, from: u64) -> u64 {
    let is = |index: &u64| history.record(*index).body.record_type() == record_type;
    (from..history.leaves.len() as u64).find(is).expect("there is one")
}

#[test]
fn an_honest_log_gives_every_root_that_was_signed() {
    let s = Scenario::new();
    let history = first_epoch(&s);
    let sizes = (0..=LAST).map(|block| history.size(block));
    let mut replay = Replay::new(&s.trust, sizes);
    let mut height = 0;
    for leaf in &history.leaves {
        let Some(end) = replay.leaf(leaf).expect("honest") else { continue };
        let checkpoint = history.checkpoint(height);
        assert_eq!(end.header.height, Height(height as u64));
        assert_eq!((end.header.tree_size, end.header.log_root), (checkpoint.size, checkpoint.root));
        assert_eq!(replay.check(&checkpoint), Ok(&end));
        height += 1;
    }
    assert_eq!(height, history.blocks.len());
    for block in 0..=LAST {
        let checkpoint = history.checkpoint(block);
        assert_eq!(replay.root_at(checkpoint.size), Some(checkpoint.root));
    }
    assert_eq!(self::replay(&s.history, &s.trust_later), Ok(()), "over the end of an epoch");
}

/// A forger's change of a leaf, with the leaf at which it must show.
type Forgery<'a> = (&'a str, FaultKind, u64, Box<dyn Fn(&mut History) + 'a>);

fn forgeries(history: &History) -> Vec<Forgery<'_>> {
    use FaultKind::*;
    let end = |block: usize| history.blocks[block].leaf;
    let edit = |index: u64, change: fn(&mut kvitto_ledger::Record)| -> Box<dyn Fn(&mut History)> {
        Box::new(move |history| history.edit(index, change))
    };
    let anchored = first(history, RecordType::Anchored, 0);
    let anchors_end = end(4);
    let status = first(history, RecordType::Status, 0);
    let reserved = first(history, RecordType::Reservation, 0);
    let last = history.leaves.len() as u64 - 1;
    vec![
        ("another root", OtherGenesis, 1, edit(1, |record| record.time = TimeMs(record.time.0 + 1))),
        ("another genesis", OtherGenesis, 0, Box::new(|history| history.leaves[0].push(0))),
        (
            "no record",
            Record,
            anchored,
            Box::new(move |history| history.leaves[anchored as usize].truncate(20)),
        ),
        (
            "no statement",
            Record,
            anchored,
            edit(anchored, |record| record.statement_id = StatementId::default()),
        ),
        (
            "a second genesis",
            Record,
            anchored,
            Box::new(move |history| {
                let mut record = history.record(anchored);
                record.body = history.record(0).body;
                history.leaves.insert(anchored as usize, record.encode());
            }),
        ),
        (
            "a record of another time",
            Time,
            anchored + 1,
            edit(anchored + 1, |record| record.time = TimeMs(record.time.0 + 1)),
        ),
        (
            "a block that is not later",
            Time,
            anchored,
            edit(anchored, |record| record.time = TimeMs(record.time.0 - 3_600_000)),
        ),
        (
            "a dropped record",
            Position,
            anchored,
            Box::new(move |history| drop(history.leaves.remove(anchored as usize))),
        ),
        (
            "a dropped Block record",
            Time,
            end(3),
            Box::new(move |history| drop(history.leaves.remove(history.blocks[3].leaf as usize))),
        ),
        ("another height", Place, end(3), edit_block(3, |block| block.height = Height(9))),
        ("another first leaf", Place, end(3), edit_block(3, |block| block.first_leaf = LeafIndex(0))),
        ("another block before", Previous, end(3), edit_block(3, |block| block.previous = HeaderId([1; 32]))),
        (
            "another commitment",
            Previous,
            end(5),
            edit(anchored, |record| {
                let RecordBody::Anchored(anchored) = &mut record.body else { panic!("an anchor") };
                anchored.commitment = Commitment([1; 32]);
            }),
        ),
        (
            "one statement made two",
            Previous,
            end(5),
            edit(anchored, |record| record.statement_id = StatementId([1; 32])),
        ),
        ("other statements", Previous, end(5), edit_block(4, |block| block.statements_root = Hash([1; 32]))),
        ("more positions", Positions, end(3), edit_block(3, |block| block.positions += 1)),
        ("another status root", StatusRoot, end(3), edit_block(3, |block| block.status_root = Hash([1; 32]))),
        (
            "another status",
            StatusRoot,
            first(history, RecordType::Block, status),
            edit(status, |record| {
                let RecordBody::Status(status) = &mut record.body else { panic!("a status") };
                assert_eq!(status.status.0, StatusValue::Revoked);
                status.status = StatusCode(StatusValue::Suspended);
            }),
        ),
        (
            "a revoked one that is reinstated",
            Transition,
            status + 1,
            Box::new(move |history| {
                let mut record = history.record(status);
                let RecordBody::Status(body) = &mut record.body else { panic!("a status") };
                body.status = StatusCode(StatusValue::Valid);
                history.leaves.insert(status as usize + 1, record.encode());
            }),
        ),
        (
            "the status of a reserved place",
            Position,
            status,
            Box::new(move |history| {
                let RecordBody::Reservation(reservation) = history.record(reserved).body else {
                    panic!("reserved")
                };
                history.edit(status, |record| {
                    let RecordBody::Status(status) = &mut record.body else { panic!("a status") };
                    status.position.0 = reservation.first.0 + u64::from(reservation.count) - 1;
                });
            }),
        ),
        (
            "the status of an accreditation as if it were a credential's",
            Position,
            status,
            edit(status, |record| {
                let RecordBody::Status(status) = &mut record.body else { panic!("a status") };
                status.position.0 = 0;
            }),
        ),
        (
            "a position that skips one",
            Position,
            anchors_end - 1,
            edit_last_anchor(anchors_end - 1, |position| position + 1),
        ),
        (
            "a position that is taken",
            Position,
            anchors_end - 1,
            edit_last_anchor(anchors_end - 1, |position| position - 1),
        ),
        (
            "a reservation beyond all limits",
            TooLarge,
            reserved,
            edit(reserved, |record| {
                let RecordBody::Reservation(reservation) = &mut record.body else { panic!("reserved") };
                reservation.count = u32::MAX;
            }),
        ),
        (
            "another configuration",
            Config,
            end(3),
            edit_block(3, |block| block.config_hash = ConfigHash([1; 32])),
        ),
        (
            "other statements in the last block",
            LogRoot,
            last,
            edit(last, |record| {
                let RecordBody::Block(block) = &mut record.body else { panic!("a block") };
                block.statements_root = Hash([1; 32]);
            }),
        ),
    ]
}

fn edit_block(
    block: usize,
    change: fn(&mut kvitto_ledger::record::BlockRecord),
) -> Box<dyn Fn(&mut History)> {
    Box::new(move |history| history.edit_block(block, change))
}

fn edit_last_anchor(index: u64, change: fn(u64) -> u64) -> Box<dyn Fn(&mut History)> {
    Box::new(move |history| {
        history.edit(index, |record| {
            let RecordBody::Anchored(anchored) = &mut record.body else { panic!("an anchor") };
            anchored.position.0 = change(anchored.position.0);
        });
    })
}

#[test]
fn each_forgery_is_found_at_the_leaf_at_which_it_shows() {
    let s = Scenario::new();
    let (history, mut shown) = (first_epoch(&s), Vec::new());
    for (about, kind, leaf, forge) in forgeries(&history) {
        let mut forged = history.clone();
        forge(&mut forged);
        // What was signed is the honest log.
        let mut replay = Replay::new(&s.trust, []);
        let ended = forged.leaves.iter().try_for_each(|leaf| replay.leaf(leaf).map(|_| ()));
        let fault =
            ended.and_then(|()| replay.check(&history.checkpoint(LAST)).map(|_| ())).expect_err(about);
        assert_eq!((fault.kind, fault.leaf), (kind, LeafIndex(leaf)), "{about}: {fault}");
        assert!(fault.to_string().contains(&format!("leaf {leaf} ")), "{fault}");
        shown.push(kind);
    }
    // These two have tests of their own.
    shown.extend([FaultKind::Unfinished, FaultKind::Closing]);
    for kind in FaultKind::ALL {
        assert!(shown.contains(kind), "{} has no case", kind.reason());
    }
}

/// More than two thirds of the members may sign a forged log, with every root but one as it should be: the rules are checked all the
/// same.
#[test]
fn a_forgery_that_all_members_signed_is_found_too() {
    let s = Scenario::new();
    let mut forged = first_epoch(&s);
    forged.edit_block(LAST, |block| block.status_root = Hash([1; 32]));
    let fault = replay(&forged, &s.trust).expect_err("forged");
    assert_eq!((fault.kind, fault.height), (FaultKind::StatusRoot, Height(LAST as u64)));
}

#[test]
fn a_log_that_ends_inside_a_block_is_unfinished() {
    let s = Scenario::new();
    let size = s.history.blocks[4].leaf;
    let mut replay = Replay::new(&s.trust, [size]);
    for leaf in &s.history.leaves[..size as usize] {
        replay.leaf(leaf).expect("honest");
    }
    let origin = s.trust.origin().parse().expect("an origin");
    let root = replay.root_at(size).expect("asked for");
    let fault = replay.check(&Checkpoint { origin, size, root }).expect_err("inside a block");
    assert_eq!(fault.kind, FaultKind::Unfinished);
    let nothing = Replay::new(&s.trust, []);
    assert!(nothing.check(&s.history.checkpoint(0)).is_err());
}

/// The trust file knows how the first epoch ended, and the leaves lead elsewhere.
#[test]
fn a_log_that_does_not_lead_to_a_closing_checkpoint_is_refused() {
    let s = Scenario::new();
    let mut forged = first_epoch(&s);
    forged.edit_block(LAST, |block| block.statements_root = Hash([1; 32]));
    let fault = replay(&forged, &s.trust_later).expect_err("forged");
    assert_eq!(fault.kind, FaultKind::Closing);
    assert_eq!(replay(&forged, &s.trust), Ok(()), "only the closing checkpoint speaks against it");
}
