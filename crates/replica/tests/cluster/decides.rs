//! The main path: statements in, blocks decided, checkpoints published.

use kvitto_replica::testing::Cluster;

use crate::support::{Statements, all_executed};

fn check_decides(members: usize) {
    let mut cluster = Cluster::new(members, 1);
    let mut statements = Statements::new(&cluster);
    for n in 0..10 {
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(n % members, statement);
        let done = cluster.run_for(5_000, |cluster| cluster.nodes[n % members].finals.contains(&id));
        assert!(done, "statement {n} of {members} members is final");
        assert!(cluster.run_for(1_000, |cluster| all_executed(cluster, &[id])));
    }
    for node in &cluster.nodes {
        assert_eq!(node.faults, []);
        assert_eq!(node.halted, None);
    }
    assert!(cluster.witness.rounds.values().all(|round| *round == 0), "{:?}", cluster.witness.rounds);
    // Nothing to order, no blocks.
    let height = cluster.height();
    cluster.run_ms(60_000);
    assert_eq!(cluster.height(), height);
}

#[test]
fn one_member_decides() {
    check_decides(1);
}

#[test]
fn four_members_decide() {
    check_decides(4);
}

#[test]
fn seven_members_decide() {
    check_decides(7);
}
