//! Blocks: what is built executes to the same, nothing else does, and limits hold exactly.

use kvitto_ledger::block::{BODY_BYTES_MAX, RECORDS_MAX, statements_root};
use kvitto_ledger::execute::{BLOCK_POSITIONS_MAX, BlockFault, build, execute, judge};
use kvitto_ledger::genesis::Limits;
use kvitto_ledger::record::RecordBody;
use kvitto_ledger::scope::Role;
use kvitto_ledger::state::StateError;
use kvitto_ledger::statement::{
    Body, PutIdentifier, Reason, SetAccreditationStatus, StatusItem, StatusTarget,
};
use kvitto_ledger::testing::{Actor, Ledger, LookUp, MemoryState, Watched, commitment};
use kvitto_ledger::{
    AccreditationId, BlockBody, Checked, ConfigHash, Envelope, Header, HeaderId, Height, Position, Rejection,
    TimeMs,
};
use kvitto_merkle::status::{self, StatusValue};
use kvitto_merkle::{Frontier, Hash, leaf_hash};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn run(ledger: &Ledger, header: &Header, statements: &[Checked]) -> Result<(), BlockFault> {
    let executed = execute(&ledger.state, &ledger.world.genesis.config, header, statements);
    executed.expect("memory is readable").map(|_| ())
}

/// Actors and numbers from a few small ranges, so that statements meet.
#[derive(Clone, Debug)]
struct Wish {
    kind: u8,
    signer: usize,
    subject: usize,
    number: u64,
    status: u8,
}

fn wishes(len: usize) -> impl Strategy<Value = Vec<Wish>> {
    let wish = (0..9_u8, 0..5_usize, 0..5_usize, 0..6_u64, 0..4_u8)
        .prop_map(|(kind, signer, subject, number, status)| Wish { kind, signer, subject, number, status });
    proptest::collection::vec(wish, 1..len)
}

fn actors() -> [Actor; 5] {
    ["root", "tao", "school", "college", "new"].map(Actor::new)
}

fn body_of(wish: &Wish, ledger: &Ledger) -> Body {
    let actors = actors();
    let (signer, subject) = (&actors[wish.signer], &actors[wish.subject]);
    let status = StatusValue::from_code(wish.status).expect("0 to 3");
    let role = if wish.number.is_multiple_of(2) { Role::Tao } else { Role::Ti };
    match wish.kind {
        0 => signer.onboards(subject, &ledger.world.ledger_id).into(),
        1 => signer.puts([signer.method(), subject.with_key("other").method()]).into(),
        2 => signer.deactivates(subject).into(),
        3 => signer.accredits(subject, role).into(),
        4 if status != StatusValue::Superseded => SetAccreditationStatus {
            reason: if role == Role::Tao { Reason::KeyCompromise } else { Reason::Unspecified },
            ..signer.sets_accreditation(subject, status)
        }
        .into(),
        5 => signer.reserves(wish.number as u32 + 1).into(),
        6 => signer.anchors_at(commitment(wish.number), Position(wish.number)).into(),
        7 if status == StatusValue::Superseded => {
            signer.supersedes(commitment(wish.number), commitment(wish.number + 1)).into()
        }
        7 => signer.sets(status, [commitment(wish.number), commitment(wish.number + 1)]).into(),
        _ => signer.anchors([commitment(wish.number), commitment(wish.number + 1)]).into(),
    }
}

fn stage() -> Ledger {
    let mut ledger = Ledger::with_school(1);
    ledger.accredited(&Actor::new("tao"), &Actor::new("college"), Role::Ti);
    ledger
}

fn signed(ledger: &mut Ledger, wishes: &[Wish]) -> Vec<Checked> {
    let bodies: Vec<_> = wishes.iter().map(|wish| body_of(wish, ledger)).collect();
    let actors = actors();
    wishes.iter().zip(bodies).map(|(wish, body)| ledger.sign(&actors[wish.signer], body)).collect()
}

