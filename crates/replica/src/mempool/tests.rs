//! Bounds, turns, and when what waits is looked at.

use kvitto_ledger::testing::{Actor, DAY_MS, Ledger, START, commitment};

use super::*;

/// After every `not_before` here.
const NOW: TimeMs = TimeMs(START.0 + DAY_MS);
const NOT_YET: Rejection = Rejection::AccreditationNotYet;

/// Statements of three signers: 1000 of the first, 2 of the second, 1 of the third.
fn filled(limits: MempoolLimits) -> (Mempool, Vec<Checked>) {
    let mut ledger = Ledger::new(1);
    let actors = ["first", "second", "third"].map(Actor::new);
    let mut mempool = Mempool::new(limits);
    let mut statements = Vec::new();
    for (actor, count) in actors.iter().zip([1000, 2, 1]) {
        for number in 0..count {
            statements.push(ledger.sign(actor, actor.anchors([commitment(number)])));
        }
    }
    for statement in &statements {
        let _ = mempool.insert_ready(statement.clone(), false);
    }
    (mempool, statements)
}

#[test]
fn signers_take_turns() {
    let (mempool, statements) = filled(MempoolLimits::default());
    for turn in 0..3 {
        let candidates = mempool.candidates(turn, usize::MAX);
        assert_eq!(candidates.len(), statements.len());
        let mut signers: Vec<_> = candidates[..3].iter().map(Checked::signer).collect();
        signers.sort();
        signers.dedup();
        assert_eq!(signers.len(), 3, "turn {turn}");
        let own: Vec<_> = candidates.iter().filter(|one| one.signer() == statements[0].signer()).collect();
        assert!(own.iter().zip(&statements).all(|(a, b)| **a == *b), "each signer's in order of arrival");
    }
    let firsts: BTreeSet<_> = (0..3).map(|turn| mempool.candidates(turn, 1)[0].signer()).collect();
    assert_eq!(firsts.len(), 3, "another signer begins each turn");
}

#[test]
fn bounds_hold_in_total_and_per_signer() {
    let (_, statements) = filled(MempoolLimits::default());
    let bytes = statements[0].bytes().len();
    let limits = MempoolLimits::default();
    for (limits, expected) in [
        (MempoolLimits { count_max: 1, ..limits }, Err(Refusal::MempoolFull)),
        (MempoolLimits { bytes_max: 2 * bytes - 1, ..limits }, Err(Refusal::MempoolFull)),
        (MempoolLimits { signer_count_max: 1, ..limits }, Err(Refusal::SignerQuota)),
        (MempoolLimits { signer_bytes_max: 2 * bytes - 1, ..limits }, Err(Refusal::SignerQuota)),
        (
            MempoolLimits {
                count_max: 2,
                signer_count_max: 2,
                bytes_max: 2 * bytes,
                signer_bytes_max: 2 * bytes,
                ..limits
            },
            Ok(()),
        ),
    ] {
        let mut mempool = Mempool::new(limits);
        assert_eq!(mempool.insert_ready(statements[0].clone(), false), Ok(()));
        assert_eq!(mempool.insert_ready(statements[1].clone(), false), expected, "{limits:?}");
        // Room comes back.
        mempool.remove(&statements[0].id());
        assert_eq!(mempool.touch(&statements[1].id(), false), expected.is_ok());
        let other = if expected.is_ok() { &statements[2] } else { &statements[1] };
        assert_eq!(mempool.insert_ready(other.clone(), false), Ok(()), "{limits:?}");
    }
}

#[test]
fn who_has_used_up_a_share_is_known_until_something_leaves() {
    let limits = MempoolLimits { signer_count_max: 2, count_max: 4, ..MempoolLimits::default() };
    let (mut mempool, statements) = filled(limits);
    let (greedy, others) = (&statements[0], &statements[1000..]);
    let crowded = |everybody, signers: &[&Checked]| Crowded {
        everybody,
        signers: signers.iter().map(|one| one.signer()).collect(),
    };
    assert_eq!(mempool.len(), 4);
    assert_eq!(mempool.crowded(), crowded(true, &[greedy, &others[0]]));
    mempool.remove(&greedy.id());
    assert_eq!(mempool.crowded(), crowded(false, &[&others[0]]));
    mempool.set_waiting(&others[0].id(), NOT_YET, NOW);
    assert_eq!(mempool.crowded(), crowded(false, &[]), "what waits gives way");
    mempool.set_ready(&others[0].id());
    assert_eq!(mempool.crowded(), crowded(false, &[&others[0]]));
    for statement in &statements {
        mempool.remove(&statement.id());
    }
    assert_eq!(mempool.crowded(), Crowded::default());
}

