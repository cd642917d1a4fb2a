//! Whole nodes under everything at once, from one seed; and the proof that this would notice.
//!
//! Goal: what members promise each other and their clients holds whatever happens, and a ledger whose faults have ended goes on.
//! Method: [`kvitto_tests::sim`], whose invariants look at every message, block, checkpoint and answer. 330 seeds by default, in
//! every second of which as many members lie as may; `cargo run --release -p kvitto-tests --bin sim -- N` runs more.
//! The controls break one promise below the ledger at a time: a simulation that does not notice that would notice nothing.

use kvitto_replica::testing::Disks;
use kvitto_tests::sim::{Setting, Strategy, run};

/// Seeds within which a control must be noticed.
const CONTROL_SEEDS_MAX: u64 = 1_000;

/// The seeds to run: those of `KVITTO_SEEDS`, written `FROM..TO`, or the first few.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("KVITTO_SEEDS").ok();
    let parse = |text: &str| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    wanted.map_or(0..count, |text| parse(&text).expect("KVITTO_SEEDS is FROM..TO"))
}

fn check_seeds(members: usize, count: u64) {
    let mut finals = 0;
    for seed in seeds(count) {
        let mut setting = Setting::new(members, 0);
        setting.liars = if seed % 2 == 1 { setting.faulty_max() } else { 0 };
        let run = run(&setting, seed);
        if let Some(violation) = run.violation {
            panic!("{members} members, seed {seed}: {violation}");
        }
        finals += run.finals;
    }
    assert!(finals > count, "hardly anything became final: {finals} statements");
}

#[test]
fn four_members_survive_everything_at_once() {
    check_seeds(4, 150);
}

#[test]
fn seven_members_survive_everything_at_once() {
    check_seeds(7, 150);
}

#[test]
fn one_member_survives_everything_at_once() {
    check_seeds(1, 30);
}

#[test]
fn a_seed_repeats_itself_to_the_last_byte() {
    for (members, seed) in [(4, 7), (4, 8), (7, 9)] {
        let setting = Setting::new(members, usize::from(seed % 2 == 1));
        let first = run(&setting, seed);
        assert_ne!(first.trace, run(&setting, seed + 2).trace);
        assert_eq!(first, run(&setting, seed));
    }
}

#[test]
fn whoever_says_two_things_is_proved_to_have_done_so() {
    let setting = Setting { strategy: Some(Strategy::Equivocate), ..Setting::new(4, 1) };
    for seed in 0..10 {
        let run = run(&setting, seed);
        assert_eq!(run.violation, None, "seed {seed}");
        assert!(run.evidence > 0, "seed {seed}: a liar told everybody two things, and nobody has proof");
    }
}

/// Runs seeds until something does not hold, which must be one of the invariants named.
fn check_control(setting: Setting, expected: &[&str]) {
    let mut found = (0..CONTROL_SEEDS_MAX).filter_map(|seed| run(&setting, seed).violation);
    let noticed = found.find(|violation| expected.contains(&violation.invariant));
    assert!(noticed.is_some(), "nothing was noticed in {CONTROL_SEEDS_MAX} seeds: {setting:?}");
}

fn with_disks(disks: Disks) -> Setting {
    Setting { disks, ..Setting::new(4, 0) }
}

/// More liars than may be: the honest members disagree.
#[test]
fn one_liar_too_many_is_noticed() {
    let setting = Setting { strategy: Some(Strategy::SplitVotes), ..Setting::new(4, 2) };
    check_control(setting, &["agreement"]);
}

/// The guard still keeps members from saying two things, so they fall silent.
#[test]
fn a_journal_that_forgets_is_noticed() {
    check_control(with_disks(Disks { journal: false, ..Disks::default() }), &["nobody falls silent"]);
}

#[test]
fn a_guard_that_forgets_is_noticed() {
    let forgetful = Disks { guard: false, journal: false, ..Disks::default() };
    check_control(with_disks(forgetful), &["no honest double vote"]);
    let forgetful = Disks { guard: false, ..Disks::default() };
    check_control(with_disks(forgetful), &["no honest double vote", "no honest cosignature of two trees"]);
}

/// What was acknowledged is gone after a crash.
#[test]
fn a_sync_that_does_nothing_is_noticed() {
    check_control(with_disks(Disks { sync: false, ..Disks::default() }), &["final is durable"]);
}
