//! Two signed heads that cannot both be true name the members that signed both.

use kvitto_ledger::TimeMs;
use kvitto_verifier::ConflictingCheckpoints;
use kvitto_verifier::evidence::{EvidenceError, EvidenceFormat, OtherBeginning};

use crate::history::{History, Signers, sign};
use crate::ledger::{ORIGIN, member_name};
use crate::scenario::{LAST, Scenario, signers};

fn by(history: &History, block: usize, logs: &[u8], cosigners: &[u8]) -> kvitto_merkle::Note {
    history.note(block, &Signers { logs: logs.to_vec(), cosigners: signers(block, cosigners) })
}

/// The same ledger with another past.
fn rewritten(s: &Scenario) -> History {
    let mut history = s.history.clone();
    history.edit(history.blocks[1].leaf, |record| record.time = TimeMs(record.time.0 + 1));
    history
}

fn beginning(history: &History, smaller: usize, larger: usize) -> Option<OtherBeginning> {
    let (old, new) = (history.size(smaller), history.size(larger));
    let nodes = history.nodes();
    Some(OtherBeginning { root: nodes.root(old), path: nodes.consistency(old, new) })
}

fn check(
    smaller: kvitto_merkle::Note,
    larger: kvitto_merkle::Note,
    proof: Option<OtherBeginning>,
) -> Result<Vec<String>, EvidenceError> {
    let evidence = ConflictingCheckpoints { format: EvidenceFormat, smaller, larger, proof };
    let reread = ConflictingCheckpoints::from_json(evidence.to_json().as_bytes());
    assert_eq!(reread.as_ref(), Ok(&evidence));
    evidence.check(&Scenario::new().trust_later)
}

#[test]
fn two_roots_for_one_size_name_the_members_in_both() {
    let s = Scenario::new();
    let other = rewritten(&s);
    let found = check(by(&s.history, 7, &[0], &[1, 2]), by(&other, 7, &[3], &[0, 2, 3]), None);
    assert_eq!(found, Ok(vec![member_name(0), member_name(2)]));
}

#[test]
fn every_pair_of_sizes_shows_a_rewritten_past() {
    let s = Scenario::new();
    let other = rewritten(&s);
    for smaller in 1..LAST {
        for larger in smaller + 1..=LAST {
            let proof = beginning(&other, smaller, larger);
            let found = check(by(&s.history, smaller, &[], &[1]), by(&other, larger, &[], &[0, 1]), proof);
            assert_eq!(found, Ok(vec![member_name(1)]), "{smaller} {larger}");
        }
    }
}

#[test]
fn what_contradicts_nothing_is_no_evidence() {
    use EvidenceError::*;
    let s = Scenario::new();
    let (history, other) = (&s.history, rewritten(&s));
    let all = |history: &History, block| by(history, block, &[0], &[0, 1, 2, 3]);
    for (about, found, expected) in [
        ("same root", check(all(history, 7), all(history, 7), None), NoConflict),
        ("a true beginning", check(all(history, 5), all(history, 7), beginning(history, 5, 7)), NoConflict),
        ("no proof", check(all(history, 5), all(&other, 7), None), NotShown),
        ("another tree's proof", check(all(history, 5), all(&other, 7), beginning(history, 5, 7)), NotShown),
        (
            "a proof of another size",
            check(all(history, 5), all(&other, 7), beginning(&other, 4, 7)),
            NotShown,
        ),
        (
            "a proof for equal sizes",
            check(all(history, 7), all(&other, 7), beginning(&other, 5, 7)),
            NotShown,
        ),
        ("larger first", check(all(history, 7), all(&other, 5), beginning(&other, 5, 7)), Order),
        (
            "nobody in both",
            check(by(history, 7, &[], &[0, 1]), by(&other, 7, &[], &[2, 3]), None),
            NoMemberInBoth,
        ),
        ("strangers", check(by(history, 7, &[], &[5]), by(&other, 7, &[], &[5]), None), NoMemberInBoth),
    ] {
        assert_eq!(found, Err(expected), "{about}");
    }
    let text = history.checkpoint(7).to_string();
    let lines = Signers { logs: vec![0], cosigners: signers(7, &[0, 1]) };
    let foreign = sign(&text.replace(ORIGIN, "kvitto.example/other"), &lines);
    assert_eq!(check(foreign, all(&other, 7), None), Err(OtherLedger));
    assert_eq!(check(sign("no checkpoint\n", &lines), all(&other, 7), None), Err(CheckpointMalformed));
    let moved = all(history, 7).to_string().replacen(&text, &other.checkpoint(7).to_string(), 1);
    assert_eq!(check(all(history, 7), moved.parse().unwrap(), None), Err(BadSignature));
}
