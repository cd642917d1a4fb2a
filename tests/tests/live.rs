//! Goal: a ledger of real processes keeps its promises under faults: nodes killed or stopped under
//! load, loss of power at all members, links cut and slow, abuse by strangers.
//!
//! Method: the faults of the program `faults`, with few rounds, each on a ledger of its own; what they are and what many rounds gave:
//! `FAULTS.md`. The last test shows that the checker, on which all of them rely, finds what it is there to find.

use std::time::Duration;

use kvitto_client::Final;
use kvitto_ledger::{LeafIndex, Record, TimeMs};
use kvitto_tests::faults::{Outcome, Plan, abuse, blackout, network, node_kills, pauses};
use kvitto_tests::live::load::options;
use kvitto_tests::live::{Checker, Ledger, Load, Program, runtime};

fn plan(rounds: u64) -> Plan {
    Plan { rounds, seed: 1, program: env!("CARGO_BIN_EXE_faults").into(), visible: false }
}

#[track_caller]
fn assert_kept(outcome: &Outcome) {
    assert!(outcome.violations().is_empty(), "{outcome}: {:#?}", outcome.violations());
    assert!(outcome.of("statements acknowledged and there") > 0, "{outcome}");
}

#[test]
fn a_killed_node_costs_nothing_and_comes_back() {
    assert_kept(&node_kills::run(&plan(4)).unwrap());
}

#[test]
fn all_members_lose_power_and_go_on() {
    assert_kept(&blackout::run(&plan(3)).unwrap());
}

#[test]
fn each_member_is_stopped_and_comes_back() {
    assert_kept(&pauses::run(&plan(1), Duration::from_secs(1)).unwrap());
}

#[test]
fn links_are_cut_and_heal() {
    assert_kept(&network::run_relayed(&plan(1), Duration::from_millis(500), None).unwrap());
}

#[test]
fn strangers_abuse_a_node_and_honest_clients_do_not_suffer() {
    let strength = abuse::Strength { idle: 50, slow: 10, floods: 2, lasts: Duration::from_millis(500) };
    let outcome = abuse::run(&plan(1), strength).unwrap();
    assert_kept(&outcome);
    assert_eq!(outcome.of("new honest connections served while attacked"), 8, "{outcome}");
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_found() {
    runtime().unwrap().block_on(async {
        let ledger = Ledger::start(&Program::at(plan(0).program), 1).await.unwrap();
        let load = Load::quiet(&ledger).await.unwrap();
        let writer = load.writer(ledger.client(0, options()).unwrap());
        let done = writer.anchor(1).await.unwrap();
        let (index, record) = done.records[0].clone();
        let compare = async || Checker::new(&ledger).unwrap().compare(&load.accounts).await;
        compare().await.unwrap();
        let tell = |index, time| {
            let record = Record { time, ..record.clone() };
            let untrue = Final { records: vec![(index, record)], receipts: Vec::new(), ..done.clone() };
            load.accounts.acknowledged(&untrue, Duration::ZERO)
        };
        tell(index, TimeMs(record.time.0 - 1)).unwrap_err();
        tell(LeafIndex(index.0 - 1), record.time).unwrap();
        let found = compare().await.unwrap_err().to_string();
        assert!(found.contains("is not what was acknowledged"), "{found}");
    });
}
