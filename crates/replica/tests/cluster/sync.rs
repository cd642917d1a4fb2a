//! Catching up: wiped members, members that were away, and peers that serve nonsense.

use std::cell::Cell;
use std::rc::Rc;

use kvitto_ledger::{Header, Height, StatementId};
use kvitto_replica::codec::{BlockParts, encode_blocks};
use kvitto_replica::testing::{Cluster, Liar, Statements, all_executed};
use kvitto_replica::{Fault, Peer, Standing, Topic};

/// Nothing is left of a member, not even its guard.
fn lose(cluster: &mut Cluster, index: usize) {
    cluster.wipe(index);
    cluster.nodes[index].guard = None;
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
    lose(&mut cluster, 3);
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

/// The members' stores are damaged and begun anew, as many at once as make a quorum impossible; their guards are intact.
#[test]
fn members_with_damaged_stores_sign_again_once_they_have_what_they_had() {
    let mut cluster = Cluster::new(4, 5);
    let mut statements = Statements::new(&cluster);
    let mut ids = Vec::new();
    for n in 0..20 {
        let statement = statements.next();
        ids.push(statement.id());
        cluster.submit(n % 4, statement);
        cluster.run_ms(100);
    }
    cluster.run_ms(1_000);
    let lost = cluster.height();
    for member in [2, 3] {
        cluster.wipe(member);
        cluster.nodes[member].standing = Some(Standing::CatchingUp(lost));
        cluster.start(member);
    }
    let observes = |cluster: &Cluster, member: usize| {
        cluster.nodes[member].replica.as_ref().is_some_and(|replica| replica.status().observing)
    };
    assert!(observes(&cluster, 2) && observes(&cluster, 3));
    let caught_up = cluster.run_for(5_000, |cluster| {
        for member in [2, 3] {
            let has_all = cluster.nodes[member].height() >= lost;
            assert!(has_all || observes(cluster, member), "it signs before it has what it had");
        }
        all_executed(cluster, &ids)
    });
    assert!(caught_up);
    cluster.run_ms(100);
    assert!(!observes(&cluster, 2) && !observes(&cluster, 3));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(10_000, |cluster| all_executed(cluster, &[id])), "the ledger goes on");
}

/// A wrong installation has taken more guards than the ledger can do without: no later block ends the observation, because none
/// is decided. Then the operators must say that they know, all of them.
#[test]
fn when_too_many_guards_are_lost_the_ledger_stands_until_the_operators_vouch() {
    let mut cluster = Cluster::new(4, 6);
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let first = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(5_000, |cluster| all_executed(cluster, &[first])));
    for member in 0..4 {
        cluster.kill(member);
        cluster.nodes[member].guard = None;
    }
    (0..4).for_each(|member| cluster.start(member));
    let statement = statements.next();
    let second = statement.id();
    cluster.submit(0, statement.clone());
    cluster.run_ms(60_000);
    assert!(!all_executed(&cluster, &[second]), "nobody signs");
    for member in 0..4 {
        cluster.kill(member);
        cluster.nodes[member].standing = Some(Standing::Signing);
    }
    (0..4).for_each(|member| cluster.start(member));
    cluster.submit(0, statement);
    assert!(cluster.run_for(10_000, |cluster| all_executed(cluster, &[second])));
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
    lose(&mut cluster, 3);
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

/// The others cosign a tree again only every 10 s, and nobody writes; what they say while it catches up is of a tree far ahead of it.
#[test]
fn a_wiped_member_shows_readers_the_newest_tree_as_soon_as_it_has_it() {
    let mut cluster = Cluster::new(4, 6);
    let mut statements = Statements::new(&cluster);
    let ids = submit_some(&mut cluster, &mut statements, 10);
    assert!(cluster.run_for(5_000, |cluster| all_executed(cluster, &ids)));
    cluster.run_ms(1_000);
    let newest = cluster.nodes[0].height();
    cluster.wipe(3);
    cluster.nodes[3].standing = Some(Standing::CatchingUp(newest));
    let behind = Rc::new(Cell::new(true));
    let lost = Rc::clone(&behind);
    cluster.tamper = Some(Box::new(move |wire| {
        if wire.to == 3 && wire.topic == Some(Topic::Cosignatures) && lost.get() {
            wire.bytes.clear();
        }
    }));
    cluster.start(3);
    assert!(cluster.run_for(5_000, |cluster| cluster.nodes[3].height() == newest));
    behind.set(false);
    let shown = |cluster: &Cluster| cluster.nodes[3].published.as_ref().map(|(height, _)| *height);
    assert!(cluster.run_for(1_000, |cluster| shown(cluster) == Some(newest)), "{:?}", shown(&cluster));
}

/// Blocks as a member serves them, each with its certificate and body.
type Served = Vec<(Header, Vec<u8>, Vec<u8>)>;

/// A wiped member believes none of what the two peers make of their blocks that it asks first, says who they are, and catches up.
fn check_lie(what: &str, lie: fn(&mut Served)) {
    let mut cluster = Cluster::new(4, 6);
    let mut statements = Statements::new(&cluster);
    let ids = submit_some(&mut cluster, &mut statements, 4);
    lose(&mut cluster, 3);
    let node = &cluster.nodes[2];
    let blocks = node.state.blocks.iter().zip(&node.certificates).skip(1);
    let mut served: Served = blocks
        .map(|(block, certificate)| (block.header.clone(), certificate.to_vec(), block.body.encode()))
        .collect();
    lie(&mut served);
    let parts = served.iter().map(|(header, certificate, body)| BlockParts { header, certificate, body });
    let lies = encode_blocks(&parts.collect::<Vec<_>>());
    cluster.tamper = Some(Box::new(move |wire| {
        if wire.from < 2 && wire.to == 3 && wire.topic.is_none() && wire.bytes[1] == 65 {
            wire.bytes.clone_from(&lies);
        }
    }));
    cluster.start(3);
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &ids)), "{what}");
    let node = &cluster.nodes[3];
    assert!(
        node.blamed.contains(&Peer(0)) && node.faults.contains(&Fault::Blocks),
        "{what}: {:?}",
        node.faults
    );
    assert!(!node.blamed.contains(&Peer(2)), "{what}: {:?}", node.blamed);
}

#[test]
fn a_peer_that_lies_about_blocks_is_refused_and_named() {
    check_lie("another body", |blocks| blocks[0].2 = blocks[1].2.clone());
    check_lie("no body", |blocks| blocks[0].2.clear());
    check_lie("another block's certificate", |blocks| blocks[0].1 = blocks[1].1.clone());
    check_lie("no certificate", |blocks| blocks[0].1.clear());
    check_lie("another time", |blocks| blocks[0].0.time.0 += 1);
    check_lie("another log", |blocks| blocks[0].0.log_root.0[0] ^= 1);
    check_lie("a block left out", |blocks| drop(blocks.remove(0)));
    check_lie("a block twice", |blocks| blocks[1] = blocks[0].clone());
    check_lie("out of order", |blocks| blocks.swap(0, 1));
}

/// A wiped member catches up although the peer that it asks first does this with the blocks that it should serve.
fn check_served(claimed: u64, serves: bool) {
    let mut cluster = Cluster::new(4, 6);
    let mut statements = Statements::new(&cluster);
    let ids = submit_some(&mut cluster, &mut statements, 10);
    lose(&mut cluster, 3);
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
