//! The main path: statements in, blocks decided, checkpoints published.

use kvitto_ledger::{KeyBytes, PublicKey, Signature};
use kvitto_merkle::note::{SignatureType, VerifierKey, verify_note};
use kvitto_merkle::{Checkpoint, Note};
use kvitto_replica::testing::{Cluster, Statements, all_executed};
use kvitto_replica::{Input, Peer};

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
fn the_published_note_carries_a_log_line_and_a_quorum_of_cosignatures() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(2, statement);
    assert!(cluster.run_for(5_000, |cluster| cluster.nodes[2].finals.contains(&id)));
    cluster.run_ms(15_000);
    let note: Note = cluster.nodes[2].published.as_ref().expect("published").1.parse().expect("a note");
    let header = &cluster.nodes[2].state.newest().header;
    let checkpoint: Checkpoint = note.text().parse().expect("a checkpoint");
    assert_eq!((checkpoint.size, checkpoint.root), (header.tree_size, header.log_root));
    let config = &cluster.world.genesis.config;
    let name = |name: &str| name.parse().expect("a name");
    let cosigners = config.members.iter().map(|member| {
        VerifierKey::new(name(&member.name), SignatureType::CosignatureV1, member.cosignature.key.0)
    });
    let origin = name(&cluster.world.genesis.origin);
    let log = VerifierKey::new(origin, SignatureType::Ed25519, config.members[2].log.key.0);
    let keys: Vec<_> = cosigners.chain([log]).collect();
    let verify = |key: &[u8; 32], message: &[u8], signature: &[u8; 64]| {
        PublicKey::new(&KeyBytes(*key)).is_ok_and(|key| key.verifies(message, &Signature(*signature)))
    };
    let verified = verify_note(&note, &keys, &verify).expect("every line verifies");
    let times: Vec<_> = verified.iter().flat_map(|signer| &signer.times_s).collect();
    assert_eq!(verified.len() - times.len(), 1, "one line of the log");
    assert_eq!(times.len(), 4);
    // Made anew every 10 s, though nothing happens: the third largest timestamp counts (RULES 3.3).
    let mut times = times;
    times.sort_unstable();
    assert!(cluster.now.seconds() - times[1] <= 11, "{times:?} at {}", cluster.now.seconds());
}

/// Votes are repeated every two seconds; who meets again need not wait for that.
#[test]
fn halves_that_meet_again_decide_soon() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    let pairs = [(0, 2), (0, 3), (1, 2), (1, 3)].map(|(one, other)| [(one, other), (other, one)]).concat();
    cluster.cut.extend(&pairs);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement.clone());
    cluster.submit(2, statement);
    assert!(!cluster.run_for(15_000, |cluster| cluster.height().0 > 0), "no half has a quorum");
    cluster.cut.clear();
    for (one, other) in pairs {
        let peer = Peer(u32::try_from(other).expect("few"));
        cluster.input(one, Input::PeerUp(peer));
    }
    // A round that comes to nothing ends a second after its votes are known, and the next one decides.
    assert!(cluster.run_for(1_500, |cluster| all_executed(cluster, &[id])), "decided by repeated votes");
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
