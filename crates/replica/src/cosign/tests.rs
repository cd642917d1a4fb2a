//! What is published as a quorum, and who is caught with two histories.

use kvitto_ledger::execute::build;
use kvitto_ledger::testing::{DAY_MS, HOUR_MS, MemoryState, START, World};
use kvitto_merkle::log::verify_consistency;
use kvitto_merkle::{Hash, Note};

use super::*;
use crate::evidence::ConflictingHeads;
use crate::signer::{Guard, MemorySigner};
use crate::testing::Liar;

const NOW: TimeMs = TimeMs(START.0 + HOUR_MS);

/// Member 0 of four, on a log of some blocks, one a minute.
struct Stage {
    world: World,
    state: MemoryState,
    heads: Vec<Head>,
    cosign: Cosign,
}

impl Stage {
    fn new(blocks: u64) -> Self {
        let world = World::new(4);
        let (state, cosign) = (MemoryState::new(&world.genesis), Cosign::new(&world.genesis, Some(0)));
        let mut stage = Self { world, state, heads: Vec::new(), cosign };
        stage.commit();
        for block in 1..blocks {
            let time = TimeMs(NOW.0 - 60_000 * (blocks - 1 - block));
            let built = build(&stage.state, &stage.world.genesis.config, time, []).expect("readable");
            stage.state.commit(&built.block);
            stage.commit();
        }
        stage
    }

    fn commit(&mut self) {
        let header = &self.state.newest().header;
        let head = Head { height: header.height, size: header.tree_size, root: header.log_root };
        self.heads.push(head);
        let found = self.cosign.committed(head, header.time, NOW, &self.state).expect("readable");
        assert_eq!(found, []);
    }

    fn receive(&mut self, member: usize, head: Head, timestamp_s: u64) -> Result<Received, Fault> {
        let message = Liar::of(&self.world, member).cosignature(head, timestamp_s);
        self.cosign.receive(message, NOW, Some(&self.state)).expect("readable")
    }
}

/// The freshness of each checkpoint that is published, in seconds from now, while members cosign the newest tree at these
/// times; member 0 does so now. The last block was made now.
fn check_published(steps: &[(usize, i64)], expected: &[i64]) {
    let mut stage = Stage::new(2);
    let keys = stage.world.members[0].clone();
    let mut signer = MemorySigner::new(keys.consensus, keys.cosignature, keys.log, Guard::default());
    stage.cosign.sign(NOW, false, None, &mut signer).expect("signed");
    let newest = stage.heads[1];
    let mut published = Vec::new();
    for (member, ahead_s) in steps {
        let _ = stage.receive(*member, newest, NOW.seconds().saturating_add_signed(*ahead_s));
        if let Some(quorum) = stage.cosign.quorum() {
            let note: Note = quorum.note.parse().expect("a note");
            assert!(note.signatures().len() >= 4, "{steps:?}: the log's line, and the quorum's");
            let fresh = stage.cosign.published.expect("just now").timestamp_s;
            published.push(fresh as i64 - NOW.seconds() as i64);
        }
    }
    assert_eq!(published, expected, "{steps:?}");
}

#[test]
fn only_what_verifiers_count_makes_a_quorum_and_a_fresher_one_is_published_again() {
    let day_s = (DAY_MS / 1000) as i64;
    check_published(&[(1, 0), (2, 0)], &[0]);
    check_published(&[(1, -5), (2, 20)], &[-5]);
    check_published(&[(1, 0), (2, 30)], &[0]);
    check_published(&[(1, 0), (2, 31)], &[]);
    check_published(&[(1, 0), (2, day_s), (3, 0)], &[0]);
    check_published(&[(1, 0), (2, day_s), (2, 1)], &[0]);
    check_published(&[(1, 0), (2, -30)], &[-30]);
    check_published(&[(1, 0), (2, -31)], &[]);
    check_published(&[(1, 0), (2, i64::MIN), (3, 0)], &[0]);
    check_published(&[(1, 0), (2, -20), (3, -3)], &[-20, -3]);
    check_published(&[(1, 0), (2, 0), (3, 9), (1, 9), (2, 9)], &[0, 9]);
}

#[test]
fn a_member_whose_clock_is_behind_the_newest_block_does_not_cosign_it() {
    for (behind_s, expected) in [(30, true), (31, false)] {
        let mut stage = Stage::new(2);
        let keys = stage.world.members[0].clone();
        let mut signer = MemorySigner::new(keys.consensus, keys.cosignature, keys.log, Guard::default());
        let now = TimeMs(NOW.0 - 1000 * behind_s);
        assert_eq!(stage.cosign.sign(now, false, None, &mut signer).is_some(), expected, "{behind_s}");
    }
}

