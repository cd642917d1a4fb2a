//! RULES 2.4: what starts a height, and that every started height ends.

use std::cell::Cell;
use std::rc::Rc;

use kvitto_ledger::Rejection;
use kvitto_ledger::testing::HOUR_MS;
use kvitto_replica::testing::{Cluster, Statements, all_executed};
use kvitto_replica::{Notice, Refusal, Topic};

#[test]
fn a_statement_that_only_one_member_has_is_sent_again_until_it_is_executed() {
    let mut cluster = Cluster::new(4, 1);
    let mut statements = Statements::new(&cluster);
    let lost = Rc::new(Cell::new(true));
    let is_lost = Rc::clone(&lost);
    cluster.tamper = Some(Box::new(move |wire| {
        if wire.topic == Some(Topic::Statements) && is_lost.get() {
            wire.bytes.clear();
        }
    }));
    let statement = statements.next();
    let id = statement.id();
    cluster.submit(0, statement);
    cluster.run_ms(3_000);
    assert_eq!(cluster.height().0, 0);
    lost.set(false);
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &[id])));
}

#[test]
fn a_submitter_is_told_what_becomes_of_its_statement() {
    let mut cluster = Cluster::new(1, 1);
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let id = statement.id();
    let again = statement.clone();
    cluster.submit(0, statement.clone());
    cluster.submit(0, statement.clone());
    assert!(cluster.run_for(1_000, |cluster| cluster.nodes[0].finals.contains(&id)));
    cluster.submit(0, statement);
    let notices: Vec<_> = cluster.nodes[0].notices.iter().map(|(_, notice)| *notice).collect();
    let height = cluster.nodes[0].state.changes.outcomes[&id].height;
    assert_eq!(notices, [Notice::Accepted, Notice::Accepted, Notice::AlreadyFinal(height)]);
    // For ever, though its time is over.
    cluster.run_ms(2 * HOUR_MS);
    cluster.submit(0, again);
    assert_eq!(cluster.nodes[0].notices.last(), Some(&(id, Notice::AlreadyFinal(height))));
}

#[test]
fn a_refused_statement_is_answered_with_the_reason() {
    let mut cluster = Cluster::new(1, 1);
    let mut statements = Statements::new(&cluster);
    let statement = statements.next();
    let id = statement.id();
    cluster.run_ms(2 * HOUR_MS);
    cluster.submit(0, statement);
    assert_eq!(cluster.nodes[0].notices, [(id, Notice::Rejected(Rejection::StatementExpired))]);
    let statement = statements.next();
    cluster.now.0 -= 2 * HOUR_MS + 61_000;
    let id = statement.id();
    cluster.submit(0, statement);
    assert_eq!(cluster.nodes[0].notices[1], (id, Notice::Rejected(Rejection::StatementNotYet)));
    assert_eq!(cluster.height().0, 0);
}

/// Otherwise a signer could make a node run the rules without end.
#[test]
fn a_signer_over_its_quota_is_refused_before_the_rules_are_asked() {
    let mut cluster = Cluster::new(4, 1);
    cluster.mempool.signer_count_max = 1;
    for node in 0..4 {
        cluster.kill(node);
    }
    cluster.start(0);
    let mut statements = Statements::new(&cluster);
    let (first, again) = (statements.next(), statements.next());
    let id = again.id();
    cluster.submit(0, first);
    // It has expired: the rules would reject it.
    cluster.now.0 += 2 * HOUR_MS;
    cluster.submit(0, again);
    assert_eq!(cluster.nodes[0].notices[1..], [(id, Notice::Refused(Refusal::SignerQuota))]);
}

#[test]
fn many_statements_share_blocks() {
    let mut cluster = Cluster::new(4, 9);
    let mut statements = Statements::new(&cluster);
    let made: Vec<_> = (0..400).map(|_| statements.next()).collect();
    let ids: Vec<_> = made.iter().map(|statement| statement.id()).collect();
    for (n, statement) in made.into_iter().enumerate() {
        cluster.submit(n % 4, statement);
    }
    assert!(cluster.run_for(20_000, |cluster| all_executed(cluster, &ids)));
    assert!(cluster.height().0 < 40, "{}", cluster.height());
    assert!(cluster.witness.rounds.values().all(|round| *round == 0));
}
