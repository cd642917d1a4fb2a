//! Members that lie, and what becomes of it.

use std::cell::RefCell;
use std::rc::Rc;

use kvitto_ledger::testing::{MemoryState, World};
use kvitto_ledger::{Header, Height, TimeMs, execute};
use kvitto_replica::Topic;
use kvitto_replica::testing::{Cluster, Statements, all_executed};

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
        cluster.witness.liars.insert(1);
        let world = cluster.world.clone();
        let forged = forge_proposal(&world, 1, 0, &empty_block(&cluster, 1));
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

/// The bytes of a proposal of a new value by this member, signed with its key.
fn forge_proposal(world: &World, member: usize, round: u32, header: &Header) -> Vec<u8> {
    let key = &world.members[member].consensus;
    let public = key.public().bytes();
    let mut message = [&b"kvitto/proposal/v1\0"[..], &world.ledger_id.0].concat();
    message.extend(header.height.0.to_be_bytes());
    message.extend(round.to_be_bytes());
    message.push(0);
    message.extend(header.id().0);
    message.extend(public.0);
    let content = (round, header, None::<u32>, public, key.sign(&message));
    [&[1, 17][..], &kvitto_ledger::codec::encode(&content)].concat()
}

#[test]
fn both_proposals_of_a_liar_are_kept_as_evidence() {
    let mut cluster = Cluster::new(4, 2);
    let mut statements = Statements::new(&cluster);
    cluster.witness.liars.insert(1);
    let world = cluster.world.clone();
    let forged = forge_proposal(&world, 1, 0, &empty_block(&cluster, 1));
    cluster.submit(0, statements.next());
    cluster.run_for(1_000, |cluster| {
        cluster.nodes[2].replica.as_ref().is_some_and(|replica| replica.status().round.is_some())
    });
    let gossip = kvitto_replica::Input::Gossip {
        topic: Topic::Consensus,
        from: kvitto_replica::Peer(1),
        token: kvitto_replica::VerdictToken(0),
        bytes: forged.into(),
    };
    cluster.input(2, gossip);
    cluster.run_ms(10_000);
    assert_eq!(cluster.nodes[2].evidence.len(), 1);
    let evidence =
        kvitto_replica::codec::Evidence::decode(&cluster.nodes[2].evidence[0]).expect("its own bytes");
    assert_ne!(evidence.first, evidence.second);
}

/// The header of a valid block 1 without statements, this far ahead of true time.
fn empty_block(cluster: &Cluster, ahead_ms: u64) -> Header {
    let genesis = &cluster.world.genesis;
    let state = MemoryState::new(genesis);
    let time = TimeMs(cluster.now.0 + ahead_ms);
    execute::build(&state, &genesis.config, time, []).expect("memory is readable").block.header
}

/// Everybody knows the value, and that it is valid, from its first proposal on; yet its time is a reason to prevote nil each time
/// that it is proposed anew. Otherwise one member could drive block time so far ahead that nobody may propose any more.
#[test]
fn a_block_from_the_far_future_is_never_decided_however_often_it_is_proposed() {
    let mut cluster = Cluster::new(4, 3);
    let mut statements = Statements::new(&cluster);
    cluster.witness.liars.insert(1);
    let world = cluster.world.clone();
    let future = empty_block(&cluster, 3_600_000);
    let forged: Vec<_> = (0..12).map(|round| forge_proposal(&world, 1, round, &future)).collect();
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