/// What is shorter than [`SHORT_BYTES`] would be refused although it fits.
#[test]
fn no_statement_is_shorter_than_the_shortest() {
    let mut ledger = Ledger::new(1);
    let actor = Actor::new("school");
    let statement = ledger.sign(&actor, actor.reserves(1));
    assert!(statement.bytes().len() >= SHORT_BYTES, "{} bytes", statement.bytes().len());
}

#[test]
fn statements_leave_when_block_time_passes_their_end() {
    let (mut mempool, statements) = filled(MempoolLimits::default());
    let end = statements[0].statement().not_after;
    assert_eq!(mempool.expire(end).len(), 0);
    assert_eq!(mempool.expire(TimeMs(end.0 + 1)).len(), statements.len());
    assert_eq!((mempool.len(), mempool.bytes()), (0, 0));
    assert!(mempool.signers.is_empty() && mempool.by_bytes.is_empty() && mempool.by_expiry.is_empty());
}

#[test]
fn what_waits_is_no_candidate_and_comes_back() {
    let (mut mempool, statements) = filled(MempoolLimits::default());
    let id = statements[1002].id();
    mempool.set_waiting(&id, NOT_YET, NOW);
    let look = mempool.next_look().expect("one waits");
    assert_eq!(mempool.due(look, 10, usize::MAX), [statements[1002].clone()]);
    assert_eq!(mempool.candidates(0, usize::MAX).len(), statements.len() - 1);
    assert_eq!(mempool.by_bytes(statements[1002].bytes()), Some(&statements[1002]));
    mempool.set_ready(&id);
    assert_eq!(mempool.next_look(), None);
    assert_eq!(mempool.candidates(0, usize::MAX).len(), statements.len());
}

/// So many statements of each of so many signers, all of one length.
fn of_signers(signers: usize, count: u8) -> Vec<Vec<Checked>> {
    let mut ledger = Ledger::new(1);
    let mut of_signer = |signer: usize| {
        let actor = Actor::new(&format!("signer {signer}"));
        (0..count).map(|number| ledger.sign(&actor, actor.anchors([commitment(number.into())]))).collect()
    };
    (0..signers).map(&mut of_signer).collect()
}

#[test]
fn what_waits_has_a_small_room_of_its_own_which_signers_share() {
    let statements = of_signers(4, 12);
    let limits =
        MempoolLimits { waiting_count_max: 12, signer_waiting_count_max: 8, ..MempoolLimits::default() };
    let mut mempool = Mempool::new(limits);
    let mut counts = |signer: usize, expected: &[Result<(), Refusal>], waiting: [usize; 4]| {
        for (statement, expected) in statements[signer].iter().zip(expected) {
            if !mempool.touch(&statement.id(), false) {
                let taken = mempool.insert_waiting(statement.clone(), false, NOT_YET, NOW);
                assert_eq!(taken, *expected, "{signer}");
            }
        }
        let of = |own: &Vec<Checked>| own.iter().filter(|one| mempool.get(&one.id()).is_some()).count();
        let found: Vec<_> = statements.iter().map(of).collect();
        assert_eq!(found, waiting, "after {signer}");
    };
    let (ok, quota, full) = (Ok(()), Err(Refusal::SignerQuota), Err(Refusal::MempoolFull));
    counts(0, &[ok, ok, ok, ok, ok, ok, ok, ok, quota, quota, quota, quota], [8, 0, 0, 0]);
    // Four fit; then each of the second's costs the first one, until they have the same.
    counts(1, &[ok, ok, ok, ok, ok, ok, full, full, full, full, full, full], [6, 6, 0, 0]);
    counts(2, &[ok, ok, ok, ok, full, full, full, full, full, full, full, full], [4, 4, 4, 0]);
    counts(3, &[ok, ok, ok, full, full, full, full, full, full, full, full, full], [3, 3, 3, 3]);
    assert_eq!(mempool.take_evicted().len(), 2 + 4 + 3);
}

