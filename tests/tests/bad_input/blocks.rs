//! Proposed blocks that are not valid: alone, each of their statements might be.

use std::sync::Arc;

use kvitto_ledger::execute::{BlockFault, execute};
use kvitto_ledger::testing::commitment as c;
use kvitto_ledger::{BlockBody, Checked, Header, Rejection};
use kvitto_merkle::Hash;
use kvitto_merkle::status::StatusValue::{Revoked, Suspended, Valid};
use kvitto_replica::Fault;
use kvitto_replica::testing::{Cluster, Liar};

use crate::consensus::odd_headers;
use crate::stage::{RESERVED, Stage, club, college, school, stranger, tao};

/// Makes a header and the bytes that are pushed as its body.
type Make = Box<dyn Fn(&Stage, &Cluster, &Liar) -> (Header, Vec<u8>)>;

/// A bad block.
pub(crate) struct BadBlock {
    /// What is bad about it; no two blocks have one name.
    pub(crate) name: String,
    pub(crate) make: Make,
    pub(crate) fault: Fault,
}

pub(crate) fn blocks() -> Vec<BadBlock> {
    [pairs(), headers(), bodies()].into_iter().flatten().collect()
}

/// The header of a block with this body, as if nothing followed from it.
pub(crate) fn header_of(liar: &Liar, cluster: &Cluster, body: &BlockBody) -> Header {
    let statements = u32::try_from(body.0.len()).expect("few statements");
    Header { statements, statements_root: body.root(), ..liar.empty_block(cluster, 1) }
}

/// Statements of which the first is good, and the second breaks a rule because of it.
fn pair(name: &str, rejection: Rejection, statements: impl Fn(&Stage) -> [Vec<u8>; 2] + 'static) -> BadBlock {
    BadBlock {
        name: format!("two statements: {name}"),
        make: Box::new(move |stage, cluster, liar| {
            let body = BlockBody(statements(stage).map(Arc::from).to_vec());
            (header_of(liar, cluster, &body), body.encode())
        }),
        fault: Fault::Block(BlockFault::Statement { index: 1, rejection }),
    }
}

fn pairs() -> Vec<BadBlock> {
    let school_twice = |first: fn() -> kvitto_ledger::statement::Body,
                        second: fn() -> kvitto_ledger::statement::Body| {
        move |stage: &Stage| [stage.signed(&school(), first()), stage.signed(&school(), second())]
    };
    vec![
        pair("the same one twice", Rejection::StatementExecuted, |s| {
            let statement = s.good();
            [statement.clone(), statement]
        }),
        pair(
            "the same commitment",
            Rejection::NothingNew,
            school_twice(|| school().anchors([c(60)]).into(), || school().anchors([c(60)]).into()),
        ),
        pair("the same reserved place", Rejection::PositionNotReserved, |s| {
            let place = kvitto_ledger::Position(RESERVED.0 + 1);
            [60, 61].map(|number| s.signed(&school(), school().anchors_at(c(number), place)))
        }),
        pair(
            "revoked twice",
            Rejection::AlreadyRevoked,
            school_twice(|| school().sets(Revoked, [c(2)]).into(), || school().sets(Revoked, [c(2)]).into()),
        ),
        pair(
            "revoked, then reinstated",
            Rejection::AlreadyRevoked,
            school_twice(|| school().sets(Revoked, [c(4)]).into(), || school().sets(Valid, [c(4)]).into()),
        ),
        pair(
            "suspended twice",
            Rejection::StatusTransition,
            school_twice(
                || school().sets(Suspended, [c(2)]).into(),
                || school().sets(Suspended, [c(2)]).into(),
            ),
        ),
        pair(
            "the successor is revoked first",
            Rejection::SuccessorUnknown,
            school_twice(|| school().sets(Revoked, [c(2)]).into(), || school().supersedes(c(6), c(2)).into()),
        ),
        pair("deactivated, then it signs", Rejection::SignerDeactivated, |s| {
            [s.signed(&tao(), tao().deactivates(&school())), s.good()]
        }),
        pair("its key is removed, then it signs with it", Rejection::KeyUnknown, |s| {
            let new = school().with_key("school's new key");
            [s.signed(&school(), school().puts([new.method()])), s.good()]
        }),
        pair("its accreditation is withdrawn, then it anchors", Rejection::AccreditationWithdrawn, |s| {
            [s.signed(&tao(), tao().sets_accreditation(&school(), Revoked)), s.good()]
        }),
        pair("its accreditation is suspended, then it anchors", Rejection::AccreditationSuspended, |s| {
            [s.signed(&tao(), tao().sets_accreditation(&school(), Suspended)), s.good()]
        }),
        pair("onboarded twice, by two sponsors", Rejection::IdentifierExists, |s| {
            [tao(), crate::stage::branch()].map(|by| s.signed(&by, by.onboards(&stranger(), &s.ledger_id)))
        }),
        pair("deactivated twice", Rejection::IdentifierDeactivated, |s| {
            [0, 1].map(|_| s.signed(&tao(), tao().deactivates(&club())))
        }),
        pair("accredited twice", Rejection::AccreditationExists, |s| {
            [0, 1].map(|_| s.signed(&tao(), s.accredits(&tao(), &club(), kvitto_ledger::scope::Role::Ti)))
        }),
        pair("withdrawn twice", Rejection::AccreditationFinal, |s| {
            [0, 1].map(|_| s.signed(&tao(), tao().sets_accreditation(&college(), Revoked)))
        }),
        pair("a good one, then one with a bad signature", Rejection::SignatureInvalid, |s| {
            let mut bad = s.good();
            *bad.last_mut().expect("not empty") ^= 1;
            [s.signed(&school(), school().anchors([c(60)])), bad]
        }),
        pair("a good one, then no statement", Rejection::CoseMalformed, |s| [s.good(), vec![0xff; 9]]),
        pair("used before it is there", Rejection::SignerUnknown, |s| {
            // In the other order, the stranger would be registered when it signs.
            [s.good(), s.signed(&stranger(), stranger().puts([stranger().method()]))]
        }),
    ]
}

