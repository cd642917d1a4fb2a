//! Members that signed two things that contradict each other are named; whatever proves nothing is refused, with its reason.
//!
//! The cases are vectors too: `vectors/evidence/`. Messages are signed here over bytes that are put together from `EVIDENCE.md`;
//! that the replica signs the same is shown where both are at hand, in the node's tests.

use std::collections::BTreeMap;
use std::path::Path;

use kvitto_ledger::genesis::KeyRole;
use kvitto_ledger::{HeaderId, Height, LedgerId, TimeMs};
use kvitto_merkle::Note;
use kvitto_verifier::evidence::{
    Conflicting, ConflictingCheckpoints, ConflictingVotes, Contradiction, EVIDENCE_BYTES_MAX, EvidenceError,
    Misconduct, OtherBeginning, Proposal, Vote,
};
use kvitto_verifier::{Evidence, TrustFile};
use serde_json::{Value, json};

use crate::history::{History, Signers, sign};
use crate::ledger::{ORIGIN, member_key, member_name};
use crate::scenario::{LAST, Scenario, signers};

const HEIGHT: Height = Height(3);
const ROUND: u32 = 1;
const A: HeaderId = HeaderId([0xaa; 32]);
const B: HeaderId = HeaderId([0xbb; 32]);

fn by(history: &History, block: usize, logs: &[u8], cosigners: &[u8]) -> Note {
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

/// Makes evidence about the scenario's ledger.
struct Maker {
    ledger_id: LedgerId,
}

impl Maker {
    fn checkpoints(&self, smaller: Note, larger: Note, proof: Option<OtherBeginning>) -> Evidence {
        self.of(Contradiction::Checkpoints(ConflictingCheckpoints { smaller, larger, proof }))
    }

    fn of(&self, contradiction: Contradiction) -> Evidence {
        Evidence { ledger_id: self.ledger_id, contradiction }
    }

    /// A member's vote, 1 for a prevote and 2 for a precommit.
    fn vote(&self, member: u8, vote_type: u8, round: u32, block: Option<HeaderId>) -> Vote {
        let key = member_key(member, KeyRole::Consensus);
        let mut bytes = [b"kvitto/vote/v1\0", &self.ledger_id.0[..], &[vote_type]].concat();
        bytes.extend(HEIGHT.0.to_be_bytes());
        bytes.extend(round.to_be_bytes());
        bytes.extend(block.map_or(vec![0], |block| [&[1], &block.0[..]].concat()));
        bytes.extend(key.public().bytes().0);
        Vote { block, signature: key.sign(&bytes) }
    }

    fn proposal(&self, member: u8, block: HeaderId, locked_in: Option<u32>) -> Proposal {
        let key = member_key(member, KeyRole::Consensus);
        let mut bytes = [b"kvitto/proposal/v1\0", &self.ledger_id.0[..]].concat();
        bytes.extend(HEIGHT.0.to_be_bytes());
        bytes.extend(ROUND.to_be_bytes());
        bytes.extend(locked_in.map_or(vec![0], |round| [&[1], &round.to_be_bytes()[..]].concat()));
        bytes.extend(block.0);
        bytes.extend(key.public().bytes().0);
        Proposal { block, locked_in, signature: key.sign(&bytes) }
    }

    fn votes(&self, member: u8, first: Vote, second: Vote) -> ConflictingVotes {
        messages(member, first, second)
    }
}

fn messages<T>(member: u8, first: T, second: T) -> Conflicting<T> {
    let key = member_key(member, KeyRole::Consensus).public().bytes();
    Conflicting { height: HEIGHT, round: ROUND, key, first, second }
}

/// A file, and the members it proves something of, or why it proves nothing.
struct Case {
    name: &'static str,
    evidence: Evidence,
    expected: Result<Vec<String>, EvidenceError>,
}

fn cases(s: &Scenario) -> Vec<Case> {
    let maker = Maker { ledger_id: s.trust.ledger_id() };
    let accepted = |name, evidence, members: &[u8]| {
        let expected = Ok(members.iter().copied().map(member_name).collect());
        Case { name, evidence, expected }
    };
    let refused = |name, evidence, error| Case { name, evidence, expected: Err(error) };
    let mut cases = heads(s, &maker, &accepted, &refused);
    cases.extend(said_twice(&maker, &accepted, &refused));
    cases
}

fn heads(
    s: &Scenario,
    maker: &Maker,
    accepted: &impl Fn(&'static str, Evidence, &[u8]) -> Case,
    refused: &impl Fn(&'static str, Evidence, EvidenceError) -> Case,
) -> Vec<Case> {
    use EvidenceError::*;
    let (history, other) = (&s.history, rewritten(s));
    let all = |history: &History, block| by(history, block, &[0], &[0, 1, 2, 3]);
    let of = |smaller, larger, proof| maker.checkpoints(smaller, larger, proof);
    let text = history.checkpoint(7).to_string();
    let lines = Signers { logs: vec![0], cosigners: signers(7, &[0, 1]) };
    let foreign = sign(&text.replace(ORIGIN, "kvitto.example/other"), &lines);
    let no_checkpoint = sign("no checkpoint\n", &lines);
    let moved = all(history, 7).to_string().replacen(&text, &other.checkpoint(7).to_string(), 1);
    vec![
        accepted(
            "two-roots",
            of(by(history, 7, &[0], &[1, 2]), by(&other, 7, &[3], &[0, 2, 3]), None),
            &[0, 2],
        ),
        accepted(
            "another-beginning",
            of(by(history, 5, &[], &[1]), by(&other, 7, &[], &[0, 1]), beginning(&other, 5, 7)),
            &[1],
        ),
        refused("same-root", of(all(history, 7), all(history, 7), None), NoConflict),
        refused(
            "a-true-beginning",
            of(all(history, 5), all(history, 7), beginning(history, 5, 7)),
            NoConflict,
        ),
        refused("no-proof", of(all(history, 5), all(&other, 7), None), NotShown),
        refused(
            "another-tree-s-proof",
            of(all(history, 5), all(&other, 7), beginning(history, 5, 7)),
            NotShown,
        ),
        refused(
            "a-proof-of-another-size",
            of(all(history, 5), all(&other, 7), beginning(&other, 4, 7)),
            NotShown,
        ),
        refused(
            "a-proof-for-equal-sizes",
            of(all(history, 7), all(&other, 7), beginning(&other, 5, 7)),
            NotShown,
        ),
        refused("larger-first", of(all(history, 7), all(&other, 5), beginning(&other, 5, 7)), Order),
        refused(
            "nobody-in-both",
            of(by(history, 7, &[], &[0, 1]), by(&other, 7, &[], &[2, 3]), None),
            NoMemberInBoth,
        ),
        refused("strangers", of(by(history, 7, &[], &[5]), by(&other, 7, &[], &[5]), None), NoMemberInBoth),
        refused("another-origin", of(foreign, all(&other, 7), None), OtherLedger),
        refused("no-checkpoint", of(no_checkpoint, all(&other, 7), None), CheckpointMalformed),
        refused("a-text-under-other-lines", of(all(history, 7), moved.parse().unwrap(), None), BadSignature),
    ]
}

fn said_twice(
    maker: &Maker,
    accepted: &impl Fn(&'static str, Evidence, &[u8]) -> Case,
    refused: &impl Fn(&'static str, Evidence, EvidenceError) -> Case,
) -> Vec<Case> {
    use EvidenceError::*;
    let prevote = |block| maker.vote(2, 1, ROUND, block);
    let precommit = |block| maker.vote(2, 2, ROUND, block);
    let prevotes = |first, second| maker.of(Contradiction::Prevotes(maker.votes(2, first, second)));
    let precommits = |first, second| maker.of(Contradiction::Precommits(maker.votes(2, first, second)));
    let proposal = |block, locked_in| maker.proposal(2, block, locked_in);
    let proposals = |first, second| maker.of(Contradiction::Proposals(messages(2, first, second)));
    // Another ledger's members may have the same keys; what they signed there is said of this one.
    let elsewhere = Maker { ledger_id: LedgerId([1; 32]) };
    let (yes, no) = (elsewhere.vote(2, 1, ROUND, Some(A)), elsewhere.vote(2, 1, ROUND, None));
    let moved = maker.of(Contradiction::Prevotes(elsewhere.votes(2, yes.clone(), no.clone())));
    let foreign = elsewhere.of(Contradiction::Prevotes(elsewhere.votes(2, yes, no)));
    let stranger = maker.votes(5, maker.vote(5, 1, ROUND, Some(A)), maker.vote(5, 1, ROUND, None));
    let mixed = maker.votes(2, prevote(Some(A)), maker.vote(3, 1, ROUND, None));
    let mut no_signature = prevote(None);
    no_signature.signature.0[63] ^= 1;
    let mut again = prevote(Some(A));
    again.signature.0[63] ^= 1;
    vec![
        accepted("prevotes", prevotes(prevote(Some(A)), prevote(None)), &[2]),
        accepted("prevotes-for-two-blocks", prevotes(prevote(Some(A)), prevote(Some(B))), &[2]),
        accepted("precommits", precommits(precommit(None), precommit(Some(B))), &[2]),
        accepted("proposals", proposals(proposal(A, None), proposal(B, None)), &[2]),
        accepted("one-block-new-and-locked", proposals(proposal(A, None), proposal(A, Some(0))), &[2]),
        refused("one-vote-twice", prevotes(prevote(Some(A)), prevote(Some(A))), NoConflict),
        refused("one-vote-with-two-signatures", prevotes(prevote(Some(A)), again), NoConflict),
        refused("one-proposal-twice", proposals(proposal(A, None), proposal(A, None)), NoConflict),
        refused("votes-of-two-types", prevotes(prevote(Some(A)), precommit(None)), BadSignature),
        refused(
            "votes-of-two-rounds",
            prevotes(prevote(Some(A)), maker.vote(2, 1, ROUND + 1, None)),
            BadSignature,
        ),
        refused("votes-as-precommits", precommits(prevote(Some(A)), prevote(None)), BadSignature),
        refused("votes-of-two-members", maker.of(Contradiction::Prevotes(mixed)), BadSignature),
        refused("a-vote-that-nobody-signed", prevotes(prevote(Some(A)), no_signature), BadSignature),
        refused("votes-moved-to-this-ledger", moved, BadSignature),
        refused("votes-of-another-ledger", foreign, OtherLedger),
        refused("votes-of-a-stranger", maker.of(Contradiction::Prevotes(stranger)), UnknownMember),
    ]
}

fn check(evidence: &Evidence, trust: &TrustFile) -> Result<Misconduct, EvidenceError> {
    let reread = Evidence::from_json(evidence.to_json().as_bytes());
    assert_eq!(reread.as_ref(), Ok(evidence));
    evidence.check(trust)
}

#[test]
fn every_case_is_answered_as_its_author_expected() {
    let s = Scenario::new();
    for Case { name, evidence, expected } in cases(&s) {
        let found = check(&evidence, &s.trust_later).map(|misconduct| misconduct.members);
        assert_eq!(found, expected, "{name}");
    }
}

/// Member 0 is no member any more in the later trust file, member 4 none yet in the first.
#[test]
fn members_answer_for_what_they_sign_in_every_epoch() {
    let s = Scenario::new();
    let maker = Maker { ledger_id: s.trust.ledger_id() };
    for (member, trust, expected) in [
        (0, &s.trust, Ok(member_name(0))),
        (0, &s.trust_later, Ok(member_name(0))),
        (4, &s.trust, Err(EvidenceError::UnknownMember)),
        (4, &s.trust_later, Ok(member_name(4))),
    ] {
        let (yes, no) = (maker.vote(member, 2, ROUND, Some(A)), maker.vote(member, 2, ROUND, None));
        let evidence = maker.of(Contradiction::Precommits(maker.votes(member, yes, no)));
        let found = check(&evidence, trust).map(|misconduct| misconduct.members.concat());
        assert_eq!(found, expected, "{member}");
    }
}

#[test]
fn every_pair_of_sizes_shows_a_rewritten_past() {
    let s = Scenario::new();
    let (maker, other) = (Maker { ledger_id: s.trust.ledger_id() }, rewritten(&s));
    for smaller in 1..LAST {
        for larger in smaller + 1..=LAST {
            let (first, second) = (by(&s.history, smaller, &[], &[1]), by(&other, larger, &[], &[0, 1]));
            let evidence = maker.checkpoints(first, second, beginning(&other, smaller, larger));
            let found = check(&evidence, &s.trust_later).map(|misconduct| misconduct.members);
            assert_eq!(found, Ok(vec![member_name(1)]), "{smaller} {larger}");
        }
    }
}

/// Each byte of a file is replaced: it is refused, or says the same of the same member.
#[test]
fn no_changed_byte_accuses_anybody_of_anything_else() {
    let s = Scenario::new();
    let mut refused = 0;
    for case in cases(&s) {
        // Two lines of other members may be lost without harm; here nothing may.
        let Ok(misconduct) = case.evidence.check(&s.trust_later) else { continue };
        if misconduct.members.len() > 1 {
            continue;
        }
        let text = case.evidence.to_json();
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = match bytes[at] {
                b'0' => b'1',
                b' ' => b'\n',
                byte if byte.is_ascii_digit() => b'0',
                byte => byte ^ 1,
            };
            let changed = Evidence::from_json(&bytes).ok().map(|evidence| evidence.check(&s.trust_later));
            match changed {
                Some(Ok(found)) => assert_eq!(found, misconduct, "{} at {at}", case.name),
                _ => refused += 1,
            }
        }
    }
    assert!(refused > 4_000, "{refused}");
}

/// One change to one member of a file, and the reason that it gives.
#[test]
fn each_member_of_a_file_has_its_own_reason() {
    let s = Scenario::new();
    let text = |name: &str| {
        let all = cases(&s);
        let case = all.into_iter().find(|case| case.name == name).expect("a case");
        serde_json::from_str::<Value>(&case.evidence.to_json()).expect("JSON")
    };
    let (other, signature) = (json!(HeaderId([9; 32])), json!("00".repeat(64)));
    let stranger = json!(member_key(5, KeyRole::Consensus).public().bytes());
    let member = json!(member_key(1, KeyRole::Consensus).public().bytes());
    for (case, pointer, with, expected) in [
        ("prevotes", "/ledger_id", &other, "OTHER_LEDGER"),
        ("prevotes", "/prevotes/height", &json!(4), "BAD_SIGNATURE"),
        ("prevotes", "/prevotes/round", &json!(2), "BAD_SIGNATURE"),
        ("prevotes", "/prevotes/key", &member, "BAD_SIGNATURE"),
        ("prevotes", "/prevotes/key", &stranger, "UNKNOWN_MEMBER"),
        ("prevotes", "/prevotes/first/block", &other, "BAD_SIGNATURE"),
        ("prevotes", "/prevotes/first/signature", &signature, "BAD_SIGNATURE"),
        ("prevotes", "/prevotes/second/signature", &signature, "BAD_SIGNATURE"),
        ("proposals", "/ledger_id", &other, "OTHER_LEDGER"),
        ("proposals", "/proposals/height", &json!(2), "BAD_SIGNATURE"),
        ("proposals", "/proposals/round", &json!(0), "BAD_SIGNATURE"),
        ("proposals", "/proposals/first/block", &other, "BAD_SIGNATURE"),
        ("one-block-new-and-locked", "/proposals/second/locked_in", &json!(5), "BAD_SIGNATURE"),
        ("another-beginning", "/ledger_id", &other, "OTHER_LEDGER"),
        ("another-beginning", "/checkpoints/proof/root", &other, "NOT_SHOWN"),
        ("another-beginning", "/checkpoints/proof/path", &json!([]), "NOT_SHOWN"),
    ] {
        let mut file = text(case);
        *file.pointer_mut(pointer).expect("a member of the file") = with.clone();
        let evidence = Evidence::from_json(file.to_string().as_bytes()).expect("of its form");
        let reason = evidence.check(&s.trust_later).map_err(EvidenceError::reason);
        assert_eq!(reason, Err(expected), "{case} {pointer}");
    }
}

#[test]
fn what_is_not_of_the_form_is_not_read() {
    let s = Scenario::new();
    let all = cases(&s);
    let file = |name: &str| {
        let case = all.iter().find(|case| case.name == name).expect("a case");
        serde_json::from_str::<Value>(&case.evidence.to_json()).expect("JSON")
    };
    let good = file("prevotes");
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed.to_string()
    };
    let without = |name: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().expect("an object").remove(name);
        changed.to_string()
    };
    let mut null = good.clone();
    null["prevotes"]["second"]["block"] = Value::Null;
    for (about, text) in [
        ("another version", with("format", json!("kvitto/evidence/v2"))),
        ("two kinds", with("precommits", good["prevotes"].clone())),
        ("no kind", without("prevotes")),
        ("an unknown member", with("note", json!(""))),
        ("no ledger", without("ledger_id")),
        ("null for nil", null.to_string()),
        ("an array", json!([good]).to_string()),
        ("a doubled member", good.to_string().replacen('{', r#"{"format":"kvitto/evidence/v1","#, 1)),
        ("too long", format!("{good}{}", " ".repeat(EVIDENCE_BYTES_MAX))),
    ] {
        assert!(Evidence::from_json(text.as_bytes()).is_err(), "{about}");
    }
}

/// Every file of the evidence's vectors by its path.
pub(crate) fn files(s: &Scenario) -> BTreeMap<String, Vec<u8>> {
    let file = |case: &Case| {
        let evidence: Value = serde_json::from_str(&case.evidence.to_json()).expect("JSON");
        let (folder, answer) = match case.evidence.check(&s.trust_later) {
            Ok(misconduct) => {
                ("accepted", json!({ "misconduct": misconduct, "text": misconduct.to_string() }))
            }
            Err(error) => ("refused", json!({ "reason": error.reason() })),
        };
        let mut object = json!({ "trust": "trust-later.json", "evidence": evidence });
        object.as_object_mut().expect("an object").extend(answer.as_object().expect("an object").clone());
        let text = serde_json::to_string_pretty(&object).expect("plain JSON") + "\n";
        (format!("evidence/{folder}/{}.json", case.name), text.into_bytes())
    };
    cases(s).iter().map(file).collect()
}

/// Reads the files only, as a test of another verifier would.
pub(crate) fn check_vector(path: &str, vector: &Value, trust: &TrustFile) {
    let evidence = Evidence::from_json(vector["evidence"].to_string().as_bytes()).expect("of its form");
    match evidence.check(trust) {
        Ok(misconduct) => {
            assert_eq!(json!(misconduct), vector["misconduct"], "{path}");
            assert_eq!(json!(misconduct.to_string()), vector["text"], "{path}");
        }
        Err(error) => assert_eq!(json!(error.reason()), vector["reason"], "{path}"),
    }
}

#[test]
fn every_reason_has_a_vector_and_stands_in_the_format_page() {
    let s = Scenario::new();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("EVIDENCE.md"));
    let page = page.expect("the page");
    let shown: Vec<_> = cases(&s).into_iter().filter_map(|case| case.expected.err()).collect();
    for error in EvidenceError::ALL {
        assert!(shown.contains(&error), "{error:?} has no vector");
        assert!(page.contains(&format!("`{}`", error.reason())), "{error:?} is not in EVIDENCE.md");
    }
    assert!(page.contains("512 KiB (524,288 bytes)") && EVIDENCE_BYTES_MAX == 524_288);
}
