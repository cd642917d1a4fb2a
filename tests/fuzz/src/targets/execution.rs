//! The rules, on statements of every form that is taken.

use std::sync::LazyLock;

use kvitto_ledger::codec::decode_strict;
use kvitto_ledger::execute::{execute, judge};
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::envelope::sign_possession;
use kvitto_ledger::statement::{Body, Possession, STATEMENT_BYTES_MAX};
use kvitto_ledger::testing::{Actor, HOUR_MS, Ledger, commitment};
use kvitto_ledger::{Rejection, Statement, TimeMs};
use kvitto_merkle::status::StatusValue;

/// A ledger on which most that can be named exists, in each state that it can be in.
fn ledger() -> Ledger {
    let mut ledger = Ledger::with_school(1);
    let (tao, school) = (ledger.tao.clone(), ledger.school.clone());
    let [branch, college, club] = ["branch", "college", "club"].map(Actor::new);
    ledger.accredited(&tao, &branch, Role::Tao);
    ledger.accredited(&tao, &college, Role::Ti);
    let onboard = tao.onboards(&club, &ledger.world.ledger_id);
    for (signer, body) in [
        (&tao, Body::from(onboard)),
        (&school, school.reserves(3).into()),
        (&school, school.anchors((1..=5).map(commitment)).into()),
        (&school, school.sets(StatusValue::Revoked, [commitment(1)]).into()),
        (&school, school.sets(StatusValue::Suspended, [commitment(2)]).into()),
        (&school, school.supersedes(commitment(3), commitment(4)).into()),
        (&college, college.anchors([commitment(1), commitment(6)]).into()),
        (&tao, tao.sets_accreditation(&college, StatusValue::Suspended).into()),
    ] {
        ledger.act(signer, body).expect("the rules allow it");
    }
    ledger
}

/// A signer, and the payload of a statement. Its times are made those of the next block, and an onboarding gets the possession proof
/// that it needs, so that the rules come to what is asked for. Judging, building and executing must agree, and never break.
pub fn execution(bytes: &[u8]) {
    static LEDGER: LazyLock<Ledger> = LazyLock::new(ledger);
    static SIGNERS: LazyLock<[Actor; 7]> =
        LazyLock::new(|| ["root", "tao", "branch", "school", "college", "club", "stranger"].map(Actor::new));
    let Some((signer, payload)) = bytes.split_first() else { return };
    let signer = &SIGNERS[usize::from(*signer) % SIGNERS.len()];
    let Ok(mut statement) = decode_strict::<Statement>(payload, STATEMENT_BYTES_MAX) else { return };
    (statement.not_before, statement.not_after) = (LEDGER.clock, TimeMs(LEDGER.clock.0 + HOUR_MS));
    if let Body::Onboard(onboard) = &mut statement.body {
        let new = Actor::new(&onboard.country);
        onboard.key = new.key.public().bytes();
        let possession = Possession {
            subject: onboard.subject,
            key: onboard.key,
            sponsor: signer.did,
            sponsor_accreditation: onboard.sponsor_accreditation,
        };
        onboard.possession = sign_possession(&possession, &new.key, &LEDGER.world.ledger_id).into();
    }
    let Ok(checked) = LEDGER.check(signer, &statement) else { return };
    let config = &LEDGER.world.genesis.config;
    let verdict = judge(&LEDGER.state, config, LEDGER.clock, &checked).expect("memory is readable");
    assert_ne!(verdict.as_ref().err(), Some(&Rejection::RulesPanic), "{statement:?}");
    let built = LEDGER.build([checked.clone()]);
    let refused = built.refused.first().map(|(_, rejection)| *rejection);
    assert_eq!(refused, verdict.as_ref().err().copied(), "judged and built: {statement:?}");
    let executed = execute(
        &LEDGER.state,
        config,
        &built.block.header,
        if refused.is_none() { std::slice::from_ref(&checked) } else { &[] },
    );
    assert_eq!(executed.expect("memory is readable"), Ok(built.block), "built and executed: {statement:?}");
}
