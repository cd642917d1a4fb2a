//! Catching up: wiped members, members that were away, and peers that serve nonsense.

use std::cell::Cell;
use std::rc::Rc;

use kvitto_ledger::testing::MemoryState;
use kvitto_ledger::{Height, StatementId};
use kvitto_replica::Fault;
use kvitto_replica::testing::{Cluster, Liar, Statements, all_executed};

fn wipe(cluster: &mut Cluster, index: usize) {
    cluster.kill(index);
    let node = &mut cluster.nodes[index];
    node.state = MemoryState::new(&cluster.world.genesis);
    node.certificates.truncate(1);
    node.journal.clear();
    node.guard = None;
}

/// Submits so many statements, one after another, to one member after another.
fn submit_some(cluster: &mut Cluster, statements: &mut Statements, count: usize) -> Vec<StatementId> {
    let mut submit = |n| {
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(n % 4, statement);
        cluster.run_ms(100);
        id
    };
    (0..count).map(&mut submit).collect()
}

#[test]
fn a_wiped_member_catches_up_and_signs_only_when_that_is_safe() {
    let mut cluster = Cluster::new(4, 4);
    let mut statements = Statements::new(&cluster);
    let ids = submit_some(&mut cluster, &mut statements, 40);
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
    let ids = submit_some(&mut cluster, &mut statements, 10);
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

/// A wiped member catches up although the peer that it asks first does this with the blocks that it should serve.
fn check_served(claimed: u64, serves: bool) {
    let mut cluster = Cluster::new(4, 6);
    let mut statements = Statements::new(&cluster);
    let ids = submit_some(&mut cluster, &mut statements, 10);
    wipe(&mut cluster, 3);
    let liar = Liar::new(&mut cluster, 0);
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    cluster.tamper = Some(Box::new(move |wire| {
        if wire.from == 0 && wire.topic.is_none() && wire.bytes[1] == 65 {
            count.set(count.get() + 1);
            if !serves {
                wire.bytes.clear();
            }
        }
    }));
    cluster.start(3);
    for _ in 0..20 {
        liar.claim(&mut cluster, 3, Height(claimed));
        cluster.run_ms(1_000);
    }
    assert!(all_executed(&cluster, &ids), "{claimed} {serves}");
    assert!(asked.get() > 0, "{claimed} {serves}: it was asked");
    // It takes part again: after the block that ends its observation, another one needs its vote.
    for killed in [None, Some(2)] {
        killed.into_iter().for_each(|killed| cluster.kill(killed));
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(1, statement);
        assert!(cluster.run_for(30_000, |cluster| cluster.nodes[1].finals.contains(&id)), "{killed:?}");
        cluster.run_ms(1_000);
    }
}

#[test]
fn a_peer_that_is_silent_or_claims_more_than_it_has_keeps_nobody_from_catching_up() {
    check_served(1, false);
    check_served(1_000_000, true);
    check_served(1_000_000, false);
}

/// The push is lost, and so are blocks served after the decision: the body is pulled, and the member votes.
#[test]
fn a_body_that_is_not_pushed_is_pulled() {
    let mut cluster = Cluster::new(4, 2);
    let mut statements = Statements::new(&cluster);
    cluster.kill(0);
    cluster.tamper = Some(Box::new(|wire| {
        if wire.to == 3 && wire.topic.is_none() && matches!(wire.bytes[1], 48 | 65) {
            wire.bytes.clear();
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(1, statement);
    assert!(cluster.run_for(5_000, |cluster| all_executed(cluster, &[id])), "its vote is needed");
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
