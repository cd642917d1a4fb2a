//! Members that lie, and what becomes of it.

use std::cell::RefCell;
use std::rc::Rc;

use kvitto_ledger::Height;
use kvitto_ledger::testing::{DAY_MS, HOUR_MS, YEAR_MS};
use kvitto_merkle::Hash;
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Statements, all_executed};
use kvitto_replica::{Evidence, Fault, Topic};

#[test]
fn a_tampered_body_gets_nil_votes_and_the_next_proposer_decides() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    // Height 1, round 0 is proposed by member 1: every body that it sends is changed on the way.
    cluster.tamper = Some(Box::new(|wire| {
        let is_body = wire.topic.is_none() && matches!(wire.bytes[1], 48 | 64) && wire.bytes.len() > 200;
        if wire.from == 1 && is_body {
            let last = wire.bytes.len() - 1;
            wire.bytes[last] ^= 1;
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[id])));
    assert!(cluster.witness.nil_prevotes >= 3);
    assert!(cluster.witness.rounds[&Height(1)] >= 1);
}

/// Sends half of the members another proposal for the same round, as valid as the first.
#[test]
fn an_equivocating_proposer_is_found_out_and_does_not_split_the_others() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(4, seed);
        let mut statements = Statements::new(&cluster);
        let liar = Liar::new(&mut cluster, 1);
        let forged = liar.proposal(0, None, &liar.empty_block(&cluster, 1));
        let seen = Rc::new(RefCell::new(0));
        let sent = Rc::clone(&seen);
        cluster.tamper = Some(Box::new(move |wire| {
            let own_proposal =
                wire.topic == Some(Topic::Consensus) && wire.bytes[1] == 17 && wire.bytes[3] == 0;
            if wire.from == 1 && own_proposal && wire.to >= 2 {
                // Members 2 and 3 get the other one; member 3 gets it besides, in place of a later copy.
                *sent.borrow_mut() += 1;
                *wire.bytes = forged.clone();
            }
        }));
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(0, statement);
        assert!(cluster.run_for(30_000, |cluster| all_executed(cluster, &[id])), "seed {seed}");
        assert!(*seen.borrow() > 0, "seed {seed}");
        for node in &cluster.nodes {
            assert_eq!(node.halted, None);
        }
    }
}

#[test]
fn both_proposals_of_a_liar_are_kept_as_evidence() {
    let mut cluster = Cluster::new(4, 2);
    let mut statements = Statements::new(&cluster);
    let liar = Liar::new(&mut cluster, 1);
    let forged = liar.proposal(0, None, &liar.empty_block(&cluster, 1));
    cluster.submit(0, statements.next());
    cluster.run_for(1_000, |cluster| {
        cluster.nodes[2].replica.as_ref().is_some_and(|replica| replica.status().round.is_some())
    });
    liar.tell(&mut cluster, 2, Topic::Consensus, forged);
    cluster.run_ms(10_000);
    assert_eq!(cluster.nodes[2].evidence.len(), 1);
    let Evidence::Messages { member, point, messages } = &cluster.nodes[2].evidence[0] else {
        panic!("{:?}", cluster.nodes[2].evidence);
    };
    assert_eq!((*member, *point), (1, Point { height: Height(1), round: 0, step: Step::Proposal }));
    assert_ne!(messages.first, messages.second);
}

