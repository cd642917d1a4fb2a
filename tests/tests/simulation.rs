//! Everything at once: loss, doubling, reordering, partitions, crashes at any effect, clocks that are off. Then faults end, and it
//! must heal. `KVITTO_SEEDS=17..18` repeats one seed, `0..1000` runs many.
//!
//! Goal: what members promise each other holds whatever happens, and a ledger whose faults have ended goes on. Method: whole
//! replicas in memory, virtual time, one seed; `Witness` asserts the promises at every step. 200 seeds by default.

use kvitto_replica::Fault;
use kvitto_replica::testing::{Cluster, Network, Statements, all_executed};

fn check_seed(members: usize, seed: u64) {
    let mut cluster = Cluster::new(members, seed);
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
        assert!(node.evidence.is_empty(), "seed {seed}: evidence against an honest member");
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
        check_seed(4, seed);
    }
}

#[test]
fn seven_members_survive_everything_at_once() {
    for seed in seeds(20) {
        check_seed(7, seed);
    }
}

#[test]
fn one_member_survives_everything_at_once() {
    for seed in seeds(30) {
        check_seed(1, seed);
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