#[test]
fn what_waits_gives_way_to_what_would_execute() {
    let statements = of_signers(3, 8);
    let bytes = statements[0][0].bytes().len();
    let limits = MempoolLimits {
        count_max: 8,
        bytes_max: 8 * bytes,
        signer_count_max: 6,
        signer_bytes_max: 6 * bytes,
        ..MempoolLimits::default()
    };
    for limits in [
        MempoolLimits { bytes_max: usize::MAX, signer_bytes_max: usize::MAX, ..limits },
        MempoolLimits { count_max: usize::MAX, signer_count_max: usize::MAX, ..limits },
    ] {
        let mut mempool = Mempool::new(limits);
        let waits = statements[0][..6].iter().chain(&statements[1][..2]);
        for statement in waits {
            assert_eq!(mempool.insert_waiting(statement.clone(), true, NOT_YET, NOW), Ok(()));
        }
        let late = statements[2][0].clone();
        let taken = mempool.insert_waiting(late.clone(), true, NOT_YET, NOW);
        assert_eq!(taken, Err(Refusal::MempoolFull));
        // The signer's own go first where its quota is used up, else those of the signer with the most.
        assert_eq!(mempool.insert_ready(statements[0][6].clone(), true), Ok(()));
        for statement in &statements[2][..6] {
            assert_eq!(mempool.insert_ready(statement.clone(), true), Ok(()), "{limits:?}");
        }
        assert_eq!(mempool.check_room(&statements[2][6]), Err(Refusal::SignerQuota));
        assert_eq!(mempool.insert_ready(statements[1][2].clone(), true), Ok(()));
        assert_eq!(mempool.insert_ready(statements[1][3].clone(), true), Err(Refusal::MempoolFull));
        assert_eq!((mempool.take_evicted().len(), mempool.next_look()), (8, None));
        assert_eq!((mempool.len(), mempool.bytes()), (8, 8 * bytes));
    }
}

#[test]
fn what_becomes_unexecutable_leaves_where_there_is_no_room_to_wait() {
    let statements = of_signers(1, 3);
    let limits = MempoolLimits { signer_waiting_count_max: 1, ..MempoolLimits::default() };
    let mut mempool = Mempool::new(limits);
    for statement in &statements[0] {
        assert_eq!(mempool.insert_ready(statement.clone(), true), Ok(()));
    }
    for statement in &statements[0][..2] {
        mempool.set_waiting(&statement.id(), NOT_YET, NOW);
    }
    let left = mempool.take_evicted().into_iter().map(|(removed, rejection)| (removed.id, rejection));
    assert_eq!(left.collect::<Vec<_>>(), [(statements[0][1].id(), NOT_YET)]);
    assert_eq!(mempool.candidates(0, usize::MAX), [statements[0][2].clone()]);
}

/// The times at which a statement is looked at, from `now` on, in milliseconds.
fn check_looks(now: TimeMs, expected_ms: &[u64]) {
    let statement = of_signers(1, 1)[0][0].clone();
    let mut mempool = Mempool::new(MempoolLimits::default());
    mempool.insert_waiting(statement.clone(), false, NOT_YET, now).expect("room");
    let mut looks_ms = Vec::new();
    for _ in expected_ms {
        let look = mempool.next_look().expect("it waits");
        assert_eq!(mempool.due(TimeMs(look.0 - 1), 10, usize::MAX), []);
        assert_eq!(mempool.due(look, 10, usize::MAX).len(), 1);
        mempool.set_waiting(&statement.id(), NOT_YET, look);
        looks_ms.push(look.0 - now.0);
    }
    assert_eq!(looks_ms, expected_ms);
}

#[test]
fn what_waits_is_looked_at_when_it_begins_and_then_ever_more_rarely() {
    let begins = of_signers(1, 1)[0][0].statement().not_before;
    check_looks(begins, &[1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000]);
    check_looks(TimeMs(begins.0 - 300), &[300, 2_300, 6_300]);
}

#[test]
fn a_look_takes_in_so_many_statements_or_bytes() {
    let statements = of_signers(1, 9);
    let bytes = statements[0][0].bytes().len();
    let mut mempool = Mempool::new(MempoolLimits::default());
    for statement in &statements[0] {
        mempool.insert_waiting(statement.clone(), false, NOT_YET, NOW).expect("room");
    }
    let due = TimeMs(NOW.0 + LOOK_MS_MIN);
    for (count_max, bytes_max, expected) in
        [(9, usize::MAX, 9), (4, usize::MAX, 4), (9, 3 * bytes, 3), (9, 4 * bytes - 1, 3), (9, 1, 1)]
    {
        assert_eq!(mempool.due(due, count_max, bytes_max).len(), expected, "{count_max} {bytes_max}");
    }
}