/// The log's and the status tree's roots, from everything that was ever recorded.
fn roots_from_scratch(state: &MemoryState) -> (Hash, Hash) {
    let mut log = Frontier::new();
    state.leaves().for_each(|leaf| log.push(leaf_hash(leaf)));
    let nothing: BTreeMap<(u8, u64), Hash> = BTreeMap::new();
    let positions = state.newest().tip.positions;
    let tree = status::update(&nothing, 0, positions, &state.changes.chunks).expect("chunks lie inside");
    (log.root(), tree.root)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// RULES 2.5: a block holds only statements that execute; what a proposer builds, every voter finds valid.
    #[test]
    fn what_is_built_executes_to_the_same_block(
        (blocks, shuffled) in proptest::collection::vec(wishes(14), 1..4)
            .prop_flat_map(|blocks| {
                let last = blocks.last().expect("at least one").len();
                (Just(blocks), Just((0..last).collect::<Vec<_>>()).prop_shuffle())
            })
    ) {
        let mut ledger = stage();
        let (last, earlier) = blocks.split_last().expect("at least one");
        for wishes in earlier {
            let candidates = signed(&mut ledger, wishes);
            let built = ledger.build(candidates);
            ledger.commit(&built);
            prop_assert_eq!(
                roots_from_scratch(&ledger.state),
                (built.block.header.log_root, built.block.header.status_root)
            );
            let compromised =
                ledger.state.changes.accreditations.values().filter(|one| one.is_compromised()).count();
            prop_assert_eq!(built.block.tip.compromised, compromised as u64);
        }
        let candidates = signed(&mut ledger, last);
        for order in [(0..candidates.len()).collect(), shuffled] {
            let candidates: Vec<_> = order.iter().map(|&index| candidates[index].clone()).collect();
            check_agreement(&ledger, &candidates)?;
        }
    }
}

fn check_agreement(ledger: &Ledger, candidates: &[Checked]) -> Result<(), TestCaseError> {
    let config = &ledger.world.genesis.config;
    let built = ledger.build(candidates.iter().cloned());
    let refused: BTreeMap<_, _> = built.refused.iter().copied().collect();
    let taken: Vec<_> = candidates.iter().filter(|one| !refused.contains_key(&one.id())).cloned().collect();
    prop_assert_eq!(taken.len(), built.taken);
    let executed = execute(&ledger.state, config, &built.block.header, &taken).expect("memory is readable");
    prop_assert_eq!(executed.as_ref(), Ok(&built.block));
    // What was refused has left no trace.
    prop_assert_eq!(&ledger.build(taken.iter().cloned()).block, &built.block);
    // One that was refused makes a block invalid.
    if let Some(first) = candidates.iter().position(|one| refused.contains_key(&one.id())) {
        let fault = run(ledger, &built.block.header, &candidates[..=first]);
        let rejection = refused[&candidates[first].id()];
        prop_assert_eq!(fault, Err(BlockFault::Statement { index: first as u32, rejection }));
    }
    // A single statement: the preview says what a block of it says.
    for one in candidates {
        let preview = judge(&ledger.state, config, ledger.clock, one).expect("memory is readable");
        let alone = ledger.build([one.clone()]);
        let outcome = match alone.refused.first() {
            Some((_, rejection)) => Err(*rejection),
            None => Ok(alone.block.changes.outcomes[&one.id()].clone()),
        };
        prop_assert_eq!(preview, outcome);
    }
    Ok(())
}

/// A block of three statements, not committed.
fn proposal() -> (Ledger, Header, Vec<Checked>) {
    let mut ledger = stage();
    let school = Actor::new("school");
    let statements: Vec<_> =
        (1..4).map(|number| ledger.sign(&school, school.anchors([commitment(number)]))).collect();
    let header = ledger.build(statements.clone()).block.header;
    (ledger, header, statements)
}

