//! The rules as tables: one row a case, in the order of checks; the last column is the result.
//!
//! A row quotes the sentence it stands for, from RULES (by number), DESIGN (D and number), or the rejection's own text. Every case
//! starts on the same ledger (a root, a TAO, a school, a college) and commits one block a statement; its answer is that of the
//! last statement.

mod accreditations;
mod credentials;
mod form;
mod freezes;
mod identifiers;
mod signer;

use std::collections::BTreeSet;

use kvitto_ledger::rejection::Rejection;
use kvitto_ledger::scope::Role;
use kvitto_ledger::state::Outcome;
use kvitto_ledger::testing::{Actor, Ledger};

type Verdict = Result<Outcome, Rejection>;

struct Case {
    sentence: &'static str,
    run: fn(&mut Ledger) -> Verdict,
    expected: Result<(), Rejection>,
}

fn case(sentence: &'static str, run: fn(&mut Ledger) -> Verdict, expected: Result<(), Rejection>) -> Case {
    Case { sentence, run, expected }
}

fn root() -> Actor {
    Actor::new("root")
}

fn tao() -> Actor {
    Actor::new("tao")
}

fn school() -> Actor {
    Actor::new("school")
}

fn college() -> Actor {
    Actor::new("college")
}

/// Registered with the TAO, but not accredited.
fn club() -> Actor {
    Actor::new("club")
}

/// Not registered.
fn stranger() -> Actor {
    Actor::new("stranger")
}

fn stage() -> Ledger {
    let mut ledger = Ledger::with_school(1);
    ledger.accredited(&tao(), &college(), Role::Ti);
    let onboard = tao().onboards(&club(), &ledger.world.ledger_id);
    ledger.act(&tao(), onboard).expect("the TAO may onboard");
    ledger
}

#[track_caller]
fn check(cases: Vec<Case>) {
    let stage = stage();
    for Case { sentence, run, expected } in cases {
        let mut ledger = stage.clone();
        let verdict = run(&mut ledger);
        assert_eq!(verdict.as_ref().map(|_| ()).map_err(|rejection| *rejection), expected, "{sentence}");
    }
}

fn tables() -> [(&'static str, Vec<Case>); 6] {
    [
        ("form", form::cases()),
        ("signer", signer::cases()),
        ("accreditations", accreditations::cases()),
        ("identifiers", identifiers::cases()),
        ("credentials", credentials::cases()),
        ("freezes", freezes::cases()),
    ]
}

/// What no statement can provoke, and why.
const OUT_OF_REACH: [(Rejection, &str); 1] =
    [(Rejection::RulesPanic, "only a defect leads to it; tests/blocks.rs makes one")];

#[test]
fn every_rejection_has_a_case() {
    let provoked: BTreeSet<_> =
        tables().iter().flat_map(|(_, cases)| cases).filter_map(|case| case.expected.err()).collect();
    let excepted: BTreeSet<_> = OUT_OF_REACH.iter().map(|(rejection, _)| *rejection).collect();
    for rejection in Rejection::ALL {
        assert!(provoked.contains(rejection) != excepted.contains(rejection), "{rejection:?}");
    }
}