/// Everybody knows the value, and that it is valid, from its first proposal on; yet its time is a reason to prevote nil each time
/// that it is proposed anew. Otherwise one member could drive block time so far ahead that nobody may propose any more.
#[test]
fn a_block_from_the_far_future_is_never_decided_however_often_it_is_proposed() {
    let mut cluster = Cluster::new(4, 3);
    let mut statements = Statements::new(&cluster);
    let liar = Liar::new(&mut cluster, 1);
    let future = liar.empty_block(&cluster, HOUR_MS);
    let forged: Vec<_> = (0..12).map(|round| liar.proposal(round, None, &future)).collect();
    let rounds = Rc::new(RefCell::new(Vec::new()));
    let proposed = Rc::clone(&rounds);
    cluster.tamper = Some(Box::new(move |wire| {
        if wire.topic != Some(Topic::Consensus) || wire.bytes[1] != 17 || wire.bytes[3] > 8 {
            return;
        }
        if wire.from == 1 {
            let round = wire.bytes[3];
            proposed.borrow_mut().push(round);
            *wire.bytes = forged[usize::from(round)].clone();
        } else {
            wire.bytes.clear();
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(200_000, |cluster| all_executed(cluster, &[id])));
    assert!(rounds.borrow().contains(&0) && rounds.borrow().contains(&4) && rounds.borrow().contains(&8));
    assert!(cluster.nodes[0].state.newest().header.time <= cluster.now);
}

/// While a height is idle, a proposal for which the liar has left no room is not kept. It used to be remembered as seen all the
/// same, so that it was not judged by the clock when it came again: one member could have a block of any time decided, and after
/// one from far ahead no proposer's clock ever passes it.
#[test]
fn a_block_from_the_far_future_is_held_back_though_its_first_copy_was_dropped() {
    let mut cluster = Cluster::new(4, 3);
    let mut statements = Statements::new(&cluster);
    let liar = Liar::new(&mut cluster, 1);
    let future = liar.proposal(0, None, &liar.empty_block(&cluster, YEAR_MS));
    let mute = |to| (1, to);
    cluster.cut.extend([0, 2, 3].map(mute));
    let steps = [Step::Prevote, Step::Precommit];
    let points = (0..12).flat_map(|round| steps.map(|step| Point { height: Height(1), round, step }));
    let fill = points.map(|point| liar.vote(point, None));
    let told: Vec<_> = fill.chain([future.clone(), future]).collect();
    for bytes in told {
        for honest in [0, 2, 3] {
            liar.tell(&mut cluster, honest, Topic::Consensus, bytes.clone());
        }
    }
    cluster.run_ms(10_000);
    assert_eq!(cluster.height(), Height(0), "one member alone starts nothing");
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    let done = cluster.run_for(30_000, |cluster| cluster.nodes[0].finals.contains(&id));
    assert!(done, "{}", cluster.nodes[0].state.newest().header.time);
    assert!(cluster.nodes[0].state.newest().header.time <= cluster.now);
}

/// Everything a liar may say about trees is signed by it alone: the others go on, each with proof of what it did.
#[test]
fn a_member_that_cosigns_two_trees_is_caught_by_everyone_and_stops_nobody() {
    let mut cluster = Cluster::new(4, 5);
    let mut statements = Statements::new(&cluster);
    let liar = Liar::new(&mut cluster, 1);
    cluster.submit(0, statements.next());
    assert!(cluster.run_for(10_000, |cluster| cluster.nodes.iter().all(|node| node.published.is_some())));
    cluster.run_ms(1_000);
    let header = cluster.nodes[0].state.newest().header.clone();
    for root in 0..50 {
        let size = 1 + u64::from(root) % header.tree_size;
        let head = Head { height: header.height, size, root: Hash([root; 32]) };
        let bytes = liar.cosignature(head, cluster.now.seconds()).encode();
        for honest in [0, 2, 3] {
            liar.tell(&mut cluster, honest, Topic::Cosignatures, bytes.clone());
        }
    }
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(2, statement);
    assert!(cluster.run_for(10_000, |cluster| cluster.nodes[2].finals.contains(&id)));
    for honest in [0, 2, 3] {
        let caught = &cluster.nodes[honest].evidence;
        assert!((1..=8).contains(&caught.len()), "{} proofs for {} sizes", caught.len(), header.tree_size);
        for evidence in caught {
            let Evidence::Heads { member: 1, heads } = evidence else { panic!("{evidence:?}") };
            assert_eq!(heads.smaller.key, heads.larger.key);
        }
    }
}

/// With one member gone, the quorum needs the other three; one of them cosigns for tomorrow, which no verifier counts.
#[test]
fn a_cosignature_of_tomorrow_makes_nothing_final() {
    let mut cluster = Cluster::new(4, 5);
    let mut statements = Statements::new(&cluster);
    let liar = Liar::new(&mut cluster, 1);
    cluster.kill(3);
    // Its own, honest ones do not get through.
    cluster.tamper = Some(Box::new(|wire| {
        if wire.from == 1 && wire.topic == Some(Topic::Cosignatures) {
            wire.bytes.clear();
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(10_000, |cluster| all_executed(cluster, &[id])));
    let header = cluster.nodes[0].state.newest().header.clone();
    let head = Head { height: header.height, size: header.tree_size, root: header.log_root };
    for at_s in [cluster.now.seconds() + DAY_MS / 1000, 0] {
        let bytes = liar.cosignature(head, at_s).encode();
        liar.tell(&mut cluster, 0, Topic::Cosignatures, bytes);
    }
    cluster.run_ms(30_000);
    assert!(!cluster.nodes[0].finals.contains(&id));
    assert!(cluster.nodes[0].faults.contains(&Fault::CosignatureTime));
    cluster.tamper = None;
    assert!(cluster.run_for(15_000, |cluster| cluster.nodes[0].finals.contains(&id)));
}