#[test]
fn every_field_of_the_header_counts() {
    let (ledger, header, statements) = proposal();
    assert_eq!(run(&ledger, &header, &statements), Ok(()));
    let previous = ledger.state.newest().header.time;
    type Tamper = fn(&mut Header, TimeMs);
    let table: [(&str, Tamper, BlockFault); 14] = [
        ("rules version", |header, _| header.rules_version = 2, BlockFault::Place),
        ("height, one too high", |header, _| header.height.0 += 1, BlockFault::Place),
        ("height, the newest", |header, _| header.height.0 -= 1, BlockFault::Place),
        ("height, the greatest", |header, _| header.height = Height(u64::MAX), BlockFault::Place),
        ("previous", |header, _| header.previous = HeaderId([0; 32]), BlockFault::Place),
        ("time, the previous block's", |header, time| header.time = time, BlockFault::Time),
        ("place before time", |header, time| (header.height.0, header.time) = (0, time), BlockFault::Place),
        ("time, another", |header, _| header.time.0 += 1, BlockFault::Result),
        ("config", |header, _| header.config_hash = ConfigHash([0; 32]), BlockFault::Config),
        ("statements' root", |header, _| header.statements_root = Hash([0; 32]), BlockFault::Result),
        ("statements", |header, _| header.statements -= 1, BlockFault::Result),
        ("tree size", |header, _| header.tree_size += 1, BlockFault::Result),
        ("log root", |header, _| header.log_root = Hash([0; 32]), BlockFault::Result),
        ("status root", |header, _| header.status_root = Hash([0; 32]), BlockFault::Result),
    ];
    for (name, tamper, fault) in table {
        let mut tampered = header.clone();
        tamper(&mut tampered, previous);
        assert_eq!(run(&ledger, &tampered, &statements), Err(fault), "{name}");
    }
}

#[test]
fn other_statements_lead_to_another_header() {
    let (ledger, header, statements) = proposal();
    let [a, b, c] = <[Checked; 3]>::try_from(statements).expect("three");
    assert_eq!(run(&ledger, &header, &[b.clone(), a.clone(), c.clone()]), Err(BlockFault::Result));
    assert_eq!(run(&ledger, &header, &[a.clone(), b.clone()]), Err(BlockFault::Result));
    assert_eq!(run(&ledger, &header, &[]), Err(BlockFault::Result));
    let executed = Rejection::StatementExecuted;
    assert_eq!(
        run(&ledger, &header, &[a.clone(), b, c, a]),
        Err(BlockFault::Statement { index: 3, rejection: executed })
    );
}

/// RULES 5.5: judged at the block's time: one that was in time for the proposer's clock may not be at the header's.
#[test]
fn statements_are_judged_at_the_headers_time() {
    let (ledger, header, statements) = proposal();
    for (time, rejection) in
        [(header.time.0 - 1, Rejection::StatementNotYet), (u64::MAX, Rejection::StatementExpired)]
    {
        let moved = Header { time: TimeMs(time), ..header.clone() };
        assert_eq!(run(&ledger, &moved, &statements), Err(BlockFault::Statement { index: 0, rejection }));
    }
}

#[test]
fn two_statements_may_be_good_alone_and_not_together() {
    let actors = actors();
    let [_, _, school, ..] = &actors;
    type Pair = fn(&mut Ledger, &[Actor; 5]) -> [Checked; 2];
    let table: [(&str, Pair, Rejection); 8] = [
        (
            "the same commitment",
            |l, [_, _, school, ..]| {
                [
                    l.sign(school, school.anchors([commitment(1)])),
                    l.sign(school, school.anchors([commitment(1)])),
                ]
            },
            Rejection::NothingNew,
        ),
        (
            "anchored under an accreditation just withdrawn",
            |l, [_, tao, school, ..]| {
                [
                    l.sign(tao, tao.sets_accreditation(school, StatusValue::Revoked)),
                    l.sign(school, school.anchors([commitment(1)])),
                ]
            },
            Rejection::AccreditationWithdrawn,
        ),
        (
            "signed with a key just rotated away",
            |l, [_, _, school, ..]| {
                [
                    l.sign(school, school.puts([school.with_key("new").method()])),
                    l.sign(school, school.anchors([commitment(1)])),
                ]
            },
            Rejection::KeyUnknown,
        ),
        (
            "signed by one just deactivated",
            |l, [_, tao, school, ..]| {
                [l.sign(tao, tao.deactivates(school)), l.sign(school, school.anchors([commitment(1)]))]
            },
            Rejection::SignerDeactivated,
        ),
        (
            "onboarded by two",
            |l, [root, tao, _, _, new]| {
                let id = l.world.ledger_id;
                [l.sign(tao, tao.onboards(new, &id)), l.sign(root, root.onboards(new, &id))]
            },
            Rejection::IdentifierExists,
        ),
        (
            "suspended twice",
            |l, [root, tao, school, ..]| {
                [
                    l.sign(tao, tao.sets_accreditation(school, StatusValue::Suspended)),
                    l.sign(root, root.sets_accreditation(school, StatusValue::Suspended)),
                ]
            },
            Rejection::AccreditationTransition,
        ),
        (
            "a reserved position used twice",
            |l, [_, _, school, ..]| {
                let p = Position(l.state.newest().tip.positions - 1);
                [
                    l.sign(school, school.anchors_at(commitment(1), p)),
                    l.sign(school, school.anchors_at(commitment(2), p)),
                ]
            },
            Rejection::PositionNotReserved,
        ),
        (
            "one accreditation given twice",
            |l, [root, tao, _, college, _]| {
                let mut body = tao.accredits(college, Role::Ti);
                body.id = AccreditationId([5; 32]);
                let mut other = root.accredits(college, Role::Ti);
                other.id = body.id;
                [l.sign(tao, body), l.sign(root, other)]
            },
            Rejection::AccreditationExists,
        ),
    ];
    for (name, pair, rejection) in table {
        let mut ledger = stage();
        ledger.act(school, school.reserves(1)).expect("within the quota");
        let [first, second] = pair(&mut ledger, &actors);
        for alone in [&first, &second] {
            assert_eq!(ledger.build([alone.clone()]).refused, [], "{name}");
        }
        let built = ledger.build([first.clone(), second.clone()]);
        assert_eq!(built.refused, [(second.id(), rejection)], "{name}");
        let header = &built.block.header;
        let fault = BlockFault::Statement { index: 1, rejection };
        assert_eq!(run(&ledger, header, &[first, second]), Err(fault), "{name}");
    }
}

