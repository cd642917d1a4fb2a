//! Catching up: wiped members, members that were away, and peers that serve nonsense.

use kvitto_ledger::testing::MemoryState;
use kvitto_replica::Fault;
use kvitto_replica::testing::{Cluster, Statements, all_executed};

fn wipe(cluster: &mut Cluster, index: usize) {
    cluster.kill(index);
    let node = &mut cluster.nodes[index];
    node.state = MemoryState::new(&cluster.world.genesis);
    node.certificates.truncate(1);
    node.journal.clear();
    node.guard = None;
}

#[test]
fn a_wiped_member_catches_up_and_signs_only_when_that_is_safe() {
    let mut cluster = Cluster::new(4, 4);
    let mut statements = Statements::new(&cluster);
    let mut ids = Vec::new();
    for n in 0..40 {
        let statement = statements.next();
        ids.push(statement.id());
        cluster.submit(n % 4, statement);
        cluster.run_ms(100);
    }
    wipe(&mut cluster, 3);
    cluster.start(3);
    assert!(cluster.run_for(5_000, |cluster| all_executed(cluster, &ids)));
    let observing = |cluster: &Cluster| {
        cluster.nodes[3].replica.as_ref().is_some_and(|replica| replica.status().observing)
    };
    assert!(observing(&cluster));
    // Blocks whose time is more than 10 s after its start end the observation.
    cluster.run_ms(11_000);
    assert!(observing(&cluster), "time alone does not end it");
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(10_000, |cluster| all_executed(cluster, &[id])));
    cluster.run_ms(100);
    assert!(!observing(&cluster));
    cluster.kill(0);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(1, statement);
    assert!(
        cluster.run_for(20_000, |cluster| cluster.nodes[1].finals.contains(&id)),
        "its vote counts again"
    );
}

#[test]
fn a_member_that_was_away_catches_up() {
    let mut cluster = Cluster::new(4, 8);
    let mut statements = Statements::new(&cluster);
    cluster.kill(2);
    let mut ids = Vec::new();
    for _ in 0..12 {
        let statement = statements.next();
        ids.push(statement.id());
        cluster.submit(0, statement);
        cluster.run_ms(2_500);
    }
    cluster.start(2);
    assert!(cluster.run_for(3_000, |cluster| all_executed(cluster, &ids)));
}

#[test]
fn blocks_that_are_served_wrong_are_not_believed() {
    let mut cluster = Cluster::new(4, 6);
    let mut statements = Statements::new(&cluster);
    let mut ids = Vec::new();
    for n in 0..10 {
        let statement = statements.next();
        ids.push(statement.id());
        cluster.submit(n % 4, statement);
        cluster.run_ms(100);
    }
    wipe(&mut cluster, 3);
    // Members 0 and 1 serve blocks with a certificate that is not one.
    cluster.tamper = Some(Box::new(|wire| {
        if wire.from < 2 && wire.topic.is_none() && wire.bytes[1] == 65 {
            let at = wire.bytes.len().min(420);
            wire.bytes[at - 1] ^= 1;
        }
    }));
    cluster.start(3);
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &ids)));
    let told =
        cluster.nodes[3].faults.iter().any(|fault| matches!(fault, Fault::Blocks | Fault::Malformed(_)));
    assert!(told, "{:?}", cluster.nodes[3].faults);
}

#[test]
fn a_block_whose_body_never_came_is_fetched() {
    let mut cluster = Cluster::new(4, 2);
    let mut statements = Statements::new(&cluster);
    // Member 3 gets no body, neither pushed nor pulled.
    cluster.tamper = Some(Box::new(|wire| {
        if wire.to == 3 && wire.topic.is_none() && matches!(wire.bytes[1], 48 | 64) {
            wire.bytes.clear();
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(3_000, |cluster| all_executed(cluster, &[id])));
}