/// A block of one good statement, of which the header says something else.
fn headers() -> Vec<BadBlock> {
    let faults = |name: &str| match name {
        "rules version 0" | "rules version 2" | "another predecessor" | "no predecessor" => BlockFault::Place,
        "its predecessor's time" => BlockFault::Time,
        "another configuration" => BlockFault::Config,
        _ => BlockFault::Result,
    };
    let names: Vec<&str> = {
        // Only their names are needed here.
        let state = kvitto_ledger::testing::Ledger::new(1).state;
        odd_headers(&state.newest().header).into_iter().map(|(name, _)| name).collect()
    };
    names
        .into_iter()
        .map(|name| BadBlock {
            name: format!("a header with {name}"),
            make: Box::new(move |stage, cluster, liar| {
                let (header, body) = good_block(stage, cluster, liar);
                let odd = odd_headers(&header).into_iter().find(|(found, _)| *found == name);
                (odd.expect("the same table").1, body.encode())
            }),
            fault: Fault::Block(faults(name)),
        })
        .collect()
}

/// A block that is valid.
fn good_block(stage: &Stage, cluster: &Cluster, liar: &Liar) -> (Header, BlockBody) {
    let statement = checked(stage);
    let (state, config) = (&cluster.nodes[0].state, &cluster.world.genesis.config);
    let time = liar.empty_block(cluster, 1).time;
    let built =
        kvitto_ledger::execute::build(state, config, time, [statement.clone()]).expect("memory is readable");
    let again = execute(state, config, &built.block.header, &[statement]).expect("memory is readable");
    assert!(again.is_ok(), "it is good before it is changed");
    (built.block.header, built.block.body)
}

fn checked(stage: &Stage) -> Checked {
    let envelope = kvitto_ledger::Envelope::decode(stage.good(), &stage.ledger_id).expect("of good form");
    envelope.verify(&school().key.public()).expect("its own signature")
}

/// Bodies that are not those of their headers, or too large.
fn bodies() -> Vec<BadBlock> {
    let body = |name: &str, change: fn(&mut BlockBody)| BadBlock {
        name: format!("a body {name}"),
        make: Box::new(move |stage, cluster, liar| {
            let (header, mut body) = good_block(stage, cluster, liar);
            change(&mut body);
            (header, body.encode())
        }),
        fault: Fault::Body,
    };
    let bytes = |name: &str, change: fn(&mut Vec<u8>)| BadBlock {
        name: format!("a body {name}"),
        make: Box::new(move |stage, cluster, liar| {
            let (header, body) = good_block(stage, cluster, liar);
            let mut bytes = body.encode();
            change(&mut bytes);
            (header, bytes)
        }),
        fault: Fault::Body,
    };
    let header = |name: &str, change: fn(&mut Header)| BadBlock {
        name: format!("a header with {name}"),
        make: Box::new(move |stage, cluster, liar| {
            let (mut header, body) = good_block(stage, cluster, liar);
            change(&mut header);
            (header, body.encode())
        }),
        fault: Fault::Body,
    };
    vec![
        body("without its statement", |body| body.0.clear()),
        body("with its statement twice", |body| body.0.push(Arc::clone(&body.0[0]))),
        body("of another statement", |body| body.0[0] = Arc::from([7; 200])),
        bytes("of no bytes", Vec::clear),
        bytes("with a byte too many", |bytes| bytes.push(0)),
        bytes("with a long head", |bytes| _ = bytes.splice(0..1, [0x98, 1])),
        bytes("of unknown length", |bytes| {
            bytes[0] = 0x9f;
            bytes.push(0xff);
        }),
        bytes("that is a map", |bytes| bytes[0] = 0xa1),
        bytes("of 100,000 arrays in each other", |bytes| *bytes = vec![0x81; 100_000]),
        header("another root of its statements", |header| header.statements_root = Hash([7; 32])),
        header("a statement more than its body", |header| header.statements += 1),
        header("no statements", |header| header.statements = 0),
        header("the largest number of statements", |header| header.statements = u32::MAX),
    ]
}