/// What one statement makes possible, the next one in the same block may use.
#[test]
fn a_block_sees_its_own_statements() {
    let mut ledger = stage();
    let [_, tao, _, _, new] = actors();
    let onboard = tao.onboards(&new, &ledger.world.ledger_id);
    let statements = [
        ledger.sign(&tao, onboard),
        ledger.sign(&tao, tao.accredits(&new, Role::Ti)),
        ledger.sign(&new, new.anchors([commitment(1), commitment(2)])),
        ledger.sign(&new, new.supersedes(commitment(1), commitment(2))),
    ];
    let built = ledger.build(statements.clone());
    assert_eq!((built.refused.as_slice(), built.taken), ([].as_slice(), 4));
    assert_eq!(run(&ledger, &built.block.header, &statements), Ok(()));
    ledger.commit(&built);
    // Six records and the Block record; two positions on top of the accreditation's.
    assert_eq!(built.block.leaves.len(), 6);
    let RecordBody::Block(last) = ledger.state.records().last().expect("not empty").body else {
        panic!("the last leaf of every block is its Block record")
    };
    let header = &built.block.header;
    assert_eq!((last.height, last.statements_root), (header.height, header.statements_root));
    assert_eq!((last.status_root, last.config_hash), (header.status_root, header.config_hash));
    assert_eq!((last.positions, last.first_leaf), (built.block.tip.positions, built.block.first_leaf()));
    assert_eq!(last.previous, header.previous);
}

#[test]
fn an_empty_block_is_a_block() {
    let ledger = stage();
    let built = ledger.build([]);
    assert_eq!(built.block.leaves.len(), 1);
    assert_eq!(run(&ledger, &built.block.header, &[]), Ok(()));
    assert_eq!(statements_root([].into_iter()), built.block.header.statements_root);
}

/// RULES 1.3.
#[test]
fn block_0_holds_the_genesis_the_roots_and_the_block_record() {
    let ledger = Ledger::new(4);
    let records: Vec<_> = ledger.state.records().map(|record| record.body).collect();
    let [RecordBody::Genesis(genesis), RecordBody::Accreditation(root), RecordBody::Block(block)] =
        &records[..]
    else {
        panic!("{records:?}")
    };
    assert_eq!(genesis.ledger_id, ledger.world.genesis.ledger_id());
    assert_eq!((root.position, root.role, root.parent), (Position(0), Role::RootTao, None));
    assert_eq!((block.height, block.positions), (Height(0), 1));
    ledger.world.genesis.check().expect("the world's genesis is good");
}

