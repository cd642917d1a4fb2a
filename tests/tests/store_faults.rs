//! Goal: what happens to real processes and real disks loses nothing that a store has acknowledged, and nothing it says is wrong.
//!
//! Method: the faults of `kvitto_tests::faults`, with few rounds; the program `faults` runs many.

use std::io::Write as _;
use std::path::PathBuf;

use kvitto_tests::faults::{Outcome, Plan, crash_points, disk_errors, power_cuts, store_kills};

fn plan(rounds: u64) -> Plan {
    Plan { rounds, seed: 1, program: PathBuf::from(env!("CARGO_BIN_EXE_faults")), visible: false }
}

/// Whether it ran; a violation fails the test.
fn held(name: &str, outcome: &Outcome) -> bool {
    if let Some(reason) = outcome.skip_reason() {
        // Nobody reads it where standard error is closed.
        let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason}");
        return false;
    }
    assert_eq!(outcome.violations(), [] as [String; 0], "{name}: {outcome}");
    true
}

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    let outcome = store_kills::run(&plan(30)).unwrap();
    assert!(held("store-kills", &outcome) && outcome.of("stores found whole") > 10, "{outcome}");
}

#[test]
fn nothing_acknowledged_is_lost_when_power_is_cut() {
    let outcome = power_cuts::run(&plan(4)).unwrap();
    assert!(!held("power-cuts", &outcome) || outcome.of("cuts") == 4, "{outcome}");
}

/// The first call of each kind; `faults crash-points` goes through all.
#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed_at_a_write() {
    let outcome = crash_points::run(&plan(1)).unwrap();
    assert!(!held("crash-points", &outcome) || outcome.of("points") > 10, "{outcome}");
}

#[test]
fn nothing_is_acknowledged_after_a_write_has_failed() {
    let outcome = disk_errors::run(&plan(1)).unwrap();
    held("disk-errors", &outcome);
}
