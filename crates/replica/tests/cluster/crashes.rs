//! Crashes at every effect, of one member and of all at once.

use kvitto_replica::Fault;
use kvitto_replica::testing::{Cluster, Statements, all_executed};

fn check_crash(members: usize, victim: usize, effects: u64) {
    let mut cluster = Cluster::new(members, effects);
    let mut statements = Statements::new(&cluster);
    let mut ids = Vec::new();
    let mut made = Vec::new();
    for n in 0..3 {
        let statement = statements.next();
        ids.push(statement.id());
        made.push(statement.clone());
        cluster.submit((victim + n) % members, statement);
        if n == 1 {
            cluster.nodes[victim].dies_in = Some(effects);
        }
        cluster.run_ms(40);
    }
    cluster.run_ms(5_000);
    cluster.nodes[victim].dies_in = None;
    for statement in made {
        cluster.submit(victim, statement);
    }
    assert!(
        cluster.run_for(30_000, |cluster| all_executed(cluster, &ids)),
        "{members} members, {effects} effects"
    );
    assert!(cluster.run_for(30_000, |cluster| ids.iter().all(|id| cluster.nodes[victim].is_final(id))));
    for node in &cluster.nodes {
        assert_eq!(node.halted, None);
        let unexpected = node.faults.iter().find(|fault| matches!(fault, Fault::Muted(_) | Fault::Engine(_)));
        assert_eq!(unexpected, None, "{members} members, {effects} effects");
    }
}

#[test]
fn a_single_member_crashes_at_each_effect() {
    for effects in 0..40 {
        check_crash(1, 0, effects);
    }
}

#[test]
fn one_of_four_crashes_at_each_effect() {
    for effects in 0..60 {
        check_crash(4, 1, effects);
    }
}

#[test]
fn all_members_lose_power_at_once() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(4, seed);
        let mut statements = Statements::new(&cluster);
        let mut ids = Vec::new();
        for node in 0..4 {
            let statement = statements.next();
            ids.push(statement.id());
            cluster.submit(node, statement);
        }
        // Around 20 ms a block is decided: before, while and after that.
        cluster.run_ms(seed);
        let finals: Vec<_> = cluster.witness.finals.keys().copied().collect();
        for node in 0..4 {
            cluster.kill(node);
        }
        for node in 0..4 {
            cluster.start(node);
        }
        cluster.run_ms(3_000);
        assert!(all_executed(&cluster, &finals), "seed {seed}: what was final is there");
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(0, statement);
        assert!(
            cluster.run_for(20_000, |cluster| cluster.nodes[0].finals.contains(&id)),
            "seed {seed}: they go on"
        );
    }
}

#[test]
fn two_of_four_down_halt_and_go_on() {
    let mut cluster = Cluster::new(4, 3);
    let mut statements = Statements::new(&cluster);
    cluster.kill(1);
    cluster.kill(2);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    cluster.run_ms(30_000);
    assert_eq!(cluster.height().0, 0);
    cluster.start(1);
    assert!(cluster.run_for(15_000, |cluster| cluster.nodes[0].finals.contains(&id)));
}

#[test]
fn a_member_without_its_journal_is_silent_rather_than_contradict_itself() {
    let mut muted = 0;
    for seed in 0..30 {
        let mut cluster = Cluster::new(4, seed);
        let mut statements = Statements::new(&cluster);
        // Votes get through late, so that the victim has voted and nothing is decided yet.
        cluster.network.delay_ms_max = 60;
        cluster.submit(1, statements.next());
        cluster.run_ms(20 + 3 * seed);
        cluster.kill(1);
        cluster.nodes[1].journal.clear();
        cluster.start(1);
        let statement = statements.next();
        let id = statement.id();
        cluster.submit(0, statement);
        assert!(cluster.run_for(30_000, |cluster| cluster.nodes[0].finals.contains(&id)), "seed {seed}");
        muted += usize::from(cluster.nodes[1].faults.iter().any(|fault| matches!(fault, Fault::Muted(_))));
    }
    assert!(muted > 0, "the guard was never asked for something else");
}

/// The journal of a height in progress holds the member's own votes. Replaying them without a guard used to make a new one, so that
/// the second start found a guard and signed at once, whatever the lost one had remembered.
#[test]
fn a_member_that_lost_its_guard_makes_none_while_it_observes() {
    let mut cluster = Cluster::new(4, 7);
    let mut statements = Statements::new(&cluster);
    // Nothing is decided: two of four are down.
    cluster.kill(2);
    cluster.kill(3);
    cluster.submit(1, statements.next());
    cluster.run_ms(3_000);
    cluster.kill(1);
    assert!(!cluster.nodes[1].journal.is_empty());
    cluster.nodes[1].guard = None;
    for _ in 0..2 {
        cluster.start(1);
        cluster.run_ms(5_000);
        let status = cluster.nodes[1].replica.as_ref().expect("running").status();
        assert!(status.observing && status.round.is_some());
        cluster.kill(1);
        assert_eq!(cluster.nodes[1].guard, None);
    }
    // A block whose time is more than 10 s after its start ends it, and only then.
    cluster.start(1);
    cluster.start(2);
    cluster.start(3);
    cluster.run_ms(11_000);
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[id])));
    cluster.run_ms(1_000);
    assert!(!cluster.nodes[1].replica.as_ref().expect("running").status().observing);
    assert!(cluster.nodes[1].guard.is_some());
}