/// A statement of exactly so many bytes, which executes whenever its forerunners do.
fn of_size(ledger: &mut Ledger, bytes: usize) -> Checked {
    let school = Actor::new("school");
    let service = |id: usize, url_bytes: usize| kvitto_ledger::document::Service {
        id: id.to_string(),
        service_type: "LinkedDomains".into(),
        url: format!("https://a.example/{}", "a".repeat(url_bytes - 18)),
    };
    for full in 0..15 {
        let document = |last: usize| {
            let services = (0..full).map(|id| service(id, 1500)).chain([service(15, last)]).collect();
            PutIdentifier { methods: vec![school.method()], services }
        };
        let shortest = ledger.sign(&school, document(300)).bytes().len();
        if let Some(more) = bytes.checked_sub(shortest).filter(|more| *more <= 1748) {
            let statement = ledger.sign(&school, document(300 + more));
            assert_eq!(statement.bytes().len(), bytes);
            return statement;
        }
    }
    panic!("no statement of {bytes} bytes")
}

/// RULES 2.5: body at most 1 MiB.
#[test]
fn a_body_is_at_most_1_mib() {
    let mut ledger = stage();
    let school = Actor::new("school");
    let full = |ledger: &mut Ledger, number: u64| {
        let items = number * 4096..(number + 1) * 4096;
        ledger.sign(&school, school.anchors(items.map(commitment)))
    };
    let mut statements: Vec<_> = (0..7).map(|number| full(&mut ledger, number)).collect();
    let used: usize = statements.iter().map(|one| one.bytes().len() + 5).sum();
    // Five bytes for the head of the array, three for the head of the last statement.
    let left = BODY_BYTES_MAX - 5 - used - 3;
    for (bytes, fits) in [(left, true), (left + 1, false)] {
        let last = of_size(&mut ledger, bytes);
        statements.push(last);
        let built = ledger.build(statements.clone());
        assert_eq!(built.taken, if fits { 8 } else { 7 });
        let encoded = built.block.body.encode();
        assert!(encoded.len() <= BODY_BYTES_MAX);
        assert_eq!(BlockBody::decode(&encoded).as_ref(), Ok(&built.block.body));
        let expected = if fits { Ok(()) } else { Err(BlockFault::TooLarge) };
        assert_eq!(run(&ledger, &built.block.header, &statements), expected);
        statements.pop();
    }
}

/// RULES 2.5: records at most 32,768, the Block record included.
#[test]
fn a_block_has_at_most_32_768_records() {
    let mut ledger = stage();
    let school = Actor::new("school");
    let first = ledger.state.newest().tip.positions;
    ledger.act(&school, school.anchors((0..4096).map(commitment))).expect("all are new");
    let set = |ledger: &mut Ledger, round: u64, count: u64| {
        let status = if round.is_multiple_of(2) { StatusValue::Suspended } else { StatusValue::Valid };
        let item = |position| StatusItem {
            target: StatusTarget::Position(Position(first + position)),
            ..school.sets(status, [commitment(0)]).items[0].clone()
        };
        ledger.sign(&school, school.changes((0..count).map(item)))
    };
    for (last, fits) in [(4095, true), (4096, false)] {
        let mut statements: Vec<_> = (0..7).map(|round| set(&mut ledger, round, 4096)).collect();
        statements.push(set(&mut ledger, 7, last));
        let built = ledger.build(statements.clone());
        assert_eq!(built.refused, []);
        assert_eq!(built.taken, if fits { 8 } else { 7 });
        assert_eq!(built.block.leaves.len() == RECORDS_MAX, fits);
        let expected = if fits { Ok(()) } else { Err(BlockFault::TooLarge) };
        assert_eq!(run(&ledger, &built.block.header, &statements), expected);
    }
}

#[test]
fn a_block_allocates_at_most_262_144_positions() {
    let mut ledger = stage();
    let school = Actor::new("school");
    let reserve = |ledger: &mut Ledger, count| ledger.sign(&school, school.reserves(count));
    let half = (BLOCK_POSITIONS_MAX / 2) as u32;
    let statements = [reserve(&mut ledger, half), reserve(&mut ledger, half), reserve(&mut ledger, 1)];
    let built = ledger.build(statements.clone());
    assert_eq!((built.taken, built.refused.len()), (2, 0));
    assert_eq!(run(&ledger, &built.block.header, &statements[..2]), Ok(()));
    assert_eq!(run(&ledger, &built.block.header, &statements), Err(BlockFault::TooLarge));
}