/// A head of the log after this block, or one of the same size in another history.
#[derive(Clone, Copy, Debug)]
enum Says {
    Own(usize),
    Other(usize, u8),
    /// A head of the log as if it were that of a later block.
    AsIfLater(usize),
    /// Another history of one leaf less than after this block.
    OneLess(usize),
}
use Says::{AsIfLater, OneLess, Other, Own};

fn head(stage: &Stage, says: Says) -> Head {
    let newest = *stage.heads.last().expect("there are some");
    let at = |block: usize| {
        let beyond = |above: usize| Head {
            height: Height(block as u64),
            size: newest.size + above as u64,
            root: Hash([0; 32]),
        };
        stage.heads.get(block).copied().unwrap_or_else(|| beyond(block + 1 - stage.heads.len()))
    };
    match says {
        Own(block) => at(block),
        Other(block, root) => Head { root: Hash([root; 32]), ..at(block) },
        AsIfLater(block) => Head { height: Height(at(block).height.0 + 1), ..at(block) },
        OneLess(block) => Head { size: at(block).size - 1, root: Hash([9; 32]), ..at(block) },
    }
}

/// The sizes of the two trees in each proof, as blocks or `None` where they end within one.
fn check_evidence(steps: &[(usize, Says)], expected: &[(usize, Option<usize>, Option<usize>)]) {
    let mut stage = Stage::new(4);
    let block = |size| stage.heads.iter().position(|head| head.size == size);
    let mut found = Vec::new();
    for (step, (member, says)) in (0..).zip(steps) {
        let (head, at_s) = (head(&stage, *says), NOW.seconds() + step);
        let message = Liar::of(&stage.world, *member).cosignature(head, at_s);
        let received = stage.cosign.receive(message, NOW, Some(&stage.state)).expect("readable");
        let Ok(Received::Conflict(evidence)) = received else { continue };
        let Evidence::Heads { member, heads } = evidence else { panic!("{evidence:?}") };
        let ConflictingHeads { smaller, larger, beginning } = *heads;
        assert_eq!(smaller.key, larger.key, "{steps:?}: both are the member's own");
        match beginning {
            None => assert!(smaller.size == larger.size && smaller.root != larger.root, "{steps:?}"),
            Some(beginning) => {
                let (old, new) = (smaller.size, larger.size);
                verify_consistency(old, &beginning.root, new, &larger.root, &beginning.path)
                    .expect("a proof");
                assert_ne!(beginning.root, smaller.root, "{steps:?}");
            }
        }
        found.push((member, block(smaller.size), block(larger.size)));
    }
    assert_eq!(found, expected, "{steps:?}");
}

#[test]
fn a_member_that_signs_two_histories_is_caught_with_two_heads_of_its_own() {
    let caught = |smaller, larger| (1, Some(smaller), Some(larger));
    check_evidence(&[(1, Own(3)), (1, Other(3, 7))], &[caught(3, 3)]);
    check_evidence(&[(1, Other(3, 7)), (1, Own(3))], &[caught(3, 3)]);
    check_evidence(&[(1, Own(3)), (1, Other(1, 7))], &[caught(1, 3)]);
    check_evidence(&[(1, Other(1, 7)), (1, Own(1)), (1, Own(3))], &[caught(1, 1)]);
    check_evidence(&[(1, Other(2, 7)), (1, Own(1)), (1, Own(3))], &[caught(2, 3)]);
    check_evidence(&[(1, Other(2, 7)), (1, Other(2, 8))], &[caught(2, 2)]);
    check_evidence(&[(1, Own(3)), (1, OneLess(0))], &[(1, None, Some(3))]);
    // Of a tree that is not here yet.
    check_evidence(&[(1, Other(4, 7)), (1, Other(4, 8))], &[(1, None, None)]);
    // Nobody is caught with what somebody else signed, or with a height that is not signed.
    check_evidence(&[(1, Other(2, 7)), (2, Own(3)), (3, Other(2, 8))], &[]);
    check_evidence(&[(1, Own(3)), (1, AsIfLater(1)), (1, AsIfLater(2)), (1, AsIfLater(3))], &[]);
    // Once for each tree.
    check_evidence(&[(1, Own(3)), (1, Other(1, 7)), (1, Other(1, 8)), (1, Other(1, 9))], &[caught(1, 3)]);
}

#[test]
fn a_member_that_goes_on_signing_other_histories_is_rejected() {
    let mut stage = Stage::new(2);
    let newest = stage.heads[1];
    assert!(matches!(stage.receive(1, newest, NOW.seconds()), Ok(Received::Kept)));
    let mut caught = 0;
    for root in 0..100 {
        let other = Head { size: 1 + u64::from(root) % newest.size, root: Hash([root; 32]), ..newest };
        match stage.receive(1, other, NOW.seconds()) {
            Ok(Received::Conflict(_)) => caught += 1,
            refused => assert_eq!(refused.unwrap_err(), Fault::OtherHistory),
        }
    }
    assert_eq!(caught, newest.size);
}
