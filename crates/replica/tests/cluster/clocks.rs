//! RULES 2.1: a clock is no part of validity.

use kvitto_replica::Topic;
use kvitto_replica::testing::{Cluster, Statements, all_executed};

fn check_clock(ahead_ms: i64) {
    let mut cluster = Cluster::new(4, 11);
    cluster.nodes[2].clock_ahead_ms = ahead_ms;
    let mut statements = Statements::new(&cluster);
    for n in 0..8 {
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(n % 4, statement);
        assert!(
            cluster.run_for(30_000, |cluster| cluster.nodes[n % 4].finals.contains(&id)),
            "{ahead_ms}: {n}"
        );
        assert!(cluster.run_for(10_000, |cluster| all_executed(cluster, &[id])), "{ahead_ms}: {n}");
    }
    let nil_prevotes = cluster.witness.nil_prevotes;
    assert!(nil_prevotes > 0, "{ahead_ms}: the member held values back");
    for node in &cluster.nodes {
        assert_eq!(node.halted, None);
        assert_eq!(node.faults, []);
    }
}

#[test]
fn a_member_whose_clock_is_six_seconds_ahead_does_not_stop_the_others() {
    check_clock(6_000);
}

#[test]
fn a_member_whose_clock_is_six_seconds_behind_does_not_stop_the_others() {
    check_clock(-6_000);
}

#[test]
fn a_clock_within_five_seconds_is_not_noticed() {
    let mut cluster = Cluster::new(4, 11);
    cluster.nodes[2].clock_ahead_ms = -4_000;
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(5_000, |cluster| all_executed(cluster, &[id])));
    assert_eq!(cluster.witness.nil_prevotes, 0);
}

/// All lock a value, and the precommits are lost for 30 s; member 3 sees nothing of it until then.
#[test]
fn a_locked_value_is_proposed_again_after_thirty_seconds() {
    let mut cluster = Cluster::new(4, 5);
    let mut statements = Statements::new(&cluster);
    let began = cluster.now;
    for other in 0..3 {
        cluster.cut.insert((other, 3));
        cluster.cut.insert((3, other));
    }
    cluster.tamper = Some(Box::new(|wire| {
        // A vote's kind is 16; after the head of its array comes its type, 2 for a precommit.
        if wire.topic == Some(Topic::Consensus) && wire.bytes[1] == 16 && wire.bytes[3] == 2 {
            wire.bytes.clear();
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    cluster.run_ms(30_000);
    assert_eq!(cluster.height().0, 0);
    cluster.tamper = None;
    cluster.cut.clear();
    let nil_prevotes = cluster.witness.nil_prevotes;
    assert!(cluster.run_for(30_000, |cluster| all_executed(cluster, &[id])));
    let header = &cluster.nodes[0].state.newest().header;
    assert!(header.time.0 < began.0 + 5_000, "the value of the beginning was decided");
    assert_eq!(cluster.witness.nil_prevotes, nil_prevotes, "nobody judged it by its clock again");
}