/// RULES 2.6: a panic discards the view; a proposer drops and quarantines the statement, a voter votes the block invalid.
#[test]
fn a_statement_on_which_the_rules_break_is_set_aside() {
    let mut ledger = stage();
    let [_, tao, school, college, _] = actors();
    let good = [
        ledger.sign(&school, school.anchors([commitment(1)])),
        ledger.sign(&tao, tao.sets_accreditation(&college, StatusValue::Suspended)),
    ];
    // It has looked up its signer and its chain before it breaks on its subject.
    let breaking = ledger.sign(&tao, tao.deactivates(&college));
    let all = [good[0].clone(), breaking.clone(), good[1].clone()];
    let config = &ledger.world.genesis.config;
    let watch = |look_up| {
        assert_ne!(look_up, LookUp::Identifier(college.did), "a defect in the rules");
        Ok(())
    };
    let trap = Watched { state: &ledger.state, watch };

    let built = build(&trap, config, ledger.clock, all.clone()).expect("readable");
    assert_eq!(built.refused, [(breaking.id(), Rejection::RulesPanic)]);
    assert_eq!(built.block, ledger.build(good).block, "the view was discarded");
    let verdict = execute(&trap, config, &built.block.header, &all).expect("readable");
    assert_eq!(verdict, Err(BlockFault::Statement { index: 1, rejection: Rejection::RulesPanic }));
    let preview = judge(&trap, config, ledger.clock, &breaking).expect("readable");
    assert_eq!(preview, Err(Rejection::RulesPanic));
}

/// Of all rejections only the cap on revocations is found after records were made: they must not slip into the next statement.
#[test]
fn a_statement_refused_late_leaves_no_trace() {
    let limits = Limits { reserved_unused_max: 4096, revocations_per_hour_max: 4096 };
    let mut ledger = Ledger::with_limits(limits).and_school();
    let school = Actor::new("school");
    ledger.act(&school, school.anchors((0..4096).map(commitment))).expect("all are new");
    ledger.act(&school, school.anchors([commitment(4096)])).expect("it is new");
    let full = ledger.sign(&school, school.sets(StatusValue::Revoked, (0..4096).map(commitment)));
    let late = ledger.sign(&school, school.sets(StatusValue::Revoked, [commitment(4096)]));
    let good = ledger.sign(&school, school.anchors([commitment(5000)]));
    let built = ledger.build([full.clone(), late.clone(), good.clone()]);
    assert_eq!(built.refused, [(late.id(), Rejection::RevocationQuota)]);
    assert_eq!(built.block, ledger.build([full, good]).block);
}

/// A store that fails is no verdict: nobody may be refused because of it.
#[test]
fn a_state_that_cannot_be_read_is_no_verdict() {
    let mut ledger = stage();
    let [_, tao, _, college, _] = actors();
    let statement = ledger.sign(&tao, tao.deactivates(&college));
    let config = &ledger.world.genesis.config;
    let header = ledger.build([]).block.header;
    let watch = |look_up| match look_up {
        LookUp::Identifier(did) if did == college.did => Err(StateError("the disk is gone".into())),
        _ => Ok(()),
    };
    let trap = Watched { state: &ledger.state, watch };
    assert!(build(&trap, config, ledger.clock, [statement.clone()]).is_err());
    assert!(judge(&trap, config, ledger.clock, &statement).is_err());
    assert!(execute(&trap, config, &header, &[statement]).is_err());
}

/// The same statement with another valid signature is the same statement: its id does not depend on the signature.
#[test]
fn an_id_does_not_depend_on_the_signature() {
    let mut ledger = stage();
    let school = Actor::new("school");
    let statement = ledger.statement(school.reserves(1));
    let mut bytes = ledger.signed(&school, &statement);
    let before = Envelope::decode(bytes.clone(), &ledger.world.ledger_id).expect("of good form").id();
    *bytes.last_mut().expect("not empty") ^= 1;
    let after = Envelope::decode(bytes, &ledger.world.ledger_id).expect("of good form").id();
    assert_eq!(before, after);
}
