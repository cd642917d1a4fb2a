//! Everything at once: loss, doubling, reordering, partitions, crashes at any effect, clocks that are off, and a member that lies.
//! Then faults end, and it must heal. `KVITTO_SEEDS=17..18` repeats one seed, `0..1000` runs many.
//!
//! Goal: what members promise each other holds whatever happens, and a ledger whose faults have ended goes on. Method: whole
//! replicas in memory, virtual time, one seed; `Witness` asserts the promises at every step. 250 seeds by default.

use kvitto_ledger::{HeaderId, Height};
use kvitto_replica::signer::{Head, Point, Step};
use kvitto_replica::testing::{Cluster, Liar, Network, Statements, all_executed};
use kvitto_replica::{Evidence, Fault, Topic};

/// What one seed does to so many members, of which the last may lie.
fn check_seed(members: usize, lies: bool, seed: u64) {
    let mut cluster = Cluster::new(members, seed);
    let liar = lies.then(|| Liar::new(&mut cluster, members - 1));
    cluster.network = Network::BAD;
    for node in 0..members {
        cluster.nodes[node].clock_ahead_ms = cluster.random.below(4_000) as i64 - 2_000;
    }
    let mut statements = Statements::new(&cluster);
    let mut made = Vec::new();
    for _ in 0..30 {
        let chosen = cluster.random.below(members as u64) as usize;
        let other = cluster.random.below(members as u64) as usize;
        match cluster.random.below(8) {
            0 if cluster.nodes[chosen].replica.is_some() => {
                cluster.nodes[chosen].dies_in = Some(cluster.random.below(60));
            }
            1 => {
                cluster.cut.insert((chosen, other));
            }
            2 => cluster.cut.clear(),
            _ => {}
        }
        let statement = statements.next();
        made.push(statement.clone());
        cluster.submit(chosen, statement);
        if let Some(liar) = &liar {
            for _ in 0..cluster.random.below(6) {
                lie(&mut cluster, liar);
            }
        }
        let pause_ms = cluster.random.below(800);
        cluster.run_ms(pause_ms);
    }

    cluster.network = Network::GOOD;
    cluster.cut.clear();
    for node in 0..members {
        cluster.nodes[node].dies_in = None;
    }
    cluster.run_ms(6_000);
    // What a node had not passed on when it died, its client submits again.
    for statement in &made {
        cluster.submit(0, statement.clone());
    }
    let ids: Vec<_> = made.iter().map(|statement| statement.id()).collect();
    let healed = cluster.run_for(60_000, |cluster| {
        all_executed(cluster, &ids) && ids.iter().all(|id| cluster.nodes[0].is_final(id))
    });
    let heights: Vec<_> = cluster.nodes.iter().map(|node| node.height().0).collect();
    let stand: Vec<_> =
        cluster.nodes.iter().map(|node| node.replica.as_ref().map(|replica| replica.status())).collect();
    assert!(healed, "seed {seed}: heights {heights:?}, {stand:#?}");
    for node in &cluster.nodes {
        assert_eq!(node.halted, None, "seed {seed}");
        let unexpected = node.faults.iter().find(|fault| matches!(fault, Fault::Muted(_) | Fault::Engine(_)));
        assert_eq!(unexpected, None, "seed {seed}");
        for evidence in &node.evidence {
            let (Evidence::Messages { member, .. } | Evidence::Heads { member, .. }) = evidence;
            assert!(cluster.witness.liars.contains(member), "seed {seed}: evidence against an honest member");
        }
    }
}

/// Tells one or all of the others something with the liar's signature, about a height and round near theirs.
fn lie(cluster: &mut Cluster, liar: &Liar) {
    let newest = cluster.nodes[liar.member].state.newest().header.clone();
    let height = Height(newest.height.0 + 1 + cluster.random.below(2));
    let step = if cluster.random.chance(500) { Step::Prevote } else { Step::Precommit };
    let point = Point { height, round: cluster.random.below(4) as u32, step };
    let ahead_ms = [0, 3_000, 8_000, 400 * 24 * 3_600_000][cluster.random.below(4) as usize];
    let block = liar.empty_block(cluster, ahead_ms);
    let (topic, bytes) = match cluster.random.below(6) {
        0 => (Topic::Consensus, liar.vote(point, None)),
        1 => (Topic::Consensus, liar.vote(point, Some(block.id()))),
        2 => (Topic::Consensus, liar.vote(point, Some(HeaderId([7; 32])))),
        3 | 4 => {
            // A round in which it is the liar's turn.
            let members = cluster.nodes.len() as u64;
            let first = (liar.member as u64 + members - block.height.0 % members) % members;
            let round = (first + members * cluster.random.below(3)) as u32;
            let locked_in = cluster.random.chance(300).then(|| cluster.random.below(3) as u32);
            (Topic::Consensus, liar.proposal(round, locked_in, &block))
        }
        _ => {
            let size = 1 + cluster.random.below(newest.tree_size + 3);
            let root = [newest.log_root, newest.status_root, newest.statements_root];
            let root = root[cluster.random.below(3) as usize];
            let at_s = [0, cluster.now.seconds(), cluster.now.seconds() + 86_400];
            let at_s = at_s[cluster.random.below(3) as usize];
            (Topic::Cosignatures, liar.cosignature(Head { height, size, root }, at_s).encode())
        }
    };
    let chosen = cluster.random.below(2 * cluster.nodes.len() as u64) as usize;
    let all = chosen >= cluster.nodes.len();
    for to in (0..cluster.nodes.len()).filter(|to| *to != liar.member && (all || *to == chosen)) {
        liar.tell(cluster, to, topic, bytes.clone());
    }
}

/// The seeds to run: those of `KVITTO_SEEDS`, written `FROM..TO`, or the first few.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("KVITTO_SEEDS").ok();
    let parse = |text: &str| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    wanted.map_or(0..count, |text| parse(&text).expect("KVITTO_SEEDS is FROM..TO"))
}

#[test]
fn four_members_survive_everything_at_once() {
    for seed in seeds(150) {
        check_seed(4, false, seed);
    }
}

#[test]
fn three_honest_members_survive_a_fourth_that_lies() {
    for seed in seeds(50) {
        check_seed(4, true, seed);
    }
}

#[test]
fn seven_members_survive_everything_at_once() {
    for seed in seeds(20) {
        check_seed(7, false, seed);
    }
}

#[test]
fn one_member_survives_everything_at_once() {
    for seed in seeds(30) {
        check_seed(1, false, seed);
    }
}

#[test]
fn a_seed_repeats_itself() {
    let run = || {
        let mut cluster = Cluster::new(4, 7);
        cluster.network = Network::BAD;
        let mut statements = Statements::new(&cluster);
        for node in 0..4 {
            cluster.submit(node, statements.next());
            cluster.nodes[node].dies_in = Some(20 + 3 * node as u64);
            cluster.run_ms(700);
        }
        cluster.run_ms(10_000);
        (cluster.witness.blocks, cluster.random.number())
    };
    assert_eq!(run(), run());
}
